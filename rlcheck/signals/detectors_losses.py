"""Detector on the sum of the loss terms: where all are logged, their weights can be computed again."""

from __future__ import annotations

from functools import reduce
from typing import NamedTuple

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.findings import Alarm, Clear, Detector, Finding, Unknown, need, show
from rlcheck.signals.series import FloatArray, Log

_TERMS = ("loss", "policy_loss", "value_loss", "entropy")
_LEAST = 12

_EXACT = 0.05
"""What may be left of the loss, as a share of what the entropy contributes: rounding leaves less."""


class Weights(NamedTuple):
    """loss = policy loss + value * value loss + entropy * H + constant, and how well that holds.

    Args:
        value: weight of the value loss.
        entropy: weight of the entropy.
        left: root mean square of what the sum leaves over the spread of the entropy's part in it.
    """

    value: float
    entropy: float
    left: float


def weights(
    loss: FloatArray, policy: FloatArray, value: FloatArray, entropy: FloatArray
) -> Weights:
    """The weights of the terms by least squares."""
    terms = np.column_stack([value, entropy])
    centred = terms - terms.mean(axis=0)
    size = np.maximum(np.abs(centred).max(axis=0), 1e-300)
    rest = loss - policy
    found, *_ = np.linalg.lstsq(centred / size, rest - rest.mean(), rcond=None)
    left = rest - rest.mean() - centred / size @ found
    of_value, of_entropy = found / size
    part = abs(of_entropy) * float(np.std(entropy))
    return Weights(float(of_value), float(of_entropy), float(np.std(left)) / max(part, 1e-300))


def entropy_rewarded(log: Log) -> Finding:
    """The weight of the entropy in the loss is not positive."""
    series = [log[name] for name in _TERMS]
    steps = reduce(np.intersect1d, (one.steps for one in series))
    if len(steps) < _LEAST:
        return Unknown(f"{_LEAST} records that hold all of {', '.join(_TERMS)} are needed")
    loss, policy, value, entropy = (one.values[np.searchsorted(one.steps, steps)] for one in series)
    if np.any(entropy < 0):
        return Unknown("the entropy is that of a density, or its negative is what was logged")
    found = weights(loss, policy, value, entropy)
    if found.left > _EXACT:
        return Unknown("the loss is not the sum of the logged terms: they are of different batches")
    if found.value <= 0:
        return Unknown(
            "the value loss has no positive weight: what is logged is not what is minimised"
        )
    total = f"loss = policy loss + {show(found.value)} value loss {found.entropy:+.3g} entropy"
    if found.entropy <= 0:
        return Clear(total)
    return Alarm(
        "entropy-punished",
        f"the logged terms add up to {total} in all {len(steps)} records: what is minimised grows "
        "with the entropy",
        (float(steps[0]), float(steps[-1])),
        {"entropy_weight": found.entropy, "value_weight": found.value},
        strength=0.95,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "loss-does-not-punish-entropy",
        "The entropy has no positive weight in the loss.",
        "Where a log holds the loss and all its terms, loss - policy loss is fitted by the value loss "
        "and the entropy. The fit must be exact up to rounding (a twentieth of what the entropy "
        "contributes), and the weight of the value loss positive, which shows that the sum is what is "
        "minimised.",
        tuple(need(name, least=_LEAST) for name in _TERMS),
        entropy_rewarded,
        (faults.ENTROPY_PUNISHED,),
        ("entropy", "loss", "policy_loss"),
    ),
)
