"""Replay buffers."""

from __future__ import annotations

import random
from collections import deque, namedtuple

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

Row = namedtuple("Row", "obs action reward next_obs terminated truncated")


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
