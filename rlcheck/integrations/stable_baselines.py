"""`SB3Callback`: watches everything that the logger of a Stable-Baselines3 model writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rlcheck.integrations.sb3_rollouts import Rollouts
from rlcheck.integrations.watched import Watched

if TYPE_CHECKING:
    from rlcheck.monitoring import Monitor

_EXPLAINED = "train/explained_variance"
_SETTINGS = (
    *("learning_rate", "gamma", "gae_lambda", "n_steps", "n_epochs", "batch_size", "n_envs"),
    *("ent_coef", "vf_coef", "max_grad_norm", "buffer_size", "learning_starts"),
    *("target_update_interval", "tau"),
)


@cache
def callback_class() -> type:
    """The class, which derives from Stable-Baselines3's `BaseCallback`.

    Raises:
        ImportError: Stable-Baselines3 is not installed.
    """
    try:
        from stable_baselines3.common.callbacks import BaseCallback
        from stable_baselines3.common.logger import KVWriter
    except ImportError as error:
        raise ImportError(
            "SB3Callback needs stable-baselines3, which cannot be imported; run "
            "pip install 'rlcheck[sb3]'"
        ) from error

    class Writer(KVWriter):
        """One more output of the logger; it sees what a log file would hold."""

        def __init__(self, watched: Watched) -> None:
            self._watched = watched
            self.reader = Rollouts()

        def write(self, key_values: Any, key_excluded: Any, step: int = 0) -> None:
            raw = self.reader.written if _EXPLAINED in key_values else None
            self._watched.log(step, {**self.reader.metrics(), **key_values}, raw)

        def close(self) -> None:
            """Nothing is open."""

    class SB3Callback(BaseCallback):
        """Watches a training: `model.learn(100_000, callback=SB3Callback())`.

        It looks at what the model logs, so `log_interval` of `learn` says how often.

        Args:
            on_failure: "warn", or "stop" to end the training.
            report_to: reports to write at its end, as for `rlcheck.monitor`.
            config: what the model does not know, such as `reward_max`.
            bind: your name -> signal, for metrics that you log yourself.
        """

        def __init__(
            self,
            on_failure: str = "warn",
            report_to: str | Sequence[str] = (),
            config: Mapping[str, Any] | None = None,
            bind: Mapping[str, str] | None = None,
        ) -> None:
            super().__init__()
            self._watched = Watched(on_failure, report_to, config, bind)
            self._writer = Writer(self._watched)

        @property
        def watch(self) -> Monitor:
            """The monitor of this training, or of the last one."""
            return self._watched.watch

        def _on_training_start(self) -> None:
            # SB3 has added the steps of earlier calls to `learn` to this number.
            self._watched.begin(self.model._total_timesteps, settings(self.model), reports=True)
            self._writer.reader = Rollouts()
            self.logger.output_formats.append(self._writer)

        def _on_step(self) -> bool:
            return not self.watch.stopped

        def _on_rollout_start(self) -> None:
            self._writer.reader.updated(self.model)

        def _on_rollout_end(self) -> None:
            self._writer.reader.ended(self.model)

        def _on_training_end(self) -> None:
            # What the last update recorded is written by nobody else.
            if self.logger.name_to_value:
                last = dict(self.logger.name_to_value)
                raw = self._writer.reader.kept[-1] if _EXPLAINED in last else None
                self._watched.log(self.num_timesteps, last, raw)
            self.logger.output_formats.remove(self._writer)
            self.watch.close()

    return SB3Callback


def settings(model: Any) -> dict[str, Any]:
    """Hyper-parameters of a model, the id of its environment, and its number of actions."""
    found = {name: getattr(model, name) for name in _SETTINGS if hasattr(model, name)}
    found = {name: value for name, value in found.items() if isinstance(value, int | float)}
    actions = getattr(model.action_space, "n", None)
    if actions is not None:
        found["num_actions"] = int(actions)
    try:
        spec = model.get_env().get_attr("spec")[0]
    except (AttributeError, IndexError, TypeError):
        spec = None
    if getattr(spec, "id", None):
        found["env_id"] = spec.id
    return found
