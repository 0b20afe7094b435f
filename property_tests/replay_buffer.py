"""Replay buffers: the last `capacity` transitions, each equally likely to be sampled.

A factory `make(capacity)` gives a buffer with

    add(obs, action, reward, next_obs, terminated, truncated)
    sample(n)   the columns of n rows, by name or in this order, or a list of n transitions

Any sequence of transitions is added, with ends anywhere, beyond the capacity and round again, and
then sampled until every row held must have been seen.

References: Lin 1992; Mnih et al. 2015, algorithm 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import Case, Domain, Mismatch, Property
from property_tests.replay_buffer_faults import FAULTS, RingBuffer
from property_tests.replay_subject import BufferFactory, Tracer, factory, rows_of
from property_tests.scenario_contract import build
from property_tests.scenarios import (
    ALPHA,
    Observation,
    Player,
    Prepared,
    Scenario,
    exactly,
    likely,
)
from rlcheck.contracts import Options

LOOKS = 25
"""Times that as many rows are sampled as are held; one of m rows is missed with m exp(-25)."""

COLUMNS = ("obs", "action", "reward", "next_obs", "terminated", "truncated")
LIMITS = "https://arxiv.org/abs/1712.00378"


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """A capacity and a list of steps, some of which end an episode."""
    ends = [(False, False), (True, False)]
    ends += [(False, True), (True, True)] if "truncation" in domain else []
    steps = st.lists(st.sampled_from(ends), min_size=1, max_size=11)
    return st.tuples(st.integers(1, 5), steps, st.booleans()).map(lambda drawn: _case(*drawn))


def _case(capacity: int, ends: list[tuple[bool, bool]], reused: bool = False) -> Case:
    flags = np.array(ends)
    return {
        "capacity": capacity,
        "arrays_reused": reused,
        "terminated": flags[:, 0],
        "truncated": flags[:, 1],
    }


def prepare(raw: Any, options: Options) -> Prepared:
    """The factory with its own names; with one merged flag there is no truncation."""
    made = factory(raw, options, ("capacity",))
    if not made.merged:
        return Prepared(made, frozenset({"truncation"}))
    note = "`done` merges two facts: it cannot tell a time limit from the end of the task"
    return Prepared(made, frozenset(), (note,))


def play(make: BufferFactory, facts: Case) -> Observation:
    """The distinct rows that the buffer holds after all steps, and how often each was sampled."""
    steps, capacity = Tracer(facts), int(facts["capacity"])
    buffer = make(capacity=capacity)
    for k in range(1, len(steps) + 1):
        buffer.add(**steps.step(k))
        buffer.sample(1)
    held = min(capacity, len(steps))
    batches = [rows_of(buffer.sample(held)) for _ in range(int(facts.get("looks", LOOKS)))]
    rows, counts = np.unique(np.concatenate(batches), axis=0, return_counts=True)
    first = np.sort(batches[0], axis=0)
    same = all(np.array_equal(np.sort(batch, axis=0), first) for batch in batches)
    return {"rows_held": rows, "counts": counts, "batches_same": np.array(same)}


def predict(model: Any, facts: Case) -> Observation:
    """What a buffer with this semantics shows."""
    return play(prepare(model, Options()).subject, facts)


_rows_differ = exactly()


def differs(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
    """Whether the rows held are others; how often each came up is left to chance."""
    rows = {"rows_held": observed["rows_held"]}
    return _rows_differ(case, rows, {"rows_held": predicted["rows_held"]})


def _added(case: Case) -> np.ndarray:
    """Every transition of the case as a row."""
    steps = Tracer({**case, "arrays_reused": False})
    return np.array([steps.row(k) for k in range(1, len(steps) + 1)])


def newest(run: Player, case: Case) -> Mismatch | None:
    """The rewards held are those of the last `capacity` steps."""
    held = min(int(case["capacity"]), len(case["terminated"]))
    expected = _added(case)[-held:, 2]
    got = np.unique(run(case)["rows_held"][:, 2])
    if np.array_equal(expected, got):
        return None
    message = f"the last {held} transitions should be held, no others: rewards tell which are"
    return Mismatch(message, case, expected, got, None)


def _part_of_added(run: Player, case: Case, columns: list[int], message: str) -> Mismatch | None:
    """Every sampled row is, in these columns, a row that was added."""
    added = {tuple(row) for row in _added(case)[:, columns]}
    for row in run(case)["rows_held"]:
        if tuple(row[columns]) not in added:
            same = [own for own in _added(case) if own[2] == row[2]]
            expected = same[0] if same else None
            return Mismatch(f"{message} ({', '.join(COLUMNS)})", case, expected, row, None)
    return None


def aligned(run: Player, case: Case) -> Mismatch | None:
    """Observation, action and reward of a row were added together."""
    found = _part_of_added(run, case, [0, 1, 2], "a row that was never added was sampled")
    rows = run(case)["rows_held"]
    # More different rows than rows held, from no other rewards: they are put together anew.
    apart = len(rows) > len(np.unique(rows[:, 2]))
    if found and apart and not case["arrays_reused"]:
        return found._replace(suspects=("columns-drawn-apart",))
    return found


def batches_vary(run: Player, case: Case) -> Mismatch | None:
    """Not every batch has the same rows, some of them twice and others not at all."""
    shown, held = run(case), min(int(case["capacity"]), len(case["terminated"]))
    rewards = np.unique(shown["rows_held"][:, 2])
    if not shown["batches_same"] or not 1 < len(rewards) < held:
        return None
    message = f"{LOOKS} batches in a row hold the same transitions (rewards) and leave out others"
    expected = _added(case)[-held:, 2]
    return Mismatch(message, case, expected, rewards, None, suspects=("every-batch-the-same",))


def next_observation(run: Player, case: Case) -> Mismatch | None:
    """The next observation is the one that was added."""
    return _part_of_added(run, case, [2, 3], "a row has another next observation than was added")


def flags(run: Player, case: Case) -> Mismatch | None:
    """Both flags are those that were added, each in its own place."""
    return _part_of_added(run, case, [2, 4, 5], "a row has other flags than were added")


def own_copy(run: Player, case: Case) -> Mismatch | None:
    """What the caller does with its arrays later changes nothing."""
    shown = run(case)
    message = "rows change when the caller reuses its observation arrays; store copies"
    found = differs(case, shown, run({**case, "arrays_reused": False}))
    return found and found._replace(message=message, suspects=("references-stored",))


def reused(domain: Domain) -> st.SearchStrategy[Case]:
    """Every step comes in the same arrays, and more than one is held."""
    flags = st.lists(st.just((False, False)), min_size=2, max_size=5)
    return st.tuples(st.integers(2, 5), flags).map(lambda drawn: _case(*drawn, reused=True))


def uniform(run: Player, case: Case) -> Mismatch | None:
    """Every row held is sampled equally often, up to chance."""
    counts = run(case)["counts"]
    held = min(int(case["capacity"]), len(case["terminated"]))
    if len(counts) != held or likely(counts, np.full(held, 1.0 / held), tests=2):
        return None
    message = f"rows are not equally likely (a correct buffer shows this once in {1 / ALPHA:.0g})"
    expected = np.full(held, counts.sum() / held)
    suspects = ("rows-unequally-likely",)
    return Mismatch(message, case, expected, counts.astype(float), None, suspects=suspects)


def uniform_cases(domain: Domain) -> st.SearchStrategy[Case]:
    """A buffer that is full and has wrapped, and one that is not full yet; many draws."""
    return st.sampled_from([(8, 13), (16, 9)]).map(
        lambda pair: {**_case(pair[0], [(False, False)] * pair[1]), "looks": 800}
    )


SCENARIO = Scenario(
    name="replay-buffer",
    title="Replay buffer",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=RingBuffer,
    predict=predict,
    differs=differs,
    properties=(
        Property(
            "holds-the-newest",
            "It holds the last `capacity` transitions: the oldest leaves first.",
            "One row too few or too many, rows that were never written, a buffer that stops taking "
            "or forgets everything when it is full: learning goes on, on other data than meant.",
            newest,
        ),
        Property(
            "rows-stay-aligned",
            "Observation, action and reward of a sampled row were added together.",
            "Columns with write positions or indices of their own credit actions with the rewards "
            "of others. Losses still fall: the critic learns an average.",
            aligned,
        ),
        Property(
            "next-observation-is-the-one-reached",
            "The next observation of a row is the one that was added with it.",
            "Buffers that save memory read it from the following row, which is wrong where an "
            "episode ends and where the newest row meets the oldest.",
            next_observation,
        ),
        Property(
            "truncation-kept-apart",
            "`terminated` and `truncated` come back as they were added.",
            "A time limit that is stored as the end of the task makes long episodes look worthless.",
            flags,
            needs={
                "truncation": "`add` takes one flag: a time limit cannot be told from the end of "
                "the task, and its transitions are bootstrapped wrongly"
            },
            references=(LIMITS,),
        ),
        Property(
            "keeps-its-own-copy",
            "Arrays that the caller overwrites later leave the stored rows alone.",
            "Vector environments return the same array at every step. A buffer that stores "
            "references holds one observation many times.",
            own_copy,
            cases=reused,
        ),
        Property(
            "batches-vary",
            "Batches are drawn anew.",
            "A generator that is seeded in every call, or a batch drawn once and kept, replays the "
            "same few transitions.",
            batches_vary,
        ),
        Property(
            "samples-uniformly",
            "Every row held is equally likely.",
            "Chernoff's bound on the frequency of each row, with error rate 1e-6: rows that come up "
            "too often bias what is learned, most of all in small buffers.",
            uniform,
            cases=uniform_cases,
        ),
    ),
    faults=FAULTS,
    words=("replaybuffer", "replay_buffer", "replaymemory", "replay_memory"),
    size=60,
    error_rate=ALPHA,
)
CONTRACT = build(SCENARIO)
