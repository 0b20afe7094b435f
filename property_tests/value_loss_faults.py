"""Wrong versions of the value loss, each with the mistake that it models."""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Array, FaultyVersion

GITHUB = "https://github.com/"


def _near(values: Array, old_values: Array, clip_epsilon: float) -> Array:
    return old_values + np.clip(values - old_values, -clip_epsilon, clip_epsilon)


def _errors(values, returns, old_values, clip_epsilon, clipped):
    plain = (values - returns) ** 2
    if not clipped:
        return plain
    return np.maximum(plain, (_near(values, old_values, clip_epsilon) - returns) ** 2)


def _negated(values, returns, old_values, clip_epsilon, factor, clipped):
    return -factor * _errors(values, returns, old_values, clip_epsilon, clipped).mean()


def _rows_crossed(values, returns, old_values, clip_epsilon, factor, clipped):
    paired = _errors(values[..., None], returns[None], old_values[..., None], clip_epsilon, clipped)
    return factor * paired.mean()


def _errors_cancel(values, returns, factor):
    return factor * (values - returns).mean() ** 2


def _signed(values, returns, factor):
    return factor * (values - returns).mean()


def _absolute(values, returns, factor):
    return factor * np.abs(values - returns).mean()


def _huber(values, returns, factor):
    distance = np.abs(values - returns)
    return factor * np.where(distance <= 1.0, distance**2, 2.0 * distance - 1.0).mean()


def _root(values, returns, factor):
    # The root has no slope at 0; the small number is what such code adds.
    return factor * np.sqrt(((values - returns) ** 2).mean() + 1e-8)


def _summed(values, returns, old_values, clip_epsilon, factor, clipped):
    return factor * _errors(values, returns, old_values, clip_epsilon, clipped).sum()


def _halved_twice(values, returns, old_values, clip_epsilon, clipped):
    return 0.25 * _errors(values, returns, old_values, clip_epsilon, clipped).mean()


def _doubled(values, returns, old_values, clip_epsilon, clipped):
    return 2.0 * _errors(values, returns, old_values, clip_epsilon, clipped).mean()


def _minimum(values, returns, old_values, clip_epsilon, factor):
    near = _near(values, old_values, clip_epsilon)
    return factor * np.minimum((values - returns) ** 2, (near - returns) ** 2).mean()


def _clipped_only(values, returns, old_values, clip_epsilon, factor):
    return factor * ((_near(values, old_values, clip_epsilon) - returns) ** 2).mean()


def _maximum_of_means(values, returns, old_values, clip_epsilon, factor):
    near = _near(values, old_values, clip_epsilon)
    return factor * max(((values - returns) ** 2).mean(), ((near - returns) ** 2).mean())


def _clip_ignored(values, returns, factor):
    return factor * ((values - returns) ** 2).mean()


def _movement_as_value(values, returns, old_values, clip_epsilon, factor):
    moved = np.clip(values - old_values, -clip_epsilon, clip_epsilon)
    return factor * np.maximum((values - returns) ** 2, (moved - returns) ** 2).mean()


def _values_clipped(values, returns, clip_epsilon, factor):
    near = np.clip(values, -clip_epsilon, clip_epsilon)
    return factor * np.maximum((values - returns) ** 2, (near - returns) ** 2).mean()


def _around_returns(values, returns, clip_epsilon, factor):
    near = returns + np.clip(values - returns, -clip_epsilon, clip_epsilon)
    return factor * ((near - returns) ** 2).mean()


def _with_clip(epsilon):
    def model(values, returns, old_values, factor):
        return factor * _errors(values, returns, old_values, epsilon, True).mean()

    return model


def _old_values_as_target(values, old_values, factor):
    return factor * ((values - old_values) ** 2).mean()


def _rows_shifted(values, returns, old_values, clip_epsilon, factor, clipped):
    other = np.roll(returns, 1, axis=0)
    return factor * _errors(values, other, old_values, clip_epsilon, clipped).mean()


def _graph_cut(values, returns, old_values, clip_epsilon, factor, clipped):
    loss = factor * _errors(values, returns, old_values, clip_epsilon, clipped).mean()
    return loss, np.zeros_like(values)


_LINE = "the line with the squared error"
_CLIP = "the branch that clips the values"
_RIGHT = "max((V - G)^2, (V_old + clip(V - V_old, -eps, eps) - G)^2), element by element"

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "sign-flipped",
        _negated,
        "the loss has the wrong sign: values run away from their targets",
        "The optimiser minimises; the squared error must be positive.",
        "Return factor * ((values - returns) ** 2).mean().",
        _LINE,
    ),
    FaultyVersion(
        "rows-crossed",
        _rows_crossed,
        "(N,) and (N, 1) are broadcast: every value is compared with every return",
        "All values are pulled towards the mean return; the critic cannot tell states apart. "
        "Nothing crashes but for a warning.",
        "Give both operands the same shape and assert it.",
        "a squeeze, flatten, view(-1) or unsqueeze on one of the two operands",
        (
            f"{GITHUB}RLinf/RLinf/pull/1568",
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33",
        ),
    ),
    FaultyVersion(
        "errors-cancel",
        _errors_cancel,
        "the mean is taken before the square: errors cancel",
        "A critic that is right on average has no loss, however wrong it is on every state.",
        "Square first, then take the mean.",
        _LINE,
    ),
    FaultyVersion(
        "square-missing",
        _signed,
        "the errors are not squared",
        "The loss has no minimum: values fall without bound.",
        "Square the errors.",
        _LINE,
    ),
    FaultyVersion(
        "absolute-error",
        _absolute,
        "absolute errors stand where squared ones belong",
        "The minimiser is the median return, not its mean: with rare rewards the critic learns 0.",
        "Square the errors.",
        _LINE,
    ),
    FaultyVersion(
        "huber-for-square",
        _huber,
        "large errors count linearly",
        "Beyond an error of 1 the loss is that of Huber: robust, but its minimiser is not the mean "
        "return, and the function does not say so.",
        "Square the errors, or state that the loss is Huber's.",
        "smooth_l1_loss or huber_loss",
    ),
    FaultyVersion(
        "root-taken",
        _root,
        "the root of the mean squared error is returned",
        "The gradient is divided by the error: steps do not get smaller near the target.",
        "Leave the root to the log.",
        _LINE,
    ),
    FaultyVersion(
        "summed",
        _summed,
        "the errors are summed, not averaged",
        "The critic's learning rate grows with the batch, and its loss drowns the policy's.",
        "Take the mean over the rows.",
        _LINE,
        (f"{GITHUB}pytorch/rl/commit/4c50f1ec04a5",),
    ),
    FaultyVersion(
        "halved-twice",
        _halved_twice,
        "the factor 1/2 is applied twice",
        "The critic learns half as fast as its coefficient says.",
        "Apply the factor in one place.",
        "a loss function that halves, inside a sum that halves again",
        (f"{GITHUB}volcengine/verl/commit/6e15bbe25831",),
    ),
    FaultyVersion(
        "doubled",
        _doubled,
        "the loss is twice the squared error",
        "A factor 2, as of two summed terms that are the same, doubles the critic's step.",
        "Apply a factor of 0.5 or 1.",
        _LINE,
        (f"{GITHUB}volcengine/verl/commit/6e15bbe25831",),
    ),
    FaultyVersion(
        "minimum-for-maximum",
        _minimum,
        "the smaller of both errors is taken",
        "The bound is optimistic: a value that has moved too far has no gradient back.",
        f"Take {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "maximum-missing",
        _clipped_only,
        "the clipped error stands alone, without the maximum",
        "Once a value has moved further than eps, it has no gradient, not even back.",
        f"Take {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "maximum-after-the-mean",
        _maximum_of_means,
        "the maximum is taken of the two means, not row by row",
        "One row far out decides for all.",
        f"Take {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "clip-ignored",
        _clip_ignored,
        "the old values and the clip have no effect",
        "Clipping is configured and does not happen.",
        f"Take {_RIGHT}.",
        _CLIP,
        (f"{GITHUB}anthonytorlucci/rlevo/issues/183",),
    ),
    FaultyVersion(
        "old-values-not-added-back",
        _movement_as_value,
        "the clipped movement is taken for the clipped value",
        "The old value is not added back: the error is that of a number near 0.",
        f"Take {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "values-clipped-around-zero",
        _values_clipped,
        "the values themselves are clipped to [-eps, eps]",
        "The old values have no effect; the error is that of a number near 0.",
        f"Take {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "clipped-around-the-returns",
        _around_returns,
        "the error is clipped, not the movement of the value",
        "Rows with an error above eps have no gradient: exactly those that should learn most.",
        f"Take {_RIGHT}.",
        _CLIP,
    ),
    FaultyVersion(
        "clip-epsilon-hard-coded",
        _with_clip(0.2),
        "the clip is fixed, whatever is configured",
        "Tuning it has no effect.",
        "Use the parameter.",
        _CLIP,
        (f"{GITHUB}anthonytorlucci/rlevo/issues/183",),
        variants=(_with_clip(0.3), _with_clip(1.0)),
    ),
    FaultyVersion(
        "old-values-as-target",
        _old_values_as_target,
        "the critic is fitted to its own old values",
        "The loss is about 0 from the start and nothing is learned.",
        "Compare with the returns.",
        _LINE,
    ),
    FaultyVersion(
        "rows-shifted",
        _rows_shifted,
        "each value is compared with the return of another row",
        "The critic learns the mean return, or that of the neighbouring state.",
        "Index values and returns with the same permutation.",
        "two shuffles, or an off-by-one in stored returns",
    ),
    FaultyVersion(
        "graph-cut",
        _graph_cut,
        "the value of the loss is right, and no gradient reaches the critic",
        "The values were detached, or taken from the rollout. The loss is logged and the critic "
        "never changes.",
        "Compute the values anew, with gradient; detach the returns only.",
        "`.detach()`, `.item()`, `torch.no_grad()`, stored values in place of fresh ones",
        (f"{GITHUB}Toni-SM/skrl/commit/13d28af56988",),
    ),
)


def _mask_ignored(values, returns, old_values, clip_epsilon, factor, clipped):
    return factor * _errors(values, returns, old_values, clip_epsilon, clipped).mean()


def _mask_inverted(values, returns, old_values, clip_epsilon, factor, clipped, mask):
    errors = _errors(values, returns, old_values, clip_epsilon, clipped)
    return factor * np.where(mask, 0.0, errors).sum() / max((~mask).sum(), 1)


MASK_FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "mask-ignored",
        _mask_ignored,
        "the mask is taken and not applied",
        "The critic is fitted to padding, where returns are 0 or worse.",
        "Take the mean over the steps that count.",
        _LINE,
        (
            f"{GITHUB}volcengine/verl/commit/aa11dd19b3a3",
            f"{GITHUB}volcengine/verl/commit/fbec86d7fe67",
        ),
    ),
    FaultyVersion(
        "mask-inverted",
        _mask_inverted,
        "the mask is applied the wrong way round",
        "The critic is fitted to padding and to nothing else.",
        "A true (or 1) in the mask means that the step counts.",
        _LINE,
        (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
    ),
)
