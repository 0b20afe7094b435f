"""Detectors on the size of the policy's updates: divergence, clipping, ratio, loss."""

from __future__ import annotations

import math

import numpy as np

from rlcheck.signals import faults, hyper_parameters
from rlcheck.signals.course import RETURN_SIGNALS, Course, course
from rlcheck.signals.findings import (
    RETURN,
    Alarm,
    Clear,
    Detector,
    Finding,
    Unknown,
    need,
    show,
    steps,
)
from rlcheck.signals.series import Log
from rlcheck.signals.statistics import noise, settled_from, spread, window

_LARGE_KL = 0.2
"""Divergence of an update, in nats, that no usual clip range would leave: PPO's stay below 0.05."""

_MOVING_KL = 0.1
"""Here the log-ratio has a standard deviation of 0.45, so two thirds leave a range of 0.2."""

_REPLACED = 1.0
"""After one update with this divergence, in nats, old and new policy have little in common."""

_ENORMOUS = 10.0
"""Divergence of an update, in nats, that no clip range and no early spike explains."""

_REPLACING_SHARE = 1 / 3
"""Share of such updates with which nothing can be learned."""

_ROUNDING = 1e-6
"""Divergence, in nats, that float32 leaves where there is none."""

_HARDLY = 0.02
"""Clip fraction that counts as none."""


def kl_spikes(log: Log) -> Finding:
    """Divergences that stay large, or single ones after which the return breaks down."""
    kl, returns = log["approx_kl"], course(log)
    jump = int(np.argmax(kl.values))
    size, at = float(kl.values[jump]), float(kl.steps[jump])
    enormous = _REPLACED if hyper_parameters.leaps(log) else _ENORMOUS
    if size > enormous and not (returns is not None and returns.learned):
        span = (at, float(kl.steps[-1]))
        words = f", and {returns.in_words()}" if returns is not None else ""
        return Alarm(
            "kl-spikes",
            f"the update at step {at:,.0f} has a divergence of {show(size)} nats, where 0.01 to 0.05 is "
            f"usual: nothing is left of the policy{words}",
            span,
            {"size": size},
        )
    if returns is None:
        return Clear(f"no update has a divergence above {show(size)} nats")
    later = window(kl, 0.2, 1.0)
    harmed = returns.collapsed or returns.below_first or (returns.goal is not None and returns.low)
    # Once the policy is ruined its updates may be nothing at all, so a share of large ones is enough.
    replaced = float(np.percentile(later.values, 100 * (1 - _REPLACING_SHARE)))
    if (replaced > _REPLACED or (harmed and later.median > _LARGE_KL)) and not returns.rose:
        return Alarm(
            "kl-spikes",
            f"the median divergence of an update is {show(later.median)} nats in "
            f"{steps(later.span)}, a third are {show(replaced)} and more, where 0.01 to 0.05 is usual, "
            f"and {returns.in_words()}",
            later.span,
            {"median": later.median, "a_third_above": replaced, "return": returns.last.median},
            strength=0.85,
        )
    typical = max(float(np.median(kl.values)), 1e-6)
    if (
        size > _REPLACED
        and returns.below_first
        and at <= kl.steps[0] + 0.5 * (kl.steps[-1] - kl.steps[0])
    ):
        span = (at, float(kl.steps[-1]))
        return Alarm(
            "kl-spikes",
            f"the update at step {at:,.0f} has a divergence of {show(size)} nats: it replaced the "
            f"policy. The return fell from {show(float(returns.points.values[0]))} at first to "
            f"{show(returns.last.median)} and never came back",
            span,
            {"size": size, "return": returns.last.median},
        )
    early = at <= kl.steps[0] + 0.1 * (kl.steps[-1] - kl.steps[0])
    if size > max(_LARGE_KL, 10 * typical) and not early and _breaks_at(returns, at):
        span = (at, float(kl.steps[-1]))
        return Alarm(
            "kl-spikes",
            f"one update at step {at:,.0f} has a divergence of {show(size)} nats, "
            f"{size / typical:.0f} times the usual {show(typical)}; the return falls there from "
            f"{show(returns.peak.median)} to {show(returns.last.median)} and stays low",
            span,
            {"size": size, "usual": typical, "return": returns.last.median},
        )
    return Clear(f"the median divergence of an update is {show(typical)} nats")


def _breaks_at(returns: Course, step: float) -> bool:
    """Whether the collapse of the return begins within a tenth of the run after a step."""
    if not returns.collapsed:
        return False
    points = returns.points
    length = points.steps[-1] - points.steps[0]
    half = 0.5 * (returns.peak.median + returns.last.median)
    start = settled_from(points, points.values < half)
    return start is not None and -0.02 * length <= start - step <= 0.15 * length


def clip_fraction(log: Log) -> Finding:
    """Clip fractions that are always 0 though the policy moves, or that leave no gradient."""
    clipped = log["clip_fraction"]
    span = (float(clipped.steps[0]), float(clipped.steps[-1]))
    kl = log["approx_kl"] if "approx_kl" in log.signals else None
    moving = float(np.median(kl.values)) if kl is not None and len(kl) else 0.0
    most = float(np.percentile(clipped.values, 75))
    if most <= _HARDLY and moving > _MOVING_KL:
        return Alarm(
            "clip-never-active",
            f"the clip fraction is {most:.1%} or less in three quarters of {steps(span)}, though "
            f"the median divergence of {show(moving)} nats puts the log-ratio at "
            f"{math.sqrt(2 * moving):.2f} standard deviation",
            span,
            {"kl": moving, "clip_fraction": most},
        )
    late, returns = window(clipped, 0.5, 1.0), course(log)
    if late.median > 0.6 and (returns is None or not returns.rose):
        words = f", and {returns.in_words()}" if returns is not None else ""
        return Alarm(
            "clip-saturated",
            f"{late.median:.0%} of the samples are clipped in {steps(late.span)}, where 5 % to 30 "
            f"% is usual{words}",
            late.span,
            {"clip_fraction": late.median},
            strength=0.8,
        )
    return Clear(f"the median clip fraction is {float(np.median(clipped.values)):.1%}")


def ratio_moves(log: Log) -> Finding:
    """Neither divergence nor clip fraction ever differs from 0 though batches are used several times."""
    kl, clipped = log["approx_kl"], log["clip_fraction"]
    epochs = _epochs(log)
    if np.any(np.abs(kl.values) > _ROUNDING) or np.any(clipped.values > 0):
        return Clear("the ratio moves away from 1 within an update")
    if epochs is None:
        return Unknown(
            "the divergence is always 0, which is right where each batch is used once; "
            "say how often with --set n_epochs=N"
        )
    if epochs < 2:
        return Clear("each batch is used once, so the ratio is 1")
    span = (float(kl.steps[0]), float(kl.steps[-1]))
    return Alarm(
        "ratio-always-one",
        f"divergence and clip fraction are 0 up to rounding in {steps(span)}, though each batch "
        f"is used {epochs:.0f} times",
        span,
        {"epochs": epochs},
    )


def _epochs(log: Log) -> float | None:
    """How often a batch is used: as configured, or by how the counter of passes grows (SB3)."""
    stated = log.config.get("n_epochs")
    if stated is not None:
        return float(stated)
    updates = log.first("updates")
    if updates is None or len(updates) < 3:
        return None
    return float(np.median(np.diff(updates.values)))


def policy_loss(log: Log) -> Finding:
    """Alternating signs of the differences with growing amplitude."""
    loss, returns = log["policy_loss"], course(log)
    assert returns is not None, "needs a return"
    changes = np.diff(loss.values)
    parts = np.array_split(changes, 4)
    early, late = spread(parts[0]), spread(parts[-1])
    tail = changes[len(changes) // 2 :]
    against = -float(np.mean(np.sign(tail[1:]) * np.sign(tail[:-1])))
    if late < 30 * max(early, 1e-12) or against < 0.5 or returns.rose or late <= noise(loss) * 0.1:
        return Clear("the policy loss does not swing with growing amplitude")
    span = window(loss, 0.75, 1.0).span
    return Alarm(
        "policy-loss-oscillation",
        f"the policy loss changes direction at {0.5 + against / 2:.0%} of the records, by "
        f"{show(late)} in {steps(span)} against {show(early)} at first, and "
        f"{returns.in_words()}",
        span,
        {"early": early, "late": late},
        strength=0.7,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "updates-stay-close",
        "No update changes the policy far beyond the clip range.",
        "Spikes alone are common, most of all early, and are no alarm. One is raised where an "
        "update has more than 10 nats (1 where the log states a learning rate above 0.1) and the "
        "return was not learned, where the median after the first fifth exceeds 0.2 nats and the "
        "return collapsed or is known to be low, where a third of them exceed 1 nat and it does "
        "not rise, where one update of more than 1 nat is followed by returns below those of the "
        "untrained policy, and where a divergence of more than ten times the usual one is "
        "followed at once by a lasting collapse.",
        (need("approx_kl", least=10),),
        kl_spikes,
        (faults.KL_SPIKES,),
        ("approx_kl", *RETURN_SIGNALS),
    ),
    Detector(
        "clipping-acts-in-measure",
        "Some samples are clipped, and most are not.",
        "A divergence k puts the standard deviation of the log-ratio at about sqrt(2 k), so hardly "
        "any clipped sample at a median divergence above 0.1 contradicts any usual clip range. More "
        "than 60 % clipped in the second half, without a rising return, leaves "
        "most of the batch without gradient.",
        (need("clip_fraction", least=10),),
        clip_fraction,
        (faults.CLIP_NEVER, faults.CLIP_SATURATED),
        ("clip_fraction", "approx_kl", *RETURN_SIGNALS),
    ),
    Detector(
        "ratio-leaves-one",
        "The ratio leaves 1 once a batch is used again.",
        "At the first use of a batch the ratio is 1 and the divergence 0; after an optimiser "
        "step neither is. Both 0 up to rounding in every record, with several epochs (as "
        "configured, or by the growth of SB3's n_updates), shows old log-probabilities that "
        "follow the policy.",
        (need("approx_kl", least=10), need("clip_fraction", least=10)),
        ratio_moves,
        (faults.RATIO_ONE,),
        ("approx_kl", "clip_fraction"),
    ),
    Detector(
        "policy-loss-settles",
        "The policy loss does not swing with growing amplitude.",
        "Robust spread of the differences in the last quarter against the first (30 times), "
        "together with alternating signs and a return that does not rise.",
        (need("policy_loss", least=24), RETURN),
        policy_loss,
        (faults.POLICY_LOSS,),
        ("policy_loss", *RETURN_SIGNALS),
    ),
)
