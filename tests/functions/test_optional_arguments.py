"""A function called without its optional arguments, or with an argument in its other form."""

import numpy as np
import pytest

import rlcheck

LEFT_OUT = "optional-arguments-can-be-left-out"


def normalised(advantages, mask=None, eps=1e-8):
    mask = np.ones(advantages.shape, bool) if mask is None else mask
    return _normalised(advantages, mask, eps)


def empty_by_default(advantages, mask=None, eps=1e-8):
    mask = np.zeros(advantages.shape, bool) if mask is None else mask
    return _normalised(advantages, mask, eps)


def asks_for_it(advantages, mask=None, eps=1e-8):
    if mask is None:
        raise ValueError("give a mask")
    return _normalised(advantages, mask, eps)


def _normalised(advantages, mask, eps):
    count = max(mask.sum(), 1)
    centred = np.where(mask, advantages - (advantages * mask).sum() / count, 0.0)
    return centred / (np.sqrt((centred**2).sum() / max(count - 1, 1)) + eps)


def critic_loss(values, returns, old_values=None, clip_epsilon=0.2):
    errors = (values - returns) ** 2
    if old_values is None:
        return 0.5 * errors.mean()
    near = old_values + np.clip(values - old_values, -clip_epsilon, clip_epsilon)
    return 0.5 * np.maximum(errors, (near - returns) ** 2).mean()


def critic_loss_doubled(values, returns, old_values=None, clip_epsilon=0.2):
    if old_values is None:
        return ((values - returns) ** 2).mean()
    return critic_loss(values, returns, old_values, clip_epsilon)


def gae_of_a_rollout(rewards, values, dones, next_value, next_done=None, *, gamma, lam):
    """Start flags, the next of which is known only to those who ask for it."""
    ended = np.concatenate(
        [dones[1:], [np.zeros_like(dones[0]) if next_done is None else next_done]]
    )
    after = np.concatenate([values[1:], [next_value]])
    advantages, following = np.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * after[t] * ~ended[t] - values[t]
        advantages[t] = following = delta + gamma * lam * ~ended[t] * following
    return advantages


def answer(function, contract, check, **options):
    report = rlcheck.check(function, contract, select=[f"*/{check}"], max_examples=15, **options)
    (result,) = (one for one in report.results if one.check.endswith(check))
    return result


@pytest.mark.parametrize("function", [normalised, asks_for_it])
def test_neutral_defaults_pass(function):
    assert answer(function, "advantage-normalisation", LEFT_OUT).status == "passed"


def test_a_default_that_is_not_neutral_is_found():
    result = answer(empty_by_default, "advantage-normalisation", LEFT_OUT)
    assert result.status == "failed"
    assert "called without `mask`" in result.message


def test_what_goes_with_the_argument_goes_with_it():
    assert answer(critic_loss, "value-loss", LEFT_OUT).status == "passed"
    result = answer(critic_loss_doubled, "value-loss", LEFT_OUT)
    assert result.status == "failed"
    assert "called without `old_values` and `clip_epsilon`" in result.message


def test_an_argument_that_gives_others_their_meaning_is_not_left_out():
    assert answer(gae_of_a_rollout, "gae", LEFT_OUT).status != "failed"


def test_without_optional_arrays_there_is_nothing_to_try():
    def td(rewards, next_values, terminated, gamma=0.99):
        return rewards + gamma * next_values * ~terminated

    result = answer(td, "td-target", LEFT_OUT)
    assert result.status == "skipped"
    assert "optional" in result.message


def sweeps(transitions, rewards, gamma):
    values = np.zeros(len(rewards))
    for _ in range(100):
        values = (rewards + gamma * transitions @ values).max(axis=1)
    return values


def both_forms(transitions, rewards, gamma):
    mean = (transitions * rewards).sum(axis=2) if rewards.ndim == 3 else rewards
    return sweeps(transitions, mean, gamma)


def mean_over_next_states(transitions, rewards, gamma):
    mean = (transitions * rewards).mean(axis=2) if rewards.ndim == 3 else rewards
    return sweeps(transitions, mean, gamma)


def half_of_expected(transitions, rewards, gamma):
    mean = (transitions * rewards).sum(axis=2) if rewards.ndim == 3 else 0.5 * rewards
    return sweeps(transitions, mean, gamma)


def one_form_in_loops(transitions, rewards, gamma):
    """Runs on rewards per transition by accident."""
    states, actions = rewards.shape[:2]
    values = np.zeros(states)
    for _ in range(100):
        q = [
            [rewards[s, a] + gamma * transitions[s, a] @ values for a in range(actions)]
            for s in range(states)
        ]
        values = np.array([np.max(row) for row in q])
    return values


@pytest.mark.parametrize(
    ("function", "status", "form"),
    [
        (both_forms, "passed", ""),
        (sweeps, "passed", ""),
        (one_form_in_loops, "passed", ""),
        (mean_over_next_states, "failed", "[S, A, S]"),
        (half_of_expected, "failed", "[S, A]"),
    ],
)
def test_either_form_of_rewards(function, status, form):
    result = answer(function, "value-iteration", "either-form-of-rewards")
    assert result.status == status
    assert form in result.message
