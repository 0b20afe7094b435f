"""Discounted and n-step returns."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- discounted returns ---------------------------------------------------------------------------


@correct("discounted-returns")
def reversed_loop(rewards, terminated, truncated, next_values, gamma):
    out = np.zeros_like(rewards)
    running = next_values[-1]
    for t in range(len(rewards) - 1, -1, -1):
        running = np.where(truncated[t], next_values[t], running)
        running = rewards[t] + gamma * np.where(terminated[t], 0.0, running)
        out[t] = running
    return out


@correct("discounted-returns")
def torch_stack(rewards, terminated, truncated, next_values, gamma):
    terminated, truncated = terminated.float(), truncated.float()
    future = next_values[-1]
    pieces = []
    for r, end, cut, v in zip(
        reversed(rewards),
        reversed(terminated),
        reversed(truncated),
        reversed(next_values),
        strict=True,
    ):
        future = r + gamma * (1 - end) * (cut * v + (1 - cut) * future)
        pieces.append(future)
    return torch.stack(pieces[::-1])


@correct("discounted-returns")
def episodic_list(rewards, gamma):
    """One complete episode, the classical REINFORCE helper."""
    returns, total = [], 0.0
    for reward in rewards[::-1]:
        total = reward + gamma * total
        returns.insert(0, total)
    return returns


@correct("discounted-returns")
def forward_sum(rewards, dones, gamma):
    """The definition, forwards, with a single flag."""
    horizon, batch = rewards.shape
    out = np.zeros((horizon, batch))
    for b in range(batch):
        for t in range(horizon):
            factor = 1.0
            for k in range(t, horizon):
                out[t, b] += factor * rewards[k, b]
                if dones[k, b]:
                    break
                factor *= gamma
    return out


@correct("discounted-returns")
def with_last_value(rews, dones, last_val, discount):
    ret = np.empty_like(rews)
    nxt = last_val
    for i in reversed(range(rews.shape[0])):
        nxt = rews[i] + discount * nxt * (1.0 - dones[i])
        ret[i] = nxt
    return ret


@faulty("discounted-returns", "ends-ignored")
def forgot_the_flags(rewards, terminated, truncated, next_values, gamma):
    out = np.zeros_like(rewards)
    running = next_values[-1] * (1 - terminated[-1])
    for t in range(len(rewards) - 1, -1, -1):
        running = rewards[t] + gamma * running
        out[t] = running
    return out


@faulty("discounted-returns", "truncation-as-terminal")
def merged_flags(rewards, terminated, truncated, next_values, gamma):
    done = np.logical_or(terminated, truncated)
    running = next_values[-1]
    out = np.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        running = rewards[t] + gamma * running * (~done[t])
        out[t] = running
    return out


@faulty("discounted-returns", "done-early")
def reset_after_adding(rewards, dones, gamma):
    """The running sum is reset after the terminal row is written, on the way back: one row off."""
    out = np.zeros_like(rewards)
    running = np.zeros(rewards.shape[1])
    for t in reversed(range(len(rewards))):
        running = rewards[t] + gamma * running
        out[t] = running
        running = np.where(dones[t], 0.0, running)
    return out


@faulty("discounted-returns", "prefix-sum")
def cumulative_rewards(rewards, gamma):
    steps = torch.arange(len(rewards), dtype=rewards.dtype)
    weights = (gamma**steps).unsqueeze(-1)
    return torch.cumsum(weights * rewards, dim=0)


@faulty("discounted-returns", "absolute-time-discount")
def tail_of_discounted_rewards(rewards, gamma):
    """Discounted from step 0, tail summed, and never divided by gamma^t."""
    weights = gamma ** np.arange(len(rewards))
    weighted = weights.reshape(-1, *([1] * (rewards.ndim - 1))) * rewards
    return np.flip(np.cumsum(np.flip(weighted, 0), 0), 0)


@faulty("discounted-returns", "normalised-inside")
def baseline_by_whitening(rewards, dones, gamma):
    out, running = torch.zeros_like(rewards), 0.0
    for t in range(rewards.shape[0] - 1, -1, -1):
        running = rewards[t] + gamma * running * (1 - dones[t].to(rewards.dtype))
        out[t] = running
    return (out - out.mean()) / (out.std() + 1e-8)


@faulty("discounted-returns", "gamma-on-reward")
def discount_the_sum(rewards, dones, gamma):
    out, running = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in range(rewards.shape[0] - 1, -1, -1):
        running = gamma * (rewards[t] + running * (1 - dones[t]))
        out[t] = running
    return out


# --- n-step returns -------------------------------------------------------------------------------


@correct("n-step-returns")
def windows(rewards, next_values, terminated, truncated, gamma, n):
    horizon, batch = rewards.shape
    out = np.zeros_like(rewards)
    for b in range(batch):
        for t in range(horizon):
            total, weight = 0.0, 1.0
            for k in range(t, min(t + n, horizon)):
                total += weight * rewards[k, b]
                weight *= gamma
                if terminated[k, b]:
                    weight = 0.0
                    break
                if truncated[k, b]:
                    break
            out[t, b] = total + weight * next_values[k, b]
    return out


@correct("n-step-returns")
def repeated_backup(rewards, next_values, terminated, truncated, gamma, n_steps):
    """Start from one-step targets and push them back n - 1 times."""
    alive = (~terminated.bool()).to(rewards.dtype)
    inside = ~(terminated.bool() | truncated.bool())
    target = rewards + gamma * alive * next_values
    for _ in range(n_steps - 1):
        following = torch.cat([target[1:], next_values[-1:]])
        follow = torch.where(inside, following, next_values * alive)
        target = rewards + gamma * follow
    return target


@correct("n-step-returns")
def from_a_deque(rewards, values, last_value, dones, gamma, n):
    """Values of the states themselves, the last one beside them; a single flag."""
    horizon = rewards.shape[0]
    padded = np.concatenate([values, np.asarray(last_value)[None]])
    out = np.zeros_like(rewards)
    for t in range(horizon):
        end = min(t + n, horizon)
        g = padded[end].copy()
        for k in range(end - 1, t - 1, -1):
            g = rewards[k] + gamma * g * (1 - dones[k])
        out[t] = g
    return out


@faulty("n-step-returns", "bootstrap-discounted-once")
def gamma_for_gamma_n(rewards, next_values, terminated, truncated, gamma, n):
    horizon, batch = rewards.shape
    out = np.zeros_like(rewards)
    for b in range(batch):
        for t in range(horizon):
            total, end = 0.0, False
            for i, k in enumerate(range(t, min(t + n, horizon))):
                total += gamma**i * rewards[k, b]
                if terminated[k, b] or truncated[k, b]:
                    end = bool(terminated[k, b])
                    break
            out[t, b] = total + (0.0 if end else gamma * next_values[k, b])
    return out


@faulty("n-step-returns", "rewards-cross-ends", "ends-ignored", "truncation-ignored")
def no_break_at_time_limits(rewards, next_values, terminated, truncated, gamma, n):
    """Rewards of the following episode are summed after a time limit."""
    horizon, batch = rewards.shape
    out = np.zeros_like(rewards)
    for b in range(batch):
        for t in range(horizon):
            total, weight = 0.0, 1.0
            for k in range(t, min(t + n, horizon)):
                total += weight * rewards[k, b]
                weight *= gamma
                if terminated[k, b]:
                    weight = 0.0
                    break
            out[t, b] = total + weight * next_values[k, b]
    return out


@faulty("n-step-returns", "bootstrap-power-fixed")
def always_gamma_to_the_n(rewards, next_values, terminated, truncated, gamma, n):
    horizon, batch = rewards.shape
    out = np.zeros_like(rewards)
    for b in range(batch):
        for t in range(horizon):
            g, alive = 0.0, 1.0
            last = t
            for j in range(n):
                if t + j >= horizon:
                    break
                last = t + j
                g += gamma**j * rewards[last, b]
                if terminated[last, b]:
                    alive = 0.0
                if terminated[last, b] or truncated[last, b]:
                    break
            out[t, b] = g + alive * gamma**n * next_values[last, b]
    return out


@faulty("n-step-returns", "window-off-by-one")
def one_reward_too_many(rewards, next_values, terminated, truncated, gamma, n):
    out = torch.zeros_like(rewards)
    for t in range(rewards.shape[0]):
        for b in range(rewards.shape[1]):
            g, discount = 0.0, 1.0
            for k in range(t, min(t + n + 1, rewards.shape[0])):
                g = g + discount * rewards[k, b]
                discount = discount * gamma * (1 - float(terminated[k, b]))
                if terminated[k, b] or truncated[k, b]:
                    break
            out[t, b] = g + discount * next_values[k, b]
    return out


@faulty("n-step-returns", "bootstrap-state-early")
def value_of_the_last_state_in_the_window(rewards, values, last_value, gamma, n):
    """V(s_{t+n-1}) instead of V(s_{t+n})."""
    horizon = rewards.shape[0]
    out = np.zeros_like(rewards)
    for t in range(horizon):
        end = min(t + n, horizon)
        k = end - t
        g = sum(gamma**i * rewards[t + i] for i in range(k))
        out[t] = g + gamma**k * (values[end - 1] if end < horizon else last_value)
    return out


@faulty("n-step-returns", "truncation-as-terminal")
def done_is_done(rewards, next_values, terminated, truncated, gamma, n):
    done = np.maximum(terminated, truncated).astype(bool)
    horizon, batch = rewards.shape
    out = np.zeros_like(rewards)
    for b in range(batch):
        for t in range(horizon):
            g, w = 0.0, 1.0
            for k in range(t, min(t + n, horizon)):
                g += w * rewards[k, b]
                w *= gamma
                if done[k, b]:
                    w = 0.0
                    break
            out[t, b] = g + w * next_values[k, b]
    return out
