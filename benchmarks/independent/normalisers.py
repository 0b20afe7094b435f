"""Running normalisers."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty


class Welford:
    """Count, mean and sum of squared distances, row by row."""

    def __init__(self):
        self.count, self.mean, self.squares = 0, 0.0, 0.0

    def update(self, batch):
        for row in np.asarray(batch, dtype=float):
            self.count += 1
            distance = row - self.mean
            self.mean = self.mean + distance / self.count
            self.squares = self.squares + distance * (row - self.mean)

    @property
    def var(self):
        return self.squares / max(self.count, 1)

    def normalise(self, x):
        return (x - self.mean) / np.sqrt(self.var + 1e-8)


@correct("running-normaliser")
def welford():
    return Welford()


class Merged:
    """Moments of batches, merged in parallel; `shape` as vector environments give it."""

    def __init__(self, shape):
        self.mean, self.var, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, batch):
        self.merge(batch.mean(axis=0), batch.var(axis=0), batch.shape[0])

    def merge(self, mean, var, n):
        total = self.count + n
        gap = mean - self.mean
        squares = self.var * self.count + var * n + gap**2 * self.count * n / total
        self.mean, self.var, self.count = self.mean + gap * n / total, squares / total, total

    def normalise(self, x):
        return np.clip((x - self.mean) / np.sqrt(self.var + 1e-8), -10, 10)


@correct("running-normaliser")
def merged_moments(shape):
    return Merged(shape)


class Sums:
    """Plain sums of numbers and squares in double precision."""

    def __init__(self):
        self.n, self.total, self.squares = 0, 0.0, 0.0

    def update(self, batch):
        batch = torch.as_tensor(np.asarray(batch), dtype=torch.float64)
        self.n += len(batch)
        self.total = self.total + batch.sum(0)
        self.squares = self.squares + (batch**2).sum(0)

    def normalise(self, x):
        mean = self.total / self.n
        std = (self.squares / self.n - mean**2).clamp(min=0).sqrt()
        return (torch.as_tensor(np.asarray(x)) - mean) / (std + 1e-8)


@correct("running-normaliser")
def sums_of_squares():
    return Sums()


@faulty("running-normaliser", "variance-between-batches-missing")
def weighted_variances(shape):
    class Normaliser(Merged):
        def merge(self, mean, var, n):
            total = self.count + n
            self.var = (self.var * self.count + var * n) / total
            self.mean = (self.mean * self.count + mean * n) / total
            self.count = total

    return Normaliser(shape)


@faulty("running-normaliser", "batches-count-alike")
def every_batch_counts_one(shape):
    class Normaliser(Merged):
        def update(self, batch):
            self.merge(batch.mean(axis=0), batch.var(axis=0), 1)

    return Normaliser(shape)


@faulty("running-normaliser", "learns-from-what-it-normalises")
def never_frozen():
    class Normaliser(Welford):
        def normalise(self, x):
            self.update(x)
            return super().normalise(x)

    return Normaliser()


@faulty("running-normaliser", "one-statistic-for-all-features")
def moments_of_the_whole_batch():
    class Normaliser(Welford):
        def update(self, batch):
            super().update(np.asarray(batch).reshape(-1, 1))

    return Normaliser()


@faulty("running-normaliser", "variance-for-deviation")
def root_forgotten():
    class Normaliser(Welford):
        def normalise(self, x):
            return (x - self.mean) / (self.var + 1e-8)

    return Normaliser()


@faulty("running-normaliser", "input-overwritten")
def in_place_arithmetic():
    class Normaliser(Welford):
        def normalise(self, x):
            x -= self.mean
            x /= np.sqrt(self.var + 1e-8)
            return x

    return Normaliser()
