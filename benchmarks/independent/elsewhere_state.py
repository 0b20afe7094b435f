"""Target networks, normalisers and buffers as other code bases write them."""

from __future__ import annotations

import random
from collections import deque, namedtuple

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- polyak-update --------------------------------------------------------------------------------


@correct("polyak-update")
def lerp_of_parameters_and_buffers(target, online, tau):
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters(), strict=True):
            t.lerp_(o, tau)
        for t, o in zip(target.buffers(), online.buffers(), strict=True):
            t.copy_(o)


@correct("polyak-update")
def through_state_dicts(online_net, target_net, tau=0.005):
    online, target = online_net.state_dict(), target_net.state_dict()
    for key in online:
        target[key] = online[key] * tau + target[key] * (1 - tau)
    target_net.load_state_dict(target)


@correct("polyak-update")
def decay_of_the_average(ema_model, model, decay):
    """Weight averaging: `decay` stays."""
    with torch.no_grad():
        for e, p in zip(ema_model.parameters(), model.parameters(), strict=True):
            e.mul_(decay).add_(p, alpha=1 - decay)
        for e, p in zip(ema_model.buffers(), model.buffers(), strict=True):
            e.copy_(p)


@faulty("polyak-update", "networks-swapped")
def written_to_the_online_network(target, online, tau):
    for t, o in zip(target.parameters(), online.parameters(), strict=True):
        o.data.copy_(tau * o.data + (1 - tau) * t.data)


@faulty("polyak-update", "target-not-decayed")
def added_without_decay(target, online, tau):
    for t, o in zip(target.parameters(), online.parameters(), strict=True):
        t.data.add_(tau * o.data)


@faulty("polyak-update", "never-updated")
def loads_its_own_state(target, online, tau):
    mixed = {k: (1 - tau) * v + tau * v for k, v in target.state_dict().items()}
    target.load_state_dict(mixed)


# --- running-normaliser ---------------------------------------------------------------------------


@correct("running-normaliser")
class WelfordRowByRow:
    def __init__(self, shape):
        self.n = 0
        self.mean = np.zeros(shape)
        self.m2 = np.zeros(shape)

    def update(self, x):
        for row in np.atleast_2d(x):
            self.n += 1
            delta = row - self.mean
            self.mean = self.mean + delta / self.n
            self.m2 = self.m2 + delta * (row - self.mean)

    def normalize(self, x):
        var = self.m2 / max(self.n - 1, 1)
        return np.clip((x - self.mean) / np.sqrt(var + 1e-8), -10, 10)


@correct("running-normaliser")
class SumsInTorch:
    def __init__(self, shape=(), clip=5.0, eps=1e-2):
        self.count = torch.tensor(0.0, dtype=torch.float64)
        self.total = torch.zeros(shape, dtype=torch.float64)
        self.total_sq = torch.zeros(shape, dtype=torch.float64)
        self.clip, self.eps = clip, eps

    def update(self, batch):
        batch = torch.as_tensor(batch, dtype=torch.float64)
        self.count += batch.shape[0]
        self.total += batch.sum(0)
        self.total_sq += batch.square().sum(0)

    @property
    def mean(self):
        return self.total / self.count

    @property
    def var(self):
        return (self.total_sq / self.count - self.mean.square()).clamp(min=self.eps**2)

    def normalise(self, x):
        z = (torch.as_tensor(x) - self.mean) / self.var.sqrt()
        return z.clamp(-self.clip, self.clip)


@faulty("running-normaliser", "batches-count-alike")
class MeanOfBatchMeans:
    def __init__(self, shape):
        self.k, self.mean, self.var = 0, np.zeros(shape), np.ones(shape)

    def update(self, batch):
        self.k += 1
        self.mean = self.mean + (batch.mean(0) - self.mean) / self.k
        self.var = self.var + (batch.var(0) - self.var) / self.k

    def normalise(self, x):
        return (x - self.mean) / np.sqrt(self.var + 1e-8)


@faulty("running-normaliser", "learns-from-what-it-normalises")
class UpdatesWhenNormalising:
    def __init__(self, shape):
        self.n, self.mean, self.m2 = 0, np.zeros(shape), np.zeros(shape)

    def update(self, batch):
        n = len(batch)
        delta = batch.mean(0) - self.mean
        total = self.n + n
        self.m2 = self.m2 + batch.var(0) * n + delta**2 * self.n * n / total
        self.mean = self.mean + delta * n / total
        self.n = total

    def normalise(self, x):
        self.update(np.atleast_2d(x))
        return (x - self.mean) / np.sqrt(self.m2 / self.n + 1e-8)


# --- replay-buffer --------------------------------------------------------------------------------


@correct("replay-buffer")
class RingOfArrays:
    def __init__(self, buffer_size, seed=0):
        self.size, self.pos, self.full = buffer_size, 0, False
        self.data = None
        self.rng = np.random.default_rng(seed)

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        row = dict(
            obs=obs,
            actions=action,
            rewards=reward,
            next_obs=next_obs,
            terminated=terminated,
            truncated=truncated,
        )
        if self.data is None:
            self.data = {
                k: np.zeros((self.size, *np.shape(v)), np.asarray(v).dtype) for k, v in row.items()
            }
        for key, value in row.items():
            self.data[key][self.pos] = value
        self.pos = (self.pos + 1) % self.size
        self.full = self.full or self.pos == 0

    def __len__(self):
        return self.size if self.full else self.pos

    def sample(self, batch_size):
        index = self.rng.integers(0, len(self), size=batch_size)
        return {key: column[index] for key, column in self.data.items()}


Step = namedtuple("Step", "state action reward next_state terminated truncated")


@correct("replay-buffer")
class DequeOfTuples:
    """Batches without replacement, columns in the order of `add`."""

    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def push(self, state, action, reward, next_state, terminated, truncated):
        step = (np.array(state), action, reward, np.array(next_state), terminated, truncated)
        self.memory.append(Step(*step))

    def sample(self, batch_size):
        rows = random.sample(self.memory, min(batch_size, len(self.memory)))
        return Step(*(np.stack(column) for column in zip(*rows, strict=True)))

    def __len__(self):
        return len(self.memory)


@faulty("replay-buffer", "size-is-write-position")
class SamplesBelowThePointer:
    def __init__(self, capacity):
        self.capacity, self.pos, self.rows = capacity, 0, [None] * capacity

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        self.rows[self.pos] = (
            np.array(obs),
            action,
            reward,
            np.array(next_obs),
            terminated,
            truncated,
        )
        self.pos = (self.pos + 1) % self.capacity

    def sample(self, n):
        index = np.random.randint(0, max(self.pos, 1), size=n)
        return tuple(np.array(c) for c in zip(*(self.rows[i] for i in index), strict=True))


@faulty("replay-buffer", "truncation-as-terminal")
class OneDoneForBoth:
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        done = terminated or truncated
        self.memory.append((np.array(obs), action, reward, np.array(next_obs), done, truncated))

    def sample(self, n):
        rows = random.choices(self.memory, k=n)
        return [np.array(column) for column in zip(*rows, strict=True)]


@faulty("replay-buffer", "next-observation-from-following-row", "columns-misaligned")
class OneArrayOfObservations:
    def __init__(self, capacity):
        self.capacity, self.pos, self.n = capacity, 0, 0
        self.obs, self.rest = [None] * capacity, [None] * capacity

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        self.obs[self.pos] = np.array(obs)
        self.rest[self.pos] = (action, reward, terminated, truncated)
        self.obs[(self.pos + 1) % self.capacity] = np.array(next_obs)
        self.pos = (self.pos + 1) % self.capacity
        self.n = min(self.n + 1, self.capacity)

    def sample(self, size):
        index = np.random.randint(0, self.n, size=size)
        rest = [np.array(c) for c in zip(*(self.rest[i] for i in index), strict=True)]
        obs = np.stack([self.obs[i] for i in index])
        following = np.stack([self.obs[(i + 1) % self.capacity] for i in index])
        return obs, rest[0], rest[1], following, rest[2], rest[3]


# --- prioritised-replay ---------------------------------------------------------------------------


class PrioritisedList:
    """Plain lists and cumulative sums; the base of the versions below."""

    def __init__(self, capacity, alpha=0.6, beta=0.4, seed=0):
        self.capacity, self.alpha, self.beta = capacity, alpha, beta
        self.rows, self.priorities, self.next = [], np.zeros(capacity), 0
        self.rng = np.random.default_rng(seed)

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        row = (np.array(obs), action, reward, np.array(next_obs), terminated, truncated)
        largest = self.priorities.max() if self.rows else 1.0
        if len(self.rows) < self.capacity:
            self.rows.append(row)
        else:
            self.rows[self.next] = row
        self.priorities[self.next] = largest
        self.next = (self.next + 1) % self.capacity

    def probabilities(self):
        scaled = self.priorities[: len(self.rows)] ** self.alpha
        return scaled / scaled.sum()

    def weights(self, p):
        w = (len(self.rows) * p) ** -self.beta
        return w / w.max()

    def sample(self, n):
        p = self.probabilities()
        index = self.rng.choice(len(self.rows), size=n, p=p)
        columns = [np.array(c) for c in zip(*(self.rows[i] for i in index), strict=True)]
        return (*columns, self.weights(p[index]), index)

    def update_priorities(self, indices, priorities):
        for i, p in zip(indices, priorities, strict=True):
            self.priorities[int(i)] = abs(float(p)) + 1e-6


@correct("prioritised-replay")
class ListWithCumulativeSums(PrioritisedList):
    """As the base."""


@faulty("prioritised-replay", "new-rows-get-one")
class StartsAtOne(PrioritisedList):
    def add(self, *row):
        super().add(*row)
        self.priorities[(self.next - 1) % self.capacity] = 1.0


@faulty("prioritised-replay", "weights-inverted")
class PositivePower(PrioritisedList):
    def weights(self, p):
        w = (len(self.rows) * p) ** self.beta
        return w / w.max()


@faulty("prioritised-replay", "alpha-ignored")
class WithoutThePower(PrioritisedList):
    def probabilities(self):
        kept = self.priorities[: len(self.rows)]
        return kept / kept.sum()
