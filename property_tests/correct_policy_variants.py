"""Correct implementations around a policy in the forms that users write them, for self tests.

Log-probabilities, entropies, normalised advantages and shaping terms: loops and vectorised forms, other
names and orders of parameters, masks of both polarities, columns, one state at a time. They share no code
with the oracles, and none of them may ever fail a check.
"""

from __future__ import annotations

import math

import numpy as np

from property_tests.framework.records import Model


def log_prob_by_log_sum_exp(logits, actions):
    """Largest logit subtracted, one line each."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_z = np.log(np.exp(shifted).sum(axis=-1))
    return np.take_along_axis(shifted, actions[:, None], axis=-1)[:, 0] - log_z


def log_prob_in_a_loop(action, action_logits):
    """Row by row, the action first."""
    out = np.empty(len(action))
    for i, (taken, row) in enumerate(zip(action, action_logits, strict=True)):
        out[i] = row[taken] - np.logaddexp.reduce(row)
    return out


def log_prob_of_probabilities(probs, a):
    """Of a softmax that was taken elsewhere."""
    return np.log(probs[np.arange(probs.shape[0]), a])


def log_prob_with_a_guard(logits, acts):
    """A small number inside the logarithm."""
    weights = np.exp(logits - np.max(logits, axis=1, keepdims=True))
    p = weights / np.sum(weights, axis=1, keepdims=True)
    return np.log(p[range(len(acts)), acts] + 1e-8)


def log_prob_one_hot(logits, one_hot_actions):
    """The action as a row of zeros with a one."""
    log_p = logits - np.logaddexp.reduce(logits, axis=1)[:, None]
    return np.sum(log_p * one_hot_actions, axis=1)


def log_prob_masked(logits, actions, action_mask):
    """A large penalty where the mask is 0."""
    legal = logits - 1e9 * (1.0 - action_mask)
    legal = legal - legal.max(axis=1, keepdims=True)
    log_p = legal - np.log(np.exp(legal).sum(axis=1, keepdims=True))
    return log_p[np.arange(len(actions)), actions]


def log_prob_forbidden(logits, actions, invalid_actions):
    """The other polarity, with a mask of what cannot be done."""
    kept = np.where(invalid_actions, -np.inf, logits)
    return kept[np.arange(len(actions)), actions] - np.logaddexp.reduce(kept, axis=1)


def log_prob_of_one_state(logits, action):
    """Plain Python over one state."""
    largest = max(logits)
    return logits[action] - largest - math.log(sum(math.exp(x - largest) for x in logits))


def log_prob_in_single_precision(logits, actions):
    """Computes in float32."""
    return log_prob_by_log_sum_exp(logits.astype(np.float32), actions)


def entropy_by_log_sum_exp(logits):
    """log Z minus the mean logit."""
    top = logits.max(axis=-1, keepdims=True)
    weights = np.exp(logits - top)
    z = weights.sum(axis=-1, keepdims=True)
    return np.log(z[:, 0]) - (weights / z * (logits - top)).sum(axis=-1)


def entropy_of_probabilities(probs):
    """With a guard against log 0."""
    return -np.sum(probs * np.log(probs + 1e-10), axis=-1)


def entropy_masked(logits, mask):
    """Terms of forbidden actions left out by `where`."""
    kept = np.where(mask, logits, -1e30)
    log_p = kept - np.logaddexp.reduce(kept, axis=-1, keepdims=True)
    return -np.where(mask, np.exp(log_p) * log_p, 0.0).sum(axis=-1)


def entropy_as_a_column(logits):
    """[B, 1]."""
    log_p = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    return -(np.exp(log_p) * log_p).sum(axis=-1, keepdims=True)


def entropy_of_one_state(logits):
    """Plain Python over one state."""
    largest = max(logits)
    weights = [math.exp(x - largest) for x in logits]
    return -sum(w / sum(weights) * math.log(w / sum(weights)) for w in weights)


def gaussian_vectorised(mean, log_std, actions):
    """One line."""
    var = np.exp(2 * log_std)
    return (-((actions - mean) ** 2) / (2 * var) - log_std - 0.5 * np.log(2 * np.pi)).sum(-1)


def gaussian_of_std(a, mu, std):
    """The scale itself, the constant once for all dimensions."""
    z = (a - mu) / std
    d = a.shape[-1]
    return -0.5 * np.sum(z * z, -1) - np.sum(np.log(std), -1) - 0.5 * d * np.log(2 * np.pi)


def gaussian_of_log_variance(x, mu, logvar):
    """As in variational autoencoders."""
    return -0.5 * np.sum(np.log(2 * np.pi) + logvar + (x - mu) ** 2 / np.exp(logvar), axis=1)


def gaussian_as_a_column(mean, log_std, actions):
    """[B, 1], for critics that return columns."""
    return gaussian_vectorised(mean, log_std, actions)[:, None]


def gaussian_of_one_state(mean, log_std, action):
    """Plain Python over the dimensions of one state."""
    total = 0.0
    for m, s, a in zip(mean, log_std, action, strict=True):
        total -= 0.5 * ((a - m) / math.exp(s)) ** 2 + s + 0.5 * math.log(2 * math.pi)
    return total


def gaussian_with_clamped_scale(mean, log_std, actions):
    """log_std kept within the usual bounds."""
    return gaussian_vectorised(mean, np.clip(log_std, -20.0, 2.0), actions)


def tanh_stable(mean, log_std, pre_tanh):
    """The form that is safe at saturation."""
    slope = 2.0 * (np.log(2.0) - pre_tanh - np.logaddexp(0.0, -2.0 * pre_tanh))
    return gaussian_vectorised(mean, log_std, pre_tanh) - slope.sum(axis=-1)


def tanh_of_clamped_action(action, mu, sigma):
    """Only the action is known; it is clamped inside the bounds."""
    a = np.clip(action, -1 + 1e-7, 1 - 1e-7)
    u = 0.5 * (np.log1p(a) - np.log1p(-a))
    plain = -0.5 * ((u - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)
    return (plain - np.log1p(-a * a)).sum(axis=1)


def tanh_with_epsilon(mean, log_std, raw_actions, actions):
    """1e-6 beside 1 - a^2, both forms of the action given, a column out."""
    plain = gaussian_vectorised(mean, log_std, raw_actions)
    return (plain - np.log(1 - actions**2 + 1e-6).sum(axis=-1))[:, None]


def tanh_in_single_precision(mean, log_std, pre_tanh):
    """Computes in float32."""
    m, s, u = (x.astype(np.float32) for x in (mean, log_std, pre_tanh))
    return tanh_stable(m, s, u).astype(np.float32)


def normalised(advantages):
    """The usual line, with the standard deviation of NumPy."""
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def normalised_unbiased(adv):
    """Divides by n - 1, as torch does."""
    return (adv - np.mean(adv)) / (np.std(adv, ddof=1) + 1e-5)


def normalised_under_the_root(advantages):
    """eps beside the variance."""
    centred = advantages - advantages.mean()
    return centred / np.sqrt((centred**2).mean() + 1e-5)


def normalised_with_a_floor(x):
    """The standard deviation is kept from 0 by a maximum."""
    return (x - x.mean()) / max(x.std(), 1e-4)


def normalised_list(advantages):
    """Plain Python over a list."""
    mean = sum(advantages) / len(advantages)
    std = (sum((a - mean) ** 2 for a in advantages) / len(advantages)) ** 0.5
    return [(a - mean) / (std + 1e-8) for a in advantages]


def whitened_under_a_mask(values, mask):
    """Masked moments; masked steps are left as they come out."""
    count = mask.sum()
    mean = (values * mask).sum() / count
    variance = (((values - mean) ** 2) * mask).sum() / count * count / (count - 1)
    return (values - mean) / np.sqrt(variance + 1e-8)


def whitened_and_zeroed(advantages, mask):
    """Kept steps are picked, normalised and put back among zeros."""
    out = np.zeros_like(advantages)
    kept = advantages[mask > 0]
    out[mask > 0] = (kept - kept.mean()) / (kept.std() + 1e-8)
    return out


def shaping_in_one_line(phi, next_phi, done, gamma):
    """With one flag."""
    return gamma * next_phi * (1 - done) - phi


def shaping_where(gamma, potential, next_potential, terminated):
    """The discount first."""
    return np.where(terminated, 0.0, gamma * next_potential) - potential


def shaped_rewards(reward, potential, next_potential, terminated, truncated, discount):
    """Reward and shaping in one; the time limit is ignored."""
    return reward + discount * next_potential * (1.0 - terminated) - potential


def shaping_of_one_step(phi, phi_next, terminal, gamma):
    """Plain numbers."""
    if terminal:
        return -phi
    return gamma * phi_next - phi


VARIANTS: dict[str, dict[str, Model]] = {
    "categorical-log-prob": {
        "log-sum-exp": log_prob_by_log_sum_exp,
        "loop": log_prob_in_a_loop,
        "probabilities": log_prob_of_probabilities,
        "guard": log_prob_with_a_guard,
        "one-hot actions": log_prob_one_hot,
        "masked by a penalty": log_prob_masked,
        "mask of forbidden actions": log_prob_forbidden,
        "one state": log_prob_of_one_state,
        "float32 inside": log_prob_in_single_precision,
    },
    "entropy": {
        "log-sum-exp": entropy_by_log_sum_exp,
        "probabilities": entropy_of_probabilities,
        "masked": entropy_masked,
        "column": entropy_as_a_column,
        "one state": entropy_of_one_state,
    },
    "gaussian-log-prob": {
        "vectorised": gaussian_vectorised,
        "std": gaussian_of_std,
        "log-variance": gaussian_of_log_variance,
        "column": gaussian_as_a_column,
        "one state": gaussian_of_one_state,
        "clamped scale": gaussian_with_clamped_scale,
    },
    "tanh-gaussian-log-prob": {
        "stable form": tanh_stable,
        "clamped action": tanh_of_clamped_action,
        "epsilon, column": tanh_with_epsilon,
        "float32 inside": tanh_in_single_precision,
    },
    "advantage-normalisation": {
        "ddof 0": normalised,
        "ddof 1": normalised_unbiased,
        "eps under the root": normalised_under_the_root,
        "floor": normalised_with_a_floor,
        "list": normalised_list,
        "masked": whitened_under_a_mask,
        "masked, zeros elsewhere": whitened_and_zeroed,
    },
    "potential-shaping": {
        "one line, one flag": shaping_in_one_line,
        "where": shaping_where,
        "shaped rewards": shaped_rewards,
        "one step": shaping_of_one_step,
    },
}
