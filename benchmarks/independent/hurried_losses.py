"""Losses, policies and what surrounds them, as they stand in scripts written in a hurry."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- losses ---------------------------------------------------------------------------------------


@correct("ppo-loss")
def ratio_minus_one(logp, old_logp, advs, clip_range):
    ratio = (logp - old_logp).exp()
    moved = 1.0 + (ratio - 1.0).clamp(-clip_range, clip_range)
    return -torch.where(ratio * advs < moved * advs, ratio * advs, moved * advs).mean()


@faulty("ppo-loss", "exponential-missing", "ratio-of-log-probs")
def difference_for_ratio(logp, old_logp, advs, eps_clip):
    ratio = logp - old_logp
    surr = torch.min(ratio * advs, ratio.clamp(1 - eps_clip, 1 + eps_clip) * advs)
    return -surr.mean()


@faulty("ppo-loss", "upper-clip-missing")
def only_from_below(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = np.exp(log_probs - old_log_probs)
    clipped = np.maximum(ratio, 1 - clip_epsilon)
    return -np.mean(np.minimum(ratio * advantages, clipped * advantages))


@faulty("ppo-loss", "rows-crossed")
def advantages_as_a_column(new_logprob, old_logprob, adv, clip_coef):
    ratio = torch.exp(new_logprob - old_logprob)
    adv = adv.reshape(-1, 1)
    return torch.max(-adv * ratio, -adv * ratio.clamp(1 - clip_coef, 1 + clip_coef)).mean()


@correct("value-loss")
def clipped_mse(newvalue, returns, old_value, clip_coef):
    bounded = old_value + torch.clamp(newvalue - old_value, -clip_coef, clip_coef)
    worst = torch.maximum((newvalue - returns).pow(2), (bounded - returns).pow(2))
    return 0.5 * worst.mean()


@faulty("value-loss", "clipped-around-the-returns", "clip-ignored")
def around_the_target(values, returns, old_values, clip_epsilon):
    bounded = returns + (values - returns).clamp(-clip_epsilon, clip_epsilon)
    return 0.5 * torch.max((values - returns) ** 2, (bounded - returns) ** 2).mean()


@faulty("value-loss", "absolute-error")
def l1(value, target):
    return np.abs(target - value).mean()


@faulty("policy-gradient-loss", "negative-advantages-dropped")
def good_ones_only(logp, adv):
    return -(logp * adv.clamp(min=0)).mean()


@faulty("policy-gradient-loss", "rows-shifted")
def advantage_of_the_next(log_probs, advantages):
    return -(log_probs * torch.roll(advantages, -1)).mean()


@correct("advantage-normalisation")
def list_based(advs):
    mean = sum(advs) / len(advs)
    var = sum((a - mean) ** 2 for a in advs) / max(len(advs) - 1, 1)
    return (advs - mean) / (var**0.5 + 1e-8)


@faulty("advantage-normalisation", "mean-not-subtracted")
def only_scaled(adv):
    return adv / (adv.std() + 1e-8)


@faulty("advantage-normalisation", "scaled-to-a-range", "another-scale")
def between_minus_one_and_one(adv):
    return adv / (adv.abs().max() + 1e-8)


# --- policies -------------------------------------------------------------------------------------


@correct("categorical-log-prob")
def one_hot_product(logits, acts):
    logp = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True))
    logp = logp - logits.max(-1, keepdims=True)
    return (np.eye(logits.shape[-1])[acts] * logp).sum(-1)


@faulty("categorical-log-prob", "probability-for-log-probability")
def softmax_gathered(logits, actions):
    return torch.softmax(logits, -1).gather(-1, actions[:, None])[:, 0]


@faulty("entropy", "batch-summed")
def one_number_for_all(logits):
    p = torch.softmax(logits, -1)
    return (-(p * torch.log_softmax(logits, -1)).sum()).expand(len(logits))


@faulty("gaussian-log-prob", "half-missing")
def without_the_half(mu, log_std, act):
    z = (act - mu) / np.exp(log_std)
    return -(z**2 + log_std + 0.5 * np.log(2 * np.pi)).sum(-1)


@faulty("gaussian-log-prob", "log-std-missing")
def quadratic_only(mu, log_std, act):
    z = (act - mu) * torch.exp(-log_std)
    return (-0.5 * z**2 - 0.5 * np.log(2 * np.pi)).sum(-1)


@faulty("dueling-q", "advantages-subtracted")
def minus(v, a):
    return v - (a - a.mean(dim=1, keepdim=True))


# --- around them ----------------------------------------------------------------------------------


@correct("polyak-update")
def lerp_everything(target, online, tau):
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters(), strict=True):
            t.lerp_(o, tau)
        for t, o in zip(target.buffers(), online.buffers(), strict=True):
            t.copy_(o)


@faulty("polyak-update", "online-changed")
def both_move(target, online, tau):
    for t, o in zip(target.parameters(), online.parameters(), strict=True):
        mixed = tau * o.data + (1 - tau) * t.data
        t.data.copy_(mixed)
        o.data.copy_(mixed)
    for t, o in zip(target.buffers(), online.buffers(), strict=True):
        t.data.copy_(o.data)


@correct("epsilon-schedule")
def interp(step, start, end, decay_steps):
    return float(np.interp(step, [0, decay_steps], [start, end]))


@faulty("epsilon-schedule", "ends-swapped")
def from_low_to_high(step, start, end, decay_steps):
    frac = min(step / decay_steps, 1.0)
    return end + frac * (start - end)


@correct("potential-shaping")
def masked_difference(phi, phi_next, dones, gamma):
    return gamma * phi_next * (1 - dones) - phi


@faulty("potential-shaping", "potentials-added")
def plus_both(potential, next_potential, terminated, gamma):
    return gamma * next_potential * (1.0 - terminated) + potential


class Precedence:
    """Scaled first, shifted after."""

    def __init__(self):
        self.rows = []

    def update(self, batch):
        self.rows.extend(np.array(batch, dtype=float))

    def normalise(self, x):
        rows = np.stack(self.rows)
        return x - rows.mean(0) / (rows.std(0) + 1e-8)


@faulty("running-normaliser", "precedence")
def brackets_missing():
    return Precedence()
