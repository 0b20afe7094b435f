"""Wrong versions of the log-probability of discrete actions, each with the mistake that it models."""

from __future__ import annotations

import numpy as np

from property_tests import policy_rows
from property_tests.categorical_policies import log_softmax
from property_tests.framework.records import Array, FaultyVersion, Model
from property_tests.policy_rows import GITHUB

_LINE = "the expression of the log-probability"
_GATHER = "the index of the action taken"
_MASK = "where the mask meets the logits"


def _at(rows: Array, actions: Array) -> Array:
    return rows[np.arange(len(rows)), actions]


def _right(logits, actions, mask):
    return _at(log_softmax(logits, mask), actions)


def _unnormalised(logits, actions):
    return _at(logits, actions)


def _largest_subtracted(logits, actions, mask):
    return _at(logits, actions) - np.where(mask, logits, -np.inf).max(axis=1)


def _mean_normaliser(logits, actions, mask):
    return _right(logits, actions, mask) + np.log(mask.sum(axis=1))


def _probability(logits, actions, mask):
    return np.exp(_right(logits, actions, mask))


def _sign_flipped(logits, actions, mask):
    return -_right(logits, actions, mask)


def _over_the_batch(logits, actions, mask):
    return _at(log_softmax(logits.T, mask.T).T, actions)


def _over_everything(logits, actions, mask):
    flat = log_softmax(logits.reshape(1, -1), mask.reshape(1, -1))
    return _at(flat.reshape(logits.shape), actions)


def _softmax_twice(logits, actions, mask):
    return _at(log_softmax(np.exp(log_softmax(logits, mask)), mask), actions)


def _softmax_twice_unmasked(logits, actions, mask):
    return _at(log_softmax(np.exp(log_softmax(logits, mask)), np.ones_like(mask)), actions)


def _likeliest(logits, mask):
    return log_softmax(logits, mask).max(axis=1)


def _all_actions(logits, mask):
    return log_softmax(logits, mask)


def _all_summed(logits, mask):
    return log_softmax(logits, mask).sum(axis=1)


def _all_averaged(logits, mask):
    return log_softmax(logits, mask).mean(axis=1)


def _first_action(logits, mask):
    return log_softmax(logits, mask)[:, 0]


def _shifted_action(by):
    def model(logits, actions, mask):
        return _at(log_softmax(logits, mask), (actions + by) % logits.shape[1])

    return model


def _actions_of_other_rows(other):
    def model(logits, actions, mask):
        return _at(log_softmax(logits, mask), other(actions))

    return model


def _states_of_other_rows(other):
    def model(logits, actions, mask):
        return _at(other(log_softmax(logits, mask)), actions)

    return model


_OTHER_ROWS = (
    lambda rows: np.roll(rows, 1, axis=0),
    lambda rows: np.roll(rows, -1, axis=0),
    lambda rows: rows[::-1],
)


def _column(logits, actions, mask):
    return _right(logits, actions, mask)[:, None]


def _whole_axis_indexed(logits, actions, mask):
    return log_softmax(logits, mask)[:, actions]


def _whole_axis_averaged(logits, actions, mask):
    return _whole_axis_indexed(logits, actions, mask).mean(axis=1)


def _in_base(base):
    def model(logits, actions, mask):
        return _right(logits, actions, mask) / np.log(base)

    return model


def _guarded(guard):
    def model(logits, actions, mask):
        return np.log(np.exp(_right(logits, actions, mask)) + guard)

    return model


def _naive(logits, actions, mask):
    weights = np.where(mask, np.exp(logits), 0.0)
    return np.log(_at(weights, actions) / weights.sum(axis=1))


def _mask_ignored(logits, actions, mask):
    return _right(logits, actions, np.ones_like(mask))


def _mask_inverted(logits, actions, mask):
    # Where everything is permitted everything is then forbidden alike.
    return _right(logits, actions, np.where(mask.all(1, keepdims=True), mask, ~mask))


def _forbidden_filled(fill):
    def model(logits, actions, mask):
        return _right(np.where(mask, fill, logits), actions, np.ones_like(mask))

    return model


def _mask_multiplied(logits, actions, mask):
    return _right(logits * mask, actions, np.ones_like(mask))


def _mask_added(logits, actions, mask):
    return _right(logits + mask, actions, np.ones_like(mask))


def _weak_fill(fill):
    def model(logits, actions, mask):
        return _right(np.where(mask, logits, fill), actions, np.ones_like(mask))

    return model


def _weak_penalty(penalty):
    def model(logits, actions, mask):
        return _right(logits - penalty * ~mask, actions, np.ones_like(mask))

    return model


def faults(cut: Model) -> tuple[FaultyVersion, ...]:
    """All of them.

    Args:
        cut: the right value with a gradient of zero.
    """
    return (*_FAULTS, *policy_rows.wrong_reductions(_right), _graph_cut(cut))


def _graph_cut(cut: Model) -> FaultyVersion:
    return FaultyVersion(
        "graph-cut",
        cut,
        "the value is right, and no gradient reaches the policy",
        "The log-probability was detached, or computed under `no_grad`. The loss is logged and the "
        "policy never changes.",
        "Compute it with gradient wherever it enters a loss.",
        "`.detach()`, `.item()`, `torch.no_grad()`, a round trip through NumPy",
        (f"{GITHUB}Toni-SM/skrl/commit/13d28af56988",),
    )


_FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "not-normalised",
        _unnormalised,
        "the logit is taken for the log-probability",
        "The normaliser, log sum exp(logits), is missing. The loss can then grow all logits "
        "together, and ratios do not compare probabilities.",
        "Take `log_softmax(logits)` before picking the action.",
        _LINE,
        variants=(_largest_subtracted, _mean_normaliser),
    ),
    FaultyVersion(
        "probability-for-log-probability",
        _probability,
        "the probability is returned, not its logarithm",
        "Rare actions hardly learn, however good they were; exp(new - old) is no ratio.",
        "Take `log_softmax`, not `softmax`.",
        _LINE,
        (f"{GITHUB}pytorch/rl/commit/0e02132e4212",),
    ),
    FaultyVersion(
        "sign-flipped",
        _sign_flipped,
        "the sign is wrong: the negative log-probability is returned",
        "A cross-entropy is -log p. Used as log p it makes good actions less likely.",
        "Negate it, or gather from `log_softmax`.",
        "a cross-entropy function that stands in for the log-probability",
    ),
    FaultyVersion(
        "normalised-over-the-batch",
        _over_the_batch,
        "the softmax runs over the batch, not over the actions",
        "Each action's probabilities add up to 1 over the states of the minibatch: what the policy "
        "says about one state depends on the others.",
        "Normalise over the last axis: `log_softmax(logits, -1)`.",
        "`dim=0`, `axis=0`, or a transposed input",
        (f"{GITHUB}pytorch/rl/commit/5df91da3640d",),
        variants=(_over_everything,),
    ),
    FaultyVersion(
        "softmax-twice",
        _softmax_twice,
        "probabilities are passed where logits are expected",
        "softmax is applied to its own result: the policy can hardly become deterministic (with two "
        "actions no probability above 0.73), and learns slowly.",
        "Hand over logits, or say that they are probabilities.",
        "a network that ends in a softmax, in front of `Categorical(logits=...)`",
        variants=(_softmax_twice_unmasked,),
    ),
    FaultyVersion(
        "likeliest-action",
        _likeliest,
        "it is the log-probability of the likeliest action, not of the one taken",
        "The action taken has no effect: the policy reinforces what it prefers already.",
        "Index with the action that was executed.",
        _GATHER,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/78965b37f0e3",),
    ),
    FaultyVersion(
        "all-actions",
        _all_actions,
        "the log-probabilities of all actions, not that of the one taken",
        "Credit goes to actions that were not taken.",
        "Gather the entry of the action taken.",
        _GATHER,
        (f"{GITHUB}NVIDIA-NeMo/RL/commit/78965b37f0e3",),
        variants=(_all_summed, _all_averaged, _first_action),
    ),
    FaultyVersion(
        "action-index-shifted",
        _shifted_action(1),
        "the index of the action is one off",
        "Each action's credit goes to its neighbour.",
        "Count actions from 0 on both sides.",
        _GATHER,
        variants=(_shifted_action(-1),),
    ),
    FaultyVersion(
        "actions-of-other-rows",
        _actions_of_other_rows(_OTHER_ROWS[0]),
        "states are paired with the actions of other states",
        "Actions are one row off, or were shuffled apart.",
        "Index states and actions with the same permutation.",
        "an off-by-one in the stored actions, two shuffles",
        variants=(
            *map(_actions_of_other_rows, _OTHER_ROWS[1:]),
            *map(_states_of_other_rows, _OTHER_ROWS),
        ),
    ),
    FaultyVersion(
        "column-returned",
        _column,
        "actions of shape [B] give a column [B, 1]",
        "The axis that was added for the gather is still there. Against advantages of shape [B] it "
        "broadcasts to [B, B]: every action is credited with the mean advantage.",
        "Squeeze the last axis after the gather: `.squeeze(-1)`.",
        "`gather(1, actions.unsqueeze(1))`, `keepdims=True`",
        (f"{GITHUB}vwxyzjn/cleanrl/commit/0fceeefbd99f",),
    ),
    FaultyVersion(
        "whole-axis-indexed",
        _whole_axis_indexed,
        "every state is asked for the actions of all states: a matrix [B, B]",
        "`log_probs[:, actions]` takes columns for every row.",
        "Index with `log_probs[arange(B), actions]`, or gather.",
        _GATHER,
        variants=(_whole_axis_averaged,),
    ),
    FaultyVersion(
        "wrong-logarithm",
        _in_base(2.0),
        "the logarithm has another base than e",
        "exp(new - old) is no longer the ratio of the probabilities.",
        "Use the natural logarithm.",
        _LINE,
        variants=(_in_base(10.0),),
    ),
    FaultyVersion(
        "guard-too-large",
        _guarded(1e-6),
        "a visible constant is added to the probability before the logarithm",
        "Rare actions look likelier than they are, and their gradient vanishes.",
        "Use `log_softmax`, which needs no guard.",
        "`log(softmax(logits) + eps)`",
        variants=tuple(_guarded(eps) for eps in (1e-7, 1e-5, 1e-4, 1e-3, 1e-2)),
    ),
    FaultyVersion(
        "softmax-overflows",
        _naive,
        "large logits turn into NaN",
        "exp() of a logit above 88 (float32) or 709 (float64) is infinite, and inf / inf is NaN.",
        "Subtract the largest logit first, as `log_softmax` and `logsumexp` do.",
        "`exp(logits) / exp(logits).sum()`",
        (f"{GITHUB}thu-ml/tianshou/commit/f134bc20b521",),
    ),
    FaultyVersion(
        "mask-ignored",
        _mask_ignored,
        "the mask of permitted actions has no effect",
        "Probability goes to actions that can never be taken; where acting does use the mask, the "
        "ratio is not 1 on the first minibatch.",
        "Set the logits of forbidden actions to -inf before the softmax.",
        _MASK,
        (f"{GITHUB}AgileRL/AgileRL/commit/e76add896655",),
    ),
    FaultyVersion(
        "mask-inverted",
        _mask_inverted,
        "the mask is inverted: permitted actions are forbidden",
        "The mask names the kept side; it was read as the side to remove.",
        "Fill where the mask is false.",
        _MASK,
        (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
        variants=tuple(_forbidden_filled(fill) for fill in (-np.inf, -1e8, -1e9, -1e10)),
    ),
    FaultyVersion(
        "mask-multiplied",
        _mask_multiplied,
        "logits are multiplied by the mask",
        "A logit of 0 is no probability of 0: forbidden actions stay possible, and may even become "
        "likelier.",
        "Set the logits of forbidden actions to -inf before the softmax.",
        _MASK,
        (f"{GITHUB}thu-ml/tianshou/commit/f134bc20b521",),
        variants=(_mask_added,),
    ),
    FaultyVersion(
        "mask-too-weak",
        _weak_fill(-10.0),
        "forbidden actions get a low logit that is not low enough",
        "They keep a visible probability.",
        "Fill with -inf, or with the smallest number of the dtype.",
        _MASK,
        variants=tuple(_weak_fill(fill) for fill in (-1.0, -5.0, -20.0))
        + tuple(_weak_penalty(size) for size in (10.0, 20.0)),
    ),
)
