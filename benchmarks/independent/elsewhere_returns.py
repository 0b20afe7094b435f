"""Returns, n-step returns and V-trace as other code bases write them."""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.signal
import torch

from benchmarks.independent.records import correct, faulty

# --- discounted-returns ---------------------------------------------------------------------------


@correct("discounted-returns")
def filter_of_one_episode(x, discount):
    """A linear filter run backwards; `x` are the rewards of one episode."""
    return scipy.signal.lfilter([1], [1, -discount], x[::-1], axis=0)[::-1]


@correct("discounted-returns")
def prefix_sums_divided(rewards, gamma):
    """Suffix sums of gamma^t r_t, divided by gamma^t."""
    weights = gamma ** np.arange(len(rewards))
    weights = weights.reshape((-1,) + (1,) * (np.ndim(rewards) - 1))
    with np.errstate(all="ignore"):
        whole = np.flip(np.cumsum(np.flip(rewards * weights, 0), 0), 0) / weights
    return np.where(weights > 0, whole, rewards)


@correct("discounted-returns")
def with_a_deque(rewards, dones, gamma=0.99):
    returns, running = deque(), 0
    for reward, done in zip(rewards[::-1], dones[::-1], strict=False):
        if done:
            running = 0
        running = reward + gamma * running
        returns.appendleft(running)
    return list(returns)


@correct("discounted-returns", bind={"final_values": "next_values"})
def rtg_with_bootstrap(rews, terminations, truncations, final_values, gamma):
    """`final_values` are V of the states that the steps reached."""
    out = torch.zeros_like(rews)
    future = final_values[-1]
    for t in range(rews.shape[0] - 1, -1, -1):
        future = torch.where(truncations[t].bool(), final_values[t], future)
        future = torch.where(terminations[t].bool(), torch.zeros_like(future), future)
        future = rews[t] + gamma * future
        out[t] = future
    return out


@faulty("discounted-returns", "prefix-sum")
def cumsum_without_the_flip(rewards, gamma):
    steps = torch.arange(rewards.shape[0], dtype=rewards.dtype)
    shape = (-1,) + (1,) * (rewards.dim() - 1)
    return torch.cumsum(rewards * (gamma**steps).reshape(shape), dim=0)


@faulty("discounted-returns", "absolute-time-discount")
def suffix_sums_not_divided(rewards, gamma):
    weights = (gamma ** np.arange(len(rewards))).reshape((-1,) + (1,) * (np.ndim(rewards) - 1))
    return np.cumsum((rewards * weights)[::-1], axis=0)[::-1]


@faulty("discounted-returns", "normalised-inside")
def standardised_as_in_a_tutorial(rewards, gamma):
    returns, g = [], 0
    for r in rewards[::-1]:
        g = r + gamma * g
        returns.insert(0, g)
    returns = torch.stack([torch.as_tensor(g) for g in returns])
    return (returns - returns.mean()) / (returns.std() + 1e-9)


@faulty("discounted-returns", "terminal-reward-lost")
def reset_after_the_reward(rewards, dones, gamma):
    out, g = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        g = (rewards[t] + gamma * g) * (1 - dones[t])
        out[t] = g
    return out


@faulty("discounted-returns", "done-late")
def reset_one_row_too_low(rewards, dones, gamma):
    """The carry is zeroed by the flag of the row before."""
    g, out = jnp.zeros_like(rewards[0]), []
    for t in range(rewards.shape[0] - 1, -1, -1):
        before = dones[t - 1] if t > 0 else jnp.zeros_like(dones[0])
        g = rewards[t] + gamma * g * (1.0 - before)
        out.append(g)
    return jnp.stack(out[::-1])


# --- n-step-returns -------------------------------------------------------------------------------


@correct("n-step-returns", bind={"next_value": "next_values"})
def windows_one_by_one(reward, next_value, done, gamma, n_step):
    """As a replay buffer folds its newest transitions; `next_value` has a row for every step."""
    horizon = reward.shape[0]
    out = np.zeros_like(reward)
    for b in np.ndindex(reward.shape[1:]):
        for t in range(horizon):
            total, k = 0.0, t
            for k in range(t, min(t + n_step, horizon)):
                total += gamma ** (k - t) * reward[(k, *b)]
                if done[(k, *b)]:
                    break
            power = gamma ** (k - t + 1)
            out[(t, *b)] = total + power * next_value[(k, *b)] * (1 - done[(k, *b)])
    return out


@correct("n-step-returns")
@partial(jax.jit, static_argnames=("n_steps",))
def n_times_one_step(rewards, next_values, terminated, truncated, gamma, n_steps):
    """G^(n) from G^(n - 1) of the following row."""
    over = jnp.logical_or(terminated, truncated)
    alive = 1.0 - terminated.astype(rewards.dtype)
    targets = rewards + gamma * alive * next_values
    one = targets
    for _ in range(n_steps - 1):
        later = jnp.concatenate([targets[1:], next_values[-1:]], axis=0)
        last = jnp.arange(rewards.shape[0]) == rewards.shape[0] - 1
        stop = over | last.reshape((-1,) + (1,) * (rewards.ndim - 1))
        targets = jnp.where(stop, one, rewards + gamma * later)
    return targets


@faulty("n-step-returns", "bootstrap-discounted-once")
def gamma_for_gamma_to_the_n(rewards, next_values, terminated, truncated, gamma, n):
    horizon, out = rewards.shape[0], torch.zeros_like(rewards)
    stop = terminated.bool() | truncated.bool()
    for t in range(horizon):
        total, open_ = torch.zeros_like(rewards[0]), torch.ones_like(rewards[0])
        for k in range(t, min(t + n, horizon)):
            total = total + gamma ** (k - t) * open_ * rewards[k]
            end = stop[k] | torch.tensor(k == min(t + n, horizon) - 1)
            bootstrap = gamma * next_values[k] * (1 - terminated[k].to(rewards.dtype))
            total = total + open_ * end.to(rewards.dtype) * bootstrap
            open_ = open_ * (1 - stop[k].to(rewards.dtype))
        out[t] = total
    return out


@faulty("n-step-returns", "bootstrap-power-fixed")
def fixed_power_of_gamma(rewards, next_values, terminated, truncated, gamma, n):
    horizon, out = len(rewards), np.zeros_like(rewards)
    for t in range(horizon):
        for b in range(rewards.shape[1]):
            total = 0.0
            for k in range(t, min(t + n, horizon)):
                total += gamma ** (k - t) * rewards[k, b]
                if terminated[k, b] or truncated[k, b]:
                    break
            total += 0.0 if terminated[k, b] else gamma**n * next_values[k, b]
            out[t, b] = total
    return out


@faulty("n-step-returns", "rewards-cross-ends")
def sums_the_next_episode(rewards, next_values, dones, gamma, n):
    horizon, out = len(rewards), np.zeros_like(rewards)
    for t in range(horizon):
        end = min(t + n, horizon)
        alive = np.ones_like(rewards[0])
        for k in range(t, end):
            out[t] += gamma ** (k - t) * rewards[k]
            alive = alive * (1 - dones[k])
        out[t] += gamma ** (end - t) * alive * next_values[end - 1]
    return out


@faulty("n-step-returns", "window-off-by-one")
def window_one_too_long(rewards, next_values, terminated, truncated, gamma, n_steps):
    horizon, out = len(rewards), np.zeros_like(rewards)
    for t in range(horizon):
        for b in range(rewards.shape[1]):
            total, k = 0.0, t
            while True:
                total += gamma ** (k - t) * rewards[k, b]
                if terminated[k, b] or truncated[k, b] or k - t == n_steps or k == horizon - 1:
                    break
                k += 1
            value = 0.0 if terminated[k, b] else next_values[k, b]
            out[t, b] = total + gamma ** (k - t + 1) * value
    return out


# --- vtrace ---------------------------------------------------------------------------------------


class VTraceReturns(NamedTuple):
    vs: torch.Tensor
    pg_advantages: torch.Tensor


@correct("vtrace")
def from_importance_weights(
    log_rhos,
    discounts,
    rewards,
    values,
    bootstrap_value,
    clip_rho_threshold=1.0,
    clip_c_threshold=1.0,
):
    """discounts are gamma (1 - done); one clip for deltas and advantages."""
    rhos = torch.exp(log_rhos)
    clipped = torch.clamp(rhos, max=clip_rho_threshold)
    cs = torch.clamp(rhos, max=clip_c_threshold)
    values_t_plus_1 = torch.cat([values[1:], torch.unsqueeze(bootstrap_value, 0)], dim=0)
    deltas = clipped * (rewards + discounts * values_t_plus_1 - values)
    acc, result = torch.zeros_like(bootstrap_value), []
    for t in range(discounts.shape[0] - 1, -1, -1):
        acc = deltas[t] + discounts[t] * cs[t] * acc
        result.append(acc)
    vs = torch.stack(result[::-1]) + values
    vs_t_plus_1 = torch.cat([vs[1:], torch.unsqueeze(bootstrap_value, 0)], dim=0)
    advantages = clipped * (rewards + discounts * vs_t_plus_1 - values)
    return VTraceReturns(vs=vs.detach(), pg_advantages=advantages.detach())


@correct("vtrace")
def forward_products(
    learner_log_probs,
    behaviour_log_probs,
    rewards,
    values,
    next_values,
    terminated,
    truncated,
    gamma,
    rho_bar,
    c_bar,
):
    ratio = np.exp(learner_log_probs - behaviour_log_probs)
    rho, c = np.minimum(rho_bar, ratio), np.minimum(c_bar, ratio)
    over = np.logical_or(terminated, truncated)
    delta = rho * (rewards + gamma * (1 - terminated) * next_values - values)
    vs = values.copy()
    for t in range(len(rewards)):
        weight = np.ones_like(values[0])
        for k in range(t, len(rewards)):
            vs[t] += weight * delta[k]
            weight = weight * gamma * c[k] * (1 - over[k])
    ahead = np.concatenate([vs[1:], next_values[-1:]])
    ahead = np.where(over, next_values, ahead)
    advantages = rho * (rewards + gamma * (1 - terminated) * ahead - values)
    return {"vs": vs, "advantages": advantages}


@faulty("vtrace", "ratio-inverted")
def weights_upside_down(
    target_log_probs,
    behaviour_log_probs,
    rewards,
    values,
    last_value,
    dones,
    gamma,
    rho_clip,
    c_clip,
):
    rhos = jnp.exp(behaviour_log_probs - target_log_probs)
    rho, c = jnp.minimum(rhos, rho_clip), jnp.minimum(rhos, c_clip)
    discounts = gamma * (1.0 - dones)
    following = jnp.concatenate([values[1:], last_value[None]])
    deltas = rho * (rewards + discounts * following - values)

    def body(acc, x):
        delta, discount, weight = x
        acc = delta + discount * weight * acc
        return acc, acc

    _, corrections = jax.lax.scan(
        body, jnp.zeros_like(last_value), (deltas, discounts, c), reverse=True
    )
    vs = corrections + values
    vs_next = jnp.concatenate([vs[1:], last_value[None]])
    return vs, rho * (rewards + discounts * vs_next - values)


@faulty("vtrace", "advantage-of-own-target")
def advantage_of_the_same_row(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    ratios = (log_probs - old_log_probs).exp()
    rho, c = ratios.clamp(max=rho_clip), ratios.clamp(max=c_clip)
    discount = gamma * (1 - dones.to(values.dtype))
    following = torch.cat([values[1:], last_value[None]])
    delta = rho * (rewards + discount * following - values)
    acc, vs = torch.zeros_like(last_value), torch.empty_like(values)
    for t in reversed(range(len(rewards))):
        acc = delta[t] + discount[t] * c[t] * acc
        vs[t] = values[t] + acc
    return vs, rho * (rewards + discount * vs - values)


@faulty("vtrace", "trace-index-shifted")
def trace_of_the_following_step(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    ratio = np.exp(log_probs - old_log_probs)
    rho, c = np.minimum(ratio, rho_clip), np.minimum(ratio, c_clip)
    discount = gamma * (1 - dones)
    following = np.concatenate([values[1:], np.asarray(last_value)[None]])
    delta = rho * (rewards + discount * following - values)
    acc, vs = np.zeros_like(values[0]), np.zeros_like(values)
    for t in reversed(range(len(rewards))):
        weight = c[t + 1] if t + 1 < len(rewards) else 0.0
        acc = delta[t] + discount[t] * weight * acc
        vs[t] = values[t] + acc
    ahead = np.concatenate([vs[1:], np.asarray(last_value)[None]])
    return vs, rho * (rewards + discount * ahead - values)


@faulty("vtrace", "c-not-clipped")
def raw_ratio_in_the_trace(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    ratio = torch.exp(log_probs - old_log_probs)
    rho = torch.minimum(ratio, torch.full_like(ratio, rho_clip))
    discount = gamma * (~dones.bool())
    following = torch.cat([values[1:], last_value.unsqueeze(0)])
    acc, corrections = 0.0, []
    for t in reversed(range(len(rewards))):
        delta = rho[t] * (rewards[t] + discount[t] * following[t] - values[t])
        acc = delta + discount[t] * ratio[t] * acc
        corrections.append(acc)
    vs = torch.stack(corrections[::-1]) + values
    ahead = torch.cat([vs[1:], last_value.unsqueeze(0)])
    return vs, rho * (rewards + discount * ahead - values)
