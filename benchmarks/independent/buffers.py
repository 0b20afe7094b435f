"""Replay buffers, uniform and prioritised."""

from __future__ import annotations

import random
from collections import deque, namedtuple

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

Row = namedtuple("Row", "obs action reward next_obs terminated truncated")


# --- uniform --------------------------------------------------------------------------------------


class Ring:
    """Columns of fixed length, allocated at the first transition."""

    def __init__(self, capacity):
        self.capacity, self.position, self.size = capacity, 0, 0
        self.columns = None

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        row = (obs, action, reward, next_obs, terminated, truncated)
        if self.columns is None:
            arrays = [np.asarray(x) for x in row]
            self.columns = [np.zeros((self.capacity, *a.shape), a.dtype) for a in arrays]
        self.write(row)
        self.position = (self.position + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def write(self, row):
        for column, item in zip(self.columns, row, strict=True):
            column[self.position] = item

    def sample(self, n):
        rows = self.indices(n)
        return tuple(column[rows] for column in self.columns)

    def indices(self, n):
        return np.random.randint(0, self.size, size=n)


@correct("replay-buffer")
def ring_buffer(capacity):
    return Ring(capacity)


class Deque:
    """Copies of transitions in a bounded deque."""

    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        row = Row(obs, action, reward, next_obs, terminated, truncated)
        self.memory.append(Row(*(np.array(x, copy=True) for x in row)))

    def sample(self, n):
        return random.choices(self.memory, k=n)


@correct("replay-buffer")
def deque_of_rows(capacity):
    return Deque(capacity)


class TorchDict:
    """A dictionary of tensors."""

    def __init__(self, capacity):
        self.capacity, self.count, self.data = capacity, 0, {}

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        row = dict(
            obs=obs,
            action=action,
            reward=reward,
            next_obs=next_obs,
            terminated=terminated,
            truncated=truncated,
        )
        for name, item in row.items():
            tensor = torch.as_tensor(np.array(item))
            if name not in self.data:
                self.data[name] = torch.zeros((self.capacity, *tensor.shape), dtype=tensor.dtype)
            self.data[name][self.count % self.capacity] = tensor
        self.count += 1

    def sample(self, n):
        rows = torch.randint(min(self.count, self.capacity), (n,))
        return {name: column[rows] for name, column in self.data.items()}


@correct("replay-buffer")
def tensors_by_name(capacity):
    return TorchDict(capacity)


@faulty("replay-buffer", "size-is-write-position")
def samples_below_the_pointer(capacity):
    class Buffer(Ring):
        def indices(self, n):
            return np.random.randint(0, max(self.position, 1), size=n)

    return Buffer(capacity)


@faulty("replay-buffer", "unwritten-rows-sampled")
def samples_the_whole_array(capacity):
    class Buffer(Ring):
        def indices(self, n):
            return np.random.randint(0, self.capacity, size=n)

    return Buffer(capacity)


@faulty("replay-buffer", "truncation-as-terminal")
def done_for_both(capacity):
    class Buffer(Ring):
        def write(self, row):
            obs, action, reward, next_obs, terminated, truncated = row
            super().write((obs, action, reward, next_obs, terminated or truncated, truncated))

    return Buffer(capacity)


@faulty("replay-buffer", "references-stored")
def list_without_copies(capacity):
    class Buffer(Deque):
        def add(self, obs, action, reward, next_obs, terminated, truncated):
            self.memory.append(Row(obs, action, reward, next_obs, terminated, truncated))

    return Buffer(capacity)


@faulty("replay-buffer", "next-observation-from-following-row")
def memory_saving(capacity):
    """The next observation is looked up in the following row, over ends of episodes too."""

    class Buffer(Ring):
        def sample(self, n):
            rows = self.indices(n)
            obs, action, reward, next_obs, terminated, truncated = self.columns
            following = obs[(rows + 1) % self.capacity]
            newest = rows == (self.position - 1) % self.capacity
            following[newest] = next_obs[rows[newest]]
            return (
                obs[rows],
                action[rows],
                reward[rows],
                following,
                terminated[rows],
                truncated[rows],
            )

    return Buffer(capacity)


@faulty("replay-buffer", "columns-drawn-apart")
def each_column_its_own_draw(capacity):
    class Buffer(Ring):
        def sample(self, n):
            return tuple(column[self.indices(n)] for column in self.columns)

    return Buffer(capacity)


@faulty("replay-buffer", "newest-never-sampled")
def size_minus_one(capacity):
    class Buffer(Ring):
        def indices(self, n):
            newest_left_out = np.random.randint(0, max(self.size - 1, 1), size=n)
            oldest = self.position if self.size == self.capacity else 0
            return (oldest + newest_left_out) % self.capacity

    return Buffer(capacity)


@faulty("replay-buffer", "rewards-truncated-to-integers")
def integer_rewards(capacity):
    class Buffer(Ring):
        def write(self, row):
            obs, action, reward, next_obs, terminated, truncated = row
            super().write((obs, action, int(reward), next_obs, terminated, truncated))

    return Buffer(capacity)


@faulty("replay-buffer", "stops-when-full")
def append_while_there_is_room(capacity):
    class Buffer(Deque):
        def add(self, obs, action, reward, next_obs, terminated, truncated):
            if len(self.memory) < capacity:
                super().add(obs, action, reward, next_obs, terminated, truncated)

    return Buffer(capacity)


# --- prioritised ----------------------------------------------------------------------------------


class Proportional:
    """Priorities in a plain array."""

    def __init__(self, capacity, alpha, beta):
        self.capacity, self.alpha, self.beta = capacity, alpha, beta
        self.rows, self.priorities, self.position = [], np.zeros(capacity), 0

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        row = Row(*(np.array(x) for x in (obs, action, reward, next_obs, terminated, truncated)))
        if len(self.rows) < self.capacity:
            self.rows.append(row)
        else:
            self.rows[self.position] = row
        self.priorities[self.position] = self.first_priority()
        self.position = (self.position + 1) % self.capacity

    def first_priority(self):
        return self.priorities.max() if self.priorities.any() else 1.0

    def probabilities(self):
        scaled = self.priorities[: len(self.rows)] ** self.alpha
        return scaled / scaled.sum()

    def weights(self, p, rows):
        w = (len(self.rows) * p[rows]) ** -self.beta
        return w / w.max()

    def sample(self, n):
        p = self.probabilities()
        rows = np.random.choice(len(p), size=n, p=p)
        columns = [np.stack(column) for column in zip(*(self.rows[i] for i in rows), strict=True)]
        return columns, rows, self.weights(p, rows)

    def update_priorities(self, indices, priorities):
        for index, priority in zip(indices, priorities, strict=True):
            self.priorities[index] = priority


@correct("prioritised-replay")
def proportional(capacity, alpha, beta):
    return Proportional(capacity, alpha, beta)


class SumTree:
    """Powers of the priorities in a binary tree of sums; the largest priority is kept for good."""

    def __init__(self, capacity, alpha, beta):
        self.capacity, self.alpha, self.beta = capacity, alpha, beta
        self.leaves = 1
        while self.leaves < capacity:
            self.leaves *= 2
        self.tree = np.zeros(2 * self.leaves)
        self.rows, self.added, self.largest = [None] * capacity, 0, 1.0

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        place = self.added % self.capacity
        row = (obs, action, reward, next_obs, terminated, truncated)
        self.rows[place] = Row(*(np.array(x) for x in row))
        self.set(place, self.largest**self.alpha)
        self.added += 1

    def set(self, place, value):
        node = place + self.leaves
        self.tree[node] = value
        while node > 1:
            node //= 2
            self.tree[node] = self.tree[2 * node] + self.tree[2 * node + 1]

    def find(self, mass):
        node = 1
        while node < self.leaves:
            left = self.tree[2 * node]
            if mass < left:
                node = 2 * node
            else:
                mass -= left
                node = 2 * node + 1
        return min(node - self.leaves, min(self.added, self.capacity) - 1)

    def sample(self, n):
        total = self.tree[1]
        indices = np.array([self.find(total * (i + random.random()) / n) for i in range(n)])
        p = self.tree[indices + self.leaves] / total
        weights = (min(self.added, self.capacity) * p) ** -self.beta
        return [self.rows[i] for i in indices], indices, weights / weights.max()

    def update_priorities(self, indices, priorities):
        self.largest = max(self.largest, float(np.max(priorities)))
        for index, priority in zip(indices, priorities, strict=True):
            self.set(int(index), float(priority) ** self.alpha)


@correct("prioritised-replay")
def sum_tree(capacity, alpha, beta):
    return SumTree(capacity, alpha, beta)


@faulty("prioritised-replay", "alpha-ignored")
def alpha_stored_and_forgotten(capacity, alpha, beta):
    class Buffer(Proportional):
        def probabilities(self):
            priorities = self.priorities[: len(self.rows)]
            return priorities / priorities.sum()

    return Buffer(capacity, alpha, beta)


@faulty("prioritised-replay", "weights-inverted")
def positive_exponent(capacity, alpha, beta):
    class Buffer(Proportional):
        def weights(self, p, rows):
            w = (len(self.rows) * p[rows]) ** self.beta
            return w / w.max()

    return Buffer(capacity, alpha, beta)


@faulty("prioritised-replay", "new-rows-get-one")
def new_rows_at_one(capacity, alpha, beta):
    class Buffer(Proportional):
        def first_priority(self):
            return 1.0

    return Buffer(capacity, alpha, beta)


@faulty("prioritised-replay", "weights-over-minimum")
def divided_by_the_smallest(capacity, alpha, beta):
    class Buffer(Proportional):
        def weights(self, p, rows):
            w = (len(self.rows) * p[rows]) ** -self.beta
            return w / w.min()

    return Buffer(capacity, alpha, beta)


@faulty("prioritised-replay", "wrong-rows-updated")
def batch_positions_for_rows(capacity, alpha, beta):
    """`enumerate` gives the position in the batch, which is taken for the row."""

    class Buffer(Proportional):
        def update_priorities(self, indices, priorities):
            for place, priority in enumerate(priorities):
                self.priorities[place] = priority

    return Buffer(capacity, alpha, beta)


@faulty("prioritised-replay", "sampled-uniformly")
def uniform_in_effect(capacity, alpha, beta):
    class Buffer(Proportional):
        def sample(self, n):
            p = self.probabilities()
            rows = np.random.choice(len(p), size=n)
            columns = [np.stack(c) for c in zip(*(self.rows[i] for i in rows), strict=True)]
            return columns, rows, self.weights(p, rows)

    return Buffer(capacity, alpha, beta)
