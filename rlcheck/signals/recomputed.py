"""Metrics recomputed from the raw data of an update: as they should be, and by the usual mistakes.

    explained variance  1 - Var(R - V) / Var(R)
    divergence          any estimate of KL(old || new) from samples of the old policy, r = new / old:
                        mean(-log r), mean(log(r)^2 / 2), mean(r - 1 - log r)
    clip fraction       mean(|r - 1| > epsilon)

Each is a column `recomputed/METRIC/right/FORMULA` or `recomputed/METRIC/wrong/MISTAKE` of the log, so a
finished log that holds such columns is judged as a running training is.

References: Schulman, Approximating KL divergence, http://joschu.net/blog/kl-approx.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rlcheck.errors import UsageError
from rlcheck.signals.series import FloatArray

PREFIX = "recomputed/"
RAW = ("values", "returns", "td_errors", "log_probs", "old_log_probs", "advantages", "clip_range")
"""What a training may hand over: the critic's values, their targets and one-step errors;
log-probabilities of the taken actions under the policy that is updated and under the one that acted;
their advantages as the update uses them; the clip range."""


def recomputed(raw: Mapping[str, Any]) -> dict[str, float]:
    """Every version of every metric that the raw data allow, by the name of its column.

    Args:
        raw: arrays of one shape for any of `RAW`; `clip_range` is a number.

    Raises:
        UsageError: a name that is none of `RAW`, or arrays of different sizes.
    """
    for name in raw:
        if name not in RAW:
            raise UsageError(f"raw: expected some of {', '.join(RAW)}, got {name!r}")
    found: dict[str, float] = {}
    if "values" in raw and "returns" in raw:
        values, returns = _pair(raw, "values", "returns")
        found |= _columns("explained_variance", _explained(values, returns))
    if "log_probs" in raw and "old_log_probs" in raw:
        new, old = _pair(raw, "log_probs", "old_log_probs")
        found |= _columns("approx_kl", _divergence(new - old))
        if "clip_range" in raw:
            found |= _columns("clip_fraction", _clipped(new - old, float(raw["clip_range"])))
    return {name: value for name, value in found.items() if np.isfinite(value)}


def measured(raw: Mapping[str, Any]) -> dict[str, float]:
    """Signals that hardly any training logs, of raw data that tell them.

    `value_mean` and `value_target_mean` of values and returns, `td_error_mean` of TD errors, and
    `advantage_logprob_correlation` of advantages and both log-probabilities:

        sum(A d) / sqrt(sum(A^2) sum(d^2)),   d = clip(log pi_new(a|s) - log pi_old(a|s), -1, 1)
    """
    found: dict[str, Any] = {}
    if "values" in raw and "returns" in raw:
        values, returns = _pair(raw, "values", "returns")
        found = {"value_mean": values.mean(), "value_target_mean": returns.mean()}
    if "td_errors" in raw:
        found["td_error_mean"] = _array(raw["td_errors"]).mean()
    if {"advantages", "log_probs", "old_log_probs"} <= set(raw):
        new, old = _pair(raw, "log_probs", "old_log_probs")
        advantages, _ = _pair(raw, "advantages", "log_probs")
        change = np.clip(new - old, -1.0, 1.0)
        size = np.linalg.norm(advantages) * np.linalg.norm(change)
        if size > 0:
            found["advantage_logprob_correlation"] = advantages @ change / size
    return {name: float(value) for name, value in found.items()}


def _columns(metric: str, versions: Iterator[tuple[str, float]]) -> dict[str, float]:
    return {f"{PREFIX}{metric}/{version}": float(value) for version, value in versions}


def _explained(values: FloatArray, returns: FloatArray) -> Iterator[tuple[str, float]]:
    rest, of_returns, of_values = (float(np.var(x)) for x in (returns - values, returns, values))
    if of_returns > 0:
        yield "right/1 - Var(R - V) / Var(R)", 1.0 - rest / of_returns
        yield "wrong/Var(R - V) / Var(R), which is 1 minus it", rest / of_returns
    if of_values > 0:
        yield "wrong/1 - Var(R - V) / Var(V): arguments swapped", 1.0 - rest / of_values


def _divergence(log_ratio: FloatArray) -> Iterator[tuple[str, float]]:
    ratio = np.exp(np.minimum(log_ratio, 80.0))
    yield "right/mean(-log r)", -log_ratio.mean()
    yield "right/mean(log(r)^2 / 2)", 0.5 * np.square(log_ratio).mean()
    yield "right/mean(r - 1 - log r)", (ratio - 1.0 - log_ratio).mean()
    yield "wrong/mean(log r): the sign", log_ratio.mean()
    yield "wrong/mean(r - 1): the logarithm is missing", (ratio - 1.0).mean()
    yield "wrong/mean(r): it is the ratio itself", ratio.mean()


def _clipped(log_ratio: FloatArray, epsilon: float) -> Iterator[tuple[str, float]]:
    ratio = np.exp(np.minimum(log_ratio, 80.0))
    yield "right/mean(|r - 1| > epsilon)", (np.abs(ratio - 1.0) > epsilon).mean()
    yield "wrong/mean(r > 1 + epsilon): one side only", (ratio > 1.0 + epsilon).mean()
    yield "wrong/mean(r > epsilon): 1 is not subtracted", (ratio > epsilon).mean()
    yield (
        "wrong/mean(|r - 1| <= epsilon): what is not clipped",
        (np.abs(ratio - 1) <= epsilon).mean(),
    )


def _pair(raw: Mapping[str, Any], one: str, other: str) -> tuple[FloatArray, FloatArray]:
    first, second = _array(raw[one]), _array(raw[other])
    if first.size != second.size:
        raise UsageError(
            f"raw: {one} holds {first.size} numbers and {other} {second.size}; "
            "give one of each for every step"
        )
    return first, second


def _array(given: Any) -> FloatArray:
    detach = getattr(given, "detach", None)
    if detach is not None:
        given = detach().cpu()
    return np.asarray(given, dtype=np.float64).ravel()
