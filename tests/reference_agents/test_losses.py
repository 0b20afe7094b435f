"""Losses against per-row loops in Python floats, their gradients against the derivation."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.losses import (
    dqn_loss,
    entropy_loss,
    normalise_advantages,
    policy_gradient_loss,
    ppo_loss,
    value_loss,
)

quick = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**31)


def normals(seed: int, n_tensors: int, *shape: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=generator, dtype=torch.float64) for _ in range(n_tensors)]


def mean(entries: list[float]) -> float:
    return sum(entries) / len(entries)


@given(seeds, st.sampled_from([(5,), (5, 1), (2, 3)]))
@quick
def test_losses_are_means_over_rows(seed, shape):
    log_probs, old, advantages, values, returns, old_values = normals(seed, 6, *shape)
    rows = list(
        zip(
            *(x.flatten().tolist() for x in (log_probs, old, advantages, values, returns)),
            old_values.flatten().tolist(),
            strict=True,
        )
    )

    def surrogate(lp: float, lo: float, a: float) -> float:
        ratio = math.exp(lp - lo)
        return min(ratio * a, min(max(ratio, 0.8), 1.2) * a)

    def clipped_error(v: float, g: float, v_old: float) -> float:
        near = v_old + min(max(v - v_old, -0.2), 0.2)
        return max((v - g) ** 2, (near - g) ** 2)

    assert float(policy_gradient_loss(log_probs, advantages)) == pytest.approx(
        -mean([lp * a for lp, _, a, *_ in rows])
    )
    assert float(ppo_loss(log_probs, old, advantages, clip_epsilon=0.2)) == pytest.approx(
        -mean([surrogate(lp, lo, a) for lp, lo, a, *_ in rows])
    )
    assert float(value_loss(values, returns)) == pytest.approx(
        0.5 * mean([(v - g) ** 2 for *_, v, g, _ in rows])
    )
    assert float(value_loss(values, returns, old_values, clip_epsilon=0.2)) == pytest.approx(
        0.5 * mean([clipped_error(v, g, v_old) for *_, v, g, v_old in rows])
    )
    assert float(entropy_loss(values)) == pytest.approx(-mean(values.flatten().tolist()))


def test_policy_gradient_is_minus_advantage_over_n():
    log_probs, advantages = normals(0, 2, 4)
    log_probs.requires_grad_()
    policy_gradient_loss(log_probs, advantages).backward()
    torch.testing.assert_close(log_probs.grad, -advantages / 4)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (1.0, 2.0, -2.0, -2.0),  # on-policy: the policy gradient
        (1.1, 2.0, -2.2, -2.2),  # inside the interval: ratio * A
        (1.5, 2.0, -2.4, 0.0),  # already likely enough: clipped at 1.2 A, no gradient
        (0.5, 2.0, -1.0, -1.0),  # good but made unlikely: the pessimistic side keeps its gradient
        (0.5, -2.0, 1.6, 0.0),  # bad and already unlikely: clipped at 0.8 A
        (1.5, -2.0, 3.0, 3.0),  # bad but made likely: keeps its gradient
    ],
)
def test_ppo_worked_cases(ratio, advantage, loss, gradient):
    log_prob = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    got = ppo_loss(log_prob, torch.zeros(1), torch.tensor([advantage]).double(), clip_epsilon=0.2)
    got.backward()
    assert got.item() == pytest.approx(loss)
    assert float(log_prob.grad) == pytest.approx(gradient)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "gradient"),
    [
        (2.0, -1.0, 2.0, 2.0),  # below the second clip: as without it
        (9.0, -1.0, 3.0, 0.0),  # far too likely: held at 3 |A|
        (9.0, 1.0, -1.2, 0.0),  # positive advantages are not concerned
    ],
)
def test_dual_clip_bounds_negative_advantages(ratio, advantage, loss, gradient):
    log_prob = torch.tensor([math.log(ratio)], dtype=torch.float64, requires_grad=True)
    advantages = torch.tensor([advantage]).double()
    got = ppo_loss(log_prob, torch.zeros(1), advantages, clip_epsilon=0.2, dual_clip=3.0)
    got.backward()
    assert got.item() == pytest.approx(loss)
    assert float(log_prob.grad) == pytest.approx(gradient)


def test_value_clipping_is_pessimistic_and_stops_the_gradient_of_a_leap():
    values = torch.tensor([1.0, 0.1], dtype=torch.float64, requires_grad=True)
    returns, old = torch.tensor([1.0, 1.0]).double(), torch.zeros(2).double()
    got = value_loss(values, returns, old, clip_epsilon=0.2)
    got.backward()
    # Row 0 leapt to its return: it counts as 0.2, error .64. Row 1 moved little: error .81.
    assert got.item() == pytest.approx(0.5 * (0.64 + 0.81) / 2)
    assert values.grad.tolist() == pytest.approx([0.0, -0.45])


@given(seeds)
@quick
def test_dqn_loss_touches_the_taken_actions_only(seed):
    (q,) = normals(seed, 1, 5, 3)
    targets, weights = normals(seed + 1, 2, 5)
    weights = weights.abs()
    actions = torch.tensor([0, 2, 1, 1, 0])
    q.requires_grad_()
    got = dqn_loss(q, actions, targets, weights)
    got.backward()
    errors = [(q[i, a] - targets[i]).item() for i, a in enumerate(actions)]
    assert got.item() == pytest.approx(
        0.5 * mean([float(w) * e**2 for w, e in zip(weights, errors, strict=True)])
    )
    expected = torch.zeros(5, 3).double()
    for i, a in enumerate(actions):
        expected[i, a] = weights[i] * errors[i] / 5
    torch.testing.assert_close(q.grad, expected)
    assert dqn_loss(q, actions, targets).item() == pytest.approx(0.5 * mean([e**2 for e in errors]))


def test_seed_dims_give_every_seed_its_own_loss():
    log_probs, old, advantages, values = normals(3, 4, 3, 8)
    (q,) = normals(4, 1, 3, 8, 2)
    actions = torch.zeros(3, 8).long()
    together = [
        policy_gradient_loss(log_probs, advantages, seed_dims=1),
        ppo_loss(log_probs, old, advantages, clip_epsilon=0.2, dual_clip=3.0, seed_dims=1),
        value_loss(values, advantages, old, clip_epsilon=0.1, seed_dims=1),
        dqn_loss(q, actions, values, seed_dims=1),
        entropy_loss(values, seed_dims=1),
    ]
    for s in range(3):
        lp, lo, a, v = log_probs[s], old[s], advantages[s], values[s]
        alone = [
            policy_gradient_loss(lp, a),
            ppo_loss(lp, lo, a, clip_epsilon=0.2, dual_clip=3.0),
            value_loss(v, a, lo, clip_epsilon=0.1),
            dqn_loss(q[s], actions[s], v),
            entropy_loss(v),
        ]
        for one, many in zip(alone, together, strict=True):
            assert many.shape == (3,)
            torch.testing.assert_close(many[s], one)
    normalised = normalise_advantages(advantages, seed_dims=1)
    torch.testing.assert_close(normalised[1], normalise_advantages(advantages[1]))


@given(seeds, st.floats(-50, 50), st.floats(0.1, 50))
@quick
def test_normalised_advantages_ignore_shift_and_scale(seed, shift, scale):
    (advantages,) = normals(seed, 1, 10)
    got = normalise_advantages(advantages)
    assert float(got.mean()) == pytest.approx(0.0, abs=1e-12)
    assert float(got.std()) == pytest.approx(1.0, abs=1e-6)
    torch.testing.assert_close(
        normalise_advantages(scale * advantages + shift), got, rtol=1e-6, atol=1e-6
    )


@given(seeds)
@quick
def test_masked_moments_are_those_of_the_kept_entries(seed):
    (advantages,) = normals(seed, 1, 9)
    mask = torch.tensor([1, 0, 1, 1, 0, 1, 1, 0, 1]).bool()
    poisoned = advantages.masked_fill(~mask, math.nan)
    got = normalise_advantages(poisoned, mask)
    torch.testing.assert_close(got[mask], normalise_advantages(advantages[mask]))
    assert got[~mask].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("advantages", [[0.35] * 7, [3.0], [1e-9, -1e-9]])
def test_degenerate_advantages_stay_finite(advantages):
    got = normalise_advantages(torch.tensor(advantages))
    assert got.isfinite().all()
    assert got.abs().max() <= 100.0 * torch.finfo(torch.float32).eps / 1e-8


def test_shapes_that_would_broadcast_are_refused():
    row, column = torch.zeros(4), torch.zeros(4, 1)
    for call in (
        lambda: policy_gradient_loss(row, column),
        lambda: ppo_loss(row, row, column, clip_epsilon=0.2),
        lambda: value_loss(column, row),
        lambda: dqn_loss(torch.zeros(4, 2), row, column),
        lambda: normalise_advantages(row, column),
    ):
        with pytest.raises(ValueError, match="must have the shape of"):
            call()


def test_half_given_options_are_refused():
    row = torch.zeros(4)
    with pytest.raises(ValueError, match="`clip_epsilon` is missing; give both to clip"):
        value_loss(row, row, row)
    with pytest.raises(ValueError, match="`old_values` is missing; give both to clip"):
        value_loss(row, row, clip_epsilon=0.2)
    with pytest.raises(ValueError, match=r"`dual_clip` must exceed 1, it is 0\.5"):
        ppo_loss(row, row, row, clip_epsilon=0.2, dual_clip=0.5)
