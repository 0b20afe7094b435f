"""TD(lambda) returns and V-trace."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- TD(lambda) -----------------------------------------------------------------------------------


@correct("lambda-returns")
def recursion_on_returns(rewards, next_values, terminated, truncated, gamma, lam):
    """G_t = r_t + gamma ((1 - lam) V(s_{t+1}) + lam G_{t+1}), cut at ends."""
    out = np.zeros_like(rewards)
    following = next_values[-1]
    for t in range(len(rewards) - 1, -1, -1):
        inner = np.where(truncated[t], next_values[t], following)
        mixed = (1 - lam) * next_values[t] + lam * inner
        following = rewards[t] + gamma * np.where(terminated[t], 0.0, mixed)
        out[t] = following
    return out


@correct("lambda-returns")
def advantages_plus_values(rewards, values, next_values, terminated, truncated, gamma, lam):
    alive = 1.0 - terminated.to(rewards.dtype)
    going = alive * (1.0 - truncated.to(rewards.dtype))
    delta = rewards + gamma * alive * next_values - values
    carry, out = torch.zeros_like(delta[0]), []
    for d, g in zip(delta.flip(0), going.flip(0), strict=True):
        carry = d + gamma * lam * g * carry
        out.append(carry)
    return torch.stack(out).flip(0) + values


@correct("lambda-returns")
def dreamer_like(rewards, values, last_value, dones, discount, lmbda):
    following = jnp.concatenate([values[1:], jnp.asarray(last_value)[None]])
    pcont = discount * (1.0 - dones)
    inputs = rewards + pcont * following * (1 - lmbda)

    def step(carry, row):
        x, p = row
        carry = x + p * lmbda * carry
        return carry, carry

    _, out = jax.lax.scan(step, jnp.asarray(last_value), (inputs, pcont), reverse=True)
    return out


@faulty("lambda-returns", "lambda-complement")
def weights_exchanged(rewards, next_values, terminated, truncated, gamma, lam):
    out, following = np.zeros_like(rewards), next_values[-1]
    for t in range(len(rewards) - 1, -1, -1):
        inner = np.where(truncated[t], next_values[t], following)
        mixed = lam * next_values[t] + (1 - lam) * inner
        following = rewards[t] + gamma * (1 - terminated[t]) * mixed
        out[t] = following
    return out


@faulty("lambda-returns", "mask-only-on-bootstrap")
def q_lambda_carry_unmasked(rewards, values, last_value, dones, gamma, lam):
    nxt = np.concatenate([values[1:], np.asarray(last_value)[None]])
    out, g = np.zeros_like(rewards), last_value * (1 - dones[-1])
    for t in reversed(range(len(rewards))):
        bootstrap = nxt[t] * (1 - dones[t])
        g = rewards[t] + gamma * ((1 - lam) * bootstrap + lam * g)
        out[t] = g
    return out


@faulty("lambda-returns", "bootstrap-from-own-value")
def values_not_shifted(rewards, values, last_value, dones, gamma, lam):
    out, g = torch.zeros_like(rewards), last_value
    for t in reversed(range(rewards.shape[0])):
        alive = 1 - dones[t].to(rewards.dtype)
        g = rewards[t] + gamma * alive * ((1 - lam) * values[t] + lam * g)
        out[t] = g
    return out


@faulty("lambda-returns", "value-subtracted")
def advantages_returned(rewards, values, next_values, terminated, truncated, gamma, lam):
    going = 1 - np.maximum(terminated, truncated)
    delta = rewards + gamma * (1 - terminated) * next_values - values
    out, carry = np.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        carry = delta[t] + gamma * lam * going[t] * carry
        out[t] = carry
    return out


@faulty("lambda-returns", "reward-late", "reward-early")
def rewards_from_one(rewards, values, last_value, gamma, lam):
    """Rewards of the following step, as after an alignment by `rewards[1:]`."""
    shifted = np.concatenate([rewards[1:], np.zeros_like(rewards[:1])])
    nxt = np.concatenate([values[1:], np.asarray(last_value)[None]])
    out, g = np.zeros_like(rewards), last_value
    for t in reversed(range(len(rewards))):
        g = shifted[t] + gamma * ((1 - lam) * nxt[t] + lam * g)
        out[t] = g
    return out


@faulty("lambda-returns", "truncation-as-terminal")
def one_mask_for_both(rewards, next_values, terminated, truncated, gamma, lam):
    alive = 1 - np.logical_or(terminated, truncated)
    out, g = np.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        g = rewards[t] + gamma * alive[t] * ((1 - lam) * next_values[t] + lam * g)
        out[t] = g
    return out


# --- V-trace --------------------------------------------------------------------------------------


@correct("vtrace")
def numpy_recursion(
    log_probs,
    old_log_probs,
    rewards,
    values,
    next_values,
    terminated,
    truncated,
    gamma,
    rho_clip,
    c_clip,
):
    ratio = np.exp(log_probs - old_log_probs)
    rho, c = np.minimum(ratio, rho_clip), np.minimum(ratio, c_clip)
    alive = 1.0 - terminated
    going = alive * (1.0 - truncated)
    delta = rho * (rewards + gamma * alive * next_values - values)
    vs, carry = np.zeros_like(values), np.zeros_like(values[0])
    for t in reversed(range(len(values))):
        carry = delta[t] + gamma * going[t] * c[t] * carry
        vs[t] = values[t] + carry
    following = np.where(going[:-1] > 0, vs[1:], next_values[:-1] * alive[:-1])
    following = np.concatenate([following, (next_values * alive)[-1:]])
    return vs, rho * (rewards + gamma * following - values)


@correct("vtrace")
def torch_definition(
    target_log_probs,
    behaviour_log_probs,
    rewards,
    values,
    bootstrap_value,
    dones,
    gamma,
    clip_rho_threshold,
    clip_c_threshold,
):
    """The sum of the definition, one flag, the value after the last step beside the others."""
    ratio = torch.exp(target_log_probs - behaviour_log_probs)
    rho, c = ratio.clamp(max=clip_rho_threshold), ratio.clamp(max=clip_c_threshold)
    discounts = gamma * (1 - dones.to(rewards.dtype))
    after = torch.cat([values[1:], bootstrap_value[None]])
    delta = rho * (rewards + discounts * after - values)
    vs = values.clone()
    for s in range(len(values)):
        weight = torch.ones_like(values[0])
        for t in range(s, len(values)):
            vs[s] = vs[s] + weight * delta[t]
            weight = weight * discounts[t] * c[t]
    vs_after = torch.cat([vs[1:], bootstrap_value[None]])
    return vs, rho * (rewards + discounts * vs_after - values)


@faulty("vtrace", "ratio-inverted")
def behaviour_minus_target(
    log_probs,
    old_log_probs,
    rewards,
    values,
    next_values,
    terminated,
    truncated,
    gamma,
    rho_clip,
    c_clip,
):
    return numpy_recursion.function(
        old_log_probs,
        log_probs,
        rewards,
        values,
        next_values,
        terminated,
        truncated,
        gamma,
        rho_clip,
        c_clip,
    )


@faulty("vtrace", "clips-swapped")
def thresholds_in_the_wrong_order(
    log_probs,
    old_log_probs,
    rewards,
    values,
    next_values,
    terminated,
    truncated,
    gamma,
    rho_clip,
    c_clip,
):
    return numpy_recursion.function(
        log_probs,
        old_log_probs,
        rewards,
        values,
        next_values,
        terminated,
        truncated,
        gamma,
        c_clip,
        rho_clip,
    )


@faulty("vtrace", "advantage-of-values")
def advantage_looks_one_step_ahead(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    ratio = np.exp(log_probs - old_log_probs)
    rho, c = np.minimum(ratio, rho_clip), np.minimum(ratio, c_clip)
    discounts = gamma * (1 - dones)
    after = np.concatenate([values[1:], np.asarray(last_value)[None]])
    delta = rho * (rewards + discounts * after - values)
    vs, carry = np.zeros_like(values), 0.0
    for t in reversed(range(len(values))):
        carry = delta[t] + discounts[t] * c[t] * carry
        vs[t] = values[t] + carry
    return vs, rho * (rewards + discounts * after - values)


@faulty("vtrace", "trace-index-shifted")
def trace_of_the_next_step(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    ratio = torch.exp(log_probs - old_log_probs)
    rho, c = ratio.clamp(max=rho_clip), ratio.clamp(max=c_clip)
    discounts = gamma * (1 - dones.to(rewards.dtype))
    after = torch.cat([values[1:], last_value[None]])
    delta = rho * (rewards + discounts * after - values)
    out, carry = torch.zeros_like(values), torch.zeros_like(values[0])
    for t in reversed(range(len(values))):
        weight = c[t + 1] if t + 1 < len(values) else 1.0
        carry = delta[t] + discounts[t] * weight * carry
        out[t] = values[t] + carry
    vs_after = torch.cat([out[1:], last_value[None]])
    return out, rho * (rewards + discounts * vs_after - values)


@faulty("vtrace", "rho-not-clipped")
def importance_weight_unbounded(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    rho = np.exp(log_probs - old_log_probs)
    c = np.minimum(rho, c_clip)
    discounts = gamma * (1 - dones)
    after = np.concatenate([values[1:], np.asarray(last_value)[None]])
    delta = rho * (rewards + discounts * after - values)
    vs, carry = np.zeros_like(values), 0.0
    for t in reversed(range(len(values))):
        carry = delta[t] + discounts[t] * c[t] * carry
        vs[t] = values[t] + carry
    vs_after = np.concatenate([vs[1:], np.asarray(last_value)[None]])
    pg = np.minimum(rho, rho_clip) * (rewards + discounts * vs_after - values)
    return vs, pg


@faulty("vtrace", "advantage-of-own-target")
def targets_not_shifted(
    log_probs, old_log_probs, rewards, values, last_value, dones, gamma, rho_clip, c_clip
):
    ratio = np.exp(log_probs - old_log_probs)
    rho, c = np.minimum(ratio, rho_clip), np.minimum(ratio, c_clip)
    discounts = gamma * (1 - dones)
    after = np.concatenate([values[1:], np.asarray(last_value)[None]])
    delta = rho * (rewards + discounts * after - values)
    vs, carry = np.zeros_like(values), 0.0
    for t in reversed(range(len(values))):
        carry = delta[t] + discounts[t] * c[t] * carry
        vs[t] = values[t] + carry
    return vs, rho * (rewards + discounts * vs - values)
