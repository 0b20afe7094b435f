"""Normalised advantages: zero mean and unit standard deviation over the whole batch.

    A'_i = (A_i - mean(A)) / (std(A) + eps)

With a mask, mean and standard deviation are those of the kept steps, and what a masked
step gets is not looked at. The standard deviation divides by n - ddof; libraries differ
on that, on the size of eps (up to 1e-8 it is not told from 0) and on whether it stands
beside the standard deviation or, as in sqrt(var + eps), beside the variance. Inputs are
`[T, B]`, `[N, 1]` or `[N]`. Faulty versions stand in
`advantage_normalisation_faults.py`.

References: Engstrom et al. 2020, arXiv:2005.12729; Huang et al. 2022, "The 37
Implementation Details of Proximal Policy Optimization", detail 7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.advantage_normalisation_faults import FAULTS
from property_tests.framework.build import build
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Outputs,
    Property,
)
from property_tests.losses import convention_parameter, require
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.calling import Output
from rlcheck.functions.layouts import Layout

NO_MASK = "it takes no mask: every step counts"
SMALL = 1e-8
"""An eps of at most this size is not told from another."""

ADVANTAGES = Parameter(
    "advantages",
    "TB",
    "A(s, a)",
    aliases=("advantage", "advs", "adv", "a", "x", "xs", "values", "returns", "rewards", "data"),
)
MASK = Parameter(
    "mask",
    "TB",
    "true where a step counts",
    aliases=("masks", "loss_mask", "response_mask", "action_mask", "valid", "valid_mask", "keep"),
    flags=True,
)
UNBIASED = Parameter(
    "unbiased",
    meaning="whether to divide by n - 1",
    make=lambda facts: facts["ddof"] == 1,
)


def oracle(
    advantages: Array, mask: Array, ddof: int = 1, eps: float = SMALL, eps_in: str = "std"
) -> Array:
    """The equation over the kept steps; 0 elsewhere."""
    kept = [advantages[index] for index in np.ndindex(advantages.shape) if mask[index]]
    mean = sum(kept) / len(kept)
    variance = sum((value - mean) ** 2 for value in kept) / (len(kept) - ddof)
    scale = np.sqrt(variance + eps) if eps_in == "variance" else np.sqrt(variance) + eps
    return np.where(mask, (advantages - mean) / scale, 0.0)


def read(outputs: Outputs, facts: Facts) -> Outputs:
    """What a masked step gets is not looked at."""
    first, *others = outputs
    return (np.where(facts["mask"], first, 0.0), *others)


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """Capabilities `batch` and `mask`."""
    require(names, "advantages")
    return frozenset({"batch"} | ({"mask"} & names))


_NUMBERS = st.integers(-12, 12).map(lambda k: k / 2)


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """Two to eight steps, at least two different ones kept, in any number of columns."""
    kept = st.sampled_from((True, True, True, False)) if "mask" in where else st.just(True)
    steps = st.lists(st.tuples(_NUMBERS, kept), min_size=2, max_size=8)
    return steps.filter(_varied).flatmap(
        lambda drawn: st.sampled_from(_columns(len(drawn), where)).map(
            lambda columns: _case(drawn, columns)
        )
    )


def _varied(steps: list[Any]) -> bool:
    return len({value for value, kept in steps if kept}) > 1


def _columns(count: int, where: Domain) -> list[int]:
    if "batch" not in where:
        return [1]
    # One column, one row, and what lies between.
    return [1, count, *(b for b in range(2, count) if count % b == 0)]


def _case(steps: list[Any], columns: int) -> Case:
    values, mask = np.array([s[0] for s in steps]), np.array([s[1] for s in steps])
    return {"advantages": values.reshape(-1, columns), "mask": mask.reshape(-1, columns)}


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of mean and variance, E[x^2] - E[x]^2 included, and an eps too small to matter."""
    kept = case["advantages"][case["mask"]]
    spread = float(kept.std()) or 1.0
    size = float(np.abs(kept).max()) / spread
    farthest = 2.0 * float(np.sqrt(len(kept)))
    return farthest * (64.0 * epsilon * len(kept) * (1.0 + size) ** 2 + 2.0 * SMALL / spread)


def _moved(run: Run, case: Case, advantages: Array, message: str) -> Mismatch | None:
    changed = {**case, "advantages": advantages}
    eps = run.fitted.conventions["eps"]
    spread = float(case["advantages"][case["mask"]].std())
    # By the size of eps, both answers may fall short of their limit.
    slack = run.tolerance(changed) + 4.0 * len(case["mask"].ravel()) * eps * (1 + 1 / spread**2)
    expected, got = run(case), run(changed)
    wrong = np.abs(got - expected) > slack
    if not wrong.any():
        return None
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Mismatch(message, changed, expected, got, index)


def shift_invariant(run: Run, case: Case) -> Mismatch | None:
    """A constant added to all advantages changes nothing."""
    message = "the same number added to all advantages changed the answer"
    return _moved(run, case, case["advantages"] + 5.0, message)


def scale_invariant(run: Run, case: Case) -> Mismatch | None:
    """A positive factor changes nothing."""
    message = "advantages of four times the size gave another answer"
    return _moved(run, case, case["advantages"] * 4.0, message)


def moments(run: Run, case: Case) -> Mismatch | None:
    """Mean 0 and mean square 1, up to ddof and eps."""
    got, kept = run(case), case["mask"]
    expected = run.definition(case)
    found = np.array([got[kept].mean(), (got[kept] ** 2).mean()])
    due = np.array([0.0, (expected[kept] ** 2).mean()])
    slack = 8.0 * run.tolerance(case) * (1.0 + due[1])
    if (np.abs(found - due) <= slack).all():
        return None
    message = (
        f"mean 0 and mean square {due[1]:.6g} expected of the kept steps, they are "
        f"{found[0]:.6g} and {found[1]:.6g}"
    )
    return Mismatch(message, case, expected, got, (0, 0))


def poisoned(run: Run, case: Case) -> Mismatch | None:
    """What stands under the mask has no effect."""
    if case["mask"].all():
        return None
    changed = {**case, "advantages": np.where(case["mask"], case["advantages"], 1e4)}
    return run.compare(changed, run(case), "masked advantages changed those of the kept steps")


def constant(where: Domain) -> st.SearchStrategy[Case]:
    """The same number everywhere."""
    return st.tuples(cases(where), st.sampled_from((0.0, 1.0, -3.0, 0.35))).map(
        lambda drawn: {**drawn[0], "advantages": np.full_like(drawn[0]["advantages"], drawn[1])}
    )


def finite(run: Run, case: Case) -> Mismatch | None:
    """A number, whatever its value."""
    got = run(case)
    if np.isfinite(got).all():
        return None
    index = tuple(int(i) for i in np.argwhere(~np.isfinite(got))[0])
    message = f"equal advantages should give finite numbers, they give {got[index]}"
    varied = {"advantages": np.array([[1.0], [2.0], [4.0], [-3.0]]), "mask": np.ones((4, 1), bool)}
    if "mask" in run.fitted.domain:
        varied["mask"][1] = False
    else_right = run.compare(varied, run.definition(varied), message) is None
    suspects = ("constant-divides-by-zero",) if else_right else ()
    return Mismatch(message, case, np.zeros_like(got), got, index, "not-finite", suspects)


def hardly_apart(where: Domain) -> st.SearchStrategy[Case]:
    """Advantages that differ by less than any eps."""
    return cases(where).map(lambda case: {**case, "advantages": case["advantages"] * 2.0**-33})


def order_kept(run: Run, case: Case) -> Mismatch | None:
    """A kept step above the mean does not come out below it."""
    kept, got = case["mask"], run(case)
    away = np.where(kept, case["advantages"] - case["advantages"][kept].mean(), 0.0)
    # Rounding of the mean decides about those that are close to it.
    clear = np.abs(away) > 0.1 * np.abs(away).max()
    wrong = clear & (got * away < 0.0)
    if not wrong.any():
        return None
    message = "advantages above the mean came out negative, or those below it positive"
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Mismatch(message, case, run.definition(case), got, index)


PROPERTIES = (
    Property(
        "zero-mean-unit-deviation",
        "The kept advantages have mean 0 and standard deviation 1.",
        "Better than average becomes positive, worse negative, and the size of the step no longer "
        "depends on the size of the rewards.",
        moments,
    ),
    Property(
        "shift-changes-nothing",
        "The same number added to all advantages changes nothing.",
        "A mean that is not subtracted, or taken of something else, shows here.",
        shift_invariant,
    ),
    Property(
        "scale-changes-nothing",
        "Advantages of four times the size give the same.",
        "The learning rate should not depend on the unit of the reward.",
        scale_invariant,
    ),
    Property(
        "constant-in-finite-out",
        "Equal advantages give finite numbers.",
        "Their standard deviation is 0; without an eps, 0 / 0 is NaN, and one such minibatch ends "
        "the training.",
        finite,
        cases=constant,
    ),
    Property(
        "order-is-kept",
        "What is better than average stays so, however little the advantages differ.",
        "Late in training, or on a constant reward, advantages may differ by less than eps. An eps "
        "that is subtracted from the standard deviation turns all signs round there.",
        order_kept,
        cases=hardly_apart,
    ),
    Property(
        "masked-steps-do-not-count",
        "What stands under the mask has no effect on the kept steps.",
        "Padding that takes part in mean and standard deviation makes the advantages depend on how "
        "long the longest episode is.",
        poisoned,
        needs={"mask": NO_MASK},
    ),
)

SPEC = FunctionContract(
    name="advantage-normalisation",
    title="Normalised advantages",
    explanation=__doc__ or "",
    parameters=(
        ADVANTAGES,
        MASK,
        convention_parameter("ddof", "correction"),
        UNBIASED,
        convention_parameter("eps", "epsilon"),
        convention_parameter("eps_in"),
    ),
    outputs=(Output("advantages", "TB"),),
    oracle=oracle,
    domain=domain,
    cases=cases,
    properties=PROPERTIES,
    faults=FAULTS,
    conventions=(
        Convention("ddof", (1, 0), "the variance divides by n - ddof"),
        Convention("eps", (SMALL, 1e-5, 1e-6, 1e-7, 1e-4), "against a division by 0"),
        Convention("eps_in", ("std", "variance"), "to which of both eps is added"),
    ),
    read=read,
    layouts=(Layout.AS_WRITTEN, Layout.SINGLE),
    tolerance=tolerance,
    words=("normalize_adv", "normalise_adv", "standardize_adv", "whiten", "advantage_norm"),
)
CONTRACT = build(SPEC)
