"""DQN without a framework: one hidden layer, gradients by hand, Adam by hand."""

import itertools

import numpy as np


class MLP:
    def __init__(self, sizes, rng):
        self.p = {}
        for i, (a, b) in enumerate(itertools.pairwise(sizes)):
            self.p[f"W{i}"] = rng.normal(0, np.sqrt(2.0 / a), size=(a, b))
            self.p[f"b{i}"] = np.zeros(b)
        self.layers = len(sizes) - 1

    def forward(self, x):
        cache = [x]
        for i in range(self.layers):
            x = x @ self.p[f"W{i}"] + self.p[f"b{i}"]
            if i < self.layers - 1:
                x = np.maximum(x, 0.0)
            cache.append(x)
        return x, cache

    def backward(self, cache, grad):
        grads = {}
        for i in reversed(range(self.layers)):
            grads[f"W{i}"] = cache[i].T @ grad
            grads[f"b{i}"] = grad.sum(axis=0)
            if i:
                grad = (grad @ self.p[f"W{i}"].T) * (cache[i] > 0)
        return grads

    def copy_from(self, other):
        self.p = {k: v.copy() for k, v in other.p.items()}


class Adam:
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8):
        self.lr, self.betas, self.eps, self.t = lr, betas, eps, 0
        self.m = {k: np.zeros_like(v) for k, v in params.items()}
        self.v = {k: np.zeros_like(v) for k, v in params.items()}

    def step(self, params, grads):
        self.t += 1
        b1, b2 = self.betas
        for k, g in grads.items():
            self.m[k] = b1 * self.m[k] + (1 - b1) * g
            self.v[k] = b2 * self.v[k] + (1 - b2) * g * g
            m = self.m[k] / (1 - b1**self.t)
            v = self.v[k] / (1 - b2**self.t)
            params[k] = params[k] - self.lr * m / (np.sqrt(v) + self.eps)


class NumpyDQN:
    def __init__(
        self, env, *, seed=0, gamma=0.99, hidden=64, lr=2e-3, capacity=20_000, batch=64,
        warmup=200, sync=150, eps_decay=0.9985, eps_min=0.05,
    ):  # fmt: skip
        self.env, self.gamma, self.batch, self.warmup, self.sync = env, gamma, batch, warmup, sync
        self.rng = np.random.default_rng(seed)
        self.seed = seed
        d, self.n = env.observation_space.shape[0], int(env.action_space.n)
        self.net, self.target = (
            MLP([d, hidden, self.n], self.rng),
            MLP([d, hidden, self.n], self.rng),
        )
        self.target.copy_from(self.net)
        self.opt = Adam(self.net.p, lr)
        self.eps, self.eps_decay, self.eps_min = 1.0, eps_decay, eps_min
        self.mem_s = np.zeros((capacity, d), dtype=np.float32)
        self.mem_s2 = np.zeros((capacity, d), dtype=np.float32)
        self.mem_a = np.zeros(capacity, dtype=np.int64)
        self.mem_r = np.zeros(capacity)
        self.mem_done = np.zeros(capacity)
        self.capacity, self.ptr, self.size, self.steps = capacity, 0, 0, 0

    def remember(self, s, a, r, s2, done):
        i = self.ptr
        self.mem_s[i], self.mem_a[i], self.mem_r[i] = s, a, r
        self.mem_s2[i], self.mem_done[i] = s2, done
        self.ptr = (self.ptr + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def train_step(self):
        idx = self.rng.integers(0, self.size, size=self.batch)
        q_next, _ = self.target.forward(self.mem_s2[idx])
        y = self.mem_r[idx] + self.gamma * (1.0 - self.mem_done[idx]) * q_next.max(axis=1)
        q, cache = self.net.forward(self.mem_s[idx])
        rows = np.arange(self.batch)
        error = q[rows, self.mem_a[idx]] - y
        grad = np.zeros_like(q)
        grad[rows, self.mem_a[idx]] = np.clip(error, -1, 1) / self.batch
        self.opt.step(self.net.p, self.net.backward(cache, grad))

    def learn(self, total_timesteps):
        s, _ = self.env.reset(seed=self.seed)
        self.seed = None
        for _ in range(total_timesteps):
            a = int(self.rng.integers(self.n)) if self.rng.random() < self.eps else self.predict(s)
            s2, r, terminated, truncated, _ = self.env.step(a)
            self.remember(s, a, r, s2, float(terminated))
            s = s2
            if terminated or truncated:
                s, _ = self.env.reset()
            self.steps += 1
            if self.size >= self.warmup:
                self.train_step()
                self.eps = max(self.eps_min, self.eps * self.eps_decay)
            if self.steps % self.sync == 0:
                self.target.copy_from(self.net)
        return self

    def save(self, path):
        nets = {"net": self.net, "target": self.target}
        with open(path, "wb") as file:
            np.savez(file, **{f"{n}.{k}": v for n, net in nets.items() for k, v in net.p.items()})

    def load(self, path):
        with np.load(path) as stored:
            for name in stored.files:
                net, key = name.split(".")
                (self.net if net == "net" else self.target).p[key] = stored[name]
        return self

    def q_values(self, obs):
        return self.net.forward(np.asarray(obs, dtype=np.float64))[0]

    def predict(self, obs, deterministic=True):
        a = self.q_values(obs).argmax(axis=-1)
        return int(a) if np.ndim(a) == 0 else a
