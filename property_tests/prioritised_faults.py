"""The executable definition of prioritised replay, by linear scan, and its wrong versions."""

from __future__ import annotations

from typing import Any

import numpy as np

from property_tests.framework.records import Array, FaultyVersion

_PER = "https://arxiv.org/abs/1511.05952"


class LinearScan:
    """Transitions with priorities; each step is a method, so that a faulty version replaces one.

    P(i) = p_i^alpha / sum_j p_j^alpha,   w_i = (N P(i))^-beta / max_j w_j
    """

    def __init__(self, capacity: int, alpha: float, beta: float, weights_over: str = "batch"):
        self.capacity, self.alpha, self.beta, self.over = capacity, alpha, beta, weights_over
        self.rows: list[dict[str, Any]] = []
        self.priorities = np.zeros(0)
        self.position, self.largest = 0, 1.0

    def add(self, obs, action, reward, next_obs, terminated, truncated) -> None:
        """Store copies; a full buffer loses its oldest row."""
        row = {
            "obs": np.array(obs),
            "action": action,
            "reward": reward,
            "next_obs": np.array(next_obs),
            "terminated": terminated,
            "truncated": truncated,
        }
        place = self.position
        if len(self.rows) < self.capacity:
            self.rows.append(row)
            self.priorities = np.append(self.priorities, self.first_priority(None))
        else:
            self.rows[place] = row
            self.priorities[place] = self.first_priority(float(self.priorities[place]))
        self.position = (place + 1) % self.capacity

    def first_priority(self, overwritten: float | None) -> float:
        """Of a new row: the largest so far."""
        return self.largest

    def scaled(self) -> Array:
        """What rows are drawn in proportion to."""
        return self.priorities**self.alpha

    def probabilities(self) -> Array:
        """P of every row."""
        return self.scaled() / self.scaled().sum()

    def raw_weights(self, places: Array) -> Array:
        """(N P)^-beta of rows."""
        return (len(self.rows) * self.probabilities()[places]) ** -self.beta

    def weights(self, places: Array) -> Array:
        """The same over the largest, in the batch or in the buffer."""
        every = np.arange(len(self.rows)) if self.over == "buffer" else places
        return self.raw_weights(places) / self.raw_weights(every).max()

    def sample(self, n: int) -> dict[str, Array]:
        """Columns, indices and weights of n rows."""
        steps = np.cumsum(self.probabilities())
        places = np.searchsorted(steps[:-1], np.random.random(n), side="right")
        columns = {name: np.array([self.rows[i][name] for i in places]) for name in self.rows[0]}
        return {**columns, "indices": places, "weights": self.weights(places)}

    def update_priorities(self, indices: Array, priorities: Array) -> None:
        """New priorities of sampled rows."""
        self.priorities[indices] = priorities
        self.largest = max(self.largest, float(np.max(priorities)))


class _Uniform(LinearScan):
    def scaled(self):
        return np.ones(len(self.rows))


class _UniformWeighted(_Uniform):
    """Sampled uniformly, with the weights that the priorities ask for."""

    def raw_weights(self, places):
        scaled = self.priorities**self.alpha
        return (len(self.rows) * scaled / scaled.sum())[places] ** -self.beta


class _NeverUpdated(LinearScan):
    def update_priorities(self, indices, priorities):
        pass


class _AlphaOne(LinearScan):
    def scaled(self):
        return self.priorities


class _AlphaTwice(LinearScan):
    def scaled(self):
        return self.priorities ** (self.alpha**2)


class _AlphaInverted(LinearScan):
    def scaled(self):
        return self.priorities ** (1.0 - self.alpha)


class _LowFirst(LinearScan):
    def scaled(self):
        return self.priorities**-self.alpha


class _Exponential(LinearScan):
    def scaled(self):
        return np.exp(self.alpha * (self.priorities - self.priorities.max()))


class _Ranked(LinearScan):
    def scaled(self):
        ranks = np.argsort(np.argsort(-self.priorities)) + 1.0
        return ranks**-self.alpha


class _NewOne(LinearScan):
    def first_priority(self, overwritten):
        return 1.0


class _NewLeast(LinearScan):
    def first_priority(self, overwritten):
        return float(self.priorities.min()) if len(self.priorities) else 1.0


class _NewMean(LinearScan):
    def first_priority(self, overwritten):
        return float(self.priorities.mean()) if len(self.priorities) else 1.0


class _NewSmall(LinearScan):
    def first_priority(self, overwritten):
        return 1e-6


class _OldKept(LinearScan):
    def first_priority(self, overwritten):
        return self.largest if overwritten is None else overwritten


class _NewScaledTwice(LinearScan):
    """Alpha is applied to the largest priority once more."""

    def first_priority(self, overwritten):
        return self.largest**self.alpha


class _NewNotScaled(LinearScan):
    def first_priority(self, overwritten):
        return self.largest ** (1.0 / self.alpha) if self.alpha else self.largest


class _ByPositionInBatch(LinearScan):
    def update_priorities(self, indices, priorities):
        super().update_priorities(np.arange(len(indices)), priorities)


class _NeighbourUpdated(LinearScan):
    def update_priorities(self, indices, priorities):
        super().update_priorities((np.asarray(indices) + 1) % len(self.rows), priorities)


class _FirstOnly(LinearScan):
    def update_priorities(self, indices, priorities):
        super().update_priorities(np.asarray(indices)[:1], np.asarray(priorities)[:1])


class _AddedUp(LinearScan):
    def update_priorities(self, indices, priorities):
        super().update_priorities(indices, self.priorities[indices] + priorities)


class _Averaged(LinearScan):
    def update_priorities(self, indices, priorities):
        super().update_priorities(indices, 0.5 * (self.priorities[indices] + priorities))


class _Clipped(LinearScan):
    def update_priorities(self, indices, priorities):
        super().update_priorities(indices, np.minimum(priorities, 1.0))


class _WeightsOne(LinearScan):
    def weights(self, places):
        return np.ones(len(places))


class _WeightsInverted(LinearScan):
    def raw_weights(self, places):
        return 1.0 / super().raw_weights(places)


class _BetaOne(LinearScan):
    def raw_weights(self, places):
        return 1.0 / (len(self.rows) * self.probabilities()[places])


class _BetaAlpha(LinearScan):
    def raw_weights(self, places):
        return (len(self.rows) * self.probabilities()[places]) ** -self.alpha


class _BetaRest(LinearScan):
    def raw_weights(self, places):
        return (len(self.rows) * self.probabilities()[places]) ** -(1.0 - self.beta)


class _NotNormalised(LinearScan):
    def weights(self, places):
        return self.raw_weights(places)


class _OverCapacity(LinearScan):
    def weights(self, places):
        return (self.capacity * self.probabilities()[places]) ** -self.beta


class _OverSum(LinearScan):
    def weights(self, places):
        return self.raw_weights(places) / self.raw_weights(places).sum()


class _OverMean(LinearScan):
    def weights(self, places):
        return self.raw_weights(places) / self.raw_weights(places).mean()


class _OverLeast(LinearScan):
    def weights(self, places):
        every = np.arange(len(self.rows)) if self.over == "buffer" else places
        return self.raw_weights(places) / self.raw_weights(every).min()


class _OfPriorities(LinearScan):
    def raw_weights(self, places):
        share = self.priorities / self.priorities.sum()
        return (len(self.rows) * share[places]) ** -self.beta


class _OtherRows(LinearScan):
    def weights(self, places):
        return super().weights(places)[::-1]


class _NextRows(LinearScan):
    def weights(self, places):
        return np.roll(super().weights(places), 1)


class _SortedWeights(LinearScan):
    def weights(self, places):
        return np.sort(super().weights(places))


class _ByScaled(LinearScan):
    """1 - P, or P itself, for the weight."""

    def raw_weights(self, places):
        return 1.0 - self.probabilities()[places] if len(self.rows) > 1 else np.ones(len(places))


class _LastNever(LinearScan):
    def scaled(self):
        found = super().scaled()
        newest = (self.position - 1) % len(self.rows)
        return np.where(np.arange(len(found)) == newest, 0.0 if len(found) > 1 else 1.0, found)


class _EndOfArrayNever(LinearScan):
    def scaled(self):
        found = super().scaled()
        return np.append(found[:-1], 0.0) if len(found) > 1 else found


def _fault(name, model, title, explanation, fix, where, *references, variants=()):
    return FaultyVersion(
        name, model, title, explanation, fix, where, references or (_PER,), variants=variants
    )


_UPDATE = "`update_priorities`, or what maps indices to leaves of the tree"
_WEIGHTS = "the weights in `sample`"
_DRAW = "the draw in `sample`, or the leaves of the tree"
_ADD = "the priority in `add`"

FAULTS: tuple[FaultyVersion, ...] = (
    _fault(
        "sampled-uniformly",
        _Uniform,
        "priorities have no effect on what is sampled",
        "They are not written by `update_priorities`, or not looked at by `sample`: it is a plain "
        "replay buffer at a higher price.",
        "Write new priorities to the rows, and draw in proportion to priority^alpha.",
        _DRAW,
        "https://github.com/pytorch/rl/commit/3c6c80105b3f",
        variants=(_UniformWeighted, _NeverUpdated),
    ),
    _fault(
        "alpha-ignored",
        _AlphaOne,
        "alpha has no effect: rows are drawn in proportion to the priority itself",
        "A few rows with large errors fill most batches.",
        "Raise priorities to the power alpha.",
        _DRAW,
    ),
    _fault(
        "alpha-applied-twice",
        _AlphaTwice,
        "priorities are raised to the power alpha twice",
        "Once when they are stored and once when they are drawn from: closer to uniform than meant.",
        "Raise them once.",
        _DRAW,
        variants=(_AlphaInverted,),
    ),
    _fault(
        "low-priorities-first",
        _LowFirst,
        "rows with low priorities are drawn more often",
        "What is known already is replayed most.",
        "Draw in proportion to priority^alpha, alpha positive.",
        _DRAW,
    ),
    _fault(
        "other-distribution",
        _Exponential,
        "the exponential of the priority stands for its power",
        "One large error takes all of every batch.",
        "Draw in proportion to priority^alpha.",
        _DRAW,
        variants=(_Ranked,),
    ),
    _fault(
        "new-rows-get-one",
        _NewOne,
        "new rows get priority 1 instead of the largest so far",
        "Where errors exceed 1, new data is hardly ever replayed.",
        "Give new rows the largest priority so far.",
        _ADD,
        "https://github.com/ray-project/ray/issues/2927",
    ),
    _fault(
        "new-rows-starve",
        _NewSmall,
        "new rows get a tiny priority",
        "What has just been seen is never learned from.",
        "Give new rows the largest priority so far.",
        _ADD,
        "https://github.com/ray-project/ray/issues/2927",
        variants=(_NewLeast,),
    ),
    _fault(
        "new-rows-get-average",
        _NewMean,
        "new rows get an average priority",
        "They are not sure to be replayed before they leave.",
        "Give new rows the largest priority so far.",
        _ADD,
        "https://github.com/pytorch/rl/commit/3c6c80105b3f",
    ),
    _fault(
        "overwritten-priority-kept",
        _OldKept,
        "a new row keeps the priority of the row that it overwrites",
        "The error of a transition that is gone decides how often another one is replayed.",
        "Set the priority in every `add`.",
        _ADD,
    ),
    _fault(
        "new-rows-scaled-otherwise",
        _NewScaledTwice,
        "alpha is applied to the priority of new rows twice, or not at all",
        "The largest priority is kept before the power and used after it, or the other way round.",
        "Keep the largest priority and its power apart.",
        _ADD,
        variants=(_NewNotScaled,),
    ),
    _fault(
        "wrong-rows-updated",
        _ByPositionInBatch,
        "`update_priorities` changes other rows than those sampled",
        "The position in the batch stands for the position in the buffer, or the index is off by "
        "one: errors are credited to strangers.",
        "Return the position in the buffer from `sample`, and update that row.",
        _UPDATE,
        "https://github.com/pytorch/rl/commit/3c6c80105b3f",
        variants=(_NeighbourUpdated, _FirstOnly),
    ),
    _fault(
        "priorities-add-up",
        _AddedUp,
        "a new priority is added to the old one",
        "A row that is replayed often becomes more and more likely.",
        "Replace the old priority; a sum tree gets the difference.",
        _UPDATE,
        variants=(_Averaged,),
    ),
    _fault(
        "priorities-clipped",
        _Clipped,
        "priorities are clipped to 1",
        "All errors above 1 count alike: with unscaled rewards sampling is uniform.",
        "Keep priorities as they are.",
        _UPDATE,
    ),
    _fault(
        "weights-one",
        _WeightsOne,
        "all weights are 1",
        "The bias of the sampling is not corrected.",
        "Return (N P)^-beta over its maximum, and multiply the loss by it.",
        _WEIGHTS,
        "https://github.com/ray-project/ray/issues/11591",
    ),
    _fault(
        "weights-inverted",
        _WeightsInverted,
        "rows that are drawn often have the large weights",
        "The exponent of N P is positive: the bias is doubled instead of undone.",
        "Use the exponent -beta.",
        _WEIGHTS,
        "https://github.com/google/dopamine/commit/4f657b98d2f9",
    ),
    _fault(
        "beta-ignored",
        _BetaOne,
        "beta has no effect on the weights",
        "The exponent is fixed, or is alpha.",
        "Use the exponent -beta.",
        _WEIGHTS,
        variants=(_BetaAlpha, _BetaRest),
    ),
    _fault(
        "weights-not-normalised",
        _NotNormalised,
        "weights are not divided by their maximum",
        "Rare rows have weights far above 1, which makes single steps very large.",
        "Divide by the largest weight.",
        _WEIGHTS,
        "https://github.com/chainer/chainerrl/pull/570",
        variants=(_OverCapacity,),
    ),
    _fault(
        "weights-normalised-otherwise",
        _OverSum,
        "weights are divided by their sum or mean",
        "The step size depends on the batch size, or weights exceed 1.",
        "Divide by the largest weight.",
        _WEIGHTS,
        variants=(_OverMean,),
    ),
    _fault(
        "weights-over-minimum",
        _OverLeast,
        "weights are divided by the smallest instead of the largest",
        "They are at least 1, and rare rows make very large steps.",
        "Divide by the largest weight, which belongs to the smallest probability.",
        _WEIGHTS,
    ),
    _fault(
        "weights-of-unscaled-priorities",
        _OfPriorities,
        "weights are computed from priorities without the power alpha",
        "They undo another distribution than the one that was drawn from.",
        "Compute weights from the probabilities of the draw.",
        _WEIGHTS,
        variants=(_ByScaled,),
    ),
    _fault(
        "weights-misaligned",
        _OtherRows,
        "weights belong to other rows of the batch",
        "Rows are sorted or shuffled, and their weights are not.",
        "Compute weights from the indices of the batch, in its order.",
        _WEIGHTS,
        variants=(_NextRows, _SortedWeights),
    ),
    _fault(
        "newest-never-sampled",
        _LastNever,
        "the newest row, or the last place, is never sampled",
        "The range of the draw ends one too early.",
        "Draw from all rows held.",
        _DRAW,
        "https://github.com/pytorch/rl/commit/781a5b29dad8",
        variants=(_EndOfArrayNever,),
    ),
)
