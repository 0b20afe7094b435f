"""The faulty agents written from scratch compute exactly the wrong quantities that they claim to."""

import itertools

import numpy as np
import pytest
import torch
from building import build
from tiny_problem import N_STATES, TinyProblem

from benchmarks.agents import own_agents as own
from benchmarks.agents.own_tabular import TabularQ, TabularSarsa
from benchmarks.agents.own_torch import TorchDQN, TorchPPO, TorchReinforce

GAMMA = 0.9
OBS, NEXT = np.eye(N_STATES, dtype=np.float32)[:2]
NEXT_ROW = np.array([2.0, 4.0])


def agent(cls):
    return build(lambda env, **common: cls(env, **common))


@pytest.mark.parametrize(
    ("cls", "terminated", "truncated", "target"),
    [
        (TabularQ, False, False, 1.5 + GAMMA * 4),
        (TabularQ, True, False, 1.5),
        (TabularQ, False, True, 1.5 + GAMMA * 4),
        (TabularSarsa, False, False, 1.5 + GAMMA * 2),
        (own.QBootstrapsAlways, True, False, 1.5 + GAMMA * 4),
        (own.QStopsAtTimeouts, False, True, 1.5),
        (own.QAverages, False, False, 1.5 + GAMMA * 3),
        (own.QWholeRewards, False, False, 1.0 + GAMMA * 4),
        (own.SarsaPaysLater, False, False, 0.0 + GAMMA * 2),
    ],
)
def test_the_tabular_target(cls, terminated, truncated, target):
    built = agent(cls)
    built.row(NEXT)[:] = NEXT_ROW
    built.update(OBS, 1, 1.5, NEXT, 0, terminated, truncated)
    np.testing.assert_allclose(built.row(OBS), [0.0, built.step_size * target])


def test_the_wrong_row_is_written_and_nothing_is_explored():
    built = agent(own.SarsaUpdatesWhereItWent)
    built.update(OBS, 1, 1.5, NEXT, 0, True, False)
    assert not built.row(OBS).any()
    assert built.row(NEXT)[1] > 0
    built = agent(own.QGreedyFromTheStart)
    assert {built.act(OBS) for _ in range(50)} == {0}


def rollout_of(built):
    built.observation, _ = built.env.reset(seed=5)
    return built.collect()


def gae(built, rollout, *, gamma=GAMMA, lam=0.95, terminated=None, ended=None, next_obs=None):
    terminated = rollout["terminated"] if terminated is None else terminated
    ended = rollout["terminated"] | rollout["truncated"] if ended is None else ended
    next_obs = rollout["next_obs"] if next_obs is None else next_obs
    values, following = built.values(rollout["obs"]), built.values(next_obs)
    deltas = rollout["reward"] + gamma * following * (1.0 - terminated) - values
    advantages = np.zeros(len(deltas))
    for t in range(len(deltas)):
        weight = 1.0
        for k in range(t, len(deltas)):
            advantages[t] += weight * deltas[k]
            weight *= gamma * lam
            if ended[k]:
                break
    return advantages


def before(flags):
    return np.concatenate([[False], flags[:-1]])


PPO_CLAIMS = [
    (TorchPPO, lambda r: {}),
    (own.PPOOneDone, lambda r: {"terminated": r["terminated"] | r["truncated"]}),
    (
        own.PPODonesOfTheRowBefore,
        lambda r: {
            "terminated": before(r["terminated"]),
            "ended": before(r["terminated"] | r["truncated"]),
        },
    ),
    (
        own.PPOValuesOfTheNextRow,
        lambda r: {
            "terminated": np.zeros(len(r["obs"])),
            "ended": r["truncated"],
            "next_obs": np.concatenate([r["obs"][1:], r["next_obs"][-1:]]),
        },
    ),
    (own.PPOLambdaAndGammaSwapped, lambda r: {"gamma": 0.95, "lam": 0.9}),
]


@pytest.mark.parametrize(("cls", "wrong"), PPO_CLAIMS, ids=lambda it: getattr(it, "__name__", ""))
def test_advantages(cls, wrong):
    built = agent(cls)
    rollout = rollout_of(built)
    got = built.advantages(rollout)
    np.testing.assert_allclose(got, gae(built, rollout, **wrong(rollout)), atol=1e-5)
    assert (np.abs(got - gae(built, rollout)).max() < 1e-5) == (cls is TorchPPO)


def test_returns_to_go():
    built = agent(TorchReinforce)
    rollout = rollout_of(built)
    # Monte-Carlo advantages are those of GAE with lambda 1.
    np.testing.assert_allclose(built.advantages(rollout), gae(built, rollout, lam=1.0), atol=1e-5)
    wrong = agent(own.ReinforceUndiscounted)
    np.testing.assert_allclose(
        wrong.advantages(rollout), gae(wrong, rollout, gamma=1.0, lam=1.0), atol=1e-5
    )
    assert wrong.gamma == GAMMA
    wrong = agent(own.ReinforcePrefixSums)
    ends = np.flatnonzero(rollout["terminated"] | rollout["truncated"])
    longest = max(itertools.pairwise(ends), key=lambda pair: pair[1] - pair[0])
    rows = np.arange(longest[0] + 1, longest[1] + 1)
    discounted = rollout["reward"][rows] * GAMMA ** np.arange(len(rows))
    got = wrong.advantages(rollout) + wrong.values(rollout["obs"])
    np.testing.assert_allclose(got[rows], np.cumsum(discounted), atol=1e-5)


def test_the_surrogate_is_minimised():
    log_probs, old = torch.tensor([-0.5, -1.0]), torch.tensor([-0.6, -0.9])
    right, wrong = agent(TorchPPO), agent(own.PPOMinimises)
    advantages = torch.tensor([1.0, -2.0])
    assert wrong.surrogate(log_probs, old, advantages) == -right.surrogate(
        log_probs, old, advantages
    )


def test_dqn_targets_memory_and_synchronisation():
    reward, ended = torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0])
    observations = torch.eye(N_STATES)[:2]
    wrong = agent(own.DQNIgnoresTerminated)
    following = wrong.target(observations).max(dim=1).values
    torch.testing.assert_close(
        wrong.targets(reward, observations, ended), reward + GAMMA * following
    )
    for cls, row in (
        (TorchDQN, (0, 1, 0.5, 1, False)),
        (own.DQNRemembersDone, (0, 1, 0.5, 1, True)),
        (own.DQNRemembersTheStateTwice, (0, 1, 0.5, 0, False)),
    ):
        built = agent(cls)
        built.remember(0, 1, 0.5, 1, False, True)
        assert built.memory == [row]
    for cls, moves in ((TorchDQN, True), (own.DQNNeverSyncs, False)):
        built = agent(cls)
        first = built.target[1].weight.clone()
        built.learn(500)
        assert torch.equal(first, built.target[1].weight) != moves


def test_the_tiny_problem_has_both_kinds_of_end():
    rollout = rollout_of(agent(TorchPPO))
    assert rollout["terminated"].any()
    assert rollout["truncated"].any()
    assert isinstance(agent(TorchPPO).env, TinyProblem)
