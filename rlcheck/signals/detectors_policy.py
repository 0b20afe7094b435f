"""Detectors on the policy: entropy, divergence, clipping, ratio, loss."""

from __future__ import annotations

import math

import numpy as np

from rlcheck.signals import faults
from rlcheck.signals.course import RETURN_SIGNALS, Course, course, known_actions
from rlcheck.signals.findings import (
    Alarm,
    Clear,
    Detector,
    Finding,
    Unknown,
    need,
    show,
    steps,
)
from rlcheck.signals.series import Log, Series
from rlcheck.signals.statistics import blocks, noise, settled_from, spread, window

RETURN = need(*RETURN_SIGNALS, least=10)

_COLLAPSED = 0.05
"""Share of the largest entropy below which a policy counts as deterministic."""

_UNIFORM = 0.01
_LARGE_KL = 0.2
"""Divergence of an update, in nats, that no usual clip range would leave: PPO's stay below 0.05."""

_MOVING_KL = 0.05
"""Here the log-ratio has a standard deviation of 0.32, so more than half leave a range of 0.2."""


# --- entropy --------------------------------------------------------------------------------------


def entropy_collapse(log: Log) -> Finding:
    """The entropy, as a share of its largest value, against the return."""
    entropy, returns = log["entropy"], course(log)
    assert returns is not None, "needs a return"
    if "action_std" in log.signals and len(log["action_std"]) >= 10:
        return _std_collapse(log["action_std"], returns)
    if np.any(entropy.values < -1e-6):
        return Unknown(
            "the entropy is that of a density, whose zero means nothing; log the standard "
            "deviation of the actions too"
        )
    largest, seen = _largest_entropy(log, entropy)
    share = Series(entropy.steps, entropy.values / max(largest, 1e-12))
    end = window(share, 0.9, 1.0)
    if end.median > _COLLAPSED:
        return Clear(f"the entropy ends at {end.median:.0%} of its largest value")
    start = settled_from(share, share.values <= _COLLAPSED)
    worse = _fell_below_first_record(returns)
    if not ((returns.low and (seen or returns.goal is not None)) or worse):
        return Clear(
            f"the entropy fell to {end.median:.1%} of its largest value while the return rose"
        )
    span = (share.steps[0] if start is None else start, float(share.steps[-1]))
    return Alarm(
        "entropy-collapse",
        f"the entropy is {show(end.median * largest)} nats, {end.median:.1%} of its largest "
        f"value, in {steps(span)}, while {_return_words(returns)}",
        span,
        {"entropy": end.median * largest, "share": end.median, "return": returns.last.median},
    )


def _largest_entropy(log: Log, entropy: Series) -> tuple[float, bool]:
    """The entropy of the uniform policy, or the largest seen; and whether the log shows the fall."""
    top = float(np.percentile(entropy.values[: max(3, len(entropy) // 10)], 90))
    actions = known_actions(log)
    largest = math.log(actions) if actions else max(top, 1e-12)
    # Without the number of actions, a first record of a few hundredths of a nat is a fall not seen.
    return max(largest, math.log(2.0)), top > 4 * _COLLAPSED * max(largest, math.log(2.0))


def _fell_below_first_record(returns: Course) -> bool:
    """Whether the whole second half lies far below the very first record, that of the random policy."""
    first = float(returns.points.values[0])
    half = window(returns.points, 0.5, 1.0).values
    return bool(np.all(half < first - 0.3 * abs(first)) and not returns.ever_rose)


def _std_collapse(std: Series, returns: Course) -> Finding:
    first, end = window(std, 0.0, 0.1).median, window(std, 0.9, 1.0)
    if not (end.median < _COLLAPSED * first and returns.low):
        return Clear(f"the standard deviation of the actions ends at {show(end.median)}")
    start = settled_from(std, std.values < _COLLAPSED * first)
    span = (std.steps[0] if start is None else start, float(std.steps[-1]))
    return Alarm(
        "entropy-collapse",
        f"the standard deviation of the actions fell from {show(first)} to {show(end.median)} in "
        f"{steps(span)}, while {_return_words(returns)}",
        span,
        {"first": first, "last": end.median, "return": returns.last.median},
    )


def _return_words(returns: Course) -> str:
    goal = f"; solved is {show(returns.goal)}" if returns.goal is not None else ""
    return f"the return went from {show(returns.start.median)} to {show(returns.last.median)}{goal}"


def entropy_explosion(log: Log) -> Finding:
    """A rising entropy with a falling return, or an entropy that is maximal throughout."""
    entropy, returns = log["entropy"], course(log)
    assert returns is not None, "needs a return"
    middles, _ = blocks(entropy, 10)
    low, end = float(middles.min()), float(middles[-1])
    uniform = _stays_uniform(log, entropy, returns)
    if uniform is not None:
        return uniform
    actions = known_actions(log)
    grew = False
    if np.all(entropy.values >= 0) and "action_std" not in log.signals:
        top = math.log(actions) if actions else float(middles.max())
        grew = end > 0.95 * top and low < 0.7 * top
    elif "action_std" in log.signals and len(log["action_std"]) >= 10:
        std, _ = blocks(log["action_std"], 10)
        grew = std[-1] > 5 * std[0] > 0
    if not (grew and (returns.collapsed or not returns.ever_rose)):
        return Clear(f"the entropy ends at {show(end)} nats; its lowest level was {show(low)}")
    turn = int(np.argmin(middles))
    span = (float(blocks(entropy, 10)[1][turn]), float(entropy.steps[-1]))
    return Alarm(
        "entropy-explosion",
        f"the entropy rose from {show(low)} to {show(end)} nats in {steps(span)}, while "
        f"{_return_words(returns)} (peak {show(returns.peak.median)})",
        span,
        {"lowest": low, "last": end, "return": returns.last.median},
    )


def _stays_uniform(log: Log, entropy: Series, returns: Course) -> Alarm | None:
    actions = known_actions(log)
    tops = [math.log(actions)] if actions else [math.log(k) for k in range(2, 19)]
    uniform = any(np.all(np.abs(entropy.values - top) < _UNIFORM * top) for top in tops)
    if not uniform or returns.ever_rose or returns.at_goal or len(entropy) < 30:
        return None
    span = (float(entropy.steps[0]), float(entropy.steps[-1]))
    return Alarm(
        "policy-stays-random",
        "the entropy stays within 1 % of the uniform policy's "
        f"({show(float(np.median(entropy.values)))} nats) in {steps(span)}, while "
        f"{_return_words(returns)}",
        span,
        {"entropy": float(np.median(entropy.values)), "return": returns.last.median},
    )


# --- size of the updates --------------------------------------------------------------------------


def kl_spikes(log: Log) -> Finding:
    """Divergences that stay large, or single ones after which the return breaks down."""
    kl, returns = log["approx_kl"], course(log)
    assert returns is not None, "needs a return"
    later = window(kl, 0.2, 1.0)
    if later.median > _LARGE_KL and not returns.rose:
        return Alarm(
            "kl-spikes",
            f"the median divergence of an update is {show(later.median)} nats in "
            f"{steps(later.span)}, where 0.01 to 0.05 is usual, and {_return_words(returns)}",
            later.span,
            {"median": later.median, "return": returns.last.median},
            strength=0.85,
        )
    typical = max(float(np.median(kl.values)), 1e-6)
    jump = int(np.argmax(kl.values))
    size, at = float(kl.values[jump]), float(kl.steps[jump])
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
    if not np.any(clipped.values > 0) and moving > _MOVING_KL:
        return Alarm(
            "clip-never-active",
            f"the clip fraction is exactly 0 in {steps(span)}, though the median divergence of "
            f"{show(moving)} nats puts the log-ratio at {math.sqrt(2 * moving):.2f} standard "
            "deviation",
            span,
            {"kl": moving, "clip_fraction": 0.0},
        )
    late, returns = window(clipped, 0.5, 1.0), course(log)
    if late.median > 0.6 and (returns is None or not returns.rose):
        words = f", and {_return_words(returns)}" if returns is not None else ""
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
    if np.any(np.abs(kl.values) > 1e-9) or np.any(clipped.values > 0):
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
        f"divergence and clip fraction are exactly 0 in {steps(span)}, though each batch is used "
        f"{epochs:.0f} times",
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
        f"{_return_words(returns)}",
        span,
        {"early": early, "late": late},
        strength=0.7,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "policy-certain-only-when-good",
        "The policy becomes deterministic only as the return rises.",
        "The entropy as a share of log(number of actions), or of its first values where that "
        "number is unknown, falls below 5 % while the return is no better than at the start (or "
        "less than half way to the environment's goal). A policy that converged has a low "
        "entropy and a high return, and passes.",
        (need("entropy", least=5), RETURN),
        entropy_collapse,
        (faults.ENTROPY_COLLAPSE,),
        ("entropy", "action_std", *RETURN_SIGNALS),
    ),
    Detector(
        "policy-does-not-drift-to-random",
        "The entropy does not return to its maximum, nor stay there.",
        "An alarm needs both: the entropy at 95 % of its maximum after it had fallen below 70 % "
        "(for Gaussian policies a standard deviation five times the first), and a return that "
        "collapsed or never rose. An entropy within 1 % of uniform in every record with a flat "
        "return shows a policy without gradient.",
        (need("entropy"), RETURN),
        entropy_explosion,
        (faults.ENTROPY_EXPLOSION, faults.POLICY_UNIFORM),
        ("entropy", "action_std", *RETURN_SIGNALS),
    ),
    Detector(
        "updates-stay-close",
        "No update changes the policy far beyond the clip range.",
        "Spikes alone are common, most of all early, and are no alarm. One is raised where the "
        "median after the first fifth exceeds 0.2 nats and the return does not rise, or where a "
        "divergence of more than ten times the usual one is followed at once by a lasting "
        "collapse of the return.",
        (need("approx_kl"), RETURN),
        kl_spikes,
        (faults.KL_SPIKES,),
        ("approx_kl", *RETURN_SIGNALS),
    ),
    Detector(
        "clipping-acts-in-measure",
        "Some samples are clipped, and most are not.",
        "A divergence k puts the standard deviation of the log-ratio at about sqrt(2 k), so a "
        "clip fraction of exactly 0 with a median divergence above 0.05 contradicts any usual "
        "clip range. More than 60 % clipped in the second half, without a rising return, leaves "
        "most of the batch without gradient.",
        (need("clip_fraction", least=30),),
        clip_fraction,
        (faults.CLIP_NEVER, faults.CLIP_SATURATED),
        ("clip_fraction", "approx_kl", *RETURN_SIGNALS),
    ),
    Detector(
        "ratio-leaves-one",
        "The ratio leaves 1 once a batch is used again.",
        "At the first use of a batch the ratio is 1 and the divergence 0; after an optimiser "
        "step neither is. Both exactly 0 in every record, with several epochs (as configured, or "
        "by the growth of SB3's n_updates), shows old log-probabilities that follow the policy.",
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
        (need("policy_loss", least=40), RETURN),
        policy_loss,
        (faults.POLICY_LOSS,),
        ("policy_loss", *RETURN_SIGNALS),
    ),
)
