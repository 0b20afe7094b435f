import numpy as np
import pytest
import torch
from llm_checks import verdict


def k1(log_probs: torch.Tensor, ref_log_probs):
    return log_probs - ref_log_probs


def k2(logp: torch.Tensor, ref_logp, mask):
    return 0.5 * (logp - ref_logp).square() * mask


def k3(per_token_logps: torch.Tensor, ref_per_token_logps):
    apart = ref_per_token_logps - per_token_logps
    return torch.exp(apart) - apart - 1


def k3_clamped(logprob: torch.Tensor, ref_logprob, kl_penalty):
    if kl_penalty == "kl":
        return logprob - ref_logprob
    if kl_penalty == "mse":
        return 0.5 * (logprob - ref_logprob).square()
    apart = torch.clamp(ref_logprob - logprob, min=-20, max=20)
    return torch.clamp(apart.exp() - apart - 1, min=-10, max=10)


def straight_through(log_probs: torch.Tensor, ref_log_probs):
    forward, backward = k3(log_probs, ref_log_probs), 0.5 * (log_probs - ref_log_probs) ** 2
    return backward - backward.detach() + forward.detach()


@torch.no_grad()
def for_rewards(log_probs: torch.Tensor, log_probs_base):
    return (log_probs.float() - log_probs_base.float()).to(torch.float32)


def k3_expm1(log_probs, ref_log_probs):
    return np.expm1(ref_log_probs - log_probs) + log_probs - ref_log_probs


BIND = {for_rewards: {"ref_log_probs": "log_probs_base"}}


@pytest.mark.parametrize(
    "function", [k1, k2, k3, k3_clamped, straight_through, for_rewards, k3_expm1]
)
def test_correct_kl_estimates_pass(function):
    assert verdict("kl-estimate", function, examples=40, bind=BIND.get(function, {}))[0] == ()


def swapped(log_probs: torch.Tensor, ref_log_probs):
    return k3(ref_log_probs, log_probs)


def doubled_square(log_probs: torch.Tensor, ref_log_probs):
    return (log_probs - ref_log_probs) ** 2


def absolute(log_probs: torch.Tensor, ref_log_probs):
    return (log_probs - ref_log_probs).abs()


def wrong_linear_term(log_probs: torch.Tensor, ref_log_probs):
    apart = ref_log_probs - log_probs
    return apart.exp() - 1 + apart


def ratio_only(log_probs: torch.Tensor, ref_log_probs):
    return (log_probs - ref_log_probs).exp()


def forgets_mask(log_probs: torch.Tensor, ref_log_probs, mask):
    return k3(log_probs, ref_log_probs)


def whole_sequence(log_probs: torch.Tensor, ref_log_probs, mask):
    total = (k1(log_probs, ref_log_probs) * mask).sum(1, keepdim=True)
    return total * mask


def ratio_detached(log_probs: torch.Tensor, ref_log_probs):
    apart = ref_log_probs - log_probs
    return apart.detach().exp() - 1 - apart


def late_reference(log_probs: torch.Tensor, ref_log_probs):
    return k1(log_probs, torch.roll(ref_log_probs, 1, dims=1))


FAULTY_KL = {
    "direction-reversed": swapped,
    "half-missing": doubled_square,
    "absolute-value": absolute,
    "linear-term-sign-flipped": wrong_linear_term,
    "ratio-for-log-ratio": ratio_only,
    "mask-ignored": forgets_mask,
    "summed-over-time": whole_sequence,
    "partly-detached": ratio_detached,
    "reference-shifted": late_reference,
}


@pytest.mark.parametrize("fault", FAULTY_KL)
def test_faulty_kl_estimates_are_caught_and_named(fault):
    failed, named = verdict("kl-estimate", FAULTY_KL[fault], examples=40)
    assert failed
    assert named == fault


def by_last_action(r: torch.Tensor, kl_coef, log_probs, ref_log_probs, action_mask):
    rewards = -kl_coef * (log_probs - ref_log_probs) * action_mask
    last = action_mask.size(1) - 1 - action_mask.long().fliplr().argmax(dim=1, keepdim=True)
    return rewards + torch.zeros_like(rewards).scatter_(1, last, r.unsqueeze(1))


def by_lengths(scores: torch.Tensor, logprobs, ref_logprobs, mask, kl_coef):
    rewards = -kl_coef * (logprobs - ref_logprobs) * mask
    rewards[torch.arange(len(scores)), mask.sum(1).long() - 1] += scores
    return rewards


def one_after(scores, log_probs, ref_log_probs, response_mask, kl_coef):
    rewards = np.where(response_mask, kl_coef * (ref_log_probs - log_probs), 0.0)
    place = np.minimum(response_mask.sum(1).astype(int), response_mask.shape[1] - 1)
    rewards[np.arange(len(scores)), place] += scores
    return rewards


def given_places(scores: torch.Tensor, logprobs, ref_logprobs, kl_coeff, valid_score_idxs):
    kl = logprobs - ref_logprobs
    total = -kl_coeff * kl
    total[torch.arange(len(scores)), valid_score_idxs] += scores
    return total, kl, -kl_coeff * kl


@pytest.mark.parametrize("function", [by_last_action, by_lengths, one_after, given_places])
def test_correct_token_rewards_pass(function):
    assert verdict("rlhf-token-rewards", function, examples=40)[0] == ()


def last_column(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    rewards[:, -1] += scores
    return rewards


def everywhere(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    return (scores[:, None] - kl_coef * (log_probs - ref_log_probs)) * mask


def pays_for_distance(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    return by_last_action(scores, -kl_coef, log_probs, ref_log_probs, mask)


def padding_pays(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    outside = -kl_coef * (log_probs - ref_log_probs) * (1 - mask.double())
    return by_last_action(scores, kl_coef, log_probs, ref_log_probs, mask) + outside


def free_end(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    rewards = -kl_coef * (log_probs - ref_log_probs) * mask
    last = mask.size(1) - 1 - mask.long().fliplr().argmax(dim=1)
    rewards[torch.arange(len(scores)), last] = scores
    return rewards


def at_the_end(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    total = scores - kl_coef * ((log_probs - ref_log_probs) * mask).sum(1)
    return by_last_action(total, 0.0, log_probs, ref_log_probs, mask)


def fixed_price(scores: torch.Tensor, log_probs, ref_log_probs, mask, kl_coef):
    return by_last_action(scores, 0.1, log_probs, ref_log_probs, mask)


FAULTY_REWARDS = {
    "score-at-the-last-column": last_column,
    "score-on-every-token": everywhere,
    "kl-sign-flipped": pays_for_distance,
    "penalty-on-padding": padding_pays,
    "score-overwrites-the-penalty": free_end,
    "penalty-paid-at-the-end": at_the_end,
    "coefficient-ignored": fixed_price,
}


@pytest.mark.parametrize("fault", FAULTY_REWARDS)
def test_faulty_token_rewards_are_caught_and_named(fault):
    failed, named = verdict("rlhf-token-rewards", FAULTY_REWARDS[fault], examples=40)
    assert failed
    assert named == fault
