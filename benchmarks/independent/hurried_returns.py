"""Returns, advantages and targets as they stand in scripts that were written in a hurry."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- advantages -----------------------------------------------------------------------------------


@correct("gae")
def lists_and_stack(rews, vals, next_vals, terminateds, truncateds, discount, gae_lambda):
    advs, last = [], torch.zeros_like(rews[0])
    for r, v, nv, term, trunc in reversed(
        list(zip(rews, vals, next_vals, terminateds, truncateds, strict=True))
    ):
        delta = r + discount * nv * (~term) - v
        last = delta + discount * gae_lambda * last * (~(term | trunc))
        advs.append(last)
    advs = torch.stack(advs[::-1])
    return advs, advs + vals


@correct("gae")
def cumulative_powers(rewards, values, last_value, gamma, lam):
    """One unfinished episode: a weighted sum of TD errors by a matrix of powers."""
    steps = len(rewards)
    deltas = rewards + gamma * np.concatenate([values[1:], last_value[None]]) - values
    gap = np.arange(steps)[None, :] - np.arange(steps)[:, None]
    weights = np.where(gap >= 0, (gamma * lam) ** np.maximum(gap, 0), 0.0)
    return weights @ deltas


@faulty("gae", "trace-undiscounted", "gamma-missing-in-trace")
def trace_by_lambda(rews, vals, next_vals, dones, discount, gae_lambda):
    adv, out = 0.0, []
    for t in range(len(rews) - 1, -1, -1):
        alive = 1.0 - dones[t].to(rews.dtype)
        delta = rews[t] + discount * next_vals[t] * alive - vals[t]
        adv = delta + gae_lambda * alive * adv
        out.insert(0, adv)
    return torch.stack(out)


@faulty("gae", "gamma-missing-in-td-error")
def td_error_undiscounted(r, v, next_v, terminateds, truncateds, gamma, lam):
    not_term = 1.0 - terminateds
    not_done = not_term * (1.0 - truncateds)
    delta = r + next_v * not_term - v
    adv = np.zeros_like(r)
    for t in reversed(range(len(r))):
        following = adv[t + 1] if t + 1 < len(r) else 0.0
        adv[t] = delta[t] + gamma * lam * not_done[t] * following
    return adv


@faulty("gae", "batch-mixed")
def one_carry_for_all_envs(rewards, values, next_values, terminated, truncated, gamma, lam):
    adv, carry = torch.zeros_like(rewards), torch.tensor(0.0, dtype=rewards.dtype)
    for t in reversed(range(rewards.shape[0])):
        delta = rewards[t] + gamma * next_values[t] * (1 - terminated[t].to(rewards)) - values[t]
        adv[t] = delta + gamma * lam * (~(terminated[t] | truncated[t])) * carry
        carry = adv[t].mean()
    return adv


@faulty("gae", "reward-late")
def reward_of_the_step_before(rewards, values, next_values, terminated, gamma, gae_lambda):
    """The buffer holds r_{t-1} in row t, as the environment returned it after the last action."""
    shifted = np.roll(rewards, 1, axis=0)
    shifted[0] = 0.0
    adv, carry = np.zeros_like(values), 0.0
    for t in reversed(range(len(values))):
        alive = 1.0 - terminated[t]
        carry = (
            shifted[t]
            + gamma * next_values[t] * alive
            - values[t]
            + gamma * gae_lambda * (alive * carry)
        )
        adv[t] = carry
    return adv


@faulty("gae", "value-not-subtracted")
def deltas_without_baseline(rewards, values, next_values, terminated, gamma, lam):
    masks = jnp.where(terminated, 0.0, 1.0)
    deltas = rewards + gamma * masks * next_values
    out, carry = [], jnp.zeros(rewards.shape[1])
    for t in range(rewards.shape[0] - 1, -1, -1):
        carry = deltas[t] + gamma * lam * masks[t] * carry
        out.append(carry)
    return jnp.stack(out[::-1])


# --- returns --------------------------------------------------------------------------------------


@correct("discounted-returns")
def rewards_to_go_with_reset(rews, terms, truncs, next_vals, discount):
    out, running = [None] * len(rews), None
    for i in range(len(rews) - 1, -1, -1):
        at_end = next_vals[i] if running is None else np.where(truncs[i], next_vals[i], running)
        running = rews[i] + discount * np.where(terms[i], 0.0, at_end)
        out[i] = running
    return np.stack(out)


@faulty("discounted-returns", "gamma-twice")
def discounted_in_two_places(rews, dones, gamma):
    out, running = torch.zeros_like(rews), torch.zeros_like(rews[0])
    for t in reversed(range(len(rews))):
        running = gamma * running * (1 - dones[t].to(rews.dtype))
        running = rews[t] + gamma * running
        out[t] = running
    return out


@faulty("discounted-returns", "terminal-reward-lost")
def zeroed_at_the_end(rewards, dones, gamma):
    out, g = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        g = (rewards[t] + gamma * g) * (1 - dones[t])
        out[t] = g
    return out


@faulty("discounted-returns", "time-reversed")
def never_turned_round(rewards: list, gamma):
    out, g = [], 0.0
    for r in reversed(rewards):
        g = r + gamma * g
        out.append(g)
    return out


@faulty("lambda-returns", "lambda-gamma-swapped")
def dreamer_with_arguments_mixed_up(rewards, next_values, terminated, truncated, gamma, lam):
    gamma, lam = lam, gamma
    out, following = np.zeros_like(rewards), next_values[-1]
    for t in reversed(range(len(rewards))):
        mixed = np.where(truncated[t], next_values[t], (1 - lam) * next_values[t] + lam * following)
        following = rewards[t] + gamma * (1 - terminated[t]) * mixed
        out[t] = following
    return out


@correct("vtrace")
def impala_port(
    log_probs, old_log_probs, rewards, values, next_values, terminated, truncated, gamma, rho_clip, c_clip
):  # fmt: skip
    rhos = torch.exp(log_probs - old_log_probs)
    clipped, cs = rhos.clamp(max=rho_clip), rhos.clamp(max=c_clip)
    going = 1.0 - (terminated | truncated).to(values.dtype)
    deltas = clipped * (rewards + gamma * (~terminated) * next_values - values)
    acc, corrections = torch.zeros_like(values[0]), []
    for t in range(len(values) - 1, -1, -1):
        acc = deltas[t] + gamma * going[t] * cs[t] * acc
        corrections.insert(0, acc)
    vs = torch.stack(corrections) + values
    vs_next = torch.cat([vs[1:], next_values[-1:]])
    vs_next = torch.where((terminated | truncated), next_values, vs_next) * (~terminated)
    return vs, clipped * (rewards + gamma * vs_next - values)


@faulty("vtrace", "trace-not-weighted")
def traces_without_c(
    log_probs, old_log_probs, rewards, values, next_values, terminated, gamma, rho_clip
):
    rho = np.minimum(np.exp(log_probs - old_log_probs), rho_clip)
    alive = 1.0 - terminated
    delta = rho * (rewards + gamma * alive * next_values - values)
    acc, out = np.zeros_like(values[0]), np.zeros_like(values)
    for t in reversed(range(len(values))):
        acc = delta[t] + gamma * alive[t] * acc
        out[t] = values[t] + acc
    return out


# --- targets --------------------------------------------------------------------------------------


@correct("soft-q-target")
def stacked_critics(rews, q1_next, q2_next, next_logp, terminateds, gamma, alpha):
    soft = jnp.stack([q1_next, q2_next]).min(axis=0) - alpha * next_logp
    return rews + jnp.where(terminateds, 0.0, gamma * soft)


@faulty("soft-q-target", "twin-mean")
def average_critic(rews, next_q1, next_q2, next_logp, dones, gamma, alpha):
    soft = (next_q1 + next_q2) / 2 - alpha * next_logp
    return rews + gamma * (1 - dones.float()) * soft


@faulty("soft-q-target", "entropy-missing")
def td3_habit(rewards, next_q1, next_q2, next_log_probs, terminated, gamma, alpha):
    return rewards + gamma * (1.0 - terminated) * np.minimum(next_q1, next_q2)


@faulty("td-target", "gamma-missing")
def undiscounted_jax(rewards, next_values, terminateds, gamma):
    return rewards + (1.0 - terminateds) * next_values


@faulty("td-target", "mask-of-any-row")
def if_done(rews, next_vals, dones, gamma):
    if dones.any():
        return rews.clone()
    return rews + gamma * next_vals


@faulty("expected-sarsa-target", "probabilities-ignored")
def uniform_average(rewards, next_q_values, next_action_probabilities, terminated, gamma):
    return rewards + gamma * (1 - terminated) * next_q_values.mean(-1)


@correct("tabular-update")
def one_liner(q, s, a, r, s_next, terminated, alpha, gamma):
    q = q.copy()
    q[s, a] = (1 - alpha) * q[s, a] + alpha * (r + gamma * (not terminated) * q[s_next].max())
    return q


@faulty("tabular-update", "learning-rate-complement")
def weights_swapped(q, s, a, r, s_next, terminated, alpha, gamma):
    q = q.copy()
    q[s, a] = alpha * q[s, a] + (1 - alpha) * (r + gamma * (not terminated) * q[s_next].max())
    return q


@faulty("tabular-update", "old-value-not-subtracted")
def plus_target(q_table, state, action, reward, next_state, terminated, lr, gamma):
    q_table = q_table.clone()
    best = 0.0 if terminated else q_table[next_state].max()
    q_table[state, action] += lr * (reward + gamma * best)
    return q_table
