"""Single precision inside a function is no mistake, and no cover for one."""

import numpy as np
import torch
from policy_checks import verdict

import rlcheck


def flags_in_single_precision(rewards: torch.Tensor, next_values, dones, gamma):
    return rewards + (1 - dones.float()) * gamma * next_values


def slightly_too_large(rewards: torch.Tensor, next_values, dones, gamma):
    return rewards + (1 - dones.double()) * gamma * next_values * (1 + 1e-8)


def test_a_cast_of_the_flags_is_no_mistake():
    assert verdict("td-target", flags_in_single_precision, examples=15) == ((), "")


def test_what_is_wrong_for_round_numbers_too_is_one():
    failed, _ = verdict("td-target", slightly_too_large, examples=15)
    assert "agrees-with-the-definition" in failed


def test_a_small_difference_is_told():
    report = rlcheck.check(slightly_too_large, "td-target", max_examples=15)
    (wrong,) = (one for one in report.results if one.check.endswith("agrees-with-the-definition"))
    assert "away" in wrong.message.splitlines()[0]


def raises_at_an_end(rewards, next_values, terminated, gamma):
    if np.any(terminated):
        raise KeyError("end")
    return rewards + gamma * next_values


def test_a_function_that_raises_on_some_inputs_is_bound_and_says_where():
    report = rlcheck.check(raises_at_an_end, "td-target", max_examples=15)
    assert report.verdict == "error"
    assert "KeyError: 'end'" in report.results[0].message


def one_output_wrong(rewards, values, last_value, dones, gamma, lam):
    """Advantages of no known fault, and returns that do not follow from them."""
    advantages, following, after = np.zeros_like(rewards), 0.0, last_value
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * after * ~dones[t] - values[t]
        advantages[t] = following = delta + 0.77 * gamma * lam * following * ~dones[t] + 0.01 * t
        after = values[t]
    return advantages, advantages - values


def test_faults_with_fewer_outputs_are_candidates_too():
    report = rlcheck.check(one_output_wrong, "gae", max_examples=10)
    assert report.verdict == "failed"
