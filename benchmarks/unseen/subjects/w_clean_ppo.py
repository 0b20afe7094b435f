"""Single-file PPO over a gymnasium vector environment (autoreset in the next step)."""

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.distributions.categorical import Categorical


def layer_init(layer, std=2**0.5, bias_const=0.0):
    torch.nn.init.orthogonal_(layer.weight, std)
    torch.nn.init.constant_(layer.bias, bias_const)
    return layer


class Agent(nn.Module):
    def __init__(self, envs):
        super().__init__()
        n_in = int(np.prod(envs.single_observation_space.shape))
        self.critic = nn.Sequential(
            layer_init(nn.Linear(n_in, 64)), nn.Tanh(), layer_init(nn.Linear(64, 1), std=1.0)
        )
        self.actor = nn.Sequential(
            layer_init(nn.Linear(n_in, 64)), nn.Tanh(),
            layer_init(nn.Linear(64, envs.single_action_space.n), std=0.01),
        )  # fmt: skip

    def get_value(self, x):
        return self.critic(x)

    def get_action_and_value(self, x, action=None):
        probs = Categorical(logits=self.actor(x))
        if action is None:
            action = probs.sample()
        return action, probs.log_prob(action), probs.entropy(), self.critic(x)


class VectorPPO:
    def __init__(
        self, envs, *, seed=1, gamma=0.99, learning_rate=3e-3, num_steps=64, gae_lambda=0.95,
        num_minibatches=4, update_epochs=6, norm_adv=True, clip_coef=0.2, ent_coef=0.01, vf_coef=0.5,
        max_grad_norm=0.5,
    ):  # fmt: skip
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.envs, self.seed, self.gamma = envs, seed, gamma
        self.num_steps, self.gae_lambda = num_steps, gae_lambda
        self.num_minibatches, self.update_epochs = num_minibatches, update_epochs
        self.norm_adv, self.clip_coef, self.ent_coef = norm_adv, clip_coef, ent_coef
        self.vf_coef, self.max_grad_norm = vf_coef, max_grad_norm
        self.agent = Agent(envs)
        self.optimizer = optim.Adam(self.agent.parameters(), lr=learning_rate, eps=1e-5)
        self.next_obs = None

    def learn(self, total_timesteps):
        if self.next_obs is None:
            obs, _ = self.envs.reset(seed=self.seed)
            self.next_obs = torch.as_tensor(obs, dtype=torch.float32)
            self.next_done = torch.zeros(self.envs.num_envs)
        batch = self.num_steps * self.envs.num_envs
        for _ in range(max(1, total_timesteps // batch)):
            self.update(*self.rollout())
        return self

    def rollout(self):
        n = self.envs.num_envs
        obs = torch.zeros((self.num_steps, n, *self.envs.single_observation_space.shape))
        actions = torch.zeros((self.num_steps, n), dtype=torch.long)
        logprobs = torch.zeros((self.num_steps, n))
        rewards = torch.zeros((self.num_steps, n))
        terminations = torch.zeros((self.num_steps, n))
        ends = torch.zeros((self.num_steps, n))
        values = torch.zeros((self.num_steps, n))
        resets = torch.zeros((self.num_steps, n))  # the step that only resets: no transition
        for step in range(self.num_steps):
            obs[step] = self.next_obs
            resets[step] = self.next_done
            with torch.no_grad():
                action, logprob, _, value = self.agent.get_action_and_value(self.next_obs)
            values[step], actions[step], logprobs[step] = value.flatten(), action, logprob
            next_obs, reward, term, trunc, _ = self.envs.step(action.numpy())
            rewards[step] = torch.as_tensor(reward, dtype=torch.float32)
            terminations[step] = torch.as_tensor(term, dtype=torch.float32)
            self.next_done = torch.as_tensor(term | trunc, dtype=torch.float32)
            ends[step] = self.next_done
            self.next_obs = torch.as_tensor(next_obs, dtype=torch.float32)
        with torch.no_grad():
            next_value = self.agent.get_value(self.next_obs).flatten()
            advantages = torch.zeros_like(rewards)
            lastgaelam = torch.zeros(n)
            for t in reversed(range(self.num_steps)):
                nextvalues = next_value if t == self.num_steps - 1 else values[t + 1]
                delta = rewards[t] + self.gamma * nextvalues * (1.0 - terminations[t]) - values[t]
                carry = self.gamma * self.gae_lambda * (1.0 - ends[t]) * lastgaelam
                advantages[t] = lastgaelam = delta + carry
        returns = advantages + values
        keep = resets.flatten() == 0
        flat = [obs.flatten(0, 1), *(x.flatten() for x in (actions, logprobs, advantages, returns))]
        return [x[keep] for x in flat]

    def update(self, b_obs, b_actions, b_logprobs, b_advantages, b_returns):
        for _ in range(self.update_epochs):
            order = self.rng.permutation(len(b_obs))
            for mb in np.array_split(order, self.num_minibatches):
                _, newlogprob, entropy, newvalue = self.agent.get_action_and_value(
                    b_obs[mb], b_actions[mb]
                )
                ratio = (newlogprob - b_logprobs[mb]).exp()
                adv = b_advantages[mb]
                if self.norm_adv:
                    adv = (adv - adv.mean()) / (adv.std() + 1e-8)
                pg_loss1 = -adv * ratio
                pg_loss2 = -adv * torch.clamp(ratio, 1 - self.clip_coef, 1 + self.clip_coef)
                pg_loss = torch.max(pg_loss1, pg_loss2).mean()
                v_loss = 0.5 * ((newvalue.view(-1) - b_returns[mb]) ** 2).mean()
                loss = pg_loss - self.ent_coef * entropy.mean() + v_loss * self.vf_coef
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.agent.parameters(), self.max_grad_norm)
                self.optimizer.step()

    @torch.no_grad()
    def action_probabilities(self, obs):
        return self.agent.actor(torch.as_tensor(obs, dtype=torch.float32)).softmax(-1).numpy()

    @torch.no_grad()
    def values(self, obs):
        return self.agent.get_value(torch.as_tensor(obs, dtype=torch.float32)).squeeze(-1).numpy()

    @torch.no_grad()
    def predict(self, obs, deterministic=True):
        logits = self.agent.actor(torch.as_tensor(obs, dtype=torch.float32))
        action = logits.argmax(-1) if deterministic else Categorical(logits=logits).sample()
        return action.numpy()


def make_agent(envs, *, seed, gamma, ent_coef=0.01, learning_rate=3e-3):
    return VectorPPO(envs, seed=seed, gamma=gamma, ent_coef=ent_coef, learning_rate=learning_rate)


def make_plain(envs, *, seed, gamma):
    """Advantages as they are, no entropy bonus, lambda = 1."""
    return VectorPPO(
        envs, seed=seed, gamma=gamma, norm_adv=False, ent_coef=0.0, gae_lambda=1.0, num_steps=32
    )
