"""Rules that turn action values into actions, and schedules for how much to explore.

NumPy, one state at a time: these serve tables and bandits. Randomness comes in as a generator.

Optimistic initial values are no rule but a starting point: fill the table with a number above every
reachable value, and plain greed tries each action until it has disappointed (`bandits`, and
`initial_value` of the agents in `tabular`).

References: Sutton and Barto 2018, chapter 2.
"""

from __future__ import annotations

import numpy as np

from reference_agents._expect import expect_in_range, expect_positive


def epsilon_schedule(step: int, *, start: float, end: float, decay_steps: int) -> float:
    """A straight line from `start` at step 0 to `end` at `decay_steps`, constant afterwards.

        e_k = start + (end - start) * min(k / decay_steps, 1)

    Args:
        step: k, counted from 0.
        start: value at step 0.
        end: value from step `decay_steps` on.
        decay_steps: length of the decay, at least 1.

    Returns:
        e_k.

    Raises:
        ValueError: decay_steps < 1.
    """
    expect_positive("decay_steps", decay_steps)
    if step >= decay_steps:
        return end  # exactly, where rounding of the line would miss it
    return start + (end - start) * step / decay_steps


def exponential_epsilon_schedule(step: int, *, start: float, end: float, decay_steps: int) -> float:
    """A geometric path from `start` at step 0 to `end` at `decay_steps`, constant afterwards.

        e_k = start * (end / start)^min(k / decay_steps, 1)

    Args:
        step: k, counted from 0.
        start: value at step 0, above 0.
        end: value from step `decay_steps` on, above 0.
        decay_steps: length of the decay, at least 1.

    Returns:
        e_k.

    Raises:
        ValueError: start, end or decay_steps is not positive.
    """
    for name, value in (("start", start), ("end", end), ("decay_steps", decay_steps)):
        expect_positive(name, value)
    if step >= decay_steps:
        return end
    return start * (end / start) ** (step / decay_steps)


def greedy_probabilities(q_values: np.ndarray) -> np.ndarray:
    """The greedy policy, with ties shared evenly.

        pi(a) = 1 / |best| for a in best = argmax_b Q(b), else 0

    Args:
        q_values: [..., A]  Q.

    Returns:
        [..., A] probabilities.
    """
    q_values = np.asarray(q_values, dtype=np.float64)
    best = q_values == q_values.max(axis=-1, keepdims=True)
    return best / best.sum(axis=-1, keepdims=True)


def epsilon_greedy_probabilities(q_values: np.ndarray, *, epsilon: float) -> np.ndarray:
    """The greedy policy, mixed with the uniform one.

        pi(a) = epsilon / A + (1 - epsilon) * greedy(a)

    Args:
        q_values: [..., A]  Q.
        epsilon: probability of acting uniformly, in [0, 1].

    Returns:
        [..., A] probabilities.

    Raises:
        ValueError: epsilon is outside [0, 1].
    """
    expect_in_range("epsilon", epsilon, 0.0, 1.0)
    greedy = greedy_probabilities(q_values)
    return epsilon / greedy.shape[-1] + (1.0 - epsilon) * greedy


def boltzmann_probabilities(q_values: np.ndarray, *, temperature: float) -> np.ndarray:
    """The softmax of the action values.

        pi(a) proportional to exp(Q(a) / temperature)

    Args:
        q_values: [..., A]  Q.
        temperature: above 0; towards 0 the policy becomes greedy, towards infinity uniform.

    Returns:
        [..., A] probabilities.

    Raises:
        ValueError: the temperature is not positive.
    """
    expect_positive("temperature", temperature)
    q_values = np.asarray(q_values, dtype=np.float64)
    # Subtracting the maximum first keeps the quotient from overflowing at small temperatures.
    weights = np.exp((q_values - q_values.max(axis=-1, keepdims=True)) / temperature)
    return weights / weights.sum(axis=-1, keepdims=True)


def epsilon_greedy(q_values: np.ndarray, *, epsilon: float, rng: np.random.Generator) -> int:
    """A best action, or with probability epsilon any action; ties are broken at random.

    Args:
        q_values: [A]  Q in the current state.
        epsilon: probability of acting uniformly, in [0, 1].
        rng: source of randomness.

    Returns:
        The action, drawn from `epsilon_greedy_probabilities`.

    Raises:
        ValueError: epsilon is outside [0, 1].
    """
    expect_in_range("epsilon", epsilon, 0.0, 1.0)
    q_values = np.asarray(q_values)
    if rng.random() < epsilon:
        return int(rng.integers(len(q_values)))
    return _random_best(q_values, rng)


def boltzmann(q_values: np.ndarray, *, temperature: float, rng: np.random.Generator) -> int:
    """An action drawn from the softmax of the action values.

    Args:
        q_values: [A]  Q in the current state.
        temperature: above 0.
        rng: source of randomness.

    Returns:
        The action, drawn from `boltzmann_probabilities`.

    Raises:
        ValueError: the temperature is not positive.
    """
    probabilities = boltzmann_probabilities(q_values, temperature=temperature)
    return int(rng.choice(len(probabilities), p=probabilities))


def ucb(
    q_values: np.ndarray,
    counts: np.ndarray,
    step: int,
    *,
    c: float,
    rng: np.random.Generator,
) -> int:
    """The action whose value could plausibly be the highest; untried actions come first.

        argmax_a Q(a) + c * sqrt(log(t) / N(a)),   infinite where N(a) = 0

    Args:
        q_values: [A]  Q, estimates from N(a) tries each.
        counts:   [A]  N(a).
        step: t, the number of the current choice, counted from 1.
        c: width of the confidence bound, at least 0.
        rng: breaks ties.

    Returns:
        The action.

    Raises:
        ValueError: step < 1.

    References: Auer et al. 2002; Sutton and Barto 2018, eq. 2.10.
    """
    expect_positive("step", step)
    q_values, counts = np.asarray(q_values, dtype=np.float64), np.asarray(counts)
    untried = counts == 0
    if untried.any():
        return int(rng.choice(np.flatnonzero(untried)))
    return _random_best(q_values + c * np.sqrt(np.log(step) / counts), rng)


def _random_best(scores: np.ndarray, rng: np.random.Generator) -> int:
    """Index of the largest score, one of them at random where there are several."""
    best = np.flatnonzero(scores == scores.max())
    return int(best[0]) if len(best) == 1 else int(rng.choice(best))
