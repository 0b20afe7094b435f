"""Whether a shaped reward is the base reward plus a difference of potentials.

    F(s, a, s') = gamma * Phi(s') - Phi(s),    Phi = 0 at terminal states    (Ng, Harada & Russell 1999)

A shaped and a base environment are walked side by side with the same seeds and actions. With a potential
the difference of rewards is compared with it; without one, Phi is solved for: state by state where
observations recur, else as a linear combination of features, judged on held-out episodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from ladders.environment_clock import clock
from ladders.environment_goal import GAMMA
from ladders.environment_interface import INTERFACE
from ladders.environment_play import flat, key_of
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import DISCOUNT_MISSING, NOT_POTENTIAL, TERMINAL_POTENTIAL
from ladders.environment_walk import Event, equal, kept, show, walk
from ladders.mdp import greedy, optimal_control, policy_evaluation
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

STEPS = 4000
STATES = 400
EXACT = 1e-6
"""Share of the shaping reward that may remain where Phi is solved for state by state."""
CLOSE, FAR = 0.02, 0.3
"""Share of its variance that may remain unexplained by features, and beyond which it is no potential."""


@dataclass(frozen=True, slots=True)
class _Steps:
    """[N] transitions of both environments; `extra` is shaped minus base reward."""

    before: list[Event]
    after: list[Event]
    extra: np.ndarray
    base: np.ndarray
    terminated: np.ndarray

    def pieces(self) -> tuple[list[Event], list[Event]]:
        """Events before and after each transition."""
        return self.before, self.after


def compare(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """Which form of potential, if any, the difference of the two rewards has."""
    timer = clock(context, share=2.0)
    gamma = subject.gamma or GAMMA
    with subject.fresh() as env:
        space = env.observation_space
        shaped = kept(walk(env, trial.seed, episodes=400, steps=STEPS, clock=timer))
    with gymnasium_or_made(subject.settings["base"]) as base_env:
        base = kept(walk(base_env, trial.seed, episodes=400, steps=len(shaped), clock=timer))
    found: dict[str, Any] = {"gamma": gamma, "left_out": list(timer.notes), "apart": ""}
    for one, other in zip(shaped, base, strict=False):
        if not equal(one.observation, other.observation) or one.terminated != other.terminated:
            return {**found, "apart": one.place}
    steps = _steps(shaped, base)
    size = float(np.abs(steps.extra).max(initial=0.0))
    if size < 1e-12:
        return {**found, "size": 0.0, "fits": {}, "state": "", "policy": None}
    potential = subject.settings.get("potential")
    fits, state = _fits(steps, gamma, size, potential, space)
    policy = _policy_change(steps, gamma)
    return {**found, "size": size, "fits": fits, "state": state, "policy": policy}


def gymnasium_or_made(base: Any) -> Any:
    """The base environment from an id or a factory, for `with`."""
    return gymnasium.make(base, disable_env_checker=True) if isinstance(base, str) else base()


def _steps(shaped: list[Event], base: list[Event]) -> _Steps:
    rows = [
        (shaped[i - 1], shaped[i], float(shaped[i].reward) - float(base[i].reward), base[i].reward)
        for i in range(1, min(len(shaped), len(base)))
        if shaped[i].step
    ]
    before, after, extra, reward = zip(*rows, strict=True) if rows else ((), (), (), ())
    ended = np.array([bool(event.terminated) for event in after])
    return _Steps(list(before), list(after), np.array(extra), np.array(reward, dtype=float), ended)


# --- which potential ------------------------------------------------------------------------------

_FORMS = {
    "right": (True, True),
    "terminal": (True, False),
    "undiscounted": (False, True),
    "undiscounted and terminal": (False, False),
}
"""Name -> (with the task's discount, 0 at terminal states)."""


def _fits(
    steps: _Steps, gamma: float, size: float, potential: Callable[[Any], float] | None, space: Any
) -> tuple[dict[str, float], str]:
    """Share of the extra reward that each form leaves unexplained, and where the right one fails most."""
    left: dict[str, np.ndarray] = {}
    for name, (discounted, zero) in _FORMS.items():
        factor = (gamma if discounted else 1.0) * (1.0 - steps.terminated * zero)
        if potential is not None:
            before = np.array([float(potential(event.observation)) for event in steps.before])
            after = np.array([float(potential(event.observation)) for event in steps.after])
            left[name] = steps.extra - (factor * after - before)
        else:
            left[name] = _solved(steps, factor, space)
    worst = int(np.argmax(np.abs(left["right"])))
    where = (
        f"from {show(steps.before[worst].observation)} to {show(steps.after[worst].observation)}"
    )
    exact = potential is not None or _codes(steps) is not None
    scale = size if exact else float(steps.extra.std()) + 1e-12
    measure = (
        {n: float(np.abs(r).max() / scale) for n, r in left.items()}
        if exact
        else {n: float((r**2).mean() / scale**2) for n, r in left.items()}
    )
    tolerance = EXACT if exact else CLOSE
    return {**measure, "tolerance": tolerance, "far": tolerance if exact else FAR}, where


def _solved(steps: _Steps, factor: np.ndarray, space: Any) -> np.ndarray:
    """[N] what the best Phi leaves of the extra reward."""
    codes = _codes(steps)
    if codes is not None:
        before, after = codes
        count = int(max(before.max(), after.max())) + 1
        rows = np.arange(len(before))
        matrix = np.zeros((len(before), count))
        np.add.at(matrix, (rows, after), factor)
        np.add.at(matrix, (rows, before), -1.0)
        solution = np.linalg.lstsq(matrix, steps.extra, rcond=None)[0]
        return steps.extra - matrix @ solution
    parts = [
        np.array([_numbers(event.observation, space) for event in events])
        for events in steps.pieces()
    ]
    before_features, after_features = (_features(part, parts[0]) for part in parts)
    matrix = factor[:, None] * after_features - before_features
    train = np.array([event.episode % 3 != 0 for event in steps.after])
    gram = matrix[train].T @ matrix[train] + 1e-6 * np.eye(matrix.shape[1])
    weights = np.linalg.solve(gram, matrix[train].T @ steps.extra[train])
    rest = steps.extra - matrix @ weights
    return np.where(train, 0.0, rest) * np.sqrt(len(train) / max((~train).sum(), 1))


def _numbers(observation: Any, space: Any) -> np.ndarray:
    numbers = flat(observation, space)
    return np.zeros(1) if numbers is None else np.nan_to_num(numbers)


def _codes(steps: _Steps) -> tuple[np.ndarray, np.ndarray] | None:
    """Numbers of the states before and after; None where they do not recur."""
    known: dict[Any, int] = {}
    coded = [
        np.array([known.setdefault(key_of(e.observation), len(known)) for e in events])
        for events in steps.pieces()
    ]
    few = len(known) <= STATES and len(known) * 4 <= len(steps.before)
    return (coded[0], coded[1]) if few else None


def _features(rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    scaled = (rows - like.mean(axis=0)) / (like.std(axis=0) + 1e-9)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((rows.shape[1], 200)) / np.sqrt(rows.shape[1])
    waves = np.cos(scaled @ weights + rng.uniform(0, 2 * np.pi, 200))
    upper = np.triu_indices(rows.shape[1])
    squares = (scaled[:, :, None] * scaled[:, None, :])[:, upper[0], upper[1]]
    return np.hstack([scaled, np.abs(scaled), squares, waves])


# --- what it does to the optimal policy -----------------------------------------------------------


def _policy_change(steps: _Steps, gamma: float) -> dict[str, Any] | None:
    """The state in which an optimal policy of the shaped task loses most of the base task's value."""
    codes = _codes(steps)
    actions = [int(np.asarray(e.action).ravel()[0]) for e in steps.after]
    if codes is None or np.size(steps.after[0].action) != 1 or len(set(actions)) > 20:
        return None
    before, after = codes
    states, count = int(max(before.max(), after.max())) + 1, max(actions) + 1
    visits = np.zeros((states, count))
    moves, base, extra = np.zeros((states, count, states)), visits.copy(), visits.copy()
    for row, action in enumerate(actions):
        pair = before[row], action
        visits[pair] += 1
        base[pair] += steps.base[row]
        extra[pair] += steps.extra[row]
        if not steps.terminated[row]:
            moves[(*pair, after[row])] += 1
    known, total = visits > 0, np.maximum(visits, 1.0)
    usable = known.any(axis=1)
    weight = gamma * moves / total[:, :, None]
    base, extra = base / total, extra / total
    forbidden = np.where(known, base, -1e9)
    best, _ = optimal_control(forbidden, weight)
    _, shaped_q = optimal_control(forbidden + np.where(known, extra, 0.0), weight)
    values, _ = policy_evaluation(forbidden, weight, greedy(shaped_q, tolerance=1e-7))
    loss = np.where(usable, best - values, 0.0)
    worst = int(np.argmax(loss))
    if loss[worst] <= 1e-6 * max(np.abs(best[usable]).max(), 1e-9):
        return {"loss": 0.0, "state": ""}
    row = int(np.flatnonzero(before == worst)[0])
    return {"loss": float(loss[worst]), "state": show(steps.before[row].observation)}


# --- the verdict ----------------------------------------------------------------------------------


def judge_shaping(evidence: Evidence, context: Context) -> Outcome:
    """The extra reward telescopes with the task's discount and potential 0 at the end."""
    notes = tuple(evidence["left_out"])
    if evidence["apart"]:
        message = (
            f"the shaped and the base environment part at {evidence['apart']} under the same seed and "
            "actions, so their rewards cannot be compared; give the base that the shaping wraps"
        )
        return Outcome(Status.SKIPPED, message, evidence, {}, notes)
    fits, gamma = evidence["fits"], evidence["gamma"]
    if not fits:
        return Outcome(Status.PASSED, "both rewards are the same", evidence, {}, notes)
    if fits["right"] <= fits["tolerance"]:
        message = f"the extra reward is gamma * Phi(s') - Phi(s) with gamma {gamma:g}"
        return Outcome(Status.PASSED, message, evidence, {}, notes)
    if fits["terminal"] <= fits["tolerance"]:
        fault, what = (
            TERMINAL_POTENTIAL,
            "it fits only if terminal states keep a potential other than 0",
        )
    elif min(fits["undiscounted"], fits["undiscounted and terminal"]) <= fits["tolerance"]:
        fault, what = DISCOUNT_MISSING, "it fits with gamma 1, which is not the task's discount"
    elif fits["right"] <= fits["far"]:
        message = (
            f"a potential explains all but {fits['right']:.1%} of the extra reward: not settled"
        )
        return Outcome(Status.INCONCLUSIVE, message, evidence, {}, notes)
    else:
        fault, what = NOT_POTENTIAL, "no potential fits"
    message = (
        f"the extra reward is not gamma * Phi(s') - Phi(s) with gamma {gamma:g} and Phi = 0 at terminal "
        f"states: {what}; the difference is largest {evidence['state']}{_harm(evidence['policy'])}"
    )
    return Outcome(Status.FAILED, message, evidence, {fault: 0.95}, notes)


def _harm(policy: Evidence | None) -> str:
    if policy is None:
        return ""
    if not policy["loss"]:
        return "; the optimal policy happens to stay the same"
    return (
        f"; the optimal policy changes: in state {policy['state']} it gives up {policy['loss']:.3g} of "
        "the base task's value"
    )


def needs_base(facts: Evidence, settings: Settings) -> str | None:
    """Only where a base environment was given."""
    if "base" in facts["settings"]:
        return None
    return "no base environment given (--set base=ID, or constants={'base': make_base})"


SHAPING = Check(
    name="environment/shaping-is-potential-based",
    title="The reward differs from the base environment's by a difference of potentials only.",
    explanation=(
        "F = gamma * Phi(s') - Phi(s) with Phi = 0 at terminal states leaves the optimal policy of every "
        "task as it is; nothing else does for all tasks. `base` names or makes the environment without "
        "shaping, `potential` may be the function Phi of the observation, --gamma the discount. On "
        "finite environments Phi and the optimal policies are solved for exactly."
    ),
    trial=compare,
    judge=one_trial(judge_shaping),
    applies=needs_base,
    requires=(INTERFACE.name,),
    catches=(NOT_POTENTIAL, TERMINAL_POTENTIAL, DISCOUNT_MISSING),
    references=(
        "https://people.eecs.berkeley.edu/~pabbeel/cs287-fa09/readings/NgHaradaRussell-shaping-ICML1999.pdf",
    ),
)
