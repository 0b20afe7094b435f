"""The trainings of `training_groups` that are Stable-Baselines3's, one seed after another."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from benchmarks.training_groups import Group

RECORDS = 200
"""Records of a run that are kept."""


def train_sb3(group: Group) -> dict[str, np.ndarray]:
    """As `training_provoked.train`; records that a run lacks have step -1."""
    runs = [_one_sb3(group, seed) for seed in group.seeds]
    length = max(len(records) for records in runs)
    names = {name for records in runs for _, values in records for name in values}
    columns = {
        name: np.full((len(runs), length), np.nan, dtype=np.float32) for name in sorted(names)
    }
    steps = np.full((len(runs), length), -1.0, dtype=np.float32)
    for row, records in enumerate(runs):
        for at, (step, values) in enumerate(records):
            steps[row, at] = step
            for name, value in values.items():
                columns[name][row, at] = value
    return columns | {"step": steps}


def _one_sb3(group: Group, seed: int) -> list[tuple[int, dict[str, float]]]:
    import stable_baselines3
    from stable_baselines3.common.logger import KVWriter, Logger
    from stable_baselines3.common.monitor import Monitor

    records: list[tuple[int, dict[str, float]]] = []

    class Keep(KVWriter):
        def write(self, key_values: Any, key_excluded: Any, step: int = 0) -> None:
            numbers = {
                k: float(v) for k, v in key_values.items() if isinstance(v, float | int | np.number)
            }
            records.append((step, numbers | watching.measured()))

        def close(self) -> None:
            pass

    env: gymnasium.Env = Monitor(gymnasium.make(group.env))
    if group.pathology and group.pathology.spoil == "large_reward":
        env = gymnasium.wrappers.TransformReward(env, lambda reward: 1000.0 * reward)
    algorithm = getattr(stable_baselines3, group.algorithm.removeprefix("sb3:"))
    defaults = {"PPO": {"n_steps": 256, "n_epochs": 5}, "DQN": {"learning_starts": 500}}
    settings = {**defaults.get(algorithm.__name__, {}), **group.all_settings}
    if group.pathology and group.pathology.spoil == "negated":
        settings["rollout_buffer_class"] = _negated_buffer()
    model = algorithm("MlpPolicy", env, seed=seed, device="cpu", **settings)
    model.set_logger(Logger(None, [Keep()]))
    watching = _watching()
    try:
        model.learn(group.steps, watching, log_interval={"A2C": 20}.get(algorithm.__name__, 1))
    except ValueError as error:
        # SB3 refuses to build a distribution from NaN: that is where such a run ends.
        print(f"  {group.name}, seed {seed}: ended by {type(error).__name__}", flush=True)
    env.close()
    return [records[at] for at in chosen(len(records))] if records else []


def _watching() -> Any:
    """A callback that measures what `SB3Callback` does."""
    from stable_baselines3.common.callbacks import BaseCallback

    from rlcheck.integrations.sb3_rollouts import Rollouts
    from rlcheck.signals.recomputed import measured

    class Watching(BaseCallback):
        def __init__(self) -> None:
            super().__init__()
            self.reader = Rollouts()

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            self.reader.updated(self.model)

        def _on_rollout_end(self) -> None:
            self.reader.ended(self.model)

        def measured(self) -> dict[str, float]:
            """Of the update that is written: what was measured before and after it."""
            raw = self.reader.written
            return {} if raw is None else {**self.reader.metrics(), **measured(raw)}

    return Watching()


def _negated_buffer() -> type:
    """A rollout buffer whose advantages have the wrong sign; the critic's targets are right."""
    from stable_baselines3.common.buffers import RolloutBuffer

    class Negated(RolloutBuffer):
        def compute_returns_and_advantage(self, last_values: Any, dones: Any) -> None:
            super().compute_returns_and_advantage(last_values, dones)
            self.advantages *= -1.0

    return Negated


def chosen(count: int) -> np.ndarray:
    """The places of the records that are kept."""
    return np.unique(np.linspace(0, count - 1, RECORDS).astype(int))
