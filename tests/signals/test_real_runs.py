"""Logs of real trainings: what Stable-Baselines3's own loggers write, healthy and not."""

from __future__ import annotations

import pytest

import rlcheck
from rlcheck.records import Verdict

pytestmark = pytest.mark.slow
sb3 = pytest.importorskip("stable_baselines3")
pytest.importorskip("tensorboard")

SMALL_PPO = {"n_steps": 256, "n_epochs": 5, "seed": 0, "device": "cpu"}


def train(folder, algorithm, steps, **settings):
    """Trains in CartPole with the CSV, JSON and TensorBoard writers and a monitor, as users do."""
    import gymnasium
    import torch
    from stable_baselines3.common.logger import configure
    from stable_baselines3.common.monitor import Monitor

    torch.set_num_threads(1)
    folder.mkdir()
    env = Monitor(gymnasium.make("CartPole-v1"), str(folder / "monitor.csv"))
    model = algorithm("MlpPolicy", env, **settings)
    model.set_logger(configure(str(folder), ["csv", "json", "tensorboard"]))
    model.learn(steps)
    env.close()
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    base = tmp_path_factory.mktemp("runs")
    return {
        "healthy": train(base / "healthy", sb3.PPO, 15_000, **SMALL_PPO),
        "learning rate 1": train(base / "lr", sb3.PPO, 6000, learning_rate=1.0, **SMALL_PPO),
        # A policy that hardly moves is not called stuck before 15,000 steps.
        "learning rate 0": train(base / "zero", sb3.PPO, 16_000, learning_rate=0.0, **SMALL_PPO),
        "entropy 10": train(base / "random", sb3.PPO, 16_000, ent_coef=10.0, **SMALL_PPO),
        "dqn": train(base / "dqn", sb3.DQN, 6000, learning_starts=500, seed=0, device="cpu"),
    }


@pytest.mark.parametrize("name", ["healthy", "dqn"])
def test_healthy_runs_pass_in_every_format(runs, name):
    folder = runs[name]
    files = ["progress.csv", "progress.json", "monitor.csv"]
    for path in (folder, *(folder / file for file in files), next(folder.glob("events*"))):
        report = rlcheck.check(str(path))
        assert report.verdict is Verdict.PASSED, (path, report.diagnosis)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("learning rate 1", {"kl-spikes", "entropy-collapse"}),
        # The event file does not tell how often a batch is used, so there the entropy says it.
        ("learning rate 0", {"ratio-always-one", "policy-stays-random"}),
        ("entropy 10", {"policy-stays-random"}),
    ],
)
def test_broken_runs_are_named(runs, name, faults):
    folder = runs[name]
    for path in (folder, folder / "progress.csv", next(folder.glob("events*"))):
        report = rlcheck.check(str(path))
        assert report.verdict is Verdict.FAILED, path
        assert report.diagnosis[0].fault.removeprefix("training-log/") in faults


def test_the_learning_rate_of_the_log_is_advised_upon(runs):
    report = rlcheck.check(str(runs["learning rate 1"]))
    assert any(note.startswith("advice: learning_rate = 1 is unusual") for note in report.notes)
