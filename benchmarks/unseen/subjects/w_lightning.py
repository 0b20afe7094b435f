"""DQN as a LightningModule: the environment is stepped by the data set that feeds the trainer."""

import copy
import logging
import warnings

import lightning as L
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

for name in ("lightning", "lightning.pytorch"):
    logging.getLogger(name).setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="lightning")


class Experience(IterableDataset):
    """Every item is a batch; between two of them the agent takes one step."""

    def __init__(self, module, steps):
        self.module, self.steps = module, steps

    def __iter__(self):
        for _ in range(self.steps):
            self.module.play_step()
            if len(self.module.memory) >= self.module.warmup:
                yield self.module.sample()


class LitDQN(L.LightningModule):
    def __init__(
        self,
        env,
        seed,
        gamma,
        lr=2e-3,
        batch_size=64,
        warmup=100,
        sync_rate=100,
        eps_last_step=2000,
    ):
        super().__init__()
        self.env, self.env_seed, self.gamma, self.lr = env, seed, gamma, lr
        self.size, self.warmup, self.sync_rate, self.eps_last_step = (
            batch_size,
            warmup,
            sync_rate,
            eps_last_step,
        )
        self.n_actions = int(env.action_space.n)
        self.net = nn.Sequential(
            nn.Linear(env.observation_space.shape[0], 64), nn.ReLU(), nn.Linear(64, self.n_actions)
        )
        self.target_net = copy.deepcopy(self.net)
        self.rng = np.random.default_rng(seed)
        self.memory = []
        self.state = None
        self.played = 0

    def forward(self, x):
        return self.net(x)

    @torch.no_grad()
    def play_step(self):
        if self.state is None:
            self.state, _ = self.env.reset(seed=self.env_seed)
        epsilon = max(0.05, 1.0 - self.played / self.eps_last_step)
        if self.rng.random() < epsilon:
            action = int(self.rng.integers(self.n_actions))
        else:
            action = int(self(torch.as_tensor(self.state, dtype=torch.float32)).argmax())
        new_state, reward, terminated, truncated, _ = self.env.step(action)
        self.memory.append((self.state, action, float(reward), bool(terminated), new_state))
        self.state = self.env.reset()[0] if terminated or truncated else new_state
        self.played += 1

    def sample(self):
        chosen = self.rng.choice(len(self.memory), self.size)
        states, actions, rewards, ends, new_states = zip(
            *(self.memory[i] for i in chosen), strict=True
        )
        return (
            torch.tensor(np.array(states), dtype=torch.float32), torch.tensor(actions),
            torch.tensor(rewards, dtype=torch.float32), torch.tensor(ends),
            torch.tensor(np.array(new_states), dtype=torch.float32),
        )  # fmt: skip

    def training_step(self, batch, index):
        states, actions, rewards, ends, new_states = batch
        values = self.net(states).gather(1, actions.unsqueeze(-1)).squeeze(-1)
        with torch.no_grad():
            following = self.target_net(new_states).max(1).values
            following[ends] = 0.0
        if index % self.sync_rate == 0:
            self.target_net.load_state_dict(self.net.state_dict())
        return nn.functional.mse_loss(values, rewards + self.gamma * following)

    def configure_optimizers(self):
        return torch.optim.Adam(self.net.parameters(), lr=self.lr)


class LightningAgent:
    def __init__(self, env, *, seed, gamma):
        torch.manual_seed(seed)
        self.module = LitDQN(env, seed, gamma)

    def learn(self, total_timesteps):
        trainer = L.Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(
            self.module, DataLoader(Experience(self.module, total_timesteps), batch_size=None)
        )
        return self

    def q_values(self, obs):
        with torch.no_grad():
            return self.module(torch.as_tensor(np.asarray(obs), dtype=torch.float32)).numpy()

    def predict(self, obs, deterministic=True):
        return self.q_values(obs).argmax(-1)


def make_agent(env, *, seed, gamma):
    return LightningAgent(env, seed=seed, gamma=gamma)
