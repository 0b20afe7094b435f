"""Returns and advantages against loops that follow the definition entry by entry in float64."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reference_agents.recurrence import backward_recurrence_
from reference_agents.returns import discounted_returns, gae, lambda_returns, n_step_returns, vtrace


class Rollout(NamedTuple):
    rewards: Tensor
    values: Tensor
    next_values: Tensor
    terminated: Tensor
    truncated: Tensor


def random_rollout(seed: int, n_steps: int, n_envs: int, end_rate: float = 0.3) -> Rollout:
    generator = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(n_steps, n_envs, generator=generator, dtype=torch.float64)

    def flags() -> Tensor:
        return torch.rand(n_steps, n_envs, generator=generator) < end_rate

    rewards, values, next_values = normal(), normal(), normal()
    terminated, truncated = flags(), flags()
    # Inside an episode V(s_{t+1}) is the value of the next row; only an end makes them differ.
    inside = ~(terminated | truncated)[:-1]
    next_values[:-1] = torch.where(inside, values[1:], next_values[:-1])
    return Rollout(rewards, values, next_values, terminated, truncated)


rollouts = st.builds(
    random_rollout,
    seed=st.integers(0, 2**31),
    n_steps=st.integers(1, 40),
    n_envs=st.integers(1, 3),
    end_rate=st.sampled_from([0.0, 0.1, 0.4]),
)
unit = st.floats(0.0, 1.0)
quick = settings(max_examples=60, deadline=None)


def path(rollout: Rollout, t: int, b: int) -> list[int]:
    """The steps from t to the last one of the episode, or of the rollout."""
    steps = [t]
    while steps[-1] + 1 < len(rollout.rewards) and not (
        rollout.terminated[steps[-1], b] or rollout.truncated[steps[-1], b]
    ):
        steps.append(steps[-1] + 1)
    return steps


def value_after(rollout: Rollout, t: int, b: int) -> float:
    return 0.0 if rollout.terminated[t, b] else float(rollout.next_values[t, b])


def literal_n_step(rollout: Rollout, t: int, b: int, gamma: float, n: int) -> float:
    steps = path(rollout, t, b)[:n]
    total = sum(gamma**i * float(rollout.rewards[s, b]) for i, s in enumerate(steps))
    return total + gamma ** len(steps) * value_after(rollout, steps[-1], b)


def literal_gae(rollout: Rollout, t: int, b: int, gamma: float, lam: float) -> float:
    return sum(
        (gamma * lam) ** i
        * (
            float(rollout.rewards[s, b])
            + gamma * value_after(rollout, s, b)
            - float(rollout.values[s, b])
        )
        for i, s in enumerate(path(rollout, t, b))
    )


def every_entry(rollout: Rollout, entry) -> Tensor:
    n_steps, n_envs = rollout.rewards.shape
    return torch.tensor(
        [[entry(rollout, t, b) for b in range(n_envs)] for t in range(n_steps)], dtype=torch.float64
    )


def close(got: Tensor, expected: Tensor, atol: float = 1e-11) -> None:
    torch.testing.assert_close(got, expected, rtol=atol, atol=atol)


@given(rollouts, unit, unit)
@quick
def test_gae_is_the_discounted_sum_of_td_errors(rollout, gamma, lam):
    expected = every_entry(rollout, lambda r, t, b: literal_gae(r, t, b, gamma, lam))
    close(gae(*rollout, gamma=gamma, lam=lam), expected)
    close(lambda_returns(*rollout, gamma=gamma, lam=lam), expected + rollout.values)


@given(rollouts, unit, st.integers(1, 45))
@quick
def test_n_step_returns_follow_the_definition(rollout, gamma, n):
    rewards, _, next_values, terminated, truncated = rollout
    got = n_step_returns(rewards, next_values, terminated, truncated, gamma=gamma, n=n)
    close(got, every_entry(rollout, lambda r, t, b: literal_n_step(r, t, b, gamma, n)))


@given(rollouts, unit)
@quick
def test_discounted_returns_follow_the_definition(rollout, gamma):
    rewards, _, next_values, terminated, truncated = rollout
    got = discounted_returns(rewards, terminated, truncated, next_values, gamma=gamma)
    n = len(rewards)
    close(got, every_entry(rollout, lambda r, t, b: literal_n_step(r, t, b, gamma, n)))


@given(rollouts, unit, unit)
@quick
def test_lambda_return_is_the_weighted_mean_of_n_step_returns(rollout, gamma, lam):
    def weighted(r: Rollout, t: int, b: int) -> float:
        last = len(path(r, t, b))
        weights = [(1 - lam) * lam ** (n - 1) for n in range(1, last)] + [lam ** (last - 1)]
        return sum(
            weight * literal_n_step(r, t, b, gamma, n) for n, weight in enumerate(weights, start=1)
        )

    close(lambda_returns(*rollout, gamma=gamma, lam=lam), every_entry(rollout, weighted))


@given(rollouts, unit, st.floats(0.2, 3.0), st.floats(0.2, 3.0), st.integers(0, 2**31))
@quick
def test_vtrace_follows_the_double_sum(rollout, gamma, rho_clip, c_clip, seed):
    generator = torch.Generator().manual_seed(seed)
    log_probs, old_log_probs = (
        -torch.rand(rollout.rewards.shape, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    ratios = (log_probs - old_log_probs).exp()
    rho, c = ratios.clamp(max=rho_clip), ratios.clamp(max=c_clip)

    def target(r: Rollout, t: int, b: int) -> float:
        total, traces = float(r.values[t, b]), 1.0
        for i, s in enumerate(path(r, t, b)):
            error = r.rewards[s, b] + gamma * value_after(r, s, b) - r.values[s, b]
            total += gamma**i * traces * float(rho[s, b] * error)
            traces *= float(c[s, b])
        return total

    def advantage(r: Rollout, t: int, b: int) -> float:
        inside = len(path(r, t, b)) > 1
        following = target(r, t + 1, b) if inside else value_after(r, t, b)
        return float(rho[t, b] * (r.rewards[t, b] + gamma * following - r.values[t, b]))

    got = vtrace(log_probs, old_log_probs, *rollout, gamma=gamma, rho_clip=rho_clip, c_clip=c_clip)
    close(got.targets, every_entry(rollout, target))
    close(got.advantages, every_entry(rollout, advantage))


@given(rollouts, unit)
@quick
def test_vtrace_on_policy_is_the_lambda_one_return(rollout, gamma):
    same = torch.zeros_like(rollout.rewards)
    got = vtrace(same, same, *rollout, gamma=gamma, rho_clip=1.0, c_clip=1.0)
    close(got.targets, lambda_returns(*rollout, gamma=gamma, lam=1.0))


def test_worked_example_of_five_steps():
    rewards = torch.tensor([1.0, 0, 0, 0, 10]).double()
    values = torch.tensor([5.0, 4, 3, 2, 1]).double()
    next_values = torch.tensor([4.0, 3, 2, 1, 99]).double()
    terminated = torch.tensor([0, 0, 0, 0, 1]).bool()
    truncated = torch.zeros(5).bool()
    args = (rewards, values, next_values, terminated, truncated)

    td_errors = gae(*args, gamma=0.99, lam=0.0)
    # 1 + .99 * 4 - 5, then 0 + .99 * 3 - 4, ..., and 10 - 1 with no bootstrap at the end.
    close(td_errors, torch.tensor([-0.04, -1.03, -1.02, -1.01, 9.0], dtype=torch.float64))
    advantages = gae(*args, gamma=0.99, lam=0.95)
    # -.04 - 1.03 * .9405 - 1.02 * .9405^2 - 1.01 * .9405^3 + 9 * .9405^4
    assert float(advantages[0]) == pytest.approx(4.2905, abs=5e-5)


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        (0, 0, [1 + 0.5 * (2 + 0.5 * 20), 2 + 0.5 * 20]),
        (1, 0, [1.0, 2 + 0.5 * 20]),
        (0, 1, [1 + 0.5 * 10, 2 + 0.5 * 20]),
        (1, 1, [1.0, 2 + 0.5 * 20]),
    ],
    ids=["inside", "terminated", "truncated", "both flags mean terminated"],
)
def test_what_the_flags_of_the_first_step_do(terminated, truncated, expected):
    column = [
        torch.tensor(x).double()[:, None]
        for x in ([1.0, 2.0], [10.0, 20.0], [terminated, 0.0], [truncated, 0.0])
    ]
    rewards, next_values, terminated_flags, truncated_flags = column
    got = discounted_returns(rewards, terminated_flags, truncated_flags, next_values, gamma=0.5)
    close(got[:, 0], torch.tensor(expected).double())
    values = torch.tensor([[0.0], [10.0]], dtype=torch.float64)
    flags = (terminated_flags, truncated_flags)
    got = lambda_returns(rewards, values, next_values, *flags, gamma=0.5, lam=1.0)
    close(got[:, 0], torch.tensor(expected).double())


@given(rollouts, st.integers(0, 39))
@quick
def test_nothing_before_an_end_depends_on_what_follows_it(rollout, step):
    step = min(step, len(rollout.rewards) - 1)
    rollout.truncated[step] = True
    before = gae(*rollout, gamma=0.9, lam=0.8)[: step + 1]
    rollout.rewards[step + 1 :] += 100.0
    rollout.values[step + 1 :] -= 50.0
    assert torch.equal(gae(*rollout, gamma=0.9, lam=0.8)[: step + 1], before)


def test_extra_axes_are_independent_columns():
    rollout = random_rollout(seed=1, n_steps=23, n_envs=12)
    folded = Rollout(*(x.unflatten(1, (3, 4)) for x in rollout))
    got = gae(*folded, gamma=0.9, lam=0.8)
    assert torch.equal(got.flatten(1), gae(*rollout, gamma=0.9, lam=0.8))
    alone = Rollout(*(x[:, 5] for x in rollout))
    assert torch.equal(gae(*alone, gamma=0.9, lam=0.8), got.flatten(1)[:, 5])


@pytest.mark.parametrize("n_steps", [1, 2, 3, 7, 8, 31, 32, 128, 500, 2048])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_recurrence_equals_the_loop_at_every_length(n_steps, dtype):
    generator = torch.Generator().manual_seed(n_steps)
    inputs = torch.randn(n_steps, 2, generator=generator, dtype=torch.float64)
    decay = torch.rand(n_steps, 2, generator=generator, dtype=torch.float64)
    expected, following = inputs.clone(), torch.zeros(2, dtype=torch.float64)
    for t in reversed(range(n_steps)):
        following = inputs[t] + decay[t] * following
        expected[t] = following
    got = backward_recurrence_(inputs.to(dtype), decay.to(dtype))
    # Each entry is a sum of few terms of order 1, because the decay averages a half.
    close(got.double(), expected, atol=100 * torch.finfo(dtype).eps)


def test_transposed_inputs_give_the_same_answer():
    rollout = random_rollout(seed=2, n_steps=21, n_envs=5)
    strided = Rollout(*(x.t().contiguous().t() for x in rollout))
    close(gae(*strided, gamma=0.9, lam=0.8), gae(*rollout, gamma=0.9, lam=0.8))


def test_inputs_are_left_alone_and_results_carry_no_gradient():
    rollout = random_rollout(seed=3, n_steps=9, n_envs=2)
    copies = Rollout(*(x.clone() for x in rollout))
    rollout.values.requires_grad_()
    log_probs = torch.zeros_like(rollout.rewards)
    rewards, _, next_values, terminated, truncated = rollout
    results = [
        gae(*rollout, gamma=0.9, lam=0.8),
        lambda_returns(*rollout, gamma=0.9, lam=0.8),
        discounted_returns(rewards, terminated, truncated, next_values, gamma=0.9),
        n_step_returns(rewards, next_values, terminated, truncated, gamma=0.9, n=3),
        *vtrace(log_probs, log_probs, *rollout, gamma=0.9, rho_clip=1.0, c_clip=1.0),
    ]
    assert not any(result.requires_grad for result in results)
    for after, before in zip(rollout, copies, strict=True):
        assert torch.equal(after.detach(), before)


def test_shapes_that_would_broadcast_are_refused():
    rewards, values, next_values, terminated, truncated = random_rollout(4, n_steps=3, n_envs=3)
    with pytest.raises(ValueError, match=r"`values` must have the shape of `rewards`, \(3, 3\)"):
        gae(rewards, values[:, :1], next_values, terminated, truncated, gamma=0.9, lam=0.9)
    with pytest.raises(ValueError, match="`n` must be positive, it is 0"):
        n_step_returns(rewards, next_values, terminated, truncated, gamma=0.9, n=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    rollout = random_rollout(seed=5, n_steps=129, n_envs=7)
    on_device = Rollout(*(x.cuda() for x in rollout))
    close(gae(*on_device, gamma=0.9, lam=0.8).cpu(), gae(*rollout, gamma=0.9, lam=0.8))
