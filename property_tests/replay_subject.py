"""How replay buffers of any make are driven: tracer payloads in, rows with names out.

A factory `make(capacity)` gives a buffer with `add(obs, action, reward, next_obs, terminated,
truncated)` and `sample(n)`. Every payload tells which step it belongs to, so that a sampled row
shows by itself whether its parts were stored together.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np

from property_tests.framework.records import Case
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import describe, to_numpy
from rlcheck.functions.binding import name_of
from rlcheck.functions.calling import Malformed

FIELDS = ("obs", "action", "reward", "next_obs", "terminated", "truncated")
ALIASES = {
    "obs": ("observation", "observations", "state", "states", "s"),
    "action": ("actions", "act", "a"),
    "reward": ("rewards", "rew", "r"),
    "next_obs": (
        "next_observation",
        "next_observations",
        "next_state",
        "next_states",
        "obs_next",
        "obs2",
        "s2",
    ),
    "terminated": ("terminateds", "terminations", "terminal", "terminals"),
    "truncated": ("truncateds", "truncations", "timeouts", "timeout"),
    "done": ("dones", "d"),
    "indices": ("index", "idxs", "idx", "inds", "indexes"),
    "weights": ("weight", "is_weights", "importance_weights"),
}
METHODS = {
    "add": ("push", "store", "append", "put", "insert"),
    "sample": ("sample_batch", "get_batch"),
    "update_priorities": ("update_priority", "set_priorities", "batch_update", "update"),
}
VERBS = {
    "add": ("add", "push", "store", "append", "put", "insert", "remember", "record", "save"),
    "sample": ("sample", "draw", "get"),
    "update_priorities": ("update", "set"),
}
"""First words of names such as `store_transition` and `draw_batch`."""
HYPERS = {
    "capacity": ("buffer_size", "max_size", "maxlen", "size", "max_len", "buffer_capacity"),
    "alpha": ("priority_exponent", "prioritized_replay_alpha", "per_alpha", "omega", "prob_alpha"),
    "beta": (
        "importance_exponent",
        "prioritized_replay_beta",
        "prioritized_replay_beta0",
        "per_beta",
        "beta0",
        "beta_start",
        "is_exponent",
    ),
}


def word(name: str) -> str:
    """The contract's word for a name."""
    return next((known for known, others in ALIASES.items() if name in (known, *others)), name)


@dataclass(frozen=True, slots=True)
class BufferFactory:
    """Makes buffers that take and return what the contract says.

    Args:
        raw: the user's factory.
        hypers: contract name of a hyper-parameter -> the factory's own name.
        constants: further arguments of the factory.
        bind: contract name -> the user's own name, of methods and of the arguments of `add`.
        merged: whether `add` takes one flag for both ends.
    """

    raw: Callable[..., Any]
    hypers: Mapping[str, str]
    constants: Mapping[str, Any]
    bind: Mapping[str, str]
    merged: bool = False

    def __call__(self, **hypers: Any) -> DrivenBuffer:
        """A new buffer."""
        arguments = {self.hypers[name]: value for name, value in hypers.items()}
        return DrivenBuffer(self.raw(**arguments, **self.constants), self.bind)


class DrivenBuffer:
    """One buffer, called and read by the contract's names."""

    def __init__(self, raw: Any, bind: Mapping[str, str]):
        self.raw = raw
        self._add = method(raw, "add", bind)
        self._sample = method(raw, "sample", bind)
        self._words = _argument_words(self._add, bind)
        self.bind = bind

    @property
    def merged(self) -> bool:
        """Whether `add` takes one flag for both ends."""
        return "done" in self._words.values()

    def add(self, **step: Any) -> None:
        """Store one transition, given by the contract's names."""
        facts = {**step, "done": step["terminated"] or step["truncated"]}
        if self._words:
            self._add(**{own: facts[name] for own, name in self._words.items()})
        else:
            self._add(*(step[name] for name in FIELDS))

    def sample(self, n: int) -> dict[str, np.ndarray]:
        """Columns of n sampled rows by the contract's names."""
        columns = read_batch(self._sample(n))
        for name, values in columns.items():
            if len(values) != n:
                raise Malformed("shape", f"`sample({n})` returned {len(values)} rows of {name}")
        return columns

    def update_priorities(self, indices: np.ndarray, priorities: np.ndarray) -> None:
        """Set the priorities of sampled rows."""
        method(self.raw, "update_priorities", self.bind)(indices, priorities)


def method(raw: Any, name: str, bind: Mapping[str, str]) -> Callable[..., Any]:
    """A method by the contract's name, by one of its usual names or by the user's own."""
    for own in (bind.get(name, name), *METHODS[name]):
        if callable(getattr(raw, own, None)):
            return getattr(raw, own)
    called = [own for own in dir(raw) if own.partition("_")[0] in VERBS[name]]
    if name == "update_priorities":
        called = [own for own in called if "priorit" in own]
    methods = [getattr(raw, own) for own in called if callable(getattr(raw, own))]
    if len(methods) == 1:
        return methods[0]
    raise BindingError(
        f"{type(raw).__name__} has no method {name!r}; a replay buffer has `add`, `sample(n)` (and "
        f"`update_priorities` if prioritised); say what yours is called with --bind {name}=METHOD"
    )


def usual_name(hyper: str, parameters: Iterable[str]) -> str | None:
    """Under which of its usual names a hyper-parameter is among the parameters of a function."""
    taken = set(parameters)
    return next((name for name in (hyper, *HYPERS[hyper]) if name in taken), None)


def factory(raw: Any, options: Options, hypers: Sequence[str]) -> BufferFactory:
    """The user's factory, with its own names for `capacity` and the other hyper-parameters.

    Raises:
        BindingError: it cannot be called with them, or what it makes has no such methods.
    """
    if not callable(raw):
        raise BindingError(
            f"a factory `make({', '.join(hypers)})` is needed, {name_of(raw)} is "
            f"{describe(raw)}; hand over the class of the buffer or a function that makes one"
        )
    parameters = inspect.signature(raw).parameters
    named = {}
    for hyper in hypers:
        own = options.bind.get(hyper) or usual_name(hyper, parameters)
        if own is None:
            raise BindingError(
                f"{name_of(raw)} does not name {hyper!r} among its parameters "
                f"({', '.join(parameters)}); say which one means it with --bind {hyper}=PARAMETER"
            )
        named[hyper] = own
    made = BufferFactory(raw, named, dict(options.constants), dict(options.bind))
    try:
        probe = made(**{hyper: 2 if hyper == "capacity" else 0.5 for hyper in hypers})
    except TypeError as error:
        raise BindingError(
            f"{name_of(raw)} cannot be called with {', '.join(named.values())} alone: {error}; "
            f"give the others a value with --set NAME=VALUE"
        ) from error
    return BufferFactory(raw, named, made.constants, made.bind, probe.merged)


def _argument_words(add: Callable[..., Any], bind: Mapping[str, str]) -> dict[str, str]:
    """The method's own argument names -> the contract's; empty to pass six by position."""
    parameters = inspect.signature(add).parameters.values()
    own = [
        p.name
        for p in parameters
        if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.default is p.empty
    ]
    reverse = {name: contract for contract, name in bind.items()}
    words = {name: reverse.get(name, word(name)) for name in own}
    known = set(FIELDS) | {"done"}
    if own and set(words.values()) <= known and len(set(words.values())) == len(own):
        return words
    if len(own) in (0, len(FIELDS)):
        return {}
    raise BindingError(
        f"`add` takes ({', '.join(own)}), expected ({', '.join(FIELDS)}); "
        f"say what each of them is with --bind NAME=PARAMETER"
    )


def read_batch(batch: Any) -> dict[str, np.ndarray]:
    """Columns of a sampled batch by the contract's names.

    Read are mappings, named tuples and dataclasses of columns, plain tuples of columns in the order
    of `add` (indices and weights last), and lists of transitions.
    """
    if batch is None:
        raise Malformed("nothing", "`sample` returned None, expected the sampled transitions")
    fields = named_columns(batch)
    if fields is None:
        if not isinstance(batch, (tuple, list)):
            raise Malformed("type", f"`sample` returned {describe(batch)}, expected transitions")
        if isinstance(batch, list) and batch and isinstance(batch[0], (tuple, dict)):
            return _of_rows(batch)
        fields = dict(zip(_column_names(len(batch)), batch, strict=True))
    columns = {word(name): to_numpy(value) for name, value in fields.items() if value is not None}
    missing = [n for n in FIELDS if n not in columns]
    if missing and not ("done" in columns and set(missing) <= {"terminated", "truncated"}):
        raise Malformed("shape", f"`sample` returns no {missing[0]!r}, only {', '.join(columns)}")
    return columns


def _column_names(count: int) -> tuple[str, ...]:
    """Names of unnamed columns: those of `add`, with both flags or one, perhaps two more."""
    merged = (*FIELDS[:4], "done")
    for names in (FIELDS, merged):
        if count in (len(names), len(names) + 2):
            return (*names, "indices", "weights")[:count]
    raise Malformed("shape", f"`sample` returned {count} columns, expected {', '.join(FIELDS)}")


def named_columns(batch: Any) -> dict[str, Any] | None:
    """Columns or fields by name, None where there are no names."""
    if isinstance(batch, Mapping):
        return dict(batch)
    if hasattr(batch, "_asdict"):
        return dict(batch._asdict())
    return dict(vars(batch)) if is_dataclass(batch) and not isinstance(batch, type) else None


def _of_rows(rows: list[Any]) -> dict[str, np.ndarray]:
    named = [named_columns(row) or dict(zip(FIELDS, row, strict=False)) for row in rows]
    return {word(n): np.array([to_numpy(row[n]) for row in named]) for n in named[0]}


class Tracer:
    """The steps of a case, each payload telling its step k = 1, 2, ...

    s_k is [10 k, -10 k]; inside an episode the next observation is s_{k+1}, at its end the state
    really reached, [10 k + 5, -10 k - 5], which is never an observation of the next step.
    """

    def __init__(self, case: Case):
        self.terminated, self.truncated = case["terminated"], case["truncated"]
        self.reused = bool(case.get("arrays_reused", False))
        self.shared = (np.zeros(2), np.zeros(2))

    def __len__(self) -> int:
        return len(self.terminated)

    def step(self, k: int) -> dict[str, Any]:
        """Transition k, counted from 1."""
        terminated, truncated = bool(self.terminated[k - 1]), bool(self.truncated[k - 1])
        reached = 10 * k + 5 if terminated or truncated else 10 * k + 10
        observations = (np.array([10.0 * k, -10.0 * k]), np.array([reached, -reached], dtype=float))
        if self.reused:
            # As vector environments do: every step comes in the same two arrays.
            for own, new in zip(self.shared, observations, strict=True):
                own[:] = new
            observations = self.shared
        return {
            "obs": observations[0],
            "action": k,
            "reward": k + 0.5,
            "next_obs": observations[1],
            "terminated": terminated,
            "truncated": truncated,
        }

    def row(self, k: int) -> tuple[float, ...]:
        """Transition k as `rows_of` shows it."""
        step = self.step(k)
        return (
            float(step["obs"][0]),
            float(k),
            k + 0.5,
            float(step["next_obs"][0]),
            float(step["terminated"]),
            float(step["truncated"]),
        )


def rows_of(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sampled rows as numbers [n, 6], an observation by its first element.

    A buffer that returns one flag only has it read as `terminated`.
    """
    n = len(columns["reward"])
    flags = [columns.get("terminated", columns.get("done")), columns.get("truncated", np.zeros(n))]
    numbers = [
        _first(columns["obs"]),
        columns["action"],
        columns["reward"],
        _first(columns["next_obs"]),
        *flags,
    ]
    return np.stack([np.asarray(v, dtype=float).reshape(n, -1)[:, 0] for v in numbers], axis=1)


def _first(observations: np.ndarray) -> np.ndarray:
    """The first element, or -1 where the elements come from different observations."""
    pairs = np.asarray(observations, dtype=float).reshape(len(observations), -1)
    if pairs.shape[1] != 2:
        raise Malformed(
            "shape",
            f"observations of shape (2,) were added, `sample` returned {pairs.shape[1]} numbers each",
        )
    return np.where(pairs[:, 0] == -pairs[:, 1], pairs[:, 0], -1.0)
