"""Correct policy and value losses in the forms that public code uses, for self tests.

NumPy, differentiated numerically; they share no code with the oracles. Those in torch and JAX are in
the tests.
"""

from __future__ import annotations

import math

import numpy as np

from property_tests import policy_gradient_loss, ppo_loss, value_loss
from property_tests.framework.gradients import with_gradient
from property_tests.framework.records import FunctionContract, Model
from rlcheck.contracts import Options


def surrogate_mean(logp, adv):
    """One line."""
    return -np.mean(logp * adv)


def surrogate_sum(log_probs, advantages):
    """Summed over the batch."""
    return -np.dot(log_probs, advantages)


def surrogate_loop(log_probs: list, advantages: list):
    """Plain Python."""
    return sum(-p * a for p, a in zip(log_probs, advantages, strict=True)) / len(log_probs)


def clipped_minimum(log_probs, old_log_probs, advantages, clip_epsilon):
    """Minus the mean of the smaller of both terms."""
    ratio = np.exp(log_probs - old_log_probs)
    kept = np.clip(ratio, 1.0 - clip_epsilon, 1.0 + clip_epsilon)
    return -np.minimum(ratio * advantages, kept * advantages).mean()


def clipped_maximum(new_logprobs, old_logprobs, advs, clip_coef):
    """The mean of the larger of both losses, under other names."""
    ratio = np.exp(new_logprobs - old_logprobs)
    kept = np.clip(ratio, 1 - clip_coef, 1 + clip_coef)
    return np.maximum(-advs * ratio, -advs * kept).mean()


def clipped_by_sign(log_probs, old_log_probs, advantages, clip_range):
    """min(ratio A, (1 +- eps) A), the bound chosen by the sign."""
    ratio = np.exp(log_probs - old_log_probs)
    bound = np.where(advantages >= 0, (1 + clip_range) * advantages, (1 - clip_range) * advantages)
    return -np.minimum(ratio * advantages, bound).mean()


def half_squared_error(values, returns):
    """With the factor one half."""
    return 0.5 * ((returns - values) ** 2).mean()


def squared_error_sum(value, target):
    """Summed, without a factor."""
    return np.sum(np.square(value - target))


def squared_error_loop(values: list, returns: list):
    """Plain Python."""
    return sum(math.pow(v - g, 2) for v, g in zip(values, returns, strict=True)) / len(values)


def clipped_values(newvalue, returns, old_values, clip_range):
    """The larger of the plain error and that of the value which moved at most so far."""
    moved = old_values + np.clip(newvalue - old_values, -clip_range, clip_range)
    return 0.5 * np.maximum((newvalue - returns) ** 2, (moved - returns) ** 2).mean()


def _differentiated(
    spec: FunctionContract, wrt: str, functions: dict[str, Model]
) -> dict[str, Model]:
    return {name: with_gradient(fn, spec, wrt, Options()) for name, fn in functions.items()}


VARIANTS: dict[str, dict[str, Model]] = {
    "policy-gradient-loss": _differentiated(
        policy_gradient_loss.SPEC,
        "log_probs",
        {"mean": surrogate_mean, "sum": surrogate_sum, "list": surrogate_loop},
    ),
    "ppo-loss": _differentiated(
        ppo_loss.SPEC,
        "log_probs",
        {
            "minimum": clipped_minimum,
            "maximum": clipped_maximum,
            "bound by sign": clipped_by_sign,
        },
    ),
    "value-loss": _differentiated(
        value_loss.SPEC,
        "values",
        {
            "half": half_squared_error,
            "sum": squared_error_sum,
            "list": squared_error_loop,
            "clipped": clipped_values,
        },
    ),
}
