"""Inputs of the contracts on categorical policies: logits, actions taken, permitted actions.

Canonical inputs are `logits` [B, A], `actions` [B] and `mask` [B, A], True where an action is
permitted. At least one action of a state is permitted, and the action taken is.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.models import Run
from property_tests.framework.records import Array, Case, Convention, Domain, Mismatch, Property
from property_tests.losses import convention_parameter
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter

NO_MASK = "it takes no mask of permitted actions"
NO_LOGITS = "it takes probabilities, which are normalised already"

LOGITS = Parameter(
    "logits",
    "BA",
    "unnormalised log-probabilities",
    aliases=(
        "logit",
        "action_logits",
        "policy_logits",
        "scores",
        "action_scores",
        "preferences",
        "outputs",
        "x",
    ),
)
ACTIONS = Parameter(
    "actions",
    "B",
    "index of the action taken",
    aliases=(
        "action",
        "act",
        "acts",
        "a",
        "action_indices",
        "indices",
        "index",
        "taken",
        "chosen",
        "chosen_actions",
        "labels",
    ),
)
MASK = Parameter(
    "mask",
    "BA",
    "true where an action is permitted",
    aliases=(
        "action_mask",
        "action_masks",
        "masks",
        "legal_actions",
        "legal_actions_mask",
        "legal_mask",
        "legal",
        "valid_actions",
        "valid_mask",
        "valid",
        "available_actions",
        "avail_actions",
        "permitted",
        "allowed",
    ),
    flags=True,
)


def _probabilities(facts: Facts) -> Array:
    return np.exp(log_softmax(facts["logits"], facts["mask"]))


def _one_hot(facts: Facts) -> Array:
    return np.eye(facts["logits"].shape[1])[facts["actions"]]


PARAMETERS = (
    LOGITS,
    ACTIONS,
    MASK,
    Parameter(
        "forbidden",
        "BA",
        "true where an action is not permitted",
        make=lambda facts: ~facts["mask"],
        aliases=("invalid_actions", "invalid_mask", "illegal_actions", "illegal", "forbidden_mask"),
        flags=True,
    ),
    Parameter(
        "probabilities",
        "BA",
        "softmax of the logits",
        make=_probabilities,
        aliases=("probs", "prob", "action_probs", "action_probabilities", "pi", "p"),
    ),
    Parameter(
        "one_hot_actions",
        "BA",
        "1 at the action taken, 0 elsewhere",
        make=_one_hot,
        aliases=("actions_one_hot", "onehot_actions", "actions_onehot", "action_one_hot", "onehot"),
    ),
    convention_parameter("guard", "eps", "epsilon"),
)

GUARD = Convention(
    "guard",
    (0.0, 1e-8, 1e-10),
    "added to a probability before its logarithm is taken",
)


def log_softmax(logits: Array, mask: Array) -> Array:
    """log p(a|s) of every action, -inf where it is not permitted."""
    kept = np.where(mask, logits, -np.inf)
    largest = kept.max(axis=1, keepdims=True)
    return kept - largest - np.log(np.exp(kept - largest).sum(axis=1, keepdims=True))


def domain(*, actions: bool) -> Callable[[frozenset[str], Facts], frozenset[str]]:
    """Capabilities `batch`, `mask`, `logits` of a function; `actions` where it must take them."""

    def capabilities(names: frozenset[str], conventions: Facts) -> frozenset[str]:
        if not {"logits", "probabilities"} & names:
            raise BindingError(_missing("logits"))
        if actions and not {"actions", "one_hot_actions"} & names:
            raise BindingError(_missing("actions"))
        can = {"batch"}
        if {"mask", "forbidden", "probabilities"} & names:
            can |= {"mask"}
        return frozenset(can | ({"logits"} & names))

    return capabilities


def _missing(name: str) -> str:
    return (
        f"the function does not take `{name}`, without which the answer is not determined; "
        f"say with --bind {name}=PARAMETER which parameter means it"
    )


NUMBERS = st.integers(-6, 6).map(lambda k: k / 2)


def cases(where: Domain) -> st.SearchStrategy[Case]:
    """A few states of up to four actions; one state where the function takes one at a time."""
    most = 4 if "batch" in where else 1

    def rows(actions: int) -> st.SearchStrategy[list[tuple[list[float], int, int]]]:
        row = st.tuples(
            st.lists(NUMBERS, min_size=actions, max_size=actions),
            st.integers(0, actions - 1),
            st.integers(0, 2**actions - 1) if "mask" in where else st.just(0),
        )
        return st.lists(row, min_size=1, max_size=most)

    return st.integers(2, 4).flatmap(rows).map(_case)


def _case(rows: list[tuple[list[float], int, int]]) -> Case:
    logits, actions = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    bits = np.array([row[2] for row in rows])[:, None] >> np.arange(logits.shape[1]) & 1
    mask = bits == 0
    mask[np.arange(len(rows)), actions] = True
    return {"logits": logits, "actions": actions, "mask": mask}


def tolerance(case: Case, epsilon: float) -> float:
    """Rounding of a sum of exponentials and of its logarithm, relative to the largest logit."""
    return float(64.0 * epsilon * (1.0 + np.abs(case["logits"]).max()))


def _shifted(run: Run, case: Case) -> Mismatch | None:
    moved = {**case, "logits": case["logits"] + 3.0}
    return run.compare(moved, run(case), "the same number added to all logits changed the answer")


def shift_invariance() -> Property:
    """A constant added to all logits of a state changes nothing."""
    return Property(
        "shift-of-the-logits-changes-nothing",
        "The same number added to all logits of a state changes nothing.",
        "softmax depends on differences only.",
        _shifted,
        needs={"logits": NO_LOGITS},
    )


def _far_away(where: Domain) -> st.SearchStrategy[Case]:
    """The same batches a thousand higher or lower: exp() of either is no longer a number."""
    return st.tuples(cases(where), st.sampled_from((1000.0, -1000.0))).map(
        lambda drawn: {**drawn[0], "logits": drawn[0]["logits"] + drawn[1]}
    )


def _large(run: Run, case: Case) -> Mismatch | None:
    got = run(case)
    message = "logits of the size of 1000 should give what the same logits near 0 give"
    found = run.compare(case, run.definition(case), message, got=got)
    if found is None or np.isfinite(got).all():
        return found
    near = {**case, "logits": case["logits"] - 1000.0 * np.sign(case["logits"])}
    right_near_zero = run.compare(near, run.definition(near), message) is None
    return found._replace(suspects=("softmax-overflows",) if right_near_zero else ())


def large_logits_are_finite() -> Property:
    """Only differences between logits count, however large the logits."""
    return Property(
        "large-logits-are-finite",
        "Logits near 1000 or -1000 give what the same logits near 0 give.",
        "exp(1000) is infinite: a softmax without its largest logit subtracted turns into NaN, and "
        "with it every parameter of the network.",
        _large,
        cases=_far_away,
        needs={"logits": NO_LOGITS},
    )
