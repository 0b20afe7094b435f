"""Detectors on reinforcement learning and preference optimisation of language models."""

from __future__ import annotations

import math

import numpy as np

from rlcheck.signals import faults_language as faults
from rlcheck.signals.course import course
from rlcheck.signals.findings import (
    Alarm,
    Clear,
    Detector,
    Doubt,
    Finding,
    Unknown,
    need,
    show,
    steps,
)
from rlcheck.signals.series import Log, Series
from rlcheck.signals.statistics import apart, settled_from, spanned, window

_REWARD = need("reward", "episode_return", "success_rate", least=20)
_MIXED = (0.05, 0.9)
"""Success rates at which groups of independent responses are mixed often."""

_GROUP = 8

_DRIFT = 0.1
"""Divergence from the reference, in nats, that a policy reaches without doing anything different."""


def groups_differ(log: Log) -> Finding:
    """The share of groups without signal, against what the success rate lets expect."""
    silent = log["zero_signal_groups"]
    late = window(silent, 0.5, 1.0)
    if late.median < 0.95:
        return Clear(f"{late.median:.0%} of the groups carry no signal in the second half")
    rate = log.first("success_rate", "reward")
    success = window(rate, 0.5, 1.0).median if rate is not None and len(rate) else None
    if success is None or not 0.0 <= success <= 1.0:
        return Unknown(
            "nearly all groups carry no signal; the success rate would tell whether that is right"
        )
    if success > _MIXED[1]:
        return Clear("groups carry no signal because nearly everything succeeds")
    returns = course(log)
    if "success_rate" not in log.signals and returns is not None and returns.learned:
        return Clear(
            "groups carry no signal after the reward had risen",
            ("whether the reward is at its maximum cannot be told without the success rate",),
        )
    size = float(log.config.get("num_generations", _GROUP))
    expected = success**size + (1 - success) ** size
    grouping = _MIXED[0] < success
    why = (
        f"independent responses with success rate {success:.0%} in groups of {size:.0f} would "
        f"leave {expected:.0%} without"
        if grouping
        else f"the success rate is {success:.1%}: the prompts are too hard"
    )
    return Alarm(
        "zero-signal-groups",
        f"{late.median:.0%} of the groups have equal rewards in {steps(late.span)}; {why}",
        late.span,
        {"share": late.median, "success": success, "expected": expected},
        strength=0.9 if grouping else 0.7,
    )


def lengths_unbiased(log: Log) -> Finding:
    """Length of wrong responses against correct ones, or of all against a flat reward."""
    if all(
        name in log.signals and len(log[name]) >= 20 for name in ("wrong_length", "correct_length")
    ):
        wrong, right = log["wrong_length"], log["correct_length"]
        a, b = window(wrong, 0.0, 0.2), window(wrong, 0.8, 1.0)
        c, d = window(right, 0.0, 0.2), window(right, 0.8, 1.0)
        grown = (
            b.median > 1.5 * a.median and apart(a.values, b.values) and d.median < 1.15 * c.median
        )
        returns = course(log, least=20)
        if grown and returns is not None and returns.improving:
            remark = f"wrong responses grow from {show(a.median)} to {show(b.median)} tokens"
            return Clear("what is still wrong gets longer, and the reward still rises", (remark,))
        if grown:
            words = f"wrong responses grow from {show(a.median)} to {show(b.median)} tokens, "
            words += f"correct ones from {show(c.median)} to {show(d.median)}"
            return _longer(wrong, words)
        return Clear("wrong responses do not outgrow the correct ones")
    length, returns = log.first("response_length"), course(log, least=20)
    if length is None or returns is None or len(length) < 20:
        return Unknown("the log has no response_length and reward")
    a, b = window(length, 0.0, 0.2), window(length, 0.8, 1.0)
    if b.median > 2 * a.median and apart(a.values, b.values) and not returns.ever_rose:
        words = f"responses grow from {show(a.median)} to {show(b.median)} tokens, "
        words += f"while the reward stays at {show(returns.last.median)}"
        return _longer(length, words)
    return Clear(f"responses go from {show(a.median)} to {show(b.median)} tokens")


def _longer(length: Series, words: str) -> Alarm:
    first = window(length, 0.0, 0.2).median
    start = settled_from(length, length.values > 1.2 * first)
    span = (float(length.steps[0]) if start is None else start, float(length.steps[-1]))
    last = window(length, 0.8, 1.0).median
    return Alarm(
        "length-bias",
        f"{words}, in {steps(span)}",
        span,
        {"first": first, "last": last},
        strength=0.8,
    )


def sampler_agrees(log: Log) -> Finding:
    """Differences of log-probabilities, or a mean ratio away from 1."""
    gap, ratio = log.first("sampler_gap"), log.first("sampler_ratio")
    known = gap is not None and len(gap) >= 10
    if gap is not None and known:
        late = window(gap, 0.5, 1.0)
        if late.median > 0.1:
            return Alarm(
                "sampler-trainer-mismatch",
                f"a token's log-probability differs by {show(late.median)} nats between sampler "
                f"and trainer in {steps(late.span)}; rounding explains about 0.01",
                late.span,
                {"gap": late.median},
            )
    if ratio is not None and len(ratio) >= 10:
        late = window(ratio, 0.5, 1.0)
        off = abs(late.median - 1.0)
        if (
            not known
            and off > 0.1
            and abs(float(np.percentile(late.values, 25 if late.median > 1 else 75)) - 1) > 0.05
        ):
            if off < 0.3:
                # Products over a long response scatter far from 1 where rounding is all there is.
                return Doubt(
                    f"the mean ratio between trainer and sampler is {late.median:.3f}; of single tokens "
                    "that is too far from 1, of whole responses it may be rounding. Log the mean "
                    "difference of log-probabilities (sampler_gap)"
                )
            return Alarm(
                "sampler-trainer-mismatch",
                f"the mean ratio between trainer and sampler is {late.median:.3f} in "
                f"{steps(late.span)}; it should stay at 1 (below 1: the sampler cuts the "
                "distribution by top-p, top-k or temperature)",
                late.span,
                {"ratio": late.median},
            )
    if not known and (ratio is None or len(ratio) < 10):
        return Unknown("10 values of sampler_gap or sampler_ratio are needed")
    return Clear("sampler and trainer agree up to rounding")


def drift_is_paid(log: Log) -> Finding:
    """The divergence from the reference grows in the second half and the reward does not."""
    kl, returns = log["kl_to_reference"], course(log, least=20)
    if returns is None:
        return Unknown("20 values of the reward are needed")
    a, b = window(kl, 0.4, 0.55), window(kl, 0.85, 1.0)
    reward = returns.points
    c, d = window(reward, 0.4, 0.6), window(reward, 0.8, 1.0)
    earned = d.median > c.median + 0.1 * max(spanned(reward), returns.noise)
    large = b.median > max(3 * a.median, _DRIFT) and apart(a.values, b.values)
    if not large or earned or 0.9 < d.median <= 1.0:
        return Clear(
            f"the divergence from the reference goes from {show(a.median)} to {show(b.median)} nats"
        )
    span = (a.start, b.end)
    return Alarm(
        "kl-without-reward",
        f"the divergence from the reference grows from {show(a.median)} to {show(b.median)} nats "
        f"in {steps(span)}, while the reward goes from {show(c.median)} to {show(d.median)}",
        span,
        {"first": a.median, "last": b.median, "reward": d.median},
        strength=0.8,
    )


def chosen_stay_likely(log: Log) -> Finding:
    """Log-probabilities of chosen and rejected responses, beginning against end."""
    chosen, rejected = log["chosen_logps"], log["rejected_logps"]
    a, b = window(chosen, 0.0, 0.15), window(chosen, 0.85, 1.0)
    c, d = window(rejected, 0.0, 0.15), window(rejected, 0.85, 1.0)
    fall, fall_rejected = a.median - b.median, c.median - d.median
    if not (
        fall > 0.4 * abs(a.median) and apart(b.values, a.values) and fall_rejected > 1.3 * fall
    ):
        return Clear(
            f"log-probabilities of chosen responses go from {show(a.median)} to {show(b.median)}"
        )
    span = (a.start, b.end)
    return Alarm(
        "likelihood-displacement",
        f"log-probabilities of the chosen responses fall from {show(a.median)} to "
        f"{show(b.median)} in {steps(span)}, those of the rejected ones from {show(c.median)} to "
        f"{show(d.median)}",
        span,
        {"first": a.median, "last": b.median},
        strength=0.85,
    )


def loss_leaves_log2(log: Log) -> Finding:
    """A preference loss within 0.002 of log 2 in every record."""
    loss, margin = log["loss"], log["reward_margin"]
    close = np.abs(loss.values - math.log(2.0)) < 2e-3
    late = window(loss, 0.5, 1.0)
    if close.mean() < 0.95 or np.median(np.abs(margin.values)) > 0.02:
        return Clear(f"the preference loss ends at {show(late.median)}")
    if apart(window(margin, 0.0, 0.25).values, window(margin, 0.75, 1.0).values):
        return Doubt(
            f"the preference loss is still {late.median:.4f}, and the margin grows: the learning rate is "
            "low, or the warm-up long"
        )
    span = (float(loss.steps[0]), float(loss.steps[-1]))
    return Alarm(
        "stuck-at-log-2",
        f"the preference loss is {late.median:.4f} in {steps(span)}, and the margin "
        f"{show(float(np.median(margin.values)))}",
        span,
        {"loss": late.median},
        strength=0.95,
    )


DETECTORS: tuple[Detector, ...] = (
    Detector(
        "groups-carry-signal",
        "Groups of responses differ in their rewards.",
        "More than 95 % of the groups without any difference in the second half, at a success "
        "rate below 90 %. Of G independent responses with success rate p all agree with "
        "probability p^G + (1 - p)^G; prompts of unequal difficulty raise that, and therefore "
        "nothing below 95 % is an alarm.",
        (need("zero_signal_groups", least=10),),
        groups_differ,
        (faults.NO_SIGNAL,),
        ("zero_signal_groups", "reward", "success_rate"),
    ),
    Detector(
        "length-grows-only-with-reward",
        "Responses do not grow while the reward stays.",
        "Wrong responses grow by half while correct ones do not, and the reward no longer rises; or, "
        "where the log does not tell them apart, all responses double while the reward is never above "
        "its start.",
        (need("response_length", "wrong_length"),),
        lengths_unbiased,
        (faults.LENGTH_BIAS,),
        ("response_length", "wrong_length", "correct_length", "reward"),
    ),
    Detector(
        "sampler-agrees-with-trainer",
        "Sampler and trainer agree on the policy.",
        "A mean difference of log-probabilities above 0.1 nats in the second half; rounding in bfloat16 "
        "leaves about 0.01. Where only the mean ratio is logged, one more than 30 % away from 1; more "
        "than 10 % is inconclusive, since ratios of whole responses scatter.",
        (need("sampler_gap", "sampler_ratio", least=10),),
        sampler_agrees,
        (faults.SAMPLER_MISMATCH,),
        ("sampler_gap", "sampler_ratio"),
    ),
    Detector(
        "drift-buys-reward",
        "The policy leaves the reference only for a reward.",
        "In the second half the divergence from the reference triples, to more than 0.1 nats, while the "
        "reward does not rise. A reward between 0.9 and 1 has nowhere to rise to.",
        (need("kl_to_reference"), _REWARD),
        drift_is_paid,
        (faults.KL_FLAT_REWARD,),
        ("kl_to_reference", "reward"),
    ),
    Detector(
        "chosen-stay-likely",
        "Chosen responses stay likely.",
        "Some fall is common. An alarm needs a fall by more than 40 % of the log-probability, "
        "without overlap, and a rejected response that falls further.",
        (need("chosen_logps"), need("rejected_logps")),
        chosen_stay_likely,
        (faults.DISPLACEMENT,),
        ("chosen_logps", "rejected_logps"),
    ),
    Detector(
        "preference-loss-leaves-log-2",
        "The preference loss leaves log 2.",
        "95 % of the records within 0.002 of log 2 and a margin of 0: policy and reference are "
        "the same. A margin that grows is inconclusive.",
        (need("loss", least=30), need("reward_margin", least=30)),
        loss_leaves_log2,
        (faults.STUCK_AT_LOG2,),
        ("loss", "reward_margin"),
    ),
)
