"""Wrong versions of the KL estimates, each with the mistake that it models.

Most of them are wrong functions of d = log pi - log pi_ref.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.llm_faults import GITHUB, mask_faults, rows_misaligned


def _k3(d: Array) -> Array:
    return np.exp(-d) - 1.0 + d


def _right(d: Array, estimator: str) -> Array:
    return {"k1": d, "k2": d * d / 2.0, "k3": _k3(d)}[estimator]


def _of(wrong: Callable[[Array], Array]) -> Model:
    """A wrong function of d, in the place of whichever estimator."""

    def model(log_probs, ref_log_probs, mask):
        return np.where(mask, wrong(log_probs - ref_log_probs), 0.0)

    return model


def _of_probabilities(log_probs, ref_log_probs, mask):
    return np.where(mask, np.exp(log_probs) - np.exp(ref_log_probs), 0.0)


def _weighted(log_probs, ref_log_probs, mask, estimator):
    d = log_probs - ref_log_probs
    return np.where(mask, np.exp(log_probs) * _right(d, estimator), 0.0)


def _ratio_of_logs(log_probs, ref_log_probs, mask, estimator):
    return np.where(mask, _right(np.log(log_probs / ref_log_probs), estimator), 0.0)


def _reference_ignored(log_probs, mask, estimator):
    return np.where(mask, _right(log_probs, estimator), 0.0)


def _kept_mean(values: Array, mask: Array, axis: int | None) -> Array:
    count = mask.sum(axis=axis, keepdims=True)
    return np.where(mask, values, 0.0).sum(axis=axis, keepdims=True) / np.maximum(count, 1)


def _spread(axis: int | None, total: bool) -> Model:
    """The sum or mean of a sequence (or the batch) in every place."""

    def model(log_probs, ref_log_probs, mask, estimator):
        values = _right(log_probs - ref_log_probs, estimator)
        one = (
            np.where(mask, values, 0.0).sum(axis=axis, keepdims=True)
            if total
            else _kept_mean(values, mask, axis)
        )
        return np.where(mask, np.broadcast_to(one, mask.shape), 0.0)

    return model


def _shifted(by: int) -> Model:
    def model(log_probs, ref_log_probs, mask, estimator):
        d = log_probs - np.roll(ref_log_probs, by, axis=1)
        return np.where(mask, _right(d, estimator), 0.0)

    return model


def _partly_detached(slope: Callable[[Array], Array]) -> Model:
    """The value of k3 with one of its two terms out of the graph."""

    def model(log_probs, ref_log_probs, mask):
        d = log_probs - ref_log_probs
        values = np.where(mask, _k3(d), 0.0)
        weight = np.linspace(1.0, 2.0, mask.size).reshape(mask.shape) * mask
        return values, weight * slope(d)

    return model


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """The catalogue, with the mistakes that every function on token sequences can have."""
    return (
        *mask_faults(oracle),
        FaultyVersion(
            "direction-reversed",
            _of(lambda d: np.exp(d) - 1.0 - d),
            "policy and reference have changed places",
            "k3 estimates another divergence, or none: under the policy's tokens it is biased and "
            "explodes where the policy is far ahead; k1 has the wrong sign.",
            "k3 = exp(ref - policy) - 1 - (ref - policy); k1 = policy - ref.",
            "the order of the two arguments or of their difference",
            (
                f"{GITHUB}huggingface/trl/commit/a757ac4369ec",
                f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",
            ),
            variants=(_of(np.negative),),
        ),
        FaultyVersion(
            "sign-flipped",
            _of(lambda d: -_k3(d)),
            "the estimate has the wrong sign",
            "The penalty is a reward: the policy is paid for leaving the reference.",
            "A divergence is positive; subtract it from the reward, add it to the loss.",
            "the sign of the penalty",
            (
                f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",
                f"{GITHUB}pytorch/rl/commit/96c30032231c",
            ),
            variants=(_of(lambda d: -d * d / 2.0),),
        ),
        FaultyVersion(
            "linear-term-sign-flipped",
            _of(lambda d: np.exp(-d) - 1.0 - d),
            "the linear term of k3 has the wrong sign",
            "The estimate is not 0-minimal: its gradient at the reference is not 0.",
            "k3 = exp(-d) - 1 + d with d = policy - ref.",
            "the line with exp()",
            (f"{GITHUB}NVIDIA-NeMo/RL/commit/2206ae11f7e0",),
            variants=(_of(lambda d: np.exp(d) - 1.0 + d),),
        ),
        FaultyVersion(
            "linear-term-missing",
            _of(lambda d: np.exp(-d) - 1.0),
            "k3 lacks its linear term",
            "What is left has mean 0 under the policy: no divergence is estimated.",
            "k3 = exp(-d) - 1 + d with d = policy - ref.",
            "the line with exp()",
            (f"{GITHUB}NVIDIA-NeMo/RL/commit/2206ae11f7e0",),
            variants=(_of(np.expm1),),
        ),
        FaultyVersion(
            "one-missing",
            _of(lambda d: np.exp(-d) + d),
            "k3 lacks its constant: equal policies give 1",
            "Every token is fined 1, so that short answers pay.",
            "k3 = exp(-d) - 1 + d with d = policy - ref.",
            "the line with exp()",
            (f"{GITHUB}NVIDIA-NeMo/RL/commit/2206ae11f7e0",),
            variants=(
                _of(lambda d: np.exp(d) - d),
                _of(lambda d: np.exp(-d) + 1.0 + d),
            ),
        ),
        FaultyVersion(
            "half-missing",
            _of(lambda d: d * d),
            "k2 is the square of the log-ratio without the factor 1/2",
            "The penalty, and its gradient, are twice as strong as configured.",
            "k2 = (policy - ref)^2 / 2.",
            "the line with the square",
            (f"{GITHUB}huggingface/trl/commit/a236c5750f5b",),
        ),
        FaultyVersion(
            "absolute-value",
            _of(np.abs),
            "the absolute log-ratio is returned",
            "Neither unbiased nor smooth: fluctuations of the sign add up instead of cancelling.",
            "k1 keeps its sign; where a positive estimate is wanted, take k3.",
            "abs()",
            (f"{GITHUB}huggingface/trl/commit/a236c5750f5b",),
        ),
        FaultyVersion(
            "negative-values-cut-off",
            _of(lambda d: np.maximum(d, 0.0)),
            "negative log-ratios count as 0",
            "The estimate is biased upwards, and tokens that the policy avoids are free.",
            "k1 keeps its sign; where a positive estimate is wanted, take k3.",
            "clamp(min=0), relu",
            (f"{GITHUB}CarperAI/trlx/commit/ded2e5eefdd5",),
        ),
        FaultyVersion(
            "ratio-for-log-ratio",
            _of(np.exp),
            "the ratio of the probabilities stands where its logarithm belongs",
            "Its mean is no divergence.",
            "Subtract log-probabilities; exponentiate in k3 only.",
            "exp()",
            (f"{GITHUB}CarperAI/trlx/commit/ded2e5eefdd5",),
            variants=(_of(lambda d: np.exp(-d)),),
        ),
        FaultyVersion(
            "probabilities-subtracted",
            _of_probabilities,
            "probabilities are subtracted, not their logarithms",
            "Rare tokens, where policies part, count as nothing.",
            "Subtract log-probabilities.",
            "exp()",
        ),
        FaultyVersion(
            "weighted-by-probability",
            _weighted,
            "the estimate is multiplied by the token's probability",
            "That is a term of the exact sum over the vocabulary; for a token that was sampled it "
            "counts the probability twice.",
            "For sampled tokens, leave the weight out.",
            "kl_div, exp(log_probs) * (...)",
            (f"{GITHUB}huggingface/trl/commit/ea7a1be92c12",),
        ),
        FaultyVersion(
            "logarithms-divided",
            _ratio_of_logs,
            "log-probabilities are divided, not subtracted",
            "The logarithm of a ratio is a difference of logarithms.",
            "Subtract log-probabilities.",
            "log_probs / ref_log_probs",
        ),
        FaultyVersion(
            "reference-ignored",
            _reference_ignored,
            "the reference has no effect",
            "The penalty is on the likelihood itself.",
            "Subtract the reference's log-probabilities.",
            "the difference",
            (f"{GITHUB}huggingface/trl/commit/9ff79a65e3d1",),
        ),
        FaultyVersion(
            "doubled",
            _of(lambda d: 2.0 * _k3(d)),
            "the estimate is twice as large, or half",
            "The penalty is not as strong as configured.",
            "k1 = d, k2 = d^2 / 2, k3 = exp(-d) - 1 + d.",
            "a factor",
            (f"{GITHUB}volcengine/verl/commit/072fc9feed4f",),
            variants=(
                _of(lambda d: 2.0 * d),
                _of(lambda d: 0.5 * d),
                _of(lambda d: 0.5 * _k3(d)),
                _of(lambda d: 0.25 * d * d),
            ),
        ),
        FaultyVersion(
            "summed-over-time",
            _spread(1, True),
            "every token gets the sum or mean of its sequence",
            "Tokens pay for what others did; a loss over them counts each many times.",
            "Return one estimate a token.",
            "sum(axis=1, keepdims=True)",
            (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
            variants=(_spread(1, False),),
        ),
        FaultyVersion(
            "batch-and-time-mixed",
            _spread(0, True),
            "every token gets the sum or mean of its column, or of the batch",
            "Sequences pay for what others did.",
            "Return one estimate a token.",
            "sum(axis=0), mean()",
            (f"{GITHUB}huggingface/trl/commit/481ef96293d9",),
            variants=(_spread(0, False), _spread(None, True), _spread(None, False)),
        ),
        FaultyVersion(
            "reference-shifted",
            _shifted(1),
            "the reference's log-probabilities are one place off",
            "Tokens are compared with their neighbours: the penalty never vanishes.",
            "Align both in the same way.",
            "[:, :-1] on one and [:, 1:] on the other",
            (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/63647607ea10",),
            variants=(_shifted(-1),),
        ),
        rows_misaligned(oracle, "ref_log_probs"),
        FaultyVersion(
            "partly-detached",
            _partly_detached(np.ones_like),
            "one term of k3 has no gradient",
            "What the optimiser follows is not the gradient of what is logged.",
            "Let the gradient flow through both terms.",
            "detach() on the ratio or the difference",
            (f"{GITHUB}NVIDIA-NeMo/RL/commit/33bce20d7834",),
            variants=(_partly_detached(lambda d: -np.exp(-d)),),
        ),
    )
