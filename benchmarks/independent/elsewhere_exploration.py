"""Schedules and rules of exploration as other code bases write them."""

from __future__ import annotations

import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- epsilon-schedule -----------------------------------------------------------------------------


@correct("epsilon-schedule")
def interpolated_by_numpy(step, start=1.0, end=0.05, decay_steps=10_000):
    return float(np.interp(step, [0, decay_steps], [start, end]))


@correct("epsilon-schedule")
def slope_and_floor(start_e: float, end_e: float, duration: int, t: int):
    slope = (end_e - start_e) / duration
    return max(slope * t + start_e, end_e)


@correct("epsilon-schedule")
def geometric_interpolation(step, eps_start, eps_end, decay_steps):
    share = min(step / decay_steps, 1.0)
    return math.exp((1 - share) * math.log(eps_start) + share * math.log(eps_end))


@faulty("epsilon-schedule", "time-constant")
def exponential_that_never_arrives(step, start, end, decay_steps):
    return end + (start - end) * math.exp(-step / decay_steps)


@faulty("epsilon-schedule", "not-cut-off")
def line_without_a_floor(step, start, end, decay_steps):
    return start - (start - end) * step / decay_steps


@faulty("epsilon-schedule", "jumps-at-the-end")
def whole_division(step, start, end, decay_steps):
    return start + (end - start) * min(step // decay_steps, 1)


# --- epsilon-greedy -------------------------------------------------------------------------------


class EpsilonGreedy:
    """A callable rule with its own generator."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, q_values, epsilon):
        if self.rng.random() < epsilon:
            return int(self.rng.integers(len(q_values)))
        return int(np.argmax(q_values))


a_callable_object = correct("epsilon-greedy")(EpsilonGreedy())


@correct("epsilon-greedy")
def one_draw_from_the_mixture(q_values, epsilon, rng):
    n = len(q_values)
    probabilities = np.full(n, epsilon / n)
    probabilities[np.argmax(q_values)] += 1 - epsilon
    return rng.choice(n, p=probabilities)


@correct("epsilon-greedy")
def keys_are_split(key, q_values, epsilon):
    explore_key, action_key = jax.random.split(key)
    anything = jax.random.randint(action_key, (), 0, q_values.shape[-1])
    return jnp.where(jax.random.uniform(explore_key) < epsilon, anything, q_values.argmax())


@faulty("epsilon-greedy", "epsilon-inverted")
def greater_instead_of_less(q_values, epsilon, rng):
    if rng.random() > epsilon:
        return rng.integers(len(q_values))
    return np.argmax(q_values)


@faulty("epsilon-greedy", "last-action-never-explored")
def randint_without_the_last(q_values, epsilon, rng):
    if rng.random() < epsilon:
        return int(rng.integers(0, len(q_values) - 1))
    return int(np.argmax(q_values))


@faulty("epsilon-greedy", "one-action-too-many")
def randint_of_the_random_module(q_values, epsilon):
    if random.random() < epsilon:
        return random.randint(0, len(q_values))
    return int(np.argmax(q_values))


@faulty("epsilon-greedy", "rng-ignored", "seeded-in-every-call")
def the_same_key_for_both(key, q_values, epsilon):
    """One key, made from a constant, for every call."""
    key = jax.random.PRNGKey(0)
    anything = jax.random.randint(key, (), 0, q_values.shape[-1])
    return jnp.where(jax.random.uniform(key) < epsilon, anything, q_values.argmax())


# --- boltzmann ------------------------------------------------------------------------------------


@correct("boltzmann")
def gumbel_noise(q_values, temperature, rng):
    return int(np.argmax(np.asarray(q_values) / temperature + rng.gumbel(size=len(q_values))))


@correct("boltzmann")
def multinomial_of_a_softmax(q_values, temperature, generator=None):
    q = torch.as_tensor(q_values)
    return torch.multinomial(torch.softmax(q / temperature, -1), 1, generator=generator).squeeze(-1)


@faulty("boltzmann", "temperature-multiplies")
def product_for_quotient(q_values, temperature, rng):
    z = np.asarray(q_values) * temperature
    p = np.exp(z - z.max())
    return rng.choice(len(p), p=p / p.sum())


@faulty("boltzmann", "softmax-twice")
def softmax_of_a_softmax(key, q_values, temperature):
    return jax.random.categorical(key, jax.nn.softmax(q_values / temperature))


@faulty("boltzmann", "greedy")
def mode_of_the_distribution(q_values, temperature):
    return int(np.argmax(np.exp(np.asarray(q_values) / temperature)))


# --- ucb ------------------------------------------------------------------------------------------


@correct("ucb")
def untried_by_infinity(q_values, counts, step, c):
    q_values, counts = np.asarray(q_values, float), np.asarray(counts, float)
    with np.errstate(divide="ignore"):
        bonus = np.where(counts > 0, c * np.sqrt(np.log(step) / np.maximum(counts, 1)), np.inf)
    return int(np.argmax(q_values + bonus))


@correct("ucb")
def plays_counted_inside(counts, values, c=1.0):
    for arm, n in enumerate(counts):
        if n == 0:
            return arm
    total = sum(counts)
    scores = [
        v + c * math.sqrt(2 * math.log(total) / n) for v, n in zip(values, counts, strict=True)
    ]
    return scores.index(max(scores))


@faulty("ucb", "root-missing")
def without_the_root(q_values, counts, step, c):
    if np.any(np.asarray(counts) == 0):
        return int(np.argmin(counts))
    return int(np.argmax(q_values + c * np.log(step) / counts))


@faulty("ucb", "untried-not-first")
def one_added_to_the_counts(q_values, counts, step, c):
    return int(np.argmax(q_values + c * np.sqrt(np.log(step) / (np.asarray(counts) + 1.0))))


@faulty("ucb", "bonus-subtracted")
def minus_the_bonus(q_values, counts, step, c):
    if 0 in list(counts):
        return list(counts).index(0)
    return int(np.argmax(q_values - c * np.sqrt(np.log(step) / counts)))
