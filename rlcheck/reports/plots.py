"""Pictures of evidence: what a check saw, as SVG text.

A check whose evidence holds one of these is drawn:

    plot         {"x", "y": labels of the axes, "lines": [{"label", "x": [...], "y": [...]}],
                 "band": [low, high] healthy values, "alarm": [from, to] where it went wrong}
    curves       [[(steps, return), ...], ...], one a seed, with the return `solved`
    expected, got   arrays of one shape
    posterior    {hypothesis: probability}
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (6.4, 2.6)
INK = "#7d8590"
"""A grey that can be read on white and on black paper."""
SEEN, RIGHT, WRONG = "#0969da", "#1a7f37", "#cf222e"
MOST_POINTS, MOST_BARS = 64, 8


def evidence_svg(evidence: Mapping[str, Any]) -> str | None:
    """The picture of a result's evidence, None where there is nothing to draw."""
    for key, draw in _DRAWINGS.items():
        if evidence.get(key):
            return _svg(lambda axes, draw=draw: draw(axes, evidence))  # type: ignore[misc]
    return None


def _svg(draw: Callable[[Axes], bool]) -> str | None:
    import matplotlib
    from matplotlib.figure import Figure

    # A figure of its own, and no pyplot: the caller's figures and backend stay as they are.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "rlcheck"}):
        figure = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        axes.set_facecolor("none")
        axes.tick_params(colors=INK, labelsize=8)
        axes.spines[:].set_color(INK)
        axes.spines[["top", "right"]].set_visible(False)
        if not draw(axes):
            return None
        if axes.get_legend_handles_labels()[1]:
            legend = axes.legend(fontsize=8, frameon=False, labelcolor=INK)
            # Names come from logs: a dollar sign is no formula.
            for text in legend.get_texts():
                text.set_parse_math(False)
        document = io.StringIO()
        figure.savefig(document, format="svg", transparent=True, metadata={"Date": None})
    return document.getvalue()


def _labels(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=8, parse_math=False)
    axes.set_ylabel(y, color=INK, fontsize=8, parse_math=False)


def _draw_lines(axes: Axes, evidence: Mapping[str, Any]) -> bool:
    plot = evidence["plot"]
    for line in plot["lines"]:
        axes.plot(line["x"], line["y"], linewidth=1.2, label=str(line["label"]))
    if plot.get("band"):
        axes.axhspan(*plot["band"], color=RIGHT, alpha=0.12, label="healthy")
    if plot.get("alarm"):
        axes.axvspan(*plot["alarm"], color=WRONG, alpha=0.18, label="alarm")
    _labels(axes, plot["x"], plot["y"])
    return True


def _draw_curves(axes: Axes, evidence: Mapping[str, Any]) -> bool:
    for number, curve in enumerate(evidence["curves"]):
        if curve:
            steps, returns = zip(*curve, strict=True)
            axes.plot(steps, returns, color=SEEN, alpha=0.8, label=None if number else "seen")
    if evidence.get("solved") is not None:
        axes.axhline(evidence["solved"], color=RIGHT, linestyle="--", label="solved")
    _labels(axes, "environment steps", "mean return")
    return True


def _draw_comparison(axes: Axes, evidence: Mapping[str, Any]) -> bool:
    import numpy as np

    try:
        expected, got = (np.array(evidence[k], dtype=float).ravel() for k in ("expected", "got"))
    except (TypeError, ValueError, KeyError):
        return False
    if expected.shape != got.shape or not 2 <= len(got) <= MOST_POINTS:
        return False
    places = np.arange(len(got))
    axes.plot(places, expected, "o", color=RIGHT, markersize=7, fillstyle="none", label="expected")
    axes.plot(places, got, "x", color=WRONG, markersize=6, label="got")
    axes.set_xticks(places[:: max(1, len(got) // 10)])
    _labels(axes, "index", "value")
    return True


def _draw_posterior(axes: Axes, evidence: Mapping[str, Any]) -> bool:
    ranked = sorted(evidence["posterior"].items(), key=lambda pair: pair[1])[-MOST_BARS:]
    names, shares = zip(*ranked, strict=True)
    axes.barh(names, shares, color=SEEN)
    axes.set_xlim(0, 1)
    _labels(axes, "probability given the answers", "")
    return True


_DRAWINGS: Mapping[str, Callable[[Axes, Mapping[str, Any]], bool]] = {
    "plot": _draw_lines,
    "curves": _draw_curves,
    "expected": _draw_comparison,
    "posterior": _draw_posterior,
}
