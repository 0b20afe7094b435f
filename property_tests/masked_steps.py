"""A mask on contracts that know none: which steps count, and what becomes of those that do not.

    skipped   a masked step is as if it were not there: the answer is that of the compressed data
    counted   it is a step like any other whose numbers are 0

A model without a mask (an oracle, a faulty version) is turned into one with it here; the properties
of the contract go on to be tried where every step counts.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FaultyVersion,
    Mismatch,
    Model,
    Property,
)
from rlcheck.functions.binding import Parameter

Strategy = Callable[[Domain], st.SearchStrategy[Case]]
NAMES = ("response_mask", "action_mask", "loss_mask", "completion_mask", "valid_mask", "token_mask")
NO_MASK = "it takes no mask, or not one that settles which steps count"
SKIPPED, COUNTED = "skipped", "counted"
STEPS = Convention(
    "masked_steps",
    (SKIPPED, COUNTED),
    "skipped: as if they were not there; counted: steps whose numbers are 0",
    only=lambda names: "mask" in names,
)


def mask_parameter(axes: str) -> Parameter:
    """The mask of a contract whose data have these axes."""
    return Parameter("mask", axes, "true where the step counts", aliases=NAMES, flags=True)


def masked(model: Model, apply: Callable[..., Any]) -> Model:
    """The model with `mask` and `masked_steps` beside its own parameters.

    Args:
        model: right (or wrong) where every step counts.
        apply: (model, mask, masked_steps, inputs) -> its outputs where some do not.
    """

    @functools.wraps(model)
    def with_mask(mask: Array, masked_steps: str, **inputs: Any) -> Any:
        return model(**inputs) if mask.all() else apply(model, mask, masked_steps, inputs)

    names = [*inspect.signature(model).parameters, "mask", "masked_steps"]
    kind = inspect.Parameter.KEYWORD_ONLY
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    with_mask.__signature__ = signature  # type: ignore[attr-defined]
    return with_mask


def masked_faults(
    faults: Sequence[FaultyVersion], apply: Callable[..., Any]
) -> tuple[FaultyVersion, ...]:
    """Faulty versions with a mask."""
    return tuple(
        replace(
            fault,
            model=masked(fault.model, apply),
            variants=tuple(masked(model, apply) for model in fault.variants),
        )
        for fault in faults
    )


def unmasked(cases: Strategy, of: str) -> Strategy:
    """The same inputs with a mask, like the input `of` in shape, that is true everywhere."""
    return lambda domain: cases(domain).map(
        lambda case: {**case, "mask": np.ones(np.shape(case[of]), bool)}
    )


def some_masked(cases: Strategy, of: str) -> Strategy:
    """The same inputs with a mask that leaves some steps out, where the function takes one."""

    def strategy(domain: Domain) -> st.SearchStrategy[Case]:
        if "mask" not in domain:
            return unmasked(cases, of)(domain)
        pattern = st.tuples(*[st.sampled_from((True, True, False))] * 18)
        return st.tuples(cases(domain), pattern).map(
            lambda drawn: _with_pattern(drawn[0], drawn[1], of)
        )

    return strategy


def _with_pattern(case: Case, pattern: tuple[bool, ...], of: str) -> dict[str, Any]:
    shape = np.shape(case[of])
    mask = np.resize(np.array(pattern), shape)
    mask[0] |= ~mask.any(axis=0)
    return {**case, "mask": mask}


def where_all_count(
    properties: Sequence[Property], cases: Strategy, of: str
) -> tuple[Property, ...]:
    """The properties of a contract without a mask, tried where every step counts."""
    plain = unmasked(cases, of)
    return tuple(
        replace(prop, cases=plain if prop.cases is None else unmasked(prop.cases, of))
        for prop in properties
    )


def content(names: Sequence[str]) -> Property:
    """Numbers at masked steps have no effect."""

    def holds(run: Run, case: Case) -> Mismatch | None:
        # Not the same shift for all, or their differences would stay.
        other = {
            name: np.where(case["mask"], case[name], case[name] + 7.0 * number)
            for number, name in enumerate(names, start=1)
        }
        message = "other numbers at masked steps changed the answer"
        where = case["mask"] if run.contract.outputs[0].axes else None
        changed = {**case, **other}
        return run.compare(changed, run(case), message, got=run(changed), where=where)

    return Property(
        "masked-steps-do-not-count",
        "Numbers at masked steps have no effect.",
        "Masked steps are padding, prompts or what a tool returned: no action of the policy. If "
        "they count, an answer depends on its neighbours in the batch.",
        holds,
        needs={"mask": NO_MASK},
        references=("https://github.com/volcengine/verl/commit/aa11dd19b3a3",),
    )
