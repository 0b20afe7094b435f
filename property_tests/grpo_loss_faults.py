"""Wrong versions of the GRPO loss, each with the mistake that it models."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from property_tests import grpo_terms as terms
from property_tests.framework.complex_step import clipped, larger
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.grpo_terms import Batch, kl_term, policy_term, ratios, total, weights

GITHUB = "https://github.com/"
NAMES = (
    "log_probs old_log_probs ref_log_probs mask advantage clip_epsilon clip_high kl_coef "
    "denominator ratio aggregation kl kl_over dual_clip clip_form tau_pos tau_neg"
).split()


def model_of(change: Callable[[Batch], Array]) -> Model:
    """A function of the contract's canonical inputs by name, from one of a batch."""

    def model(**inputs: Any) -> Any:
        return change(terms.batch(inputs))

    kind = inspect.Parameter.KEYWORD_ONLY
    named = [inspect.Parameter(name, kind) for name in NAMES]
    model.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]
    return model


def _replaced(change: Callable[[Batch], dict[str, Any]]) -> Model:
    """The right loss of other inputs."""
    return model_of(lambda b: terms.loss(b._replace(**change(b))))


def _surrogate(change: Callable[[Batch, Array], Array]) -> Model:
    """The right loss with another surrogate of a token, from its ratio."""
    return model_of(lambda b: -total(change(b, ratios(b)), weights(b)) + b.kl_coef * kl_term(b))


def _ratio(change: Callable[[Batch], Array]) -> Model:
    """The right loss with another ratio."""
    return _surrogate(lambda b, _: terms.surrogate(b, change(b)))


def _kl(change: Callable[[Batch], Array]) -> Model:
    """The right loss with another penalty on each token."""
    return model_of(lambda b: policy_term(b) + b.kl_coef * total(change(b), terms.kl_weights(b)))


def _weighted(weight: Callable[[Batch], Array]) -> Model:
    """The right terms with other weights of the tokens, in both parts."""

    def change(b: Batch) -> Array:
        part = weight(b)
        penalty = total(terms.divergence(b, b.kl), part)
        return -total(terms.surrogate(b, ratios(b)), part) + b.kl_coef * penalty

    return model_of(change)


def _everything(b: Batch) -> Batch:
    return b._replace(mask=np.ones_like(b.mask))


def _near(b: Batch, ratio: Array, low: float, high: float) -> Array:
    surrogate = np.where(
        np.real(ratio * b.advantages) <= np.real(clipped(ratio, low, high) * b.advantages),
        ratio * b.advantages,
        clipped(ratio, low, high) * b.advantages,
    )
    return terms.bounded(b, surrogate)


def _padded_length(b: Batch) -> Array:
    return b.mask / b.mask.size


def _mask_only_in_sum(b: Batch) -> Array:
    """Every place counts in the sum, and only those of the mask in the divisor."""
    everything = np.ones(b.mask.shape)
    lengths = np.maximum(b.mask.sum(axis=-1, keepdims=True), 1)
    if b.aggregation == "seq-mean":
        return everything / lengths / len(b.mask)
    if b.aggregation == "token-mean":
        return everything / max(b.mask.sum(), 1)
    return weights(_everything(b))


def _unmasked(b: Batch, weight: Array) -> Array:
    """The right terms of every place, those under the mask too, under these weights."""
    whole = _everything(b)
    penalty = total(terms.divergence(whole, b.kl), weight)
    return -total(terms.surrogate(whole, ratios(whole)), weight) + b.kl_coef * penalty


def _kl_outside_mask(b: Batch) -> Array:
    whole = _everything(b)
    return policy_term(b) + b.kl_coef * terms.divergence(whole, b.kl).mean(axis=(-2, -1))


def _ratio_over_padding(b: Batch) -> Array:
    whole = _everything(b)
    if b.ratio == "token":
        return ratios(b)
    return ratios(whole)


def _padded_ratio(b: Batch) -> Array:
    """The mean log-ratio of a sequence, over the padded length."""
    if b.ratio != "sequence-mean":
        return ratios(b)
    return np.exp(terms.log_ratios(b).sum(axis=-1, keepdims=True) / b.mask.shape[-1])


def _batch_ratio(b: Batch) -> Array:
    if b.ratio == "token":
        return ratios(b)
    every = terms.log_ratios(b).sum(axis=(-2, -1), keepdims=True)
    return np.exp(every / b.mask.sum() if b.ratio == "sequence-mean" else every)


def _other_ratio(level: str) -> Callable[[Batch], Array]:
    return lambda b: ratios(b._replace(ratio=level))


def _recomputed(b: Batch) -> Batch:
    """The old policy is the new one, detached: the ratio is 1, its gradient that of the log."""
    return b._replace(old=np.real(b.log_probs))


def _rows_crossed(b: Batch) -> Array:
    """[B] advantages against [B, T] tokens: those of another row."""
    return terms.loss(b._replace(advantages=np.roll(b.advantages, 1, axis=0)))


def _normalised(b: Batch) -> dict[str, Any]:
    rows = np.where(b.mask, b.advantages, 0.0).sum(axis=1) / np.maximum(b.mask.sum(axis=1), 1)
    spread = rows.std(ddof=1) if len(rows) > 1 else 0.0
    return {"advantages": (b.advantages - rows.mean()) / (spread + 1e-8)}


def _first_token_dropped(b: Batch) -> dict[str, Any]:
    mask = b.mask.copy()
    mask[:, 0] = False
    return {"mask": mask}


def _last_token_dropped(b: Batch) -> dict[str, Any]:
    mask = b.mask.copy()
    for row in mask:
        row[np.flatnonzero(row)[-1:]] = False
    return {"mask": mask}


def _batch_minimum(b: Batch) -> Array:
    ratio = ratios(b)
    near = clipped(ratio, 1.0 - b.low, 1.0 + b.high)
    one, other = (total(r * b.advantages, weights(b)) for r in (ratio, near))
    return -np.where(np.real(one) <= np.real(other), one, other) + b.kl_coef * kl_term(b)


def _inverted(b: Batch) -> Array:
    return ratios(b._replace(log_probs=b.old, old=b.log_probs))


_RATIO = "the line that makes the ratio"
_CLIP = "the clamp of the ratio and the minimum after it"
_MASK = "where the loss of the tokens is summed"
_KL = "the line that estimates the divergence"
_RIGHT = "-min(ratio * A, clip(ratio, 1 - eps_low, 1 + eps_high) * A)."
_K3 = "exp(ref - log_probs) - (ref - log_probs) - 1, times kl_coef, added to the loss."

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "advantage-sign-flipped",
        _surrogate(lambda b, r: -terms.surrogate(b, r)),
        "the policy loss has the wrong sign: good answers become less likely",
        "The optimiser minimises; without the minus it minimises the surrogate return.",
        f"Use {_RIGHT}",
        "the last lines of the loss",
        (f"{GITHUB}takuseno/d3rlpy/commit/b4f3d46d1f06",),
        aliases=("sign-flipped",),
        variants=(
            _replaced(lambda b: {"advantages": -b.advantages}),
            model_of(lambda b: -terms.loss(b)),
        ),
    ),
    FaultyVersion(
        "ratio-inverted",
        _ratio(_inverted),
        "the ratio is upside down: old over new policy",
        "The gradient points the wrong way: every update lowers what it should raise.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
        (f"{GITHUB}huggingface/trl/commit/a757ac4369ec",),
    ),
    FaultyVersion(
        "exponential-missing",
        _ratio(lambda b: terms.log_ratios(b)),
        "the difference of the log-probabilities is used without the exponential",
        "On-policy it is 0 in place of 1, below the clip.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
        (f"{GITHUB}allenai/open-instruct/commit/0fecacc93ad0",),
        variants=(_ratio(lambda b: terms.kept(b, b.log_probs / b.old)),),
    ),
    FaultyVersion(
        "old-log-probs-ignored",
        _ratio(lambda b: ratios(b._replace(old=np.zeros_like(b.old)))),
        "the probability itself takes the place of the ratio",
        "Likely tokens count more and the clip means nothing.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
        (f"{GITHUB}allenai/open-instruct/commit/0fecacc93ad0",),
    ),
    FaultyVersion(
        "old-log-prob-recomputed",
        model_of(lambda b: policy_term(_recomputed(b)) + b.kl_coef * kl_term(b)),
        "the ratio is always 1",
        "The old log-probabilities are the current ones, detached: nothing is ever clipped.",
        "Use the log-probabilities stored when sampling.",
        _RATIO,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/413cf0d1d8ec",),
    ),
    FaultyVersion(
        "ref-for-old",
        _replaced(lambda b: {"old": b.ref}),
        "the ratio is taken against the reference, not the policy that sampled",
        "Off the reference everything looks clipped, from the first step on.",
        "ratio = exp(log_probs - old_log_probs).",
        _RATIO,
        (f"{GITHUB}huggingface/trl/commit/9ff79a65e3d1",),
        variants=(_replaced(lambda b: {"old": b.ref, "ref": b.old}),),
    ),
    FaultyVersion(
        "clip-missing",
        _surrogate(lambda b, r: r * b.advantages),
        "the ratio is not clipped",
        "Nothing keeps the policy near the one that sampled.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/413cf0d1d8ec",),
    ),
    FaultyVersion(
        "minimum-missing",
        _surrogate(lambda b, r: clipped(r, 1.0 - b.low, 1.0 + b.high) * b.advantages),
        "only the clipped term is left: the minimum is missing",
        "Tokens that have moved against their advantage lose their gradient and cannot be put right.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}allenai/open-instruct/commit/0fecacc93ad0",),
    ),
    FaultyVersion(
        "maximum-for-minimum",
        _surrogate(
            lambda b, r: larger(
                r * b.advantages, clipped(r, 1.0 - b.low, 1.0 + b.high) * b.advantages
            )
        ),
        "the maximum is taken where the minimum should be",
        "The bound is optimistic: the ratio is clipped where it should not be, and nowhere else.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/dece5e7fca42",),
    ),
    FaultyVersion(
        "minimum-over-the-batch",
        model_of(_batch_minimum),
        "the minimum is taken of two sums, not token by token",
        "Whether a token is clipped depends on all others.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "clip-one-sided",
        _surrogate(lambda b, r: _near(b, r, 0.0, 1.0 + b.high)),
        "the ratio is clipped on one side only",
        "Tokens with an advantage of one sign move as far as they like.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}allenai/open-instruct/commit/0fecacc93ad0",),
        variants=(_surrogate(lambda b, r: _near(b, r, 1.0 - b.low, np.inf)),),
    ),
    FaultyVersion(
        "clip-bounds-swapped",
        _replaced(lambda b: {"low": b.high, "high": b.low}),
        "the lower and the upper half-width of the clip are exchanged",
        "The room meant for unlikely tokens to rise is given to likely ones to fall.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "clip-high-ignored",
        _replaced(lambda b: {"high": b.low}),
        "the upper half-width of the clip has no effect",
        "The lower one is used on both sides.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "clip-around-zero",
        _surrogate(lambda b, r: _near(b, r, -b.low, b.high)),
        "the ratio is clipped to [-eps, eps], around 0",
        "Ratios lie around 1: good tokens have no gradient at all.",
        f"Use {_RIGHT}",
        _CLIP,
        (f"{GITHUB}anthonytorlucci/rlevo/issues/183",),
        variants=(_surrogate(lambda b, r: _near(b, r, np.exp(-b.low), np.exp(b.high))),),
    ),
    FaultyVersion(
        "clip-epsilon-hard-coded",
        _replaced(lambda b: {"low": 0.2, "high": 0.2}),
        "the clip is fixed, whatever is configured",
        "Tuning it has no effect.",
        "Use the parameter.",
        _CLIP,
        (f"{GITHUB}anthonytorlucci/rlevo/issues/183",),
        variants=(_replaced(lambda b: {"low": 0.1, "high": 0.1}),),
    ),
    FaultyVersion(
        "mask-ignored",
        model_of(lambda b: terms.loss(_everything(b))),
        "the mask has no effect: padding is trained on",
        "The loss depends on how far a batch is padded and on what the padding holds.",
        "Multiply by the mask, and divide by its sum.",
        _MASK,
        (
            f"{GITHUB}huggingface/trl/commit/bbdd6db17c49",
            f"{GITHUB}huggingface/trl/commit/57aebe9c3602",
        ),
        variants=(
            model_of(lambda b: _unmasked(b, _mask_only_in_sum(b))),
            model_of(lambda b: policy_term(_everything(b)) + b.kl_coef * kl_term(b)),
        ),
    ),
    FaultyVersion(
        "mask-inverted",
        _replaced(lambda b: {"mask": ~b.mask}),
        "the mask is upside down: only padding is trained on",
        "Real tokens have no gradient.",
        "1 marks what counts.",
        _MASK,
        (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
    ),
    FaultyVersion(
        "padded-length-denominator",
        _weighted(_padded_length),
        "the divisor is the padded length, not the number of tokens that count",
        "How much a token counts depends on the longest sequence of the batch.",
        "Divide by mask.sum().",
        _MASK,
        (
            f"{GITHUB}huggingface/trl/commit/7c1fa85ad5d1",
            f"{GITHUB}huggingface/trl/commit/0450f05ad9c9",
        ),
        variants=(
            _weighted(lambda b: b.mask / b.mask.shape[1]),
            _weighted(lambda b: weights(b) * b.mask.sum() / b.mask.size),
        ),
    ),
    FaultyVersion(
        "batch-divisor-missing",
        _weighted(lambda b: weights(b) * len(b.mask)),
        "the mean over sequences is a sum",
        "The learning rate grows with the batch.",
        "Divide by the number of sequences.",
        _MASK,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/dece5e7fca42",),
    ),
    FaultyVersion(
        "divided-twice",
        _weighted(lambda b: weights(b) / max(b.mask.sum(), 1)),
        "the loss is divided by the number of tokens twice",
        "The learning rate falls with the length of the answers.",
        "Divide once.",
        _MASK,
        (f"{GITHUB}unslothai/unsloth-zoo/pull/1023",),
        variants=(
            _weighted(lambda b: weights(b) / len(b.mask)),
            _weighted(lambda b: weights(b) / np.maximum(b.mask.sum(axis=-1, keepdims=True), 1)),
        ),
    ),
    FaultyVersion(
        "first-token-dropped",
        _replaced(_first_token_dropped),
        "the first or last token of the answer does not count",
        "A shift too many: the first token, or the end of the sequence, is never trained.",
        "Inputs are aligned with the tokens already: use every place of the mask.",
        _MASK,
        (
            f"{GITHUB}volcengine/verl/commit/2d6c6dbb39bf",
            f"{GITHUB}OpenRLHF/OpenRLHF/commit/37aad73eab32",
        ),
        aliases=("last-token-dropped",),
        variants=(_replaced(_last_token_dropped),),
    ),
    FaultyVersion(
        "ratio-over-padding",
        _ratio(_ratio_over_padding),
        "padding counts in the ratio of the sequence",
        "The ratio of an answer depends on what stands in its padding.",
        "Multiply the log-ratios by the mask before they are summed.",
        _RATIO,
        (f"{GITHUB}huggingface/trl/commit/bbdd6db17c49",),
        variants=(_ratio(_padded_ratio),),
    ),
    FaultyVersion(
        "ratio-of-the-batch",
        _ratio(_batch_ratio),
        "one ratio for the whole batch, in place of one a sequence",
        "A sum without an axis: all answers are clipped together.",
        "Sum over the last axis.",
        _RATIO,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
    ),
    FaultyVersion(
        "advantages-of-other-rows",
        model_of(_rows_crossed),
        "the advantages are those of other answers",
        "Rows of one tensor meet those of another: credit goes to the wrong answers.",
        "Keep log-probabilities, advantages and masks in one order; unsqueeze advantages to [B, 1].",
        "where advantages are broadcast to tokens",
        (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
        aliases=("rows-misaligned",),
    ),
    FaultyVersion(
        "advantages-normalised",
        _replaced(_normalised),
        "the advantages are normalised once more, inside the loss",
        "Statistics of the batch undo those of the groups.",
        "Normalise once, within the group.",
        "the first lines of the loss",
        (f"{GITHUB}tensorflow/agents/issues/651",),
    ),
    FaultyVersion(
        "advantage-ignored",
        _replaced(lambda b: {"advantages": np.ones_like(b.advantages)}),
        "the advantages have no effect, or lose their sign",
        "All answers become likelier, good or bad.",
        "Multiply each ratio by its advantage.",
        _CLIP,
        (f"{GITHUB}volcengine/verl/commit/fbec86d7fe67",),
        variants=(_replaced(lambda b: {"advantages": np.abs(b.advantages)}),),
    ),
    FaultyVersion(
        "kl-sign-flipped",
        model_of(lambda b: policy_term(b) - b.kl_coef * kl_term(b)),
        "the penalty has the wrong sign: divergence is rewarded",
        "The policy is driven away from the reference.",
        _K3,
        _KL,
        (
            f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",
            f"{GITHUB}pytorch/rl/commit/96c30032231c",
        ),
    ),
    FaultyVersion(
        "kl-reversed",
        _kl(lambda b: terms.divergence(b._replace(log_probs=b.ref, ref=b.log_probs), b.kl)),
        "policy and reference are exchanged in the divergence",
        "k1 changes its sign, and k3 estimates something that is no divergence on these samples.",
        _K3,
        _KL,
        (
            f"{GITHUB}vwxyzjn/cleanrl/commit/7dc0baef5fa3",
            f"{GITHUB}google-deepmind/rlax/commit/f716d73b5bba",
        ),
    ),
    FaultyVersion(
        "kl-against-old",
        _kl(lambda b: terms.divergence(b._replace(ref=b.old), b.kl)),
        "the divergence is taken from the policy that sampled, not from the reference",
        "Nothing ties the policy to the reference over many updates.",
        _K3,
        _KL,
        (f"{GITHUB}huggingface/trl/commit/9ff79a65e3d1",),
    ),
    FaultyVersion(
        "kl-ignored",
        model_of(policy_term),
        "the penalty has no effect",
        "`kl_coef` is accepted, and the loss is the same for any value of it.",
        _K3,
        _KL,
        (f"{GITHUB}volcengine/verl/commit/072fc9feed4f",),
        aliases=("kl-missing",),
    ),
    FaultyVersion(
        "kl-coef-ignored",
        model_of(lambda b: policy_term(b) + kl_term(b)),
        "the penalty is not multiplied by `kl_coef`",
        "It dominates the loss, whatever is configured.",
        _K3,
        _KL,
        (f"{GITHUB}huggingface/trl/commit/5a1c2f9b3b4e",),
        variants=(
            model_of(lambda b: policy_term(b) + b.kl_coef**2 * kl_term(b)),
            model_of(lambda b: policy_term(b) + 2.0 * b.kl_coef * kl_term(b)),
        ),
    ),
    FaultyVersion(
        "kl-outside-mask",
        model_of(_kl_outside_mask),
        "the penalty is averaged over padding too",
        "How much it counts depends on how far the batch is padded.",
        "Apply mask and divisor to the penalty as to the policy loss.",
        _KL,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/b3d292789dea",),
        variants=(
            model_of(
                lambda b: policy_term(b) + b.kl_coef * terms.divergence(b, b.kl).mean(axis=(-2, -1))
            ),
            model_of(
                lambda b: (
                    policy_term(b)
                    + b.kl_coef
                    * total(terms.divergence(_everything(b), b.kl), _mask_only_in_sum(b))
                )
            ),
        ),
    ),
    FaultyVersion(
        "kl-term-missing",
        _kl(lambda b: np.exp(terms.kept(b, b.ref - b.log_probs)) - 1.0),
        "a term of the k3 estimate is missing or has the wrong sign",
        "What is left is no divergence: it can be negative, and its minimum is not at the reference.",
        _K3,
        _KL,
        (f"{GITHUB}OpenRLHF/OpenRLHF/pull/1309",),
        variants=(
            _kl(
                lambda b: (
                    np.exp(terms.kept(b, b.ref - b.log_probs))
                    - 1.0
                    + terms.kept(b, b.ref - b.log_probs)
                )
            ),
            _kl(lambda b: b.mask * (np.exp(b.ref - b.log_probs) + b.log_probs - b.ref)),
        ),
    ),
    FaultyVersion(
        "kl-detached",
        _kl(lambda b: np.real(terms.divergence(b, b.kl))),
        "the penalty is in the value of the loss and has no gradient",
        "It is logged, and nothing pulls the policy back to the reference.",
        "Compute the penalty from log-probabilities in the graph.",
        "`.detach()` or `torch.no_grad()` around the divergence",
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/33bce20d7834",),
    ),
    FaultyVersion(
        "ratio-detached",
        model_of(lambda b: np.real(policy_term(b)) + b.kl_coef * kl_term(b)),
        "the value is right, and the policy loss has no gradient",
        "The ratio was detached or taken out of the graph.",
        "Keep the new log-probabilities in the graph; detach the old ones only.",
        "`.detach()`, `.item()`, `full_like`, `torch.no_grad()` on the ratio",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
        aliases=("graph-cut",),
        variants=(model_of(lambda b: np.real(terms.loss(b))),),
    ),
)
