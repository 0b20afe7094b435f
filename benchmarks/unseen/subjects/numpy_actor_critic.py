"""Actor-critic and REINFORCE in tables: preferences and values by state, no framework."""

from collections import defaultdict

import numpy as np


class TableActorCritic:
    """One step, one update: theta += a_pi * delta * (onehot - pi), v += a_v * delta."""

    def __init__(self, env, seed, gamma, actor_rate=0.25, critic_rate=0.25):
        self.env, self.seed, self.gamma = env, seed, gamma
        self.actor_rate, self.critic_rate = actor_rate, critic_rate
        self.rng = np.random.default_rng(seed)
        self.n = int(env.action_space.n)
        self.preferences = defaultdict(lambda: np.zeros(self.n))
        self.value = defaultdict(float)

    def pi(self, obs):
        z = self.preferences[self.key(obs)]
        e = np.exp(z - z.max())
        return e / e.sum()

    def key(self, obs):
        return np.asarray(obs, np.float32).tobytes()

    def predict(self, obs, deterministic=True):
        p = self.pi(obs)
        return int(p.argmax()) if deterministic else int(self.rng.choice(self.n, p=p))

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed)
        for _ in range(total_timesteps):
            action = self.predict(obs, deterministic=False)
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            s, s2 = self.key(obs), self.key(nxt)
            target = reward + (0.0 if terminated else self.gamma * self.value[s2])
            delta = target - self.value[s]
            self.value[s] += self.critic_rate * delta
            p = self.pi(obs)
            self.preferences[s] += self.actor_rate * delta * (np.eye(self.n)[action] - p)
            obs = nxt
            if terminated or truncated:
                obs, _ = self.env.reset()


class TableReinforce:
    """Monte Carlo policy gradient with a running mean of returns by state as the baseline."""

    def __init__(self, env, seed, gamma, rate):
        self.env, self.seed, self.gamma, self.rate = env, seed, gamma, rate
        self.rng = np.random.default_rng(seed)
        self.n = int(env.action_space.n)
        self.theta, self.baseline, self.count = {}, {}, {}

    def logits(self, obs):
        return self.theta.setdefault(bytes(np.asarray(obs, np.float32)), np.zeros(self.n))

    def act(self, obs):
        z = self.logits(obs)
        gumbel = -np.log(-np.log(self.rng.random(self.n)))
        return int(np.argmax(z + gumbel))

    def predict(self, obs, deterministic=True):
        return int(np.argmax(self.logits(obs)))

    def learn(self, total_timesteps):
        steps = 0
        obs, _ = self.env.reset(seed=self.seed)
        while steps < total_timesteps:
            episode, ended = [], False
            while not ended:
                action = self.act(obs)
                nxt, reward, terminated, truncated, _ = self.env.step(action)
                episode.append((obs, action, float(reward)))
                obs, ended, steps = nxt, terminated or truncated, steps + 1
            tail = 0.0 if terminated else self.baseline.get(bytes(np.asarray(obs, np.float32)), 0.0)
            self.improve(episode, tail)
            obs, _ = self.env.reset()

    def improve(self, episode, tail):
        g = tail
        for obs, action, reward in reversed(episode):
            g = reward + self.gamma * g
            s = bytes(np.asarray(obs, np.float32))
            self.count[s] = self.count.get(s, 0) + 1
            old = self.baseline.get(s, 0.0)
            self.baseline[s] = old + (g - old) / min(self.count[s], 30)
            z = self.logits(obs)
            p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            score = -p
            score[action] += 1.0
            self.theta[s] = np.clip(z + self.rate * (g - old) * score, -3.5, 3.5)


def make_actor_critic(env, *, seed, gamma=0.99):
    return TableActorCritic(env, seed, gamma)


def make_reinforce(env, *, seed, gamma=0.99, rate=0.3):
    return TableReinforce(env, seed, gamma, rate)
