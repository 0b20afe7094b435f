"""Rollouts as contracts on returns and advantages see them: vocabulary, domain, inputs to try.

Canonical inputs are time-major `[T, B]`: `rewards`, `values`, `next_values` (V of the state that
step t reached, before any reset), `terminated` and `truncated` (the *end* of step t). Inside an
episode `next_values[t]` is `values[t + 1]`, as in every rollout, so that a function may read either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import Array, Case, Convention, Domain
from rlcheck.errors import BindingError
from rlcheck.functions.binding import Facts, Parameter

LONGER, LONGER_WITH_FLAGS = "T+1", "T+1 with flags"
GAMMAS = (0.9, 0.5, 0.99, 1.0, 0.0)
LAMBDAS = (0.5, 0.95, 0.8, 1.0, 0.0)

NO_TRUNCATION = (
    "`truncated` is not among its parameters: it cannot tell a time limit from the end of the task, "
    "and callers who merge the two teach the critic that a time limit is worth nothing"
)
NO_TERMINATION = (
    "it takes no flag for the end of an episode: it is right for one episode at a time only"
)
NO_BATCH = "it takes one trajectory at a time"


TERMINATED_NAMES = ("terminateds", "terminations", "terminals", "terminal", "terms", "term")
TRUNCATED_NAMES = (
    "truncateds", "truncations", "truncation", "truncs", "trunc", "timeouts", "timeout", "time_outs",
    "time_limits",
)  # fmt: skip


def _ended(facts: Facts) -> Array:
    return facts["terminated"] | facts["truncated"]


def _started(facts: Facts) -> Array:
    """Whether step t is the first of an episode; the rollout is taken to begin with a reset."""
    ended = _ended(facts)
    return np.concatenate([np.ones_like(ended[:1]), ended[:-1]])


def _merged(facts: Facts) -> Array:
    """The flag of both ends; with a row more it tells whether the step before a row was one."""
    ended = _ended(facts)
    if facts.get("values_length") == LONGER_WITH_FLAGS:
        return np.concatenate([np.zeros_like(ended[:1]), ended])
    return ended


def _dones(facts: Facts) -> Array:
    return _started(facts) if "last_dones" in facts["bound"] else _merged(facts)


def _values(facts: Facts) -> Array:
    if facts.get("values_length") in (LONGER, LONGER_WITH_FLAGS):
        return np.concatenate([facts["values"], facts["next_values"][-1:]])
    return facts["values"]


REWARDS = Parameter(
    "rewards", "TB", "received for the action of step t", aliases=("reward", "rews", "rew", "r")
)
VALUES = Parameter(
    "values",
    "TB",
    "V of the state of step t",
    make=_values,
    aliases=("value", "vals", "val", "value_preds", "state_values", "state_value", "v"),
)
NEXT_VALUES = Parameter(
    "next_values",
    "TB",
    "V of the state that step t reached, before any reset",
    aliases=(
        "next_vals", "next_state_values", "next_state_value", "values_next", "vals_next", "v_next",
        "next_v", "next_vs", "values_tp1",
    ),
)  # fmt: skip
LAST_VALUE = Parameter(
    "last_value",
    "B",
    "V of the state after the last step",
    make=lambda facts: facts["next_values"][-1],
    aliases=(
        "next_value",
        "last_values",
        "last_val",
        "bootstrap_value",
        "final_value",
        "bootstrap",
        "v_last",
    ),
    perhaps="next_values",
)
TERMINATED = Parameter(
    "terminated",
    "TB",
    "step t ended the episode",
    aliases=TERMINATED_NAMES,
    flags=True,
)
TRUNCATED = Parameter(
    "truncated",
    "TB",
    "step t was the last one for an outside reason",
    aliases=TRUNCATED_NAMES,
    flags=True,
)
DONES = Parameter(
    "dones",
    "TB",
    "either flag; beside `last_dones`, whether step t starts an episode",
    make=_dones,
    aliases=("done", "done_flags", "ends", "d"),
    flags=True,
)
NOT_DONES = Parameter(
    "not_dones",
    "TB",
    "1 where step t is not the last of its episode",
    make=lambda facts: ~_merged(facts),
    aliases=("not_done", "nonterminals", "nonterminal", "non_terminals", "non_terminal", "masks"),
    flags=True,
)
EPISODE_STARTS = Parameter(
    "episode_starts",
    "TB",
    "step t is the first of its episode",
    make=_started,
    aliases=("episode_start", "starts", "is_first"),
    flags=True,
)
LAST_DONES = Parameter(
    "last_dones",
    "B",
    "the last step ended its episode",
    make=lambda facts: _ended(facts)[-1],
    aliases=("last_done", "next_done", "next_dones"),
    flags=True,
)
DISCOUNTS = Parameter(
    "discounts",
    "TB",
    "gamma, or 0 where step t ended its episode",
    make=lambda facts: facts["gamma"] * ~_ended(facts),
    aliases=("discount_t", "discounts_t"),
    carries=("gamma",),
)
GAMMA = Parameter(
    "gamma", "", "discount", aliases=("discount", "discount_factor", "discounting"), hyper=True
)
LAM = Parameter(
    "lam",
    "",
    "lambda of the trace",
    aliases=("lambda", "gae_lambda", "lmbda", "lambd", "lamb", "lamda", "gae_lam", "tau"),
    hyper=True,
)
FLAGS = (TERMINATED, TRUNCATED, DONES, NOT_DONES, DISCOUNTS, EPISODE_STARTS, LAST_DONES)
MERGED = {"dones", "not_dones", "discounts"}


def require(names: frozenset[str], *needed: str) -> None:
    """Raise BindingError unless the function takes all of `needed`."""
    for name in needed:
        if name not in names:
            raise BindingError(
                f"the function takes nothing that means {name!r}; where a parameter does under "
                f"another name, say so with --bind NAME={name}"
            )


def rollout_domain(names: frozenset[str], conventions: Facts) -> frozenset[str]:
    """On which rollouts the parameters that a function names determine the answer.

    termination   an episode can end inside the rollout
    end-flag      the last step can be marked as an end
    truncation    a time limit can be told from the end of the task
    both-flags    a step can carry both flags
    next-values   the value of the state before a reset is known, so cuts can be anywhere
    bootstrap     the value after the last step is known; else episodes are complete
    """
    starts = "episode_starts" in names or {"dones", "last_dones"} <= names
    merged = bool(MERGED & names)
    can = {"batch"}
    if starts or merged or "terminated" in names:
        can |= {"termination"}
    if not starts or "last_dones" in names:
        can |= {"end-flag"}
    if "truncated" in names and ("terminated" in names or merged):
        can |= {"truncation"}
    if "terminated" in names and merged:
        can |= {"truncation"}
    if {"terminated", "truncated"} <= names:
        can |= {"both-flags"}
    if "next_values" in names:
        can |= {"next-values", "bootstrap"}
    if "last_value" in names or conventions.get("values_length") in (LONGER, LONGER_WITH_FLAGS):
        can |= {"bootstrap"}
    return frozenset(can)


def merged_flag_note(names: frozenset[str]) -> tuple[str, ...]:
    """What naming only a merged flag costs."""
    apart = {"truncated"} & names or {"terminated"} <= names
    if apart or not (MERGED | {"episode_starts", "last_dones"}) & names:
        return ()
    return (
        "only one flag for the end of an episode: truncation cannot be told from termination, so "
        "time limits are not tested; merged into this flag they take the bootstrap away",
    )


VALUES_LENGTH = Convention(
    "values_length",
    ("T", LONGER, LONGER_WITH_FLAGS),
    "T+1: the value after the last step is appended to the values; with flags: flags have a row more "
    "too, and mark the row that an episode begins with",
    only=lambda names: not {"next_values", "last_value"} & names,
)

_NUMBERS = st.integers(-8, 8).map(lambda k: k / 2)
Step = tuple[float, float, float, str]


def rollouts(
    hypers: Mapping[str, Sequence[Any]], *, without: tuple[str, ...] = ()
) -> Callable[[Domain], st.SearchStrategy[Case]]:
    """The strategy of a contract on rollouts: a list of steps, a few columns, round numbers.

    Args:
        hypers: hyper-parameter -> values to try, the plainest first.
        without: canonical inputs that the contract does not have.
    """

    def cases(domain: Domain) -> st.SearchStrategy[Case]:
        ends = ["-"]
        ends += ["terminated"] * ("termination" in domain)
        ends += ["truncated"] * ("truncation" in domain)
        ends += ["both"] * ("both-flags" in domain)
        # Plain steps twice as often: episodes of several steps are where most mistakes show.
        step = st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, st.sampled_from([*ends, "-"]))
        columns = st.integers(1, 3) if "batch" in domain else st.just(1)
        chosen = st.fixed_dictionaries({n: domain.hyper(n, c) for n, c in hypers.items()})
        return st.tuples(columns.flatmap(lambda b: _steps(step, b)), chosen).map(
            lambda drawn: _dropped(rollout(drawn[0], domain), without, domain) | drawn[1]
        )

    return cases


def _dropped(case: dict[str, Any], names: tuple[str, ...], domain: Domain) -> dict[str, Any]:
    if "values" in names and "bootstrap" not in domain:
        case["next_values"] = np.zeros_like(case["next_values"])
    return {name: value for name, value in case.items() if name not in names}


def _steps(
    step: st.SearchStrategy[Step], columns: int
) -> st.SearchStrategy[list[tuple[Step, ...]]]:
    return st.lists(st.tuples(*[step] * columns), min_size=1, max_size=6)


def rollout(rows: Sequence[Sequence[Step]], domain: Domain) -> dict[str, Any]:
    """Canonical inputs from steps (reward, value, value reached at an end, end)."""
    rewards, values, reached = (np.array([[s[k] for s in row] for row in rows]) for k in range(3))
    ends = np.array([[s[3] for s in row] for row in rows])
    terminated, truncated = (np.isin(ends, [flag, "both"]) for flag in ("terminated", "truncated"))
    if "next-values" not in domain:
        # Without V before a reset a cut inside the rollout has no right answer.
        truncated[:-1] &= terminated[:-1]
    if "end-flag" not in domain:
        terminated[-1] = truncated[-1] = False
    if "bootstrap" not in domain:
        terminated[-1], truncated[-1] = True, False
    return {
        "rewards": rewards,
        "values": values,
        "next_values": following(values, reached, terminated | truncated, domain),
        "terminated": terminated,
        "truncated": truncated,
    }


def following(values: Array, reached: Array, ended: Array, domain: Domain) -> Array:
    """V(s_{t+1}): the next row inside an episode, `reached` at its end and after the last step.

    What a function cannot know is 0, so that faulty versions have no more to leak than it has.
    """
    last = reached[-1:] if "bootstrap" in domain else np.zeros_like(reached[-1:])
    after = np.concatenate([values[1:], last])
    return np.where(ended, reached, after) if "next-values" in domain else after


def long_rollout(seed: int, domain: Domain, steps: int = 150) -> dict[str, Any]:
    """A rollout of production length: 5 % of the steps end an episode, arbitrary numbers."""
    rng = np.random.default_rng(seed)
    shape = (steps, 2 if "batch" in domain else 1)
    ends = np.full(shape, "-", dtype=object)
    draws = rng.random(shape)
    if "termination" in domain:
        ends[draws < 0.05] = "terminated"
    if "truncation" in domain:
        ends[(draws >= 0.05) & (draws < 0.08)] = "truncated"
    numbers = rng.normal(size=(3, *shape)).round(2)
    rows = [[(*numbers[:, t, b], str(ends[t, b])) for b in range(shape[1])] for t in range(steps)]
    return rollout(rows, domain)
