"""Learning the values of a policy from what it lived through: TD(0), n-step, TD(lambda), Monte Carlo.

All four read a stream of transitions in the order they happened (`collect` makes one) and return
new values; they differ only in the target that V(s_t) is moved to. Termination has value 0 behind
it, truncation the value of the state reached; either one, and the end of the stream, cuts what is
added up across steps.

References: Sutton and Barto 2018, chapters 5, 6, 7 and 12.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from reference_agents._expect import expect_in_range, expect_positive


class Stream(NamedTuple):
    """T consecutive transitions, each field [T]; the flags mark the end of step t."""

    states: np.ndarray
    rewards: np.ndarray
    next_states: np.ndarray
    terminated: np.ndarray
    truncated: np.ndarray


def collect(env: gymnasium.Env, policy: Callable[[int], Any], *, n_steps: int, seed: int) -> Stream:
    """Let a policy act in an environment whose observations are state indices.

    Args:
        env: the environment.
        policy: state -> action.
        n_steps: T.
        seed: of the environment's first reset.

    Returns:
        The stream of T transitions; the last episode may be unfinished.
    """
    rows = []
    state, _ = env.reset(seed=seed)
    for _ in range(n_steps):
        next_state, reward, terminated, truncated, _ = env.step(policy(state))
        rows.append((state, float(reward), next_state, terminated, truncated))
        state = env.reset()[0] if terminated or truncated else next_state
    return Stream(*(np.array(column) for column in zip(*rows, strict=True)))


def td_zero(
    values: np.ndarray, stream: Stream, *, learning_rate: float, gamma: float
) -> np.ndarray:
    """One pass of TD(0).

        V(s_t) <- V(s_t) + alpha * (r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t))

    Args:
        values: [S]  V to start from; left untouched.
        stream: the transitions, in order.
        learning_rate: alpha.
        gamma: discount in [0, 1].

    Returns:
        [S] V after the last transition.

    References: Sutton 1988; Sutton and Barto 2018, eq. 6.2.
    """
    return n_step_td(values, stream, learning_rate=learning_rate, gamma=gamma, n=1)


def n_step_td(
    values: np.ndarray, stream: Stream, *, learning_rate: float, gamma: float, n: int
) -> np.ndarray:
    """One pass of n-step TD.

        G      = r_t + ... + gamma^{k-1} r_{t+k-1} + gamma^k V(s_{t+k})
        V(s_t) <- V(s_t) + alpha * (G - V(s_t))

    with k = n, or less where the episode or the stream ends sooner; V is 0 after termination. The
    update of step t happens when its last reward is in, with the values of that moment.

    Args:
        values: [S]  V to start from; left untouched.
        stream: the transitions, in order.
        learning_rate: alpha.
        gamma: discount in [0, 1].
        n: number of rewards, at least 1.

    Returns:
        [S] V after the last transition.

    Raises:
        ValueError: n < 1, or gamma is outside [0, 1].

    References: Sutton and Barto 2018, section 7.1.
    """
    expect_positive("n", n)
    expect_in_range("gamma", gamma, 0.0, 1.0)
    values = np.array(values, dtype=np.float64)
    cuts = _cuts(stream)
    first = 0  # the oldest step of the episode that still waits for its update
    for t in range(len(cuts)):
        due = t + 1 if cuts[t] else max(first, t - n + 2)
        for s in range(first, due):
            bootstrap = 0.0 if stream.terminated[t] else values[stream.next_states[t]]
            powers = gamma ** np.arange(t + 2 - s)
            target = powers[:-1] @ stream.rewards[s : t + 1] + powers[-1] * bootstrap
            values[stream.states[s]] += learning_rate * (target - values[stream.states[s]])
        first = due
    return values


def td_lambda(
    values: np.ndarray, stream: Stream, *, learning_rate: float, gamma: float, lam: float
) -> np.ndarray:
    """One pass of TD(lambda) with accumulating eligibility traces.

        delta_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t)
        e(s_t)  <- e(s_t) + 1
        V       <- V + alpha * delta_t * e
        e       <- gamma * lambda * e, or 0 where the episode ended

    Args:
        values: [S]  V to start from; left untouched.
        stream: the transitions, in order.
        learning_rate: alpha.
        gamma: discount in [0, 1].
        lam: lambda in [0, 1]; 0 is TD(0), 1 close to Monte Carlo.

    Returns:
        [S] V after the last transition.

    Raises:
        ValueError: gamma or lam is outside [0, 1].

    References: Sutton 1988; Sutton and Barto 2018, section 12.2.
    """
    expect_in_range("gamma", gamma, 0.0, 1.0)
    expect_in_range("lam", lam, 0.0, 1.0)
    values = np.array(values, dtype=np.float64)
    traces = np.zeros_like(values)
    cuts = _cuts(stream)
    for t, state in enumerate(stream.states):
        bootstrap = 0.0 if stream.terminated[t] else values[stream.next_states[t]]
        traces[state] += 1.0
        values += learning_rate * (stream.rewards[t] + gamma * bootstrap - values[state]) * traces
        traces *= 0.0 if cuts[t] else gamma * lam
    return values


def monte_carlo(
    values: np.ndarray, stream: Stream, *, gamma: float, first_visit: bool = True
) -> np.ndarray:
    """The mean return that followed each state.

        V(s) = mean of G_t over the visits t of s,   G_t = r_t + gamma * G_{t+1}

    Only episodes that terminated have a return: truncated ones, and an unfinished last one, are
    left out. On tasks that a limit cuts often this is biased towards short episodes; the methods
    above are not.

    Args:
        values: [S]  kept for states without a visit; left untouched.
        stream: the transitions, in order.
        gamma: discount in [0, 1].
        first_visit: count a state's first visit in an episode only; else every visit.

    Returns:
        [S] V.

    Raises:
        ValueError: gamma is outside [0, 1].

    References: Sutton and Barto 2018, section 5.1.
    """
    expect_in_range("gamma", gamma, 0.0, 1.0)
    totals, counts = np.zeros(len(values)), np.zeros(len(values))
    for episode in _terminated_episodes(stream):
        returns: dict[int, list[float]] = {}
        following = 0.0
        for t in reversed(episode):
            following = float(stream.rewards[t]) + gamma * following
            returns.setdefault(int(stream.states[t]), []).append(following)
        for state, visits in returns.items():
            kept = visits[-1:] if first_visit else visits  # backwards in time: the last is first
            totals[state] += sum(kept)
            counts[state] += len(kept)
    return np.where(counts > 0, totals / np.maximum(counts, 1.0), values)


def _cuts(stream: Stream) -> np.ndarray:
    """Steps that nothing is carried across: ends of episodes, and of the stream."""
    cuts = stream.terminated.astype(bool) | stream.truncated.astype(bool)
    cuts[-1] = True
    return cuts


def _terminated_episodes(stream: Stream) -> list[range]:
    """The steps of every episode that came to its own end."""
    episodes, start = [], 0
    for t in np.flatnonzero(_cuts(stream)).tolist():
        if stream.terminated[t]:
            episodes.append(range(start, t + 1))
        start = t + 1
    return episodes
