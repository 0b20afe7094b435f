"""Loops that earn more than finishing, found exactly on a finite model.

With V* the optimal values at the task's discount, a task with a rewarded end ("success": a terminal
reward above what nearly all ordinary steps give) is farmable from its start if

    g = max over cycles that never end of the mean reward per step  > 0     (a loop that pays), and
    the optimal policy almost never succeeds, although a success can be reached.

Rewards for staying alive (CartPole) are no farm: there the end is a failure, no success.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladders.environment_graph import Graph
from ladders.mdp import optimal_control, policy_evaluation

LONG = 1.0 - 1e-5
"""Discount at which (1 - gamma) * V is the mean reward per step."""
FORBIDDEN = -1e9
ORDINARY = 0.95
"""Share of ordinary steps that a success must pay more than."""
CLEARLY = 4.0
"""Standard deviations of noisy rewards by which it must do so."""


@dataclass(frozen=True, slots=True)
class Model:
    """A finite model, exact or counted.

    Args:
        transitions: [S, A, S] where steps lead that do not end the episode; rows sum to at most 1.
        rewards: [S, A].
        ends: [S, A] probability of termination.
        success: [S, A] probability of termination with success.
        known: [S, A] pairs that were tried.
        names: [S].
        starts: states in which episodes begin.
    """

    transitions: np.ndarray
    rewards: np.ndarray
    ends: np.ndarray
    success: np.ndarray
    known: np.ndarray
    names: tuple[str, ...]
    starts: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Farm:
    """A loop that pays.

    Args:
        start: the state from which it is compared with finishing.
        cycle: names of its states, once around; empty where chance decides the way.
        actions: taken along the cycle.
        mean: reward per step in the loop.
        staying, finishing: discounted returns of never ending, and of the surest way to succeed.
    """

    start: str
    cycle: tuple[str, ...]
    actions: tuple[int, ...]
    mean: float
    staying: float
    finishing: float


def model_of_graph(graph: Graph) -> Model:
    """The exact model of a graph; truncated steps lead nowhere and end nothing."""
    count, actions = len(graph.names), graph.actions
    transitions = np.zeros((count, actions, count))
    rewards, ends = np.zeros((count, actions)), np.zeros((count, actions))
    known = np.zeros((count, actions), dtype=bool)
    for (state, action), reached in graph.next.items():
        rewards[state, action] = graph.rewards[state, action]
        known[state, action] = True
        ends[state, action] = (state, action) in graph.terminated
        if reached >= 0:
            transitions[state, action, reached] = 1.0
    success = successes(rewards, ends, known)
    return Model(transitions, rewards, ends, success, known, tuple(graph.names))


def successes(
    rewards: np.ndarray, ends: np.ndarray, known: np.ndarray, noise: float = 0.0
) -> np.ndarray:
    """[S, A] terminations that pay more than nearly any ordinary step, and more than nothing.

    A crash at full speed that is still paid for its speed, or a failure with a lucky reward, is none.

    Args:
        rewards: [S, A] mean rewards.
        ends: [S, A] probability of termination.
        known: [S, A] pairs that were tried.
        noise: standard deviation of a reward given its pair.
    """
    ordinary = rewards[known & (ends < 0.5)]
    usual = float(np.quantile(ordinary, ORDINARY)) if ordinary.size else 0.0
    return ends * (rewards > max(usual, 0.0) + CLEARLY * noise + 1e-9)


def policies(model: Model, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """[S, A] the optimal policy of the reward, and the policy that succeeds soonest."""
    weight = gamma * model.transitions
    rewards = np.where(model.known, model.rewards, FORBIDDEN)
    _, q_values = optimal_control(rewards, weight)
    _, q_success = optimal_control(np.where(model.known, model.success, -1.0), weight)
    return _first_best(q_values), _first_best(q_success)


def find_farm(model: Model, gamma: float) -> Farm | None:
    """The loop that an optimal agent prefers to success, if there is one."""
    if not model.success.any():
        return None
    staying = _stay(model)
    if staying is None:
        return None
    best, finish = policies(model, gamma)
    surely = _value(model, finish, model.success, LONG)
    succeeds = _value(model, best, model.success, LONG)
    for start in model.starts:
        if surely[start] < 0.5 or succeeds[start] > 0.05:
            continue
        mean = (1.0 - LONG) * _value(model, staying, model.rewards, LONG)[start]
        if not mean > 1e-3 * np.abs(model.rewards).max():
            continue
        cycle, actions = _cycle(model, staying, start)
        return Farm(
            model.names[start],
            cycle,
            actions,
            float(mean),
            float(_value(model, best, model.rewards, gamma)[start]),
            float(_value(model, finish, model.rewards, gamma)[start]),
        )
    return None


def _stay(model: Model) -> np.ndarray | None:
    """[S, A] the policy with the highest mean reward among those that never end; None if none can."""
    allowed = model.known & (model.ends == 0.0) & (model.transitions.sum(axis=-1) > 1.0 - 1e-9)
    while True:
        alive = allowed.any(axis=1)
        narrower = allowed & (model.transitions[:, :, ~alive].sum(axis=-1) < 1e-9)
        if (narrower == allowed).all():
            break
        allowed = narrower
    if not alive[list(model.starts)].any():
        return None
    rewards = np.where(allowed, model.rewards, FORBIDDEN)
    weight = LONG * model.transitions * allowed[:, :, None]
    return _first_best(optimal_control(rewards, weight)[1])


def _value(model: Model, policy: np.ndarray, rewards: np.ndarray, gamma: float) -> np.ndarray:
    return policy_evaluation(rewards, gamma * model.transitions, policy)[0]


def _first_best(q_values: np.ndarray) -> np.ndarray:
    best = np.zeros_like(q_values)
    close = q_values >= q_values.max(axis=1, keepdims=True) - 1e-9
    best[np.arange(len(best)), close.argmax(axis=1)] = 1.0
    return best


def _cycle(model: Model, policy: np.ndarray, start: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The states and actions of the loop that a policy runs into, where nothing is left to chance."""
    chosen = policy.argmax(axis=1)
    order: dict[int, int] = {}
    state = start
    while state not in order:
        order[state] = len(order)
        row = model.transitions[state, chosen[state]]
        state = int(row.argmax())
        if row[state] < 1.0 - 1e-9:
            return (), ()
    loop = [one for one, position in order.items() if position >= order[state]]
    return tuple(model.names[one] for one in loop), tuple(int(chosen[one]) for one in loop)
