"""What the losses on pairs of a chosen and a rejected answer share: formulas, shapes, properties."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import losses
from property_tests.framework.complex_step import log_sigmoid, sigmoid
from property_tests.framework.gradients import DIFFERENCE_ERROR, NO_GRADIENT
from property_tests.framework.models import Fitted, Run, evaluate
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    Mismatch,
    Outputs,
    Property,
)
from property_tests.framework.search import pool
from rlcheck.functions.arrays import Kind, epsilon
from rlcheck.functions.binding import Facts
from rlcheck.functions.calling import Malformed, Output

OUTPUTS = (
    Output("loss", free=True),
    Output("chosen_gradient", "B"),
    Output("rejected_gradient", "B"),
)
GRADIENT = "output chosen_gradient"
REDUCTION = Convention(
    "reduction", ("mean", "sum", "none"), "over the pairs; none returns one loss a pair"
)
REDUCTION_PARAMETER = losses.convention_parameter("reduction", "aggregation")
ENDINGS = ("_logps", "_logp", "_log_probs", "_logprobs", "_log_prob", "_logprob")


def reduced(terms: Array, reduction: str) -> Array:
    """The loss of a batch, from one a pair."""
    if reduction == "none":
        return terms
    return terms.sum(axis=-1) if reduction == "sum" else terms.mean(axis=-1)


def share(slopes: Array, reduction: str) -> Array:
    """Each pair's gradient in that of the batch."""
    return slopes / slopes.size if reduction == "mean" else slopes


def read(outputs: Outputs, facts: Facts) -> Outputs:
    """One number, or one for each pair, as the reduction says; `[B, 1]` counts as `[B]`."""
    loss = outputs[0]
    pairs = next(len(value) for value in facts.values() if np.ndim(value))
    wanted = (pairs,) if facts["reduction"] == "none" else ()
    if loss.size != (pairs if wanted else 1) or (wanted and not loss.ndim):
        expected = f"one loss for each of the {pairs} pairs" if wanted else "one number"
        raise Malformed(
            "shape",
            f"expected {expected}, it returned an array of shape {loss.shape}; (N,) and (N, 1) "
            f"inputs broadcast to (N, N)",
            loss,
        )
    return loss.reshape(wanted), *outputs[1:]


def spellings(owners: tuple[str, ...], sides: tuple[str, ...]) -> tuple[str, ...]:
    """`<owner>_<side>_logps`, `<owner>_logps_<side>` and the like."""
    names = [f"{owner}{side}{end}" for side in sides for end in (*ENDINGS, "") for owner in owners]
    names += [f"{owner}{end[1:]}_{side}" for end in ENDINGS for owner in owners for side in sides]
    return tuple(dict.fromkeys(name for name in names if name not in sides or len(name) > 2))


def _logistic(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    margin = beta * (chosen - rejected)
    return -(1.0 - smoothing) * log_sigmoid(margin) - smoothing * log_sigmoid(-margin)


def _robust(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    margin = beta * (chosen - rejected)
    kept = -(1.0 - smoothing) * log_sigmoid(margin) + smoothing * log_sigmoid(-margin)
    return kept / (1.0 - 2.0 * smoothing)


def _hinge(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    margin = beta * (chosen - rejected)
    return np.where(np.real(margin) < 1.0, 1.0 - margin, 0.0)


def _ipo(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    return (chosen - rejected - 1.0 / (2.0 * beta)) ** 2


def _sppo_hard(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    return (chosen - 0.5 / beta) ** 2 + (rejected + 0.5 / beta) ** 2


def _nca_pair(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    pushed = 0.5 * log_sigmoid(-beta * chosen) + 0.5 * log_sigmoid(-beta * rejected)
    return -log_sigmoid(beta * chosen) - pushed


def _apo_zero(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    return 1.0 - sigmoid(beta * chosen) + sigmoid(beta * rejected)


def _apo_down(chosen: Array, rejected: Array, beta: float, smoothing: float) -> Array:
    return sigmoid(beta * chosen) + 1.0 - sigmoid(beta * (chosen - rejected))


PAIR_LOSSES: Mapping[str, Callable[[Array, Array, float, float], Array]] = {
    "sigmoid": _logistic,
    "ipo": _ipo,
    "hinge": _hinge,
    "robust": _robust,
    "sppo-hard": _sppo_hard,
    "nca-pair": _nca_pair,
    "apo-zero": _apo_zero,
    "apo-down": _apo_down,
}
"""One loss a pair, from log pi/pi_ref of the chosen and of the rejected answer, beta and the share
of flipped labels: Rafailov et al. 2023, arXiv:2305.18290; Azar et al. 2023, arXiv:2310.12036; Zhao et
al. 2023, arXiv:2305.10425; Chowdhury et al. 2024, arXiv:2403.00409; Wu et al. 2024, arXiv:2405.00675;
Chen et al. 2024, arXiv:2402.05369; D'Oosterlinck et al. 2024, arXiv:2408.06266."""


def pair_tolerance(case: Case, eps: float) -> float:
    """Rounding of a sum of squares of differences, and the error of a numerical gradient."""
    arrays = [np.asarray(value) for value in case.values() if np.ndim(value)]
    largest = max(float(np.abs(array).max()) for array in arrays) + 1.0 / case.get("beta", 1.0)
    return float(DIFFERENCE_ERROR + 16.0 * eps * len(arrays[0]) * (1.0 + largest) ** 2)


def compare_gradients(
    run: Run, case: Case, chosen: Array, rejected: Array, message: str
) -> Mismatch | None:
    """None if both gradients of the subject are these."""
    for side, expected, got in zip(
        ("chosen", "rejected"), (chosen, rejected), run.outputs(case)[1:], strict=False
    ):
        found = run.compare(case, expected, f"{message} ({side} side)", got=got)
        if found is not None:
            return found
    return None


def _gradients_agree(run: Run, case: Case) -> Mismatch | None:
    _, chosen, rejected = evaluate(run.contract.oracle, run.facts(case))
    return compare_gradients(
        run, case, chosen, rejected, "the gradient departs from the definition's"
    )


def gradient_agreement() -> Property:
    """Both gradients are the oracle's."""
    return Property(
        "gradient-agrees-with-the-definition",
        "The gradients of the loss on both sides are those of the definition.",
        "Training sees the gradient only. A side that is detached leaves the value of the loss as it "
        "was and trains something else.",
        _gradients_agree,
        needs={GRADIENT: NO_GRADIENT},
    )


def _cancel(run: Run, case: Case) -> Mismatch | None:
    outputs = run.outputs(case)
    if len(outputs) < 3:
        return None
    message = "what raises the chosen answer should lower the rejected one by as much"
    return run.compare(case, -outputs[1], message, got=outputs[2])


def gradients_cancel(needs: Mapping[str, str]) -> Property:
    """The gradient on the rejected side is minus that on the chosen one."""
    return Property(
        "both-sides-move-by-as-much",
        "The gradient on the rejected side is minus that on the chosen side.",
        "The loss depends on the difference only. A side that is detached, or scaled by itself, "
        "breaks it.",
        _cancel,
        needs={GRADIENT: NO_GRADIENT, **needs},
    )


def _turned(case: Case) -> dict[str, Any]:
    return {name: v[::-1] if np.ndim(v) else v for name, v in case.items()}


def _order(run: Run, case: Case) -> Mismatch | None:
    own = run(case)
    expected = own[::-1] if own.ndim else own
    return run.compare(_turned(case), expected, "the order of the pairs changed the loss")


def order_of_pairs() -> Property:
    """Pairs are a set."""
    return Property(
        "order-of-pairs-does-not-matter",
        "The same pairs in another order give the same loss.",
        "A loss that depends on the order pairs the chosen answer of one prompt with the rejected "
        "answer of another.",
        _order,
    )


def _twice(run: Run, case: Case) -> Mismatch | None:
    doubled = {n: np.concatenate([v] * 2) if np.ndim(v) else v for n, v in case.items()}
    own, reduction = run(case), run.fitted.conventions["reduction"]
    expected = (
        np.concatenate([own, own]) if own.ndim else own * (2.0 if reduction == "sum" else 1.0)
    )
    message = f"every pair twice should change the loss as its reduction ({reduction}) says"
    return run.compare(doubled, expected, message)


def batch_size() -> Property:
    """The loss depends on the size of the batch as its reduction says."""
    return Property(
        "batch-size-scales-as-declared",
        "Every pair twice leaves a mean as it is, doubles a sum and repeats single losses.",
        "A denominator that counts both halves of a batch, or is hard-coded, changes the learning "
        "rate.",
        _twice,
    )


def in_single_precision(run: Run) -> Run | None:
    """The same subject on float32 inputs; None where its numbers have no such type."""
    function = run.fitted.function
    if function is None or function.plan.kind is Kind.LIST:
        return None
    plan = replace(function.plan, precision="float32")
    coarse = max(run.fitted.precision, "float32", key=epsilon)
    fitted: Fitted = replace(run.fitted, precision=coarse, function=replace(function, plan=plan))
    return Run(fitted)


def _right(run: Run, case: Case) -> bool:
    """Whether the subject is right here and on ordinary pairs, in its own precision."""
    ordinary = pool(run.contract.cases, run.fitted.domain, 0, 30)[:10]
    return all(run.compare(c, run.definition(c), "") is None for c in (case, *ordinary))


def stable(cases: Callable[[Domain], st.SearchStrategy[Case]], fault: str) -> Property:
    """Large margins neither overflow nor vanish in single precision.

    Args:
        cases: pairs with margins far beyond what `exp` can represent in float32.
        fault: what it is called where they do.
    """

    def holds(run: Run, case: Case) -> Mismatch | None:
        single = in_single_precision(run)
        if single is None:
            return None
        try:
            outputs = single.outputs(case)
        except Malformed:
            return None  # it takes no float32 at all
        expected = run.definition(case)
        if not _right(run, case):
            return None  # it is wrong in another way, which other properties show
        message = "in float32 a large margin gives the wrong loss"
        found = single.compare(case, expected, message, got=outputs[0])
        for gradient in outputs[1:]:
            if found is None and not np.isfinite(gradient).all():
                found = Mismatch("in float32 a large margin has no finite gradient", case)
        return None if found is None else found._replace(suspects=(fault,))

    return Property(
        "large-margins-stay-finite",
        "Margins of +-150 give a finite loss and gradient in float32.",
        "log(sigmoid(x)) is log(0) below -104 and log(1 + exp(-x)) infinite below -88, where "
        "log_sigmoid(x) is x. One such pair, a long answer, turns all weights into NaN.",
        holds,
        cases=cases,
        references=("https://github.com/huggingface/trl/commit/2abee9dc920d",),
    )
