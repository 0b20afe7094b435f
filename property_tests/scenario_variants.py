# ruff: noqa: D102  (the contracts say what each method does)
"""Correct subjects of the contracts on state and chance, in the forms that public code uses.

They share no code with the definitions, and none of them may ever fail a check. NumPy only; those
in other libraries are in the tests.
"""

from __future__ import annotations

import math
import random
from collections import deque
from typing import Any, NamedTuple

import numpy as np

# -- replay buffers -----------------------------------------------------------------------------


class DequeBuffer:
    """A deque of tuples, sampled without replacement, returned as a list."""

    def __init__(self, capacity):
        self.memory: deque[tuple[Any, ...]] = deque(maxlen=capacity)

    def push(self, state, action, reward, next_state, done):
        self.memory.append((state.copy(), action, reward, next_state.copy(), done))

    def sample(self, batch_size):
        return random.sample(list(self.memory), batch_size)


class ArrayBuffer:
    """Arrays that are made for the first transition, returned as five columns."""

    def __init__(self, buffer_size):
        self.size, self.position, self.held = buffer_size, 0, 0
        self.columns: list[np.ndarray] = []

    def add(self, obs, action, reward, next_obs, done):
        row = [
            np.asarray(value, dtype=np.float32) for value in (obs, action, reward, next_obs, done)
        ]
        if not self.columns:
            self.columns = [np.zeros((self.size, *value.shape), np.float32) for value in row]
        for column, value in zip(self.columns, row, strict=True):
            column[self.position] = value
        self.position = (self.position + 1) % self.size
        self.held = min(self.held + 1, self.size)

    def sample(self, batch_size):
        rows = np.random.randint(0, self.held, size=batch_size)
        return tuple(column[rows] for column in self.columns)


# -- prioritised replay -------------------------------------------------------------------------


class Batch(NamedTuple):
    """What the proportional buffer returns."""

    states: Any
    actions: Any
    rewards: Any
    next_states: Any
    dones: Any


class SumTreeBuffer:
    """A binary sum tree, stratified draws, |td error| + eps inside the update."""

    def __init__(self, capacity, alpha, beta, epsilon=1e-5):
        self.capacity, self.alpha, self.beta, self.epsilon = capacity, alpha, beta, epsilon
        self.tree = [0.0] * (2 * capacity)
        self.data: list[Any] = [None] * capacity
        self.next, self.held, self.highest = 0, 0, 1.0

    def _set(self, leaf, value):
        self.tree[leaf] = value
        while leaf > 1:
            leaf //= 2
            self.tree[leaf] = self.tree[2 * leaf] + self.tree[2 * leaf + 1]

    def add(self, state, action, reward, next_state, terminated, truncated):
        self.data[self.next] = (state.copy(), action, reward, next_state.copy(), terminated)
        self._set(self.capacity + self.next, self.highest**self.alpha)
        self.next = (self.next + 1) % self.capacity
        self.held = min(self.held + 1, self.capacity)

    def _find(self, mass):
        node = 1
        while node < self.capacity:
            node *= 2
            if mass >= self.tree[node] and self.tree[node + 1] > 0:
                mass -= self.tree[node]
                node += 1
        return node

    def sample(self, batch_size):
        share = self.tree[1] / batch_size
        leaves = [self._find(random.uniform(k * share, (k + 1) * share)) for k in range(batch_size)]
        mass = np.array([self.tree[leaf] for leaf in leaves])
        weights = (self.held * mass / self.tree[1]) ** -self.beta
        rows = [self.data[leaf - self.capacity] for leaf in leaves]
        return leaves, Batch(*map(np.array, zip(*rows, strict=True))), weights / weights.max()

    def update_priorities(self, leaves, td_errors):
        for leaf, error in zip(leaves, td_errors, strict=True):
            priority = abs(float(error)) + self.epsilon
            self._set(int(leaf), priority**self.alpha)
            self.highest = max(self.highest, priority)


class FlatBuffer:
    """Linear scan without replacement; weights over the buffer; beta comes with each sample."""

    def __init__(self, size, alpha):
        self.size, self.alpha, self.rows, self.priorities = size, alpha, [], []

    def push(self, obs, action, reward, next_obs, done):
        if len(self.rows) == self.size:
            self.rows.pop(0)
            largest = max(self.priorities)
            self.priorities.pop(0)
        else:
            largest = max(self.priorities, default=1.0)
        self.rows.append((np.array(obs), action, reward, np.array(next_obs), done))
        self.priorities.append(largest)

    def sample(self, batch_size, beta=0.4):
        chance = np.array(self.priorities) ** self.alpha
        chance /= chance.sum()
        chosen = np.random.choice(len(self.rows), batch_size, replace=False, p=chance)
        weights = (chance[chosen] / chance.min()) ** -beta
        columns = [np.array(column) for column in zip(*(self.rows[i] for i in chosen), strict=True)]
        return (*columns, weights.astype(np.float32), chosen)

    def update_priorities(self, idxes, priorities):
        for i, priority in zip(idxes, priorities, strict=True):
            self.priorities[i] = priority


# -- exploration --------------------------------------------------------------------------------


def coin_then_argmax(q_values, epsilon):
    """Global NumPy stream, ties to the first."""
    if np.random.rand() < epsilon:
        return np.random.randint(len(q_values))
    return np.argmax(q_values)


def exploit_first(values, eps):
    """The standard library's stream, the comparison the other way round, ties at random."""
    if random.random() > eps:
        best = max(values)
        return random.choice([i for i, v in enumerate(values) if v == best])
    return random.randrange(len(values))


def from_probabilities(q, epsilon, rng):
    """Drawn from the whole distribution, ties to the last."""
    probabilities = np.full(len(q), epsilon / len(q))
    probabilities[len(q) - 1 - int(np.argmax(q[::-1]))] += 1.0 - epsilon
    return rng.choice(len(q), p=probabilities)


def rowwise(q_values, epsilon, rng):
    """[B, A] at once."""
    states, actions = q_values.shape
    explore = rng.random(states) < epsilon
    return np.where(explore, rng.integers(actions, size=states), q_values.argmax(axis=1))


def one_coin(q_values, epsilon):
    """[B, A] at once, one coin for all of them, as scripts with vector environments do."""
    if random.random() < epsilon:
        return np.array([random.randrange(q_values.shape[1]) for _ in range(len(q_values))])
    return np.argmax(q_values, axis=1)


def softmax_choice(q_values, temperature):
    """Weights for the standard library's draw."""
    top = max(q_values)
    weights = [math.exp((q - top) / temperature) for q in q_values]
    return random.choices(range(len(weights)), weights)[0]


def gumbel(q, temp, rng):
    """The largest of the values with Gumbel noise."""
    return int(np.argmax(q / temp + rng.gumbel(size=np.shape(q))))


def inverse_cdf(q_values, tau, rng):
    """[B, A] at once, by the cumulative distribution."""
    logits = q_values / tau
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    steps = np.cumsum(weights / weights.sum(axis=-1, keepdims=True), axis=-1)
    return (rng.random((len(q_values), 1)) >= steps[:, :-1]).sum(axis=-1)


def ucb_loop(q_values, counts, t, c):
    """Plain Python: the first untried one, else the largest bound."""
    for action, count in enumerate(counts):
        if count == 0:
            return action
    bounds = [q + c * math.sqrt(math.log(t) / n) for q, n in zip(q_values, counts, strict=True)]
    return bounds.index(max(bounds))


def ucb_small_number(q, n, step, c):
    """A small number beside the counts."""
    return int(np.argmax(q + c * np.sqrt(np.log(step + 1) / (n + 1e-5))))


def ucb_one(means, pulls, c):
    """2 log of the total of the counts, no step."""
    if (pulls == 0).any():
        return int(np.argmin(pulls))
    return int(np.argmax(means + c * np.sqrt(2.0 * np.log(pulls.sum()) / pulls)))


# -- running normalisers ------------------------------------------------------------------------


class RunningMeanStd:
    """Merged moments that start from a small count, attributes only."""

    def __init__(self, epsilon=1e-4, shape=()):
        self.mean, self.var, self.count = np.zeros(shape), np.ones(shape), epsilon

    def update(self, x):
        mean, var, n = x.mean(axis=0), x.var(axis=0), x.shape[0]
        delta, total = mean - self.mean, self.count + n
        m2 = self.var * self.count + var * n + delta**2 * self.count * n / total
        self.mean, self.var, self.count = self.mean + delta * n / total, m2 / total, total


class Clipped(RunningMeanStd):
    """The same with clipping."""

    def normalize(self, obs):
        return np.clip((obs - self.mean) / np.sqrt(self.var + 1e-8), -5.0, 5.0)


class Welford:
    """One row at a time, N - 1 in the variance, a floor under the deviation."""

    def __init__(self, dim):
        self.n, self.m, self.s = 0, np.zeros(dim), np.zeros(dim)

    def update(self, x):
        for row in np.atleast_2d(x):
            self.n += 1
            before = self.m
            self.m = before + (row - before) / self.n
            self.s = self.s + (row - before) * (row - self.m)

    def normalise(self, x):
        deviation = np.sqrt(self.s / max(self.n - 1, 1))
        return (x - self.m) / np.maximum(deviation, 1e-6)


class Sums:
    """Sums and sums of squares; evaluation says that it does not learn."""

    def __init__(self):
        self.n, self.total, self.squares = 0, 0.0, 0.0

    def update(self, batch):
        self.n += len(batch)
        self.total = self.total + batch.sum(axis=0)
        self.squares = self.squares + (batch**2).sum(axis=0)

    def __call__(self, x, update=True):
        if update:
            self.update(x)
        mean = self.total / self.n
        variance = np.maximum(self.squares / self.n - mean**2, 0.0)
        return (x - mean) / (np.sqrt(variance) + 1e-2)


# -- target networks and schedules --------------------------------------------------------------


def averaged_dicts(target, online, tau):
    """Dicts of arrays, rebound."""
    for name, value in online.items():
        target[name] = tau * value + (1.0 - tau) * target[name]


def decayed_lists(target_params, params, polyak):
    """Weights on the target, in place."""
    pairs = target_params.items() if isinstance(target_params, dict) else enumerate(target_params)
    for name, own in pairs:
        own *= polyak
        own += (1.0 - polyak) * params[name]


def clipped_slope(start_e, end_e, duration, t):
    """A slope that is cut off at the end."""
    slope = (end_e - start_e) / duration
    return max(slope * t + start_e, end_e) if slope < 0 else min(slope * t + start_e, end_e)


def geometric(step, start, end, decay_steps):
    """A factor a step."""
    return start * math.exp(math.log(end / start) * min(1.0, step / decay_steps))


VARIANTS: dict[str, dict[str, Any]] = {
    "replay-buffer": {"deque of tuples": DequeBuffer, "arrays": ArrayBuffer},
    "prioritised-replay": {
        "sum tree, stratified, errors": SumTreeBuffer,
        "scan without replacement, weights over the buffer": FlatBuffer,
    },
    "epsilon-greedy": {
        "coin, then argmax": coin_then_argmax,
        "exploits first, random ties": exploit_first,
        "from probabilities, last of ties": from_probabilities,
        "[B, A]": rowwise,
        "[B, A], one coin": one_coin,
    },
    "boltzmann": {
        "weights": softmax_choice,
        "Gumbel noise": gumbel,
        "[B, A], cumulative": inverse_cdf,
    },
    "ucb": {
        "loop": ucb_loop,
        "small number beside counts": ucb_small_number,
        "2 log of all counts": ucb_one,
    },
    "running-normaliser": {
        "moments with a small count": RunningMeanStd,
        "clipped": Clipped,
        "Welford, N - 1": Welford,
        "sums of squares": Sums,
    },
    "polyak-update": {"dicts": averaged_dicts, "in place": decayed_lists},
    "epsilon-schedule": {"slope": clipped_slope, "geometric": geometric},
}
