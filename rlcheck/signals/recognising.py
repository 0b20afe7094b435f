"""From the names of a file to the names of the vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlcheck.errors import BindingError
from rlcheck.signals import hyper_parameters, vocabulary
from rlcheck.signals.series import Log, RawLog, Series
from rlcheck.suggest import did_you_mean


def recognise(
    raw: RawLog, bind: Mapping[str, str] | None = None, settings: Mapping[str, Any] | None = None
) -> Log:
    """A log in the vocabulary.

    Args:
        raw: the log as its file names things.
        bind: signal -> column, where the user says so.
        settings: hyper-parameters that the user states; they count more than the log's.

    Raises:
        BindingError: `bind` names a signal or a column that does not exist.
    """
    signals: dict[str, Series] = {}
    sources: dict[str, str] = {}
    ranks: dict[str, int] = {}
    for column, points in raw.columns.items():
        found = vocabulary.match(column)
        if found is None or not len(points):
            continue
        if found.signal not in ranks or found.rank < ranks[found.signal]:
            ranks[found.signal] = found.rank
            signals[found.signal] = Series(points.steps, found.sign * points.values)
            sources[found.signal] = column
    for name, column in (bind or {}).items():
        _require(name, column, raw)
        signals[name], sources[name] = raw.columns[column], column
    for name in [name for name, column in sources.items() if column in (bind or {}).values()]:
        if name not in (bind or {}):  # the user gave this column another meaning
            del signals[name], sources[name]
    config = hyper_parameters.recognised({**raw.config, **(settings or {})})
    stated = hyper_parameters.recognised(settings or {})
    return Log(signals, config | stated, sources, raw.notes)


def _require(name: str, column: str, raw: RawLog) -> None:
    if name not in vocabulary.BY_NAME and not name.startswith(vocabulary.COMPONENT):
        raise BindingError(
            f"there is no signal {name!r}{did_you_mean(name, list(vocabulary.BY_NAME))}"
        )
    if column not in raw.columns:
        raise BindingError(
            f"the log has no column {column!r}{did_you_mean(column, list(raw.columns))}"
        )
