"""Dyna-Q and prioritized sweeping: a table, a learned model, planning between the steps."""

import heapq
import random
from itertools import count


class Model:
    """The last outcome of every state and action."""

    def __init__(self):
        self.outcome = {}
        self.predecessors = {}

    def update(self, s, a, r, s2, bootstrap):
        self.outcome[s, a] = (r, s2, bootstrap)
        self.predecessors.setdefault(s2, set()).add((s, a))


class TablePlanner:
    def __init__(self, env, seed, gamma, planning=20, alpha=0.5, epsilon=0.15):
        self.env = env
        self.seed = seed
        self.gamma = gamma
        self.planning = planning
        self.alpha = alpha
        self.epsilon = epsilon
        self.random = random.Random(seed)
        self.actions = list(range(int(env.action_space.n)))
        self.q = {}
        self.model = Model()
        self.fresh = True

    def state(self, obs):
        return tuple(float(x) for x in obs)

    def value(self, s):
        return max(self.q.get((s, a), 0.0) for a in self.actions)

    def greedy(self, s):
        best = self.value(s)
        return [a for a in self.actions if self.q.get((s, a), 0.0) == best]

    def error(self, s, a):
        r, s2, bootstrap = self.model.outcome[s, a]
        target = r + (self.gamma * self.value(s2) if bootstrap else 0.0)
        return target - self.q.get((s, a), 0.0)

    def backup(self, s, a):
        self.q[s, a] = self.q.get((s, a), 0.0) + self.alpha * self.error(s, a)

    def plan(self):
        known = list(self.model.outcome)
        for _ in range(self.planning):
            self.backup(*self.random.choice(known))

    def observe(self, s, a, r, s2, bootstrap):
        self.model.update(s, a, r, s2, bootstrap)
        self.backup(s, a)

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed if self.fresh else None)
        self.fresh = False
        for _ in range(total_timesteps):
            s = self.state(obs)
            explore = self.random.random() < self.epsilon
            a = self.random.choice(self.actions if explore else self.greedy(s))
            obs, r, terminated, truncated, _ = self.env.step(a)
            self.observe(s, a, float(r), self.state(obs), not terminated)
            self.plan()
            if terminated or truncated:
                obs, _ = self.env.reset()

    def predict(self, obs, deterministic=True):
        if getattr(obs, "ndim", 1) > 1:
            return [self.greedy(self.state(o))[0] for o in obs]
        return self.greedy(self.state(obs))[0]


class PrioritizedSweeping(TablePlanner):
    def __init__(self, env, seed, gamma, planning=10, alpha=1.0, epsilon=0.15, threshold=1e-4):
        super().__init__(env, seed, gamma, planning, alpha, epsilon)
        self.threshold = threshold
        self.queue = []
        self.tie = count()

    def push(self, s, a):
        priority = abs(self.error(s, a))
        if priority > self.threshold:
            heapq.heappush(self.queue, (-priority, next(self.tie), s, a))

    def observe(self, s, a, r, s2, bootstrap):
        self.model.update(s, a, r, s2, bootstrap)
        self.push(s, a)

    def plan(self):
        for _ in range(self.planning):
            if not self.queue:
                return
            _, _, s, a = heapq.heappop(self.queue)
            self.backup(s, a)
            for before in self.model.predecessors.get(s, ()):
                self.push(*before)


def make_dyna(env, *, seed, gamma, planning=20):
    return TablePlanner(env, seed, gamma, planning)


def make_sweeping(env, *, seed, gamma):
    return PrioritizedSweeping(env, seed, gamma)
