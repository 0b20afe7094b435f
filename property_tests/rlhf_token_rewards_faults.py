"""Wrong versions of RLHF token rewards, each with the mistake that it models.

All of them depart from two lines: `rewards = -kl_coef * (log_probs - ref_log_probs)` where the mask is
true, and `rewards[b, last_b] += scores[b]`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.llm_faults import GITHUB, mask_faults, on_other, rows_misaligned

Place = Callable[[Array], int]


def _last(kept: Array) -> int:
    """The last column that counts; of an empty row, as an argmax from the end has it."""
    return int(np.flatnonzero(kept)[-1]) if kept.any() else len(kept) - 1


def _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator):
    d = log_probs - ref_log_probs
    kl = {"k1": d, "k2": d * d / 2.0, "k3": np.exp(-d) - 1.0 + d}[estimator]
    return np.where(mask, -kl_coef * kl, 0.0)


def _with_scores(rewards: Array, scores: Array, mask: Array, score_at: str) -> Array:
    after = int(score_at == "one-after")
    for b, kept in enumerate(mask):
        rewards[b, min(_last(kept) + after, len(kept) - 1)] += scores[b]
    return rewards


def _score_at(place: Place) -> Model:
    """The score in another column, made of the row of the mask."""

    def model(scores, log_probs, ref_log_probs, mask, kl_coef, estimator):
        rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
        for b, kept in enumerate(mask):
            rewards[b, place(kept)] += scores[b]
        return rewards

    return model


def _rewards(change: Callable[[Array, Array], Array]) -> Model:
    """Another penalty, made of the right one and the mask."""

    def model(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
        right = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
        return _with_scores(change(right, mask) + 0.0, scores, mask, score_at)

    return model


def _scores(change: Callable[[Array, Array, float], Array]) -> Model:
    """Another score, made of the right one, the mask and the coefficient."""

    def model(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
        rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
        return _with_scores(rewards, change(scores, mask, kl_coef), mask, score_at)

    return model


def _everywhere(scores, log_probs, ref_log_probs, mask, kl_coef, estimator):
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    return rewards + np.where(mask, scores[:, None], 0.0)


def _everywhere_padding_too(scores, log_probs, ref_log_probs, mask, kl_coef, estimator):
    return _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator) + scores[:, None]


def _shared_out(scores, log_probs, ref_log_probs, mask, kl_coef, estimator):
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    return rewards + np.where(mask, (scores / mask.sum(axis=1))[:, None], 0.0)


def _first_answer(scores, log_probs, ref_log_probs, mask, kl_coef, estimator):
    """One column, that of the first answer, for all of them."""
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    rewards[:, _last(mask[0])] += scores
    return rewards


def _every_row_and_place(scores, log_probs, ref_log_probs, mask, kl_coef, estimator):
    """Columns are indexed without rows: each answer's score is added to all of them."""
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    for kept, score in zip(mask, scores, strict=True):
        rewards[:, _last(kept)] += score
    return rewards


def _overwritten(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    after = int(score_at == "one-after")
    for b, kept in enumerate(mask):
        rewards[b, min(_last(kept) + after, len(kept) - 1)] = scores[b]
    return rewards


def _paid_at_the_end(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
    penalty = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator).sum(axis=1)
    return _with_scores(np.zeros(mask.shape), scores + penalty, mask, score_at)


def _to_go(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    rewards = _with_scores(rewards, scores, mask, score_at)
    return np.cumsum(rewards[:, ::-1], axis=1)[:, ::-1]


def _scaled_as_a_whole(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
    rewards = _penalty(log_probs, ref_log_probs, mask, kl_coef, estimator)
    return _with_scores(rewards, kl_coef * scores, mask, score_at)


def _unmasked(scores, log_probs, ref_log_probs, mask, kl_coef, score_at, estimator):
    """Padding pays a penalty; the score is where it belongs."""
    rewards = _penalty(log_probs, ref_log_probs, np.ones_like(mask), kl_coef, estimator)
    return _with_scores(rewards, scores, mask, score_at)


def _of_ratio(change: Callable[[Array], Array]) -> Model:
    """Another function of the log-ratio in the place of k1."""

    def model(scores, log_probs, ref_log_probs, mask, kl_coef, score_at):
        kl = change(log_probs - ref_log_probs)
        return _with_scores(np.where(mask, -kl_coef * kl, 0.0), scores, mask, score_at)

    return model


def _of_probabilities(scores, log_probs, ref_log_probs, mask, kl_coef, score_at):
    kl = np.exp(log_probs) - np.exp(ref_log_probs)
    return _with_scores(np.where(mask, -kl_coef * kl, 0.0), scores, mask, score_at)


def _rolled(by: int) -> Callable[[Array, Array], Array]:
    return lambda penalty, mask: np.where(mask, np.roll(penalty, by, axis=1), 0.0)


def _mean_of_row(penalty: Array, mask: Array) -> Array:
    mean = penalty.sum(axis=1, keepdims=True) / mask.sum(axis=1, keepdims=True)
    return np.where(mask, mean, 0.0)


_SCORE = "the line that adds the score"
_KL = "the line with the penalty"


def _score_faults() -> tuple[FaultyVersion, ...]:
    return (
        FaultyVersion(
            "score-at-the-last-column",
            _score_at(lambda kept: len(kept) - 1),
            "the score stands in the last column, whatever the length of the answer",
            "Short answers get their score on padding, where the mask removes it, or far behind "
            "the tokens that earned it.",
            "Find the last true place of each row's mask.",
            _SCORE,
            (
                f"{GITHUB}EleutherAI/gpt-neox/pull/1285",
                f"{GITHUB}pytorch/rl/pull/3887",
                f"{GITHUB}OpenRLHF/OpenRLHF/commit/be9ce7510930",
            ),
        ),
        FaultyVersion(
            "score-one-early",
            _score_at(lambda kept: max(_last(kept) - 1, 0)),
            "the score stands one token before the last",
            "The end of the answer gets no credit for it.",
            "The last true place of the mask, not the one before.",
            _SCORE,
            (f"{GITHUB}EleutherAI/gpt-neox/pull/1285",),
            variants=(
                _score_at(lambda kept: _last(kept) - 1),
                _score_at(lambda kept: int(kept.sum()) - 2),
            ),
        ),
        FaultyVersion(
            "score-at-the-first-token",
            _score_at(lambda kept: int(np.argmax(kept))),
            "the score stands at the first token",
            "Everything after it looks free: only the first token is credited.",
            "Find the last true place of each row's mask.",
            "argmax of the mask, or of its cumulative sum the wrong way round",
            (f"{GITHUB}pytorch/torchtune/commit/68d4f3ee1287",),
            variants=(_score_at(lambda kept: 0),),
        ),
        FaultyVersion(
            "score-on-every-token",
            _everywhere,
            "every token gets the score",
            "An answer of n tokens is worth n times its score: long answers pay.",
            "Add the score once.",
            "broadcasting scores[:, None]",
            (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
            variants=(_everywhere_padding_too,),
        ),
        FaultyVersion(
            "score-shared-out",
            _shared_out,
            "the score is divided among the tokens",
            "Early tokens of a long answer get a part of it that does not depend on what follows.",
            "Add the score once, at the end.",
            _SCORE,
            (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
        ),
        FaultyVersion(
            "one-place-for-all",
            _first_answer,
            "the score of every answer stands where the first answer ends, or in every row",
            "Answers of other lengths get it on padding or too early; or each gets all scores.",
            "Index rows and columns together: rewards[arange(B), last] += scores.",
            "rewards[:, last]",
            (f"{GITHUB}allenai/open-instruct/commit/21e092b162d3",),
            variants=(_every_row_and_place,),
        ),
        FaultyVersion(
            "score-missing",
            _scores(lambda scores, mask, kl_coef: 0.0 * scores),
            "the score has no effect",
            "The policy is trained to be the reference.",
            "Add the score at the last token.",
            "an assignment to a copy, or an `or` that takes 0 for missing",
            (f"{GITHUB}OpenRLHF/OpenRLHF/commit/33f9d72fbac7",),
        ),
        FaultyVersion(
            "score-overwrites-the-penalty",
            _overwritten,
            "the score replaces the penalty of the last token",
            "The end of the answer is free: the policy may end as it likes.",
            "Add the score: +=.",
            "= in place of +=",
            (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
        ),
        FaultyVersion(
            "score-scaled",
            _scaled_as_a_whole,
            "the score is multiplied by the coefficient, or divided by the length",
            "The balance between score and penalty is not the one that was configured.",
            "The coefficient belongs to the penalty alone.",
            "a bracket: kl_coef * (score - kl)",
            (f"{GITHUB}pytorch/rl/commit/96c30032231c",),
            variants=(
                _scores(lambda scores, mask, kl_coef: scores / mask.sum(axis=1)),
                _scores(lambda scores, mask, kl_coef: (1.0 - kl_coef) * scores),
            ),
        ),
        FaultyVersion(
            "score-sign-flipped",
            _scores(lambda scores, mask, kl_coef: -scores),
            "the score has the wrong sign",
            "The worst answers are reinforced.",
            "Add the score.",
            _SCORE,
            (f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",),
        ),
        FaultyVersion(
            "scores-centred",
            _scores(lambda scores, mask, kl_coef: scores - scores.mean()),
            "the mean score of the batch is subtracted",
            "What an answer is worth depends on its neighbours; a batch of one is worth nothing.",
            "Normalise outside, where it can be seen.",
            "scores - scores.mean()",
            (f"{GITHUB}NVIDIA-NeMo/RL/commit/fc6057383b2b",),
        ),
    )


def _penalty_faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    return (
        FaultyVersion(
            "kl-sign-flipped",
            _of_ratio(np.negative),
            "the penalty is a reward: log-ratios have the wrong sign",
            "The policy is paid for every nat that it leaves the reference.",
            "rewards = -kl_coef * (log_probs - ref_log_probs).",
            _KL,
            (
                f"{GITHUB}pytorch/rl/commit/96c30032231c",
                f"{GITHUB}volcengine/verl/commit/a65c9157bc0b",
            ),
            variants=(
                _of_ratio(lambda d: -d * d / 2.0),
                _of_ratio(lambda d: 1.0 - d - np.exp(-d)),
                _of_ratio(lambda d: np.exp(d) - 1.0 - d),
            ),
        ),
        FaultyVersion(
            "penalty-on-padding",
            _unmasked,
            "padding pays a penalty",
            "The total depends on how far the batch is padded.",
            "Set the penalty to 0 where the mask is false.",
            _KL,
            (f"{GITHUB}huggingface/trl/commit/bbdd6db17c49",),
        ),
        FaultyVersion(
            "penalty-missing",
            _rewards(lambda penalty, mask: 0.0 * penalty),
            "there is no penalty",
            "Nothing holds the policy near the reference: it finds what the reward model overrates.",
            "rewards = -kl_coef * (log_probs - ref_log_probs).",
            _KL,
            (f"{GITHUB}volcengine/verl/commit/072fc9feed4f",),
        ),
        FaultyVersion(
            "coefficient-ignored",
            on_other(oracle, kl_coef=lambda value: 1.0),
            "the coefficient has no effect, or another one than its value",
            "The strength of the penalty is not the one that was configured.",
            "Multiply the log-ratio by kl_coef, once.",
            _KL,
            (f"{GITHUB}CarperAI/trlx/commit/ded2e5eefdd5",),
            variants=tuple(
                on_other(oracle, kl_coef=change)
                for change in (
                    lambda value: 0.1,
                    lambda value: 0.2,
                    lambda value: 0.05,
                    lambda value: value**2,
                    lambda value: 1.0 / value,
                )
            ),
        ),
        FaultyVersion(
            "penalty-paid-at-the-end",
            _paid_at_the_end,
            "the penalty of the whole answer is paid at its end",
            "The total is right; but a token in the middle looks free, and the last one pays.",
            "Each token pays for itself.",
            "sum(axis=1) of the log-ratios, added to the score",
            (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
        ),
        FaultyVersion(
            "penalty-shared-out",
            _rewards(_mean_of_row),
            "every token pays the mean (or the sum) of its answer",
            "Tokens pay for what others did.",
            "Each token pays for itself.",
            "mean(axis=1, keepdims=True)",
            (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
            variants=(
                _rewards(
                    lambda penalty, mask: np.where(mask, penalty.sum(axis=1, keepdims=True), 0.0)
                ),
            ),
        ),
        FaultyVersion(
            "batch-and-time-mixed",
            _rewards(lambda penalty, mask: np.where(mask, penalty.sum(axis=0), 0.0)),
            "penalties are summed or averaged over the batch",
            "Answers pay for what others did.",
            "Each token pays for itself.",
            "sum(axis=0), mean()",
            (f"{GITHUB}huggingface/trl/commit/481ef96293d9",),
            variants=(
                _rewards(lambda penalty, mask: np.where(mask, penalty.mean(axis=0), 0.0)),
                _rewards(lambda penalty, mask: np.where(mask, penalty.sum() / mask.sum(), 0.0)),
            ),
        ),
        FaultyVersion(
            "penalty-shifted",
            _rewards(_rolled(1)),
            "penalties are one place off",
            "Each token pays for its neighbour.",
            "Rewards, log-probabilities and mask have the same columns.",
            "[:, 1:] or [:, :-1] on one of them",
            (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/63647607ea10",),
            variants=(_rewards(_rolled(-1)),),
        ),
        FaultyVersion(
            "absolute-difference",
            _of_ratio(np.abs),
            "the absolute log-ratio is the penalty",
            "The sum is no divergence: fluctuations add up, and every answer is fined for its "
            "length.",
            "rewards = -kl_coef * (log_probs - ref_log_probs).",
            _KL,
            (f"{GITHUB}huggingface/trl/commit/a236c5750f5b",),
        ),
        FaultyVersion(
            "negative-penalties-cut-off",
            _of_ratio(lambda d: np.maximum(d, 0.0)),
            "negative log-ratios count as 0",
            "The total is no divergence: every answer is fined for its length.",
            "rewards = -kl_coef * (log_probs - ref_log_probs).",
            "clamp(min=0)",
            (f"{GITHUB}huggingface/trl/commit/a236c5750f5b",),
        ),
        FaultyVersion(
            "ratio-for-log-ratio",
            _of_ratio(np.exp),
            "the ratio of probabilities is the penalty, not its logarithm",
            "With equal policies every token pays 1.",
            "Subtract log-probabilities.",
            "exp()",
            (f"{GITHUB}CarperAI/trlx/commit/ded2e5eefdd5",),
            variants=(_of_ratio(np.expm1), _of_probabilities, _of_ratio(lambda d: d * d)),
        ),
        FaultyVersion(
            "returns-for-rewards",
            _to_go,
            "sums of rewards to come are returned, not rewards",
            "Whoever discounts and sums them again counts the score once for every token.",
            "Leave returns and advantages to GAE.",
            "cumsum",
            (f"{GITHUB}volcengine/verl/commit/4e9586a3a031",),
        ),
    )


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """The catalogue, with the mistakes that every function on token sequences can have."""
    return (
        *_score_faults(),
        *_penalty_faults(oracle),
        *mask_faults(oracle),
        rows_misaligned(oracle, "scores"),
    )
