"""`TransformersCallback`: watches what a Trainer of transformers or TRL logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rlcheck.integrations.watched import Watched

if TYPE_CHECKING:
    from rlcheck.monitoring import Monitor


@cache
def callback_class() -> type:
    """The class, which derives from the `TrainerCallback` of transformers.

    Raises:
        ImportError: transformers is not installed.
    """
    try:
        from transformers import TrainerCallback
    except ImportError as error:
        raise ImportError(
            "TransformersCallback needs transformers, which cannot be imported; run "
            "pip install 'rlcheck[llm]'"
        ) from error

    class TransformersCallback(TrainerCallback):
        """Watches a training: `GRPOTrainer(..., callbacks=[TransformersCallback()])`.

        It looks at what the trainer logs, so `logging_steps` says how often.

        Args:
            on_failure: "warn", or "stop" to end the training.
            report_to: reports to write at its end, as for `rlcheck.monitor`.
            config: what the trainer's arguments do not say.
            bind: your name -> signal, for metrics that you log yourself.
        """

        def __init__(
            self,
            on_failure: str = "warn",
            report_to: str | Sequence[str] = (),
            config: Mapping[str, Any] | None = None,
            bind: Mapping[str, str] | None = None,
        ) -> None:
            self._watched = Watched(on_failure, report_to, config, bind)

        @property
        def watch(self) -> Monitor:
            """The monitor of this training, or of the last one."""
            return self._watched.watch

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """Starts to watch; every process does, since all have to stop together."""
            self._watched.begin(state.max_steps, vars(args), reports=state.is_world_process_zero)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> Any:
            """Takes what was logged, and asks the trainer to stop if the training is doomed."""
            if not self._watched.log(state.global_step, logs or {}):
                control.should_training_stop = True
            return control

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            """Has a last look and writes the reports."""
            self.watch.close()

    return TransformersCallback
