"""Wrong versions of the reward model's loss, each with the mistake that it models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.complex_step import absolute, log_sigmoid, sigmoid
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.pair_losses import reduced

GITHUB = "https://github.com/"


def _terms(terms: Callable[[Array, Array, Array], Array]) -> Model:
    """One loss a pair of (chosen, rejected, margin), reduced as declared."""

    def model(chosen_rewards, rejected_rewards, margin, reduction):
        return reduced(terms(chosen_rewards, rejected_rewards, margin), reduction)

    return model


def _lead(lead: Callable[[Array, Array, Array], Array]) -> Model:
    """The right loss of another lead."""
    return _terms(lambda c, r, m: -log_sigmoid(lead(c, r, m)))


def _guarded(epsilon: float) -> Model:
    return _terms(lambda c, r, m: -np.log(sigmoid(c - r - m) + epsilon))


def _averaged_inside(c: Array, r: Array, m: Array) -> Array:
    return -log_sigmoid((c - r - m).mean(axis=-1, keepdims=True)) + 0.0 * c


def _crossed(chosen_rewards, rejected_rewards, margin, reduction):
    difference = chosen_rewards[..., :, None] - rejected_rewards[..., None, :]
    terms = -log_sigmoid(difference - margin)
    return terms.sum(axis=(-2, -1)) if reduction == "sum" else terms.mean(axis=(-2, -1))


def _hinge(c: Array, r: Array, m: Array) -> Array:
    slack = 1.0 - (c - r - m)
    return np.where(np.real(slack) > 0.0, slack, 0.0)


_LINE = "the line that makes the difference of the scores"
_LOSS = "the line with log-sigmoid"
_RIGHT = "-logsigmoid(chosen - rejected - margin).mean()."

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "pair-swapped",
        _lead(lambda c, r, m: r - c - m),
        "chosen and rejected are exchanged",
        "The model learns to score the rejected answers higher, and the policy follows.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
        variants=(_lead(lambda c, r, m: r - c + m),),
    ),
    FaultyVersion(
        "sign-flipped",
        _terms(lambda c, r, m: log_sigmoid(c - r - m)),
        "the loss has the wrong sign: it is maximised",
        "The optimiser minimises log sigmoid(d): the difference goes to minus infinity.",
        f"Return {_RIGHT}",
        _LOSS,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
    ),
    FaultyVersion(
        "sigmoid-underflows",
        _terms(lambda c, r, m: -np.log(1.0 / (1.0 + np.exp(-(c - r - m))))),
        "log(sigmoid(d)) is computed in two steps and underflows",
        "In float32 sigmoid(d) is 0 below d = -104 and its logarithm minus infinity: one pair makes "
        "every weight NaN.",
        "Use logsigmoid(d), or -softplus(-d).",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
        aliases=("log-of-sigmoid",),
    ),
    FaultyVersion(
        "logarithm-guarded",
        _guarded(1e-2),
        "a number inside the logarithm is so large that it shows",
        "-log(sigmoid(d) + eps) is wrong at every difference, and pairs that are ranked clearly wrong "
        "lose their gradient.",
        "Use logsigmoid(d), which needs no guard.",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
        variants=tuple(_guarded(epsilon) for epsilon in (1e-1, 1e-3, 1e-4, 1e-6, 1e-8)),
    ),
    FaultyVersion(
        "logarithm-missing",
        _terms(lambda c, r, m: -sigmoid(c - r - m)),
        "the sigmoid is used without its logarithm",
        "Pairs that are ranked clearly wrong have no gradient: they are never put right.",
        f"Return {_RIGHT}",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
        variants=(_terms(lambda c, r, m: 1.0 - sigmoid(c - r - m)),),
    ),
    FaultyVersion(
        "hinge-for-logistic",
        _terms(_hinge),
        "a hinge takes the place of log sigmoid",
        "Scores stop growing apart at a difference of 1, and are no log-odds any more.",
        f"Return {_RIGHT}",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/6faf4c0d8177",),
    ),
    FaultyVersion(
        "margin-ignored",
        _lead(lambda c, r, m: c - r),
        "the margin has no effect",
        "Clear preferences count no more than slight ones. The option is accepted and not used.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "margin-sign-flipped",
        _lead(lambda c, r, m: c - r + m),
        "the margin is added to the difference of the scores",
        "It asks for less where people were surer: the chosen answer may be behind by the margin.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}pytorch/rl/commit/96c30032231c",),
    ),
    FaultyVersion(
        "margin-outside",
        _terms(lambda c, r, m: -log_sigmoid(c - r) + m),
        "the margin is added to the loss, outside log sigmoid",
        "It shifts the logged value and has no gradient.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
        variants=(_terms(lambda c, r, m: -log_sigmoid(c - r) - m),),
    ),
    FaultyVersion(
        "margin-multiplied",
        _lead(lambda c, r, m: m * (c - r)),
        "the margin multiplies the difference of the scores",
        "Pairs with a margin of 0 have no gradient.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/75de236c09bd",),
        variants=(_terms(lambda c, r, m: -m * log_sigmoid(c - r)),),
    ),
    FaultyVersion(
        "scores-added",
        _lead(lambda c, r, m: c + r - m),
        "the scores are added where their difference should be taken",
        "Both scores of every pair rise without end.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
    ),
    FaultyVersion(
        "rejected-ignored",
        _lead(lambda c, r, m: c - m + 0.0 * r),
        "the rejected answers have no effect",
        "Every score rises; nothing is compared.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/6106fb22f183",),
    ),
    FaultyVersion(
        "difference-absolute",
        _lead(lambda c, r, m: absolute(c - r) - m),
        "the difference of the scores loses its sign",
        "Pairs are pulled apart in whichever direction they already lie.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
    ),
    FaultyVersion(
        "scores-squashed",
        _lead(lambda c, r, m: sigmoid(c) - sigmoid(r) - m),
        "the scores go through a sigmoid before they are compared",
        "The difference stays within 1: the loss cannot fall below 0.313.",
        f"Return {_RIGHT}",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/08c54ee97df8",),
    ),
    FaultyVersion(
        "difference-averaged",
        _terms(_averaged_inside),
        "the difference is averaged over the batch before the loss is taken",
        "All pairs get the same weight: those that are wrong do not count more.",
        "Take the loss of each pair, then the mean.",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "rows-crossed",
        _crossed,
        "(N,) and (N, 1) are broadcast: every chosen answer is paired with every rejected one",
        "Answers to different prompts are compared. Nothing crashes.",
        "Give both the same shape and assert it.",
        "a squeeze, view(-1) or unsqueeze on one of the operands",
        (
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33",
            f"{GITHUB}RLinf/RLinf/pull/1568",
        ),
    ),
    FaultyVersion(
        "rows-misaligned",
        _lead(lambda c, r, m: c - np.roll(r, 1, axis=-1) - m),
        "chosen answers are paired with the rejected answers of another row",
        "A concatenated batch is split the wrong way, in halves where it is interleaved, or shifted.",
        "Split the batch as it was put together.",
        "chunk(2), or [::2] and [1::2]",
        (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
        variants=(_lead(lambda c, r, m: c - r[..., ::-1] - m),),
    ),
    FaultyVersion(
        "denominator-of-both-halves",
        _terms(lambda c, r, m: -0.5 * log_sigmoid(c - r - m)),
        "the loss is half as large: both halves of the batch are counted in the denominator",
        "The learning rate is half of what is configured.",
        "Divide by the number of pairs.",
        "the last line of the loss",
        (f"{GITHUB}huggingface/trl/commit/40c238395e34",),
    ),
    FaultyVersion(
        "rejected-detached",
        _lead(lambda c, r, m: c - np.real(r) - m),
        "the value is right, and no gradient reaches the rejected side",
        "Chosen scores are raised and nothing lowers the rejected ones.",
        "Keep both sides in the graph.",
        "`.detach()` or `torch.no_grad()` around the rejected half",
        (f"{GITHUB}astariul/encode-attend-navigate-pytorch/issues/2",),
    ),
    FaultyVersion(
        "chosen-detached",
        _lead(lambda c, r, m: np.real(c) - r - m),
        "the value is right, and no gradient reaches the chosen side",
        "Rejected scores are lowered and nothing raises the chosen ones.",
        "Keep both sides in the graph.",
        "`.detach()` or `torch.no_grad()` around the chosen half",
        (f"{GITHUB}astariul/encode-attend-navigate-pytorch/issues/2",),
    ),
    FaultyVersion(
        "graph-cut",
        _lead(lambda c, r, m: np.real(c - r) - m),
        "the value is right, and no gradient reaches the model",
        "The loss is logged and the model never changes.",
        "Detach nothing here.",
        "`.detach()`, `.item()`, `torch.no_grad()` on the scores or the loss",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
    ),
)
