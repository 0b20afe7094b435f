"""Wrong versions of the log-probability of squashed actions: mistakes in the change of variables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests import gaussian_faults
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.gaussian_policies import Terms, log_density
from property_tests.policy_rows import GITHUB

_LINE = "the correction for the tanh"
_STABLE = "2 * (log 2 - u - softplus(-2 u))"


def _log_slope(u: Array) -> Array:
    """log(1 - tanh(u)^2)."""
    return np.log(1.0 / np.cosh(u) ** 2)


def _guarded_slope(u: Array) -> Array:
    """The same with the customary 1e-6 inside, which faulty functions have too."""
    return np.log(1.0 / np.cosh(u) ** 2 + 1e-6)


def _summed(terms: Terms) -> Model:
    def model(mean: Array, log_std: Array, pre_tanh: Array) -> Array:
        return terms(mean, log_std, pre_tanh).sum(axis=1)

    return model


def _corrected(correction: Callable[[Array], Array]) -> Model:
    """The right Gaussian with another correction, a function of u."""
    return _summed(lambda m, s, u: log_density(m, s, u) - correction(u))


def _guarded(epsilon: float) -> Model:
    return _corrected(lambda u: np.log(1.0 / np.cosh(u) ** 2 + epsilon))


def _clipped(epsilon: float) -> Model:
    return _corrected(lambda u: np.log(np.clip(1.0 - u**2, 0.0, 1.0) + epsilon))


def _softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def _at_the_action(correction: Callable[[Array], Array]) -> Model:
    """The Gaussian is asked for the squashed action itself."""
    return _summed(lambda m, s, u: log_density(m, s, np.tanh(u)) - correction(u))


def _correction_averaged(mean, log_std, pre_tanh):
    plain = log_density(mean, log_std, pre_tanh).sum(axis=1)
    return plain - _log_slope(pre_tanh).mean(axis=1)


def _correction_of_first(mean, log_std, pre_tanh):
    return log_density(mean, log_std, pre_tanh).sum(axis=1) - _log_slope(pre_tanh)[:, 0]


def _correction_not_summed(mean, log_std, pre_tanh):
    plain = log_density(mean, log_std, pre_tanh).sum(axis=1, keepdims=True)
    return plain - _log_slope(pre_tanh)


def _guarded_correction_not_summed(mean, log_std, pre_tanh):
    plain = log_density(mean, log_std, pre_tanh).sum(axis=1, keepdims=True)
    return plain - _guarded_slope(pre_tanh)


def _correction_over_the_batch(mean, log_std, pre_tanh):
    return log_density(mean, log_std, pre_tanh).sum(axis=1) - _log_slope(pre_tanh).sum()


def _correction_of_the_mean(mean, log_std, pre_tanh):
    return (log_density(mean, log_std, pre_tanh) - _log_slope(mean)).sum(axis=1)


def _mean_squashed(mean, log_std, pre_tanh):
    return (log_density(np.tanh(mean), log_std, pre_tanh) - _log_slope(pre_tanh)).sum(axis=1)


def _mean_squashed_guarded(mean, log_std, pre_tanh):
    return (log_density(np.tanh(mean), log_std, pre_tanh) - _guarded_slope(pre_tanh)).sum(axis=1)


def _mean_squashed_at_the_action(mean, log_std, pre_tanh):
    return log_density(np.tanh(mean), log_std, np.tanh(pre_tanh)).sum(axis=1)


def _mean_squashed_and_corrected(mean, log_std, pre_tanh):
    terms = log_density(np.tanh(mean), log_std, np.tanh(pre_tanh)) - _log_slope(pre_tanh)
    return terms.sum(axis=1)


def _infinite(mean, log_std, pre_tanh):
    actions = np.tanh(pre_tanh)
    return (log_density(mean, log_std, np.arctanh(actions)) - np.log(1.0 - actions**2)).sum(axis=1)


def faults(cut: Model) -> tuple[FaultyVersion, ...]:
    """All of them.

    Args:
        cut: the right value with a gradient of zero.
    """
    return (*_FAULTS, *gaussian_faults.faults("pre_tanh", _log_slope, cut))


_FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "tanh-correction-missing",
        _corrected(np.zeros_like),
        "the correction for the tanh is missing",
        "It is the density of u, not of a = tanh(u). The entropy of the squashed policy is "
        "overestimated, and the temperature of SAC settles elsewhere.",
        f"Subtract sum log(1 - a^2), or {_STABLE}.",
        _LINE,
        (f"{GITHUB}automl/Mighty/pull/118",),
        aliases=("correction-missing",),
    ),
    FaultyVersion(
        "correction-sign-flipped",
        _corrected(lambda u: -_log_slope(u)),
        "the correction for the tanh has the wrong sign",
        "Actions near the bounds look unlikely where they are likely.",
        "Subtract log(1 - a^2).",
        _LINE,
        (f"{GITHUB}hwang-ua/inac_pytorch/issues/1",),
        variants=(_corrected(lambda u: -_guarded_slope(u)),),
    ),
    FaultyVersion(
        "correction-of-the-wrong-variable",
        _corrected(lambda u: np.log(1.0 - np.tanh(np.tanh(u)) ** 2)),
        "the correction is taken at another number than the squashed action",
        "1 - x^2 belongs to x = tanh(u). Taken of u itself, of tanh(tanh(u)) or of the mean it is "
        "no derivative of the map that was applied; beyond |u| = 1 it is NaN.",
        f"Use 1 - tanh(u)^2, or {_STABLE}.",
        _LINE,
        (
            f"{GITHUB}cpnota/autonomous-learning-library/issues/139",
            f"{GITHUB}thu-ml/tianshou/commit/dd4a01132cbb",
        ),
        variants=(
            _corrected(lambda u: np.log(1.0 - u**2)),
            *(_clipped(e) for e in (1e-6, 1e-8, 1e-7)),
            _correction_of_the_mean,
        ),
    ),
    FaultyVersion(
        "square-missing",
        _corrected(lambda u: np.log(1.0 - np.tanh(u))),
        "the derivative of tanh is taken for 1 - a",
        "The derivative is 1 - a^2.",
        "Square the action.",
        _LINE,
        variants=(
            _corrected(lambda u: np.log(1.0 - np.abs(np.tanh(u)))),
            _corrected(lambda u: np.log((1.0 - np.tanh(u)) ** 2)),
            _corrected(lambda u: np.log(1.0 + np.tanh(u) ** 2)),
        ),
    ),
    FaultyVersion(
        "correction-scaled",
        _corrected(lambda u: 0.5 * _log_slope(u)),
        "the correction for the tanh has the wrong size",
        "A factor 2 too many or too few, or the derivative itself for its logarithm.",
        f"Subtract log(1 - a^2) once, or {_STABLE}.",
        _LINE,
        variants=(
            _corrected(lambda u: 2.0 * _log_slope(u)),
            _corrected(lambda u: 1.0 / np.cosh(u) ** 2),
        ),
    ),
    FaultyVersion(
        "stable-form-wrong",
        _corrected(lambda u: 2.0 * (np.log(2.0) - u - _softplus(2.0 * u))),
        f"a sign or a factor of {_STABLE} is wrong",
        "The form that is safe at saturation is easily mistyped.",
        f"Write {_STABLE}.",
        _LINE,
        variants=(
            _corrected(lambda u: 2.0 * (np.log(2.0) + u - _softplus(-2.0 * u))),
            _corrected(lambda u: 2.0 * (np.log(2.0) - u - _softplus(-u))),
            _corrected(lambda u: 2.0 * (-u - _softplus(-2.0 * u))),
            _corrected(lambda u: 2.0 * np.log(2.0) - u - _softplus(-2.0 * u)),
        ),
    ),
    FaultyVersion(
        "correction-not-summed",
        _correction_not_summed,
        "the correction is not summed over the dimensions",
        "The Gaussian part is one number a state and the correction one a dimension; the sum of "
        "both broadcasts.",
        "Sum the correction over the last axis too.",
        _LINE,
        (f"{GITHUB}DLR-RM/stable-baselines3/commit/fd9e73cfb87f",),
        variants=(
            _guarded_correction_not_summed,
            _correction_averaged,
            _correction_of_first,
            _correction_over_the_batch,
        ),
    ),
    FaultyVersion(
        "density-at-the-action",
        _at_the_action(_log_slope),
        "the Gaussian is asked for the squashed action, not for u",
        "The Gaussian describes u = atanh(a). At a itself its density belongs to another number.",
        "Invert the tanh first, or keep the sample u.",
        "the argument of the Gaussian's log-density",
        (f"{GITHUB}thu-ml/tianshou/issues/312",),
        variants=(_at_the_action(np.zeros_like),),
    ),
    FaultyVersion(
        "mean-squashed",
        _mean_squashed,
        "the mean is squashed too",
        "tanh is applied to the mean and to the sample: the density is that of another policy.",
        "Squash the sample only.",
        "the arguments of the distribution",
        (
            f"{GITHUB}thu-ml/tianshou/commit/dd4a01132cbb",
            f"{GITHUB}hwang-ua/inac_pytorch/issues/1",
        ),
        variants=(
            _mean_squashed_guarded,
            _mean_squashed_at_the_action,
            _mean_squashed_and_corrected,
        ),
    ),
    FaultyVersion(
        "epsilon-too-large",
        _corrected(lambda u: np.log(1.0 / np.cosh(u) ** 2 + 1e-3)),
        "the number added to 1 - a^2 is so large that it shows",
        "Actions near the bounds look less likely than they are.",
        f"Use {_STABLE}, which needs none, or at most 1e-6.",
        _LINE,
        (f"{GITHUB}ray-project/ray/issues/14878",),
        variants=tuple(_guarded(e) for e in (1e-4, 1e-2, 0.1, 1.0)),
    ),
    FaultyVersion(
        "infinite-at-saturation",
        _infinite,
        "an action that rounds to 1 or -1 gives infinity or NaN",
        "1 - a^2 rounds to 0 and atanh(a) to infinity, from |u| = 9 on in float32.",
        f"Keep u and use {_STABLE}; where only the action is known, clamp it inside (-1, 1).",
        _LINE,
        (f"{GITHUB}ray-project/ray/issues/14878",),
    ),
)
