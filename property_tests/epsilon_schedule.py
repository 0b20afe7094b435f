"""Epsilon schedules: from `start` at step 0 to `end` at `decay_steps`, and constant afterwards.

    linear        e_k = start + (end - start) * min(k / decay_steps, 1)
    exponential   e_k = start * (end / start)^min(k / decay_steps, 1)

The parameters are `step`, `start`, `end` and `decay_steps`, in any order.

References: Mnih et al. 2015, table 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import Case, Convention, Domain, FaultyVersion, Mismatch
from property_tests.framework.records import Property as Holds
from property_tests.scenario_contract import build
from property_tests.scenarios import (
    Observation,
    Player,
    Prepared,
    Scenario,
    difference,
    exactly,
)
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.functions.arrays import describe, to_numpy
from rlcheck.functions.binding import Parameter, bind_signature, name_of
from rlcheck.functions.calling import Malformed

SLACK = 1e-6
"""Rounding in float32 of numbers between 0 and 1."""

LONG = 40
"""Decays of more steps are not tried at every step."""

VOCABULARY = (
    Parameter(
        "step", "", "counted from 0", aliases=("t", "steps_done", "global_step", "timestep", "k")
    ),
    Parameter(
        "start",
        "",
        "epsilon at step 0",
        aliases=(
            "start_e",
            "eps_start",
            "epsilon_start",
            "initial",
            "initial_epsilon",
            "start_eps",
        ),
        hyper=True,
    ),
    Parameter(
        "end",
        "",
        "epsilon from step `decay_steps` on",
        aliases=("end_e", "eps_end", "epsilon_end", "final", "final_epsilon", "end_eps"),
        hyper=True,
    ),
    Parameter(
        "decay_steps",
        "",
        "length of the decay",
        aliases=("duration", "eps_decay", "epsilon_decay", "decay", "total_steps", "num_steps"),
        hyper=True,
    ),
)


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """A schedule that falls, and every step until after its end; of a long one, those that tell."""
    levels = st.sampled_from([(1.0, 0.1), (0.5, 0.05), (1.0, 0.02), (0.9, 0.3), (0.4, 0.1)])
    return st.tuples(levels, st.integers(1, 9)).map(
        lambda drawn: _case(
            {"start": drawn[0][0], "end": drawn[0][1], "decay_steps": drawn[1]} | dict(domain.fixed)
        )
    )


def _case(settings: dict[str, Any]) -> Case:
    last = int(settings["decay_steps"])
    if last <= LONG:
        return {**settings, "step": np.arange(2 * last + 3)}
    parts = [np.arange(4), np.arange(last - 3, last + 4), np.linspace(0, 2 * last, 2 * LONG)]
    return {**settings, "step": np.unique(np.concatenate(parts).astype(int))}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A user's function with the contract's names."""

    call: Callable[[dict[str, Any]], Any]


def prepare(raw: Any, options: Options) -> Prepared:
    """The function bound by its parameter names."""
    signature = bind_signature(
        raw,
        VOCABULARY,
        contract="epsilon-schedule",
        bind=options.bind,
        constants=options.constants,
    )
    own = {name: parameter.name for name, parameter in signature.arguments.items()}
    missing = [p for p in VOCABULARY if p.name not in signature.known]
    if missing:
        name = missing[0].name
        own_value = f", or its value with --set {name}=VALUE" if missing[0].hyper else ""
        raise BindingError(
            f"{name_of(raw)} must take `step`, `start`, `end` and `decay_steps`; say which of its "
            f"parameters means {name!r} with --bind {name}=PARAMETER{own_value}"
        )

    def call(facts: dict[str, Any]) -> Any:
        arguments = {name: facts[word] for name, word in own.items()}
        positional = [arguments.pop(name) for name in signature.positional]
        return raw(*positional, **arguments, **signature.extra)

    return Prepared(Schedule(call), fixed=tuple(sorted(signature.fixed.items())))


def play(schedule: Schedule, facts: Case) -> Observation:
    """Epsilon at every step, asked for in order."""
    fixed = {name: facts[name] for name in ("start", "end", "decay_steps")}
    values = [_number(schedule.call({**fixed, "step": int(k)})) for k in facts["step"]]
    return {"epsilon": np.array(values)}


def _number(value: Any) -> float:
    try:
        array = to_numpy(value)
    except (ValueError, TypeError):
        raise Malformed("type", f"a number is expected, it returned {describe(value)}") from None
    if array.size != 1:
        raise Malformed("shape", f"a number is expected, it returned shape {array.shape}", array)
    return float(array.reshape(-1)[0])


def linear(start: float, end: float, share: float) -> float:
    """A straight line."""
    return start + (end - start) * share


def exponential(start: float, end: float, share: float) -> float:
    """A constant factor a step."""
    return start * (end / start) ** share


CURVES = {"linear": linear, "exponential": exponential}


def definition(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    """The equation, literally."""
    return CURVES[decay](start, end, min(step / decay_steps, 1.0))


def predict(model: Callable[..., float], facts: Case) -> Observation:
    """The values of a schedule with this semantics."""
    fixed = {name: facts[name] for name in ("start", "end", "decay_steps", "decay")}
    return {"epsilon": np.array([float(model(step=int(k), **fixed)) for k in facts["step"]])}


def as_subject(model: Callable[..., float]) -> Any:
    """A model as a user's function with a linear decay."""

    def schedule(step: int, start: float, end: float, decay_steps: int) -> float:
        return model(step=step, start=start, end=end, decay_steps=decay_steps, decay="linear")

    return schedule


def starts_exactly(run: Player, case: Case) -> Mismatch | None:
    """At step 0 epsilon is `start`."""
    got = run(case)["epsilon"][:1]
    return _found(case, got, np.array([case["start"]]), "epsilon at step 0 should be `start`")


def ends_exactly(run: Player, case: Case) -> Mismatch | None:
    """From `decay_steps` on epsilon is `end`."""
    late = case["step"] >= case["decay_steps"]
    got = np.where(late, run(case)["epsilon"], case["end"])
    expected = np.full(len(got), case["end"])
    return _found(case, got, expected, "epsilon from `decay_steps` on should be `end`")


def in_range(run: Player, case: Case) -> Mismatch | None:
    """Epsilon is never outside the interval between its two ends."""
    got = run(case)["epsilon"]
    low, high = sorted((case["start"], case["end"]))
    return _found(case, got, np.clip(got, low, high), "epsilon leaves the range of its two ends")


def monotone(run: Player, case: Case) -> Mismatch | None:
    """Epsilon never turns back."""
    got = run(case)["epsilon"]
    falling = case["end"] < case["start"]
    expected = np.minimum.accumulate(got) if falling else np.maximum.accumulate(got)
    return _found(case, got, expected, "epsilon turns back")


def _found(case: Case, got: np.ndarray, expected: np.ndarray, message: str) -> Mismatch | None:
    found = difference(case, "epsilon", got, expected, SLACK)
    return found and found._replace(message=message)


def _fault(name, model, title, explanation, fix, *references, variants=()) -> FaultyVersion:
    where = "the expression of the schedule, and what is passed as `step`"
    return FaultyVersion(
        name, model, title, explanation, fix, where, references, variants=tuple(variants)
    )


def _with_share(share: Callable[[int, int], float]) -> Callable[..., float]:
    """The schedule with another share of the way gone at (step, decay_steps)."""

    def faulty(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
        return CURVES[decay](start, end, share(step, decay_steps))

    return faulty


def _swapped(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return definition(end, start, decay_steps, step, decay)


def _jumps_at_end(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return start if step < decay_steps else end


def _end_at_once(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return start if step == 0 else end


def _zero_afterwards(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return 0.0 if step > decay_steps else definition(start, end, decay_steps, step, decay)


def _towards_zero(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return start * max(0.0, 1.0 - step / decay_steps)


def _floor_only(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return max(end, start * max(0.0, 1.0 - step / decay_steps))


def _time_constant(start: float, end: float, decay_steps: int, step: int, decay: str) -> float:
    return end + (start - end) * float(np.exp(-step / decay_steps))


_DQN = "https://www.nature.com/articles/nature14236"
_FREQUENCIES = "https://github.com/instadeepai/Mava/issues/141"

SCENARIO = Scenario(
    name="epsilon-schedule",
    title="Schedule of epsilon",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=definition,
    predict=predict,
    differs=exactly(SLACK),
    properties=(
        Holds(
            "starts-exactly",
            "At step 0 epsilon is `start`.",
            "Exploration starts at the level that was set.",
            starts_exactly,
        ),
        Holds(
            "ends-exactly",
            "From step `decay_steps` on epsilon is `end`.",
            "A schedule that ends early stops exploring; one that never ends keeps the agent from "
            "acting as it has learned.",
            ends_exactly,
        ),
        Holds(
            "stays-in-range",
            "Epsilon stays between `start` and `end`.",
            "A line that is not cut off goes below 0: no exploration, and no error.",
            in_range,
        ),
        Holds(
            "never-turns-back",
            "Epsilon is monotone.",
            "A schedule that starts again explores again and again.",
            monotone,
        ),
    ),
    faults=(
        _fault(
            "not-cut-off",
            _with_share(lambda k, n: k / n),
            "the decay goes on after `decay_steps`",
            "Epsilon falls below `end`, and a line even below 0.",
            "Limit the share of the way at 1.",
            _DQN,
        ),
        _fault(
            "starts-again",
            _with_share(lambda k, n: (k % n) / n),
            "the schedule starts again every `decay_steps`",
            "Epsilon jumps back to `start`.",
            "Count steps over the whole training.",
            _FREQUENCIES,
            variants=(_with_share(lambda k, n: (k % (n + 1)) / n),),
        ),
        _fault(
            "ends-swapped",
            _swapped,
            "`start` and `end` are swapped",
            "The agent begins greedy and ends random.",
            "Start from `start`.",
            _DQN,
        ),
        _fault(
            "never-decays",
            _with_share(lambda k, n: 0.0),
            "epsilon stays at `start`",
            "The step does not reach the schedule, or a division of integers gives 0.",
            "Use the step, with true division.",
            _DQN,
        ),
        _fault(
            "jumps-at-the-end",
            _jumps_at_end,
            "epsilon jumps from `start` to `end` at `decay_steps`",
            "Integer division: the share of the way is 0 until it is 1.",
            "Use true division.",
            _DQN,
        ),
        _fault(
            "ends-at-once",
            _end_at_once,
            "epsilon is `end` from the first step on",
            "Exploration is over before it began.",
            "Divide the step by `decay_steps`.",
            "https://github.com/thu-ml/tianshou/commit/d5960cf371c5",
        ),
        _fault(
            "off-by-one",
            _with_share(lambda k, n: min((k + 1) / n, 1.0)),
            "the schedule is one step early or late",
            "Step counts from 1 where the schedule counts from 0, or the other way round.",
            "Let step 0 give `start` and step `decay_steps` give `end`.",
            variants=(
                _with_share(lambda k, n: min(max(k - 1, 0) / n, 1.0)),
                _with_share(lambda k, n: min(k / max(n - 1, 1), 1.0)),
                _with_share(lambda k, n: min(k / (n + 1), 1.0)),
            ),
        ),
        _fault(
            "twice-as-fast",
            _with_share(lambda k, n: min(2 * k / n, 1.0)),
            "the decay is twice as fast, or half as fast, as set",
            "The step counter is advanced twice a step, or once in two steps.",
            "Advance the counter once an environment step.",
            _FREQUENCIES,
            variants=(_with_share(lambda k, n: min(k / (2 * n), 1.0)),),
        ),
        _fault(
            "towards-zero",
            _towards_zero,
            "the decay ends at 0 instead of `end`",
            "`end` has no effect, and exploration stops altogether.",
            "Interpolate between `start` and `end`.",
            _DQN,
            variants=(_zero_afterwards,),
        ),
        _fault(
            "aims-at-zero-and-stops-at-end",
            _floor_only,
            "the line aims at 0 and is cut off at `end`",
            "max(end, start * (1 - k / n)) reaches `end` before `decay_steps`.",
            "Interpolate between `start` and `end`.",
            _DQN,
        ),
        _fault(
            "time-constant",
            _time_constant,
            "`decay_steps` is a time constant, so `end` is never reached",
            "end + (start - end) * exp(-k / n) is still a third of the way up at step n.",
            "State the length of the decay, or call the parameter a time constant.",
        ),
    ),
    as_subject=as_subject,
    conventions=(Convention("decay", ("linear", "exponential"), "the shape of the decay"),),
    words=("epsilon_schedule", "linear_schedule", "exponential_schedule", "get_epsilon"),
    size=60,
)
CONTRACT = build(SCENARIO)
