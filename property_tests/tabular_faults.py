"""Wrong versions of a tabular update: what follows, the target, the step towards it, where it goes.

v = what follows in s',   y = target(v),   Q(s, a) <- step(Q(s, a), y)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model

Follow = Callable[[Any], float]
Target = Callable[[Any, float], float]
Write = Callable[[Any, Array, float], None]
"""(inputs, new table, target): writes the target's effect into the new table."""

_BOOK = "http://incompleteideas.net/book/the-book-2nd.html"
_LIMITS = "https://arxiv.org/abs/1712.00378"
_FOLLOWS = "what follows in the next state"
_TARGET = "the line of the target"
_STEP = "the line that changes the table"


def following(x: Any, table: Array | None = None) -> float:
    """Q(s', a') for SARSA, its mean under the policy for expected SARSA, else the maximum."""
    row = (x.q_table if table is None else table)[x.next_state]
    if x.next_action is not None:
        return float(row[x.next_action])
    if np.any(x.next_action_probabilities):
        return float(np.sum(x.next_action_probabilities * row))
    return float(max(row))


def _target(x: Any, v: float) -> float:
    return x.reward if x.terminated else x.reward + x.gamma * v


def _write(x: Any, table: Array, y: float) -> None:
    table[x.state, x.action] += x.learning_rate * (y - table[x.state, x.action])


def finished(x: Any, table: Array) -> tuple[Array, Array]:
    """The answer, and the table that was handed in after the call."""
    return table, table if x.update == "in place" else x.q_table


def faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """The catalogue.

    Args:
        oracle: for its parameters.
    """

    def made(follow: Follow = following, target: Target = _target, write: Write = _write) -> Model:
        @functools.wraps(oracle)
        def model(**inputs: Any) -> tuple[Array, Array]:
            x = SimpleNamespace(**inputs)
            table = np.array(x.q_table, dtype=float)
            write(x, table, target(x, follow(x)))
            return finished(x, table)

        return model

    def of(entry: Any) -> FaultyVersion:
        name, part, wrong, title, explanation, fix, where, *references = entry
        first, *rest = (made(**{part: one}) for one in wrong)
        return FaultyVersion(
            name,
            first,
            title,
            explanation,
            fix,
            where,
            tuple(references) or (_BOOK,),
            variants=tuple(rest),
        )

    return (*map(of, _ENTRIES), _decayed_first(oracle), _argument(oracle))


def _argument(oracle: Model) -> FaultyVersion:
    """The argument holds something else than it should."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> tuple[Array, Array]:
        x = SimpleNamespace(**inputs)
        table, _ = oracle(**inputs)
        again = np.array(table)
        _write(x, again, _target(x, following(x)))
        return table, again if x.update == "copy" else x.q_table

    return FaultyVersion(
        "inputs-changed",
        model,
        "the table that was handed in is not what the answer says",
        "A copy is returned and the original changed all the same, or the two end up different: "
        "whoever keeps the one learns something else than who keeps the other.",
        "Change the table in place, or copy it before the first change; not both.",
        _STEP,
        ("https://github.com/AgileRL/AgileRL/commit/611c57248f7d",),
    )


def _decayed_first(oracle: Model) -> FaultyVersion:
    """(1 - alpha) Q(s, a) is stored before what follows is read, which matters where s' = s."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> tuple[Array, Array]:
        x = SimpleNamespace(**inputs)
        table = np.array(x.q_table, dtype=float)
        table[x.state, x.action] *= 1.0 - x.learning_rate
        y = _target(x, following(x, table))
        table[x.state, x.action] += x.learning_rate * y
        return finished(x, table)

    return FaultyVersion(
        "changed-before-read",
        model,
        "the entry is changed before what follows is read",
        "Where a step leads back to its own state, the target is made of a half-updated table.",
        "Compute the target first, then change the entry.",
        _STEP,
        (_BOOK,),
    )


def _moved(x: Any, table: Array, at: Any, y: float) -> None:
    table[at] += x.learning_rate * (y - table[at])


def _assign(value: Callable[[Any, float, float], float]) -> Write:
    """Writes another value: (inputs, old value, target) -> new value."""

    def write(x: Any, table: Array, y: float) -> None:
        table[x.state, x.action] = value(x, table[x.state, x.action], y)

    return write


def _transposed(x: Any, table: Array, y: float) -> None:
    """Rows and columns of the entry are exchanged, wrapping round where they do not fit."""
    states, actions = table.shape
    at = (x.action % states, x.state % actions)
    table[at] += x.learning_rate * (y - x.q_table[x.state, x.action])


def _greedy_action(x: Any) -> int:
    return int(np.argmax(x.q_table[x.state]))


def _twice(x: Any, table: Array, y: float) -> None:
    _write(x, table, y)
    _write(x, table, y)


def _at(place: Callable[[Any], Any]) -> Write:
    return lambda x, table, y: _moved(x, table, place(x), y)


def _error_at(place: Callable[[Any], Any]) -> Write:
    """The right TD error, added elsewhere."""

    def write(x: Any, table: Array, y: float) -> None:
        table[place(x)] += x.learning_rate * (y - x.q_table[x.state, x.action])

    return write


def _sampled(x: Any) -> bool:
    """Whether an action, or a policy, is given for what follows."""
    return x.next_action is not None or bool(np.any(x.next_action_probabilities))


def _where_maximum(wrong: Callable[[Any, Array], Any]) -> Follow:
    """A wrong maximum where a maximum is due."""
    return lambda x: following(x) if _sampled(x) else float(wrong(x, x.q_table[x.next_state]))


_ENTRIES: tuple[Any, ...] = (
    (
        "terminal-bootstrap", "target", (lambda x, v: x.reward + x.gamma * v,),
        "the value after a terminal step is counted",
        "The flag has no effect: what is stored for the terminal state, or for the next reset, "
        "leaks through the end.",
        "Use the reward alone where the step terminated.",
        _TARGET, "https://github.com/pytorch/rl/commit/cdcd9f32a201",
    ),
    (
        "truncation-as-terminal", "target",
        (lambda x, v: x.reward + x.gamma * v * (not (x.terminated or x.truncated)),),
        "truncation is treated as termination",
        "At a time limit the bootstrap is dropped, as if nothing could have followed.",
        "Mask with `terminated` alone.",
        _TARGET, "https://github.com/google/dopamine/commit/c443e88a5875", _LIMITS,
    ),
    (
        "both-flags-as-truncation", "target",
        (lambda x, v: x.reward + x.gamma * v * (not (x.terminated and not x.truncated)),),
        "a step with both flags counts as truncated",
        "A task that ends exactly at its time limit has ended; here it is bootstrapped.",
        "Let `terminated` win.",
        _TARGET, "https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",
    ),
    (
        "mask-inverted", "target", (lambda x, v: x.reward + x.gamma * v * x.terminated,),
        "the mask is inverted",
        "Only terminal steps bootstrap.",
        "Multiply by 1 - terminated.",
        _TARGET,
    ),
    (
        "gamma-missing", "target", (lambda x, v: x.reward + v * (not x.terminated),),
        "what follows is not discounted",
        "The target is r + v: values grow with the length of the episode.",
        "Multiply what follows by gamma.",
        _TARGET,
    ),
    (
        "gamma-twice", "target", (lambda x, v: x.reward + x.gamma**2 * v * (not x.terminated),),
        "what follows is discounted twice",
        "gamma^2 stands before it.",
        "Discount in one place.",
        _TARGET,
    ),
    (
        "gamma-on-everything", "target",
        (lambda x, v: x.gamma * (x.reward + v * (not x.terminated)),),
        "the reward is discounted too",
        "gamma multiplies the sum of reward and what follows.",
        "Discount what follows only.",
        _TARGET,
    ),
    (
        "reward-masked", "target",
        (lambda x, v: (x.reward + x.gamma * v) * (not x.terminated),),
        "the reward of a terminal step is masked away",
        "In many tasks the only reward is lost.",
        "Mask what follows only.",
        _TARGET, "https://github.com/AechPro/rlgym-ppo/pull/23",
    ),
    (
        "reward-missing", "target", (lambda x, v: x.gamma * v * (not x.terminated),),
        "the reward is missing",
        "Every value decays to 0.",
        "Add the reward.",
        _TARGET,
    ),
    (
        "reward-sign-flipped", "target",
        (lambda x, v: -x.reward + x.gamma * v * (not x.terminated),),
        "the reward is subtracted",
        "The agent learns to avoid reward.",
        "Add the reward.",
        _TARGET,
    ),
    (
        "reward-clipped", "target",
        (lambda x, v: float(np.clip(x.reward, -1, 1)) + x.gamma * v * (not x.terminated),),
        "the reward is clipped to [-1, 1]",
        "Large rewards count no more than small ones: another task is solved.",
        "Clip in an environment wrapper, where it can be seen.",
        _TARGET,
    ),
    (
        "bootstrap-missing", "target", (lambda x, v: x.reward,),
        "nothing follows the reward",
        "The agent is short-sighted whatever gamma is.",
        "Add gamma times what follows.",
        _TARGET,
    ),
    (
        "next-action-ignored", "follow",
        (
            lambda x: float(max(x.q_table[x.next_state])),
            lambda x: following(x)
            if x.next_action is not None
            else float(np.mean(x.q_table[x.next_state])) if _sampled(x) else following(x),
        ),
        "what the policy does next has no effect",
        "The largest action value follows, or a plain mean: Q-learning where SARSA was meant.",
        "Use Q(s', a') with the action taken next, or the mean under the policy.",
        _FOLLOWS,
    ),
    (
        "mean-for-max", "follow", (_where_maximum(lambda x, row: row.mean()),),
        "the mean over the next actions is taken instead of the maximum",
        "These are the values of a policy that acts at random.",
        "Take the maximum.",
        _FOLLOWS,
    ),
    (
        "min-for-max", "follow", (_where_maximum(lambda x, row: row.min()),),
        "the smallest action value follows",
        "The worst action is expected next.",
        "Take the maximum.",
        _FOLLOWS,
    ),
    (
        "index-for-value", "follow", (_where_maximum(lambda x, row: np.argmax(row)),),
        "the number of the best action is used as its value",
        "argmax stands for max.",
        "Take the maximum, or index the table with argmax.",
        _FOLLOWS, "https://github.com/google/dopamine/commit/9793d17d6d03",
    ),
    (
        "maximum-over-the-table", "follow",
        (
            _where_maximum(lambda x, row: x.q_table.max()),
            _where_maximum(lambda x, row: x.q_table[:, x.action].max()),
        ),
        "the maximum is taken over states too",
        "Without an axis, or over the column of the action: another state's values follow.",
        "Take the maximum of the row of the next state.",
        _FOLLOWS, "https://github.com/google/dopamine/commit/9793d17d6d03",
    ),
    (
        "same-action-follows", "follow",
        (lambda x: float(x.q_table[x.next_state, x.action]),),
        "the action just taken is expected again",
        "Q(s', a) stands for what follows.",
        "Use the best action of s', or the one taken there.",
        _FOLLOWS,
    ),
    (
        "own-state-bootstrap", "follow",
        (
            lambda x: following(SimpleNamespace(**{**vars(x), "next_state": x.state})),
            lambda x: float(x.q_table[x.state, x.action]),
        ),
        "what follows is read from the state itself",
        "Q(s, .) stands for Q(s', .): the state was overwritten, or not advanced.",
        "Index with the next state.",
        _FOLLOWS, "https://github.com/DLR-RM/stable-baselines3/commit/fc9527157a67",
    ),
    (
        "learning-rate-ignored", "write", (_assign(lambda x, q, y: y),),
        "the entry is overwritten with its target",
        "The learning rate has no effect: one unlucky step undoes all others.",
        "Move the entry by learning_rate times the error.",
        _STEP,
    ),
    (
        "learning-rate-complement", "write",
        (_assign(lambda x, q, y: x.learning_rate * q + (1 - x.learning_rate) * y),),
        "the learning rate weighs the old value",
        "1 - learning_rate stands for learning_rate.",
        "(1 - learning_rate) * old + learning_rate * target.",
        _STEP,
    ),
    (
        "old-value-not-subtracted", "write",
        (
            _assign(lambda x, q, y: q + x.learning_rate * y),
            _assign(lambda x, q, y: (1 - x.learning_rate) * q + y),
        ),
        "old value and target do not add up to one",
        "The entry grows with every visit.",
        "Add learning_rate * (target - old value).",
        _STEP,
    ),
    (
        "old-value-lost", "write",
        (
            _assign(lambda x, q, y: x.learning_rate * (y - q)),
            _assign(lambda x, q, y: x.learning_rate * y),
            _assign(lambda x, q, y: y - q),
        ),
        "the entry is replaced by its change",
        "`=` stands for `+=`.",
        "Add the change to the entry.",
        _STEP,
    ),
    (
        "error-sign-flipped", "write", (_assign(lambda x, q, y: q - x.learning_rate * (y - q)),),
        "the entry moves away from its target",
        "old - target, or -= for +=.",
        "Add learning_rate * (target - old value).",
        _STEP,
    ),
    (
        "learning-rate-twice", "write", (_assign(lambda x, q, y: q + x.learning_rate**2 * (y - q)),),
        "the learning rate is applied twice",
        "learning_rate^2 stands before the error.",
        "Multiply the error by the learning rate once.",
        _STEP,
    ),
    (
        "learning-rate-on-target-parts", "write",
        (
            _assign(lambda x, q, y: x.learning_rate * x.reward + (y - x.reward)),
            _assign(lambda x, q, y: q + x.learning_rate * x.reward + (y - x.reward)),
            _assign(lambda x, q, y: q + x.reward + x.learning_rate * (y - x.reward - q)),
        ),
        "the learning rate reaches only a part of the error",
        "Brackets are missing: learning_rate * r + gamma * v - old.",
        "Put the whole error in brackets.",
        _STEP,
    ),
    (
        "update-lost", "write", (lambda x, table, y: None,),
        "the table comes back as it was",
        "The change is made to a copy that is thrown away, or nothing is returned.",
        "Return the changed table, or change the one that was handed in.",
        _STEP,
    ),
    (
        "wrong-entry", "write",
        (
            _at(lambda x: (x.next_state, x.action)),
            _error_at(lambda x: (x.next_state, x.action)),
            _at(lambda x: (x.state, _greedy_action(x))),
            _error_at(lambda x: (x.state, _greedy_action(x))),
            _at(lambda x: (x.state, 0)),
            _transposed,
        ),
        "another entry than that of the step is changed",
        "The next state, the greedy action or exchanged indices are credited.",
        "Change Q[state, action].",
        _STEP, "https://github.com/google/dopamine/commit/9793d17d6d03",
    ),
    (
        "whole-row-changed", "write",
        (
            _at(lambda x: x.state),
            _error_at(lambda x: x.state),
            _at(lambda x: (slice(None), x.action)),
            _error_at(lambda x: (slice(None), x.action)),
            _at(lambda x: slice(None)),
            _error_at(lambda x: slice(None)),
        ),
        "more than one entry is changed",
        "A whole row, column or table moves: actions that were not taken are credited.",
        "Change Q[state, action] only.",
        _STEP,
    ),
    (
        "applied-twice", "write",
        (
            _twice,
            _assign(lambda x, q, y: q + 2 * x.learning_rate * (y - q)),
        ),
        "the step is made twice",
        "The update runs in the function and once more in its caller, or on a shared table.",
        "Change the entry once.",
        _STEP,
    ),
)  # fmt: skip
