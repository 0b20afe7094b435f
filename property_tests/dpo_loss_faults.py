"""Wrong versions of the DPO loss, each with the mistake that it models."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from property_tests.framework.complex_step import log_sigmoid, sigmoid
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.pair_losses import PAIR_LOSSES, reduced

GITHUB = "https://github.com/"


class Pairs(NamedTuple):
    """Everything that a DPO loss takes; the names are those of the contract, shortened."""

    chosen: Array
    rejected: Array
    ref_chosen: Array
    ref_rejected: Array
    beta: float
    smoothing: float
    loss: str
    reduction: str


def _ratios(p: Pairs) -> tuple[Array, Array]:
    return p.chosen - p.ref_chosen, p.rejected - p.ref_rejected


def _terms(p: Pairs, chosen: Array, rejected: Array) -> Array:
    return PAIR_LOSSES[p.loss](chosen, rejected, p.beta, p.smoothing)


def pair_loss(p: Pairs) -> Array:
    """The right loss."""
    return reduced(_terms(p, *_ratios(p)), p.reduction)


def _faulty(change: Callable[[Pairs], Array]) -> Model:
    def model(
        policy_chosen_logps,
        policy_rejected_logps,
        ref_chosen_logps,
        ref_rejected_logps,
        beta,
        label_smoothing,
        loss,
        reduction,
    ):
        policy = policy_chosen_logps, policy_rejected_logps
        reference = ref_chosen_logps, ref_rejected_logps
        return change(Pairs(*policy, *reference, beta, label_smoothing, loss, reduction))

    return model


def _with(ratios: Callable[[Pairs], tuple[Array, Array]]) -> Model:
    """The right loss of other log-ratios."""
    return _faulty(lambda p: reduced(_terms(p, *ratios(p)), p.reduction))


def _replaced(change: Callable[[Pairs], dict]) -> Model:
    """The right loss of other inputs."""
    return _faulty(lambda p: pair_loss(p._replace(**change(p))))


def _margin(p: Pairs) -> Array:
    chosen, rejected = _ratios(p)
    return p.beta * (chosen - rejected)


def _unstable(p: Pairs) -> Array:
    # In the precision of the inputs: float32 underflows at -104.
    kept = -np.log(1.0 / (1.0 + np.exp(-_margin(p))))
    flipped = -np.log(1.0 / (1.0 + np.exp(_margin(p))))
    plain = (1.0 - p.smoothing) * kept + p.smoothing * flipped
    return reduced(plain, p.reduction) if p.loss == "sigmoid" else pair_loss(p)


def _guarded(epsilon: float) -> Model:
    """-log(sigmoid(m) + epsilon), in both terms where labels are smoothed."""

    def guarded(p: Pairs) -> Array:
        kept, flipped = (-np.log(sigmoid(m) + epsilon) for m in (_margin(p), -_margin(p)))
        plain = (1.0 - p.smoothing) * kept + p.smoothing * flipped
        return reduced(plain, p.reduction) if p.loss == "sigmoid" else pair_loss(p)

    return _faulty(guarded)


def _averaged_inside(p: Pairs) -> Array:
    chosen, rejected = (ratio.mean(axis=-1, keepdims=True) for ratio in _ratios(p))
    return reduced(_terms(p, chosen, rejected) + 0.0 * p.chosen, p.reduction)


def _crossed(p: Pairs) -> Array:
    chosen, rejected = _ratios(p)
    terms = _terms(p, chosen[..., :, None], rejected[..., None, :])
    return terms.sum(axis=(-2, -1)) if p.reduction == "sum" else terms.mean(axis=(-2, -1))


def _smoothing_added(p: Pairs) -> Array:
    margin = _margin(p)
    terms = -(1.0 - p.smoothing) * log_sigmoid(margin) + p.smoothing * log_sigmoid(-margin)
    return reduced(terms, p.reduction)


def _smoothing_on_top(p: Pairs) -> Array:
    margin = _margin(p)
    return reduced(-log_sigmoid(margin) - p.smoothing * log_sigmoid(-margin), p.reduction)


def _cut(*sides: str) -> Model:
    """The right value, with no gradient on these sides."""

    def change(p: Pairs) -> Array:
        return pair_loss(p._replace(**{side: np.real(getattr(p, side)) for side in sides}))

    return _faulty(change)


def _target(p: Pairs, target: float) -> Array:
    chosen, rejected = _ratios(p)
    terms = (chosen - rejected - target) ** 2 if p.loss == "ipo" else _terms(p, chosen, rejected)
    return reduced(terms, p.reduction)


def _target_on_margin(p: Pairs) -> Array:
    terms = (_margin(p) - 0.5) ** 2 if p.loss == "ipo" else _terms(p, *_ratios(p))
    return reduced(terms, p.reduction)


_LINE = "the line that makes the margin of the four log-probabilities"
_LOSS = "the line with log-sigmoid"
_BETA = "where beta is multiplied in"
_MARGIN = "m = beta * ((policy_chosen - ref_chosen) - (policy_rejected - ref_rejected))."
_SMOOTH = "-(1 - e) * logsigmoid(m) - e * logsigmoid(-m)."

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "pair-swapped",
        _replaced(
            lambda p: {
                "chosen": p.rejected,
                "rejected": p.chosen,
                "ref_chosen": p.ref_rejected,
                "ref_rejected": p.ref_chosen,
            }
        ),
        "chosen and rejected are exchanged: the margin has the wrong sign",
        "The policy learns to prefer the answers that people rejected. Policy and reference "
        "exchanged give the same, and so do the weights e and 1 - e of label smoothing.",
        _MARGIN,
        _LINE,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
        aliases=("margin-sign-flipped", "label-smoothing-swapped"),
        variants=(_with(lambda p: (p.ref_chosen - p.chosen, p.ref_rejected - p.rejected)),),
    ),
    FaultyVersion(
        "sign-flipped",
        _faulty(lambda p: -pair_loss(p)),
        "the loss has the wrong sign: it is maximised",
        "The optimiser minimises log sigmoid(m): the margin goes to minus infinity.",
        "Return -logsigmoid(m).",
        _LOSS,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
    ),
    FaultyVersion(
        "beta-missing",
        _replaced(lambda p: {"beta": 1.0}),
        "beta is not applied",
        "The log-ratios count in full, usually ten times as much: the sigmoid saturates at once and "
        "the policy hardly leaves the reference.",
        _MARGIN,
        _BETA,
        (f"{GITHUB}huggingface/trl/commit/75de236c09bd",),
    ),
    FaultyVersion(
        "beta-squared",
        _replaced(lambda p: {"beta": p.beta**2}),
        "beta is applied twice",
        "Once to the implicit rewards and once more to their difference: the effective beta is its "
        "square.",
        _MARGIN,
        _BETA,
        (f"{GITHUB}huggingface/trl/commit/75de236c09bd",),
        aliases=("beta-applied-twice",),
    ),
    FaultyVersion(
        "beta-inverted",
        _replaced(lambda p: {"beta": 1.0 / p.beta}),
        "the log-ratios are divided by beta",
        "A larger beta ties the policy less to the reference instead of more.",
        _MARGIN,
        _BETA,
        (f"{GITHUB}huggingface/trl/commit/75de236c09bd",),
    ),
    FaultyVersion(
        "beta-outside",
        _faulty(lambda p: p.beta * pair_loss(p._replace(beta=1.0))),
        "beta multiplies the loss, not the margin",
        "It is a learning rate there: the tie to the reference is that of beta = 1.",
        _MARGIN,
        _BETA,
        (f"{GITHUB}huggingface/trl/commit/75de236c09bd",),
    ),
    FaultyVersion(
        "beta-hard-coded",
        _replaced(lambda p: {"beta": 0.1}),
        "beta is fixed, whatever is configured",
        "Tuning it has no effect.",
        "Use the parameter.",
        _BETA,
        (f"{GITHUB}anthonytorlucci/rlevo/issues/183",),
        variants=(_replaced(lambda p: {"beta": 0.5}),),
    ),
    FaultyVersion(
        "beta-on-one-term",
        _with(lambda p: (p.chosen - p.ref_chosen / p.beta, p.rejected - p.ref_rejected / p.beta)),
        "beta multiplies the policy's log-probabilities and not the reference's",
        "The difference is no log-ratio any more: long answers win or lose by their length.",
        _MARGIN,
        _BETA,
        (f"{GITHUB}huggingface/trl/commit/75de236c09bd",),
        variants=(
            _with(
                lambda p: (p.chosen / p.beta - p.ref_chosen, p.rejected / p.beta - p.ref_rejected)
            ),
            _with(lambda p: (p.chosen - p.ref_chosen, (p.rejected - p.ref_rejected) / p.beta)),
        ),
    ),
    FaultyVersion(
        "reference-ignored",
        _with(lambda p: (p.chosen, p.rejected)),
        "the reference has no effect",
        "The margin is that of the policy alone: nothing ties it to the reference, and likely "
        "answers are preferred from the start.",
        _MARGIN,
        _LINE,
        (
            f"{GITHUB}huggingface/trl/commit/d2b72b720286",
            f"{GITHUB}huggingface/trl/commit/9ff79a65e3d1",
        ),
    ),
    FaultyVersion(
        "reference-sign-flipped",
        _with(lambda p: (p.chosen + p.ref_chosen, p.rejected + p.ref_rejected)),
        "the reference is added where it should be subtracted",
        "Answers that the reference finds likely count double. Its log-probabilities of the two "
        "answers exchanged give the same.",
        _MARGIN,
        _LINE,
        (f"{GITHUB}pytorch/rl/commit/96c30032231c",),
        aliases=("references-swapped",),
    ),
    FaultyVersion(
        "reference-of-one-side-missing",
        _with(lambda p: (p.chosen - p.ref_chosen, p.rejected)),
        "one of the four log-probabilities is left out",
        "One answer counts by its ratio to the reference and the other by its bare likelihood.",
        _MARGIN,
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/9ff79a65e3d1",),
        variants=(_with(lambda p: (p.chosen, p.rejected - p.ref_rejected)),),
    ),
    FaultyVersion(
        "rejected-ignored",
        _with(lambda p: (p.chosen - p.ref_chosen, 0.0 * p.rejected)),
        "the rejected answers have no effect",
        "What is left raises the chosen answers only; nothing is pushed away.",
        _MARGIN,
        _LINE,
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/6106fb22f183",),
    ),
    FaultyVersion(
        "terms-added",
        _with(lambda p: (p.chosen - p.ref_chosen, p.ref_rejected - p.rejected)),
        "the two log-ratios are added where their difference should be taken",
        "Chosen and rejected answers are made likelier alike.",
        _MARGIN,
        _LINE,
        (f"{GITHUB}linkedin/Liger-Kernel/commit/15a2f58f06b1",),
    ),
    FaultyVersion(
        "probabilities-for-logs",
        _with(lambda p: tuple(np.exp(ratio) for ratio in _ratios(p))),
        "ratios of probabilities take the place of their logarithms",
        "Answers that became less likely hardly count, and those that became likelier explode.",
        _MARGIN,
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
    ),
    FaultyVersion(
        "sigmoid-underflows",
        _faulty(_unstable),
        "log(sigmoid(m)) is computed in two steps and underflows",
        "In float32 sigmoid(m) is 0 below m = -104 and its logarithm minus infinity: one pair of long "
        "answers makes the loss infinite and every weight NaN.",
        "Use logsigmoid(m), or -softplus(-m).",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
        aliases=("log-of-sigmoid",),
    ),
    FaultyVersion(
        "logarithm-guarded",
        _guarded(1e-2),
        "a number inside the logarithm is so large that it shows",
        "-log(sigmoid(m) + eps) is wrong at every margin, and pairs that are ranked clearly wrong "
        "lose their gradient.",
        "Use logsigmoid(m), which needs no guard.",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
        variants=tuple(_guarded(epsilon) for epsilon in (1e-1, 1e-3, 1e-4, 1e-6, 1e-8)),
    ),
    FaultyVersion(
        "logarithm-missing",
        _faulty(lambda p: reduced(-sigmoid(_margin(p)), p.reduction)),
        "the sigmoid is used without its logarithm",
        "Pairs that are ranked clearly wrong have no gradient: they are never put right.",
        "Return -logsigmoid(m).",
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/2abee9dc920d",),
        variants=(_faulty(lambda p: reduced(1.0 - sigmoid(_margin(p)), p.reduction)),),
    ),
    FaultyVersion(
        "label-smoothing-ignored",
        _replaced(lambda p: {"smoothing": 0.0}),
        "label smoothing has no effect",
        "The option is accepted and not used.",
        _SMOOTH,
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "label-smoothing-sign",
        _faulty(_smoothing_added),
        "the smoothed term has the wrong sign",
        "It rewards certainty on flipped labels; it is the numerator of the robust loss, whose "
        "divisor 1 - 2 e is missing.",
        _SMOOTH,
        _LOSS,
        (f"{GITHUB}huggingface/trl/commit/6faf4c0d8177",),
        variants=(_faulty(_smoothing_on_top),),
    ),
    FaultyVersion(
        "margin-averaged",
        _faulty(_averaged_inside),
        "the margin is averaged over the batch before the loss is taken",
        "All pairs get the same weight: those that are wrong do not count more.",
        "Take the loss of each pair, then the mean.",
        _LINE,
        (f"{GITHUB}huggingface/trl/commit/1b1140aa696e",),
    ),
    FaultyVersion(
        "rows-crossed",
        _faulty(_crossed),
        "(N,) and (N, 1) are broadcast: every chosen answer is paired with every rejected one",
        "Answers to different prompts are compared. Nothing crashes.",
        "Give all four the same shape and assert it.",
        "a squeeze, view(-1) or unsqueeze on one of the operands",
        (
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33",
            f"{GITHUB}OpenRLHF/OpenRLHF/commit/b3d292789dea",
        ),
    ),
    FaultyVersion(
        "rows-misaligned",
        _replaced(
            lambda p: {
                "rejected": np.roll(p.rejected, 1, axis=-1),
                "ref_rejected": np.roll(p.ref_rejected, 1, axis=-1),
            }
        ),
        "chosen answers are paired with the rejected answers of another row",
        "A concatenated batch is split the wrong way, in halves where it is interleaved, or shifted.",
        "Split the batch as it was put together.",
        "chunk(2), or [::2] and [1::2]",
        (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
        variants=(_replaced(lambda p: {"rejected": p.rejected[..., ::-1]}),),
    ),
    FaultyVersion(
        "denominator-of-both-halves",
        _faulty(lambda p: 0.5 * pair_loss(p)),
        "the loss is half as large: both halves of the batch are counted in the denominator",
        "The learning rate is half of what is configured.",
        "Divide by the number of pairs.",
        "the last line of the loss",
        (f"{GITHUB}huggingface/trl/commit/40c238395e34",),
    ),
    FaultyVersion(
        "ipo-target-wrong",
        _faulty(lambda p: _target(p, 1.0 / p.beta)),
        "the ipo loss aims at another margin than 1 / (2 beta)",
        "The policy stops at the wrong distance from the reference.",
        "(h - 1 / (2 * beta)) ** 2, with h without beta.",
        "the line of the ipo loss",
        (f"{GITHUB}huggingface/trl/commit/29d439a2043e",),
        variants=(_faulty(_target_on_margin),),
    ),
    FaultyVersion(
        "rejected-detached",
        _cut("rejected"),
        "the value is right, and no gradient reaches the rejected side",
        "Chosen answers are raised and nothing pushes the rejected ones away.",
        "Keep both sides of the policy in the graph.",
        "`.detach()` or `torch.no_grad()` around the rejected half",
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/6106fb22f183",),
    ),
    FaultyVersion(
        "chosen-detached",
        _cut("chosen"),
        "the value is right, and no gradient reaches the chosen side",
        "Rejected answers are pushed away and nothing raises the chosen ones.",
        "Keep both sides of the policy in the graph.",
        "`.detach()` or `torch.no_grad()` around the chosen half",
        (f"{GITHUB}OpenRLHF/OpenRLHF/commit/6106fb22f183",),
    ),
    FaultyVersion(
        "graph-cut",
        _cut("chosen", "rejected"),
        "the value is right, and no gradient reaches the policy",
        "The loss is logged and the policy never changes.",
        "Detach the reference only.",
        "`.detach()`, `.item()`, `torch.no_grad()` on the policy's log-probabilities or the loss",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
    ),
)
