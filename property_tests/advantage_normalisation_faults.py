"""Wrong versions of the normalisation of advantages, each with the mistake that it models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.policy_rows import GITHUB

_LINE = "the line of the normalisation"
_MASK = "how the mask enters mean and standard deviation"
Kept = Callable[[Array, int], Array]


def _of_kept(change: Kept) -> Model:
    """A wrong version that looks at the kept steps only: (their values [n], ddof) -> [n]."""

    def model(advantages: Array, mask: Array, ddof: int) -> Array:
        out = np.zeros_like(advantages)
        out[mask] = change(advantages[mask], ddof)
        return out

    return model


def _masked(change: Callable[[Array, Array, int], Array]) -> Model:
    """A wrong version that looks at masked steps too."""

    def model(advantages: Array, mask: Array, ddof: int) -> Array:
        return np.where(mask, change(advantages, mask, ddof), 0.0)

    return model


def _with_eps(eps: float) -> Model:
    return _of_kept(lambda x, ddof: (x - x.mean()) / (x.std(ddof=ddof) + eps))


def _with_eps_under_the_root(eps: float) -> Model:
    return _of_kept(lambda x, ddof: (x - x.mean()) / np.sqrt(x.var(ddof=ddof) + eps))


def _z(x: Array, ddof: int) -> Array:
    return (x - x.mean()) / x.std(ddof=ddof)


def _per_axis(axis: int, on_failure: float) -> Model:
    def model(advantages: Array, mask: Array, ddof: int) -> Array:
        count = mask.sum(axis=axis, keepdims=True)
        mean = (advantages * mask).sum(axis=axis, keepdims=True) / count
        centred = (advantages - mean) * mask
        variance = (centred**2).sum(axis=axis, keepdims=True) / (count - ddof)
        scaled = centred / (np.sqrt(variance) + 1e-8)
        # A column of one step has no deviation to divide by, one of none not even a mean.
        return np.where(mask, np.where(np.isnan(scaled), on_failure, scaled), 0.0)

    return model


def _mean_over_everything(x: Array, mask: Array, ddof: int) -> Array:
    mean = (x * mask).mean()
    return (x - mean) / x[mask].std(ddof=ddof)


def _zeros_counted(x: Array, mask: Array, ddof: int) -> Array:
    filled = x * mask
    return (x - filled.mean()) / filled.std(ddof=ddof)


def _variance_over_everything(x: Array, mask: Array, ddof: int) -> Array:
    centred = (x - x[mask].mean()) * mask
    return centred / np.sqrt((centred**2).sum() / (x.size - ddof))


def _std_of_everything(x: Array, mask: Array, ddof: int) -> Array:
    return (x - x[mask].mean()) / x.std(ddof=ddof)


def _mean_of_everything(x: Array, mask: Array, ddof: int) -> Array:
    return (x - x.mean()) / x[mask].std(ddof=ddof)


def _inverted(x: Array, mask: Array, ddof: int) -> Array:
    other = x[~mask] if (~mask).sum() > ddof else x
    return (x - other.mean()) / other.std(ddof=ddof)


FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "std-missing",
        _of_kept(lambda x, ddof: x - x.mean()),
        "the advantages are centred, not scaled",
        "The size of the step still depends on the size of the rewards.",
        "Divide by the standard deviation.",
        _LINE,
    ),
    FaultyVersion(
        "mean-not-subtracted",
        _of_kept(lambda x, ddof: x / x.std(ddof=ddof)),
        "the mean is not subtracted",
        "All actions of a good batch are reinforced, all of a bad one suppressed.",
        "Subtract the mean before dividing.",
        _LINE,
        variants=(_of_kept(lambda x, ddof: x + 0.0),),
    ),
    FaultyVersion(
        "parentheses-missing",
        _of_kept(lambda x, ddof: x - x.mean() / x.std(ddof=ddof)),
        "the division binds before the subtraction: A - mean / std",
        "Parentheses are missing. Nothing is scaled, and what is subtracted is not the mean.",
        "Write (A - A.mean()) / (A.std() + eps).",
        _LINE,
        variants=(
            _of_kept(lambda x, ddof: (x - x.mean()) / x.std(ddof=ddof) + 1e-5),
            _of_kept(lambda x, ddof: (x - x.mean()) / x.std(ddof=ddof) + 1e-6),
            _of_kept(lambda x, ddof: (x - x.mean()) / x.std(ddof=ddof) + 1e-4),
        ),
    ),
    FaultyVersion(
        "variance-for-std",
        _of_kept(lambda x, ddof: (x - x.mean()) / x.var(ddof=ddof)),
        "the advantages are divided by the variance",
        "Large advantages become small and small ones large: the normalisation does the opposite "
        "of what it should.",
        "Divide by the standard deviation, the root of the variance.",
        _LINE,
        variants=(
            _of_kept(lambda x, ddof: (x - x.mean()) / x.std(ddof=ddof) ** 0.5),
            _of_kept(lambda x, ddof: (x - x.mean()) * x.std(ddof=ddof)),
        ),
    ),
    FaultyVersion(
        "another-scale",
        _of_kept(lambda x, ddof: (x - x.mean()) / np.abs(x - x.mean()).mean()),
        "another measure of spread stands for the standard deviation",
        "Mean absolute deviation, largest value, norm or range: the result is centred, and its "
        "standard deviation is not 1.",
        "Divide by the standard deviation.",
        _LINE,
        variants=(
            _of_kept(lambda x, ddof: (x - x.mean()) / np.abs(x - x.mean()).max()),
            _of_kept(lambda x, ddof: (x - x.mean()) / np.abs(x).max()),
            _of_kept(lambda x, ddof: (x - x.mean()) / (x.max() - x.min())),
            _of_kept(lambda x, ddof: (x - x.mean()) / np.linalg.norm(x - x.mean())),
            _of_kept(lambda x, ddof: (x - x.mean()) / np.linalg.norm(x)),
            _of_kept(lambda x, ddof: (x - x.mean()) / np.sqrt((x**2).mean())),
            _of_kept(lambda x, ddof: (x - x.mean()) / (x.std(ddof=ddof) / np.sqrt(len(x)))),
            _of_kept(lambda x, ddof: (x - x.mean()) / np.abs(x).mean()),
            _of_kept(lambda x, ddof: (x - np.median(x)) / x.std(ddof=ddof)),
        ),
    ),
    FaultyVersion(
        "scaled-to-a-range",
        _of_kept(lambda x, ddof: (x - x.min()) / (x.max() - x.min())),
        "the advantages are scaled to a range",
        "With a range of [0, 1] no action is ever worse than expected: all are reinforced.",
        "Subtract the mean, divide by the standard deviation.",
        _LINE,
        variants=(
            _of_kept(lambda x, ddof: 2.0 * (x - x.min()) / (x.max() - x.min()) - 1.0),
            _of_kept(lambda x, ddof: x / np.abs(x).max()),
            _of_kept(lambda x, ddof: x / np.linalg.norm(x)),
            _of_kept(lambda x, ddof: np.exp(x - x.max()) / np.exp(x - x.max()).sum()),
        ),
    ),
    FaultyVersion(
        "sign-flipped",
        _of_kept(lambda x, ddof: -_z(x, ddof)),
        "the sign is wrong: mean minus advantage",
        "Good actions become less likely.",
        "Subtract the mean from the advantages.",
        _LINE,
        variants=(_of_kept(lambda x, ddof: np.abs(_z(x, ddof))),),
        aliases=("advantage-sign-flipped",),
    ),
    FaultyVersion(
        "clipped",
        _of_kept(lambda x, ddof: np.clip(_z(x, ddof), -1.0, 1.0)),
        "the normalised advantages are clipped",
        "The best and the worst actions count no more than fair ones.",
        "Clip nothing here; the loss clips ratios.",
        _LINE,
        variants=(
            _of_kept(lambda x, ddof: np.maximum(_z(x, ddof), 0.0)),
            _of_kept(lambda x, ddof: np.tanh(_z(x, ddof))),
        ),
    ),
    FaultyVersion(
        "normalised-per-column",
        _per_axis(0, np.nan),
        "mean and standard deviation run over one axis of the batch only",
        "Each environment, or each step, is normalised apart: with one step or one trajectory on "
        "that axis everything becomes 0 or NaN, and differences between them are lost.",
        "Reduce over all axes.",
        "`axis=0`, `dim=-1`",
        (
            f"{GITHUB}tensorflow/agents/issues/651",
            f"{GITHUB}OpenRLHF/OpenRLHF/commit/b3d292789dea",
        ),
        variants=(_per_axis(1, np.nan), _per_axis(0, 0.0), _per_axis(1, 0.0)),
    ),
    FaultyVersion(
        "constant-divides-by-zero",
        _of_kept(_z),
        "equal advantages give NaN",
        "The standard deviation is 0, and nothing is added to it.",
        "Add an eps to the standard deviation.",
        _LINE,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/775fc348649a",),
    ),
    FaultyVersion(
        "eps-too-large",
        _of_kept(lambda x, ddof: (x - x.mean()) / (x.std(ddof=ddof) + 1e-2)),
        "an eps so large that it shows",
        "Small advantages are not scaled up to size, large ones are: the scale still counts.",
        "Use 1e-8.",
        _LINE,
        variants=tuple(_with_eps(e) for e in (1e-3, 0.1, 1.0))
        + tuple(_with_eps_under_the_root(e) for e in (1e-3, 1e-2, 0.1, 1.0)),
    ),
    FaultyVersion(
        "mask-ignored",
        _masked(lambda x, mask, ddof: _z(x, ddof)),
        "masked steps count in mean and standard deviation",
        "Padding shifts and shrinks the advantages, the more the longer the longest episode is.",
        "Take both moments over the kept steps.",
        _MASK,
        (
            f"{GITHUB}Stable-Baselines-Team/stable-baselines3-contrib/commit/bfa86ce4fef2",
            f"{GITHUB}NovaSky-AI/SkyRL/issues/1305",
        ),
        variants=(_masked(_std_of_everything), _masked(_mean_of_everything)),
    ),
    FaultyVersion(
        "masked-counted-as-zeros",
        _masked(_zeros_counted),
        "masked steps count as zeros",
        "The sum is right and is divided by the number of all steps, masked ones included.",
        "Divide by the number of kept steps.",
        _MASK,
        (f"{GITHUB}takuseno/d3rlpy/commit/ffb26c43358e",),
        variants=(_masked(_mean_over_everything), _masked(_variance_over_everything)),
    ),
    FaultyVersion(
        "mask-inverted",
        _masked(_inverted),
        "the mask is inverted: moments of the masked steps",
        "The mask names the kept side.",
        "Use the kept steps.",
        _MASK,
        (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
    ),
)
