"""How prioritised buffers of any make are driven, and what they show on one script of use.

A factory `make(capacity, alpha, beta)` gives a buffer with `add`, `sample(n)` and
`update_priorities(indices, priorities)`. `sample` may return transitions, indices and weights in
any common form, nested or flat, and may take `beta` itself. Indices are handed back as they came.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from property_tests.framework.records import Array, Case
from property_tests.replay_subject import (
    BufferFactory,
    DrivenBuffer,
    Tracer,
    factory,
    method,
    named_columns,
    read_batch,
    rows_of,
    usual_name,
    word,
)
from property_tests.scenarios import Observation
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import describe, to_numpy
from rlcheck.functions.binding import name_of
from rlcheck.functions.calling import Malformed

SINGLES, PAIRS, TRIPLES, LATER = 200, 120, 60, 300
LOOKS = 25
"""Times that as many rows are sampled as are held; one of m rows is missed with m exp(-25)."""


class Sampled(NamedTuple):
    """Rows of a batch: which steps they are, their indices as they came, their weights."""

    steps: Array
    indices: Any
    weights: Array


@dataclass(frozen=True, slots=True)
class PrioritisedFactory:
    """Makes buffers; `beta_of_sample` is the name under which `sample` takes beta, if it does."""

    buffers: BufferFactory
    beta_of_sample: str | None

    def __call__(self, capacity: int, alpha: float, beta: float) -> DrivenPrioritised:
        """A new buffer."""
        hypers = {"capacity": capacity, "alpha": alpha, "beta": beta}
        made = self.buffers(**{name: hypers[name] for name in self.buffers.hypers})
        later = {self.beta_of_sample: beta} if self.beta_of_sample else {}
        return DrivenPrioritised(made, later)


class DrivenPrioritised:
    """One buffer, called and read by the contract's names."""

    def __init__(self, buffer: DrivenBuffer, arguments: dict[str, float]):
        self.buffer = buffer
        self._sample = method(buffer.raw, "sample", buffer.bind)
        self._update = method(buffer.raw, "update_priorities", buffer.bind)
        self._arguments = arguments

    def add(self, steps: Tracer, k: int) -> None:
        """Store step k."""
        self.buffer.add(**steps.step(k))

    def sample(self, n: int) -> Sampled:
        """n rows."""
        columns, indices, weights = read(self._sample(n, **self._arguments))
        for name, values in (*columns.items(), ("indices", indices), ("weights", weights)):
            if len(values) != n:
                raise Malformed("shape", f"`sample({n})` returned {len(values)} {name}")
        steps = np.round(rows_of(columns)[:, 2] - 0.5).astype(int)
        return Sampled(steps, indices, to_numpy(weights).astype(float).reshape(-1))

    def update(self, indices: list[Any], priorities: Array) -> None:
        """Set the priorities of rows, by the indices that came with them."""
        if hasattr(indices[0], "detach"):
            ones = indices[0]
            given = (ones.new_tensor(list(map(int, indices))), ones.float().new_tensor(priorities))
        else:
            given = (np.array(indices).reshape(-1), np.array(priorities))
        try:
            self._update(*given)
        except (TypeError, ValueError):
            # Some take one row at a time; where that fails too, the subject is at fault.
            for index, priority in zip(indices, priorities, strict=True):
                self._update(int(index), float(priority))


def prioritised_factory(raw: Any, options: Options) -> PrioritisedFactory:
    """The user's factory with its own names.

    Raises:
        BindingError: it does not take what it must, or its buffers lack a method.
    """
    named = inspect.signature(raw).parameters if callable(raw) else {}
    in_factory = "beta" in options.bind or usual_name("beta", named) or not callable(raw)
    hypers = ("capacity", "alpha", "beta") if in_factory else ("capacity", "alpha")
    made = factory(raw, options, hypers)
    arguments = {name: 2 if name == "capacity" else 0.5 for name in hypers}
    sample = method(made(**arguments).raw, "sample", options.bind)
    own = usual_name("beta", inspect.signature(sample).parameters)
    if not in_factory and own is None:
        raise BindingError(
            f"neither {name_of(raw)} nor its `sample` names `beta`, the exponent of the weights; "
            f"say which parameter means it with --bind beta=PARAMETER"
        )
    return PrioritisedFactory(made, own)


# -- reading what `sample` returns --------------------------------------------------------------


def read(batch: Any) -> tuple[dict[str, Array], Any, Any]:
    """(columns of the transitions, indices, weights), whatever holds them.

    Read are mappings, named tuples and dataclasses; flat tuples of the columns of `add` with
    indices and weights behind them; and tuples of transitions, indices and weights in any order.
    Of two unnamed vectors the one of integers is the indices.
    """
    if batch is None:
        raise Malformed("nothing", "`sample` returned None, expected the sampled transitions")
    named = named_columns(batch)
    if named is not None:
        return _of_names(named)
    if not isinstance(batch, (tuple, list)):
        raise Malformed("type", f"`sample` returned {describe(batch)}, expected transitions")
    if len(batch) in (7, 8):
        return (read_batch(tuple(batch[:-2])), *_told_apart(list(batch[-2:])))
    vectors = [part for part in batch if _is_vector(part)]
    others = [part for part in batch if not _is_vector(part)]
    if len(vectors) == 2 and len(others) == 1:
        return (read_batch(others[0]), *_told_apart(vectors))
    if len(others) == 2 and not vectors:
        found: dict[str, Any] = {}
        for part in others:
            found |= named_columns(part) or {"transitions": part}
        return _of_names(found)
    raise Malformed(
        "shape",
        f"`sample` returned {len(batch)} parts, expected transitions, indices and weights",
    )


def _of_names(named: Mapping[str, Any]) -> tuple[dict[str, Array], Any, Any]:
    words: dict[str, Any] = {}
    for own, value in named.items():
        # Transitions, or a dict of indices and weights, may lie one level down.
        inner = named_columns(value)
        words |= {word(own): value} if inner is None else {word(n): v for n, v in inner.items()}
    missing = [name for name in ("indices", "weights") if name not in words]
    if missing:
        raise Malformed("shape", f"`sample` returns no {missing[0]!r}, only {', '.join(words)}")
    indices, weights = words.pop("indices"), words.pop("weights")
    if "reward" not in words:
        nested = [value for value in words.values() if isinstance(value, (tuple, list))]
        if nested:
            return read_batch(nested[0]), indices, weights
    return read_batch(words), indices, weights


def _is_vector(part: Any) -> bool:
    """One number a row: [n] or [n, 1]."""
    if named_columns(part) is not None:
        return False
    try:
        array = to_numpy(part)
    except (ValueError, TypeError):
        return False
    return array.ndim == 1 or (array.ndim == 2 and array.shape[1] == 1)


def _told_apart(two: list[Any]) -> tuple[Any, Any]:
    kinds = [to_numpy(part).dtype.kind in "iu" for part in two]
    return (two[1], two[0]) if kinds == [False, True] else (two[0], two[1])


# -- the script ---------------------------------------------------------------------------------


def play(make: PrioritisedFactory, facts: Case) -> Observation:
    """Fills the buffer, sets priorities, adds one more row; what was sampled at each stage.

    fresh, single, pair, later   how often each row came: before the update, after it one at a
                                 time and in pairs, after one more row; the last entry counts
                                 what is not held
    weights_*, fresh_weights_*   [i, j] the weight of row i in a batch of i and then j: the least
                                 and the largest seen, NaN where the two never came together
    repeated_weights             [i, j] the three weights of a batch of rows i, i and j: of two rows
                                 alone, weights in the wrong order are weights of the wrong size
    """
    adds, capacity, priorities = int(facts["adds"]), int(facts["capacity"]), facts["priorities"]
    steps = Tracer({"terminated": np.zeros(adds + 1, bool), "truncated": np.zeros(adds + 1, bool)})
    buffer = make(capacity, float(facts["alpha"]), float(facts["beta"]))
    for k in range(1, adds + 1):
        buffer.add(steps, k)
    held = len(priorities)
    oldest = adds - held + 1
    size = min(2, held)
    fresh = [buffer.sample(size) for _ in range(LOOKS * held)]
    indices = _indices(fresh)
    rows = [k for k in reversed(range(oldest, adds + 1)) if k in indices]
    buffer.update([indices[k] for k in rows], np.array([priorities[k - oldest] for k in rows]))
    single = [buffer.sample(1) for _ in range(SINGLES)]
    pairs = [buffer.sample(size) for _ in range(PAIRS)]
    triples = [buffer.sample(3) for _ in range(TRIPLES if held > 2 else 0)]
    buffer.add(steps, adds + 1)
    later = [buffer.sample(1) for _ in range(LATER)]
    last = min(capacity, adds + 1)
    return {
        "fresh": _counts(fresh, oldest, held),
        **_weights("fresh_weights", fresh, oldest, held),
        "single": _counts(single, oldest, held),
        "pair": _counts(pairs, oldest, held),
        "without_replacement": np.array(
            held > 1 and not any(batch.steps[0] == batch.steps[-1] for batch in pairs)
        ),
        **_weights("weights", pairs, oldest, held),
        "repeated_weights": _repeated_weights(triples, oldest, held),
        "later": _counts(later, adds + 2 - last, last),
    }


def _indices(batches: list[Sampled]) -> dict[int, Any]:
    """Step -> the index that came with it."""
    return {int(k): i for batch in batches for k, i in zip(batch.steps, batch.indices, strict=True)}


def _counts(batches: list[Sampled], oldest: int, held: int) -> Array:
    counts = np.zeros(held + 1)
    for k in np.concatenate([batch.steps for batch in batches]):
        counts[k - oldest if 0 <= k - oldest < held else held] += 1
    return counts


def _weights(name: str, batches: list[Sampled], oldest: int, held: int) -> dict[str, Array]:
    low, high = np.full((held, held), np.nan), np.full((held, held), np.nan)
    for batch in batches:
        places = batch.steps - oldest
        if ((places < 0) | (places >= held)).any():
            continue
        pair, weight = (places[0], places[-1]), batch.weights[0]
        low[pair], high[pair] = np.fmin(low[pair], weight), np.fmax(high[pair], weight)
    return {f"{name}_low": low, f"{name}_high": high}


def _repeated_weights(batches: list[Sampled], oldest: int, held: int) -> Array:
    found = np.full((held, held, 3), np.nan)
    for batch in batches:
        first, second, last = batch.steps - oldest
        if first == second and 0 <= first < held and 0 <= last < held:
            found[first, last] = batch.weights
    return found
