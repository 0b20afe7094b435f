"""What recorded actions show: agents that draw some of their actions, and agents that never do."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ladders.behaviour import (
    acts_on_the_state_before,
    blind,
    lone_choices,
    no_exploration,
    observation_answered,
    observation_ignored,
    train_eval_mismatch,
)
from ladders.exam import design
from rlcheck.records import Context, Evidence, Settings, Status

EXAM = design(0.9)
VISITS = 200


def recorded(choose, seed: int) -> dict[str, np.ndarray]:
    """Every question asked `VISITS` times, in turn; `choose(visit, rng)` answers."""
    rng = np.random.default_rng(seed)
    states = np.tile(EXAM.decisions, VISITS)
    visit = np.repeat(np.arange(VISITS), len(EXAM.decisions))
    return {"states": states, "actions": np.array([choose(one, rng) for one in visit])}


def judged(choose, actions: str = "discrete"):
    sheets = [{"lone": lone_choices(EXAM, [recorded(choose, seed)])} for seed in (0, 1)]
    return no_exploration(sheets, Context(Settings(), {"actions": actions}))


@pytest.mark.parametrize(
    "choose",
    [
        pytest.param(lambda visit, rng: int(rng.random() < 0.005), id="epsilon 0.01 throughout"),
        pytest.param(lambda visit, rng: int(rng.random() < 0.5 / (1 + visit)), id="decays fast"),
        pytest.param(lambda visit, rng: visit % 2 if visit < 6 else 1, id="optimistic values"),
    ],
)
def test_an_agent_that_explores_is_not_accused(choose):
    assert judged(choose) is None


@pytest.mark.parametrize(
    "choose",
    [
        pytest.param(lambda visit, rng: 1, id="one action"),
        pytest.param(lambda visit, rng: visit // 40 % 2, id="changes its mind"),
    ],
)
def test_an_agent_that_never_draws_is_named(choose):
    outcome = judged(choose)
    assert outcome.status is Status.FAILED
    assert max(outcome.suspects, key=outcome.suspects.get) == "no-exploration"
    assert judged(choose, "continuous") is None


def test_one_action_everywhere_may_also_be_a_wrapper():
    assert "action-not-executed" in judged(lambda visit, rng: 1).suspects
    assert "action-not-executed" not in judged(lambda visit, rng: visit // 40 % 2).suspects


@pytest.mark.parametrize("numbered_rightly", [True, False])
def test_the_worst_action_in_evaluation_is_no_permutation_if_training_was_right(numbered_rightly):
    right = EXAM.right
    did = right if numbered_rightly else 1 - right
    late = np.zeros((EXAM.mdp.n_states, 2))
    late[EXAM.decisions, did] = 60
    late[EXAM.decisions, 1 - did] = 3
    sheets = [{"late": late.tolist(), "answers": (1 - did).tolist()}] * 2
    suspects = train_eval_mismatch(EXAM, sheets).suspects
    assert max(suspects, key=suspects.get) == "train-eval-mismatch"
    assert ("action-permuted" in suspects) is not numbered_rightly


def showing(**shown) -> SimpleNamespace:
    return SimpleNamespace(**{"q_values": None, "action_probabilities": None} | shown)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (showing(q_values=lambda obs: np.tile([1.0, 2.0], (len(obs), 1))), [1.0, 2.0]),
        (showing(action_probabilities=lambda obs: np.tile([0.2, 0.8], (len(obs), 1))), [0.2, 0.8]),
        (showing(q_values=lambda obs: np.tile([1.0, 2.0], (len(obs), 1)) + 1e-9 * obs), None),
        (showing(), None),
    ],
)
def test_a_policy_that_is_the_same_everywhere_is_blind(agent, expected):
    assert blind(agent, np.arange(8.0)[:, None]) == expected


def test_a_blind_policy_is_named_where_all_runs_show_it_and_have_learned():
    learned = [{"blind": [0.3, 0.7]}, {"blind": [0.31, 0.69]}]
    assert observation_ignored(learned).suspects == {"observation-ignored": 0.95}
    assert observation_ignored([*learned, {"blind": None}]) is None
    assert observation_ignored([{"blind": [0.95, 0.05]}] * 4) is None
    assert observation_ignored([{}]) is None


def walked(acts_on: int, wrong: float, flip: bool = False) -> Evidence:
    """A run whose actions follow the state `acts_on` steps ago, but for a share of random ones."""
    rng = np.random.default_rng(3)
    greedy = rng.integers(0, 2, EXAM.mdp.n_states)
    states = rng.integers(0, EXAM.mdp.n_states, 20_000)
    actions = np.roll(greedy[states], acts_on)
    actions = np.where(rng.random(len(states)) < wrong, 1 - actions, actions)
    record = {"states": states, "actions": 1 - actions if flip else actions}
    return {"answered": observation_answered([record], greedy, EXAM.mdp.start > 0)}


@pytest.mark.parametrize(
    ("late", "wrong", "flip"), [(0, 0.0, False), (0, 0.5, False), (0, 0.0, True)]
)
def test_following_ones_own_state_or_none_or_the_other_action_is_not_acting_late(late, wrong, flip):
    assert acts_on_the_state_before([walked(late, wrong, flip)] * 4) is None
    assert acts_on_the_state_before([{}]) is None


def test_actions_that_answer_the_state_before_are_named():
    outcome = acts_on_the_state_before([walked(1, 0.1)] * 4)
    assert outcome.suspects == {"observation-stale": 0.95}
    assert acts_on_the_state_before([walked(1, 0.1)] * 3 + [walked(0, 0.1)]) is None
