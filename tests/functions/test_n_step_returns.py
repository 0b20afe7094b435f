"""n-step returns: reference and other people's functions pass, faults of one's own making are named."""

import numpy as np
import pytest
import torch
from policy_checks import verdict

import rlcheck
from reference_agents.returns import n_step_returns


def torch_unfolded(rewards: torch.Tensor, next_values, dones, gamma, n):
    steps, columns = rewards.shape
    out = torch.empty_like(rewards)
    for b in range(columns):
        for t in range(steps):
            end = min(t + n, steps)
            stops = torch.nonzero(dones[t:end, b])
            end = t + int(stops[0]) + 1 if len(stops) else end
            weights = gamma ** torch.arange(end - t, dtype=rewards.dtype)
            alive = 1.0 - float(dones[end - 1, b])
            out[t, b] = (weights * rewards[t:end, b]).sum()
            out[t, b] += alive * gamma ** (end - t) * next_values[end - 1, b]
    return out


def rewards_of_one_episode(rewards, gamma, nstep):
    return [
        sum(gamma**i * r for i, r in enumerate(rewards[t : t + nstep])) for t in range(len(rewards))
    ]


def appended(values, rewards, gamma, n):
    steps = len(rewards)
    out = np.zeros(steps)
    for t in range(steps):
        h = min(t + n, steps)
        out[t] = np.polyval(rewards[t:h][::-1], gamma) + gamma ** (h - t) * values[h]
    return out


@pytest.mark.parametrize("function", [n_step_returns, torch_unfolded, rewards_of_one_episode])
def test_correct_functions_pass(function):
    assert verdict("n-step-returns", function, examples=40) == ((), "")


def test_values_with_the_bootstrap_appended_pass():
    def complete(rewards, values, gamma, n):
        return appended(values, rewards, gamma, n)

    assert verdict("n-step-returns", complete, examples=40)[0] == ()


def build(power=lambda gamma, used, n: gamma**used, stop=True, first=0, mask=True, size=0):
    """A windowed return over torch columns; the arguments are where it goes wrong."""

    def returns(n_steps, discount, truncated, terminated, next_values, rewards: torch.Tensor):
        steps, columns = rewards.shape
        answer = torch.zeros(steps, columns, dtype=rewards.dtype)
        for b in range(columns):
            for t in range(steps):
                used, window = 0, n_steps + size
                while used < window and t + used < steps:
                    answer[t, b] += discount ** (used + first) * rewards[t + used, b]
                    used += 1
                    k = t + used - 1
                    if stop and (terminated[k, b] or truncated[k, b]):
                        break
                if not (mask and terminated[k, b]):
                    answer[t, b] += power(discount, used, n_steps) * next_values[k, b]
        return answer

    return returns


def no_episodes(reward, next_value, gamma, n, value):
    rolled = np.concatenate([value[1:], [next_value]])
    out = np.zeros_like(reward)
    for t in range(len(reward)):
        stop = min(t + n, len(reward))
        out[t] = gamma ** np.arange(stop - t) @ reward[t:stop] + gamma * rolled[stop - 1]
    return out


def merged(rewards, next_values, terminated, truncated, gamma, n):
    both = np.logical_or(terminated, truncated).astype(float)
    out = rewards + gamma * (1 - both) * next_values
    for _ in range(1, n):
        shifted = np.r_[out[1:], next_values[-1:]]
        out = rewards + gamma * (1 - both) * shifted
    return out


FAULTY = {
    "bootstrap-discounted-once": build(power=lambda gamma, used, n: gamma),
    "bootstrap-discounted-once in lists": no_episodes,
    "bootstrap-power-fixed": build(power=lambda gamma, used, n: gamma**n),
    "bootstrap-undiscounted": build(power=lambda gamma, used, n: 1.0),
    "bootstrap-power-off-by-one": build(power=lambda gamma, used, n: gamma ** (used + 1)),
    "rewards-cross-ends": build(stop=False),
    "gamma-on-reward": build(first=1),
    "terminal-bootstrap": build(mask=False),
    "window-off-by-one": build(size=1),
    "truncation-as-terminal": merged,
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_functions_are_caught_and_named(fault):
    failed, named = verdict("n-step-returns", FAULTY[fault], examples=40)
    assert failed
    assert named == fault.split()[0]


def test_the_fault_is_diagnosed_through_the_public_interface():
    report = rlcheck.check(no_episodes, "n-step-returns", max_examples=20)
    assert report.verdict == "failed"
    assert report.diagnosis[0].fault == "n-step-returns/bootstrap-discounted-once"
