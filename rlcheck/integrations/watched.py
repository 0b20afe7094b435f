"""What the callbacks of all frameworks share: a monitor that asks to stop instead of raising."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlcheck.errors import TrainingStopped
from rlcheck.monitoring import Monitor, monitor, warn


class Watched:
    """Makes a monitor for each training that a callback sees.

    Args:
        on_failure, report_to, config, bind: as for `rlcheck.monitor`.
    """

    def __init__(
        self,
        on_failure: str,
        report_to: str | Sequence[str],
        config: Mapping[str, Any] | None,
        bind: Mapping[str, str] | None,
    ) -> None:
        self._given = (on_failure, report_to, config, bind)
        self.watch: Monitor = self._monitor(None, report_to)  # misspelt options are told now

    def begin(self, total_steps: float | None, config: Mapping[str, Any], reports: bool) -> None:
        """Starts to watch a training; what the user said about it counts more than the framework.

        Args:
            total_steps: planned length.
            config: hyper-parameters that the framework knows.
            reports: whether this process writes the reports.
        """
        self.watch = self._monitor(total_steps, self._given[1] if reports else (), config)

    def log(
        self, step: float, metrics: Mapping[str, Any], raw: Mapping[str, Any] | None = None
    ) -> bool:
        """Takes the metrics of one step, and what they come from; whether the training may go on."""
        if self.watch.stopped:
            return False
        try:
            self.watch.log(step, metrics, raw)
        except TrainingStopped as stopped:
            warn(f"training stopped: {stopped}")
            return False
        return True

    def _monitor(
        self,
        total_steps: float | None,
        report_to: str | Sequence[str],
        known: Mapping[str, Any] | None = None,
    ) -> Monitor:
        on_failure, _, config, bind = self._given
        return monitor(
            total_steps if total_steps and total_steps > 0 else None,
            on_failure=on_failure,
            report_to=report_to,
            config={**(known or {}), **(config or {})},
            bind=bind,
        )
