"""Properties that every rule of exploration has, and the faults that they name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.exploration import Choice, Misbehaving, Model, choices
from property_tests.framework.records import Case, Domain, FaultyVersion, Mismatch, Property
from property_tests.scenarios import Player

FEW, MANY = 150, 1500
LEVELS = (0.0, 1.0, 2.0, -1.0, 0.5, -3.0)
"""Action values, simplest first; equal ones are ties."""


def value_rows(domain: Domain) -> st.SearchStrategy[np.ndarray]:
    """[B, A] action values of one state or of a few, at several heights."""
    states = st.integers(2, 5).flatmap(
        lambda actions: st.lists(
            st.tuples(*[st.sampled_from(LEVELS)] * actions), min_size=1, max_size=3
        )
    )
    heights = st.sampled_from((0.0, 8.0, -8.0))
    return st.tuples(states, heights).map(lambda drawn: np.array(drawn[0]) + drawn[1])


def with_draws(
    cases: st.SearchStrategy[Case], long: st.SearchStrategy[Case]
) -> st.SearchStrategy[Case]:
    """Most cases with few draws, and a few with so many that a wrong rate shows."""
    many = long.map(lambda case: {**case, "draws": MANY})
    few = cases.map(lambda case: {**case, "draws": FEW})
    return st.integers(0, 7).flatmap(lambda k: few if k else many)


def actions_exist(run: Player, case: Case) -> Mismatch | None:
    """Nothing but 0, ..., A - 1 is returned."""
    counts = run(case)["counts"]
    outside = counts[:, -1]
    if not outside.any():
        return None
    row, last = int(np.argmax(outside)), counts.shape[1] - 2
    message = f"{int(outside[row])} of {int(counts[row].sum())} answers are outside 0 to {last}"
    return Mismatch(message, {**case, "q_values": np.atleast_2d(case["q_values"])[row]})


def inputs_unchanged(run: Player, case: Case) -> Mismatch | None:
    """The caller's arrays hold afterwards what they held before."""
    if not run(case)["changed"]:
        return None
    message = "the action values (or counts) that it was given hold other numbers afterwards"
    return Mismatch(message, case, suspects=("inputs-changed",))


def own_generator(run: Player, case: Case) -> Mismatch | None:
    """Two generators in the same state give the same actions."""
    if run(case)["repeatable"]:
        return None
    message = "two generators in the same state gave different actions: it draws from another one"
    return Mismatch(message, case, suspects=("rng-ignored",))


def calls_vary(hyper: str, value: float) -> Property:
    """Calls are draws of their own; with this hyper-parameter every action is likely."""

    def holds(run: Player, case: Case) -> Mismatch | None:
        counts = run(case)["counts"]
        only = counts.argmax(axis=1)
        if len(set(only)) > 1 or (counts.max(axis=1) < counts.sum(axis=1)).any():
            return None
        n = int(counts[0].sum())
        message = f"{n} calls in a row returned action {only[0]}, whatever the action values"
        return Mismatch(message, case, suspects=("seeded-in-every-call",))

    def cases(domain: Domain) -> st.SearchStrategy[Case]:
        # Both the best and the worst action move from one row to the other.
        rows = [np.array([[-1.0, *[0.0] * k, 1.0], [1.0, *[0.0] * k, -1.0]]) for k in (1, 2)]
        return st.sampled_from([{"q_values": q, hyper: value, "draws": FEW} for q in rows])

    return Property(
        "calls-vary",
        "Every call is a draw of its own.",
        "A generator that is made from a fixed seed inside the function gives the same draw for "
        "ever: exploration is one fixed action.",
        holds,
        cases=cases,
        needs={f"varies {hyper}": f"`{hyper}` is fixed, so it may be that no call ever explores"},
    )


def common() -> tuple[Property, ...]:
    """Properties of every rule."""
    return (
        Property(
            "actions-exist",
            "Every answer is an action: 0, ..., A - 1.",
            "An index that is one too large crashes far away, or is read as another action.",
            actions_exist,
        ),
        Property(
            "inputs-unchanged",
            "The arrays that it is given are left as they were.",
            "Action values are often a row of the table itself: what is written to them is learned.",
            inputs_unchanged,
        ),
        Property(
            "follows-its-generator",
            "Generators in the same state give the same actions.",
            "A function that takes a generator and draws from the global stream is not reproduced "
            "by the seed that was given.",
            own_generator,
            needs={"rng": "it takes no generator, so its draws cannot be repeated"},
        ),
    )


def _fixed_seed(rule: Callable[..., int]) -> Callable[..., int]:
    def seeded(q_values: Any, rng: Any, **facts: Any) -> int:
        return rule(q_values=q_values, rng=np.random.default_rng(0), **facts)

    return seeded


def _global_stream(rule: Callable[..., int]) -> Callable[..., int]:
    def drawing(q_values: Any, rng: Any, **facts: Any) -> int:
        own = np.random.default_rng(np.random.randint(2**31))
        return rule(q_values=q_values, rng=own, **facts)

    return drawing


def _writing(rule: Callable[..., int]) -> Callable[..., int]:
    def writing(q_values: Any, rng: Any, **facts: Any) -> int:
        q_values -= q_values.max()
        return rule(q_values=q_values, rng=rng, **facts)

    return writing


def misbehaviours(definition: Model, *, stochastic: bool = True) -> tuple[FaultyVersion, ...]:
    """Faults beside the probabilities."""
    changed = FaultyVersion(
        "inputs-changed",
        Misbehaving(definition, _writing),
        "the action values that it is given are changed",
        "They are often a row of the table: the agent's values drift with every action.",
        "Compute new arrays; use no `-=` or `+=` on arguments.",
        "in-place arithmetic before an exponential or an argmax",
    )
    ignored = FaultyVersion(
        "rng-ignored",
        Misbehaving(definition, _global_stream),
        "the generator that it is given is not used, or not for every draw",
        "Runs with the same seed differ, and parallel agents share one stream.",
        "Draw everything from the generator that comes in.",
        "`np.random`, `random` or `torch.rand` in a function with a parameter `rng`",
        ("https://github.com/TorchTrade/torchtrade/issues/273",),
    )
    seeded = FaultyVersion(
        "seeded-in-every-call",
        Misbehaving(definition, _fixed_seed),
        "the generator starts from the same seed in every call",
        "Every call makes the same draw: what looks random is one fixed action.",
        "Make the generator once, outside, and hand it in.",
        "`np.random.seed(...)` or `default_rng(0)` inside the function",
        ("https://github.com/volcengine/verl/commit/3f6cd4792604",),
    )
    return (changed, ignored, seeded) if stochastic else (changed,)


def as_subject(*names: str) -> Callable[[Model], Callable[..., int]]:
    """What makes a user's function of a model, with `q_values`, these parameters and `rng`."""
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY)
        for name in ("q_values", *names, "rng")
    ]

    def subject(model: Model) -> Callable[..., int]:
        rule = model.rule if isinstance(model, Misbehaving) else model
        known: dict[str, np.ndarray] = {}

        def draw(q_values: Any, rng: Any, **facts: Any) -> int:
            asked = repr((q_values, facts))
            if asked not in known:
                known[asked] = _ties_to_the_first({"q_values": q_values, **facts})
            return int(np.searchsorted(known[asked], rng.random(), side="right"))

        def _ties_to_the_first(facts: dict[str, Any]) -> np.ndarray:
            found: Choice = choices(rule, facts)[0]
            probabilities = found.least.copy()
            probabilities[int(np.argmax(found.tied))] += max(0.0, 1.0 - found.least.sum())
            # A draw just below 1 must not fall behind the last action by rounding.
            return np.round(np.cumsum(probabilities), 12)

        made = model.wrap(draw) if isinstance(model, Misbehaving) else draw
        made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return made

    return subject
