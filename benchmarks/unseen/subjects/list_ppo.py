"""PPO in one environment: a rollout is a list of dicts, actor and critic share a trunk."""

import numpy as np
import torch
from torch import nn


class ActorCritic(nn.Module):
    def __init__(self, n_inputs, n_actions, width):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n_inputs, width), nn.ReLU())
        self.pi_head = nn.Linear(width, n_actions)
        self.v_head = nn.Linear(width, 1)

    def forward(self, obs):
        hidden = self.body(obs)
        return self.pi_head(hidden), self.v_head(hidden)[..., 0]


class PPOAgent:
    def __init__(self, env, gamma=0.99, gae_lambda=0.95, learning_rate=1e-3, width=64, seed=0,
                 rollout_len=512, n_epochs=8, minibatch=64, eps_clip=0.2, c2=0.01):  # fmt: skip
        self.env, self.gamma, self.gae_lambda, self.seed = env, gamma, gae_lambda, seed
        self.rollout_len, self.n_epochs, self.minibatch = rollout_len, n_epochs, minibatch
        self.eps_clip, self.c2 = eps_clip, c2
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.model = ActorCritic(env.observation_space.shape[0], env.action_space.n, width)
        self.optim = torch.optim.Adam(self.model.parameters(), lr=learning_rate)
        self.obs = None

    def predict(self, observation, deterministic=True):
        with torch.no_grad():
            logits, _ = self.model(torch.as_tensor(np.asarray(observation)).float())
        if deterministic:
            return logits.argmax(-1).numpy(), None
        return torch.distributions.Categorical(logits=logits).sample().numpy(), None

    def collect_rollout(self):
        rollout = []
        if self.obs is None:
            self.obs, _ = self.env.reset(seed=self.seed)
        while len(rollout) < self.rollout_len:
            with torch.no_grad():
                logits, value = self.model(torch.as_tensor(self.obs).float())
                dist = torch.distributions.Categorical(logits=logits)
                action = dist.sample()
            next_obs, reward, terminated, truncated, _ = self.env.step(action.item())
            step = dict(obs=self.obs, action=action.item(), logp=dist.log_prob(action).item())
            step |= dict(reward=float(reward), value=value.item(), next_value=0.0)
            if not terminated:
                with torch.no_grad():
                    step["next_value"] = self.model(torch.as_tensor(next_obs).float())[1].item()
            step["end"] = terminated or truncated
            rollout.append(step)
            self.obs = self.env.reset()[0] if step["end"] else next_obs
        return rollout

    def compute_advantages(self, rollout):
        gae = 0.0
        for step in reversed(rollout):
            if step["end"]:
                gae = 0.0
            delta = step["reward"] + self.gamma * step["next_value"] - step["value"]
            gae = delta + self.gamma * self.gae_lambda * gae
            step["adv"] = gae
            step["ret"] = gae + step["value"]

    def update(self, rollout):
        data = {
            key: torch.as_tensor(np.array([step[key] for step in rollout])).float()
            for key in ("obs", "action", "logp", "adv", "ret")
        }
        data["adv"] = (data["adv"] - data["adv"].mean()) / (data["adv"].std() + 1e-8)
        for _ in range(self.n_epochs):
            order = self.rng.permutation(len(rollout))
            for start in range(0, len(rollout), self.minibatch):
                idx = torch.as_tensor(order[start : start + self.minibatch])
                logits, value = self.model(data["obs"][idx])
                dist = torch.distributions.Categorical(logits=logits)
                ratio = torch.exp(dist.log_prob(data["action"][idx]) - data["logp"][idx])
                adv = data["adv"][idx]
                surr1 = ratio * adv
                surr2 = torch.clamp(ratio, 1 - self.eps_clip, 1 + self.eps_clip) * adv
                actor_loss = -torch.min(surr1, surr2).mean()
                critic_loss = nn.functional.smooth_l1_loss(value, data["ret"][idx])
                loss = actor_loss + 0.5 * critic_loss - self.c2 * dist.entropy().mean()
                self.optim.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
                self.optim.step()

    def learn(self, total_timesteps):
        for _ in range(0, total_timesteps, self.rollout_len):
            rollout = self.collect_rollout()
            self.compute_advantages(rollout)
            self.update(rollout)
        return self


def make_narrow(env, *, seed, gamma=0.99, learning_rate=1e-3):
    """16 units in the shared trunk and short rollouts."""
    return PPOAgent(env, gamma, learning_rate=learning_rate, width=16, seed=seed, rollout_len=256)
