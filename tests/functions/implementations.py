"""Implementations written from scratch: correct ones of other libraries' making, and faulty ones."""

import numpy as np
import torch


def chapter_gae(rewards, values, next_value, gamma, gae_lambda):
    values = values + [next_value]  # noqa: RUF005 (what the chapter has, and arrays would add)
    gae, out = 0, []
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * values[t + 1] - values[t]
        gae = delta + gamma * gae_lambda * gae
        out.insert(0, gae)
    return out


def torch_gae(
    rewards: torch.Tensor, values, next_values, terminated, truncated, *, gamma=0.99, lam=0.95
):
    advantages = torch.zeros_like(rewards)
    last = torch.zeros_like(rewards[0])
    for t in range(rewards.shape[0] - 1, -1, -1):
        delta = rewards[t] + gamma * next_values[t] * (~terminated[t]) - values[t]
        last = delta + gamma * lam * last * (~(terminated[t] | truncated[t]))
        advantages[t] = last
    return advantages, advantages + values


def single_precision_torch_gae(rewards, values, last_value, dones, gamma, lam):
    rewards, values, last_value, dones = (
        torch.as_tensor(x, dtype=torch.float32) for x in (rewards, values, last_value, dones)
    )
    following = torch.cat([values[1:], last_value[None]])
    delta = rewards + gamma * following * (1 - dones) - values
    for t in reversed(range(len(delta) - 1)):
        delta[t] = delta[t] + gamma * lam * (1 - dones[t]) * delta[t + 1]
    return delta


def stable_baselines3_gae(rewards, values, episode_starts, last_value, last_dones, gamma, lam):
    from gymnasium import spaces
    from stable_baselines3.common.buffers import RolloutBuffer

    steps, columns = rewards.shape
    box = spaces.Box(-1, 1, (1,))
    buffer = RolloutBuffer(steps, box, box, gae_lambda=lam, gamma=gamma, n_envs=columns)
    buffer.rewards, buffer.values = rewards.astype("float32"), values.astype("float32")
    buffer.episode_starts = episode_starts.astype("float32")
    buffer.compute_returns_and_advantage(torch.as_tensor(last_value), last_dones)
    return buffer.advantages, buffer.returns


class Estimator(torch.nn.Module):
    """GAE as a module with single-precision arithmetic and one hyper-parameter of its own."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, rewards, values, next_values, terminated, truncated, gamma, lam):
        return torch_gae(rewards, values, next_values, terminated, truncated, gamma=gamma, lam=lam)


CORRECT = {
    "source chapter": chapter_gae,
    "torch": torch_gae,
    "torch, float32": single_precision_torch_gae,
    "SB3 rollout buffer": stable_baselines3_gae,
    "torch module": Estimator(),
}


def merged_flags(rewards, values, next_values, terminated, truncated, gamma, lam):
    done = np.logical_or(terminated, truncated)
    out, acc = [], 0.0
    for r, v, nv, d in zip(rewards[::-1], values[::-1], next_values[::-1], done[::-1], strict=True):
        acc = np.where(d, r - v, r + gamma * nv - v + gamma * lam * acc)
        out.append(acc)
    return np.array(out[::-1])


def leaky_terminal(rewards, values, next_values, terminated, truncated, gamma, lam):
    td = rewards - values + gamma * next_values
    for i in range(td.shape[0] - 2, -1, -1):
        alive = 1 - np.maximum(terminated[i], truncated[i])
        td[i] = td[i] + alive * gamma * lam * td[i + 1]
    return td


def no_lambda(rewards, values, next_value, gamma, gae_lambda):
    total, out = next_value, []
    for r, v in list(zip(rewards, values, strict=True))[::-1]:
        total = r + gamma * total
        out = [total - v, *out]
    return out


def shifted_flags(rewards, values, last_value, dones, gamma, lam):
    nxt = np.vstack([values[1:], last_value[None]])
    alive = np.ones_like(rewards)
    alive[1:] = 1.0 - dones[:-1]
    adv = np.zeros_like(rewards)
    run = np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        run = rewards[t] + gamma * nxt[t] * alive[t] - values[t] + gamma * lam * alive[t] * run
        adv[t] = run
    return adv


def flipped(rewards, values, next_value, gamma, gae_lambda):
    return [-a for a in chapter_gae(rewards, values, next_value, gamma, gae_lambda)]


def whitened(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantages = torch_gae(
        *(torch.as_tensor(x) for x in (rewards, values, next_values, terminated, truncated)),
        gamma=gamma,
        lam=lam,
    )[0].numpy()
    return (advantages - np.mean(advantages)) / (np.std(advantages) + 1e-8)


def trace_leaks(rewards, values, next_values, terminated, truncated, gamma, lam):
    td = rewards + gamma * np.where(terminated, 0, next_values) - values
    weights = (gamma * lam) ** np.arange(len(td))
    return np.stack([np.tensordot(weights[: len(td) - t], td[t:], 1) for t in range(len(td))])


FAULTY = {
    "truncation-as-terminal": merged_flags,
    "terminal-bootstrap": leaky_terminal,
    "lambda-missing": no_lambda,
    "done-late": shifted_flags,
    "sign-flipped": flipped,
    "normalised-inside": whitened,
    "mask-only-on-bootstrap": trace_leaks,
}


def changes_rewards(rewards, values, next_values, terminated, truncated, gamma, lam):
    rewards += gamma * next_values * ~terminated - values
    for t in range(len(rewards) - 2, -1, -1):
        rewards[t] += gamma * lam * ~(terminated[t] | truncated[t]) * rewards[t + 1]
    return rewards.copy()


def returns_none(rewards, values, next_value, gamma, lam):
    pass


def last_row_missing(rewards, values, next_values, terminated, truncated, gamma, lam):
    return (rewards + gamma * next_values - values)[:-1]


def not_finite(rewards, values, next_values, terminated, truncated, gamma, lam):
    return torch_gae(
        *(torch.as_tensor(x) for x in (rewards, values, next_values, terminated, truncated)),
        gamma=gamma,
        lam=lam,
    )[0].numpy() / (np.asarray(rewards) != 1.0)


def raises_on_one_step(rewards, values, next_value, gamma, gae_lambda):
    if len(rewards) == 1:
        raise ValueError("a rollout needs two steps")
    return chapter_gae(rewards, values, next_value, gamma, gae_lambda)


def prints(rewards, values, next_value, gamma, gae_lambda):
    print("computing", len(rewards))
    return chapter_gae(rewards, values, next_value, gamma, gae_lambda)
