"""Detector on the direction in which an update moves the policy.

Returns tell late, and in some tasks never, whether a policy follows its advantages. The update itself
tells at once: of the actions in a rollout it makes those with high advantages likelier.
"""

from __future__ import annotations

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.findings import Alarm, Clear, Detector, Finding, Unknown, need, show, steps
from rlcheck.signals.series import Log

_LEAST = 12
_AGAINST, _SURE = -0.03, -3.0
"""Mean correlation that is no rounding, and its distance from 0 in standard errors.

Along the advantages the mean is 0.03 to 0.6, three to eighty standard errors above 0; only an enormous
entropy coefficient or learning rate brought it near 0.
"""


def policy_follows(log: Log) -> Finding:
    """The correlation of advantages and changes of log-probabilities is not negative."""
    points = log["advantage_logprob_correlation"]
    moved = points.values[points.values != 0]
    if len(moved) < _LEAST:
        return Unknown(
            f"{_LEAST} updates that change the policy are needed, {len(moved)} are known"
        )
    mean, error = float(moved.mean()), float(moved.std(ddof=1)) / len(moved) ** 0.5
    if mean > _AGAINST or mean > _SURE * error:
        return Clear(
            f"advantages and changes of log-probabilities have a correlation of {show(mean)} (mean)"
        )
    against = float(np.mean(moved < 0))
    span = (float(points.steps[0]), float(points.steps[-1]))
    return Alarm(
        "policy-against-advantages",
        f"{against:.0%} of the updates in {steps(span)} make actions with high advantages less likely "
        f"(mean correlation {show(mean)}), where a step along the policy gradient makes them likelier",
        span,
        {"correlation": mean, "share": against, "standard_error": error},
        strength=0.95,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "policy-follows-advantages",
        "Updates make actions with high advantages likelier.",
        "To first order a step along the policy gradient g adds lr |g|^2 to the mean of advantage times "
        "change of log-probability, in any task and whatever the return. An alarm needs 12 updates "
        "that moved the policy, and a mean correlation below -0.03, three standard errors from 0: "
        "an enormous entropy bonus may bring it near 0, and chance to either side.",
        (need("advantage_logprob_correlation", least=_LEAST),),
        policy_follows,
        (faults.POLICY_AGAINST,),
        ("advantage_logprob_correlation", "approx_kl", "episode_return"),
    ),
)
