"""Actor-critic with eligibility traces (Sutton and Barto, 13.5), linear in the observation."""

import numpy as np


def softmax(z):
    z = np.exp(z - z.max(axis=-1, keepdims=True))
    return z / z.sum(axis=-1, keepdims=True)


class TraceActorCritic:
    """Continuing discount: no factor I, as is usual. Takes vectors and, for n states, their numbers."""

    def __init__(self, env, *, seed, gamma, lam=0.8, actor_step=0.3, critic_step=0.2):
        self.env, self.gamma, self.lam = env, gamma, lam
        self.actor_step, self.critic_step = actor_step, critic_step
        self.rng = np.random.default_rng([seed, 7])
        self.seed = seed
        space = env.observation_space
        self.discrete = hasattr(space, "n")
        self.size = int(space.n) if self.discrete else int(np.prod(space.shape))
        self.w = np.zeros(self.size)
        self.theta = np.zeros((self.size, int(env.action_space.n)))

    def features(self, obs):
        if self.discrete:
            return np.eye(self.size)[np.asarray(obs, dtype=int)]
        return np.asarray(obs, dtype=float)

    def action_probabilities(self, obs):
        return softmax(self.features(obs) @ self.theta)

    def values(self, obs):
        return self.features(obs) @ self.w

    def learn(self, total_timesteps):
        steps = 0
        while steps < total_timesteps:
            obs, _ = self.env.reset(seed=self.seed)
            self.seed = None
            z_w, z_theta = np.zeros_like(self.w), np.zeros_like(self.theta)
            ended = False
            while not ended and steps < total_timesteps:
                x = self.features(obs)
                p = softmax(x @ self.theta)
                a = int(self.rng.choice(len(p), p=p))
                obs, reward, terminated, truncated, _ = self.env.step(a)
                v_next = 0.0 if terminated else self.features(obs) @ self.w
                delta = reward + self.gamma * v_next - x @ self.w
                grad = np.outer(x, -p)
                grad[:, a] += x
                z_w = self.gamma * self.lam * z_w + x
                z_theta = self.gamma * self.lam * z_theta + grad
                self.w += self.critic_step * delta * z_w
                self.theta += self.actor_step * delta * z_theta
                ended = terminated or truncated
                steps += 1
        return self

    def predict(self, obs, deterministic=True):
        p = self.action_probabilities(obs)
        if deterministic:
            return p.argmax(axis=-1)
        if p.ndim == 1:
            return int(self.rng.choice(len(p), p=p))
        return np.array([self.rng.choice(len(row), p=row) for row in p])


def make_agent(env, *, seed, gamma):
    return TraceActorCritic(env, seed=seed, gamma=gamma)
