"""Estimates of the KL divergence, and rewards of tokens made with them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import torch

from benchmarks.independent.records import correct, faulty

# --- estimates of the KL divergence ---------------------------------------------------------------


@correct("kl-estimate")
def schulman_k3(log_probs, ref_log_probs):
    log_ratio = ref_log_probs - log_probs
    return log_ratio.exp() - 1 - log_ratio


@correct("kl-estimate", dialect={"estimator": "k1"})
def plain_difference(logprobs, ref_logprobs, mask):
    return (logprobs - ref_logprobs) * mask


@correct("kl-estimate", dialect={"estimator": "k2"})
def half_square(logp, ref_logp):
    return 0.5 * jnp.square(logp - ref_logp)


@correct("kl-estimate")
def with_expm1(per_token_logps, ref_per_token_logps):
    d = per_token_logps - ref_per_token_logps
    return np.expm1(-d) + d


@faulty("kl-estimate", "direction-reversed", dialect={"estimator": "k3"})
def k3_the_other_way_round(log_probs, ref_log_probs):
    log_ratio = log_probs - ref_log_probs
    return torch.exp(log_ratio) - 1 - log_ratio


@faulty("kl-estimate", "linear-term-sign-flipped", dialect={"estimator": "k3"})
def plus_log_ratio(log_probs, ref_log_probs):
    log_ratio = ref_log_probs - log_probs
    return torch.exp(log_ratio) + log_ratio - 1


@faulty("kl-estimate", "half-missing", dialect={"estimator": "k2"})
def full_square(log_probs, ref_log_probs):
    return (log_probs - ref_log_probs) ** 2


@faulty("kl-estimate", "weighted-by-probability")
def summand_of_the_full_divergence(log_probs, ref_log_probs):
    return log_probs.exp() * (log_probs - ref_log_probs)


@faulty("kl-estimate", "absolute-value")
def absolute_gap(log_probs, ref_log_probs):
    return jnp.abs(log_probs - ref_log_probs)


@faulty("kl-estimate", "partly-detached", dialect={"estimator": "k3"})
def ratio_without_gradient(log_probs, ref_log_probs):
    log_ratio = ref_log_probs - log_probs
    with torch.no_grad():
        ratio = torch.exp(log_ratio)
    return ratio - 1 - log_ratio


# --- rewards of tokens ----------------------------------------------------------------------------


@correct("rlhf-token-rewards")
def score_at_the_end(scores, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    last = mask.shape[1] - 1 - mask.long().flip(1).argmax(1)
    rewards[torch.arange(len(scores)), last] += scores
    return rewards


@correct("rlhf-token-rewards")
def answer_by_answer(scores, log_probs, ref_log_probs, mask, kl_coef):
    out = np.zeros_like(log_probs)
    for b, score in enumerate(scores):
        places = np.flatnonzero(mask[b])
        out[b, places] = -kl_coef * (log_probs[b, places] - ref_log_probs[b, places])
        if len(places):
            out[b, places[-1]] += score
    return out


@correct("rlhf-token-rewards")
def scatter(reward, logprobs, ref_logprobs, action_mask, beta):
    kl = (logprobs - ref_logprobs) * action_mask
    steps = torch.arange(action_mask.shape[1]).expand_as(action_mask)
    last = (steps * action_mask.long()).argmax(dim=1, keepdim=True)
    final = torch.zeros_like(kl).scatter_(1, last, reward.reshape(-1, 1).to(kl.dtype))
    return final - beta * kl


@faulty("rlhf-token-rewards", "kl-sign-flipped")
def divergence_rewarded(scores, log_probs, ref_log_probs, mask, kl_coef):
    out = kl_coef * (log_probs - ref_log_probs) * mask
    last = mask.shape[1] - 1 - mask.long().flip(1).argmax(1)
    out[torch.arange(len(out)), last] += scores
    return out


@faulty("rlhf-token-rewards", "score-at-the-last-column")
def last_column(scores, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    rewards[:, -1] += scores
    return rewards


@faulty("rlhf-token-rewards", "score-one-early")
def penultimate(scores, log_probs, ref_log_probs, mask, kl_coef):
    """`length - 2`: the end-of-sequence token is taken not to belong to the answer."""
    out = -kl_coef * (log_probs - ref_log_probs) * mask
    for b in range(len(scores)):
        places = np.flatnonzero(mask[b])
        if len(places):
            out[b, places[-2] if len(places) > 1 else places[-1]] += scores[b]
    return out


@faulty("rlhf-token-rewards", "score-on-every-token")
def broadcast_score(scores, log_probs, ref_log_probs, mask, kl_coef):
    return (scores[:, None] - kl_coef * (log_probs - ref_log_probs)) * mask


@faulty("rlhf-token-rewards", "score-overwrites-the-penalty")
def assigned_not_added(scores, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    last = mask.shape[1] - 1 - mask.long().flip(1).argmax(1)
    rewards[torch.arange(len(scores)), last] = scores
    return rewards


@faulty("rlhf-token-rewards", "batch-and-time-mixed")
def mean_over_the_wrong_axis(scores, log_probs, ref_log_probs, mask, kl_coef):
    kl = ((log_probs - ref_log_probs) * mask).mean(0, keepdim=True)
    rewards = -kl_coef * kl * mask
    last = mask.shape[1] - 1 - mask.long().flip(1).argmax(1)
    rewards[torch.arange(len(scores)), last] += scores
    return rewards
