"""Around networks: dueling heads, target networks, shaped rewards."""

from __future__ import annotations

import copy

import jax
import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- dueling --------------------------------------------------------------------------------------


@correct("dueling-q")
def centred(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.mean(dim=1, keepdim=True)


@correct("dueling-q", dialect={"centre": "max"})
def best_action_is_the_value(value, advantage):
    return value + (advantage - jnp.max(advantage, axis=-1, keepdims=True))


@correct("dueling-q")
def loop_over_states(values, advantages):
    out = np.zeros_like(advantages)
    for i, row in enumerate(advantages):
        for a in range(len(row)):
            out[i, a] = np.ravel(values[i])[0] + row[a] - sum(row) / len(row)
    return out


@faulty("dueling-q", "centred-over-everything")
def mean_without_axis(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.mean()


@faulty("dueling-q", "centred-over-the-batch")
def mean_over_axis_zero(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.mean(0, keepdim=True)


@faulty("dueling-q", "not-centred")
def plain_sum(state_values, action_advantages):
    return state_values + action_advantages


@faulty("dueling-q", "sum-for-mean")
def sum_taken_off(state_values, action_advantages):
    return state_values + action_advantages - action_advantages.sum(axis=1, keepdims=True)


@faulty("dueling-q", "value-centred-too")
def mean_of_the_combination(state_values, action_advantages):
    """Value and advantages are added first, then all of it is centred over the batch's values."""
    q = state_values - state_values.mean() + action_advantages
    return q - action_advantages.mean(1, keepdim=True)


# --- target networks ------------------------------------------------------------------------------


@correct("polyak-update")
def state_dicts(target, online, tau):
    own, other = target.state_dict(), online.state_dict()
    for name, item in own.items():
        if item.dtype.is_floating_point:
            item.mul_(1 - tau).add_(other[name], alpha=tau)
        else:
            item.copy_(other[name])


@correct("polyak-update")
def parameters_and_buffers(target, online, tau):
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            p.lerp_(q, tau)
        for b, c in zip(target.buffers(), online.buffers(), strict=True):
            b.copy_(c)


@correct("polyak-update", dialect={"tau_weighs": "target"})
def decay_convention(target, online, tau):
    for name in target:
        target[name][...] = tau * target[name] + (1 - tau) * online[name]


@faulty("polyak-update", "networks-swapped")
def online_follows(target, online, tau):
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            q.copy_(tau * p + (1 - tau) * q)


@faulty("polyak-update", "storage-shared")
def data_assigned(target, online, tau):
    for p, q in zip(target.parameters(), online.parameters(), strict=True):
        p.data = q.data
    for b, c in zip(target.buffers(), online.buffers(), strict=True):
        b.copy_(c)


@faulty("polyak-update", "never-updated")
def local_copy_updated(target, online, tau):
    """The average is loaded into a copy, and the copy is thrown away."""
    target = copy.deepcopy(target)
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            p.mul_(1 - tau).add_(tau * q)


@faulty("polyak-update", "target-not-decayed")
def only_added(target, online, tau):
    with torch.no_grad():
        for p, q in zip(target.parameters(), online.parameters(), strict=True):
            p.add_(tau * q)
        for b, c in zip(target.buffers(), online.buffers(), strict=True):
            b.copy_(c)


@faulty("polyak-update", "parameters-left-out")
def weights_only(target, online, tau):
    other = dict(online.named_parameters())
    with torch.no_grad():
        for name, p in target.named_parameters():
            if "weight" in name:
                p.copy_(tau * other[name] + (1 - tau) * p)
        for b, c in zip(target.buffers(), online.buffers(), strict=True):
            b.copy_(c)


# --- shaping --------------------------------------------------------------------------------------


@correct("potential-shaping")
def difference_of_potentials(potential, next_potential, terminated, gamma):
    return gamma * np.where(terminated, 0.0, next_potential) - potential


@correct("potential-shaping")
def shaped_reward(rewards, phi, next_phi, dones, gamma):
    return rewards + gamma * (1.0 - dones.to(phi.dtype)) * next_phi - phi


@correct("potential-shaping")
def jax_not_done_mask(potential, next_potential, not_done, discount):
    return discount * not_done * next_potential - potential


@faulty("potential-shaping", "terminal-potential-counted")
def terminal_keeps_its_potential(potential, next_potential, terminated, gamma):
    return gamma * next_potential - potential


@faulty("potential-shaping", "gamma-missing")
def undiscounted_difference(potential, next_potential, terminated, gamma):
    return next_potential * (1 - terminated) - potential


@faulty("potential-shaping", "whole-term-masked")
def nothing_at_the_end(potential, next_potential, terminated, gamma):
    return (1 - terminated.to(potential.dtype)) * (gamma * next_potential - potential)


@faulty("potential-shaping", "potentials-swapped", "sign-flipped")
def backwards(potential, next_potential, terminated, gamma):
    following = np.where(terminated, 0.0, next_potential)
    return gamma * potential - following


@faulty("potential-shaping", "only-progress-paid")
def progress_bonus(potential, next_potential, terminated, gamma):
    return jnp.maximum(gamma * jnp.where(terminated, 0.0, next_potential) - potential, 0.0)


@faulty("potential-shaping", "gamma-hard-coded")
def discount_of_a_constant(potential, next_potential, terminated, gamma=0.99):
    return 0.99 * jax.numpy.where(terminated, 0.0, next_potential) - potential
