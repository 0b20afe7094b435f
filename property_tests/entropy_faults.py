"""Wrong versions of the entropy of a categorical policy, each with the mistake that it models."""

from __future__ import annotations

import numpy as np

from property_tests import policy_rows
from property_tests.categorical_policies import log_softmax
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.policy_rows import GITHUB

_LINE = "the expression of the entropy"
_MASK = "where the mask meets the logits"


def _terms(log_p: Array) -> Array:
    """-p log p of every action, 0 where p is 0."""
    return -np.exp(log_p) * np.where(np.isneginf(log_p), 0.0, log_p)


def _entropy(log_p: Array) -> Array:
    return _terms(log_p).sum(axis=1)


def _right(logits, mask):
    return _entropy(log_softmax(logits, mask))


def _all_terms(logits, mask):
    return _terms(log_softmax(logits, mask))


def _sign_flipped(logits, mask):
    return -_right(logits, mask)


def _weights_missing(logits, mask):
    return -np.where(mask, log_softmax(logits, mask), 0.0).sum(axis=1)


def _weights_missing_mean(logits, mask):
    return -np.where(mask, log_softmax(logits, mask), 0.0).mean(axis=1)


def _taken_only(logits, actions, mask):
    return _terms(log_softmax(logits, mask))[np.arange(len(logits)), actions]


def _surprise_of_taken(logits, actions, mask):
    return -log_softmax(logits, mask)[np.arange(len(logits)), actions]


def _likeliest_only(logits, mask):
    return -log_softmax(logits, mask).max(axis=1)


def _logits_for_log_probs(logits, mask):
    return -(np.exp(log_softmax(logits, mask)) * logits).sum(axis=1)


def _averaged(logits, mask):
    return _terms(log_softmax(logits, mask)).mean(axis=1)


def _in_base(base):
    def model(logits, mask):
        return _right(logits, mask) / np.log(base)

    return model


def _relative(logits, mask):
    return _right(logits, mask) / np.log(logits.shape[1])


def _relative_to_permitted(logits, mask):
    return _right(logits, mask) / np.maximum(np.log(mask.sum(axis=1)), 1e-12)


def _over_the_batch(logits, mask):
    return _entropy(log_softmax(logits.T, mask.T).T)


def _over_the_batch_and_summed(logits, mask):
    return _terms(log_softmax(logits.T, mask.T)).sum(axis=1)


def _wrong_axis_summed(logits, mask):
    return _terms(log_softmax(logits, mask)).sum(axis=0)


def _softmax_twice(logits, mask):
    return _entropy(log_softmax(np.exp(log_softmax(logits, mask)), mask))


def _softmax_twice_unmasked(logits, mask):
    return _entropy(log_softmax(np.exp(log_softmax(logits, mask)), np.ones_like(mask)))


def _gini(logits, mask):
    return 1.0 - (np.exp(log_softmax(logits, mask)) ** 2).sum(axis=1)


def _perplexity(logits, mask):
    return np.exp(_right(logits, mask))


def _guarded(guard):
    def model(logits, mask):
        p = np.exp(log_softmax(logits, mask))
        return -(p * np.log(p + guard)).sum(axis=1)

    return model


def _zero_times_infinity(logits, mask):
    log_p = log_softmax(logits, mask)
    return -(np.exp(log_p) * log_p).sum(axis=1)


def _naive(logits, mask):
    weights = np.where(mask, np.exp(logits), 0.0)
    p = weights / weights.sum(axis=1, keepdims=True)
    return -(p * np.log(np.where(mask, p, 1.0))).sum(axis=1)


def _mask_ignored(logits, mask):
    return _right(logits, np.ones_like(mask))


def _mask_inverted(logits, mask):
    # Where everything is permitted everything is then forbidden alike.
    return _right(logits, np.where(mask.all(1, keepdims=True), mask, ~mask))


def _forbidden_filled(fill):
    def model(logits, mask):
        return _right(np.where(mask, fill, logits), np.ones_like(mask))

    return model


def _mask_multiplied(logits, mask):
    return _right(logits * mask, np.ones_like(mask))


def _mask_added(logits, mask):
    return _right(logits + mask, np.ones_like(mask))


def _not_renormalised(logits, mask):
    return (_terms(log_softmax(logits, np.ones_like(mask))) * mask).sum(axis=1)


def _mean_over_permitted(logits, mask):
    return _right(logits, mask) / mask.sum(axis=1)


def _weak_fill(fill):
    def model(logits, mask):
        return _right(np.where(mask, logits, fill), np.ones_like(mask))

    return model


def _weak_penalty(penalty):
    def model(logits, mask):
        return _right(logits - penalty * ~mask, np.ones_like(mask))

    return model


def faults(cut: Model) -> tuple[FaultyVersion, ...]:
    """All of them.

    Args:
        cut: the right value with a gradient of zero.
    """
    graph_cut = FaultyVersion(
        "graph-cut",
        cut,
        "the value is right, and no gradient reaches the policy",
        "The entropy was detached, or its weights were: -sum(detached p * log p) has a gradient of "
        "zero. The bonus is logged and has no effect.",
        "Compute it with gradient, weights included.",
        "`.detach()`, `.item()`, `torch.no_grad()`; an entropy outside the differentiated function",
        (
            f"{GITHUB}Toni-SM/skrl/commit/13d28af56988",
            f"{GITHUB}Toni-SM/skrl/commit/ac72dc8cbfda",
        ),
    )
    return (
        *_FAULTS,
        *policy_rows.wrong_reductions(_right),
        policy_rows.not_summed(_all_terms, "actions"),
        graph_cut,
    )


_FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "sign-flipped",
        _sign_flipped,
        "the sign is wrong: sum p log p",
        "The negative entropy is returned: a bonus of it makes the policy collapse.",
        "Return -(p * log_p).sum(-1), and subtract the bonus from a loss.",
        _LINE,
        (
            f"{GITHUB}DLR-RM/stable-baselines3/commit/8f9aaaebe990",
            f"{GITHUB}rlworkgroup/garage/issues/628",
            f"{GITHUB}google-deepmind/open_spiel/issues/962",
        ),
        aliases=("entropy-sign-flipped",),
    ),
    FaultyVersion(
        "weights-missing",
        _weights_missing,
        "log-probabilities are summed without their probabilities",
        "It grows without bound as one action becomes certain: the bonus then does the opposite of "
        "what it should, or nothing is bounded.",
        "Weigh each log-probability by its probability.",
        _LINE,
        (f"{GITHUB}noahfarr/rlx/pull/3",),
        variants=(_weights_missing_mean,),
    ),
    FaultyVersion(
        "taken-action-only",
        _taken_only,
        "only the action taken is counted",
        "One term of the sum, that of the sampled action, stands for the sum: the bonus punishes "
        "probable actions.",
        "Sum over all actions.",
        _LINE,
        (f"{GITHUB}noahfarr/rlx/pull/3",),
        variants=(_surprise_of_taken,),
    ),
    FaultyVersion(
        "likeliest-action-only",
        _likeliest_only,
        "only the likeliest action is counted",
        "It is the min-entropy, -log max p: most actions have no influence.",
        "Sum over all actions.",
        _LINE,
    ),
    FaultyVersion(
        "logits-for-log-probabilities",
        _logits_for_log_probs,
        "logits stand where log-probabilities belong",
        "The normaliser is missing: a constant added to all logits changes the bonus.",
        "Take `log_softmax(logits)`.",
        _LINE,
    ),
    FaultyVersion(
        "averaged-over-actions",
        _averaged,
        "the terms are averaged over the actions, not summed",
        "The bonus is A times too small.",
        "Sum over the last axis, and average over the batch only.",
        _LINE,
        (f"{GITHUB}DLR-RM/stable-baselines3/commit/fd9e73cfb87f",),
        variants=(_mean_over_permitted,),
    ),
    FaultyVersion(
        "wrong-unit",
        _in_base(2.0),
        "the entropy is not in nats",
        "Another base of the logarithm, or a division by the maximum, scales the bonus.",
        "Use the natural logarithm.",
        _LINE,
        variants=(_in_base(10.0), _relative, _relative_to_permitted),
    ),
    FaultyVersion(
        "normalised-over-the-batch",
        _over_the_batch,
        "the softmax or the sum runs over the batch, not over the actions",
        "What is measured is how one action's probability is spread over states.",
        "Use the last axis for both.",
        "`dim=0`, `axis=0`, or a transposed input",
        (f"{GITHUB}pytorch/rl/commit/5df91da3640d",),
        variants=(_over_the_batch_and_summed, _wrong_axis_summed),
    ),
    FaultyVersion(
        "softmax-twice",
        _softmax_twice,
        "probabilities are passed where logits are expected",
        "softmax is applied to its own result: the entropy looks high whatever the policy does.",
        "Hand over logits, or say that they are probabilities.",
        "a network that ends in a softmax, in front of `Categorical(logits=...)`",
        variants=(_softmax_twice_unmasked,),
    ),
    FaultyVersion(
        "another-measure",
        _gini,
        "another measure of spread is returned",
        "1 - sum p^2, or exp(H), is no entropy: bonus, target entropy and bounds lose their scale.",
        "Return -(p * log_p).sum(-1).",
        _LINE,
        variants=(_perplexity,),
    ),
    FaultyVersion(
        "guard-too-large",
        _guarded(1e-3),
        "a visible constant is added to the probability before the logarithm",
        "The entropy is off, below 0 near certainty.",
        "Use `log_softmax`, which needs no guard.",
        "`log(p + eps)`",
        variants=tuple(_guarded(eps) for eps in (1e-4, 1e-2)),
    ),
    FaultyVersion(
        "zero-times-infinity",
        _zero_times_infinity,
        "an action of probability 0 turns the entropy or its gradient into NaN",
        "0 * log 0 is NaN in floating point, in the value and in the gradient.",
        "Fill log p with 0 where p is 0, before the product.",
        "a mask of -inf, or a softmax that underflows",
        (f"{GITHUB}thu-ml/tianshou/commit/f134bc20b521",),
    ),
    FaultyVersion(
        "softmax-overflows",
        _naive,
        "large logits turn into NaN",
        "exp() of a logit above 88 (float32) or 709 (float64) is infinite, and inf / inf is NaN.",
        "Subtract the largest logit first, as `log_softmax` and `logsumexp` do.",
        "`exp(logits) / exp(logits).sum()`",
        (f"{GITHUB}thu-ml/tianshou/commit/f134bc20b521",),
    ),
    FaultyVersion(
        "mask-ignored",
        _mask_ignored,
        "the mask of permitted actions has no effect",
        "The bonus pulls probability towards actions that can never be taken.",
        "Set the logits of forbidden actions to -inf before the softmax.",
        _MASK,
        (f"{GITHUB}AgileRL/AgileRL/commit/e76add896655",),
    ),
    FaultyVersion(
        "mask-inverted",
        _mask_inverted,
        "the mask is inverted: permitted actions are forbidden",
        "The mask names the kept side; it was read as the side to remove.",
        "Fill where the mask is false.",
        _MASK,
        (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
        variants=tuple(_forbidden_filled(fill) for fill in (-np.inf, -1e8, -1e9, -1e10)),
    ),
    FaultyVersion(
        "mask-multiplied",
        _mask_multiplied,
        "logits are multiplied by the mask",
        "A logit of 0 is no probability of 0: forbidden actions stay possible.",
        "Set the logits of forbidden actions to -inf before the softmax.",
        _MASK,
        (f"{GITHUB}thu-ml/tianshou/commit/f134bc20b521",),
        variants=(_mask_added,),
    ),
    FaultyVersion(
        "not-renormalised",
        _not_renormalised,
        "forbidden actions are left out of the sum, and still hold probability",
        "The mask comes after the softmax: the probabilities that are summed do not add up to 1.",
        "Mask the logits, before the softmax.",
        _MASK,
    ),
    FaultyVersion(
        "mask-too-weak",
        _weak_fill(-10.0),
        "forbidden actions get a low logit that is not low enough",
        "They keep a visible probability.",
        "Fill with -inf, or with the smallest number of the dtype.",
        _MASK,
        variants=tuple(_weak_fill(fill) for fill in (-1.0, -5.0, -20.0))
        + tuple(_weak_penalty(size) for size in (10.0, 20.0)),
    ),
)
