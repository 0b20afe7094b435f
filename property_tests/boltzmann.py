"""Boltzmann exploration: actions drawn from the softmax of their values.

    pi(a) = exp(Q(a) / temperature) / sum_b exp(Q(b) / temperature)

The parameters are `q_values` [A], `temperature` and, where randomness comes in, `rng` (a generator
of NumPy, torch or `random`, or a JAX key); functions that draw from global streams are seeded
instead. Several states at once, `q_values` [B, A], give [B] actions.

References: Sutton and Barto 2018, section 2.8.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from property_tests import exploration
from property_tests.exploration import (
    ACTIONS,
    Q_VALUES,
    RNG,
    Array,
    Choice,
    Model,
    choice,
    differs,
    greedy,
    predict,
)
from property_tests.exploration_properties import (
    FEW,
    MANY,
    as_subject,
    calls_vary,
    common,
    misbehaviours,
    value_rows,
    with_draws,
)
from property_tests.framework.records import Case, Domain, FaultyVersion, Mismatch, Property
from property_tests.scenario_contract import build
from property_tests.scenarios import ALPHA, Observation, Player, Prepared, Scenario
from rlcheck.contracts import Options
from rlcheck.functions.binding import Parameter
from rlcheck.functions.calling import Malformed

TEMPERATURES = (1.0, 2.0, 0.5, 4.0)
LARGE = 2000.0
TEMPERATURE = Parameter(
    "temperature", "", "above 0; towards 0 it is greedy", aliases=("temp", "tau", "t"), hyper=True
)


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """Action values of a few states and a temperature."""
    chosen = domain.hyper("temperature", TEMPERATURES)
    usual = st.fixed_dictionaries({"q_values": value_rows(domain), "temperature": chosen})
    spread = st.sampled_from([np.array([[0.0, 1.0, 3.0]]), np.array([[2.0, 0.0]])])
    rates = domain.hyper("temperature", (2.0, 0.5))
    return with_draws(usual, st.fixed_dictionaries({"q_values": spread, "temperature": rates}))


def prepare(raw: object, options: Options) -> Prepared:
    """The function, bound by its parameter names."""
    rows = np.array([[0.0, 2.0, 1.0], [3.0, 1.0, 1.0]])
    probes = [{"q_values": rows, "temperature": t} for t in (1.0, 4.0)]
    words = (Q_VALUES, TEMPERATURE, RNG, ACTIONS)
    return exploration.prepare(raw, options, "boltzmann", words, probes)


def play(rule: exploration.Rule, facts: Case) -> Observation:
    """How often each action comes."""
    return exploration.play(rule, facts, int(facts["draws"]))


def definition(q_values: Array, temperature: float) -> Choice:
    """The softmax; the largest value is subtracted, which changes nothing but the range."""
    return softmax(np.asarray(q_values) / temperature)


def softmax(logits: Array) -> Choice:
    """exp(logits), normalised."""
    weights = np.exp(logits - logits.max())
    return choice(weights / weights.sum())


def equal_values(run: Player, case: Case) -> Mismatch | None:
    """Actions of equal value are equally likely."""
    return differs(case, run(case), run.definition(case))


def flat(domain: Domain) -> st.SearchStrategy[Case]:
    """Actions of equal value."""
    rows = st.sampled_from([np.zeros((1, 2)), np.ones((1, 4))])
    chosen = domain.hyper("temperature", (1.0, 2.0))
    return st.fixed_dictionaries({"q_values": rows, "temperature": chosen, "draws": st.just(FEW)})


def large_values(run: Player, case: Case) -> Mismatch | None:
    """Values of a thousand are as good as the same differences around 0."""
    try:
        found = differs(case, run(case), run.definition(case))
    except Malformed as error:
        found = Mismatch(f"with values of {LARGE:g}: {error}", case)
    if found is None:
        return None
    lower = {**case, "q_values": np.maximum(case["q_values"] - case["q_values"].max(), -20.0)}
    lower["draws"] = MANY
    fine = differs(lower, run(lower), run.definition(lower)) is None
    return found._replace(suspects=("overflows",)) if fine else found


def large(domain: Domain) -> st.SearchStrategy[Case]:
    """Values whose exponential is beyond any float, with differences that still matter."""
    chosen = domain.hyper("temperature", (1.0, 2.0))
    rows = st.sampled_from([np.array([[LARGE, LARGE + 1.0]]), np.array([[0.0, -LARGE, 1.0]])])
    return st.fixed_dictionaries({"q_values": rows, "temperature": chosen, "draws": st.just(FEW)})


def _of(change) -> Model:
    """The softmax of something else."""

    def faulty(q_values: Array, temperature: float) -> Choice:
        return softmax(change(np.asarray(q_values), temperature))

    return faulty


def _greedy(q_values: Array, temperature: float) -> Choice:
    return greedy(np.asarray(q_values))


def _normalised(values: Array) -> Choice:
    total = values.sum()
    usable = total > 0 and (values >= 0).all()
    return choice(values / total if usable else np.full(len(values), 1.0 / len(values)))


def _proportional(q_values: Array, temperature: float) -> Choice:
    return _normalised(np.asarray(q_values) / temperature)


def _from_the_lowest(q_values: Array, temperature: float) -> Choice:
    return _normalised(np.asarray(q_values) - np.min(q_values))


def _without_last(q_values: Array, temperature: float) -> Choice:
    return choice(np.append(definition(q_values[:-1], temperature).least[:-1], 0.0))


def _one_later(q_values: Array, temperature: float) -> Choice:
    """The index found in the cumulative sum is one too large."""
    shifted = np.append(0.0, definition(q_values, temperature).least[:-1])
    return Choice(shifted, np.zeros(len(shifted), bool))


def _rolled(q_values: Array, temperature: float) -> Choice:
    return choice(np.roll(definition(q_values, temperature).least[:-1], 1))


def _held_back(q_values: Array, temperature: float) -> Choice:
    """One too large, and no larger than the last."""
    shifted = np.append(0.0, definition(q_values, temperature).least[:-1])
    shifted[-2] += shifted[-1]
    return choice(shifted[:-1])


def _twice(q_values: Array, temperature: float) -> Choice:
    return softmax(definition(q_values, temperature).least[:-1])


def _overflowing(q_values: Array, temperature: float) -> Choice:
    """What comes of an overflow depends on the library; here no action at all."""
    weights = np.exp(np.asarray(q_values) / temperature)
    if not np.isfinite(weights.sum()) or not weights.sum():
        return choice(np.zeros(len(q_values)), 1.0)
    return choice(weights / weights.sum())


_BOOK = "http://incompleteideas.net/book/the-book-2nd.html"


def _fault(name, model, title, explanation, fix, *references, variants=()):
    where = "the weights of the actions, or the draw from them"
    return FaultyVersion(
        name, model, title, explanation, fix, where, references or (_BOOK,), variants=variants
    )


FAULTS: tuple[FaultyVersion, ...] = (
    _fault(
        "temperature-multiplies",
        _of(lambda q, t: q * t),
        "values are multiplied by the temperature",
        "A higher temperature makes the policy greedier; annealing it makes the agent random.",
        "Divide by the temperature.",
    ),
    _fault(
        "temperature-ignored",
        _of(lambda q, t: q),
        "the temperature has no effect",
        "Exploration cannot be turned up or down.",
        "Divide by the temperature.",
        "https://github.com/huggingface/trl/issues/4305",
    ),
    _fault(
        "temperature-squared",
        _of(lambda q, t: q / t**2),
        "the temperature is applied twice, or as a root",
        "The values come divided already, or are divided in two places.",
        "Divide by the temperature once.",
        variants=(_of(lambda q, t: q / np.sqrt(t)),),
    ),
    _fault(
        "sign-flipped",
        _of(lambda q, t: -q / t),
        "low values are the likely ones",
        "The worst action is the most likely.",
        "Use exp(+Q / temperature).",
    ),
    _fault(
        "greedy",
        _greedy,
        "it takes a best action instead of drawing one",
        "The probabilities are computed, and then their largest is taken: no exploration.",
        "Draw from the probabilities.",
    ),
    _fault(
        "uniform",
        _of(lambda q, t: 0.0 * q),
        "all actions are equally likely",
        "The probabilities are computed and not handed to the draw.",
        "Pass them as `p=` (or as weights).",
    ),
    _fault(
        "softmax-twice",
        _twice,
        "probabilities are taken for logits",
        "A second softmax flattens them: no action is ever much more likely than another.",
        "Pass probabilities as probabilities, or logits as logits.",
    ),
    _fault(
        "exponential-missing",
        _proportional,
        "probabilities are proportional to the values themselves",
        "They depend on where 0 lies, and negative values have no probability.",
        "Take the exponential first.",
        variants=(_from_the_lowest,),
    ),
    _fault(
        "values-standardised",
        _of(lambda q, t: (q - q.mean()) / (q.std() + 1e-8) / t),
        "values are standardised first",
        "How much better an action is no longer matters: tiny differences count as much as large.",
        "Divide by the temperature only.",
        variants=(_of(lambda q, t: q / (np.abs(q).max() + 1e-8) / t),),
    ),
    _fault(
        "index-one-late",
        _one_later,
        "the index found in the cumulative sum is one too large",
        "Every action stands for its neighbour.",
        "Take the first index whose cumulative sum exceeds the draw.",
        variants=(_rolled, _held_back),
    ),
    _fault(
        "last-action-never",
        _without_last,
        "the last action is never drawn",
        "A range that ends one too early.",
        "Draw from all A actions.",
        "https://github.com/pytorch/rl/commit/781a5b29dad8",
    ),
    _fault(
        "overflows",
        _overflowing,
        "the exponential overflows for large values",
        "exp(710) is infinite in double precision, exp(89) in single: with values of a hundred and "
        "a temperature of 0.1 the probabilities are NaN.",
        "Subtract the largest value first, or use a library's softmax.",
    ),
    *misbehaviours(definition),
)

SCENARIO = Scenario(
    name="boltzmann",
    title="Boltzmann (softmax) actions",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=definition,
    predict=predict,
    differs=differs,
    properties=(
        *common(),
        Property(
            "equal-values-equally-likely",
            "Actions of equal value are equally likely.",
            "Whatever the temperature.",
            equal_values,
            cases=flat,
        ),
        Property(
            "finite-for-large-values",
            f"Values of {LARGE:g} give the probabilities of their differences.",
            "Only differences matter, but exp(710) overflows.",
            large_values,
            cases=large,
        ),
        calls_vary("temperature", 1e4),
    ),
    faults=FAULTS,
    as_subject=as_subject("temperature"),
    words=("boltzmann", "softmax_action", "softmax_exploration", "softmax_policy"),
    size=30,
    shrinks=80,
    error_rate=ALPHA,
)
CONTRACT = build(SCENARIO)
