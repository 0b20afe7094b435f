"""Wrong versions of a Gaussian log-density, for plain and for squashed actions.

Each is a wrong expression of the terms [B, D], to which a contract may add its own correction.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests import policy_rows
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.gaussian_policies import LOG_TWO_PI, Terms, log_density, model
from property_tests.policy_rows import GITHUB

_LINE = "the expression of the log-density"
Correction = Callable[[Array], Array]


def _z(mean, log_std, x):
    return (x - mean) / np.exp(log_std)


def _std_for_variance(mean, log_std, x):
    return -0.5 * (x - mean) ** 2 / np.exp(log_std) - log_std - 0.5 * LOG_TWO_PI


def _scaled(std: Callable[[Array], Array]) -> Terms:
    """The right density with another standard deviation, a function of log_std."""

    def terms(mean, log_std, x):
        scale = std(log_std)
        return -0.5 * ((x - mean) / scale) ** 2 - np.log(scale) - 0.5 * LOG_TWO_PI

    return terms


def _with_normaliser(log_std_times: float, constant: float) -> Terms:
    """The right exponent with another normaliser."""

    def terms(mean, log_std, x):
        return -0.5 * _z(mean, log_std, x) ** 2 - log_std_times * log_std - constant

    return terms


def _exponent_times(factor: float) -> Terms:
    def terms(mean, log_std, x):
        return factor * _z(mean, log_std, x) ** 2 - log_std - 0.5 * LOG_TWO_PI

    return terms


def _not_squared(mean, log_std, x):
    return -0.5 * np.abs(_z(mean, log_std, x)) - log_std - 0.5 * LOG_TWO_PI


def _not_centred(mean, log_std, x):
    return log_density(np.zeros_like(mean), log_std, x)


def _std_ignored(mean, log_std, x):
    return log_density(mean, np.zeros_like(log_std), x)


def _at_the_mean(mean, log_std, x):
    return log_density(mean, log_std, mean)


def _spread_over_dimensions(terms: Array) -> Array:
    """Each term divided by their number, so that the sum is a mean."""
    return terms / terms.shape[1]


def faults(sample: str, correction: Correction, cut: Model) -> tuple[FaultyVersion, ...]:
    """Faults of a Gaussian log-probability.

    Args:
        sample: name of what was drawn.
        correction: what is subtracted from each term, a function of the sample.
        cut: the right value with a gradient of zero.
    """

    def summed(terms: Terms) -> Model:
        return model(sample, lambda m, s, x: (terms(m, s, x) - correction(x)).sum(axis=1))

    def all_terms(m: Array, s: Array, x: Array) -> Array:
        return log_density(m, s, x) - correction(x)

    right = summed(log_density)

    def changed(change: Callable[[Array], Array]) -> Model:
        return model(sample, lambda m, s, x: change(all_terms(m, s, x)))

    def constant_once(m: Array, s: Array, x: Array) -> Array:
        constants = 0.5 * LOG_TWO_PI * (x.shape[1] - 1)
        return all_terms(m, s, x).sum(axis=1) + constants

    return (
        FaultyVersion(
            "std-for-variance",
            summed(_std_for_variance),
            "the squared distance is divided by the standard deviation, not by the variance",
            "The exponent has the wrong power of sigma: narrow policies look too wide and wide "
            "ones too narrow, and the gradient of sigma has its zero in the wrong place.",
            "Divide by std ** 2, or square the standardised distance.",
            _LINE,
            (f"{GITHUB}takuseno/d3rlpy/commit/384e28365a07",),
        ),
        FaultyVersion(
            "wrong-scale",
            summed(_scaled(lambda s: np.exp(2.0 * s))),
            "the scale is not the standard deviation",
            "A variance passed as a standard deviation, a standard deviation passed as a variance "
            "or a covariance, or a softplus where the exponential belongs.",
            "Pass exp(log_std) as the scale.",
            "the arguments of the distribution: scale, covariance, precision",
            (f"{GITHUB}takuseno/d3rlpy/commit/384e28365a07",),
            variants=tuple(
                summed(_scaled(std))
                for std in (
                    lambda s: np.exp(0.5 * s),
                    lambda s: np.log1p(np.exp(s)),
                    lambda s: np.exp(-s),
                    lambda s: np.abs(s) + 1e-6,
                )
            ),
        ),
        FaultyVersion(
            "log-std-not-exponentiated",
            summed(_scaled(lambda s: s)),
            "log_std is used as the standard deviation",
            "A negative one gives NaN or a mirrored density, one of 0 a division by zero.",
            "Take exp(log_std).",
            "the scale of the distribution",
            variants=(
                summed(lambda m, s, x: -0.5 * ((x - m) / s) ** 2 - s - 0.5 * LOG_TWO_PI),
                summed(
                    lambda m, s, x: -0.5 * ((x - m) / s) ** 2 - np.log(np.abs(s)) - 0.5 * LOG_TWO_PI
                ),
            ),
        ),
        FaultyVersion(
            "log-std-missing",
            summed(_with_normaliser(0.0, 0.5 * LOG_TWO_PI)),
            "the normaliser leaves out log std, or counts it wrongly",
            "Widening the policy then always makes the data likelier: the standard deviation runs "
            "away, or to zero.",
            "Subtract log std once a dimension.",
            _LINE,
            variants=tuple(
                summed(_with_normaliser(times, 0.5 * LOG_TWO_PI)) for times in (0.5, 2.0, -1.0)
            ),
        ),
        FaultyVersion(
            "constant-wrong",
            summed(_with_normaliser(1.0, 0.0)),
            "the constant log(2 pi) / 2 is missing, or counted wrongly",
            "Gradients stay right; an entropy estimate, a target entropy and a comparison with a "
            "density from elsewhere do not.",
            "Subtract log(2 pi) / 2 once a dimension.",
            _LINE,
            variants=(
                *(
                    summed(_with_normaliser(1.0, c * LOG_TWO_PI))
                    for c in (1.0, -0.5, 0.25, 0.5 / LOG_TWO_PI * np.log(np.pi))
                ),
                model(sample, constant_once),
            ),
        ),
        FaultyVersion(
            "half-missing",
            summed(_exponent_times(-1.0)),
            "the factor 1/2 of the exponent is missing, or its sign is wrong",
            "The density is too narrow by a factor of sqrt(2), or grows away from the mean.",
            "Write -0.5 * ((a - mean) / std) ** 2.",
            _LINE,
            variants=(summed(_exponent_times(0.5)), summed(_not_squared)),
        ),
        FaultyVersion(
            "mean-ignored",
            summed(_not_centred),
            "the mean, or the action, has no effect",
            "The policy cannot be moved towards good actions.",
            "Standardise with (a - mean) / std.",
            _LINE,
            variants=(summed(_at_the_mean),),
        ),
        FaultyVersion(
            "std-ignored",
            summed(_std_ignored),
            "the standard deviation has no effect",
            "The density is that of a unit Gaussian, and exploration is never learned.",
            "Pass exp(log_std) as the scale.",
            _LINE,
        ),
        FaultyVersion(
            "dimensions-averaged",
            changed(lambda terms: terms.mean(axis=1)),
            "the mean over the dimensions, not their sum",
            "Ratios are those of one average dimension, raised to no power: the larger the action, "
            "the weaker the update.",
            "Sum over the last axis.",
            "`.mean(-1)`",
            (f"{GITHUB}DLR-RM/stable-baselines3/commit/fd9e73cfb87f",),
        ),
        FaultyVersion(
            "one-dimension-only",
            changed(lambda terms: terms[:, 0]),
            "only one dimension of the action counts",
            "The others get no credit.",
            "Sum over the last axis.",
            "an index such as `[:, 0]` or `[..., -1]` where a sum belongs",
            variants=(
                changed(lambda terms: terms[:, -1]),
                changed(lambda terms: terms.prod(axis=1)),
                changed(lambda terms: terms.max(axis=1)),
            ),
        ),
        FaultyVersion(
            "summed-over-the-batch",
            changed(lambda terms: terms.sum(axis=0)),
            "the sum runs over the batch, not over the dimensions",
            "One number a dimension, not one a state.",
            "Sum over the last axis: `.sum(-1)`.",
            "`sum(0)`, `axis=0`",
            (f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/pull/46",),
        ),
        FaultyVersion(
            "probability-for-log-probability",
            changed(lambda terms: np.exp(terms.sum(axis=1))),
            "the density is returned, not its logarithm",
            "exp(new - old) is no ratio, and far actions hardly learn.",
            "Return the logarithm.",
            _LINE,
            (f"{GITHUB}pytorch/rl/commit/0e02132e4212",),
        ),
        FaultyVersion(
            "sign-flipped",
            changed(lambda terms: -terms.sum(axis=1)),
            "the sign is wrong: the negative log-probability is returned",
            "A likelihood loss is -log p. Used as log p it drives the policy from good actions.",
            "Negate it.",
            "a likelihood loss that stands in for the log-probability",
        ),
        FaultyVersion(
            "graph-cut",
            cut,
            "the value is right, and no gradient reaches the policy",
            "Mean and scale were detached, or the whole was computed under `no_grad`.",
            "Compute it with gradient wherever it enters a loss.",
            "`.detach()`, `.item()`, `torch.no_grad()`, a round trip through NumPy",
            (f"{GITHUB}Toni-SM/skrl/commit/13d28af56988",),
        ),
        *policy_rows.wrong_reductions(right),
        policy_rows.not_summed(changed(lambda terms: terms), "dimensions"),
    )
