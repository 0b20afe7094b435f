import numpy as np
import pytest
import torch
from policy_checks import verdict


def value_loss_masked(values: torch.Tensor, returns, mask):
    return 0.5 * (((values - returns) ** 2) * mask).sum() / mask.sum()


def value_loss_clipped(values: torch.Tensor, returns, old_values, response_mask, clip_epsilon):
    near = torch.clamp(values, old_values - clip_epsilon, old_values + clip_epsilon)
    worse = torch.max((values - returns) ** 2, (near - returns) ** 2)
    return 0.5 * (worse * response_mask).sum() / (response_mask.sum() + 1e-12)


def value_loss_counted(values, returns, mask):
    return np.mean((values - returns) ** 2 * mask)


@pytest.mark.parametrize("function", [value_loss_masked, value_loss_clipped, value_loss_counted])
def test_correct_value_losses_pass(function):
    assert verdict("value-loss", function, wrt="values", examples=40)[0] == ()


def value_loss_unmasked(values: torch.Tensor, returns, mask):
    return 0.5 * ((values - returns) ** 2).mean()


def value_loss_of_padding(values: torch.Tensor, returns, mask):
    padding = 1.0 - mask.to(values.dtype)
    return 0.5 * (((values - returns) ** 2) * padding).sum() / padding.sum().clamp(min=1)


def value_loss_absolute(values: torch.Tensor, returns, mask):
    return ((values - returns).abs() * mask).sum() / mask.sum()


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (value_loss_unmasked, "mask-ignored"),
        (value_loss_of_padding, "mask-inverted"),
        (value_loss_absolute, "absolute-error"),
    ],
)
def test_faulty_value_losses_are_caught_and_named(function, fault):
    failed, named = verdict("value-loss", function, wrt="values", examples=40)
    assert failed
    assert named == fault


def gae_skipping(rewards: torch.Tensor, values, response_mask, gamma, lam):
    """Carries value and advantage over masked steps; [B, T]."""
    assert rewards.ndim == 2
    following, carried, out = 0.0, 0.0, []
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * following - values[:, t]
        new, keep = delta + gamma * lam * carried, response_mask[:, t].to(values.dtype)
        following = values[:, t] * keep + (1 - keep) * following
        carried = new * keep + (1 - keep) * carried
        out.append(carried)
    advantages = torch.stack(out[::-1], 1)
    return advantages, advantages + values


def gae_zeroing(rewards: torch.Tensor, values, action_mask, gamma, lambd):
    """Masked steps are steps with numbers of 0; [B, T]."""
    rewards, values = rewards * action_mask, values * action_mask
    carried, out = 0.0, []
    for t in reversed(range(rewards.size(1))):
        following = values[:, t + 1] if t < rewards.size(1) - 1 else 0.0
        carried = rewards[:, t] + gamma * following - values[:, t] + gamma * lambd * carried
        out.append(carried)
    return torch.stack(out[::-1], dim=1)


@pytest.mark.parametrize("function", [gae_skipping, gae_zeroing])
def test_correct_advantages_pass(function):
    assert verdict("gae", function, examples=40, dialect={"layout": "batch-first"})[0] == ()


def gae_unmasked(rewards: torch.Tensor, values, mask, gamma, lam):
    return gae_skipping(rewards, values, torch.ones_like(values), gamma, lam)[0] * mask


def gae_cut(rewards: torch.Tensor, values, mask, gamma, lam):
    following, carried, out = 0.0, 0.0, []
    for t in reversed(range(rewards.shape[1])):
        delta = rewards[:, t] + gamma * following - values[:, t]
        carried = (delta + gamma * lam * carried) * mask[:, t]
        following = values[:, t] * mask[:, t]
        out.append(carried)
    return torch.stack(out[::-1], 1)


def gae_swapped(rewards: torch.Tensor, values, mask, gamma, lam):
    return gae_skipping(rewards, values, mask, lam, gamma)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (gae_unmasked, "mask-ignored"),
        (gae_cut, "mask-cuts-the-trace"),
        (gae_swapped, "lambda-gamma-swapped"),
    ],
)
def test_faulty_advantages_are_caught_and_named(function, fault):
    failed, named = verdict("gae", function, examples=40, dialect={"layout": "batch-first"})
    assert failed
    assert named == fault
