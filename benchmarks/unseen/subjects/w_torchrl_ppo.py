"""PPO from TorchRL's parts: ProbabilisticActor, ClipPPOLoss and GAE in a loop of one's own."""

import numpy as np
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.envs.utils import ExplorationType, set_exploration_type
from torchrl.modules import ProbabilisticActor, ValueOperator
from torchrl.objectives import ClipPPOLoss
from torchrl.objectives.value import GAE


class TorchRLPPO:
    def __init__(
        self,
        env,
        *,
        seed=0,
        gamma=0.99,
        frames=256,
        epochs=8,
        minibatch=64,
        lr=2e-3,
        lmbda=0.95,
        entropy=0.01,
    ):
        self.env, self.seed = env, seed
        self.frames, self.epochs, self.minibatch = frames, epochs, minibatch
        torch.manual_seed(seed)
        d, k = env.observation_space.shape[0], int(env.action_space.n)
        net = nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, k))
        self.actor = ProbabilisticActor(
            TensorDictModule(net, in_keys=["observation"], out_keys=["logits"]),
            in_keys=["logits"],
            distribution_class=torch.distributions.Categorical,
            return_log_prob=True,
        )
        self.critic = ValueOperator(
            nn.Sequential(nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, 1)), in_keys=["observation"]
        )
        self.gae = GAE(gamma=gamma, lmbda=lmbda, value_network=self.critic, average_gae=True)
        self.loss = ClipPPOLoss(
            self.actor,
            self.critic,
            clip_epsilon=0.2,
            entropy_coeff=entropy,
            critic_coeff=0.5,
            loss_critic_type="l2",
        )
        self.optim = torch.optim.Adam(self.loss.parameters(), lr=lr)
        self.obs = None

    @torch.no_grad()
    def collect(self):
        steps = []
        for _ in range(self.frames):
            td = TensorDict({"observation": torch.as_tensor(self.obs, dtype=torch.float32)}, [])
            with set_exploration_type(ExplorationType.RANDOM):
                td = self.actor(td)
            nxt, reward, terminated, truncated, _ = self.env.step(int(td["action"]))
            td["next"] = TensorDict(
                {
                    "observation": torch.as_tensor(nxt, dtype=torch.float32),
                    "reward": torch.tensor([float(reward)]),
                    "terminated": torch.tensor([bool(terminated)]),
                    "done": torch.tensor([bool(terminated or truncated)]),
                },
                [],
            )
            steps.append(td)
            self.obs = self.env.reset()[0] if terminated or truncated else nxt
        return torch.stack(steps)

    def learn(self, total_timesteps):
        if self.obs is None:
            self.obs, _ = self.env.reset(seed=self.seed)
        for _ in range(-(-total_timesteps // self.frames)):
            data = self.collect()
            with torch.no_grad():
                self.gae(data)
            for _ in range(self.epochs):
                for idx in torch.randperm(self.frames).split(self.minibatch):
                    out = self.loss(data[idx])
                    loss = out["loss_objective"] + out["loss_critic"] + out["loss_entropy"]
                    self.optim.zero_grad()
                    loss.backward()
                    nn.utils.clip_grad_norm_(self.loss.parameters(), 1.0)
                    self.optim.step()
        return self

    def logits(self, obs):
        x = torch.as_tensor(np.asarray(obs), dtype=torch.float32)
        with torch.no_grad():
            return self.actor.get_dist(TensorDict({"observation": x}, x.shape[:-1])).logits

    def action_probabilities(self, obs):
        return self.logits(obs).softmax(-1).numpy()

    def predict(self, obs, deterministic=True):
        logits = self.logits(obs)
        if deterministic:
            return logits.argmax(-1).numpy()
        return torch.distributions.Categorical(logits=logits).sample().numpy()


def make_agent(env, *, seed, gamma):
    return TorchRLPPO(env, seed=seed, gamma=gamma)
