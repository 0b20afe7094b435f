"""Wrong maps from the policy's range to the bounds of the action space, and learners of right ones."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.action_scale_check import HIGH, TARGETS, Reach, judge_reach
from rlcheck.records import Context, More, Outcome, Settings, Status

STEPS = {1_024: 0.4, 2_048: 0.7, 4_096: 0.95}
"""How far a slow learner of a right map has come from 0."""


def judged(executed, learned=lambda steps: 1.0) -> Outcome:
    """What is said of a learner whose settled answer to a target is `executed(target)`."""
    rng = np.random.default_rng(0)
    context, trials = Context(Settings(), {}), []
    while isinstance(said := judge_reach(trials, context), More):
        for trial in said.trials:
            answers = executed(TARGETS) * learned(trial.steps) + rng.normal(0, 0.05, len(TARGETS))
            tried = executed(rng.uniform(-HIGH, HIGH, 500))
            trials.append(
                (
                    trial,
                    {
                        "answers": answers.tolist(),
                        "executed": [tried.min(), tried.max()],
                        "seconds": 1.0,
                    },
                )
            )
    return said


@pytest.mark.parametrize(
    "executed",
    [
        pytest.param(lambda t: np.clip(t, -1, 1), id="never scaled"),
        pytest.param(lambda t: np.clip(t, -HIGH, 0), id="lower half"),
        pytest.param(lambda t: np.clip(t, 0, HIGH), id="upper half"),
        pytest.param(lambda t: np.clip(3 * t, -HIGH, HIGH), id="learned in other units"),
    ],
)
def test_a_wrong_map_is_named(executed):
    outcome = judged(executed)
    assert outcome.status is Status.FAILED
    assert max(outcome.suspects, key=outcome.suspects.get) == "action-scale-wrong"


@pytest.mark.parametrize(
    ("executed", "learned"),
    [
        pytest.param(lambda t: t, lambda steps: 1.0, id="learned"),
        pytest.param(lambda t: t, STEPS.get, id="slow"),
        pytest.param(lambda t: 0 * t, lambda steps: 1.0, id="not begun"),
        pytest.param(lambda t: HIGH * np.sign(t), lambda steps: 1.0, id="saturated"),
        pytest.param(lambda t: np.full_like(t, -HIGH), lambda steps: 1.0, id="one bound"),
    ],
)
def test_a_right_map_is_not_accused(executed, learned):
    assert judged(executed, learned).status in (Status.PASSED, Status.SKIPPED)


def test_the_reward_is_highest_at_the_target():
    env = Reach(seed=0)
    observation, _ = env.reset()
    target = TARGETS[int(observation.argmax())]
    inwards = target - 1.5 * np.sign(target)
    assert env.step(np.array([target]))[1] == 0.0
    _, reward, terminated, truncated, _ = env.step(np.array([inwards]))
    assert reward == pytest.approx(-0.25)
    assert (terminated, truncated) == (True, False)
    env.step(np.array([100.0]))
    assert env.executed == pytest.approx([target, inwards, HIGH])
