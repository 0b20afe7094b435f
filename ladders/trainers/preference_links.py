"""Losses on preferences that a trainer may declare by name, as functions of the two log-ratios.

References: robust: Chowdhury et al. 2024, arXiv:2403.00409; EXO: Ji et al. 2024, arXiv:2402.00856,
eq. 16; NCA: Chen et al. 2024, arXiv:2402.05369; BCO: Jung et al. 2024, arXiv:2404.04656; SPPO: Wu et
al. 2024, arXiv:2405.00675, eq. 4.7; APO: D'Oosterlinck et al. 2024, arXiv:2408.06266, eq. 7 and 8;
DiscoPOP: Lu et al. 2024, arXiv:2406.08414, eq. 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ladders.trainers.preference_semantics import CORRECT, Link, Semantics

STEP = 1e-5
DISCOPOP_TEMPERATURE = 0.05
Value = Callable[[float, float, float, float], float]
"""(log-ratio of the chosen answer, of the rejected one, beta, label smoothing) -> loss."""


def _log_sigmoid(x: float) -> float:
    return -float(np.logaddexp(0.0, -x))


def _sigmoid(x: float) -> float:
    return float(np.exp(_log_sigmoid(x)))


def _robust(chosen: float, rejected: float, beta: float, smoothing: float) -> float:
    m = beta * (chosen - rejected)
    kept = (1.0 - smoothing) * _log_sigmoid(m) - smoothing * _log_sigmoid(-m)
    return -kept / (1.0 - 2.0 * smoothing)


def _exo(chosen: float, rejected: float, beta: float, smoothing: float) -> float:
    m = beta * (chosen - rejected)
    won = _sigmoid(m) * (_log_sigmoid(m) - np.log1p(-smoothing))
    return float(won + _sigmoid(-m) * (_log_sigmoid(-m) - np.log(smoothing)))


def _nca(chosen: float, rejected: float, beta: float, smoothing: float) -> float:
    c, r = beta * chosen, beta * rejected
    return -_log_sigmoid(c) - 0.5 * _log_sigmoid(-c) - 0.5 * _log_sigmoid(-r)


def _discopop(chosen: float, rejected: float, beta: float, smoothing: float) -> float:
    m = beta * (chosen - rejected)
    share = _sigmoid(m / DISCOPOP_TEMPERATURE)
    return float(-_log_sigmoid(m) * (1.0 - share) + np.exp(-m) * share)


VALUES: Mapping[str, Value] = {
    "sigmoid": lambda c, r, beta, smoothing: -_log_sigmoid(beta * (c - r)),
    "hinge": lambda c, r, beta, smoothing: max(0.0, 1.0 - beta * (c - r)),
    "robust": _robust,
    "exo_pair": _exo,
    "nca_pair": _nca,
    "bco_pair": lambda c, r, beta, smoothing: -_log_sigmoid(beta * c) - _log_sigmoid(-beta * r),
    "sppo_hard": lambda c, r, beta, smoothing: (c - 0.5 / beta) ** 2 + (r + 0.5 / beta) ** 2,
    "apo_zero": lambda c, r, beta, smoothing: 1.0 - _sigmoid(beta * c) + _sigmoid(beta * r),
    "apo_down": lambda c, r, beta, smoothing: _sigmoid(beta * c) + _sigmoid(-beta * (c - r)),
    "discopop": _discopop,
}
MODELLED = frozenset({*VALUES, "ipo", "sigmoid_norm"})
"""Names under which TRL declares losses that are compared here."""


def declared(
    names: Sequence[str], weights: Sequence[float], smoothing: float
) -> tuple[Semantics, ...]:
    """The loss that a trainer declares: one of `VALUES`, or a weighted sum of several."""
    if not names or not set(names) <= set(VALUES) or list(names) in (["sigmoid"], ["hinge"]):
        return ()
    return (Semantics(CORRECT, " + ".join(names), link=_link(names, weights, smoothing)),)


def _link(names: Sequence[str], weights: Sequence[float], smoothing: float) -> Link:
    def value(chosen: float, rejected: float, beta: float) -> float:
        terms = (VALUES[name](chosen, rejected, beta, smoothing) for name in names)
        return sum(weight * term for weight, term in zip(weights, terms, strict=True))

    def link(chosen: float, rejected: float, beta: float) -> tuple[float, float, float]:
        def slope(c: float, r: float) -> float:
            forward = value(chosen + c, rejected + r, beta)
            return (forward - value(chosen - c, rejected - r, beta)) / (2.0 * STEP)

        return value(chosen, rejected, beta), slope(STEP, 0.0), slope(0.0, STEP)

    return link
