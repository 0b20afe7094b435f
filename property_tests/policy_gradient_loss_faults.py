"""Wrong versions of the policy-gradient loss, each with the mistake that it models."""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import FaultyVersion
from property_tests.losses import aggregate

GITHUB = "https://github.com/"


def _sign_flipped(log_probs, advantages, aggregation):
    return aggregate(log_probs * advantages, aggregation)


def _probability(log_probs, advantages, aggregation):
    return -aggregate(np.exp(log_probs) * advantages, aggregation)


def _advantage_ignored(log_probs, aggregation):
    return -aggregate(log_probs, aggregation)


def _absolute_advantage(log_probs, advantages, aggregation):
    return -aggregate(log_probs * np.abs(advantages), aggregation)


def _negative_dropped(log_probs, advantages, aggregation):
    return -aggregate(log_probs * np.maximum(advantages, 0.0), aggregation)


def _advantage_sign(log_probs, advantages, aggregation):
    return -aggregate(log_probs * np.sign(advantages), aggregation)


def _advantage_squared(log_probs, advantages, aggregation):
    return -aggregate(log_probs * advantages**2, aggregation)


def _centred(log_probs, advantages, aggregation):
    return -aggregate(log_probs * (advantages - advantages.mean()), aggregation)


def _normalised(ddof, epsilon):
    def model(log_probs, advantages, aggregation):
        spread = advantages.std(ddof=ddof) if len(advantages) > ddof else 0.0
        scaled = (advantages - advantages.mean()) / (spread + epsilon)
        return -aggregate(log_probs * scaled, aggregation)

    return model


def _rows_crossed(log_probs, advantages, aggregation):
    return -aggregate(log_probs[..., None] * advantages[None], aggregation)


def _rows_shifted(log_probs, advantages, aggregation):
    return -aggregate(log_probs * np.roll(advantages, 1, axis=0), aggregation)


def _rows_shifted_back(log_probs, advantages, aggregation):
    return -aggregate(log_probs * np.roll(advantages, -1, axis=0), aggregation)


def _divided_twice(log_probs, advantages):
    return -(log_probs * advantages).mean() / len(log_probs)


def _log_prob_twice(log_probs, advantages, aggregation):
    return -aggregate(log_probs**2 * advantages, aggregation)


def _last_row_lost(log_probs, advantages, aggregation):
    kept = log_probs[:-1] * advantages[:-1]
    # An empty batch leaves nothing to learn from.
    return -aggregate(kept, aggregation) if len(kept) else 0.0 * log_probs.sum()


def _graph_cut(log_probs, advantages, aggregation):
    return -aggregate(log_probs * advantages, aggregation), np.zeros_like(log_probs)


def _halved(log_probs, advantages, aggregation):
    return -0.5 * aggregate(log_probs * advantages, aggregation)


_LINE = "the line that multiplies log-probabilities by advantages"

FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "sign-flipped",
        _sign_flipped,
        "the loss has the wrong sign: good actions become less likely",
        "The optimiser minimises; without the minus it minimises expected return.",
        "Return -(log_probs * advantages).mean().",
        _LINE,
        (f"{GITHUB}takuseno/d3rlpy/commit/b4f3d46d1f06",),
        aliases=("advantage-sign-flipped",),
    ),
    FaultyVersion(
        "probability-for-log-probability",
        _probability,
        "probabilities stand where log-probabilities belong",
        "The gradient of each row carries an extra factor pi(a|s): rare actions hardly learn, "
        "however good they were.",
        "Multiply the advantages by log pi(a|s), not by its exponential.",
        _LINE,
        (f"{GITHUB}pytorch/rl/commit/0e02132e4212",),
    ),
    FaultyVersion(
        "advantage-ignored",
        _advantage_ignored,
        "the advantages have no effect",
        "All actions taken become likelier, good or bad: behaviour cloning of the agent's own "
        "exploration.",
        "Multiply each row's log-probability by its advantage.",
        _LINE,
    ),
    FaultyVersion(
        "advantage-absolute",
        _absolute_advantage,
        "the advantages lose their sign",
        "Bad actions are reinforced as much as good ones.",
        "Use the advantages as they are.",
        _LINE,
    ),
    FaultyVersion(
        "negative-advantages-dropped",
        _negative_dropped,
        "rows with a negative advantage are left out",
        "Nothing ever becomes less likely because it was bad, and the estimate of the gradient is "
        "biased.",
        "Use the advantages as they are; remove the clamp or the mask.",
        _LINE,
    ),
    FaultyVersion(
        "advantage-sign-only",
        _advantage_sign,
        "only the sign of the advantages counts",
        "A decisive action weighs as much as an indifferent one.",
        "Use the advantages as they are.",
        _LINE,
    ),
    FaultyVersion(
        "advantage-squared",
        _advantage_squared,
        "the advantages are multiplied in twice",
        "Their sign is lost and outliers dominate.",
        "Multiply by the advantage once.",
        "a loss that weighs by the advantages although the caller did already",
    ),
    FaultyVersion(
        "advantages-centred",
        _centred,
        "the mean of the advantages is subtracted inside the loss",
        "Callers who centre or whiten on purpose do it on the whole batch; a second time on every "
        "minibatch adds noise and breaks comparison with the advantages that are logged.",
        "Leave the advantages as they are handed in.",
        _LINE,
    ),
    FaultyVersion(
        "advantages-normalised",
        _normalised(1, 1e-8),
        "the advantages are normalised inside the loss",
        "The loss is no longer the documented one: its scale and the caller's normalisation are "
        "lost, and minibatches of one row give 0 or NaN.",
        "Normalise where the batch is prepared, not in the loss.",
        _LINE,
        (f"{GITHUB}tensorflow/agents/issues/651",),
        variants=(_normalised(0, 1e-8),),
    ),
    FaultyVersion(
        "rows-crossed",
        _rows_crossed,
        "(N,) and (N, 1) are broadcast: every row is paired with every other",
        "The mean of the N x N products is mean(A) * mean(log pi): the credit of single actions is "
        "gone. Nothing crashes.",
        "Give both operands the same shape, (N,) or (N, 1), and assert it.",
        "a squeeze, view(-1) or unsqueeze on one of the two operands",
        (
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/pull/46",
            f"{GITHUB}PacktPublishing/Tensorflow-2-Reinforcement-Learning-Cookbook/issues/33",
            f"{GITHUB}vwxyzjn/cleanrl/commit/0fceeefbd99f",
        ),
    ),
    FaultyVersion(
        "rows-shifted",
        _rows_shifted,
        "each log-probability is weighed by the advantage of another row",
        "The credit goes to the wrong action; averaged over a batch nothing is learned.",
        "Index log-probabilities and advantages with the same permutation.",
        "two shuffles, an off-by-one in stored advantages, or a roll",
        variants=(_rows_shifted_back,),
    ),
    FaultyVersion(
        "divided-by-the-batch-twice",
        _divided_twice,
        "the loss is divided by the number of rows twice",
        "A mean is divided by N again: the step shrinks with the batch and hardly anything is "
        "learned with large ones.",
        "Take the mean, or divide the sum by N, not both.",
        "`.mean() / batch_size`",
    ),
    FaultyVersion(
        "log-prob-twice",
        _log_prob_twice,
        "the log-probability is multiplied in twice",
        "The gradient carries a factor log pi(a|s), which is negative: for discrete actions its "
        "sign is wrong.",
        "Multiply by the log-probability once.",
        _LINE,
        (f"{GITHUB}takuseno/d3rlpy/commit/297408cbc320",),
    ),
    FaultyVersion(
        "last-row-lost",
        _last_row_lost,
        "the last row is left out",
        "In a rollout of one episode that is the action that ended it, often the only one with a "
        "reward.",
        "Take all rows.",
        "`[:-1]` on a batch, or a range that ends one early",
    ),
    FaultyVersion(
        "loss-halved",
        _halved,
        "the loss is half of what it should be",
        "A factor 1/2 belongs to squared errors; here it halves the step beside the other losses.",
        "Remove the factor.",
        _LINE,
    ),
    FaultyVersion(
        "graph-cut",
        _graph_cut,
        "the value is right, and no gradient reaches the policy",
        "The log-probabilities were detached, converted to numbers or computed without gradient. "
        "The loss is logged and the policy never changes.",
        "Keep the log-probabilities in the graph; detach the advantages only.",
        "`.detach()`, `.item()`, `.numpy()`, `torch.no_grad()`, `torch.tensor(...)` on the loss",
        (f"{GITHUB}Toni-SM/skrl/commit/13d28af56988",),
    ),
)
