"""Inputs of the contracts on Gaussian policies: mean, scale in its usual forms, the sample.

Canonical inputs are `mean`, `log_std` and what was drawn from the Gaussian, all [B, D]: `actions`, or
`pre_tanh` where a tanh squashes it to give the action.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.models import Run
from property_tests.framework.records import Array, Case, Domain, Mismatch, Model, Property
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter

LOG_TWO_PI = float(np.log(2.0 * np.pi))

MEAN = Parameter(
    "mean",
    "BD",
    "mean of the Gaussian",
    aliases=("mu", "means", "mus", "loc", "action_mean", "mean_actions", "m"),
)
LOG_STD = Parameter(
    "log_std",
    "BD",
    "logarithm of the standard deviation",
    aliases=(
        "log_stds",
        "logstd",
        "logstds",
        "log_sigma",
        "log_scale",
        "action_logstd",
        "action_log_std",
        "ls",
    ),
)
SCALES = (
    LOG_STD,
    Parameter(
        "std",
        "BD",
        "standard deviation",
        make=lambda facts: np.exp(facts["log_std"]),
        aliases=("stds", "sigma", "sigmas", "scale", "stddev", "std_dev", "action_std", "s"),
    ),
    Parameter(
        "variance",
        "BD",
        "squared standard deviation",
        make=lambda facts: np.exp(2.0 * facts["log_std"]),
        aliases=("var", "vars", "sigma_squared", "sigma2", "cov", "action_var"),
    ),
    Parameter(
        "log_variance",
        "BD",
        "logarithm of the squared standard deviation",
        make=lambda facts: 2.0 * facts["log_std"],
        aliases=("log_var", "logvar", "logvars", "log_vars"),
    ),
)
ACTION_ALIASES = ("action", "act", "acts", "a", "x", "value", "values", "samples")


def domain(*samples: str) -> Callable[[frozenset[str], Facts], frozenset[str]]:
    """Capabilities of a function that takes mean, a scale and one of `samples`.

    `batch`, and the name of each of `samples` that it takes.
    """
    scales = {scale.name for scale in SCALES}

    def capabilities(names: frozenset[str], conventions: Facts) -> frozenset[str]:
        for needed in ({"mean"}, scales, set(samples)):
            if not needed & names:
                one = min(needed, key=lambda name: (name not in ("log_std", "actions"), name))
                raise BindingError(
                    f"the function does not take `{one}`, without which the answer is not "
                    f"determined; say with --bind {one}=PARAMETER which parameter means it"
                )
        return frozenset({"batch"} | (set(samples) & names))

    return capabilities


_MEANS = st.integers(-4, 4).map(lambda k: k / 4)
_LOG_STDS = st.sampled_from((-0.5, 0.5, -1.0, 0.25, -1.5, 1.0, 0.0))


def cases(sample: str, largest: float) -> Callable[[Domain], st.SearchStrategy[Case]]:
    """A few states of up to three dimensions.

    Args:
        sample: name of what was drawn.
        largest: largest absolute value of it.
    """
    steps = int(4 * largest)
    drawn = st.integers(-steps, steps).map(lambda k: k / 4)

    def batches(where: Domain) -> st.SearchStrategy[Case]:
        most = 4 if "batch" in where else 1

        def rows(dimensions: int) -> st.SearchStrategy[list[Any]]:
            one = st.tuples(_MEANS, _LOG_STDS, drawn)
            row = st.lists(one, min_size=dimensions, max_size=dimensions)
            return st.lists(row, min_size=1, max_size=most)

        return st.integers(1, 3).flatmap(rows).map(lambda found: _case(found, sample))

    return batches


def _case(rows: list[Any], sample: str) -> Case:
    mean, log_std, drawn = np.moveaxis(np.array(rows), 2, 0).copy()
    return {"mean": mean, "log_std": log_std, sample: drawn}


def log_density(mean: Array, log_std: Array, sample: Array) -> Array:
    """log N(sample; mean, std) of every dimension [B, D]."""
    z = (sample - mean) / np.exp(log_std)
    return -0.5 * z**2 - log_std - 0.5 * LOG_TWO_PI


def rounding(mean: Array, log_std: Array, sample: Array, epsilon: float) -> float:
    """Rounding of a sum of squares of (sample - mean) / std, and of their gradients."""
    z = np.abs(sample - mean) / np.exp(log_std)
    size = 1.0 + np.abs(sample).max() + np.abs(mean).max()
    steepest = max(1.0, float(np.exp(-2.0 * log_std).max()))
    return float(64.0 * epsilon * z.shape[1] * (1.0 + z.max() ** 2) * size * steepest)


def _dimensions_add_up(run: Run, case: Case) -> Mismatch | None:
    parts = [
        run({name: value[:, d : d + 1] for name, value in case.items()})
        for d in range(case["mean"].shape[1])
    ]
    message = "the dimensions are independent: their log-probabilities should add up"
    return run.compare(case, np.sum(parts, axis=0), message)


def additivity() -> Property:
    """Dimensions are independent."""
    return Property(
        "dimensions-add-up",
        "The log-probability of D dimensions is the sum of those of each dimension.",
        "A mean over the dimensions, or a term that is counted once for all of them, makes ratios "
        "depend on the size of the action.",
        _dimensions_add_up,
    )


def few_policies(where: Domain) -> st.SearchStrategy[Case]:
    """One-dimensional policies to integrate over."""
    return st.sampled_from(
        [{"mean": m, "log_std": s} for m in (0.0, 0.5, -0.25) for s in (-0.5, -1.0)]
    )


def integral(run: Run, policy: Case, sample: str, slope: Callable[[Array], Array]) -> Any:
    """(inputs, subject's integral, definition's) of exp(answer) over one dimension.

    The trapezoid rule on +-8 standard deviations is exact to rounding for a Gaussian.

    Args:
        policy: one mean and one log_std.
        sample: name of what was drawn.
        slope: d(action) / d(sample).
    """
    std = np.exp(policy["log_std"])
    grid = policy["mean"] + std * np.linspace(-8.0, 8.0, 97)
    rows = len(grid) if "batch" in run.fitted.domain else 1
    own = due = 0.0
    for start in range(0, len(grid), rows):
        drawn = grid[start : start + rows, None]
        case = {name: np.full_like(drawn, value) for name, value in policy.items()}
        case[sample] = drawn
        width = slope(drawn[:, 0]) * std / 6.0
        own += np.exp(run(case)) @ width
        due += np.exp(run.definition(case)) @ width
    return case, np.array(own), np.array(due)


def integration(sample: str, slope: Callable[[Array], Array]) -> Property:
    """The density integrates to 1.

    Args:
        sample, slope: as in `integral`.
    """

    def holds(run: Run, policy: Case) -> Mismatch | None:
        case, own, due = integral(run, policy, sample, slope)
        slack = 100.0 * run.tolerance(case)
        if abs(own - due) <= slack:
            return None
        message = f"the density should integrate to {due:.6g} over all actions, it gives {own:.6g}"
        one = {name: np.full((1, 1), value) for name, value in policy.items()}
        return Mismatch(message, {**one, sample: one["mean"]})

    return Property(
        "integrates-to-one",
        "The density integrates to 1 over all actions.",
        "Found by summing exp(log p) over a grid of actions of one dimension. A missing normaliser, "
        "a wrong power of the standard deviation or a missing change of variables all show here, "
        "without any formula to compare with.",
        holds,
        cases=few_policies,
    )


Terms = Callable[[Array, Array, Array], Array]


def model(sample: str, change: Terms) -> Model:
    """A wrong version from a function of (mean, log_std, sample), by the contract's names."""

    def of_actions(mean: Array, log_std: Array, actions: Array) -> Array:
        return change(mean, log_std, actions)

    def of_pre_tanh(mean: Array, log_std: Array, pre_tanh: Array) -> Array:
        return change(mean, log_std, pre_tanh)

    return of_actions if sample == "actions" else of_pre_tanh
