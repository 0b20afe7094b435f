"""Wrong versions of the PPO loss, each with the mistake that it models.

All of them depart from one line, `-aggregate(min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A))`.
"""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Array, FaultyVersion
from property_tests.losses import aggregate, share

GITHUB = "https://github.com/"


def _surrogate(ratio: Array, advantages: Array, low: float, high: float, dual_clip) -> Array:
    smaller = np.minimum(ratio * advantages, np.clip(ratio, low, high) * advantages)
    if dual_clip == "off":
        return smaller
    return np.where(advantages < 0, np.maximum(smaller, dual_clip * advantages), smaller)


def _loss(ratio, advantages, clip_epsilon, aggregation, dual_clip):
    terms = _surrogate(ratio, advantages, 1.0 - clip_epsilon, 1.0 + clip_epsilon, dual_clip)
    return -aggregate(terms, aggregation)


def _sign_flipped(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    return -_loss(ratio, advantages, clip_epsilon, aggregation, dual_clip)


def _ratio_inverted(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(old_log_probs - log_probs)
    return _loss(ratio, advantages, clip_epsilon, aggregation, dual_clip)


def _ratio_of_logs(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    return _loss(log_probs / old_log_probs, advantages, clip_epsilon, aggregation, dual_clip)


def _log_ratio(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = log_probs - old_log_probs
    return _loss(ratio, advantages, clip_epsilon, aggregation, dual_clip)


def _ratio_of_new_only(log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    return _loss(np.exp(log_probs), advantages, clip_epsilon, aggregation, dual_clip)


def _recomputed(log_probs, advantages, aggregation):
    gradient = -share(advantages, aggregation) * np.ones_like(log_probs)
    return -aggregate(advantages, aggregation), gradient


def _clip_missing(log_probs, old_log_probs, advantages, aggregation):
    return -aggregate(np.exp(log_probs - old_log_probs) * advantages, aggregation)


def _clipped_only(log_probs, old_log_probs, advantages, clip_epsilon, aggregation):
    ratio = np.exp(log_probs - old_log_probs)
    clipped = np.clip(ratio, 1.0 - clip_epsilon, 1.0 + clip_epsilon)
    return -aggregate(clipped * advantages, aggregation)


def _maximum(log_probs, old_log_probs, advantages, clip_epsilon, aggregation):
    ratio = np.exp(log_probs - old_log_probs)
    clipped = np.clip(ratio, 1.0 - clip_epsilon, 1.0 + clip_epsilon)
    return -aggregate(np.maximum(ratio * advantages, clipped * advantages), aggregation)


def _minimum_of_losses(log_probs, old_log_probs, advantages, clip_epsilon, aggregation):
    ratio = np.exp(log_probs - old_log_probs)
    clipped = np.clip(ratio, 1.0 - clip_epsilon, 1.0 + clip_epsilon)
    return -min(
        aggregate(ratio * advantages, aggregation), aggregate(clipped * advantages, aggregation)
    )


def _upper_only(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    return -aggregate(
        _surrogate(ratio, advantages, 0.0, 1.0 + clip_epsilon, dual_clip), aggregation
    )


def _lower_only(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    terms = _surrogate(ratio, advantages, 1.0 - clip_epsilon, np.inf, dual_clip)
    return -aggregate(terms, aggregation)


def _around_zero(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    return -aggregate(
        _surrogate(ratio, advantages, -clip_epsilon, clip_epsilon, dual_clip), aggregation
    )


def _log_ratio_clipped(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    low, high = np.exp(-clip_epsilon), np.exp(clip_epsilon)
    return -aggregate(_surrogate(ratio, advantages, low, high, dual_clip), aggregation)


def _surrogate_clipped(log_probs, old_log_probs, advantages, clip_epsilon, aggregation):
    surrogate = np.exp(log_probs - old_log_probs) * advantages
    clipped = np.clip(surrogate, 1.0 - clip_epsilon, 1.0 + clip_epsilon)
    return -aggregate(np.minimum(surrogate, clipped), aggregation)


def _with_clip(epsilon):
    def model(log_probs, old_log_probs, advantages, aggregation, dual_clip):
        ratio = np.exp(log_probs - old_log_probs)
        return _loss(ratio, advantages, epsilon, aggregation, dual_clip)

    return model


def _normalised(ddof):
    def model(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
        ratio = np.exp(log_probs - old_log_probs)
        spread = advantages.std(ddof=ddof) if len(advantages) > ddof else 0.0
        scaled = (advantages - advantages.mean()) / (spread + 1e-8)
        return _loss(ratio, scaled, clip_epsilon, aggregation, dual_clip)

    return model


def _rows_crossed(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)[..., None]
    return _loss(ratio, advantages[None], clip_epsilon, aggregation, dual_clip)


def _ratio_crossed(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs[..., None] - old_log_probs[None])
    return _loss(ratio, advantages, clip_epsilon, aggregation, dual_clip)


def _advantage_ignored(log_probs, old_log_probs, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    return _loss(ratio, np.ones_like(ratio), clip_epsilon, aggregation, dual_clip)


def _advantage_absolute(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    return _loss(ratio, np.abs(advantages), clip_epsilon, aggregation, dual_clip)


def _graph_cut(log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip):
    ratio = np.exp(log_probs - old_log_probs)
    value = _loss(ratio, advantages, clip_epsilon, aggregation, dual_clip)
    return value, np.zeros_like(log_probs)


def _clipped_rows_dropped(
    log_probs, old_log_probs, advantages, clip_epsilon, aggregation, dual_clip
):
    ratio = np.exp(log_probs - old_log_probs)
    inside = np.abs(ratio - 1.0) <= clip_epsilon
    return -aggregate(ratio * advantages * inside, aggregation)


def _dual_clip_everywhere(log_probs, old_log_probs, advantages, clip_epsilon, aggregation):
    ratio = np.exp(log_probs - old_log_probs)
    terms = _surrogate(ratio, advantages, 1.0 - clip_epsilon, 1.0 + clip_epsilon, "off")
    return -aggregate(np.maximum(terms, 3.0 * advantages), aggregation)


_RATIO = "the line that makes the ratio of the log-probabilities"
_CLIP = "the clamp of the ratio and the minimum after it"
_RIGHT = "-min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A).mean()"

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "sign-flipped",
        _sign_flipped,
        "the loss has the wrong sign: good actions become less likely",
        "The optimiser minimises; without the minus it minimises the surrogate return.",
        f"Return {_RIGHT}.",
        "the last line of the loss",
        (f"{GITHUB}takuseno/d3rlpy/commit/b4f3d46d1f06",),
        aliases=("advantage-sign-flipped",),
    ),
    FaultyVersion(
        "ratio-inverted",
        _ratio_inverted,
        "the ratio is upside down: old over new policy",
        "The gradient points the wrong way, at first by the sign only: every update lowers what it "
        "should raise.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
        (f"{GITHUB}huggingface/trl/commit/a757ac4369ec",),
    ),
    FaultyVersion(
        "ratio-of-log-probs",
        _ratio_of_logs,
        "log-probabilities are divided where probabilities should be",
        "log pi / log pi_old is 1 on-policy, as the ratio is, but falls when the action becomes "
        "likelier: the gradient has the wrong sign.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
    ),
    FaultyVersion(
        "exponential-missing",
        _log_ratio,
        "the difference of the log-probabilities is used without the exponential",
        "On-policy it is 0 in place of 1, below the clip: actions with a negative advantage have no "
        "gradient at all.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
    ),
    FaultyVersion(
        "old-log-probs-ignored",
        _ratio_of_new_only,
        "the probability itself takes the place of the ratio",
        "The old policy has no effect; likely actions count more and the clip means nothing.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
    ),
    FaultyVersion(
        "old-log-prob-recomputed",
        _recomputed,
        "the ratio is always 1",
        "The old log-probabilities are the current ones, detached: nothing is ever clipped, and "
        "several epochs on the same data walk away from the policy that acted.",
        "Use the log-probabilities stored when acting.",
        _RATIO,
        (
            f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/413cf0d1d8ec",
            f"{GITHUB}higgsfield-ai/higgsfield/issues/20",
        ),
    ),
    FaultyVersion(
        "clip-missing",
        _clip_missing,
        "the ratio is not clipped",
        "Nothing keeps the policy near the one that acted; with several epochs it collapses.",
        f"Return {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "minimum-missing",
        _clipped_only,
        "the clipped surrogate stands alone, without the minimum",
        "A row that has moved against its advantage has no gradient and can never be corrected.",
        f"Return {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "maximum-for-minimum",
        _maximum,
        "the maximum of the two surrogates is taken",
        "The bound is optimistic: rows beyond the clip are pushed further, mistakes stay.",
        "Take the minimum of the surrogates, or the maximum of their negatives.",
        _CLIP,
    ),
    FaultyVersion(
        "minimum-after-the-mean",
        _minimum_of_losses,
        "the minimum is taken of the two means, not row by row",
        "One row beyond the clip decides for all: either nothing is clipped or everything.",
        "Take the minimum element by element, then the mean.",
        _CLIP,
    ),
    FaultyVersion(
        "lower-clip-missing",
        _upper_only,
        "the ratio is clipped from above only",
        "Actions with a negative advantage are pushed towards probability 0 without limit.",
        "Clip to [1 - eps, 1 + eps].",
        _CLIP,
    ),
    FaultyVersion(
        "upper-clip-missing",
        _lower_only,
        "the ratio is clipped from below only",
        "Actions with a positive advantage are pushed without limit.",
        "Clip to [1 - eps, 1 + eps].",
        _CLIP,
    ),
    FaultyVersion(
        "clip-around-zero",
        _around_zero,
        "the ratio is clipped to [-eps, eps]",
        "The 1 is missing: every ratio is cut to eps, and good actions have no gradient.",
        "Clip to [1 - eps, 1 + eps].",
        _CLIP,
    ),
    FaultyVersion(
        "log-ratio-clipped",
        _log_ratio_clipped,
        "the logarithm of the ratio is clipped to [-eps, eps]",
        "The interval of ratios becomes [exp(-eps), exp(eps)]: near the right one for a small eps, "
        "and not what was configured for a large one.",
        "Clip the ratio, not its logarithm.",
        _CLIP,
    ),
    FaultyVersion(
        "surrogate-clipped",
        _surrogate_clipped,
        "the product with the advantage is clipped in place of the ratio",
        "Whether a row is clipped depends on the size of its advantage; negative advantages break.",
        "Clip the ratio, then multiply by the advantage.",
        _CLIP,
    ),
    FaultyVersion(
        "clip-epsilon-hard-coded",
        _with_clip(0.2),
        "the clip is fixed, whatever is configured",
        "Tuning it has no effect.",
        "Use the parameter.",
        _CLIP,
        (f"{GITHUB}anthonytorlucci/rlevo/issues/183",),
        variants=(_with_clip(0.1), _with_clip(0.3)),
    ),
    FaultyVersion(
        "clipped-rows-dropped",
        _clipped_rows_dropped,
        "rows outside the clip are left out on both sides",
        "Rows that have moved against their advantage lose their gradient: the bound is not "
        "pessimistic any more.",
        f"Return {_RIGHT}.",
        "a mask `abs(ratio - 1) <= eps` in place of the minimum",
    ),
    FaultyVersion(
        "advantages-normalised",
        _normalised(1),
        "the advantages are normalised inside the loss",
        "The loss is no longer the documented one, and minibatches of one row give 0 or NaN.",
        "Normalise where the batch is prepared.",
        "the first lines of the loss",
        (f"{GITHUB}tensorflow/agents/issues/651",),
        variants=(_normalised(0),),
    ),
    FaultyVersion(
        "advantage-ignored",
        _advantage_ignored,
        "the advantages have no effect",
        "All actions taken become likelier, good or bad.",
        "Multiply each row's ratio by its advantage.",
        _CLIP,
    ),
    FaultyVersion(
        "advantage-absolute",
        _advantage_absolute,
        "the advantages lose their sign",
        "Bad actions are reinforced as much as good ones.",
        "Use the advantages as they are.",
        _CLIP,
    ),
    FaultyVersion(
        "rows-crossed",
        _rows_crossed,
        "(N,) and (N, 1) are broadcast: every row is paired with every other",
        "Ratios meet the advantages of other rows, so that the credit of single actions is gone. "
        "Nothing crashes.",
        "Give all operands the same shape, (N,) or (N, 1), and assert it.",
        "a squeeze, view(-1) or unsqueeze on one of the operands",
        (
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/pull/46",
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33",
        ),
        variants=(_ratio_crossed,),
    ),
    FaultyVersion(
        "dual-clip-on-all-advantages",
        _dual_clip_everywhere,
        "the second clip applies to positive advantages too",
        "max(surrogate, c * A) with A > 0 is c * A: a constant, so that good actions are not "
        "learned at all.",
        "Apply the second clip where A < 0 only.",
        "the line with the dual clip",
    ),
    FaultyVersion(
        "graph-cut",
        _graph_cut,
        "the value is right, and no gradient reaches the policy",
        "The log-probabilities or the ratio were detached. The loss is logged and the policy never "
        "changes.",
        "Keep the new log-probabilities in the graph; detach the old ones only.",
        "`.detach()`, `.item()`, `torch.no_grad()` on the ratio or the loss",
        (f"{GITHUB}Toni-SM/skrl/commit/13d28af56988",),
    ),
)
