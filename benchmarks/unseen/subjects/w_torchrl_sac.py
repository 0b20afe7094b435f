"""SAC from TorchRL's parts (SACLoss, TanhNormal, SoftUpdate) around a Gymnasium environment."""

import numpy as np
import torch
from tensordict import TensorDict
from tensordict.nn import NormalParamExtractor, TensorDictModule
from torch import nn
from torchrl.data import LazyTensorStorage, TensorDictReplayBuffer
from torchrl.modules import ProbabilisticActor, TanhNormal, ValueOperator
from torchrl.objectives import SACLoss, SoftUpdate


class Critic(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)
        )

    def forward(self, observation, action):
        return self.net(torch.cat([observation, action], dim=-1))


class TorchRLSAC:
    def __init__(
        self, env, *, seed=0, gamma=0.99, warmup=500, every=4, batch_size=256, lr=3e-3, tau=0.03
    ):
        self.env, self.seed, self.warmup, self.every = env, seed, warmup, every
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        d, space = env.observation_space.shape[0], env.action_space
        self.low, self.high = space.low, space.high
        k = space.shape[0]
        net = nn.Sequential(
            nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 2 * k), NormalParamExtractor()
        )
        self.actor = ProbabilisticActor(
            TensorDictModule(net, in_keys=["observation"], out_keys=["loc", "scale"]),
            in_keys=["loc", "scale"],
            distribution_class=TanhNormal,
            distribution_kwargs={
                "low": torch.as_tensor(space.low),
                "high": torch.as_tensor(space.high),
            },
        )
        critic = ValueOperator(Critic(d + k), in_keys=["observation", "action"])
        self.loss = SACLoss(
            self.actor, critic, num_qvalue_nets=2, loss_function="l2", action_spec=None, alpha_init=0.1,
            target_entropy=-float(k), delay_qvalue=True,
        )  # fmt: skip
        self.loss.make_value_estimator(gamma=gamma)
        self.updater = SoftUpdate(self.loss, tau=tau)
        self.optim_actor = torch.optim.Adam(
            self.loss.actor_network_params.flatten_keys().values(), lr=lr
        )
        self.optim_critic = torch.optim.Adam(
            self.loss.qvalue_network_params.flatten_keys().values(), lr=lr
        )
        self.optim_alpha = torch.optim.Adam([self.loss.log_alpha], lr=lr)
        self.buffer = TensorDictReplayBuffer(
            storage=LazyTensorStorage(20_000), batch_size=batch_size,
            generator=torch.Generator().manual_seed(seed),
        )  # fmt: skip
        self.t = 0

    @torch.no_grad()
    def act(self, obs, deterministic):
        x = torch.as_tensor(np.asarray(obs), dtype=torch.float32)
        dist = self.actor.get_dist(TensorDict({"observation": x}, x.shape[:-1]))
        return (dist.deterministic_sample if deterministic else dist.sample()).numpy()

    def update(self):
        out = self.loss(self.buffer.sample())
        pairs = (
            (self.optim_critic, out["loss_qvalue"]),
            (self.optim_actor, out["loss_actor"]),
            (self.optim_alpha, out["loss_alpha"]),
        )
        for optimizer, _ in pairs:
            optimizer.zero_grad()
        sum(loss for _, loss in pairs).backward()
        for optimizer, _ in pairs:
            optimizer.step()
        self.updater.step()

    def learn(self, total_timesteps):
        obs, _ = self.env.reset(seed=self.seed if self.t == 0 else None)
        for _ in range(total_timesteps):
            if self.t < self.warmup:
                action = self.rng.uniform(self.low, self.high).astype(np.float32)
            else:
                action = self.act(obs, deterministic=False)
            nxt, reward, terminated, truncated, _ = self.env.step(action)
            self.buffer.add(TensorDict({
                "observation": torch.as_tensor(obs, dtype=torch.float32),
                "action": torch.as_tensor(action),
                "next": {
                    "observation": torch.as_tensor(nxt, dtype=torch.float32),
                    "reward": torch.tensor([float(reward)]),
                    "terminated": torch.tensor([bool(terminated)]),
                    "done": torch.tensor([bool(terminated or truncated)]),
                },
            }))  # fmt: skip
            obs = self.env.reset()[0] if terminated or truncated else nxt
            self.t += 1
            if self.t >= self.warmup and self.t % self.every == 0:
                self.update()
        return self

    def predict(self, obs, deterministic=True):
        return self.act(obs, deterministic)


def make_agent(env, *, seed, gamma):
    return TorchRLSAC(env, seed=seed, gamma=gamma)
