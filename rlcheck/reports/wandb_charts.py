"""Custom charts of a W&B run: which faults, and the evidence that shows them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlcheck.records import Report, Result
from rlcheck.reports.findings import FAILURES
from rlcheck.reports.secrets import without_keys

MOST_CHARTS = 12
FAULTS = "rlcheck/faults"


def charts(report: Report) -> dict[str, Any]:
    """Name of the chart -> chart, for `run.log`: a bar a fault, and what failed checks saw."""
    import wandb

    found: dict[str, Any] = {}
    bars = [
        [without_keys(f"{subject.name}: {cause.fault}"), cause.probability]
        for subject in report.subjects
        for cause in subject.diagnosis
    ]
    if bars:
        table = wandb.Table(columns=["fault", "probability"], data=bars)
        found[FAULTS] = wandb.plot.bar(table, "fault", "probability", title="What is wrong")
    for name, title, lines in _evidence(report):
        if len(found) > MOST_CHARTS:
            break
        xs, ys = [line[0] for line in lines.values()], [line[1] for line in lines.values()]
        found[name] = wandb.plot.line_series(
            xs,
            ys,
            keys=[without_keys(key) for key in lines],
            title=without_keys(title),
            xname="step",
        )
    return found


Line = tuple[list[float], list[float]]


def _evidence(report: Report) -> Iterator[tuple[str, str, dict[str, Line]]]:
    """Name, title and named lines of a chart."""
    for subject in report.subjects:
        for result in subject.results:
            if result.status in FAILURES:
                yield from _signals(result)
                yield from _curves(result)


def _signals(result: Result) -> Iterator[tuple[str, str, dict[str, Line]]]:
    """Each signal, and the stretch of it that gave the alarm as a line of its own."""
    signals, window = result.evidence.get("signals"), result.evidence.get("window")
    if not isinstance(signals, Mapping):
        return
    for signal, points in signals.items():
        whole = _finite(points["steps"], points["values"])
        lines = {str(signal): whole}
        if window:
            inside = [n for n, step in enumerate(whole[0]) if window[0] <= step <= window[1]]
            lines["alarm"] = ([whole[0][n] for n in inside], [whole[1][n] for n in inside])
        if whole[0]:
            named = {name: line for name, line in lines.items() if line[0]}
            yield f"{_key(result.check)}/{signal}", f"{result.check}: {signal}", named


def _curves(result: Result) -> Iterator[tuple[str, str, dict[str, Line]]]:
    """The returns of an agent, a line a seed."""
    curves = result.evidence.get("curves")
    if not curves:
        return
    lines = {}
    for number, curve in enumerate(curves):
        line = _finite([point[0] for point in curve], [point[1] for point in curve])
        if line[0]:
            lines[f"seed {number}"] = line
    if lines:
        yield f"{_key(result.check)}/return", f"{result.check}: mean return", lines


def _finite(steps: Sequence[Any], values: Sequence[Any]) -> Line:
    """The points whose value is a finite number; others were stored as words."""
    points = [(float(x), float(y)) for x, y in zip(steps, values, strict=True)]
    kept = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    return [x for x, _ in kept], [y for _, y in kept]


def _key(check: str) -> str:
    return f"rlcheck/evidence/{check}"
