"""Upper confidence bounds: the action whose value could plausibly be the highest.

    argmax_a Q(a) + c sqrt(log(t) / N(a)),   actions that were never tried first

The parameters are `q_values` [A], `counts` [A] (N), `step` (t, the number of this choice, counted
from 1, so that t = 1 + sum N; functions may leave it out), `c` and `rng`, which breaks ties. Ties,
and untried actions, may be taken in any order. No input lies where log(t - 1), log(t) and
log(t + 1), or N and N + 1e-5, would decide differently.

References: Auer, Cesa-Bianchi and Fischer 2002; Sutton and Barto 2018, eq. 2.10.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from property_tests import exploration
from property_tests.exploration import ACTIONS, Q_VALUES, RNG, differs, predict
from property_tests.exploration_properties import as_subject, common
from property_tests.framework.records import Case, Convention, Domain, Mismatch, Property
from property_tests.scenario_contract import build
from property_tests.scenarios import Observation, Player, Prepared, Scenario
from property_tests.ucb_faults import FAULTS, definition, scores
from rlcheck.contracts import Options
from rlcheck.functions.binding import Parameter

DRAWS = 8
MARGIN = 0.02
COUNTS = Parameter(
    "counts",
    "A",
    "how often each action was tried",
    aliases=("n", "visits", "visit_counts", "action_counts", "pulls", "n_pulls", "num_pulls"),
)
STEP = Parameter(
    "step", "", "t, counted from 1", aliases=("t", "timestep", "time_step", "total", "total_counts")
)
C = Parameter(
    "c",
    "",
    "width of the confidence bound",
    aliases=("confidence", "ucb_c", "exploration", "exploration_constant", "exploration_weight"),
    hyper=True,
)
FACTORS = (1.0, 2.0)
WIDTHS = (1.0, 0.5, 2.0, 0.25)


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """A few actions with value and count, untried ones among them, and a width."""
    value = st.sampled_from((0.0, 1.0, -1.0, 0.5, 2.0, -2.5))
    count = st.sampled_from((1, 0, 2, 4, 9, 25, 60))
    arms = st.lists(st.tuples(value, count), min_size=2, max_size=5)
    width = domain.hyper("c", WIDTHS)
    usual = st.tuples(arms, width).map(lambda drawn: _case(*drawn)).filter(clear)
    return st.one_of(usual, close_calls(domain), close_calls(domain))


def close_calls(domain: Domain) -> st.SearchStrategy[Case]:
    """Tried actions whose bounds are close to each other, so that another bonus changes the order."""
    level = st.sampled_from((0.0, 0.1, -0.1, 0.3))
    arms = st.lists(
        st.tuples(level, st.sampled_from((1, 2, 4, 9, 25, 60))), min_size=2, max_size=4
    ).filter(lambda drawn: len({n for _, n in drawn}) > 1)
    width = domain.hyper("c", WIDTHS)

    def close(arms: list[tuple[float, int]], c: float, factor: float, part: float) -> Case:
        counts = np.array([n for _, n in arms])
        bonus = scores(np.zeros(len(arms)), counts, int(counts.sum()) + 1, c, factor)
        values = np.round([level for level, _ in arms] - part * bonus, 2)
        return _case(list(zip(values.tolist(), counts.tolist(), strict=True)), c)

    # Of a part of the bonus: where bonuses that are smaller, larger or negative change the order.
    part = st.sampled_from((1.0, 0.55, -0.5, 1.4))
    drawn = st.tuples(arms, width, st.sampled_from(FACTORS), part)
    return drawn.map(lambda drawn: close(*drawn)).filter(clear)


def _case(arms: list[tuple[float, int]], c: float) -> Case:
    counts = np.array([n for _, n in arms])
    step = int(counts.sum()) + 1
    return {"q_values": np.array([q for q, _ in arms]), "counts": counts, "step": step, "c": c}


def clear(case: Case) -> bool:
    """Whether every usual way of counting steps makes the same choice, by a margin."""
    counts = case["counts"]
    if (counts == 0).any():
        return True
    for factor in FACTORS:
        chosen = set()
        for step in (case["step"] - 1, case["step"], case["step"] + 1):
            found = scores(case["q_values"], counts, step, case["c"], factor)
            best = found >= found.max() - 1e-9
            if (~best & (found > found.max() - MARGIN)).any():
                return False
            chosen.add(tuple(best))
        if len(chosen) > 1:
            return False
    return True


def prepare(raw: object, options: Options) -> Prepared:
    """The function, bound by its parameter names."""
    probes = [_case([(0.0, 3), (2.0, 4), (1.0, 2)], 1.0), _case([(1.0, 0), (0.0, 0)], 1.0)]
    words = (Q_VALUES, COUNTS, STEP, C, RNG, ACTIONS)
    return exploration.prepare(raw, options, "ucb", words, probes)


def play(rule: exploration.Rule, facts: Case) -> Observation:
    """Which actions come, in a few calls."""
    return exploration.play(rule, facts, DRAWS)


def untried_first(run: Player, case: Case) -> Mismatch | None:
    """While an action was never tried, such an action is taken."""
    if not (case["counts"] == 0).any():
        return None
    return differs(case, run(case), run.definition(case))


def equal_counts(run: Player, case: Case) -> Mismatch | None:
    """Equally often tried actions are told apart by their values alone."""
    if len(set(case["counts"])) > 1 or not case["counts"].all():
        return None
    return differs(case, run(case), run.definition(case))


def equal_values(run: Player, case: Case) -> Mismatch | None:
    """Of equally good actions the one tried least is taken."""
    if len(set(case["q_values"])) > 1 or not case["counts"].all():
        return None
    return differs(case, run(case), run.definition(case))


def alike(domain: Domain, *, values: bool) -> st.SearchStrategy[Case]:
    """Actions with the same value, or with the same count."""
    arms = (
        [[(0.0, 1), (0.0, 4)], [(1.0, 9), (1.0, 2), (1.0, 4)]]
        if values
        else [[(0.0, 1), (1.0, 1)], [(1.0, 4), (-1.0, 4), (2.0, 4)]]
    )
    width = domain.hyper("c", (1.0, 2.0))
    return st.tuples(st.sampled_from(arms), width).map(lambda drawn: _case(*drawn))


SCENARIO = Scenario(
    name="ucb",
    title="Upper confidence bounds",
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
            "untried-actions-first",
            "While an action was never tried, such an action is taken.",
            "Its bound is infinite: nothing is known about it.",
            untried_first,
        ),
        Property(
            "least-tried-of-equals",
            "Of equally good actions the one tried least is taken.",
            "The bonus falls with the action's own count.",
            equal_values,
            cases=lambda domain: alike(domain, values=True),
        ),
        Property(
            "best-of-equally-tried",
            "Of equally often tried actions the best is taken.",
            "The bonus is the same for them: the values decide.",
            equal_counts,
            cases=lambda domain: alike(domain, values=False),
        ),
    ),
    faults=FAULTS,
    as_subject=as_subject("counts", "step", "c"),
    conventions=(
        Convention("factor", FACTORS, "in the root: c sqrt(log t / N) or c sqrt(2 log t / N)"),
    ),
    words=("ucb", "upper_confidence"),
    size=80,
)
CONTRACT = build(SCENARIO)
