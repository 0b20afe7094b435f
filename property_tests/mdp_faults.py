"""Mistakes that evaluation and control of finite MDPs share: a wrong model, a wrong end of sweeps.

A wrong model is solved exactly; an iteration that stops when it should not is run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.mdps import ASKED, expected_rewards

Mdp = tuple[Array, Array, float]
"""Transitions [S, A, S], expected rewards [S, A], discount."""

Change = Callable[[Any], Mdp]
Solve = Callable[[Any, Mdp], Any]
"""(inputs, MDP) -> the outputs of the contract."""

Finish = Callable[[Any, Array], Any]
"""(inputs, V) -> the outputs of the contract that V leads to."""

Backup = Callable[[Any, Mdp, Array], Array]
"""(inputs, MDP, V) -> V after one sweep of the Bellman operator."""

_BELLMAN = "the line of the Bellman backup"
_STOP = "the loop around the sweeps, and when it stops"
_BOOK = "http://incompleteideas.net/book/the-book-2nd.html"


def right(x: Any) -> Mdp:
    """The MDP as it is."""
    return x.transitions, expected_rewards(x.transitions, x.rewards), x.gamma


def repeated(
    step: Callable[[Array], Array],
    states: int,
    stop: Callable[[Array, Array], bool],
    *,
    in_place: bool = False,
    most: int = 1000,
) -> Array:
    """Sweeps from V = 0 until `stop(before, after)`; in place where each state sees the last one."""
    values = np.zeros(states)
    for _ in range(most):
        before = values
        if in_place:
            values = values.copy()
            for s in range(states):
                values[s] = step(values)[s]
        else:
            values = step(values)
        if stop(before, values):
            break
    return values


def converged(before: Array, after: Array) -> bool:
    """Whether a sweep changed nothing to speak of."""
    return bool(np.abs(after - before).max() <= 1e-10)


def _likely(x: Any) -> Array:
    """All probability on the most likely next state."""
    return np.eye(len(x.transitions))[x.transitions.argmax(axis=2)]


def _uniform(x: Any) -> Array:
    possible = x.transitions > 0.0
    return possible / possible.sum(axis=2, keepdims=True)


def _of_arrival(x: Any) -> Array:
    earned = expected_rewards(x.transitions, x.rewards)
    return np.einsum("sat,ta->sa", x.transitions, earned)


def _same(array: Array) -> Array:
    return np.broadcast_to(array[:, :1], array.shape)


def _with(change: Callable[[Any, Array, Array, float], Mdp]) -> Change:
    return lambda x: change(x, *right(x))


_MODELS: tuple[tuple[str, tuple[Change, ...], str, str, str, tuple[str, ...]], ...] = (
    (
        "transitions-transposed",
        (
            _with(lambda x, p, r, g: (p.transpose(2, 1, 0), r, g)),
            _with(
                lambda x, p, r, g: (
                    p.transpose(2, 1, 0),
                    expected_rewards(p.transpose(2, 1, 0), x.rewards),
                    g,
                )
            ),
        ),
        "the transitions are read backwards",
        "P(s|t, a) stands for P(t|s, a): a state is worth what leads to it, not what it leads to.",
        "Sum P[s, a, t] * V[t] over t.",
        ("https://github.com/google/dopamine/commit/9793d17d6d03",),
    ),
    (
        "gamma-ignored",
        tuple(
            _with(lambda x, p, r, g, fixed=fixed: (p, r, fixed))  # type: ignore[misc]
            for fixed in (0.9, 0.99, 0.95, 0.5)
        ),
        "gamma has no effect",
        "The discount is hard-coded or shadowed: another task is solved.",
        "Use the argument.",
        (_BOOK,),
    ),
    (
        "gamma-twice",
        (_with(lambda x, p, r, g: (p, r, g**2)),),
        "the discount is applied twice",
        "gamma^2 stands for gamma.",
        "Discount in one place.",
        (_BOOK,),
    ),
    (
        "gamma-on-reward",
        (_with(lambda x, p, r, g: (p, g * r, g)),),
        "the reward is discounted too",
        "gamma multiplies the sum of reward and value.",
        "Discount the value of the next state only.",
        (_BOOK,),
    ),
    (
        "reward-sign-flipped",
        (_with(lambda x, p, r, g: (p, -r, g)),),
        "the reward is subtracted",
        "Costs and rewards are confused.",
        "Add the reward.",
        (_BOOK,),
    ),
    (
        "reward-not-weighted",
        (
            _with(lambda x, p, r, g: (p, x.rewards.mean(axis=2), g)),
            _with(lambda x, p, r, g: (p, x.rewards.sum(axis=2), g)),
            _with(lambda x, p, r, g: (p, x.rewards.max(axis=2), g)),
            _with(
                lambda x, p, r, g: (
                    p,
                    np.take_along_axis(x.rewards, p.argmax(axis=2)[..., None], 2)[..., 0],
                    g,
                )
            ),
            _with(lambda x, p, r, g: (p, p.sum(axis=2) * x.rewards[..., 0], g)),
        ),
        "rewards of next states are not weighted with their probability",
        "R(s, a, t) is summed or averaged over t as if every next state were equally likely, or "
        "taken of one of them.",
        "Sum P[s, a, t] * R[s, a, t] over t.",
        (_BOOK,),
    ),
    (
        "reward-of-next-state",
        (_with(lambda x, p, r, g: (p, _of_arrival(x), g)),),
        "the reward belongs to the next state",
        "R of the state arrived at is paid for the step that leads there: one step early.",
        "Use R of the state that is left.",
        ("https://github.com/epignatelli/navix/pull/152",),
    ),
    (
        "most-likely-next-state",
        (
            _with(lambda x, p, r, g: (_likely(x), r, g)),
            _with(
                lambda x, p, r, g: (_likely(x), expected_rewards(_likely(x), x.rewards), g)
            ),
        ),
        "only the most likely next state counts",
        "Random transitions are treated as certain.",
        "Sum over all next states, weighted with their probability.",
        (_BOOK,),
    ),
    (
        "next-states-equally-likely",
        (
            _with(lambda x, p, r, g: (_uniform(x), r, g)),
            _with(
                lambda x, p, r, g: (_uniform(x), expected_rewards(_uniform(x), x.rewards), g)
            ),
            _with(lambda x, p, r, g: (np.full_like(p, 1.0 / len(p)), r, g)),
        ),
        "next states are averaged instead of weighted",
        "P is not used, or only to tell which next states are possible.",
        "Sum P[s, a, t] * V[t] over t.",
        (_BOOK,),
    ),
    (
        "own-value-bootstrap",
        (
            _with(
                lambda x, p, r, g: (np.broadcast_to(np.eye(len(p))[:, None], p.shape), r, g)
            ),
        ),
        "the value of the state itself is what follows",
        "V(s) stands for V(t): every state looks like a loop.",
        "Sum P[s, a, t] * V[t] over t.",
        ("https://github.com/DLR-RM/stable-baselines3/commit/fc9527157a67",),
    ),
    (
        "transitions-of-one-action",
        (
            _with(lambda x, p, r, g: (_same(p), r, g)),
            _with(
                lambda x, p, r, g: (
                    np.broadcast_to(p.mean(axis=1, keepdims=True), p.shape), r, g
                )
            ),
        ),
        "all actions lead to the same states",
        "The action is not used as an index of P.",
        "Index P with the state and the action.",
        (_BOOK,),
    ),
    (
        "reward-of-one-action",
        (
            _with(lambda x, p, r, g: (p, _same(r), g)),
            _with(
                lambda x, p, r, g: (
                    p, np.broadcast_to(r.mean(axis=1, keepdims=True), r.shape), g
                )
            ),
        ),
        "all actions earn the same reward",
        "The action is not used as an index of R.",
        "Index R with the state and the action.",
        (_BOOK,),
    ),
    (
        "actions-mixed-up",
        (
            _with(lambda x, p, r, g: (p[:, ::-1], r, g)),
            _with(lambda x, p, r, g: (np.roll(p, 1, axis=1), r, g)),
            _with(lambda x, p, r, g: (np.roll(p, -1, axis=1), r, g)),
        ),
        "transitions and rewards are read with different actions",
        "One of the two is indexed in another order.",
        "Use the same index for both.",
        (_BOOK,),
    ),
)  # fmt: skip


def shared(
    oracle: Model, solve: Solve, backup: Backup, finish: Finish
) -> tuple[FaultyVersion, ...]:
    """The faults of a contract on values.

    Args:
        oracle: for its parameters.
        solve: exact outputs of a (wrong) MDP.
        backup: one sweep.
        finish: from the values of an iteration.
    """

    def of_model(change: Change) -> Model:
        @functools.wraps(oracle)
        def model(**inputs: Any) -> Any:
            x = SimpleNamespace(**inputs)
            return solve(x, change(x))

        return model

    def stopping(
        stop: Callable[[Array, Array], bool], *, in_place: bool = False, most: int = 1000
    ) -> Model:
        @functools.wraps(oracle)
        def model(**inputs: Any) -> Any:
            x = SimpleNamespace(**inputs)
            mdp = right(x)
            values = repeated(
                lambda v: backup(x, mdp, v), len(mdp[0]), stop, in_place=in_place, most=most
            )
            return finish(x, values)

        return model

    def never(before: Array, after: Array) -> bool:
        return False

    def signed(before: Array, after: Array) -> bool:
        return bool((after - before).max() < ASKED)

    def last(before: Array, after: Array) -> bool:
        return bool(abs(after[-1] - before[-1]) < ASKED)

    def first(before: Array, after: Array) -> bool:
        return bool(np.abs(after - before).min() < ASKED)

    return (
        *(
            FaultyVersion(
                name,
                of_model(changes[0]),
                title,
                explanation,
                fix,
                _BELLMAN,
                references,
                variants=tuple(of_model(change) for change in changes[1:]),
            )
            for name, changes, title, explanation, fix, references in _MODELS
        ),
        FaultyVersion(
            "stopped-early",
            stopping(never, most=1),
            "the sweeps stop before the values have converged",
            "One sweep, or a fixed small number of them: what lies further ahead does not count.",
            "Sweep until no value changes by more than a small threshold.",
            _STOP,
            (_BOOK,),
            variants=(
                *(stopping(never, most=k) for k in (2, 3, 5, 10)),
                *(stopping(never, most=k, in_place=True) for k in (1, 2, 3, 5, 10)),
            ),
        ),
        FaultyVersion(
            "falling-values-stop-it",
            stopping(signed),
            "values that fall count as converged",
            "The change is compared without its absolute value: as soon as no value rises, the "
            "sweeps stop.",
            "Compare the largest absolute change with the threshold.",
            _STOP,
            (_BOOK,),
            variants=(stopping(signed, in_place=True),),
        ),
        FaultyVersion(
            "one-state-stops-it",
            stopping(last),
            "the sweeps stop when one state has converged",
            "The largest change is overwritten by that of the last state, or the smallest is "
            "taken: other states are still far off.",
            "Keep the largest absolute change of the sweep.",
            _STOP,
            (_BOOK,),
            variants=(
                stopping(last, in_place=True),
                stopping(first),
                stopping(first, in_place=True),
            ),
        ),
    )
