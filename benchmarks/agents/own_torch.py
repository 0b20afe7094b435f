"""Single-file PPO, REINFORCE and DQN in PyTorch, as a user would write them.

References: Schulman et al. (2017), equation 7; Williams (1992); Mnih et al. (2015), algorithm 1.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def mlp(n_in: int, n_out: int, hidden: int, activation=nn.Tanh) -> nn.Sequential:
    """A perceptron with one hidden layer on flattened observations."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(n_in, hidden), activation(), nn.Linear(hidden, n_out)
    )


class TorchAgent:
    """What the three agents share: sizes, a random stream of their own, and acting."""

    def __init__(self, env, *, seed, gamma):
        self.env, self.seed, self.gamma = env, seed, gamma
        self.n_in = int(np.prod(env.observation_space.shape))
        self.n_actions = int(env.action_space.n)
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def network(self, n_out: int, hidden: int = 64, activation=nn.Tanh) -> nn.Sequential:
        """A network whose initial weights come from this agent's seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(self.rng.integers(2**31)))
            return mlp(self.n_in, n_out, hidden, activation)

    def scores(self, observations: torch.Tensor) -> torch.Tensor:
        """What the greedy action maximises: [N, ...] -> [N, A]."""
        raise NotImplementedError

    def tensor(self, array) -> torch.Tensor:
        """Float32 tensor of a NumPy array or a list of arrays."""
        return torch.as_tensor(np.asarray(array), dtype=torch.float32)

    @torch.no_grad()
    def predict(self, observation, deterministic=True):
        """Greedy actions for one observation or a batch of them (sampled ones if asked)."""
        single = np.shape(observation) == self.env.observation_space.shape
        scores = self.scores(self.tensor(observation)[None] if single else self.tensor(observation))
        actions = scores.argmax(dim=1) if deterministic else self.draw(scores)
        return (int(actions[0]) if single else actions.numpy()), None

    def draw(self, scores: torch.Tensor) -> torch.Tensor:
        """Actions drawn from softmax(scores)."""
        return torch.multinomial(scores.softmax(dim=1), 1, generator=self.generator)[:, 0]


class TorchPPO(TorchAgent):
    """PPO with one environment; one attribute or method a decision, so that each can be wrong."""

    n_steps, n_epochs, batch_size, lam, clip, learning_rate = 256, 8, 64, 0.95, 0.2, 2e-3

    def __init__(self, env, *, seed, gamma):
        super().__init__(env, seed=seed, gamma=gamma)
        self.actor, self.critic = self.network(self.n_actions), self.network(1)
        parameters = [*self.actor.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=self.learning_rate, eps=1e-5)
        self.observation, _ = env.reset(seed=seed)

    def scores(self, observations):
        """Logits."""
        return self.actor(observations)

    @torch.no_grad()
    def values(self, observations):
        """V of a batch of observations."""
        return self.critic(self.tensor(observations))[:, 0].numpy()

    @torch.no_grad()
    def collect(self) -> dict[str, np.ndarray]:
        """One rollout; `next_obs` is the observation really reached, before any reset."""
        names = ("obs", "action", "reward", "next_obs", "terminated", "truncated")
        rollout: dict[str, list] = {name: [] for name in names}
        for _ in range(self.n_steps):
            action = int(self.draw(self.actor(self.tensor(self.observation)[None]))[0])
            next_obs, reward, terminated, truncated, _ = self.env.step(action)
            row = (self.observation, action, reward, next_obs, terminated, truncated)
            for name, value in zip(names, row, strict=True):
                rollout[name].append(value)
            self.observation = self.env.reset()[0] if terminated or truncated else next_obs
        return {name: np.asarray(column) for name, column in rollout.items()}

    def advantages(self, rollout) -> np.ndarray:
        """A_t = sum_k (gamma lam)^k delta_{t+k} up to the end of the episode."""
        values, next_values = self.values(rollout["obs"]), self.values(rollout["next_obs"])
        deltas = rollout["reward"] + self.gamma * next_values * ~rollout["terminated"] - values
        ended = rollout["terminated"] | rollout["truncated"]
        advantages, carry = np.zeros(len(values)), 0.0
        for t in reversed(range(len(values))):
            carry = deltas[t] + self.gamma * self.lam * (not ended[t]) * carry
            advantages[t] = carry
        return advantages

    def surrogate(self, log_probs, old_log_probs, advantages) -> torch.Tensor:
        """Clipped policy loss."""
        ratio = (log_probs - old_log_probs).exp()
        clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
        return -torch.min(ratio * advantages, clipped * advantages).mean()

    def update(self, rollout) -> None:
        """Several epochs of minibatches over one rollout."""
        obs, actions = self.tensor(rollout["obs"]), torch.as_tensor(rollout["action"])
        advantages = self.tensor(self.advantages(rollout))
        returns = advantages + self.tensor(self.values(rollout["obs"]))
        with torch.no_grad():
            old_log_probs = self.log_probs(obs, actions)
        for _ in range(self.n_epochs):
            for rows in self.rng.permutation(len(obs)).reshape(-1, self.batch_size):
                centred = advantages[rows] - advantages[rows].mean()
                scaled = centred / (centred.std() + 1e-8)
                log_probs = self.log_probs(obs[rows], actions[rows])
                loss = self.surrogate(log_probs, old_log_probs[rows], scaled)
                loss = loss + functional.mse_loss(self.critic(obs[rows])[:, 0], returns[rows])
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()

    def log_probs(self, obs, actions) -> torch.Tensor:
        """Log-probabilities of the taken actions."""
        return self.actor(obs).log_softmax(dim=1).gather(1, actions[:, None])[:, 0]

    def learn(self, total_timesteps):
        """Whole rollouts until at least `total_timesteps` steps were taken."""
        for _ in range(-(-total_timesteps // self.n_steps)):
            self.update(self.collect())
        return self


class TorchReinforce(TorchPPO):
    """REINFORCE with a learned baseline: returns to go, one gradient step a rollout."""

    n_steps, n_epochs, batch_size, learning_rate = 64, 1, 64, 5e-3

    def advantages(self, rollout):
        """G_t - V(s_t), bootstrapped where the episode was cut rather than over."""
        values, next_values = self.values(rollout["obs"]), self.values(rollout["next_obs"])
        ended = rollout["terminated"] | rollout["truncated"]
        returns, following = np.zeros(len(values)), next_values[-1]
        for t in reversed(range(len(values))):
            if ended[t]:
                following = 0.0 if rollout["terminated"][t] else next_values[t]
            returns[t] = following = rollout["reward"][t] + self.gamma * following
        return returns - values

    def surrogate(self, log_probs, old_log_probs, advantages):
        """The score-function loss."""
        return -(log_probs * advantages).mean()


class TorchDQN(TorchAgent):
    """DQN with a hard or a soft (Polyak) target update."""

    batch_size, warm_up, capacity, learning_rate = 64, 200, 10_000, 1e-3

    def __init__(self, env, *, seed, gamma, target_every=100, tau=1.0):
        super().__init__(env, seed=seed, gamma=gamma)
        self.target_every, self.tau = target_every, tau
        self.online = self.network(self.n_actions, activation=nn.ReLU)
        self.target = copy.deepcopy(self.online)
        self.optimizer = torch.optim.Adam(self.online.parameters(), lr=self.learning_rate)
        self.memory: list[tuple] = []
        self.epsilon, self.steps = 1.0, 0
        self.observation, _ = env.reset(seed=seed)

    def scores(self, observations):
        """Action values."""
        return self.online(observations)

    def q_values(self, observations):
        """Action values of a batch of observations as an array."""
        with torch.no_grad():
            return self.online(self.tensor(observations)).numpy()

    def remember(self, obs, action, reward, next_obs, terminated, truncated):
        """Store one transition, overwriting the oldest when full."""
        row = (obs, action, reward, next_obs, terminated)
        if len(self.memory) < self.capacity:
            self.memory.append(row)
        else:
            self.memory[self.steps % self.capacity] = row

    def targets(self, reward, next_obs, terminated) -> torch.Tensor:
        """r + gamma max_a Q_target(s', a), and r alone where terminated."""
        return reward + self.gamma * (1 - terminated) * self.target(next_obs).max(dim=1).values

    def sync(self) -> None:
        """Move the target network towards the online network by `tau`."""
        with torch.no_grad():
            for target, online in zip(
                self.target.parameters(), self.online.parameters(), strict=True
            ):
                target.lerp_(online, self.tau)

    def update(self) -> None:
        """One gradient step on a uniform batch."""
        rows = [self.memory[i] for i in self.rng.integers(len(self.memory), size=self.batch_size)]
        obs, action, reward, next_obs, terminated = map(self.tensor, zip(*rows, strict=True))
        with torch.no_grad():
            targets = self.targets(reward, next_obs, terminated)
        taken = self.online(obs).gather(1, action.long()[:, None])[:, 0]
        self.optimizer.zero_grad()
        functional.smooth_l1_loss(taken, targets).backward()
        self.optimizer.step()

    def explore(self) -> int:
        """Epsilon-greedy action."""
        if self.rng.random() < self.epsilon:
            return int(self.rng.integers(self.n_actions))
        return self.predict(self.observation)[0]

    def learn(self, total_timesteps):
        """Act, remember, update every second step."""
        for step in range(total_timesteps):
            self.epsilon = max(0.1, 1.0 - 2 * step / total_timesteps)
            action = self.explore()
            next_obs, reward, terminated, truncated, _ = self.env.step(action)
            self.remember(self.observation, action, reward, next_obs, terminated, truncated)
            self.observation = self.env.reset()[0] if terminated or truncated else next_obs
            self.steps += 1
            if len(self.memory) >= self.warm_up and self.steps % 2 == 0:
                self.update()
            if self.steps % self.target_every == 0:
                self.sync()
        return self
