"""Around networks: dueling heads, target networks, normalisers, shaped rewards."""

from __future__ import annotations

import copy

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- dueling --------------------------------------------------------------------------------------


@correct("dueling-q")
def centred(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.mean(dim=1, keepdim=True)


@correct("dueling-q", dialect={"centre": "max"})
def best_action_is_the_value(value, advantage):
    return value + (advantage - jnp.max(advantage, axis=-1, keepdims=True))


@correct("dueling-q")
def loop_over_states(values, advantages):
    out = np.zeros_like(advantages)
    for i, row in enumerate(advantages):
        for a in range(len(row)):
            out[i, a] = np.ravel(values[i])[0] + row[a] - sum(row) / len(row)
    return out


@faulty("dueling-q", "centred-over-everything")
def mean_without_axis(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.mean()


@faulty("dueling-q", "centred-over-the-batch")
def mean_over_axis_zero(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.mean(0, keepdim=True)


@faulty("dueling-q", "not-centred")
def plain_sum(state_values, action_advantages):
    return state_values + action_advantages


@faulty("dueling-q", "sum-for-mean")
def sum_taken_off(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.sum(axis=1, keepdims=True)


@faulty("dueling-q", "value-centred-too")
def mean_of_the_combination(state_values, action_advantages):
    """Value and advantages are added first, then all of it is centred over the batch's values."""
    q = state_values - state_values.mean() + action_advantages
    return q - action_advantages.mean(1, keepdim=True)


# --- target networks ------------------------------------------------------------------------------


@correct("polyak-update")
def state_dicts(target, online, tau):
    own, other = target.state_dict(), online.state_dict()
    for name, item in own.items():
        if item.dtype.is_floating_point:
            item.mul_(1 - tau).add_(other[name], alpha=tau)
        else:
            item.copy_(other[name])


@correct("polyak-update")
def parameters_and_buffers(target, online, tau):
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            p.lerp_(q, tau)
        for b, c in zip(target.buffers(), online.buffers(), strict=True):
            b.copy_(c)


@correct("polyak-update", dialect={"tau_weighs": "target"})
def decay_convention(target, online, tau):
    for name in target:
        target[name][...] = tau * target[name] + (1 - tau) * online[name]


@faulty("polyak-update", "networks-swapped")
def online_follows(target, online, tau):
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            q.copy_(tau * p + (1 - tau) * q)


@faulty("polyak-update", "storage-shared")
def data_assigned(target, online, tau):
    for p, q in zip(target.parameters(), online.parameters(), strict=True):
        p.data = q.data
    for b, c in zip(target.buffers(), online.buffers(), strict=True):
        b.copy_(c)


@faulty("polyak-update", "never-updated")
def local_copy_updated(target, online, tau):
    """The average is loaded into a copy, and the copy is thrown away."""
    target = copy.deepcopy(target)
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            p.mul_(1 - tau).add_(tau * q)


@faulty("polyak-update", "target-not-decayed")
def only_added(target, online, tau):
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            p.add_(tau * q)
        for b, c in zip(target.buffers(), online.buffers(), strict=True):
            b.copy_(c)


@faulty("polyak-update", "parameters-left-out")
def weights_only(target, online, tau):
    other = dict(online.named_parameters())
    with torch.no_grad():
        for name, p in target.named_parameters():
            if "weight" in name:
                p.copy_(tau * other[name] + (1 - tau) * p)
        for b, c in zip(target.buffers(), online.buffers(), strict=True):
            b.copy_(c)


# --- normalisers ----------------------------------------------------------------------------------


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


# --- shaping --------------------------------------------------------------------------------------


@correct("potential-shaping")
def difference_of_potentials(potential, next_potential, terminated, gamma):
    return gamma * np.where(terminated, 0.0, next_potential) - potential


@correct("potential-shaping")
def shaped_reward(rewards, phi, next_phi, dones, gamma):
    return rewards + gamma * (1.0 - dones.to(phi.dtype)) * next_phi - phi


@correct("potential-shaping")
def jax_not_done_mask(potential, next_potential, not_done, discount):
    return discount * not_done * next_potential - potential


@faulty("potential-shaping", "terminal-potential-counted")
def terminal_keeps_its_potential(potential, next_potential, terminated, gamma):
    return gamma * next_potential - potential


@faulty("potential-shaping", "gamma-missing")
def undiscounted_difference(potential, next_potential, terminated, gamma):
    return next_potential * (1 - terminated) - potential


@faulty("potential-shaping", "whole-term-masked")
def nothing_at_the_end(potential, next_potential, terminated, gamma):
    return (1 - terminated.to(potential.dtype)) * (gamma * next_potential - potential)


@faulty("potential-shaping", "potentials-swapped", "sign-flipped")
def backwards(potential, next_potential, terminated, gamma):
    following = np.where(terminated, 0.0, next_potential)
    return gamma * potential - following


@faulty("potential-shaping", "only-progress-paid")
def progress_bonus(potential, next_potential, terminated, gamma):
    return jnp.maximum(gamma * jnp.where(terminated, 0.0, next_potential) - potential, 0.0)


@faulty("potential-shaping", "gamma-hard-coded")
def discount_of_a_constant(potential, next_potential, terminated, gamma=0.99):
    return 0.99 * jax.numpy.where(terminated, 0.0, next_potential) - potential
