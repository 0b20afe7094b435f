"""Healthy trainings that look sick to a rule of thumb: none of them may raise an alarm."""

from __future__ import annotations

import numpy as np
import pytest

from rlcheck.signals.contract import diagnose_log
from rlcheck.signals.findings import Alarm
from rlcheck.signals.series import Log, Series

COUNT = 120
T = np.linspace(0.0, 1.0, COUNT)
STEPS = np.arange(1, COUNT + 1) * 1000.0
RNG = np.random.default_rng(0)


def noisy(curve, size=0.05):
    """A curve with noise relative to its size."""
    middle = np.broadcast_to(np.asarray(curve, dtype=float), (COUNT,))
    return middle * (1 + size * RNG.standard_normal(COUNT))


def log(config=None, **curves):
    """A log of these curves over the same steps; `__` stands for a slash."""
    signals = {
        name.replace("__", "/"): Series(STEPS, np.broadcast_to(np.asarray(values, float), (COUNT,)))
        for name, values in curves.items()
    }
    return Log(signals, config or {})


SPARSE = np.where(RNG.random(COUNT) < 0.1, 0.25, 0.0)
RISING = noisy(20 + 300 * T)
LATE = np.maximum(T - 0.3, 1e-3)

HEALTHY = {
    "costs grow with the movement": log(
        episode_return=noisy(3000 * T) - 400 * T,
        reward_component__forward=noisy(3000 * T), reward_component__control=noisy(-400 * T)),
    "gradient of 0 once every group is solved": log(
        reward=np.minimum(0.3 + 1.2 * T, 1.0), grad_norm=np.where(T < 0.58, noisy(0.4), 0.0)),
    "gradient of 0 as long as no reward is found": log(
        episode_return=np.zeros(COUNT), grad_norm=np.zeros(COUNT)),
    "gradient that comes with the first rewards": log(
        episode_return=SPARSE, grad_norm=np.where(T < 0.5, 1e-9, noisy(0.1))),
    "losses that are NaN where nothing was learned": log(
        episode_return=RISING, loss=np.where(np.arange(COUNT) % 4 == 0, 1.0, np.nan)),
    "most units dead, and the task learned": log(
        episode_return=RISING, dead_fraction=noisy(0.2 + 0.68 * T, 0.01)),
    "speed averaged since a late start of learning": log(
        episode_return=RISING, throughput=T * 3000 / (0.3 * T + 9.0 * LATE + 0.01)),
    "values of an agent that is paid for entropy": log(
        {"gamma": 0.99}, episode_return=noisy(0.2, 0.3), episode_length=200.0, temperature=0.2,
        q_mean=60 * T + 1),
    "equal values as long as the goal is not found": log(
        episode_return=-200.0, q_mean=-30 * T - 1, q_max=-30 * T - 0.999),
    "a target interval that suits longer trainings": log(
        {"target_update_interval": 200_000}, episode_return=noisy(20.0)),
    "a critic that begins to explain": log(
        episode_return=noisy(-1200, 0.02), clip_fraction=0.1,
        explained_variance=np.abs(noisy(0.001 + 0.015 * T))),
    "a policy that begins to move": log(
        {"num_actions": 4}, episode_return=noisy(-180.0, 0.3),
        entropy=np.log(4) * (1 - 0.008 * T**2)),
    "nearly certain, and still better": log(
        {"env_id": "CartPole-v1"}, episode_return=noisy(25 + 200 * T), entropy=0.69 * np.exp(-4 * T)),
    "a first episode that was lucky": log(
        {"env_id": "LunarLander-v3"}, approx_kl=np.where(np.arange(COUNT) == 2, 1.5, 0.01),
        episode_return=np.concatenate([[-20.0], -250 + 60 * RNG.standard_normal(COUNT - 1)])),
    "a dip at the very end": log(
        episode_return=np.where(T > 0.85, 20.0, 20 + 480 * np.minimum(2 * T, 1))
        + RNG.normal(size=COUNT)),
    "a mean over many episodes that wanders": log(
        episode_return=-1200 + 60 * np.sin(2.2 * np.pi * T) + RNG.normal(size=COUNT)),
    "a sparse reward that is never found": log(
        {"env_id": "MountainCar-v0"}, episode_return=-200.0, episode_length=200.0, entropy=0.9),
    "few and scattered evaluations": Log({
        "episode_return": Series(STEPS, RISING),
        "eval_return": Series(STEPS[::12], np.array([9.0, 60, 480, 500, 470, 200, 490, 120, 250, 150]))}),
    "wrong replies get longer as the easy ones are solved": log(
        reward=noisy(0.3 + 0.5 * T), wrong_length=noisy(200 + 300 * T), correct_length=noisy(200.0)),
    "drift after the reward reached its maximum": log(
        reward=np.minimum(0.3 + 1.5 * T, 0.98), kl_to_reference=noisy(np.exp(4 * T) * 0.02)),
    "a drift of nothing": log(reward=noisy(0.4), kl_to_reference=noisy(np.exp(4 * T) * 1e-4)),
    "longer replies with a held-out score at its maximum": log(
        reward=noisy(0.3 + 0.5 * T), response_length=noisy(100 + 300 * T), eval_return=noisy(0.96, 0.01)),
    "ratios of whole responses": log(reward=noisy(0.3 + 0.5 * T), sampler_ratio=noisy(0.86, 0.02)),
    "a low learning rate in preference learning": log(
        loss=0.6931 - 0.0015 * T, reward_margin=0.01 * T + 1e-4 * RNG.standard_normal(COUNT)),
    "a critic with a tiny learning rate": log(
        episode_return=noisy(-1200, 0.02), value_target_mean=noisy(-80.0, 0.2), value_mean=-0.8 * T,
        value_loss=noisy(4000.0), explained_variance=0.002 * RNG.standard_normal(COUNT)),
    "a critic that is right from the start": log(
        episode_return=noisy(200.0), value_target_mean=noisy(50.0), value_mean=noisy(50.0),
        explained_variance=noisy(0.7)),
    "a critic of an intrinsic reward": log(
        episode_return=-200.0, value_target_mean=noisy(5.0), value_mean=5 * (1 - np.exp(-5 * T)),
        explained_variance=0.05 * RNG.standard_normal(COUNT)),
    "one return so far, and a reward of the other sign that is not logged": Log({
        "episode_return": Series(STEPS[-1:], np.array([-400.0])),
        "value_target_mean": Series(STEPS, noisy(20.0)),
        "value_mean": Series(STEPS, 18 * (1 - np.exp(-3 * T)))}),
    "values that grow to what a single return shows": Log({
        "episode_return": Series(STEPS[-1:], np.array([-284.0])),
        "episode_length": Series(STEPS[-1:], np.array([285.0])),
        "q_mean": Series(STEPS, -100 * (1 - 0.99 ** (80 * T)) - 0.1)}, {"gamma": 0.99}),
    "a shaped reward of the other sign": log(
        episode_return=noisy(-150.0, 0.2), value_target_mean=noisy(20.0),
        value_mean=20 * (1 - np.exp(-5 * T)), explained_variance=noisy(0.6)),
    "a mean value that needs the whole run": log(
        episode_return=noisy(-1200, 0.02), value_mean=-72 * T,
        value_target_mean=-85 - 55 * T + 5 * RNG.standard_normal(COUNT), value_loss=noisy(2500.0),
        explained_variance=np.abs(0.002 * RNG.standard_normal(COUNT))),
    "levels that become harder": log(
        episode_return=noisy(100 - 40 * T), entropy=0.69 * (1 - 0.5 * T)),
    "a valley before the hill": log(
        episode_return=noisy(-100 - 90 * np.sin(np.pi * T)), entropy=1.3 - 0.3 * T),
    "many updates between two records": log(
        {"n_steps": 16, "num_envs": 4}, episode_return=noisy(20 + 80 * np.minimum(8 * T, 1)),
        entropy=np.where(T > 0.01, 0.02, 0.69)),
    "a coefficient whose sign is a convention": log(
        {"entropy_coef": -0.01}, episode_return=RISING, entropy=0.69 * np.exp(-6 * T)),
    "observations that hardly vary": log(
        episode_return=-200.0, dead_fraction=noisy(0.67, 0.01)),
    "rewards rescaled after they are logged, and a critic that learns them": log(
        episode_return=noisy(20.0), value_loss=noisy(4e8), explained_variance=noisy(0.6)),
    "rewards of a thousandth, and a critic that begins at a tenth": log(
        episode_return=noisy(0.01), value_loss=noisy(1e-5 + 0.02 * np.exp(-20 * T)),
        explained_variance=0.005 * RNG.standard_normal(COUNT)),
    "errors that grow with costs that nobody has counted yet": log(
        {"gamma": 0.99}, q_mean=-22 * T - 0.1, value_loss=0.001 * np.exp(6 * np.maximum(T - 0.3, 0)),
        epsilon=0.05),
    "a hasty learning rate and a policy that keeps trying": log(
        {"learning_rate": 0.3}, episode_return=noisy(20.0), entropy=noisy(0.4)),
    "costs add up as long as no episode ends": log(
        {"gamma": 0.99}, q_mean=-100 * (1 - 0.99 ** (80 * T)) - 0.1, loss=0.01),
    "updates that an entropy bonus outweighs": log(
        advantage_logprob_correlation=0.05 * RNG.standard_normal(COUNT), episode_return=noisy(20.0)),
    "updates of a policy that is certain, after many along the advantages": log(
        advantage_logprob_correlation=np.where(T < 0.3, 0.2, 0.01 * RNG.standard_normal(COUNT) - 0.01),
        episode_return=RISING),
    "TD errors of a critic that says the same everywhere, targets by the length of episodes": log(
        value_mean=0.05 * T, value_target_mean=10 + RNG.standard_normal(COUNT),
        td_error_mean=1.0 - 0.001 * RNG.standard_normal(COUNT), episode_return=noisy(20.0),
        explained_variance=0.05 * RNG.standard_normal(COUNT) + 0.02),
    "values that are too large at first, and fall": log(
        value_mean=20 * np.exp(-2 * T), value_target_mean=noisy(16 * np.exp(-2 * T), 0.01),
        td_error_mean=-noisy(0.4 * np.exp(-2 * T)), episode_length=noisy(40.0),
        episode_return=noisy(3.0)),
    "a critic that is right, in episodes that end": log(
        value_mean=noisy(20.0, 0.01), td_error_mean=0.02 * RNG.standard_normal(COUNT) - 0.01,
        value_target_mean=20 + 0.1 * RNG.standard_normal(COUNT), episode_length=noisy(20.0),
        episode_return=noisy(20.0)),
    "TD errors that a right critic leaves of a policy that is certain": log(
        value_mean=5.0, value_target_mean=noisy(5.0, 0.005), td_error_mean=noisy(0.01, 0.5),
        episode_return=noisy(9.0), episode_length=noisy(9.0), explained_variance=noisy(0.9, 0.02)),
    "values of states that are better than an episode's start": log(
        {"gamma": 0.99}, episode_return=noisy(-200.0, 0.3), episode_length=noisy(90.0), epsilon=0.05,
        q_mean=40 * T, q_max=90 * T),
    "targets of one step": log(
        value_mean=5 * T, value_target_mean=5 * T + 0.8, td_error_mean=0.8, episode_return=noisy(20.0)),
    "TD errors and advantages around 0": log(
        value_mean=noisy(20.0), td_error_mean=0.01 * RNG.standard_normal(COUNT),
        value_target_mean=20 + 0.1 * RNG.standard_normal(COUNT), episode_return=RISING),
    "a loss of the last minibatch beside means over all": log(
        episode_return=RISING, entropy=0.69 * np.exp(-2 * T), policy_loss=noisy(-0.01),
        value_loss=noisy(5 * np.exp(-3 * T)), loss=noisy(3 * np.exp(-3 * T), 0.3)),
    "an objective that is maximised": log(
        episode_return=RISING, entropy=0.69 * np.exp(-2 * T), policy_loss=0.02 - 0.01 * T,
        value_loss=np.exp(-3 * T),
        loss=0.02 - 0.01 * T - 0.5 * np.exp(-3 * T) + 0.0069 * np.exp(-2 * T)),
    "a critic with a loss of its own": log(
        {"value_coef": 0.0}, episode_return=RISING, explained_variance=noisy(0.6)),
    "an entropy that a coefficient of either convention lets go": log(
        {"entropy_coef": -0.5}, episode_return=RISING, entropy=1.1 - 0.4 * T),
    "an interval of the target that a long training reaches": Log(
        {"loss": Series(STEPS, noisy(0.1)), "q_mean": Series(STEPS, noisy(5.0))},
        {"target_update_interval": 2_000_000.0, "total_timesteps": 5e6}),
    "groups that agree because all succeed, on another scale": log(
        reward=np.minimum(0.1 + 0.7 * T, 0.5), zero_signal_groups=np.where(T > 0.45, 1.0, 0.4)),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_no_alarm(name):
    alarms = [one.message for _, one in diagnose_log(HEALTHY[name]) if isinstance(one, Alarm)]
    assert alarms == []
