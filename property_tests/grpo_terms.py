"""The terms of the GRPO loss, one function each, so that definition and faulty versions share words.

Every function acts on the last two axes `[..., B, T]`; numbers may be complex (see `complex_step`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from property_tests.framework.complex_step import clipped, larger, sigmoid, smaller
from property_tests.framework.records import Array

OFF = "off"


class Batch(NamedTuple):
    """Everything that a GRPO loss takes.

    Args:
        log_probs, old, ref: `[B, T]`, of the tokens under the three policies.
        advantages: `[B, T]`.
        mask: `[B, T]`, true where the token counts.
        low, high: half-widths of the clip.
        kl_coef, denominator: numbers.
        ratio, aggregation, kl, kl_over, dual_clip, clip_form: the declared conventions.
        tau_pos, tau_neg: temperatures of SAPO.
    """

    log_probs: Array
    old: Array
    ref: Array
    advantages: Array
    mask: Array
    low: float
    high: float
    kl_coef: float
    denominator: float
    ratio: str
    aggregation: str
    kl: str
    kl_over: str
    dual_clip: Any
    clip_form: str
    tau_pos: float
    tau_neg: float


def batch(inputs: dict[str, Any]) -> Batch:
    """The canonical inputs of the contract, with an advantage for every token."""
    advantage, mask = inputs["advantage"], inputs["mask"]
    return Batch(
        inputs["log_probs"],
        inputs["old_log_probs"],
        inputs["ref_log_probs"],
        advantage[:, None] + np.zeros(mask.shape) if advantage.ndim == 1 else advantage,
        mask,
        inputs["clip_epsilon"],
        inputs["clip_high"],
        inputs["kl_coef"],
        inputs["denominator"],
        inputs["ratio"],
        inputs["aggregation"],
        inputs["kl"],
        inputs["kl_over"],
        inputs["dual_clip"],
        inputs["clip_form"],
        inputs["tau_pos"],
        inputs["tau_neg"],
    )


def kept(b: Batch, values: Array) -> Array:
    """The values, 0 where the mask is false."""
    return np.where(b.mask, values, 0.0)


def log_ratios(b: Batch) -> Array:
    """log pi - log pi_old of each token that counts."""
    return kept(b, b.log_probs - b.old)


def ratios(b: Batch) -> Array:
    """[..., B, T] of tokens, or [..., B, 1] of sequences."""
    values = log_ratios(b)
    if b.ratio == "token":
        return np.exp(values)
    total = values.sum(axis=-1, keepdims=True)
    if b.ratio == "sequence-mean":
        total = total / np.maximum(b.mask.sum(axis=-1, keepdims=True), 1)
    return np.exp(total)


def bounded(b: Batch, surrogate: Array) -> Array:
    """The second clip, of negative advantages."""
    if b.dual_clip == OFF:
        return surrogate
    lowest = float(b.dual_clip) * b.advantages
    return np.where(b.advantages < 0.0, larger(surrogate, lowest), surrogate)


def surrogate(b: Batch, ratio: Array) -> Array:
    """min(r A, clip(r) A) of each token, or what is declared in its place."""
    if b.clip_form == "sapo":
        heat = np.where(b.advantages > 0.0, b.tau_pos, b.tau_neg)
        return 4.0 / heat * sigmoid(heat * (ratio - 1.0)) * b.advantages
    if b.clip_form != "ppo":
        return np.real(cispo_weight(b, ratio)) * b.advantages * kept(b, b.log_probs)
    near = clipped(ratio, 1.0 - b.low, 1.0 + b.high)
    return bounded(b, smaller(ratio * b.advantages, near * b.advantages))


def cispo_weight(b: Batch, ratio: Array) -> Array:
    """The clipped ratio, which CISPO detaches."""
    if b.clip_form == "cispo":
        return clipped(ratio, 1.0 - b.low, 1.0 + b.high)
    return smaller(ratio, b.high if b.clip_form == "cispo-absolute" else 1.0 + b.high)


def divergence(b: Batch, kind: str) -> Array:
    """The estimate of each token."""
    difference = kept(b, b.log_probs - b.ref)
    if kind == "k1":
        return difference
    return 0.5 * difference**2 if kind == "k2" else np.exp(-difference) - 1.0 + difference


def weights(b: Batch) -> Array:
    """What each token counts for in the loss, [B, T]."""
    mask = b.mask.astype(float)
    if b.aggregation == "token-mean":
        return mask / max(mask.sum(), 1.0)
    if b.aggregation == "constant":
        return mask / b.denominator
    if b.aggregation == "constant-per-sequence":
        return mask / (b.denominator * len(mask))
    return mask / np.maximum(mask.sum(axis=-1, keepdims=True), 1.0) / len(mask)


def kl_weights(b: Batch) -> Array:
    """What each token's divergence counts for."""
    return b.mask / len(b.mask) if b.kl_over == "summed" else weights(b)


def total(values: Array, weight: Array) -> Array:
    """The weighted sum over both axes."""
    return (values * weight).sum(axis=(-2, -1))


def policy_term(b: Batch) -> Array:
    """The surrogate of the batch, to be minimised."""
    return -total(surrogate(b, ratios(b)), weights(b))


def kl_term(b: Batch) -> Array:
    """The penalty of the batch."""
    return total(divergence(b, b.kl), kl_weights(b))


def loss(b: Batch) -> Array:
    """The GRPO loss."""
    return policy_term(b) + b.kl_coef * kl_term(b)
