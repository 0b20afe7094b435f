"""Properties that every return and advantage on rollouts has, whatever its formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests import rollouts
from property_tests.framework.models import Run
from property_tests.framework.records import Array, Case, Domain, Mismatch, Property

DATA = ("rewards", "values", "next_values")


def _after_first(ends: Array) -> Array:
    """Steps after the first end of their column."""
    ended = np.cumsum(ends, axis=0) > 0
    return np.concatenate([np.zeros_like(ended[:1]), ended[:-1]])


def _shifted(case: Case, where: Array) -> dict[str, Any]:
    """The case with other rewards and values at some steps, V(s_{t+1}) consistent with V(s_t)."""
    changed = {**case, "rewards": case["rewards"] + 3.0 * where}
    for name in DATA[1:]:
        if name in case:
            changed[name] = case[name] + 5.0 * where
    return changed


def _unmoved(run: Run, case: Case, where: Array, message: str) -> Mismatch | None:
    """The answer at steps outside `where` is the same after the data inside have changed."""
    if not where.any() or where.all():
        return None
    changed = _shifted(case, where)
    return run.compare(changed, run(case), message, where=~where)


def _after_terminal(run: Run, case: Case) -> Mismatch | None:
    ends = case["terminated"] | case["truncated"]
    first = np.cumsum(ends, axis=0) == 1
    # Columns whose first end is terminal; the other kind has a property of its own.
    terminal = (first & ends & case["terminated"]).any(axis=0)
    message = "rewards and values after a terminal step changed an answer before it"
    return _unmoved(run, case, _after_first(ends) & terminal, message)


def episode_independence() -> Property:
    """Nothing crosses a terminal step."""
    return Property(
        "episodes-are-independent",
        "Nothing up to a terminal step depends on anything after it.",
        "The rollout goes on with another episode after the end of one. A trace that is not cut "
        "credits an action with what a later episode did: noise at best, a bias in general.",
        _after_terminal,
        needs={"termination": rollouts.NO_TERMINATION},
    )


def _after_truncation(run: Run, case: Case) -> Mismatch | None:
    ends = case["terminated"] | case["truncated"]
    first = np.cumsum(ends, axis=0) == 1
    cut = (first & ends & ~case["terminated"]).any(axis=0)
    message = "rewards and values after a truncated step changed an answer before it"
    return _unmoved(run, case, _after_first(ends) & cut, message)


def truncation_cut() -> Property:
    """Nothing crosses a truncated step."""
    return Property(
        "truncation-cuts-the-trace",
        "Nothing up to a truncated step depends on anything after its reset.",
        "What follows a time limit in the rollout is another episode. The bootstrap value stands "
        "for the rest of this one; the trace ends here.",
        _after_truncation,
        needs={
            "truncation": rollouts.NO_TRUNCATION,
            "next-values": "it takes no `next_values`: after a time limit inside the rollout it "
            "cannot know the value of the last state before the reset, so episodes that are cut "
            "inside a rollout are wrong whatever it does",
        },
        references=("https://arxiv.org/abs/1712.00378",),
    )


def _other_columns(run: Run, case: Case) -> Mismatch | None:
    columns = case["rewards"].shape[1]
    where = np.broadcast_to(np.arange(columns) > 0, case["rewards"].shape)
    return _unmoved(run, case, where, "other columns changed an answer in this one")


def column_independence() -> Property:
    """Columns are separate environments."""
    return Property(
        "columns-are-independent",
        "The answer for one environment does not depend on the others.",
        "Reductions over the wrong axis, flags of one environment applied to all, or a batch that "
        "is flattened the wrong way mix trajectories that have nothing to do with each other.",
        _other_columns,
        needs={"batch": rollouts.NO_BATCH},
    )


def credit(decay: Callable[[Case], float]) -> Property:
    """A reward reaches the steps before it.

    Args:
        decay: weight that a reward loses with each step back.
    """

    def holds(run: Run, case: Case) -> Mismatch | None:
        rewards = case["rewards"].copy()
        rewards[-1] += 1.0
        ends = case["terminated"] | case["truncated"]
        steps = len(rewards)
        back = np.arange(steps)[::-1]
        # An end between the two steps keeps the reward from reaching back.
        clear = np.concatenate([np.cumsum(ends[:-1][::-1], axis=0)[::-1] == 0, ends[-1:] >= 0])
        expected = run(case) + float(decay(case)) ** back[:, None] * clear
        message = "one more reward at the last step did not reach the steps before it as it should"
        return run.compare({**case, "rewards": rewards}, expected, message)

    return Property(
        "reward-reaches-earlier-steps",
        "A reward counts at its own step in full and fades backwards, no further than its episode.",
        "With one unit more at the last step the answer k steps before grows by the k-th power of "
        "the decay. The reward of a terminal step is no exception: in many tasks it is the only "
        "one.",
        holds,
    )


def _scaled(run: Run, case: Case) -> Mismatch | None:
    doubled = {**case, **{name: 2.0 * case[name] for name in DATA if name in case}}
    message = "rewards and values twice as large should make the answer twice as large"
    return run.compare(doubled, 2.0 * run(case), message)


def scaling() -> Property:
    """The answer is linear in rewards and values."""
    return Property(
        "scales-with-its-inputs",
        "Rewards and values twice as large make the answer twice as large.",
        "Normalising, clipping or adding a constant inside the function breaks it. Normalisation "
        "belongs to the batch on which the loss is computed, not to the advantages of a rollout.",
        _scaled,
    )


def long_rollouts(gamma: float, hypers: Mapping[str, float]) -> Property:
    """The definition holds at production length too."""

    def cases(domain: Domain) -> st.SearchStrategy[Case]:
        chosen = {n: dict(domain.fixed).get(n, v) for n, v in {"gamma": gamma, **hypers}.items()}
        return st.sampled_from([0, 1, 2]).map(
            lambda seed: {**rollouts.long_rollout(seed, domain), **chosen}
        )

    def holds(run: Run, case: Case) -> Mismatch | None:
        return run.compare(case, run.definition(case), "the answer departs in a long rollout")

    return Property(
        "long-rollouts",
        "The answer is right for 150 steps with many ends as well.",
        "Vectorised forms divide by powers of the discount or take exponentials of sums of "
        "logarithms: right for five steps, underflowing at rollout length.",
        holds,
        cases=cases,
        references=("https://github.com/simonsays1980/rl-triton/pull/3",),
    )
