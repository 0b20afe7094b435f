"""Losses of language-model RL against loops over tokens, and their gradients against the derivation."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.llm.losses import (
    aggregate,
    dpo_loss,
    grpo_loss,
    kl_estimate,
    reward_model_loss,
)

quick = settings(max_examples=50, deadline=None)
seeds = st.integers(0, 2**31)


def batch(seed: int, rows: int = 3, length: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    normal = [torch.randn(rows, length, generator=generator, dtype=torch.float64) for _ in range(4)]
    mask = torch.rand(rows, length, generator=generator) < 0.6
    mask[0, 0] = True
    return {
        "log_probs": (normal[0] - 2).requires_grad_(),
        "old_log_probs": normal[0] - 2 + 0.3 * normal[1],
        "ref_log_probs": normal[0] - 2 + 0.3 * normal[2],
        "advantages": normal[3],
        "mask": mask,
    }


def loop_loss(given: dict[str, torch.Tensor], ratio: str, aggregation: str, constant: float):
    """The surrogate with k3 penalty, token by token in Python floats."""
    given = {name: tensor.detach() for name, tensor in given.items()}
    rows, total, tokens = len(given["mask"]), 0.0, int(given["mask"].sum())
    for b in range(rows):
        kept = [t for t in range(given["mask"].shape[1]) if given["mask"][b, t]]
        log_ratios = {
            t: float(given["log_probs"][b, t] - given["old_log_probs"][b, t]) for t in kept
        }
        whole = sum(log_ratios.values())
        for t in kept:
            exponent = {
                "token": log_ratios[t],
                "sequence-mean": whole / len(kept),
                "sequence-product": whole,
            }[ratio]
            r, a = math.exp(exponent), float(given["advantages"][b, t])
            d = float(given["log_probs"][b, t] - given["ref_log_probs"][b, t])
            loss = -min(r * a, min(max(r, 0.8), 1.3) * a) + 0.1 * (math.exp(-d) - 1 + d)
            weight = {"seq-mean": rows * len(kept), "token-mean": tokens, "constant": constant}
            total += loss / weight[aggregation]
    return total


@given(
    seeds,
    st.sampled_from(["token", "sequence-mean", "sequence-product"]),
    st.sampled_from(["seq-mean", "token-mean", "constant"]),
)
@quick
def test_grpo_loss_is_the_loop_over_tokens(seed, ratio, aggregation):
    given_batch = batch(seed)
    loss = grpo_loss(
        **given_batch,
        clip_epsilon=0.2,
        clip_epsilon_high=0.3,
        kl_coef=0.1,
        ratio=ratio,
        aggregation=aggregation,
        denominator=12.0 if aggregation == "constant" else None,
    )
    assert loss.item() == pytest.approx(loop_loss(given_batch, ratio, aggregation, 12.0))


@given(seeds, st.sampled_from([0.0, 1e4, math.nan, math.inf]))
@quick
def test_what_lies_under_the_mask_is_never_read(seed, poison):
    clean = batch(seed)
    dirty = {
        name: value.detach().masked_fill(~clean["mask"], poison) if name != "mask" else value
        for name, value in clean.items()
    }
    dirty["log_probs"].requires_grad_()
    losses = [grpo_loss(**data, clip_epsilon=0.2, kl_coef=0.1) for data in (clean, dirty)]
    grads = [
        torch.autograd.grad(loss, data["log_probs"])[0]
        for loss, data in zip(losses, (clean, dirty), strict=True)
    ]
    assert losses[0].item() == losses[1].item()
    assert torch.equal(grads[0], grads[1])
    assert (grads[1][~clean["mask"]] == 0).all()


@given(seeds, st.sampled_from(["seq-mean", "token-mean", "constant"]))
@quick
def test_parts_with_the_denominator_of_the_whole_add_up(seed, aggregation):
    data = batch(seed, rows=4)
    whole = {"seq-mean": 4.0, "token-mean": float(data["mask"].sum()), "constant": 9.0}
    options = {"aggregation": aggregation, "denominator": whole[aggregation]}
    values, mask = data["advantages"], data["mask"]
    parts = aggregate(values[:1], mask[:1], **options) + aggregate(values[1:], mask[1:], **options)
    assert float(parts) == pytest.approx(float(aggregate(values, mask, **options)))
    if aggregation != "constant":
        alone = aggregate(values, mask, aggregation=aggregation)
        assert float(parts) == pytest.approx(float(alone))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("ratio", ["token", "sequence-mean", "sequence-product"])
def test_extreme_ratios_stay_finite(dtype, ratio):
    log_probs = torch.tensor([[0.0, -1000.0], [0.0, -100.0]], dtype=dtype, requires_grad=True)
    old = torch.tensor([[-1000.0, 0.0], [-100.0, 0.0]], dtype=dtype)
    advantages = torch.tensor([-2.0, 2.0], dtype=dtype)
    mask = torch.ones_like(old)
    loss = grpo_loss(
        log_probs, old, advantages, mask, old, clip_epsilon=0.2, kl_coef=0.1, ratio=ratio
    )
    loss.backward()
    assert loss.isfinite()
    assert log_probs.grad.isfinite().all()


def test_on_policy_gradient_is_reinforce():
    data = batch(3)
    data["old_log_probs"] = data["log_probs"].detach()
    for ratio in ("token", "sequence-product"):
        loss = grpo_loss(
            **data, clip_epsilon=0.2, ratio=ratio, aggregation="constant", denominator=1.0
        )
        (gradient,) = torch.autograd.grad(loss, data["log_probs"])
        kept = data["advantages"].masked_fill(~data["mask"], 0.0)
        expected = -kept if ratio == "token" else -kept.sum(1, keepdim=True) * data["mask"]
        torch.testing.assert_close(gradient, expected)


def test_nothing_to_learn_from_is_zero_not_nan():
    zeros = torch.zeros(2, 3, requires_grad=True)
    mask = torch.zeros(2, 3, dtype=torch.bool)
    for aggregation in ("seq-mean", "token-mean"):
        loss = grpo_loss(
            zeros, zeros.detach(), torch.ones(2), mask, clip_epsilon=0.2, aggregation=aggregation
        )
        assert float(loss) == 0.0


def test_estimates_of_kl_by_enumeration():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 6, generator=generator, dtype=torch.float64)
    log_p, log_q = logits.log_softmax(-1)
    exact = float((log_p.exp() * (log_p - log_q)).sum())
    for estimator in ("k1", "k3"):
        expected = (log_p.exp() * kl_estimate(log_p, log_q, estimator=estimator)).sum()
        assert float(expected) == pytest.approx(exact)
    assert (kl_estimate(log_p, log_q, estimator="k2") >= 0).all()


def test_k3_is_accurate_for_small_and_finite_for_large_ratios():
    small = torch.tensor([[1e-4, -1e-3]], dtype=torch.float32)
    exact = [[5.0e-9, 5.0e-7]]
    torch.testing.assert_close(
        kl_estimate(small, torch.zeros_like(small)), torch.tensor(exact), rtol=1e-2, atol=0
    )
    large = torch.tensor([[-1e3, 1e3]], requires_grad=True)
    estimate = kl_estimate(large, torch.zeros(1, 2))
    estimate.sum().backward()
    assert estimate.isfinite().all()
    assert large.grad.isfinite().all()


@given(seeds, st.floats(0.05, 2.0), st.sampled_from([0.0, 0.1, 0.4]))
@quick
def test_dpo_gradients_are_the_derived_ones(seed, beta, smooth):
    generator = torch.Generator().manual_seed(seed)
    logps = [torch.randn(4, generator=generator, dtype=torch.float64) * 3 for _ in range(4)]
    logps = [part.requires_grad_(k < 2) for k, part in enumerate(logps)]
    margin = beta * (logps[0] - logps[1] - logps[2] + logps[3]).detach()
    gap = margin / beta
    slopes = {
        "sigmoid": -beta * (torch.sigmoid(-margin) - smooth),
        "robust": -beta * (torch.sigmoid(-margin) + smooth / (1 - 2 * smooth)),
        "hinge": -beta * (margin < 1),
        "ipo": 2 * (gap - 0.5 / beta),
    }
    for variant, slope in slopes.items():
        label_smoothing = smooth if variant in ("sigmoid", "robust") else 0.0
        loss = dpo_loss(
            *logps, beta=beta, variant=variant, label_smoothing=label_smoothing, reduction="sum"
        )
        chosen, rejected = torch.autograd.grad(loss, logps[:2])
        torch.testing.assert_close(chosen, slope.double())
        torch.testing.assert_close(rejected, -slope.double())


def test_preference_losses_start_where_theory_says():
    zeros = torch.zeros(3)
    starts = {"sigmoid": math.log(2), "robust": math.log(2), "hinge": 1.0, "ipo": 25.0}
    for variant, start in starts.items():
        assert float(dpo_loss(*[zeros] * 4, beta=0.1, variant=variant)) == pytest.approx(start)
    assert float(reward_model_loss(zeros, zeros)) == pytest.approx(math.log(2))
    margin = torch.full((3,), 2.0)
    assert float(reward_model_loss(margin, zeros, margin)) == pytest.approx(math.log(2))
    far = reward_model_loss(torch.full((3,), -1e4), zeros)
    assert float(far) == pytest.approx(1e4)


def test_bad_arguments_are_told_apart():
    row = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="`denominator` must be given"):
        aggregate(row, row, aggregation="constant")
    with pytest.raises(ValueError, match="one of seq-mean, token-mean, constant, it is 'sum'"):
        aggregate(row, row, aggregation="sum")
    with pytest.raises(ValueError, match="`ref_log_probs` must be given"):
        grpo_loss(row, row, row, row, clip_epsilon=0.2, kl_coef=0.1)
    with pytest.raises(ValueError, match="`advantages` must have the shape"):
        grpo_loss(row, row, torch.zeros(2, 1), row, clip_epsilon=0.2)
    with pytest.raises(ValueError, match="`ref_log_probs` must have the shape"):
        kl_estimate(row, torch.zeros(2, 2))
    with pytest.raises(ValueError, match=r"`label_smoothing` 0.1 does not go with 'ipo'"):
        dpo_loss(*[torch.zeros(2)] * 4, beta=0.1, variant="ipo", label_smoothing=0.1)
