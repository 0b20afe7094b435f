"""Wrong versions of token log-probabilities, each with the mistake that it models.

All of them depart from one line, `where(mask, gather(log_softmax(logits / temperature), tokens), 0)`.
"""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.llm_faults import GITHUB, moved


def _log_softmax(scores: Array, axis: int | tuple[int, ...] = -1) -> Array:
    centred = scores - scores.max(axis=axis, keepdims=True)
    return centred - np.log(np.exp(centred).sum(axis=axis, keepdims=True))


def _gather(table: Array, tokens: Array) -> Array:
    return np.take_along_axis(table, tokens[..., None], axis=-1)[..., 0]


def _scored(logits: Array, tokens: Array, temperature: float = 1.0) -> Array:
    return _gather(_log_softmax(logits / temperature), tokens)


def _shifted(logits_by: int, result_by: int) -> Model:
    """Tokens scored by a neighbour's logits; the place that is left over is 0."""

    def model(logits, tokens, mask, temperature, masked):
        rolled = np.roll(logits, logits_by, axis=1)
        scored = _scored(rolled, tokens, temperature)
        empty = 0 if logits_by > 0 else -1
        scored[:, empty] = 0.0
        return np.where(mask, np.roll(scored, result_by, axis=1), masked)

    return model


def _rolled(logits_by: int) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        scored = _scored(np.roll(logits, logits_by, axis=1), tokens, temperature)
        return np.where(mask, scored, masked)

    return model


def _result_moved(by: int) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        return np.where(mask, np.roll(_scored(logits, tokens, temperature), by, axis=1), masked)

    return model


def _mask_ignored(logits, tokens, temperature):
    return _scored(logits, tokens, temperature)


def _mask_inverted(logits, tokens, mask, temperature, masked):
    return np.where(mask, masked, _scored(logits, tokens, temperature))


def _mask_moved(by: int, fill: bool | None) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        off = np.roll(mask, by, axis=1) if fill is None else moved(mask, by, fill)
        return np.where(off, _scored(logits, tokens, temperature), masked)

    return model


def _mask_on_logits(logits, tokens, mask, temperature):
    return _scored(np.where(mask[..., None], logits, 0.0), tokens, temperature)


def _temperature_ignored(logits, tokens, mask, masked):
    return np.where(mask, _scored(logits, tokens), masked)


def _temperature_multiplied(logits, tokens, mask, temperature, masked):
    return np.where(mask, _scored(logits * temperature, tokens), masked)


def _temperature_afterwards(logits, tokens, mask, temperature, masked):
    return np.where(mask, _scored(logits, tokens) / temperature, masked)


def _temperature_twice(logits, tokens, mask, temperature, masked):
    return np.where(mask, _scored(logits, tokens, temperature**2), masked)


def _temperature_inside_only(logits, tokens, mask, temperature, masked):
    """The normaliser with the temperature, the score without it, or the other way round."""
    scores, normaliser = logits, logits / temperature - _log_softmax(logits / temperature)
    return np.where(mask, _gather(scores - normaliser, tokens), masked)


def _temperature_outside_only(logits, tokens, mask, temperature, masked):
    normaliser = logits - _log_softmax(logits)
    return np.where(mask, _gather(logits / temperature - normaliser, tokens), masked)


def _unnormalised(logits, tokens, mask, temperature, masked):
    return np.where(mask, _gather(logits / temperature, tokens), masked)


def _unnormalised_raw(logits, tokens, mask, masked):
    return np.where(mask, _gather(logits, tokens), masked)


def _probability(logits, tokens, mask, temperature, masked):
    return np.where(mask, np.exp(_scored(logits, tokens, temperature)), masked)


def _naive(logits, tokens, mask, temperature, masked):
    raised = np.exp(logits / temperature)
    return np.where(mask, np.log(_gather(raised / raised.sum(-1, keepdims=True), tokens)), masked)


def _naive_normaliser(logits, tokens, mask, temperature, masked):
    scores = logits / temperature
    normaliser = np.log(np.exp(scores).sum(-1, keepdims=True))
    return np.where(mask, _gather(scores - normaliser, tokens), masked)


def _underflowing(logits, tokens, mask, temperature, masked):
    probability = np.exp(_scored(logits, tokens, temperature))
    return np.where(mask, np.log(probability), masked)


def _with_floor(floor: float, add: bool) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        probability = np.exp(_scored(logits, tokens, temperature))
        kept = probability + floor if add else np.maximum(probability, floor)
        return np.where(mask, np.log(kept), masked)

    return model


def _over(axis: int | tuple[int, ...]) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        table = _log_softmax(logits / temperature, axis)
        return np.where(mask, _gather(table, tokens), masked)

    return model


def _twice(logits, tokens, mask, temperature, masked):
    probabilities = np.exp(_log_softmax(logits / temperature))
    return np.where(mask, _scored(probabilities, tokens), masked)


def _largest(logits, tokens, mask, temperature, masked):
    return np.where(mask, _log_softmax(logits / temperature).max(-1), masked)


def _entry(index: int) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        return np.where(mask, _log_softmax(logits / temperature)[..., index], masked)

    return model


def _negated(logits, tokens, mask, temperature, masked):
    return np.where(mask, -_scored(logits, tokens, temperature), masked)


def _in_bits(logits, tokens, mask, temperature, masked):
    return np.where(mask, _scored(logits, tokens, temperature) / np.log(2.0), masked)


def _other_rows(by: int) -> Model:
    def model(logits, tokens, mask, temperature, masked):
        return np.where(mask, _scored(logits, np.roll(tokens, by, axis=0), temperature), masked)

    return model


def _first_row(logits, tokens, mask, temperature, masked):
    same = np.broadcast_to(tokens[:1], tokens.shape)
    return np.where(mask, _scored(logits, same, temperature), masked)


def _tokens_transposed(logits, tokens, mask, temperature, masked):
    mixed = tokens.T.reshape(tokens.shape)
    return np.where(mask, _scored(logits, mixed, temperature), masked)


def _result_transposed(logits, tokens, mask, temperature, masked):
    scored = _scored(logits, tokens, temperature)
    return np.where(mask, scored.T.reshape(scored.shape), masked)


def _summed_up(logits, tokens, mask, temperature):
    return np.cumsum(np.where(mask, _scored(logits, tokens, temperature), 0.0), axis=1)


def _whole_sequence(logits, tokens, mask, temperature):
    scored = np.where(mask, _scored(logits, tokens, temperature), 0.0)
    return np.broadcast_to(scored.sum(1, keepdims=True), mask.shape)


def _graph_cut(logits, tokens, mask, temperature, masked):
    right = np.where(mask, _scored(logits, tokens, temperature), masked)
    return right, np.zeros_like(logits)


def _normaliser_cut(logits, tokens, mask, temperature, masked):
    right = np.where(mask, _scored(logits, tokens, temperature), masked)
    weight = np.linspace(1.0, 2.0, tokens.size).reshape(tokens.shape) * mask
    onehot = np.arange(logits.shape[-1]) == tokens[..., None]
    return right, weight[..., None] * onehot / temperature


_RIGHT = "log_softmax(logits / temperature, axis=-1), gathered at the tokens"
_LINE = "the line that gathers"
_MASK = "where the mask is applied"
_AXIS = "the axis of the softmax or logsumexp"

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "logits-shifted",
        _shifted(1, 0),
        "tokens are scored by the logits of a neighbouring place",
        "The prediction of one token is taken for another: the loss still falls, towards a model "
        "that repeats or looks ahead.",
        "logits[:, t] must predict tokens[:, t]: drop the last logit and the first token once, and "
        "only once.",
        "logits[:, :-1] with labels[:, 1:]: twice, never, or on one of the two only",
        (
            f"{GITHUB}volcengine/verl/commit/2d6c6dbb39bf",
            f"{GITHUB}huggingface/trl/commit/7f2ccbe3a24d",
            f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/63647607ea10",
        ),
        variants=(
            _shifted(1, -1),
            _shifted(-1, 0),
            _shifted(-1, 1),
            _rolled(1),
            _rolled(-1),
        ),
    ),
    FaultyVersion(
        "result-shifted",
        _result_moved(1),
        "log-probabilities are those of the neighbouring place",
        "Every token gets the credit or blame of its neighbour.",
        "Return the log-probability of token t at place t.",
        "padding the result of a shifted computation on the wrong side",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/63647607ea10",),
        variants=(_result_moved(-1),),
    ),
    FaultyVersion(
        "mask-ignored",
        _mask_ignored,
        "the mask is taken and not applied",
        "Padding and prompts count: an answer depends on the length of its neighbours.",
        "Return where(mask, log_probs, 0).",
        _MASK,
        (
            f"{GITHUB}huggingface/trl/commit/bbdd6db17c49",
            f"{GITHUB}huggingface/trl/commit/57aebe9c3602",
            f"{GITHUB}huggingface/trl/commit/a5b98fcf9700",
        ),
    ),
    FaultyVersion(
        "mask-inverted",
        _mask_inverted,
        "the mask is applied the wrong way round",
        "Only padding, prompts and tool outputs are trained.",
        "A true (or 1) in the mask means that the token counts.",
        _MASK,
        (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
    ),
    FaultyVersion(
        "mask-shifted",
        _mask_moved(1, False),
        "the mask is one place off",
        "The last token of the prompt is trained and the end of the answer is not, or the other "
        "way round.",
        "Shift the mask as the labels: mask[:, 1:], not mask[:, :-1].",
        _MASK,
        (
            f"{GITHUB}volcengine/verl/commit/2d6c6dbb39bf",
            f"{GITHUB}OpenRLHF/OpenRLHF/commit/37aad73eab32",
        ),
        variants=(
            _mask_moved(-1, False),
            _mask_moved(1, True),
            _mask_moved(-1, True),
            _mask_moved(1, None),
            _mask_moved(-1, None),
        ),
    ),
    FaultyVersion(
        "mask-on-the-logits",
        _mask_on_logits,
        "the logits are masked instead of the log-probabilities",
        "Logits of 0 are a uniform distribution: padding counts -log V a place.",
        "Mask after the softmax.",
        _MASK,
        (f"{GITHUB}huggingface/trl/commit/57aebe9c3602",),
    ),
    FaultyVersion(
        "temperature-ignored",
        _temperature_ignored,
        "the temperature has no effect",
        "The sampler's distribution is another one: ratios are wrong from the first step.",
        "Divide the logits by the temperature before the softmax.",
        _LINE,
        (
            f"{GITHUB}huggingface/trl/commit/04f659737735",
            f"{GITHUB}OpenRLHF/OpenRLHF/commit/45898fd76f7e",
            f"{GITHUB}volcengine/verl/commit/5deb8cc9a6ba",
            f"{GITHUB}NVIDIA-NeMo/RL/commit/4e02da031d7f",
        ),
    ),
    FaultyVersion(
        "temperature-multiplied",
        _temperature_multiplied,
        "the logits are multiplied by the temperature",
        "Hot becomes cold: the ratios to the sampler are wrong by as much again.",
        "Divide the logits by the temperature.",
        _LINE,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/45898fd76f7e",),
    ),
    FaultyVersion(
        "temperature-after-the-softmax",
        _temperature_afterwards,
        "the log-probabilities are divided by the temperature, not the logits",
        "What is left is not normalised: probabilities do not sum to 1.",
        "Divide the logits, then normalise.",
        _LINE,
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/225fdb41f9c6",),
    ),
    FaultyVersion(
        "temperature-applied-twice",
        _temperature_twice,
        "the logits are divided by the temperature twice",
        "The distribution is that of another temperature than the sampler's.",
        "Divide once: in the caller or here.",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/0a881bcee992",),
    ),
    FaultyVersion(
        "temperature-on-one-side",
        _temperature_inside_only,
        "the temperature is applied to the score or to the normaliser, not to both",
        "What is left is not normalised: probabilities do not sum to 1.",
        "Divide the logits once, before both.",
        "gather and logsumexp apart, one of them on the logits before the division",
        (f"{GITHUB}huggingface/trl/commit/0a881bcee992",),
        variants=(_temperature_outside_only,),
    ),
    FaultyVersion(
        "normaliser-missing",
        _unnormalised,
        "logits are returned, not log-probabilities",
        "Without the normaliser a model gains by raising all logits alike.",
        f"Return {_RIGHT}.",
        _LINE,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/78965b37f0e3",),
        variants=(_unnormalised_raw,),
    ),
    FaultyVersion(
        "logarithm-missing",
        _probability,
        "probabilities are returned, not their logarithms",
        "Ratios and sums over them are meaningless.",
        f"Return {_RIGHT}.",
        "softmax in place of log_softmax",
    ),
    FaultyVersion(
        "exponential-overflows",
        _naive,
        "exponentials are taken without subtracting the maximum: large logits give NaN or infinity",
        "One confident prediction turns the loss into NaN.",
        f"Return {_RIGHT}, by the library's own log_softmax or logsumexp.",
        "exp(logits)",
        variants=(_naive_normaliser,),
    ),
    FaultyVersion(
        "logarithm-of-the-softmax",
        _underflowing,
        "the logarithm is taken of a softmax: small probabilities underflow, or meet a floor",
        "A token of probability below the smallest number gives minus infinity; with a small "
        "constant added, or a floor, its log-probability and gradient are wrong.",
        f"Return {_RIGHT}.",
        "log(softmax(logits)), log(softmax(logits) + eps)",
        variants=tuple(
            _with_floor(floor, add) for add in (True, False) for floor in (1e-8, 1e-10, 1e-6, 1e-12)
        ),
    ),
    FaultyVersion(
        "normalised-over-the-wrong-axis",
        _over(1),
        "the softmax runs over time, the batch or everything, not over the vocabulary",
        "Tokens of one place compete with those of others.",
        f"Return {_RIGHT}.",
        _AXIS,
        (f"{GITHUB}pytorch/torchtune/commit/68d4f3ee1287",),
        variants=(_over(0), _over((1, 2)), _over((0, 1, 2)), _over((0, 1))),
    ),
    FaultyVersion(
        "softmax-twice",
        _twice,
        "a softmax is taken of probabilities",
        "A function that wants logits is given probabilities: the distribution is nearly uniform.",
        "Pass the logits.",
        "cross_entropy, Categorical(logits=...) or log_softmax after a softmax",
    ),
    FaultyVersion(
        "greedy-token-scored",
        _largest,
        "the most probable token is scored, not the one that was taken",
        "The log-probability of what was sampled has no part in the loss.",
        "Gather at the tokens.",
        _LINE,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/78965b37f0e3",),
    ),
    FaultyVersion(
        "fixed-token-scored",
        _entry(0),
        "one fixed entry of the vocabulary is scored, not the token that was taken",
        "The log-probability of what was sampled has no part in the loss.",
        "Gather at the tokens.",
        "an index such as [..., 0] or the first entry of a mapping",
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/78965b37f0e3",),
        variants=(_entry(-1),),
    ),
    FaultyVersion(
        "sign-flipped",
        _negated,
        "the negative log-likelihood is returned",
        "Ratios are inverted and losses point the other way.",
        "Negate what cross_entropy returns.",
        "cross_entropy(reduction='none') without a minus sign",
        (f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",),
    ),
    FaultyVersion(
        "logarithm-to-base-two",
        _in_bits,
        "logarithms are to base 2",
        "exp() of a difference is not the ratio of probabilities.",
        "Use natural logarithms.",
        "log2",
    ),
    FaultyVersion(
        "rows-misaligned",
        _other_rows(1),
        "tokens are scored by the logits of another sequence",
        "Prompts and answers, or logits and tokens, are paired across the batch.",
        "Index logits and tokens in the same way.",
        "a shuffle, a gather over processes or a concatenation of one of the two",
        (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
        variants=(_other_rows(-1), _first_row),
    ),
    FaultyVersion(
        "batch-and-time-mixed",
        _tokens_transposed,
        "batch and time axes are mixed when flattened",
        "Tokens are scored by logits of other places and sequences.",
        "Flatten logits and tokens in the same order, and back.",
        "reshape or view after a transpose",
        (f"{GITHUB}pytorch/torchtune/commit/68d4f3ee1287",),
        variants=(_result_transposed,),
    ),
    FaultyVersion(
        "summed-over-time",
        _whole_sequence,
        "every token gets the log-probability of the whole sequence, or of all up to it",
        "Token losses count each token many times.",
        "Leave the sum to the sequence.",
        "sum(axis=1) or cumsum(axis=1)",
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
        variants=(_summed_up,),
    ),
    FaultyVersion(
        "graph-cut",
        _graph_cut,
        "the value is right, and no gradient reaches the logits",
        "The loss is logged and the model never changes.",
        "Compute the log-probabilities of the policy with gradient; detach those of the reference "
        "outside.",
        "`.detach()`, `.data`, `torch.no_grad()`, `.item()`",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
    ),
    FaultyVersion(
        "normaliser-detached",
        _normaliser_cut,
        "the normaliser has no gradient",
        "Raising all logits alike looks like progress: they grow without bound.",
        "Let the gradient flow through the logsumexp.",
        "a logsumexp under no_grad, or a custom backward",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
    ),
)
