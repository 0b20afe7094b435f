import numpy as np
import pytest
import torch
from policy_checks import verdict

from reference_agents import losses


def stable_baselines3_like(log_prob: torch.Tensor, old_log_prob, advantages, clip_range):
    ratio = torch.exp(log_prob - old_log_prob)
    first = advantages * ratio
    second = advantages * torch.clamp(ratio, 1 - clip_range, 1 + clip_range)
    return -torch.min(first, second).mean()


def cleanrl_like(newlogprob: torch.Tensor, oldlogprob, advantages, clip_coef):
    ratio = (newlogprob - oldlogprob).exp()
    worse = torch.max(
        -advantages * ratio, -advantages * torch.clamp(ratio, 1 - clip_coef, 1 + clip_coef)
    )
    return worse.mean()


def spinning_up_like(logp: torch.Tensor, logp_old, adv, clip_ratio):
    bound = torch.where(adv > 0, (1 + clip_ratio) * adv, (1 - clip_ratio) * adv)
    return -torch.min(torch.exp(logp - logp_old) * adv, bound).mean()


def summed_single_precision(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    ratio = torch.exp(log_probs.float() - old_log_probs.float())
    kept = torch.clamp(ratio, 1 - clip_epsilon, 1 + clip_epsilon)
    return -torch.minimum(ratio * advantages.float(), kept * advantages.float()).sum()


def numpy_dual_clip(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = np.exp(log_probs - old_log_probs)
    low = np.minimum(
        ratio * advantages, np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon) * advantages
    )
    return -np.mean(np.where(advantages < 0, np.maximum(low, 3 * advantages), low))


BIND = {
    cleanrl_like: {"log_probs": "newlogprob", "old_log_probs": "oldlogprob"},
    spinning_up_like: {"old_log_probs": "logp_old"},
}


@pytest.mark.parametrize(
    "function",
    [
        stable_baselines3_like,
        cleanrl_like,
        spinning_up_like,
        summed_single_precision,
        numpy_dual_clip,
        losses.ppo_loss,
    ],
)
def test_correct_ppo_losses_pass(function):
    constants = {"seed_dims": 0} if function is losses.ppo_loss else {}
    bind = BIND.get(function, {})
    failed, _ = verdict("ppo-loss", function, wrt="log_probs", bind=bind, constants=constants)
    assert failed == ()


def inverts(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    return stable_baselines3_like(old_log_probs, log_probs, advantages, clip_epsilon)


def forgets_minimum(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    ratio = (log_probs - old_log_probs).exp()
    return (-advantages * ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon)).mean()


def optimistic(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    ratio = (log_probs - old_log_probs).exp()
    kept = ratio.clamp(1 - clip_epsilon, 1 + clip_epsilon)
    return torch.minimum(-advantages * ratio, -advantages * kept).mean()


def ratio_of_one(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    return stable_baselines3_like(log_probs, log_probs.detach(), advantages, clip_epsilon)


def fixed_clip(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    return stable_baselines3_like(log_probs, old_log_probs, advantages, 0.2)


def ratio_cut(log_probs: torch.Tensor, old_log_probs, advantages, clip_epsilon):
    return stable_baselines3_like(log_probs.detach(), old_log_probs, advantages, clip_epsilon)


def no_exponential(log_probs, old_log_probs, advantages, clip_epsilon):
    ratio = log_probs - old_log_probs
    kept = np.clip(ratio, 1 - clip_epsilon, 1 + clip_epsilon)
    return -np.minimum(ratio * advantages, kept * advantages).mean()


FAULTY_PPO = {
    "ratio-inverted": inverts,
    "minimum-missing": forgets_minimum,
    "maximum-for-minimum": optimistic,
    "old-log-prob-recomputed": ratio_of_one,
    "clip-epsilon-hard-coded": fixed_clip,
    "graph-cut": ratio_cut,
    "exponential-missing": no_exponential,
}


@pytest.mark.parametrize("fault", FAULTY_PPO)
def test_faulty_ppo_losses_are_caught_and_named(fault):
    failed, named = verdict("ppo-loss", FAULTY_PPO[fault], wrt="log_probs")
    assert failed
    assert named == fault


def mse(values: torch.Tensor, returns):
    return torch.nn.functional.mse_loss(values, returns)


def cleanrl_value(newvalue: torch.Tensor, returns, old_values, clip_coef):
    unclipped = (newvalue - returns) ** 2
    near = old_values + torch.clamp(newvalue - old_values, -clip_coef, clip_coef)
    return 0.5 * torch.max(unclipped, (near - returns) ** 2).mean()


def switched(values: torch.Tensor, returns, old_values, clip_coef, clip_vloss):
    if clip_vloss:
        return cleanrl_value(values, returns, old_values, clip_coef)
    return 0.5 * mse(values, returns)


def numpy_half(values, returns):
    return 0.5 * np.square(values - returns).mean()


def plain_python(values: list, returns: list):
    return sum((v - g) ** 2 for v, g in zip(values, returns, strict=True)) / (2 * len(values))


@pytest.mark.parametrize(
    "function", [mse, cleanrl_value, switched, numpy_half, plain_python, losses.value_loss]
)
def test_correct_value_losses_pass(function):
    constants = {"seed_dims": 0} if function is losses.value_loss else {}
    failed, _ = verdict("value-loss", function, wrt="values", constants=constants)
    assert failed == ()


def crosses_columns(values: torch.Tensor, returns):
    return ((values.flatten() - returns) ** 2).mean()


def cancels(values: torch.Tensor, returns):
    return 0.5 * (values - returns).mean().square()


def smooth(values: torch.Tensor, returns):
    return torch.nn.functional.smooth_l1_loss(values, returns)


def keeps_smaller(values: torch.Tensor, returns, old_values, clip_epsilon):
    near = old_values + (values - old_values).clamp(-clip_epsilon, clip_epsilon)
    return torch.min((values - returns) ** 2, (near - returns) ** 2).mean()


def leaves_out_clip(values: torch.Tensor, returns, old_values, clip_epsilon):
    return mse(values, returns)


FAULTY_VALUES = {
    "rows-crossed": crosses_columns,
    "errors-cancel": cancels,
    "huber-for-square": smooth,
    "minimum-for-maximum": keeps_smaller,
    "clip-ignored": leaves_out_clip,
}


@pytest.mark.parametrize("fault", FAULTY_VALUES)
def test_faulty_value_losses_are_caught_and_named(fault):
    failed, named = verdict("value-loss", FAULTY_VALUES[fault], wrt="values")
    assert failed
    assert named == fault
