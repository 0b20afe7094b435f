"""Batches of transitions as contracts on one-step targets see them, and what all targets share.

Every target is reward plus discounted value of what follows, y = r + gamma * (1 - terminated) * v,
and contracts differ in v only. So vocabulary, domain, inputs, properties and the faults that do not
look into v stand here; a contract adds v, its own properties and the faults in v.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.generic import sensitivity
from property_tests.framework.models import Run, evaluate
from property_tests.framework.records import (
    Array,
    Case,
    Domain,
    FaultyVersion,
    Mismatch,
    Model,
    Property,
)
from property_tests.rollouts import (
    GAMMAS,
    NO_TERMINATION,
    NO_TRUNCATION,
    TERMINATED_NAMES,
    TRUNCATED_NAMES,
    require,
)
from rlcheck.functions.binding import Facts, Parameter
from rlcheck.functions.layouts import Layout

LAYOUTS = (Layout.AS_WRITTEN, Layout.COLUMN, Layout.SINGLE)
_LIMITS = "https://arxiv.org/abs/1712.00378"

REWARDS = Parameter("rewards", "B", "r", aliases=("reward", "rews", "rew", "r"))
TERMINATED = Parameter(
    "terminated",
    "B",
    "the step ended the episode",
    aliases=TERMINATED_NAMES,
    flags=True,
)
TRUNCATED = Parameter(
    "truncated",
    "B",
    "the step was the last one for an outside reason",
    aliases=TRUNCATED_NAMES,
    flags=True,
)
DONES = Parameter(
    "dones",
    "B",
    "either flag",
    make=lambda facts: facts["terminated"] | facts["truncated"],
    aliases=("done", "done_flags", "ends", "d"),
    flags=True,
)
NOT_DONES = Parameter(
    "not_dones",
    "B",
    "1 where the step is not the last of its episode",
    make=lambda facts: ~(facts["terminated"] | facts["truncated"]),
    aliases=("not_done", "nonterminals", "nonterminal", "non_terminal", "masks", "mask"),
    flags=True,
)
DISCOUNTS = Parameter(
    "discounts",
    "B",
    "gamma, or 0 where the step ended the episode",
    make=lambda facts: facts["gamma"] * ~(facts["terminated"] | facts["truncated"]),
    aliases=("discount_t", "discounts_t"),
    carries=("gamma",),
)
GAMMA = Parameter("gamma", "", "discount", aliases=("discount", "discount_factor"), hyper=True)
FLAGS = (TERMINATED, TRUNCATED, DONES, NOT_DONES, DISCOUNTS)


def transition_domain(
    *needed: str,
) -> Callable[[frozenset[str], Facts], frozenset[str]]:
    """Capabilities `termination`, `truncation`, `both-flags`, `batch` of a function of `needed`."""

    def domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
        require(names, "rewards", *needed)
        can, merged = {"batch"}, bool({"dones", "not_dones", "discounts"} & names)
        if "terminated" in names or merged:
            can |= {"termination"}
        # A one-step target does not depend on `truncated`; a merged flag hides `terminated`.
        if "terminated" in names or (merged and "truncated" in names):
            can |= {"truncation"}
        if "terminated" in names:
            can |= {"both-flags"}
        return frozenset(can)

    return domain


NUMBERS = st.integers(-8, 8).map(lambda k: k / 2)
Row = Callable[[int], Mapping[str, st.SearchStrategy[Any]]]


def action_values(name: str) -> Row:
    """A row `[A]` of action values."""
    return lambda actions: {name: st.tuples(*[NUMBERS] * actions)}


def transitions(
    row: Row, hypers: Mapping[str, tuple[float, ...]] | None = None
) -> Callable[[Domain], st.SearchStrategy[Case]]:
    """The strategy of a contract on transitions: a list of rows with round numbers.

    Args:
        row: number of actions -> what a row holds beside reward and flags.
        hypers: hyper-parameters beside gamma, and the values to try.
    """
    varied = {"gamma": GAMMAS, **(hypers or {})}

    def cases(domain: Domain) -> st.SearchStrategy[Case]:
        flags = [(False, False)]
        flags += [(True, False)] * ("termination" in domain)
        flags += [(False, True)] * ("truncation" in domain)
        flags += [(True, True)] * ("both-flags" in domain)
        ends = st.sampled_from([*flags, (False, False)])
        most = 5 if "batch" in domain else 1

        def rows(actions: int) -> st.SearchStrategy[list[dict[str, Any]]]:
            one = st.fixed_dictionaries({"rewards": NUMBERS, "end": ends, **row(actions)})
            return st.lists(one, min_size=1, max_size=most)

        chosen = st.fixed_dictionaries({n: domain.hyper(n, c) for n, c in varied.items()})
        drawn = st.tuples(st.integers(2, 4).flatmap(rows), chosen)
        return drawn.map(lambda pair: _stacked(pair[0]) | pair[1])

    return cases


def _stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    ends = columns.pop("end")
    return {**columns, "terminated": ends[:, 0], "truncated": ends[:, 1]}


def targets(rewards: Array, following: Array, terminated: Array, gamma: float) -> Array:
    """y = r + gamma * (1 - terminated) * v, row by row."""
    rows = zip(rewards, following, terminated, strict=True)
    return np.array([r if ended else r + gamma * v for r, v, ended in rows])


def _terminal(run: Run, case: Case) -> Mismatch | None:
    message = "nothing follows a terminal step: its target is the reward"
    return run.compare(case, case["rewards"], message, where=case["terminated"])


def _truncation(run: Run, case: Case) -> Mismatch | None:
    plain = {**case, "truncated": np.zeros_like(case["truncated"])}
    message = "a time limit takes nothing away: the target is that of the step without the flag"
    return run.compare(case, run.definition(plain), message, where=case["truncated"])


def _no_discount(run: Run, case: Case) -> Mismatch | None:
    case = {**case, "gamma": 0.0}
    return run.compare(case, case["rewards"], "with gamma = 0 the target is the reward")


def _rows(run: Run, case: Case) -> Mismatch | None:
    first = np.arange(len(case["rewards"])) == 0
    if first.all():
        return None
    changed = dict(case)
    for name, value in case.items():
        array = np.asarray(value)
        if array.ndim and array.dtype.kind == "f" and "probabilities" not in name:
            shift = np.where(first, 0.0, 3.0)
            changed[name] = array + shift.reshape(-1, *[1] * (array.ndim - 1))
    message = "other rows of the batch changed the target of this one"
    return run.compare(changed, run(case), message, where=first)


def properties() -> tuple[Property, ...]:
    """What every one-step target fulfils."""
    return (
        Property(
            "terminal-is-the-reward",
            "Nothing follows a terminal step: y = r.",
            "A value that leaks through the end of an episode is learned as if it could be had: "
            "Q-values grow, and ending early looks good.",
            _terminal,
            needs={"termination": NO_TERMINATION},
        ),
        Property(
            "truncation-bootstraps",
            "A time limit does not end the task: the bootstrap stays.",
            "Treated as terminal, the limit teaches that late states are worthless, by a clock "
            "that the agent does not see.",
            _truncation,
            needs={"truncation": NO_TRUNCATION},
            references=(_LIMITS,),
        ),
        Property(
            "gamma-zero-is-the-reward",
            "With gamma = 0 the target is the reward.",
            "Shows mistakes in the reward apart from those in what follows.",
            _no_discount,
            varies=("gamma",),
        ),
        Property(
            "rows-are-independent",
            "The target of one transition does not depend on the others in the batch.",
            "A reduction over the wrong axis or (N,) against (N, 1) broadcasting mixes transitions "
            "that have nothing to do with each other.",
            _rows,
            needs={"batch": "it takes one transition at a time"},
        ),
        sensitivity(
            "gamma",
            0.9,
            0.5,
            "A discount that is hard-coded or shadowed trains without complaint, towards another "
            "objective.",
        ),
    )


Combine = Callable[[Array, Any], Array]


def with_target(oracle: Model, value: Model, combine: Combine) -> Model:
    """A wrong version: `combine` (v, inputs) instead of the target's own formula."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Array:
        return combine(evaluate(value, inputs)[0], SimpleNamespace(**inputs))

    return model


def with_value(oracle: Model, wrong: Model) -> Model:
    """A wrong version: the right formula with another v."""
    return with_target(oracle, wrong, lambda v, x: targets(x.rewards, v, x.terminated, x.gamma))


_ENTRIES: tuple[tuple[str, Combine, str, str, str, tuple[str, ...]], ...] = (
    (
        "terminal-bootstrap",
        lambda v, x: x.rewards + x.gamma * v,
        "the value after a terminal step is counted",
        "The bootstrap is not multiplied by (1 - terminated).",
        "Write `rewards + gamma * (1 - terminated) * ...`.",
        ("https://github.com/pytorch/rl/commit/cdcd9f32a201",),
    ),
    (
        "truncation-as-terminal",
        lambda v, x: x.rewards + x.gamma * v * ~(x.terminated | x.truncated),
        "truncation is treated as termination",
        "At a time limit the bootstrap is dropped, as if nothing could have followed.",
        "Mask with `terminated` alone, and store the state that was reached before the reset.",
        ("https://github.com/google/dopamine/commit/c443e88a5875", _LIMITS),
    ),
    (
        "both-flags-as-truncation",
        lambda v, x: x.rewards + x.gamma * v * ~(x.terminated & ~x.truncated),
        "a step with both flags counts as truncated",
        "A task that ends exactly at its time limit has ended; here it is bootstrapped.",
        "Let `terminated` win.",
        ("https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",),
    ),
    (
        "mask-inverted",
        lambda v, x: x.rewards + x.gamma * v * x.terminated,
        "the mask is inverted",
        "Only terminal steps bootstrap.",
        "Multiply by 1 - terminated.",
        (),
    ),
    (
        "gamma-missing",
        lambda v, x: x.rewards + v * ~x.terminated,
        "the bootstrap is not discounted",
        "The target is r + v: values grow with the length of the episode.",
        "Multiply the bootstrap by gamma.",
        (),
    ),
    (
        "gamma-twice",
        lambda v, x: x.rewards + x.gamma**2 * v * ~x.terminated,
        "the bootstrap is discounted twice",
        "gamma^2 stands before the value of the next state.",
        "Discount in one place.",
        (),
    ),
    (
        "gamma-on-everything",
        lambda v, x: x.gamma * (x.rewards + v * ~x.terminated),
        "the reward is discounted too",
        "gamma multiplies the sum of reward and bootstrap.",
        "Discount the bootstrap only.",
        (),
    ),
    (
        "reward-masked",
        lambda v, x: (x.rewards + x.gamma * v) * ~x.terminated,
        "the reward of a terminal step is masked away",
        "The mask multiplies the whole target: in many tasks the only reward is lost.",
        "Mask the bootstrap only.",
        ("https://github.com/AechPro/rlgym-ppo/pull/23",),
    ),
    (
        "reward-missing",
        lambda v, x: x.gamma * v * ~x.terminated,
        "the reward is missing",
        "The target is the discounted value alone, and every value decays to 0.",
        "Add the reward.",
        (),
    ),
    (
        "reward-sign-flipped",
        lambda v, x: -x.rewards + x.gamma * v * ~x.terminated,
        "the reward is subtracted",
        "The agent learns to avoid reward.",
        "Add the reward.",
        (),
    ),
    (
        "bootstrap-missing",
        lambda v, x: x.rewards + 0.0 * v,
        "nothing but the reward counts",
        "The target has no bootstrap: the agent is short-sighted whatever gamma is.",
        "Add gamma * (1 - terminated) * value of the next state.",
        (),
    ),
    (
        "reward-clipped",
        lambda v, x: np.clip(x.rewards, -1, 1) + x.gamma * v * ~x.terminated,
        "rewards are clipped to [-1, 1] inside the function",
        "Large rewards count no more than small ones: another task is solved.",
        "Clip in an environment wrapper, where it can be seen and turned off.",
        (),
    ),
    (
        "mask-of-next-row",
        lambda v, x: x.rewards + x.gamma * v * ~np.roll(x.terminated, -1),
        "the mask belongs to another row",
        "Flags are one row off against rewards and values.",
        "Sample all arrays of a transition with the same index.",
        (),
    ),
    (
        "mask-of-any-row",
        lambda v, x: x.rewards + x.gamma * v * (not x.terminated.any()),
        "one terminal row masks the whole batch",
        "The flag is reduced over the batch.",
        "Keep one flag a row.",
        (),
    ),
    (
        "batch-averaged",
        lambda v, x: x.rewards + x.gamma * np.mean(v * ~x.terminated),
        "the bootstrap is averaged over the batch",
        "All rows share one value: a reduction or a broadcast over the batch axis.",
        "Reduce over the action axis only.",
        ("https://github.com/google/dopamine/commit/9793d17d6d03",),
    ),
)


def faults(oracle: Model, value: Model) -> tuple[FaultyVersion, ...]:
    """Faults that every one-step target can have, whatever follows.

    Args:
        oracle: the right target.
        value: the right v, a function of the same inputs.
    """
    return tuple(
        FaultyVersion(
            name,
            with_target(oracle, value, combine),
            title,
            explanation,
            fix,
            "the line of the target",
            references,
        )
        for name, combine, title, explanation, fix, references in _ENTRIES
    )
