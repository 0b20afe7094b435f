"""DQN with n-step returns and NamedTuple batches."""

from collections import deque
from typing import NamedTuple

import numpy as np
import torch
from torch import nn, optim


class Batch(NamedTuple):
    state: torch.Tensor
    action: torch.Tensor
    ret: torch.Tensor
    last_state: torch.Tensor
    discount: torch.Tensor  # gamma ** steps, or 0 behind a true end


class NStepCollector:
    """Turns single steps into (s_t, a_t, R_t, s_{t+n}, discount)."""

    def __init__(self, n, gamma):
        self.n, self.gamma = n, gamma
        self.window = deque()

    def _oldest(self, last_state, terminated):
        ret = 0.0
        for i, (_, _, reward) in enumerate(self.window):
            ret += self.gamma**i * reward
        state, action, _ = self.window[0]
        discount = 0.0 if terminated else self.gamma ** len(self.window)
        self.window.popleft()
        return state, action, ret, last_state, discount

    def add(self, state, action, reward, next_state, terminated, truncated):
        self.window.append((state, action, reward))
        if terminated or truncated:
            while self.window:
                yield self._oldest(next_state, terminated)
        elif len(self.window) == self.n:
            yield self._oldest(next_state, False)


class NStepDQN:
    """`n_step` = 1 is plain DQN."""

    def __init__(
        self, env, *, seed, gamma, n_step=3, learning_rate=1e-3, batch_size=64, buffer_size=50_000,
        hidden_sizes=(128,), grad_steps=1, target_period=100, epsilon_fn=None,
    ):  # fmt: skip
        self._env = env
        self._rng = np.random.default_rng(seed)
        self._seed = seed
        torch.manual_seed(seed)
        self._n_actions = int(env.action_space.n)

        def build():
            layers, width = [], env.observation_space.shape[0]
            for h in hidden_sizes:
                layers += [nn.Linear(width, h), nn.Tanh()]
                width = h
            return nn.Sequential(*layers, nn.Linear(width, self._n_actions))

        self._online = build()
        self._target = build()
        self._target.load_state_dict(self._online.state_dict())
        self._optimizer = optim.AdamW(self._online.parameters(), lr=learning_rate, weight_decay=0.0)
        self._collector = NStepCollector(n_step, gamma)
        self._buffer = deque(maxlen=buffer_size)
        self._batch_size, self._grad_steps = batch_size, grad_steps
        self._target_period = target_period
        self._epsilon_fn = epsilon_fn or (lambda t: max(0.05, 1 - t / 2000))
        self._t = 0
        self._updates = 0

    def _sample(self):
        rows = [
            self._buffer[i] for i in self._rng.integers(len(self._buffer), size=self._batch_size)
        ]
        s, a, g, z, d = zip(*rows, strict=True)
        return Batch(
            torch.tensor(np.stack(s), dtype=torch.float32),
            torch.tensor(a, dtype=torch.int64),
            torch.tensor(g, dtype=torch.float32),
            torch.tensor(np.stack(z), dtype=torch.float32),
            torch.tensor(d, dtype=torch.float32),
        )

    def _update(self):
        b = self._sample()
        with torch.no_grad():
            y = b.ret + b.discount * self._target(b.last_state).amax(dim=-1)
        q = self._online(b.state).gather(-1, b.action.unsqueeze(-1)).squeeze(-1)
        loss = (q - y).square().mean()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        self._updates += 1
        if self._updates % self._target_period == 0:
            self._target.load_state_dict(self._online.state_dict())

    def learn(self, total_timesteps):
        state, _ = self._env.reset(seed=self._seed)
        self._seed = None
        self._collector.window.clear()
        for _ in range(total_timesteps):
            if self._rng.random() < self._epsilon_fn(self._t):
                action = int(self._rng.integers(self._n_actions))
            else:
                action = self.predict(state)
            next_state, reward, terminated, truncated, _ = self._env.step(action)
            row = (state, action, float(reward), next_state, terminated, truncated)
            self._buffer.extend(self._collector.add(*row))
            state = next_state
            if terminated or truncated:
                state, _ = self._env.reset()
            self._t += 1
            if len(self._buffer) > self._batch_size:
                for _ in range(self._grad_steps):
                    self._update()
        return self

    @torch.no_grad()
    def q_values(self, observation):
        return self._online(torch.as_tensor(np.asarray(observation), dtype=torch.float32)).numpy()

    def predict(self, observation, deterministic=True):
        q = self.q_values(observation)
        return q.argmax(-1) if q.ndim > 1 else int(q.argmax())


def make_agent(env, *, seed, gamma, n_step=3):
    return NStepDQN(env, seed=seed, gamma=gamma, n_step=n_step)


def make_instant(env, *, seed, gamma):
    """No lag at all between target and online network: copied after every update."""
    return NStepDQN(env, seed=seed, gamma=gamma, n_step=1, target_period=1)


def make_steady(env, *, seed, gamma):
    """Explores with the same probability from the first step to the last; a huge batch."""
    return NStepDQN(
        env,
        seed=seed,
        gamma=gamma,
        n_step=5,
        batch_size=512,
        epsilon_fn=lambda t: 0.1,
        learning_rate=3e-3,
    )
