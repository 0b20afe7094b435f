"""Correct functions whose choices are legitimate and unusual: rollouts, targets, rules, tables."""

from __future__ import annotations

from itertools import accumulate

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.stats
import torch
import torch.nn.functional as F
from torch.distributions import Categorical

from benchmarks.independent.records import correct


@correct("gae")
def storage_with_one_more_row(rewards, value_preds, masks, gamma, gae_lambda):
    """value_preds and masks have a row more than rewards; masks[t] is 0 where row t begins anew."""
    gae, out = 0, []
    for step in reversed(range(rewards.size(0))):
        delta = rewards[step] + gamma * value_preds[step + 1] * masks[step + 1] - value_preds[step]
        gae = delta + gamma * gae_lambda * masks[step + 1] * gae
        out.append(gae)
    return torch.stack(out[::-1])


@correct("gae")
def time_is_the_last_but_one(
    gamma, lmbda, state_value, next_state_value, reward, done, terminated, *, time_dim=-2
):
    """All arrays [B, T, 1]; `done` is terminated or truncated."""
    not_done, alive = (~done.bool()).to(reward.dtype), (~terminated.bool()).to(reward.dtype)
    delta = reward + gamma * next_state_value * alive - state_value
    advantage = torch.empty_like(delta)
    carry = torch.zeros_like(delta.select(time_dim, 0))
    for t in reversed(range(delta.shape[time_dim])):
        carry = delta.select(time_dim, t) + gamma * lmbda * not_done.select(time_dim, t) * carry
        advantage.select(time_dim, t).copy_(carry)
    return advantage, advantage + state_value


@correct("gae")
def associative_scan(rewards, values, last_value, dones, gamma, gae_lambda):
    alive = 1.0 - dones.astype(values.dtype)
    following = jnp.concatenate([values[1:], last_value[None]], axis=0)
    delta = rewards + gamma * following * alive - values

    def combine(later, earlier):
        return later[0] * earlier[0], earlier[1] + earlier[0] * later[1]

    decay = gamma * gae_lambda * alive
    _, advantages = jax.lax.associative_scan(combine, (decay, delta), reverse=True, axis=0)
    return advantages


@correct("gae")
def reset_by_multiplying_before(rewards, values, dones, last_value, gamma=0.99, lam=0.95):
    """float32 buffers, in place, over NumPy arrays."""
    advantages = np.zeros(np.shape(rewards), dtype=np.float32)
    lastgaelam = np.zeros(np.shape(rewards)[1:], dtype=np.float32)
    for t in range(len(rewards) - 1, -1, -1):
        lastgaelam *= gamma * lam * (1 - dones[t])
        after = last_value if t == len(rewards) - 1 else values[t + 1]
        lastgaelam += rewards[t] + gamma * after * (1 - dones[t]) - values[t]
        advantages[t] = lastgaelam
    return advantages


@correct("discounted-returns")
def accumulated_from_the_end(rewards, gamma):
    return list(accumulate(reversed(list(rewards)), lambda later, r: r + gamma * later))[::-1]


@correct("discounted-returns")
def toeplitz_of_powers(rewards, gamma):
    powers = np.power(float(gamma), np.arange(len(rewards)))
    upper = np.triu(scipy.linalg.toeplitz(powers))
    return upper @ rewards


@correct("n-step-returns")
def convolution_of_rewards(rewards, next_values, gamma, n):
    """No ends: one stream that goes on, cut by the end of the rollout only."""
    horizon = rewards.shape[0]
    kernel = (gamma ** torch.arange(n, dtype=rewards.dtype)).reshape(1, 1, n)
    columns = F.pad(rewards.reshape(horizon, -1).T.unsqueeze(1), (0, n - 1))
    sums = F.conv1d(columns, kernel).squeeze(1).T.reshape(rewards.shape)
    steps = torch.arange(horizon)
    last = torch.clamp(steps + n - 1, max=horizon - 1)
    power = gamma ** (last - steps + 1).to(rewards.dtype)
    return sums + power.reshape(-1, *[1] * (rewards.dim() - 1)) * next_values[last]


@correct("lambda-returns")
def mixture_written_out(rewards, values, last_value, dones, gamma, lam):
    """(1 - lam) sum_n lam^(n-1) G^(n), by the definition."""
    horizon = len(rewards)
    v = np.concatenate([values, np.asarray(last_value)[None]])
    out = np.zeros_like(rewards)
    for b in np.ndindex(rewards.shape[1:]):
        for t in range(horizon):
            ends = [k for k in range(t, horizon) if dones[(k, *b)]]
            steps = (ends[0] if ends else horizon - 1) - t + 1
            total = 0.0
            for n in range(1, steps + 1):
                g = sum(gamma**j * rewards[(t + j, *b)] for j in range(n))
                over = bool(ends) and n == steps
                g += 0.0 if over else gamma**n * v[(t + n, *b)]
                total += (lam ** (n - 1)) * (1.0 if n == steps else 1 - lam) * g
            out[(t, *b)] = total
    return out


@correct("td-target")
def fused_by_addcmul(r, v_next, done, gamma):
    return torch.addcmul(r, 1.0 - done.to(r.dtype), v_next, value=gamma)


@correct("q-learning-target")
def top_one(rewards, next_q_values, terminated, truncated, gamma=0.99):
    """Truncation is named and left alone."""
    best = torch.topk(next_q_values, k=1, dim=1).values.squeeze(1)
    best[terminated.bool()] = 0.0
    return rewards + gamma * best


@correct("double-q-target")
def advanced_indexing(next_q_online, next_q_target, rewards, not_done, gamma):
    rows = torch.arange(next_q_online.size(0))
    return rewards + gamma * not_done * next_q_target[rows, next_q_online.argmax(-1)]


@correct("soft-q-target")
def minimum_of_a_stack(r, d, target_q1, target_q2, next_logp, gamma=0.99, alpha=0.2):
    q = jnp.min(jnp.stack([target_q1, target_q2], axis=0), axis=0)
    return jax.lax.stop_gradient(r + gamma * jnp.where(d, 0.0, q - alpha * next_logp))


@correct("expected-sarsa-target")
def einsum_over_actions(rewards, next_q_values, next_action_probs, dones, gamma):
    v = np.einsum("ij,ij->i", next_action_probs, next_q_values)
    return rewards + np.where(dones.astype(bool), 0.0, gamma * v)


@correct("potential-shaping")
def both_flags_named(potential, next_potential, terminated, truncated, gamma):
    del truncated
    return jnp.where(terminated, -potential, gamma * next_potential - potential)


@correct("entropy")
def entropy_of_scipy(probs):
    return scipy.stats.entropy(probs, axis=-1)


@correct("entropy")
def of_the_distribution(action_logits):
    return Categorical(logits=action_logits).entropy()


@correct("categorical-log-prob")
def logarithm_of_given_probabilities(probs, actions):
    return torch.log(probs.gather(-1, actions.unsqueeze(-1)).squeeze(-1))


@correct("gaussian-log-prob")
def sum_of_logpdf(mean, std, action):
    return scipy.stats.norm(mean, std).logpdf(action).sum(axis=-1)


class LinearSchedule:
    """From `initial_p` to `final_p` in `schedule_timesteps`."""

    def __init__(self, schedule_timesteps, final_p, initial_p=1.0):
        self.schedule_timesteps, self.final_p, self.initial_p = (
            schedule_timesteps,
            final_p,
            initial_p,
        )

    def value(self, step):
        fraction = min(float(step) / self.schedule_timesteps, 1.0)
        return self.initial_p + fraction * (self.final_p - self.initial_p)


schedule_of_an_object = correct(
    "epsilon-schedule", constants={"start": 1.0, "end": 0.02, "decay_steps": 200}
)(LinearSchedule(200, 0.02).value)


@correct("epsilon-greedy")
def rows_decide_apart(q_values, epsilon, generator=None):
    q_values = torch.as_tensor(q_values)
    rows = q_values.shape[:-1]
    anything = torch.randint(q_values.shape[-1], rows, generator=generator)
    explore = torch.rand(rows, generator=generator) < epsilon
    return torch.where(explore, anything, q_values.argmax(-1))


@correct("boltzmann")
def inverse_of_the_cumulative_sum(q_values, temperature, rng):
    z = np.asarray(q_values, dtype=float)
    p = np.exp((z - z.max()) / temperature)
    return int(np.searchsorted(np.cumsum(p) / p.sum(), rng.random(), side="right"))


@correct("ucb")
def random_among_the_best(q_values, counts, step, c, rng):
    untried = np.flatnonzero(np.asarray(counts) == 0)
    if untried.size:
        return int(rng.choice(untried))
    scores = np.asarray(q_values) + c * np.sqrt(np.log(step) / np.asarray(counts))
    return int(rng.choice(np.flatnonzero(scores == scores.max())))


@correct("policy-evaluation")
def actions_first(transitions, rewards, policy, gamma, tol=1e-10):
    """transitions [A, S, S], rewards [S, A]."""
    states = transitions.shape[1]
    p = np.zeros((states, states))
    for a, matrix in enumerate(transitions):
        p += policy[:, a : a + 1] * matrix
    r = np.sum(policy * rewards, axis=1)
    v = np.zeros(states)
    while True:
        new = r + gamma * p.dot(v)
        if np.linalg.norm(new - v, np.inf) < tol:
            return new
        v = new


@correct("value-iteration")
def linear_program(P, R, gamma):
    """Minimise the sum of values above all Bellman backups; rewards [S, A]."""
    states, actions, _ = P.shape
    backup = np.repeat(np.eye(states), actions, axis=0) - gamma * P.reshape(-1, states)
    solved = scipy.optimize.linprog(
        np.ones(states), A_ub=-backup, b_ub=-R.reshape(-1), bounds=(None, None), method="highs"
    )
    return solved.x


@correct("tabular-update")
def table_in_torch(q_table, state, action, reward, next_state, terminated, lr, gamma):
    q_table = q_table.clone()
    target = reward if terminated else reward + gamma * q_table[next_state].max()
    q_table[state, action] = torch.lerp(
        q_table[state, action], torch.as_tensor(target, dtype=q_table.dtype), lr
    )
    return q_table
