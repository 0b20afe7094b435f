"""Each faulty rollout buffer computes exactly the wrong advantages that it claims to."""

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.buffers import RolloutBuffer

from benchmarks.agents import a2c_faults as a2c
from benchmarks.agents import ppo_rollout_faults as ppo

GAMMA, LAM, T, B = 0.9, 0.8, 6, 2
OBSERVATIONS = gymnasium.spaces.Box(-np.inf, np.inf, (1,), np.float32)
STARTS = np.array([[1, 1], [0, 0], [1, 0], [0, 1], [0, 0], [1, 0]], np.float32)
DONES = np.array([False, True])
REWARDS = np.random.default_rng(0).normal(size=(T, B)).astype(np.float32)
VALUES = np.random.default_rng(1).normal(size=(T, B)).astype(np.float32)
LAST = np.array([0.7, -1.3], np.float32)


def filled(buffer_class, finish=True):
    buffer = buffer_class(
        T, OBSERVATIONS, gymnasium.spaces.Discrete(99), "cpu", LAM, GAMMA, n_envs=B
    )
    for t in range(T):
        tag = 10 * t + np.arange(B)
        buffer.add(
            tag[:, None].astype(np.float32), tag[:, None], REWARDS[t], STARTS[t],
            torch.tensor(VALUES[t]), torch.zeros(B),
        )  # fmt: skip
    if finish:
        buffer.compute_returns_and_advantage(torch.tensor(LAST), DONES)
    return buffer


def gae(*, rewards=REWARDS, following=None, boot_end=None, carry_end=None, boot=GAMMA, carry=None):
    """GAE as a literal loop; every argument can be replaced by what a fault puts there."""
    right_end = np.vstack([STARTS[1:], DONES[None]]).astype(float)
    following = np.vstack([VALUES[1:], LAST[None]]) if following is None else following
    boot_end = right_end if boot_end is None else boot_end
    carry_end = boot_end if carry_end is None else carry_end
    carry = GAMMA * LAM if carry is None else carry
    advantages = np.zeros((T, B))
    for b in range(B):
        for t in range(T):
            weight = 1.0
            for k in range(t, T):
                target = rewards[k, b] + boot * (1 - boot_end[k, b]) * following[k, b]
                advantages[t, b] += weight * (target - VALUES[k, b])
                weight *= carry * (1 - carry_end[k, b])
    return advantages


RIGHT_END = np.vstack([STARTS[1:], DONES[None]]).astype(float)
NEVER = np.zeros((T, B))
ONLY_LAST = np.vstack([np.zeros((T - 1, B)), DONES[None]])
ZERO = np.zeros((1, B))
NEXT = np.vstack([VALUES[1:], LAST[None]])
CLAIMS = [
    (ppo.NoDones, {"boot_end": NEVER}),
    (ppo.UnmaskedBootstrap, {"boot_end": NEVER, "carry_end": RIGHT_END}),
    (ppo.UnmaskedCarry, {"carry_end": NEVER}),
    (ppo.StartFlagsAsMask, {"boot_end": STARTS}),
    (ppo.NextStepsDone, {"boot_end": np.vstack([RIGHT_END[1:], RIGHT_END[-1:]])}),
    (ppo.Undiscounted, {"boot": 1.0, "carry": LAM}),
    (ppo.GammaTwice, {"boot": GAMMA**2, "carry": GAMMA**2 * LAM}),
    (ppo.FrameSkipGamma, {"boot": GAMMA**4, "carry": GAMMA**4 * LAM}),
    (ppo.LateRewards, {"rewards": np.vstack([ZERO, REWARDS[:-1]])}),
    (ppo.EarlyRewards, {"rewards": np.vstack([REWARDS[1:], ZERO])}),
    (ppo.CentredRewards, {"rewards": REWARDS - REWARDS.mean()}),
    (ppo.CurrentValueAsNext, {"following": VALUES}),
    (a2c.RolloutSeenAsOneEpisode, {"boot_end": ONLY_LAST}),
    (a2c.CutBeforeTheEnd, {"boot_end": np.vstack([RIGHT_END[1:], ZERO])}),
    (a2c.LambdaForGamma, {"boot": LAM}),
    (a2c.RewardOfTheNextRow, {"rewards": np.roll(REWARDS, -1, axis=0)}),
]


def test_the_literal_loop_is_the_stock_buffer():
    np.testing.assert_allclose(filled(RolloutBuffer).advantages, gae(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("buffer_class", "wrong"), CLAIMS, ids=lambda it: getattr(it, "__name__", "")
)
def test_the_advantages_are_wrong_as_claimed(buffer_class, wrong):
    got = filled(buffer_class).advantages
    np.testing.assert_allclose(got, gae(**wrong), rtol=1e-5, atol=1e-5)
    assert np.abs(got - gae()).max() > 1e-2


def batch(buffer):
    return next(iter(buffer.get(None)))


def test_stock_rows_belong_together_and_those_of_each_faulty_buffer_do_not():
    rows = batch(filled(RolloutBuffer))
    assert torch.equal(rows.observations[:, 0], rows.actions[:, 0])
    lagged = batch(filled(ppo.LaggedObservations))
    difference = lagged.actions[:, 0] - lagged.observations[:, 0]
    assert sorted(difference.tolist()) == [0.0] * B + [10.0] * (T - 1) * B
    mixed = batch(filled(a2c.TimeMajorActions))
    assert not torch.equal(mixed.observations[:, 0], mixed.actions[:, 0])
    assert sorted(mixed.actions[:, 0].tolist()) == sorted(rows.actions[:, 0].tolist())


@pytest.mark.parametrize("buffer_class", [ppo.ShuffledAdvantages, ppo.UnswappedAdvantages])
def test_advantages_belong_to_other_rows(buffer_class):
    buffer = filled(buffer_class)
    expected = {10 * t + b: buffer.advantages[t, b] for t in range(T) for b in range(B)}
    rows = batch(buffer)
    right = [expected[int(tag)] for tag in rows.observations[:, 0]]
    assert sorted(rows.advantages.tolist()) == pytest.approx(sorted(right))
    assert not np.allclose(rows.advantages, right)
