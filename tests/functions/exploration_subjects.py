"""Exploration rules written from scratch: correct ones in several libraries, and faulty ones."""

import math
import random

import numpy as np
import torch

from reference_agents import exploration


def dqn_script_action(q_values, epsilon):
    if random.random() <= epsilon and epsilon > 0:
        return random.randrange(q_values.size(0))
    return int(torch.argmax(q_values))


def torch_batch(q_values: torch.Tensor, eps, generator):
    batch, actions = q_values.shape
    coin = torch.rand(batch, generator=generator) < eps
    any_action = torch.randint(actions, (batch,), generator=generator)
    return torch.where(coin, any_action, q_values.argmax(dim=-1))


def one_row_network(q_values, eps_threshold):
    if random.random() > eps_threshold:
        return q_values.max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(q_values.shape[1])]], dtype=torch.long)


def sorted_ties(q, eps, num_actions, rng):
    if rng.uniform() < eps:
        return rng.randint(0, num_actions)  # np.random.RandomState: the upper bound is excluded
    return np.argsort(q)[-1]


def legacy_flatnonzero(action_values, exploration_rate, random_state):
    if random_state.random_sample() < exploration_rate:
        return random_state.choice(len(action_values))
    return random_state.choice(np.flatnonzero(action_values == action_values.max()))


class Explorer:
    def __init__(self):
        self.rng = np.random.default_rng(3)

    def act(self, q_values, epsilon):
        explore = self.rng.random() < epsilon
        return self.rng.integers(q_values.shape[0]) if explore else q_values.argmax()


def jax_greedy(q_values, epsilon, key):
    import jax

    coin, pick = jax.random.split(key)
    explore = jax.random.uniform(coin) < epsilon
    return jax.numpy.where(
        explore, jax.random.randint(pick, (), 0, q_values.shape[0]), q_values.argmax()
    )


EPSILON_GREEDY = {
    "reference": exploration.epsilon_greedy,
    "DQN script": dqn_script_action,
    "torch batch": torch_batch,
    "one row": one_row_network,
    "sorted": sorted_ties,
    "legacy": legacy_flatnonzero,
    "method": Explorer().act,
    "jax": jax_greedy,
}


def inverted(q, epsilon):
    if np.random.uniform() > epsilon:
        return np.random.choice(len(q))
    return int(np.argmax(q))


def no_evaluation_mode(q, eps, rng):
    noise = rng.standard_normal()
    return int(rng.integers(len(q))) if noise < eps else int(q.argmax())


def short_range(q_values, epsilon):
    if torch.rand(1).item() < epsilon:
        return torch.randint(0, q_values.numel() - 1, (1,)).item()
    return q_values.argmax().item()


def long_range(values, epsilon):
    return random.randint(0, len(values)) if random.random() < epsilon else int(np.argmax(values))


def others_only(q, epsilon, rng):
    best = int(np.argmax(q))
    if rng.random() < epsilon:
        return rng.choice([a for a in range(len(q)) if a != best])
    return best


def forgotten(q_values, epsilon, rng):
    explore = rng.random() < 0.0 * epsilon
    return rng.integers(len(q_values)) if explore else q_values.argmax()


def all_random(q_values, epsilon):
    return random.choice(range(len(q_values)))


def minimum(q_values, epsilon, rng):
    return rng.integers(len(q_values)) if rng.random() < epsilon else q_values.argmin()


def twice_tossed(q_values, epsilon, rng):
    if rng.random() < epsilon and rng.random() < epsilon:
        return rng.integers(len(q_values))
    return q_values.argmax()


def reseeded(q_values, epsilon):
    np.random.seed(7)
    if np.random.random() < epsilon:
        return np.random.randint(len(q_values))
    return np.argmax(q_values)


def half_own(q_values, epsilon, rng):
    if rng.random() < epsilon:
        return np.random.randint(len(q_values))
    return int(np.argmax(q_values))


def from_one(q_values, epsilon, rng):
    return rng.integers(1, len(q_values)) if rng.random() < epsilon else q_values.argmax()


def proportional_greed(q_values, epsilon, rng):
    if rng.random() < epsilon:
        return rng.integers(len(q_values))
    p = torch.softmax(torch.as_tensor(q_values), 0).numpy()
    return rng.choice(len(p), p=p / p.sum())


FAULTY_EPSILON_GREEDY = {
    inverted: "epsilon-inverted",
    no_evaluation_mode: "draw-not-uniform",
    short_range: "last-action-never-explored",
    long_range: "one-action-too-many",
    others_only: "best-never-explored",
    forgotten: "never-explores",
    all_random: "always-random",
    minimum: "argmin",
    twice_tossed: "explores-too-rarely",
    reseeded: "seeded-in-every-call",
    half_own: "rng-ignored",
    from_one: "first-action-never-explored",
    proportional_greed: "samples-by-value",
}


def torch_multinomial(q_values: torch.Tensor, temperature, generator):
    return torch.multinomial(torch.softmax(q_values / temperature, -1), 1, generator=generator)


def categorical(q, temperature):
    return torch.distributions.Categorical(logits=q / temperature).sample()


def bisected(q_values, temperature, rng):
    z = np.asarray(q_values) / temperature
    p = np.exp(z - np.logaddexp.reduce(z))
    return int(np.searchsorted(np.cumsum(p), rng.random() * p.sum()))


BOLTZMANN = {
    "reference": exploration.boltzmann,
    "multinomial": torch_multinomial,
    "categorical": categorical,
    "bisected": bisected,
}


def _draw(logits, rng):
    weights = np.exp(logits - np.max(logits))
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def hot(q, temperature, rng):
    return _draw(np.asarray(q) * temperature, rng)


def unheeded(q, temperature, rng):
    return _draw(np.asarray(q), rng)


def costs(q, temp, rng):
    return _draw(-np.asarray(q) / temp, rng)


def most_likely(q_values: torch.Tensor, tau):
    return torch.softmax(q_values / tau, dim=-1).argmax()


def probabilities_as_logits(q_values: torch.Tensor, temperature):
    p = torch.softmax(q_values / temperature, dim=-1)
    return torch.distributions.Categorical(logits=p).sample()


def naive(q_values, temperature):
    weights = np.exp(np.asarray(q_values) / temperature)
    return np.random.choice(len(weights), p=weights / weights.sum())


def unweighted(q_values, temperature):
    weights = [math.exp((q - max(q_values)) / temperature) for q in q_values]
    return random.choice(range(len(weights)))


def drifting(q_values, temperature, rng):
    q_values -= np.max(q_values)
    return _draw(q_values / temperature, rng)


def off_the_end(q_values, temperature, rng):
    z = np.exp((q_values - q_values.max()) / temperature)
    return int(np.searchsorted(np.cumsum(z / z.sum()), rng.random())) + 1


def scaled_first(q_values, temperature, rng):
    spread = q_values.std() + 1e-6
    return _draw((q_values - q_values.mean()) / spread / temperature, rng)


FAULTY_BOLTZMANN = {
    hot: "temperature-multiplies",
    unheeded: "temperature-ignored",
    costs: "sign-flipped",
    most_likely: "greedy",
    probabilities_as_logits: "softmax-twice",
    naive: "overflows",
    unweighted: "uniform",
    drifting: "inputs-changed",
    off_the_end: "index-one-late",
    scaled_first: "values-standardised",
}


def torch_bounds(q_values: torch.Tensor, counts, step, c):
    bonus = c * torch.sqrt(math.log(step) / counts)
    return torch.where(counts == 0, torch.inf, q_values + bonus).argmax()


def infinite_for_untried(q, counts, t, confidence):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.argmax(np.where(counts > 0, q + confidence * np.sqrt(np.log(t) / counts), np.inf))


UCB = {"reference": exploration.ucb, "torch": torch_bounds, "infinite": infinite_for_untried}


def _bound(q, n, bonus):
    untried = np.flatnonzero(np.asarray(n) == 0)
    return int(untried[0]) if len(untried) else int(np.argmax(np.asarray(q) + bonus))


def laplace(q_values, counts, step, c):
    return int(np.argmax(q_values + c * np.sqrt(np.log(step) / (counts + 1))))


def rootless(q_values, counts, step, c):
    return _bound(q_values, counts, c * np.log(step) / np.maximum(counts, 1))


def outside(q_values, counts, step, c):
    return _bound(q_values, counts, c * np.sqrt(np.log(step)) / np.maximum(counts, 1))


def unlogged(q_values, counts, step, c):
    return _bound(q_values, counts, c * np.sqrt(step / np.maximum(counts, 1)))


def decimal(q_values, counts, step, c):
    return _bound(q_values, counts, c * np.sqrt(np.log10(step) / np.maximum(counts, 1)))


def pessimist(q_values, counts, step, c):
    return _bound(q_values, counts, -c * np.sqrt(np.log(step) / np.maximum(counts, 1)))


def constant_width(q_values, counts, step, c):
    return _bound(q_values, counts, np.sqrt(np.log(step) / np.maximum(counts, 1)))


def of_everything(q_values, counts, step, c):
    return _bound(q_values, counts, c * np.sqrt(np.log(step) / max(counts.sum(), 1)))


def curious(q_values, counts, step, c):
    return _bound(0.0 * q_values, counts, c * np.sqrt(np.log(step) / np.maximum(counts, 1)))


def width_inside(q_values, counts, step, c):
    return _bound(q_values, counts, np.sqrt(c * np.log(step) / np.maximum(counts, 1)))


FAULTY_UCB = {
    laplace: "untried-not-first",
    rootless: "root-missing",
    outside: "root-of-logarithm-only",
    unlogged: "logarithm-missing",
    decimal: "logarithm-of-base-ten",
    pessimist: "bonus-subtracted",
    constant_width: "c-ignored",
    of_everything: ("count-of-all", "bonus-missing"),  # the same choices
    curious: "values-ignored",
    width_inside: "c-inside-the-root",
}
