"""How actions are chosen, and how exploration decays."""

from __future__ import annotations

import math
import random

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- epsilon-greedy -------------------------------------------------------------------------------


@correct("epsilon-greedy")
def with_generator(q_values, epsilon, rng):
    if rng.random() < epsilon:
        return int(rng.integers(len(q_values)))
    return int(np.argmax(q_values))


@correct("epsilon-greedy")
def global_random(q_values, epsilon):
    if random.random() > epsilon:
        best = max(q_values)
        return random.choice([a for a, q in enumerate(q_values) if q == best])
    return random.randrange(len(q_values))


@correct("epsilon-greedy")
def torch_batch(q_values, epsilon):
    greedy = q_values.argmax(dim=-1)
    anything = torch.randint_like(greedy, q_values.shape[-1])
    return torch.where(torch.rand(greedy.shape) < epsilon, anything, greedy)


@correct("epsilon-greedy")
def probability_vector(q_values, epsilon, rng):
    n = len(q_values)
    p = np.full(n, epsilon / n)
    p[np.argmax(q_values)] += 1 - epsilon
    return rng.choice(n, p=p)


@faulty("epsilon-greedy", "epsilon-inverted")
def wrong_way_round(q_values, epsilon, rng):
    if rng.random() > epsilon:
        return int(rng.integers(len(q_values)))
    return int(np.argmax(q_values))


@faulty("epsilon-greedy", "last-action-never-explored")
def inclusive_habit(q_values, epsilon, rng):
    if rng.random() < epsilon:
        return int(rng.integers(0, len(q_values) - 1))
    return int(np.argmax(q_values))


@faulty("epsilon-greedy", "best-never-explored")
def other_actions_only(q_values, epsilon, rng):
    best = int(np.argmax(q_values))
    if rng.random() < epsilon:
        others = [a for a in range(len(q_values)) if a != best]
        return int(rng.choice(others)) if others else best
    return best


@faulty("epsilon-greedy", "draw-not-uniform")
def normal_draw(q_values, epsilon):
    if np.random.randn() < epsilon:
        return np.random.randint(len(q_values))
    return int(np.argmax(q_values))


@faulty("epsilon-greedy", "one-action-too-many")
def randint_of_the_standard_library(q_values, epsilon):
    if random.random() < epsilon:
        return random.randint(0, len(q_values))
    return int(np.argmax(q_values))


@faulty("epsilon-greedy", "seeded-in-every-call")
def fresh_generator(q_values, epsilon):
    rng = np.random.default_rng(42)
    if rng.random() < epsilon:
        return int(rng.integers(len(q_values)))
    return int(np.argmax(q_values))


# --- Boltzmann ------------------------------------------------------------------------------------


@correct("boltzmann")
def softmax_choice(q_values, temperature, rng):
    z = q_values / temperature
    p = np.exp(z - z.max())
    return rng.choice(len(p), p=p / p.sum())


@correct("boltzmann")
def gumbel_maximum(q_values, temperature, rng):
    return int(np.argmax(q_values / temperature + rng.gumbel(size=len(q_values))))


@correct("boltzmann")
def torch_categorical(q_values, temperature):
    return torch.distributions.Categorical(logits=q_values / temperature).sample()


@correct("boltzmann")
def jax_key(q_values, temperature, key):
    return jax.random.categorical(key, jnp.asarray(q_values) / temperature)


@faulty("boltzmann", "temperature-multiplies")
def times_temperature(q_values, temperature, rng):
    z = q_values * temperature
    p = np.exp(z - z.max())
    return rng.choice(len(p), p=p / p.sum())


@faulty("boltzmann", "greedy")
def most_probable(q_values, temperature):
    return int(torch.softmax(q_values / temperature, dim=-1).argmax())


@faulty("boltzmann", "overflows")
def no_maximum_taken_off(q_values, temperature, rng):
    p = np.exp(np.asarray(q_values) / temperature)
    return rng.choice(len(p), p=p / p.sum())


@faulty("boltzmann", "index-one-late")
def count_of_the_smaller(q_values, temperature, rng):
    z = q_values / temperature
    p = np.exp(z - np.max(z))
    cumulative = np.cumsum(p / p.sum())
    place = np.searchsorted(cumulative, rng.random()) + 1
    return int(min(place, len(p) - 1))


@faulty("boltzmann", "softmax-twice")
def categorical_of_probabilities(q_values, temperature):
    probs = torch.softmax(q_values / temperature, dim=-1)
    return torch.distributions.Categorical(logits=probs).sample().item()


# --- upper confidence bounds ----------------------------------------------------------------------


@correct("ucb")
def infinite_when_untried(q_values, counts, step, c):
    counts = np.asarray(counts)
    bonus = np.full(len(counts), np.inf)
    tried = counts > 0
    bonus[tried] = c * np.sqrt(np.log(step) / counts[tried])
    return int(np.argmax(np.where(tried, q_values, 0.0) + bonus))


@correct("ucb")
def first_untried(q_values, counts, step, c):
    for action, count in enumerate(counts):
        if count == 0:
            return action
    scores = [q + c * math.sqrt(math.log(step) / n) for q, n in zip(q_values, counts, strict=True)]
    return scores.index(max(scores))


@faulty("ucb", "root-of-logarithm-only")
def count_outside(q_values, counts, step, c):
    if (counts == 0).any():
        return int(np.argmin(counts))
    return int(np.argmax(q_values + c * np.sqrt(np.log(step)) / counts))


@faulty("ucb", "bonus-subtracted")
def lower_confidence_bound(q_values, counts, step, c):
    if (counts == 0).any():
        return int(np.argmin(counts))
    return int(np.argmax(q_values - c * np.sqrt(np.log(step) / counts)))


@faulty("ucb", "untried-not-first")
def one_is_added(q_values, counts, step, c):
    return int(np.argmax(q_values + c * np.sqrt(np.log(step) / (counts + 1))))


@faulty("ucb", "logarithm-missing")
def plain_step(q_values, counts, step, c):
    if (counts == 0).any():
        return int(np.argmin(counts))
    return int(np.argmax(q_values + c * np.sqrt(step / counts)))


# --- schedules of epsilon -------------------------------------------------------------------------


@correct("epsilon-schedule")
def linear(step, start, end, decay_steps):
    return start + min(1.0, step / decay_steps) * (end - start)


@correct("epsilon-schedule")
def slope_and_bound(start, end, decay_steps, step):
    slope = (end - start) / decay_steps
    return max(slope * step + start, end)


@correct("epsilon-schedule", dialect={"decay": "exponential"})
def geometric(step, start, end, decay_steps):
    if step >= decay_steps:
        return end
    return start * (end / start) ** (step / decay_steps)


@faulty("epsilon-schedule", "not-cut-off")
def goes_on_for_ever(step, start, end, decay_steps):
    return start - (start - end) * step / decay_steps


@faulty("epsilon-schedule", "time-constant")
def exponential_tail(step, start, end, decay_steps):
    return end + (start - end) * math.exp(-1.0 * step / decay_steps)


@faulty("epsilon-schedule", "aims-at-zero-and-stops-at-end")
def towards_zero_then_floor(step, start, end, decay_steps):
    return max(end, start * (1 - step / decay_steps))


@faulty("epsilon-schedule", "jumps-at-the-end", "never-decays")
def integer_division(step, start, end, decay_steps):
    return start + (end - start) * min(1, step // decay_steps)


@faulty("epsilon-schedule", "starts-again")
def modulo(step, start, end, decay_steps):
    return start + (end - start) * (step % decay_steps) / decay_steps
