"""Value targets, the dueling combination and the Polyak average against per-row definitions."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reference_agents.polyak import polyak_update
from reference_agents.targets import (
    double_q_target,
    dueling_q,
    expected_sarsa_target,
    q_learning_target,
    sarsa_target,
    soft_q_target,
    td_target,
)

quick = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**31)
unit = st.floats(0.0, 1.0)
N_ROWS, N_ACTIONS = 6, 4


class Batch:
    """Random transitions with every combination of end flags among them."""

    def __init__(self, seed: int):
        self.generator = torch.Generator().manual_seed(seed)
        self.rewards = self.normal(N_ROWS)
        self.terminated = torch.tensor([0, 1, 0, 1, 0, 0]).bool()
        self.truncated = torch.tensor([0, 0, 1, 1, 0, 0]).bool()
        self.flags = (self.terminated, self.truncated)

    def normal(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.generator, dtype=torch.float64)

    def rows(self, gamma: float, next_value) -> torch.Tensor:
        """r + gamma * V(s'), or r after termination, written out row by row."""
        return torch.tensor(
            [
                float(self.rewards[i])
                + (0.0 if self.terminated[i] else gamma * float(next_value(i)))
                for i in range(N_ROWS)
            ],
            dtype=torch.float64,
        )


def close(got: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13)


@given(seeds, unit)
@quick
def test_targets_follow_their_definitions(seed, gamma):
    batch = Batch(seed)
    r, flags = batch.rewards, batch.flags
    v, q, q2 = (
        batch.normal(N_ROWS),
        batch.normal(N_ROWS, N_ACTIONS),
        batch.normal(N_ROWS, N_ACTIONS),
    )
    pi = batch.normal(N_ROWS, N_ACTIONS).softmax(-1)
    a = torch.randint(N_ACTIONS, (N_ROWS,), generator=batch.generator)
    q1_taken, q2_taken, log_probs = (batch.normal(N_ROWS) for _ in range(3))

    close(td_target(r, v, *flags, gamma=gamma), batch.rows(gamma, lambda i: v[i]))
    close(
        q_learning_target(r, q, *flags, gamma=gamma),
        batch.rows(gamma, lambda i: max(q[i].tolist())),
    )
    close(sarsa_target(r, q, a, *flags, gamma=gamma), batch.rows(gamma, lambda i: q[i, a[i]]))
    close(
        expected_sarsa_target(r, q, pi, *flags, gamma=gamma),
        batch.rows(gamma, lambda i: sum(pi[i, k] * q[i, k] for k in range(N_ACTIONS))),
    )
    close(
        double_q_target(r, q, q2, *flags, gamma=gamma),
        batch.rows(gamma, lambda i: q2[i, max(range(N_ACTIONS), key=lambda k: float(q[i, k]))]),
    )
    close(
        soft_q_target(r, q1_taken, q2_taken, log_probs, *flags, gamma=gamma, alpha=0.3),
        batch.rows(gamma, lambda i: min(q1_taken[i], q2_taken[i]) - 0.3 * log_probs[i]),
    )


@given(seeds, unit)
@quick
def test_relations_between_the_targets(seed, gamma):
    batch = Batch(seed)
    online, target = batch.normal(N_ROWS, N_ACTIONS), batch.normal(N_ROWS, N_ACTIONS)
    r, flags = batch.rewards, batch.flags
    optimal = q_learning_target(r, target, *flags, gamma=gamma)
    greedy = torch.nn.functional.one_hot(target.argmax(-1), N_ACTIONS).double()

    close(expected_sarsa_target(r, target, greedy, *flags, gamma=gamma), optimal)
    close(sarsa_target(r, target, target.argmax(-1), *flags, gamma=gamma), optimal)
    close(double_q_target(r, target, target, *flags, gamma=gamma), optimal)
    assert (double_q_target(r, online, target, *flags, gamma=gamma) <= optimal).all()
    apart = (q_learning_target(r, online, *flags, gamma=gamma) - optimal).abs().max()
    assert apart <= gamma * (online - target).abs().max() + 1e-12


def test_truncation_alone_changes_nothing():
    batch = Batch(0)
    values, none = batch.normal(N_ROWS), torch.zeros(N_ROWS).bool()
    with_truncation = td_target(batch.rewards, values, batch.terminated, batch.truncated, gamma=0.9)
    without = td_target(batch.rewards, values, batch.terminated, none, gamma=0.9)
    assert torch.equal(with_truncation, without)


def test_a_terminal_step_ignores_even_a_value_that_is_not_finite():
    got = td_target(
        torch.tensor([2.0]), torch.tensor([torch.nan]), torch.ones(1), torch.zeros(1), gamma=0.9
    )
    assert got.tolist() == [2.0]


def test_entropy_stays_inside_the_terminal_mask_and_alpha_may_be_a_tensor():
    one, zero = torch.ones(2, 1), torch.zeros(2, 1)
    terminated = torch.tensor([[1.0], [0.0]])
    got = soft_q_target(
        one, one, 2 * one, -3 * one, terminated, zero, gamma=0.5, alpha=torch.tensor([[1.0], [2.0]])
    )
    # terminal: the reward alone; else 1 + .5 * (min(1, 2) + 2 * 3)
    assert got.flatten().tolist() == [1.0, 4.5]


def test_targets_carry_no_gradient_but_dueling_does():
    batch = Batch(1)
    q = batch.normal(N_ROWS, N_ACTIONS).requires_grad_()
    assert not q_learning_target(batch.rewards, q, *batch.flags, gamma=0.9).requires_grad
    assert dueling_q(q[:, :1], q).requires_grad


def test_seed_axes_are_rows():
    batch = Batch(2)
    q = batch.normal(N_ROWS, N_ACTIONS)
    folded = q_learning_target(
        batch.rewards.view(2, 3), q.view(2, 3, -1), *(f.view(2, 3) for f in batch.flags), gamma=0.9
    )
    flat = q_learning_target(batch.rewards, q, *batch.flags, gamma=0.9)
    assert torch.equal(folded.flatten(), flat)


@given(seeds, st.floats(-10, 10))
@quick
def test_dueling_mean_is_the_state_value(seed, shift):
    batch = Batch(seed)
    values, advantages = batch.normal(N_ROWS, 1), batch.normal(N_ROWS, N_ACTIONS)
    q = dueling_q(values, advantages)
    torch.testing.assert_close(q.mean(-1, keepdim=True), values)
    torch.testing.assert_close(dueling_q(values, advantages + shift), q)
    # Q(s, 0) - Q(s, 1) is the difference of the advantages.
    torch.testing.assert_close(q[:, 0] - q[:, 1], advantages[:, 0] - advantages[:, 1])


def test_shapes_that_would_broadcast_are_refused():
    rewards, q, flag = torch.zeros(3), torch.zeros(3, 2), torch.zeros(3).bool()
    with pytest.raises(
        ValueError, match=r"`rewards` must have the shape of `next_q_values` without"
    ):
        q_learning_target(rewards[:, None], q, flag, flag, gamma=0.9)
    with pytest.raises(ValueError, match=r"`next_values` must have the shape of `rewards`, \(3,\)"):
        td_target(rewards, rewards[:, None], flag, flag, gamma=0.9)
    with pytest.raises(ValueError, match=r"`state_values` must be one column .* \(3, 1\)"):
        dueling_q(rewards, q)


def small_network() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()


@given(tau=unit, n_updates=st.integers(1, 4))
@quick
def test_polyak_average_follows_its_closed_form(tau, n_updates):
    target, online = small_network(), small_network()
    before = [p.detach().clone() for p in target.parameters()]
    fixed = copy.deepcopy(online.state_dict())
    for _ in range(n_updates):
        polyak_update(target, online, tau=tau)
    left = (1.0 - tau) ** n_updates
    for old, new, towards in zip(before, target.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(new.detach(), left * old + (1 - left) * towards.detach())
    for name, tensor in online.state_dict().items():
        assert torch.equal(tensor, fixed[name])


def test_polyak_copies_buffers_and_shares_no_storage():
    target, online = small_network(), small_network()
    online(torch.randn(8, 3).double())
    polyak_update(target, online, tau=0.1)
    for ours, theirs in zip(target.buffers(), online.buffers(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.data_ptr() != theirs.data_ptr()
    polyak_update(target, online, tau=1.0)
    for ours, theirs in zip(target.parameters(), online.parameters(), strict=True):
        assert torch.equal(ours, theirs)
        assert ours.data_ptr() != theirs.data_ptr()
        assert ours.grad is None


def test_polyak_refuses_what_it_cannot_average():
    with pytest.raises(ValueError, match=r"`tau` must lie in \[0, 1\], it is 1.5"):
        polyak_update(small_network(), small_network(), tau=1.5)
    with pytest.raises(ValueError, match="`target` must have the parameters of `online`"):
        polyak_update(nn.Linear(2, 3), nn.Linear(3, 2), tau=0.5)
