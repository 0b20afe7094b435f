"""Advantages and lambda-returns as other code bases write them: classes, scans, closed forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- gae ------------------------------------------------------------------------------------------


@dataclass
class Estimates:
    advantages: np.ndarray
    value_targets: np.ndarray


class AdvantageEstimator:
    """Holds its hyper-parameters, as rollout workers do."""

    def __init__(self, gamma: float, gae_lambda: float) -> None:
        self.gamma = gamma
        self.gae_lambda = gae_lambda

    def process(self, rewards, values, next_values, terminations, truncations):
        horizon = len(rewards)
        advantages = np.zeros_like(values)
        running = np.zeros_like(values[0])
        for t in range(horizon - 1, -1, -1):
            td = rewards[t] + self.gamma * next_values[t] * (1 - terminations[t]) - values[t]
            going_on = 1 - np.maximum(terminations[t], truncations[t])
            running = td + self.gamma * self.gae_lambda * going_on * running
            advantages[t] = running
        return Estimates(advantages, advantages + values)


held_by_an_object = correct("gae", constants={"gamma": 0.97, "lam": 0.9})(
    AdvantageEstimator(0.97, 0.9).process
)


@correct("gae")
def by_a_matrix_of_decays(rew, val, next_val, done, gamma, lmbda):
    rew, val, next_val = (torch.as_tensor(x) for x in (rew, val, next_val))
    done = torch.as_tensor(done).to(rew.dtype)
    horizon = rew.shape[0]
    following = torch.cat([val[1:], next_val.unsqueeze(0)], dim=0)
    deltas = rew + gamma * following * (1 - done) - val
    # Episodes are told apart by how many ends lie before a step.
    episode = torch.cumsum(done, 0) - done
    same = (episode.unsqueeze(0) == episode.unsqueeze(1)).to(rew.dtype)
    steps = torch.arange(horizon, dtype=rew.dtype)
    ahead = steps.unsqueeze(0) - steps.unsqueeze(1)
    decay = torch.where(ahead >= 0, (gamma * lmbda) ** ahead.clamp(min=0), torch.zeros(()))
    return torch.einsum("tk,tkb,kb->tb", decay.to(rew.dtype), same, deltas)


class Transition(NamedTuple):
    advantage: jax.Array
    target: jax.Array


@correct("gae", bind={"next_value": "next_values"})
def scan_of_pairs(reward, value, next_value, terminated, truncated, gamma=0.99, gae_lambda=0.95):
    """`next_value` has a row for every step."""

    def step(carry, x):
        r, v, nv, term, trunc = x
        delta = r + gamma * nv * (1.0 - term) - v
        carry = delta + gamma * gae_lambda * (1.0 - term) * (1.0 - trunc) * carry
        return carry, Transition(carry, carry + v)

    term, trunc = (jnp.asarray(x, dtype=value.dtype) for x in (terminated, truncated))
    xs = (reward, value, next_value, term, trunc)
    _, out = jax.lax.scan(step, jnp.zeros_like(value[0]), xs, reverse=True, unroll=2)
    return out.advantage, out.target


@correct("gae")
def batch_first_with_one_more_value(rewards, values, dones, gamma=0.99, lam=0.95):
    """rewards and dones [B, T], values [B, T + 1]."""
    assert values.shape[1] == rewards.shape[1] + 1
    not_done = 1.0 - dones.to(rewards.dtype)
    deltas = rewards + gamma * values[:, 1:] * not_done - values[:, :-1]
    out, carry = [], torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        carry = deltas[:, t] + gamma * lam * not_done[:, t] * carry
        out.insert(0, carry)
    return torch.stack(out, dim=1)


@correct("gae")
def discounts_for_flags(r_t, discount_t, lambda_, values):
    """The discount of every step, 0 where the episode ended; values [T + 1]."""
    delta_t = r_t + discount_t * values[1:] - values[:-1]

    def body(acc, x):
        delta, discount = x
        acc = delta + discount * lambda_ * acc
        return acc, acc

    _, advantages = jax.lax.scan(
        body, jnp.zeros_like(delta_t[0]), (delta_t, discount_t), reverse=True
    )
    return advantages


@correct("gae")
def dictionary_of_both(
    rewards, values, bootstrap_value, terminateds, *, gamma, gae_lambda, device=None
):
    advantages = {}
    following, carry = bootstrap_value, 0.0
    for t in range(len(rewards))[::-1]:
        alive = 1.0 - terminateds[t]
        carry = rewards[t] + alive * gamma * (following + gae_lambda * carry) - values[t]
        following = values[t]
        advantages[t] = carry
    stacked = np.stack([advantages[t] for t in range(len(rewards))])
    return {"advantages": stacked, "returns": stacked + np.asarray(values)}


@correct("gae")
def from_lambda_returns(rewards, values, next_values, terminated, truncated, gamma, lam):
    """The target first, the value taken off at the end."""
    target = np.empty_like(values)
    for t in reversed(range(len(values))):
        last = t + 1 == len(values)
        stop = np.logical_or(terminated[t], truncated[t])
        later = next_values[t] if last else np.where(stop, next_values[t], target[t + 1])
        mixed = (1 - lam) * next_values[t] + lam * later
        target[t] = rewards[t] + gamma * np.where(terminated[t], 0.0, mixed)
    return target - values


@correct("gae")
def in_single_precision(rewards, values, last_values, dones, gamma: float, gae_lambda: float):
    rewards, values = rewards.float(), values.float()
    advantages = torch.zeros_like(rewards)
    last_gae_lam = 0
    for step in reversed(range(rewards.size(0))):
        next_values = last_values.float() if step == rewards.size(0) - 1 else values[step + 1]
        next_non_terminal = 1.0 - dones[step].float()
        delta = rewards[step] + gamma * next_values * next_non_terminal - values[step]
        last_gae_lam = delta + gamma * gae_lambda * next_non_terminal * last_gae_lam
        advantages[step] = last_gae_lam
    return advantages, advantages + values


@faulty("gae", "truncation-as-terminal")
def one_flag_made_of_two(
    rewards, values, next_values, terminations, truncations, gamma, gae_lambda
):
    stop = np.logical_or(terminations, truncations).astype(np.float64)
    adv, gae = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] * (1 - stop[t]) - values[t]
        adv[t] = gae = delta + gamma * gae_lambda * (1 - stop[t]) * gae
    return adv


@faulty("gae", "trace-seeded-with-last-value")
def carry_starts_from_the_value(rewards, values, last_val, dones, gamma, gae_lambda):
    def step(carry, x):
        gae, following = carry
        r, v, d = x
        delta = r + gamma * following * (1 - d) - v
        gae = delta + gamma * gae_lambda * (1 - d) * gae
        return (gae, v), gae

    xs = (rewards, values, dones.astype(values.dtype))
    _, advantages = jax.lax.scan(step, (last_val, last_val), xs, reverse=True)
    return advantages, advantages + values


@faulty("gae", "done-early")
def flag_of_the_row_below(rewards, values, last_value, dones, gamma, lam):
    horizon = rewards.shape[0]
    adv, running = torch.zeros_like(values), 0.0
    for t in reversed(range(horizon)):
        if t == horizon - 1:
            alive, following = 1.0 - dones[-1].double(), last_value
        else:
            alive, following = 1.0 - dones[t + 1].double(), values[t + 1]
        delta = rewards[t] + gamma * following * alive - values[t]
        adv[t] = running = delta + gamma * lam * alive * running
    return adv


@faulty("gae", "mask-only-on-bootstrap")
def carried_over_the_end(reward, value, next_value, done, gamma, lmbda):
    out = [0.0] * len(reward)
    following, carry = next_value, 0.0
    for t in reversed(range(len(reward))):
        bootstrap = 0.0 if done[t] else following
        carry = reward[t] + gamma * bootstrap - value[t] + gamma * lmbda * carry
        out[t], following = carry, value[t]
    return out


@faulty("gae")
def mask_on_the_wrong_value(rewards, values, next_values, terminated, truncated, gamma, lam):
    """1 - done multiplies V(s), not V(s')."""
    term = terminated.to(values.dtype)
    alive = 1 - torch.logical_or(terminated.bool(), truncated.bool()).to(values.dtype)
    delta = rewards + gamma * next_values - values * (1 - term)
    adv = torch.zeros_like(delta)
    carry = torch.zeros_like(delta[0])
    for t in reversed(range(delta.shape[0])):
        carry = delta[t] + gamma * lam * alive[t] * carry
        adv[t] = carry
    return adv


@faulty("gae")
def lambda_of_the_default(rewards, values, last_value, dones, gamma=0.99, lam=0.95):
    """lam is taken and 0.95 is used."""
    adv, carry = np.zeros_like(rewards), 0.0
    padded = np.concatenate([values, np.asarray(last_value)[None]])
    for t in reversed(range(len(rewards))):
        alive = 1.0 - dones[t]
        delta = rewards[t] + gamma * alive * padded[t + 1] - padded[t]
        adv[t] = carry = delta + gamma * 0.95 * alive * carry
    return adv


@faulty("gae", "end-in-any-environment")
def reset_when_any_is_done(rewards, values, last_value, terminated, gamma, lam):
    adv, carry = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    following = last_value
    for t in reversed(range(len(rewards))):
        if terminated[t].any():
            carry, following = torch.zeros_like(carry), torch.zeros_like(carry)
        carry = rewards[t] + gamma * following - values[t] + gamma * lam * carry
        adv[t], following = carry, values[t]
    return adv


@faulty("gae", "inputs-changed")
def bootstrap_written_into_the_rewards(
    rewards, values, next_values, terminated, truncated, gamma, lam
):
    cut = truncated & ~terminated
    rewards += gamma * next_values * cut
    stop = (terminated | truncated).astype(rewards.dtype)
    adv, carry = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        following = next_values[t]
        delta = rewards[t] + gamma * following * (1 - stop[t]) - values[t]
        adv[t] = carry = delta + gamma * lam * (1 - stop[t]) * carry
    return adv


# --- lambda-returns -------------------------------------------------------------------------------


@correct("lambda-returns")
def backward_view_of_dreamer(reward, value, bootstrap, not_done, gamma, lambda_):
    """interm_t = r_t + gamma_t (1 - lambda) v_{t+1};  G_t = interm_t + gamma_t lambda G_{t+1}."""
    discount = gamma * not_done
    following = torch.cat([value[1:], bootstrap[None]], 0)
    interm = reward + discount * following * (1 - lambda_)
    last, out = bootstrap, []
    for t in reversed(range(reward.shape[0])):
        last = interm[t] + discount[t] * lambda_ * last
        out.append(last)
    return torch.stack(out[::-1])


@correct("lambda-returns")
def advantage_plus_value(rews, vals, vals_next, terms, truncs, gamma, lam):
    adv, carry = jnp.zeros_like(rews), jnp.zeros_like(rews[0])
    for t in range(rews.shape[0] - 1, -1, -1):
        delta = rews[t] + gamma * (1 - terms[t]) * vals_next[t] - vals[t]
        carry = delta + gamma * lam * (1 - terms[t]) * (1 - truncs[t]) * carry
        adv = adv.at[t].set(carry)
    return adv + vals


@faulty("lambda-returns", "truncation-ignored")
def runs_through_the_time_limit(rewards, values, next_values, terminated, truncated, gamma, lam):
    out, carry = np.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        alive = 1.0 - terminated[t]
        carry = rewards[t] + gamma * alive * ((1 - lam) * next_values[t] + lam * carry)
        out[t] = carry
    return out


@faulty("lambda-returns", "lambda-complement")
def weights_the_wrong_way_round(rewards, values, last_value, dones, gamma, lam):
    following, carry, out = last_value, last_value, []
    for r, v, d in zip(reversed(rewards), reversed(values), reversed(dones), strict=True):
        carry = r + gamma * (1 - d) * (lam * following + (1 - lam) * carry)
        following = v
        out.insert(0, carry)
    return np.array(out)


@faulty("lambda-returns", "mask-only-on-bootstrap", bind={"next_value": "next_values"})
def carry_not_masked(reward, next_value, done, gamma, lam):
    carry, out = next_value[-1] * (1 - done[-1].double()), []
    for t in reversed(range(len(reward))):
        one_step = (1 - done[t].double()) * next_value[t]
        carry = reward[t] + gamma * ((1 - lam) * one_step + lam * carry)
        out.append(carry)
    return torch.stack(out[::-1])


@faulty("lambda-returns", "value-subtracted")
def advantages_under_the_name_of_returns(rewards, values, last_value, dones, gamma, gae_lambda):
    alive = 1.0 - dones
    following = np.vstack([values[1:], np.asarray(last_value)[None]])
    delta = rewards + gamma * alive * following - values
    out, carry = np.empty_like(delta), np.zeros_like(delta[0])
    for t in reversed(range(len(delta))):
        carry = delta[t] + gamma * gae_lambda * alive[t] * carry
        out[t] = carry
    return out
