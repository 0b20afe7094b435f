"""Prioritised replay buffers."""

from __future__ import annotations

import random
from collections import namedtuple

import numpy as np

from benchmarks.independent.records import correct, faulty

Row = namedtuple("Row", "obs action reward next_obs terminated truncated")


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
