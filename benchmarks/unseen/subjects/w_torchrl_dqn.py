"""DQN with TorchRL's loss, replay buffer and soft target update."""

import numpy as np
import torch
from tensordict import TensorDict
from torch import nn
from torchrl.data import LazyTensorStorage, OneHot, TensorDictReplayBuffer
from torchrl.modules import QValueActor
from torchrl.objectives import DQNLoss, SoftUpdate


def to_tensordict(obs, action, reward, nxt, terminated, truncated, n_actions):
    one_hot = torch.zeros(n_actions, dtype=torch.long)
    one_hot[action] = 1
    return TensorDict({
        "observation": torch.as_tensor(obs, dtype=torch.float32),
        "action": one_hot,
        "next": {
            "observation": torch.as_tensor(nxt, dtype=torch.float32),
            "reward": torch.tensor([float(reward)]),
            "terminated": torch.tensor([bool(terminated)]),
            "done": torch.tensor([bool(terminated or truncated)]),
        },
    })  # fmt: skip


def train(env, *, total_timesteps, seed, gamma, lr=1e-3, batch_size=64, warmup=200, double=True):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    n = int(env.action_space.n)
    net = nn.Sequential(nn.Linear(env.observation_space.shape[0], 64), nn.ReLU(), nn.Linear(64, n))
    policy = QValueActor(net, in_keys=["observation"], spec=OneHot(n))
    loss_module = DQNLoss(policy, loss_function="l2", delay_value=True, double_dqn=double)
    loss_module.make_value_estimator(gamma=gamma)
    updater = SoftUpdate(loss_module, tau=0.01)
    optimizer = torch.optim.Adam(loss_module.parameters(), lr=lr)
    generator = torch.Generator().manual_seed(seed)
    buffer = TensorDictReplayBuffer(
        storage=LazyTensorStorage(20_000), batch_size=batch_size, generator=generator
    )

    obs, _ = env.reset(seed=seed)
    for t in range(total_timesteps):
        epsilon = max(0.05, 1.0 - 2.0 * t / total_timesteps)
        if rng.random() < epsilon:
            action = int(rng.integers(n))
        else:
            with torch.no_grad():
                action = int(net(torch.as_tensor(obs, dtype=torch.float32)).argmax())
        nxt, reward, terminated, truncated, _ = env.step(action)
        buffer.add(to_tensordict(obs, action, reward, nxt, terminated, truncated, n))
        obs = nxt
        if terminated or truncated:
            obs, _ = env.reset()
        if t >= warmup and t % 2 == 0:
            loss = loss_module(buffer.sample())["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updater.step()

    def act(observation):
        with torch.no_grad():
            return (
                net(torch.as_tensor(np.asarray(observation), dtype=torch.float32))
                .argmax(-1)
                .numpy()
            )

    return act
