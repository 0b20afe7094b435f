"""The critic's loss: squared errors of its values, optionally with PPO's pessimistic clipping.

    L         = factor * mean_i((V_i - G_i)^2)
    L clipped = factor * mean_i(max((V_i - G_i)^2, (V_old_i + clip(V_i - V_old_i, +-eps) - G_i)^2))

Faulty versions stand in `value_loss_faults.py`.

References: Schulman et al. 2016, arXiv:1506.02438, eq. 28; clipping: Engstrom et al. 2020,
arXiv:2005.12729, section 3.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import losses, masked_steps
from property_tests.framework.gradients import (
    LOSS,
    NO_GRADIENT,
    build_loss,
    compare_gradient,
    gradient_agreement,
    with_gradients,
)
from property_tests.framework.models import Run
from property_tests.framework.records import (
    Array,
    Case,
    Convention,
    Domain,
    FunctionContract,
    Mismatch,
    Model,
    Property,
)
from property_tests.value_loss_faults import FAULTS, MASK_FAULTS
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter

CLIPPED = Parameter(
    "clipped",
    meaning="whether to clip",
    # A function that can clip is asked to, even where the plain loss is being tried.
    make=lambda facts: facts["clipped"] or "old_values" in facts["bound"],
    aliases=("clip_vloss",),
)
NO_CLIPPING = "it takes no `old_values` and `clip_epsilon`: it does not clip"


def oracle(
    values: Array,
    returns: Array,
    old_values: Array,
    clip_epsilon: float,
    factor: float = 0.5,
    clipped: bool = False,
) -> tuple[Array, Array]:
    """The loss and its gradient with respect to the values, row by row."""
    loss, gradient = 0.0, np.zeros_like(values)
    for i in range(len(values)):
        error, slope = (values[i] - returns[i]) ** 2, 2.0 * (values[i] - returns[i])
        move = values[i] - old_values[i]
        if clipped and abs(move) > clip_epsilon:
            near = old_values[i] + np.sign(move) * clip_epsilon
            if (near - returns[i]) ** 2 > error:
                error, slope = (near - returns[i]) ** 2, 0.0
        loss += factor * error / len(values)
        gradient[i] = factor * slope / len(values)
    return np.array(loss), gradient


def compressed(model: Model, mask: Array, steps: str, inputs: dict[str, Any]) -> Any:
    """The loss of the rows that count; their sum by the number of all rows, where those count."""
    kept = {name: value[mask] if np.ndim(value) else value for name, value in inputs.items()}
    share = mask.mean() if steps == masked_steps.COUNTED else 1.0
    returned = model(**kept)
    if not isinstance(returned, tuple):
        return share * returned
    gradient = np.zeros(mask.shape)
    gradient[mask] = returned[1]
    return share * returned[0], share * gradient


def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """`clipping` and `mask` where the function is given what it needs for it."""
    losses.require(names, "values", "returns")
    both = {"old_values", "clip_epsilon"}
    if len(both & names) == 1:
        given, missing = both & names, both - names
        raise BindingError(
            f"the function takes `{given.pop()}` and not `{missing.pop()}`, which belong together; "
            f"say with --bind which parameter means the other, or wrap it to leave clipping out"
        )
    return frozenset({"clipping"} if both <= names else ()) | frozenset({"mask"} & names)


def from_moves(drawn: dict[str, Array]) -> dict[str, Array]:
    """Values and returns from their distance to the old values."""
    old = drawn["old_values"]
    return {
        "values": old + drawn["move"],
        "returns": old + drawn["target"],
        "old_values": old,
    }


def row_gradient(run: Run, case: Case) -> Mismatch | None:
    """Where nothing is clipped, 2 * factor * (V - G) / N."""
    inside = {**case, "old_values": case["values"]}
    factor = run.fitted.conventions["factor"]
    expected = 2.0 * factor * (case["values"] - case["returns"]) / len(case["values"])
    message = "the gradient of a row should be 2 * factor * (V - G) / N"
    return compare_gradient(run, inside, expected, message)


def at_the_target(run: Run, case: Case) -> Mismatch | None:
    """No error, no loss."""
    there = {**case, "values": case["returns"], "old_values": case["returns"]}
    return run.compare(there, np.zeros(()), "values that equal the returns should give a loss of 0")


def mirrored(run: Run, case: Case) -> Mismatch | None:
    """Errors count alike in both directions."""
    other = {n: -v if np.ndim(v) and n != "mask" else v for n, v in case.items()}
    message = "values and returns of the opposite sign should give the same loss"
    return run.compare(other, run(case), message)


def shifted(run: Run, case: Case) -> Mismatch | None:
    """Only differences count."""
    moved = {n: v + 2.0 if np.ndim(v) and n != "mask" else v for n, v in case.items()}
    message = "the same constant added to values and returns should leave the loss as it was"
    return run.compare(moved, run(case), message)


def pessimistic(run: Run, case: Case) -> Mismatch | None:
    """Clipping never lowers the loss."""
    plain = run.fitted.conventions["factor"] * ((case["values"] - case["returns"]) ** 2).mean()
    got = run(case)
    message = "a clipped value loss is never below the plain one"
    return run.compare(case, np.maximum(got, plain), message, got=got)


def far_moves(where: Domain) -> st.SearchStrategy[Case]:
    """Rows on which every fault shows, far beyond the clip."""
    case = {
        "values": np.array([1.5, -3.5, 4.1, 0.5, 2.5, 1.5]),
        "returns": np.array([1.0, -5.0, 3.0, -2.0, 4.0, 0.2]),
        "old_values": np.array([0.0, -2.0, 4.0, 1.0, 1.0, 0.0]),
        "clip_epsilon": 0.2,
    }
    return st.just(case)


def clipping_matters(run: Run, case: Case) -> Mismatch | None:
    """A clip that is taken is used."""
    if run.fitted.conventions["clipped"] or run.compare(case, run.definition(case), "") is not None:
        return None  # it clips, or is wrong in another way, which other properties show
    message = "the function takes `old_values` and `clip_epsilon`, and its answers are unclipped"
    return Mismatch(message, case, suspects=("clip-ignored",))


CASES = losses.rows(
    {
        # The kinks, |V - V_old| = eps and equal errors of both, are far from all of these.
        "move": (0.0, 0.5, -0.5, 0.1, -0.1, 1.5, -1.5),
        "target": (1.0, -1.0, 0.25, -0.25, 0.6, 3.0, -2.0, 0.0),
        "old_values": (0.0, 1.0, -2.0, 4.0),
    },
    from_moves,
    {"clip_epsilon": (0.2, 0.3, 1.0)},
)

PLAIN = (
    Property(
        "gradient-is-the-error",
        "The gradient of a row is 2 * factor * (V - G) / N.",
        "Each value moves towards its own return, in proportion to its own error.",
        row_gradient,
        needs={"output gradient": NO_GRADIENT},
    ),
    Property(
        "no-error-no-loss",
        "Values that equal the returns give a loss of 0.",
        "A minimum anywhere else is a biased critic.",
        at_the_target,
    ),
    Property(
        "errors-count-alike-in-both-directions",
        "Values and returns of the opposite sign give the same loss.",
        "A squared error knows no direction; a loss that does makes the critic over- or "
        "underestimate.",
        mirrored,
    ),
    Property(
        "only-differences-count",
        "The same constant added to values and returns leaves the loss as it was.",
        "Clipping to a fixed range or relative errors make the loss depend on where the values lie.",
        shifted,
    ),
    Property(
        "clipping-is-pessimistic",
        "A clipped value loss is never below the plain one.",
        "The maximum of both errors is a bound from above. With the minimum, or the clipped error "
        "alone, a value that has run away from its target has no gradient back.",
        pessimistic,
        needs={"clipping": NO_CLIPPING},
    ),
    Property(
        "clipping-matters",
        "An `old_values` and `clip_epsilon` that the function takes have an effect.",
        "An option that is accepted and ignored is worse than none.",
        clipping_matters,
        cases=far_moves,
        needs={"clipping": NO_CLIPPING},
    ),
    losses.order_independence(),
    losses.batch_size(),
    losses.column_agreement("rows-crossed"),
    gradient_agreement(),
)

PROPERTIES = (
    *masked_steps.where_all_count(PLAIN, CASES, "values"),
    masked_steps.content(("values", "returns", "old_values")),
)

SPEC = FunctionContract(
    name="value-loss",
    title="Value loss",
    explanation=__doc__ or "",
    parameters=(
        Parameter(
            "values",
            "B",
            "V(s)",
            aliases=("value", "newvalue", "new_values", "values_pred", "predictions", "v", "vpred"),
        ),
        Parameter(
            "returns", "B", "targets", aliases=("return_", "targets", "target", "value_targets")
        ),
        Parameter("old_values", "B", "V(s) when acting", aliases=("old_value", "old_vpred")),
        Parameter(
            "clip_epsilon",
            meaning="how far V may move unpunished",
            aliases=(*losses.CLIP_ALIASES, "clip_range_vf", "vf_clip", "value_clip"),
        ),
        losses.convention_parameter("factor"),
        CLIPPED,
        masked_steps.mask_parameter("B"),
        losses.convention_parameter("masked_steps"),
    ),
    outputs=LOSS,
    oracle=masked_steps.masked(oracle, compressed),
    domain=domain,
    cases=masked_steps.some_masked(CASES, "values"),
    properties=PROPERTIES,
    faults=with_gradients(
        (*masked_steps.masked_faults(FAULTS, compressed), *MASK_FAULTS), "values"
    ),
    conventions=(
        Convention(
            "clipped",
            (False, True),
            "whether the movement of the values is clipped",
            only=lambda names: "old_values" in names,
        ),
        Convention("factor", (0.5, 1.0), "of the squared error"),
        masked_steps.STEPS,
    ),
    layouts=losses.LAYOUTS,
    tolerance=losses.loss_tolerance,
    words=("value_loss", "critic_loss", "vf_loss", "v_loss"),
)
CONTRACT = build_loss(SPEC, "values")
