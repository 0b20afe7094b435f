"""PPO without a framework: linear softmax policy and critic, gradients and Adam by hand."""

import numpy as np


class Adam:
    def __init__(self, shape, lr):
        self.m, self.v, self.t, self.lr = np.zeros(shape), np.zeros(shape), 0, lr

    def step(self, weights, gradient):
        self.t += 1
        self.m += 0.1 * (gradient - self.m)
        self.v += 0.001 * (gradient**2 - self.v)
        m, v = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        weights -= self.lr * m / (np.sqrt(v) + 1e-8)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


class LinearPPO:
    def __init__(self, make_env, seed, gamma, lam, lr, ent_coef, clip, n_envs=4, horizon=128):
        self.envs = [make_env() for _ in range(n_envs)]
        self.rng = np.random.default_rng(seed)
        self.seed, self.gamma, self.lam = seed, gamma, lam
        self.ent_coef, self.clip, self.horizon = ent_coef, clip, horizon
        n_in = self.envs[0].observation_space.shape[0]
        self.n_actions = int(self.envs[0].action_space.n)
        self.W = np.zeros((n_in, self.n_actions))
        self.w = np.zeros(n_in)
        self.policy_adam, self.value_adam = Adam(self.W.shape, lr), Adam(self.w.shape, 2 * lr)
        self.epochs = 8

    def action_probabilities(self, obs):
        return softmax(np.asarray(obs, float) @ self.W)

    def values(self, obs):
        return np.asarray(obs, float) @ self.w

    def predict(self, obs, deterministic=True):
        p = self.action_probabilities(obs)
        if deterministic:
            return p.argmax(axis=-1)
        return (p.cumsum(axis=-1) > self.rng.random((*p.shape[:-1], 1))).argmax(axis=-1)

    def rollout(self):
        T, N = self.horizon, len(self.envs)
        data = {
            "obs": np.zeros((T, N, len(self.w))), "act": np.zeros((T, N), int),
            "rew": np.zeros((T, N)), "next_val": np.zeros((T, N)), "end": np.zeros((T, N), bool),
        }  # fmt: skip
        for t in range(T):
            data["obs"][t] = self.current
            data["act"][t] = self.predict(self.current, deterministic=False)
            for i, env in enumerate(self.envs):
                obs, reward, terminated, truncated, _ = env.step(int(data["act"][t, i]))
                data["rew"][t, i] = reward
                data["next_val"][t, i] = 0.0 if terminated else self.values(obs)
                data["end"][t, i] = terminated or truncated
                self.current[i] = env.reset()[0] if terminated or truncated else obs
        return data

    def advantages(self, data, values):
        delta = data["rew"] + self.gamma * data["next_val"] - values
        out, running = np.zeros_like(delta), np.zeros(len(self.envs))
        for t in reversed(range(self.horizon)):
            running = delta[t] + self.gamma * self.lam * running * ~data["end"][t]
            out[t] = running
        return out

    def update(self, data):
        values = self.values(data["obs"])
        adv = self.advantages(data, values)
        target = (adv + values).reshape(-1)
        adv = adv.reshape(-1)
        adv = (adv - adv.mean()) / (adv.std() + 1e-8)
        obs = data["obs"].reshape(-1, len(self.w))
        act = data["act"].reshape(-1)
        rows = np.arange(len(act))
        old = self.action_probabilities(obs)[rows, act]
        for _ in range(self.epochs):
            for batch in np.array_split(self.rng.permutation(rows), 4):
                x, a, n = obs[batch], act[batch], len(batch)
                p = softmax(x @ self.W)
                ratio = p[np.arange(n), a] / old[batch]
                good = adv[batch] >= 0
                kept = np.where(good, ratio < 1 + self.clip, ratio > 1 - self.clip)
                weight = ratio * adv[batch] * kept
                score = np.eye(self.n_actions)[a] - p
                log_p = np.log(p + 1e-12)
                entropy = -(p * log_p).sum(1, keepdims=True)
                d_logits = -weight[:, None] * score + self.ent_coef * p * (log_p + entropy)
                self.policy_adam.step(self.W, x.T @ d_logits / n)
                error = x @ self.w - target[batch]
                self.value_adam.step(self.w, x.T @ error / n)

    def learn(self, total_timesteps):
        self.current = np.array(
            [env.reset(seed=self.seed + 1000 * i)[0] for i, env in enumerate(self.envs)], float
        )
        for _ in range(max(1, total_timesteps // (self.horizon * len(self.envs)))):
            self.update(self.rollout())
        return self


def make_agent(make_env, *, seed, gamma=0.99, lam=0.95, lr=0.03, ent_coef=0.01, clip=0.2):
    return LinearPPO(make_env, seed, gamma, lam, lr, ent_coef, clip)


def make_short_trace(make_env, *, seed, gamma=0.99):
    """Lambda 0.5, no entropy bonus, one environment, a lower rate."""
    return LinearPPO(make_env, seed, gamma, 0.5, 0.015, 0.0, 0.3, n_envs=1, horizon=256)
