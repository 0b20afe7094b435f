"""`LightningCallback`: watches what a LightningModule logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from rlcheck.integrations.watched import Watched

if TYPE_CHECKING:
    from rlcheck.monitoring import Monitor


@cache
def callback_class() -> type:
    """The class, which derives from Lightning's `Callback`.

    Raises:
        ImportError: neither `lightning` nor `pytorch_lightning` is installed.
    """
    Callback = _base()

    class LightningCallback(Callback):  # type: ignore[misc, valid-type]
        """Watches a training: `Trainer(callbacks=[LightningCallback()])`.

        It looks at the logged metrics every `log_every_n_steps` steps.

        Args:
            on_failure: "warn", or "stop" to end the training.
            report_to: reports to write at its end, as for `rlcheck.monitor`.
            config: what the module's hyper-parameters do not say.
            bind: your name -> signal, for metrics whose names no framework uses.
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

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            """Starts to watch; every process does, since all have to stop together."""
            total = trainer.estimated_stepping_batches
            known = dict(getattr(pl_module, "hparams", {}))
            finite = total if total != float("inf") else None
            self._watched.begin(finite, known, reports=trainer.is_global_zero)

        def on_train_batch_end(
            self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            """Takes the logged metrics; on other steps they are left where they are computed."""
            if trainer.global_step % max(trainer.log_every_n_steps, 1):
                return
            if not self._watched.log(trainer.global_step, trainer.logged_metrics):
                trainer.should_stop = True

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            """Has a last look and writes the reports."""
            self.watch.close()

    return LightningCallback


def _base() -> Any:
    """Lightning's `Callback`, of whichever of its two packages the program uses."""
    import sys

    # The two packages hold different classes of the same name.
    use_old = "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules
    try:
        if use_old:
            from pytorch_lightning import Callback
        else:
            from lightning.pytorch import Callback  # type: ignore[assignment]
    except ImportError as error:
        raise ImportError(
            "LightningCallback needs lightning, which cannot be imported; run pip install lightning"
        ) from error
    return Callback
