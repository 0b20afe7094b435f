"""Pictures of evidence: what a check saw, as SVG text.

A check whose evidence holds one of these is drawn:

    signals      {name: {"steps": [...], "values": [...]}}, with the `window` [from, to] of the alarm,
                 and `healthy` {name: [low, high, why]}
    curves       [[(steps, return), ...], ...], one a seed, with the return `solved`
    expected, got   arrays of one shape
    posterior    {hypothesis: probability}
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.4, 2.4
INK = "#7d8590"
"""A grey that can be read on white and on black paper."""
SEEN, RIGHT, WRONG = "#0969da", "#1a7f37", "#cf222e"
MOST_POINTS, MOST_BARS, MOST_SIGNALS = 64, 8, 3
LONGEST = 20
"""Letters that fit beside a plot."""


def evidence_svg(evidence: Mapping[str, Any]) -> str | None:
    """The picture of a result's evidence, None where there is nothing to draw."""
    for key, draw in _DRAWINGS.items():
        if evidence.get(key):
            return _svg(draw, evidence)
    return None


def _svg(
    draw: Callable[[Figure, Mapping[str, Any]], bool], evidence: Mapping[str, Any]
) -> str | None:
    import matplotlib
    from matplotlib.figure import Figure

    # A figure of its own, and no pyplot: the caller's figures and backend stay as they are.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rlcheck"}):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        if not draw(figure, evidence):
            return None
        document = io.StringIO()
        figure.savefig(document, format="svg", transparent=True, metadata={"Date": None})
    return document.getvalue()


def _axes(figure: Figure, x: str, y: str, *, rows: int = 1, row: int = 0) -> Axes:
    axes = figure.add_subplot(rows, 1, row + 1)
    axes.set_facecolor("none")
    axes.tick_params(colors=INK, labelsize=8)
    axes.spines[:].set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)
    # Names come from logs: a dollar sign is no formula.
    axes.set_xlabel(x, color=INK, fontsize=8, parse_math=False)
    axes.set_ylabel(_in_lines(y), color=INK, fontsize=8, parse_math=False)
    return axes


def _in_lines(name: str) -> str:
    """A name of more than `LONGEST` letters in lines that end with an underscore, slash or space."""
    lines = [""]
    for part in re.findall(r"[^_/ ]*[_/ ]?", name):
        fits = len(lines[-1]) + len(part) <= LONGEST
        lines = [*lines[:-1], lines[-1] + part] if fits else [*lines, part]
    return "\n".join(line for line in lines if line)


def _legend(axes: Axes) -> None:
    axes.legend(fontsize=8, frameon=False, labelcolor=INK)


def _draw_signals(figure: Figure, evidence: Mapping[str, Any]) -> bool:
    shown = list(evidence["signals"].items())[:MOST_SIGNALS]
    figure.set_size_inches(WIDTH, HEIGHT * (1 + 0.6 * (len(shown) - 1)))
    for row, (name, series) in enumerate(shown):
        last = row == len(shown) - 1
        axes = _axes(figure, "step" if last else "", str(name), rows=len(shown), row=row)
        # Values that are not finite were stored as words; matplotlib leaves gaps for them.
        axes.plot(series["steps"], [float(value) for value in series["values"]], color=SEEN, lw=1.2)
        if evidence.get("window"):
            axes.axvspan(*evidence["window"], color=WRONG, alpha=0.15, label="alarm")
        band = evidence.get("healthy", {}).get(name)
        if band:
            low, high, why = band
            axes.axhspan(float(low), float(high), color=RIGHT, alpha=0.15, label=str(why))
        if axes.get_legend_handles_labels()[0] and (row == 0 or band):
            _legend(axes)
    return True


def _draw_curves(figure: Figure, evidence: Mapping[str, Any]) -> bool:
    axes = _axes(figure, "environment steps", "mean return")
    for number, curve in enumerate(evidence["curves"]):
        if curve:
            steps, returns = zip(*curve, strict=True)
            axes.plot(steps, returns, color=SEEN, alpha=0.8, label=None if number else "seen")
    if evidence.get("solved") is not None:
        axes.axhline(evidence["solved"], color=RIGHT, linestyle="--", label="solved")
    _legend(axes)
    return True


def _draw_comparison(figure: Figure, evidence: Mapping[str, Any]) -> bool:
    import numpy as np

    try:
        expected, got = (np.array(evidence[k], dtype=float).ravel() for k in ("expected", "got"))
    except (TypeError, ValueError, KeyError):
        return False
    if expected.shape != got.shape or not 2 <= len(got) <= MOST_POINTS:
        return False
    axes = _axes(figure, "index", "value")
    places = np.arange(len(got))
    axes.plot(places, expected, "o", color=RIGHT, markersize=7, fillstyle="none", label="expected")
    axes.plot(places, got, "x", color=WRONG, markersize=6, label="got")
    axes.set_xticks(places[:: max(1, len(got) // 10)])
    _legend(axes)
    return True


def _draw_posterior(figure: Figure, evidence: Mapping[str, Any]) -> bool:
    axes = _axes(figure, "probability given the answers", "")
    ranked = sorted(evidence["posterior"].items(), key=lambda pair: pair[1])[-MOST_BARS:]
    names, shares = zip(*ranked, strict=True)
    axes.barh(names, shares, color=SEEN)
    axes.set_xlim(0, 1)
    return True


_DRAWINGS: Mapping[str, Callable[[Figure, Mapping[str, Any]], bool]] = {
    "signals": _draw_signals,
    "curves": _draw_curves,
    "expected": _draw_comparison,
    "posterior": _draw_posterior,
}
