"""What the contracts on rules of exploration share: how a rule is called, and the test of chance.

A rule takes the action values of one state [A] or of several [B, A] and returns an action. It is
asked many times for the same values, and how often each action came is compared with

    least(a)    what the definition gives action a, wherever ties go
    tied        the actions among which the remaining probability may be shared in any way

so that the first, the last or a random one of several best actions are equally right.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from property_tests.framework.records import Array, Case, Mismatch
from property_tests.scenarios import ALPHA, Observation, Prepared, surprise
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import Kind, describe, to_kind, to_numpy
from rlcheck.functions.binding import Parameter, Signature, bind_signature, name_of
from rlcheck.functions.calling import Malformed
from rlcheck.functions.hints import installed, likely_kinds
from rlcheck.functions.streams import jax_keys, torch_generator

TESTS = 1000
"""Rows of action values that a run may test at most, over all cases and properties."""

REPEATED = 16
"""Draws that are made twice from the same generator state."""

Q_VALUES = Parameter(
    "q_values",
    "A",
    "action values of one state, or [B, A] of several",
    aliases=("q", "qs", "q_value", "q_vals", "values", "action_values", "estimates", "means"),
)
RNG = Parameter(
    "rng",
    "",
    "source of randomness",
    aliases=("generator", "random_state", "gen", "np_random", "key", "rng_key", "prng_key"),
)
ACTIONS = Parameter(
    "n_actions", "", "A", aliases=("num_actions", "action_dim", "n_arms", "num_arms", "n_action")
)


class Choice(NamedTuple):
    """The probabilities of a rule in one state.

    Args:
        least: [A + 1] probability of each action wherever ties go, and of no action at all.
        tied: [A + 1] the actions that share what is left.
    """

    least: Array
    tied: Array

    @property
    def shared(self) -> Array:
        """[A + 1] probabilities with ties shared evenly."""
        left = max(0.0, 1.0 - float(self.least.sum()))
        return self.least + left * self.tied / max(1, int(self.tied.sum()))


def choice(probabilities: Sequence[float] | Array, outside: float = 0.0) -> Choice:
    """A rule without ties."""
    every = np.append(np.asarray(probabilities, dtype=float), outside)
    return Choice(every, np.zeros(len(every), bool))


def greedy(scores: Array, weight: float = 1.0, rest: float | Array = 0.0) -> Choice:
    """`weight` on the best scores, however shared, and `rest` on each action besides."""
    least = np.append(np.broadcast_to(rest, len(scores)).astype(float), 0.0)
    # Scores that a rule computes in single precision tie where exact ones do.
    near = 1e-6 * (1.0 + np.abs(scores[np.isfinite(scores)]).max(initial=0.0))
    best = scores >= scores.max() - near
    return Choice(least, np.append(best & (weight > 0), False))


Model = Callable[..., Choice]


@dataclass(frozen=True, slots=True)
class Misbehaving:
    """A rule with the right probabilities that does something wrong beside them."""

    rule: Model
    wrap: Callable[[Callable[..., int]], Callable[..., int]]

    def __call__(self, **facts: Any) -> Choice:
        """The probabilities."""
        return choices(self.rule, facts)[0]


@functools.cache
def _names(model: Model) -> tuple[str, ...]:
    rule = model.rule if isinstance(model, Misbehaving) else model
    return tuple(inspect.signature(rule).parameters)


def choices(model: Model, facts: Mapping[str, Any]) -> list[Choice]:
    """The probabilities of a model for every row of action values."""
    rule = model.rule if isinstance(model, Misbehaving) else model
    taken = set(_names(model)) - {"q_values", "counts"}
    named = {name: facts[name] for name in taken if name in facts}
    rows = np.atleast_2d(facts["q_values"])
    counts = np.atleast_2d(facts["counts"]) if "counts" in facts else [None] * len(rows)
    with np.errstate(all="ignore"):
        return [
            rule(q_values=q, **named, **({"counts": n} if "counts" in _names(model) else {}))
            for q, n in zip(rows, counts, strict=True)
        ]


def predict(model: Model, facts: Case) -> Observation:
    """The probabilities for every row, as `differs` reads them."""
    rows = choices(model, facts)
    return {
        "least": np.array([row.least for row in rows]),
        "tied": np.array([row.tied for row in rows]),
        "probabilities": np.array([row.shared for row in rows]),
    }


# -- how a rule is called -----------------------------------------------------------------------


STREAMS: tuple[Callable[[int], Iterator[Any]], ...] = (
    lambda seed: itertools.repeat(np.random.default_rng(seed)),
    lambda seed: itertools.repeat(np.random.RandomState(seed)),
    lambda seed: itertools.repeat(random.Random(seed)),
    lambda seed: itertools.repeat(torch_generator(seed)),
    jax_keys,
)
"""Sources of randomness by seed, each giving what is passed to one call after another."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A user's function and how it is called.

    Args:
        axes: axes in front of A: 0 for [A], 1 for [1, A], 2 for [B, A] at once.
        stream: which source of randomness it takes.
    """

    raw: Callable[..., Any]
    signature: Signature
    kind: Kind
    axes: int
    stream: Callable[[int], Iterator[Any]]

    @property
    def takes_rng(self) -> bool:
        """Whether randomness comes in as an argument."""
        return "rng" in self.signature.names

    def arguments(self, facts: Case, row: int | slice) -> dict[str, Any]:
        """Everything but `rng`, by the function's own names; made once and passed to every call."""
        made: dict[str, Any] = {}
        for own, parameter in self.signature.arguments.items():
            name = parameter.name
            if name in ("q_values", "counts"):
                value = np.atleast_2d(facts[name])[row]
                value = value[None] if self.axes == 1 else value
                made[own] = to_kind(value, self.kind)
            elif name == "n_actions":
                made[own] = int(np.shape(facts["q_values"])[-1])
            elif name != "rng":
                made[own] = facts[name]
        return made

    def draws(self, arguments: dict[str, Any], n: int, seed: int) -> Iterator[Array]:
        """Actions of n calls, each [1], or [B] for a batch."""
        rng = next((own for own, p in self.signature.arguments.items() if p.name == "rng"), None)
        stream = self.stream(seed) if rng else itertools.repeat(None)
        for source in itertools.islice(stream, n):
            given = arguments if rng is None else {**arguments, rng: source}
            yield _actions(self._called(dict(given)))

    def _called(self, given: dict[str, Any]) -> Any:
        positional = [given.pop(name) for name in self.signature.positional]
        return self.raw(*positional, **given, **self.signature.extra)


def _actions(returned: Any) -> Array:
    """Actions as integers [k]; of a tuple the first element."""
    if isinstance(returned, tuple):
        returned = returned[0]
    if returned is None:
        raise Malformed("nothing", "it returned None, expected an action; return the action")
    try:
        found = to_numpy(returned).reshape(-1)
    except (ValueError, TypeError):
        message = f"it returned {describe(returned)}, expected an action"
        raise Malformed("type", message) from None
    if not np.array_equal(found, np.round(found)):
        raise Malformed("type", f"it returned {returned!r}, expected the index of an action", found)
    return found.astype(int)


def play(rule: Rule, facts: Case, draws: int) -> Observation:
    """How often each action came, by row, and what else showed.

    counts [B, A + 1]   the last column counts what is no action
    changed             whether the arguments are no longer what they were
    repeatable          whether equal generators gave equal actions
    """
    rows, actions = np.atleast_2d(facts["q_values"]).shape
    counts = np.zeros((rows, actions + 1))
    seed = zlib.crc32(repr(sorted(facts.items())).encode())
    changed, repeatable = False, True
    parts: list[int | slice] = [slice(None)] if rule.axes == 2 else list(range(rows))
    for part in parts:
        arguments, untouched = rule.arguments(facts, part), rule.arguments(facts, part)
        for found in rule.draws(arguments, draws, seed):
            places = range(rows) if isinstance(part, slice) else [part]
            if len(found) != len(places):
                message = f"{len(places)} actions were expected, it returned {len(found)}"
                raise Malformed("shape", message, found)
            for place, action in zip(places, found, strict=True):
                counts[place, action if 0 <= action < actions else actions] += 1
        changed |= any(
            not np.array_equal(to_numpy(arguments[name]), to_numpy(value))
            for name, value in untouched.items()
        )
        if rule.takes_rng:
            twice = [
                np.concatenate([*rule.draws(rule.arguments(facts, part), REPEATED, seed)])
                for _ in range(2)
            ]
            repeatable &= np.array_equal(twice[0], twice[1])
    return {
        "counts": counts,
        "changed": np.array(changed),
        "repeatable": np.array(repeatable),
    }


def prepare(
    raw: Any,
    options: Options,
    contract: str,
    vocabulary: Sequence[Parameter],
    probes: Sequence[Case],
) -> Prepared:
    """The function in the first form in which every probe goes through.

    Raises:
        BindingError: its parameters cannot be bound, or it runs in no form.
    """
    signature = bind_signature(
        raw, vocabulary, contract=contract, bind=options.bind, constants=dict(options.constants)
    )
    for parameter in vocabulary:
        known = parameter.name in signature.names or parameter.name in signature.fixed
        if parameter.hyper and not known:
            raise BindingError(
                f"{name_of(raw)} does not name {parameter.name!r}; say which value it uses with "
                f"--set {parameter.name}=VALUE, or which parameter means it with --bind"
            )
    if "q_values" not in signature.names:
        raise BindingError(
            f"{name_of(raw)} must take `q_values`; say which of its parameters means them with "
            f"--bind q_values=PARAMETER"
        )
    rule = _first_form(raw, signature, probes)
    fixed = tuple(sorted(signature.fixed.items()))
    can = {f"varies {p.name}" for p in vocabulary if p.hyper and p.name in signature.names}
    can |= {"rng"} if rule.takes_rng else set()
    can |= {"batch"} if "counts" not in signature.names else set()
    return Prepared(rule, frozenset(can), fixed=fixed)


def _first_form(raw: Any, signature: Signature, probes: Sequence[Case]) -> Rule:
    streams = STREAMS if "rng" in signature.names else STREAMS[:1]
    unlikely = [Kind.TORCH] if installed(Kind.TORCH) else []
    kinds = list(dict.fromkeys([*likely_kinds(raw), *unlikely]))
    reason: Exception | None = None
    answering: Rule | None = None
    for kind, axes, stream in itertools.product(kinds, (0, 2, 1), streams):
        rule = Rule(raw, signature, kind, axes, stream)
        try:
            for probe in probes:
                play(rule, {**dict(signature.fixed), **probe}, draws=8)
        except Malformed as error:
            answering = answering or rule
            reason = reason or error
        except Exception as error:
            reason = reason or error
        else:
            return rule
    if answering is not None:  # an answer of the wrong kind is a finding
        return answering
    raise BindingError(
        f"{name_of(raw)} runs neither on values [A] nor on [B, A], as arrays, tensors or lists: "
        f"{type(reason).__name__}: {reason}"
    )


# -- the test of chance -------------------------------------------------------------------------


def differs(case: Case, observed: Observation, predicted: Observation) -> Mismatch | None:
    """The row of action values whose frequencies these probabilities do not explain."""
    for row, counts in enumerate(observed["counts"]):
        found = Choice(predicted["least"][row], predicted["tied"][row])
        action = unlikely_action(counts, found)
        if action is not None:
            return _mismatch(case, row, action, counts, found)
    return None


def unlikely_action(counts: Array, found: Choice) -> int | None:
    """An action that came too often or too seldom, None where chance explains all of them.

    Its error rate is ALPHA over `TESTS` rows (Chernoff's bound on every action, ties pooled).
    """
    limit = np.log(2.0 * TESTS * len(counts) / ALPHA)
    alone, tied = ~found.tied, found.tied
    pooled = np.append(counts[alone], counts[tied].sum())
    least = np.append(found.least[alone], 1.0 - found.least[alone].sum())
    excess = surprise(pooled, np.clip(np.round(least, 12), 0.0, 1.0))
    places = np.append(np.flatnonzero(alone), np.argmax(found.tied) if tied.any() else 0)
    if excess.max() > limit:
        # What never happens but did says more than what came too seldom.
        return int(places[int(np.argmax(excess))])
    if tied.sum() > 1:
        n = counts.sum()
        for action in np.flatnonzero(tied):
            pair = np.array([counts[action], n - counts[action]])
            sure = found.least[action]
            if counts[action] / n < sure and surprise(pair, np.array([sure, 1 - sure]))[0] > limit:
                return int(action)
    return None


def _mismatch(case: Case, row: int, action: int, counts: Array, found: Choice) -> Mismatch:
    n = int(counts.sum())
    shown = {**case, "q_values": np.atleast_2d(case["q_values"])[row]}
    actions = len(counts) - 1
    if action == actions:
        message = f"{int(counts[-1])} of {n} answers are no action: outside 0 to {actions - 1}"
    else:
        message = (
            f"action {action} came {int(counts[action])} times in {n}, where "
            f"{n * found.shared[action]:.3g} are expected"
        )
    expected, got = found.shared[:actions], counts[:actions] / n
    return Mismatch(message, shown, expected, got, (min(action, actions - 1),))
