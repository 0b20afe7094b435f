"""The executable definition of a running normaliser, and the ways of getting it wrong."""

from __future__ import annotations

import numpy as np

from property_tests.framework.records import Array, FaultyVersion

EPSILON = 1e-8


class Moments:
    """Keeps every row that it has seen and computes moments from all of them.

    Its steps are methods, so that a faulty version replaces one of them.
    """

    def __init__(self) -> None:
        self.batches: list[Array] = []

    def update(self, batch: Array) -> None:
        """Remember the rows [N, D]."""
        self.batches.append(np.array(batch, dtype=float))

    def seen(self) -> Array:
        """Every row so far."""
        return np.concatenate(self.batches)

    def mean(self) -> Array:
        """Of each feature."""
        return self.seen().mean(axis=0)

    def variance(self) -> Array:
        """Of each feature, over N."""
        return self.seen().var(axis=0)

    def normalise(self, x: Array) -> Array:
        """(x - mean) / sqrt(variance)."""
        if not self.batches:
            return np.array(x, dtype=float)
        return self.scaled(np.asarray(x, dtype=float), self.mean(), self.variance())

    def scaled(self, x: Array, mean: Array, variance: Array) -> Array:
        """The expression, a hook for faults."""
        return (x - mean) / np.sqrt(variance + EPSILON)


class _LastBatch(Moments):
    def seen(self):
        return self.batches[-1]


class _FirstBatch(Moments):
    def seen(self):
        return self.batches[0]


class _OneLate(Moments):
    def seen(self):
        return np.concatenate(self.batches[:-1] or self.batches)


class _FirstLeftOut(Moments):
    def seen(self):
        return np.concatenate(self.batches[1:] or self.batches)


class _FirstRowOfBatch(Moments):
    def update(self, batch):
        super().update(np.asarray(batch)[:1])


class _BatchMeans(Moments):
    """Only the mean of a batch is remembered."""

    def update(self, batch):
        super().update(np.mean(batch, axis=0, keepdims=True))


class _EqualBatches(Moments):
    """Batches count alike, whatever their size."""

    def mean(self):
        return np.mean([batch.mean(axis=0) for batch in self.batches], axis=0)

    def variance(self):
        return np.mean([batch.var(axis=0) for batch in self.batches], axis=0)


class _EqualBatchesMerged(_EqualBatches):
    def variance(self):
        means = [batch.mean(axis=0) for batch in self.batches]
        return super().variance() + np.var(means, axis=0)


class _NoBetween(Moments):
    """Variances are averaged; that batches have different means is forgotten."""

    def variance(self):
        parts = [len(batch) * batch.var(axis=0) for batch in self.batches]
        return np.sum(parts, axis=0) / len(self.seen())


class _Merging(Moments):
    """Moments that are merged batch by batch; `between` is what may be wrong."""

    def merged(self) -> tuple[float, Array, Array]:
        """Count, mean and sum of squared deviations."""
        count, mean, squares = 0.0, np.zeros(0), np.zeros(0)
        for batch in self.batches:
            n, m, s = float(len(batch)), batch.mean(axis=0), len(batch) * batch.var(axis=0)
            if count == 0:
                count, mean, squares = n, m, s
            else:
                count, mean, squares = self.merge(count, mean, squares, n, m, s)
        return count, mean, squares

    def merge(self, count, mean, squares, n, m, s):
        delta, total = m - mean, count + n
        return total, mean + delta * n / total, squares + s + self.between(delta, count, n)

    def between(self, delta, count, n):
        return delta**2 * count * n / (count + n)

    def mean(self):
        return self.merged()[1]

    def variance(self):
        count, _, squares = self.merged()
        return squares / count


class _BetweenUnweighted(_Merging):
    def between(self, delta, count, n):
        return delta**2


class _BetweenOverSquare(_Merging):
    def between(self, delta, count, n):
        return delta**2 * count * n / (count + n) ** 2


class _BetweenNotSquared(_Merging):
    def between(self, delta, count, n):
        return np.abs(delta) * count * n / (count + n)


class _BetweenOfBatch(_Merging):
    def between(self, delta, count, n):
        return delta**2 * n


class _DeltaAfter(_Merging):
    def merge(self, count, mean, squares, n, m, s):
        total = count + n
        new = mean + (m - mean) * n / total
        return total, new, squares + s + (m - new) ** 2 * count * n / total


class _CountsBatches(_Merging):
    """The count grows by 1 a batch, while batches are weighed with their size, or with 1."""

    def _one(self, count, mean, squares, n, m, s):
        delta, total = m - mean, count + 1.0
        return total, mean + delta / total, squares + s / n + self.between(delta, count, 1.0)

    def merged(self):
        first = self.batches[0]
        state = (1.0, first.mean(axis=0), first.var(axis=0))
        for batch in self.batches[1:]:
            n = float(len(batch))
            state = self._one(*state, n, batch.mean(axis=0), n * batch.var(axis=0))
        return state


class _CountStuck(_Merging):
    """The count stays that of the first batch."""

    def merge(self, count, mean, squares, n, m, s):
        total, mean, squares = super().merge(count, mean, squares, n, m, s)
        return count, mean, squares * count / total


def _averaging(rate: float) -> type[Moments]:
    class Averaging(Moments):
        def _averaged(self, of):
            found = of(self.batches[0])
            for batch in self.batches[1:]:
                found = (1.0 - rate) * found + rate * of(batch)
            return found

        def mean(self):
            return self._averaged(lambda batch: batch.mean(axis=0))

        def variance(self):
            return self._averaged(lambda batch: batch.var(axis=0))

    return Averaging


def _scaling(expression) -> type[Moments]:
    class Scaling(Moments):
        def scaled(self, x, mean, variance):
            return expression(x, mean, variance + EPSILON)

    return Scaling


class _OneForAll(Moments):
    def mean(self):
        return np.full(self.seen().shape[1], self.seen().mean())

    def variance(self):
        return np.full(self.seen().shape[1], self.seen().var())


class _OneVarianceForAll(Moments):
    def variance(self):
        return np.full(self.seen().shape[1], self.seen().var())


class _AxesMixed(Moments):
    def mean(self):
        return super().mean()[::-1]

    def variance(self):
        return super().variance()[::-1]


class _SecondMoment(Moments):
    def variance(self):
        return (self.seen() ** 2).mean(axis=0)


class _Learning(Moments):
    """Learns from what it normalises, before or after."""

    def normalise(self, x):
        found = super().normalise(x)
        self.update(x)
        return found


class _LearningFirst(Moments):
    def normalise(self, x):
        self.update(x)
        return super().normalise(x)


class _Writing(Moments):
    def normalise(self, x):
        found = super().normalise(x)
        x[...] = found
        return x


class _Referencing(Moments):
    """The rows are kept, not copies of them."""

    def update(self, batch):
        self.batches.append(batch)


class _NoEpsilon(Moments):
    def scaled(self, x, mean, variance):
        with np.errstate(all="ignore"):
            return (x - mean) / np.sqrt(variance)


def _fault(name, model, title, explanation, fix, *references, variants=(), where=""):
    where = where or "`update`, where the moments of a batch are merged with those so far"
    return FaultyVersion(
        name, model, title, explanation, fix, where, references or (_CHAN,), variants=variants
    )


_CHAN = "https://doi.org/10.1007/978-3-642-51461-6_3"
_BATCHES = "Weigh every batch with its number of rows."
_SCALE = "the expression in `normalise`"

FAULTS: tuple[FaultyVersion, ...] = (
    _fault(
        "only-last-batch",
        _LastBatch,
        "moments are those of the latest batch",
        "Inputs of the network jump from batch to batch.",
        "Merge the moments of a batch with those so far.",
        variants=(_OneLate,),
    ),
    _fault(
        "only-first-batch",
        _FirstBatch,
        "moments stay those of the first batch",
        "They are those of the first policy for ever.",
        "Update with every batch.",
        variants=(_FirstLeftOut, _FirstRowOfBatch),
    ),
    _fault(
        "batches-count-alike",
        _EqualBatches,
        "batches count alike, whatever their size",
        "The count grows by 1 a batch, or moments are averaged over batches.",
        _BATCHES,
        "https://github.com/Toni-SM/skrl/commit/a52a698f9f7b",
        variants=(_EqualBatchesMerged, _CountsBatches, _CountStuck),
    ),
    _fault(
        "variance-between-batches-missing",
        _NoBetween,
        "the variance leaves out how far the means of batches lie apart",
        "Merged variances need the squared difference of the means: without it inputs are scaled "
        "too large, the more the data drifts.",
        "Add delta^2 * n_a * n_b / (n_a + n_b) to the sum of squares.",
    ),
    _fault(
        "variance-between-batches-wrong",
        _BetweenUnweighted,
        "the term for the difference of the means has the wrong weight",
        "delta^2 is not multiplied with n_a n_b / (n_a + n_b), or is computed with the new mean.",
        "Add delta^2 * n_a * n_b / (n_a + n_b), delta from the mean before.",
        variants=(_BetweenOverSquare, _BetweenNotSquared, _BetweenOfBatch, _DeltaAfter),
    ),
    _fault(
        "rows-inside-batch-ignored",
        _BatchMeans,
        "only the mean of each batch counts",
        "The variance inside batches is lost: with one batch it is 0.",
        "Merge the variance of the batch too.",
    ),
    _fault(
        "moving-average",
        _averaging(0.1),
        "moments are exponential averages",
        "Older rows are forgotten, and the moments are those of no data set.",
        "Weigh by counts.",
        variants=(_averaging(0.01), _averaging(0.05), _averaging(0.5), _averaging(0.9)),
    ),
    _fault(
        "variance-for-deviation",
        _scaling(lambda x, m, v: (x - m) / v),
        "it divides by the variance",
        "Features with a large range become tiny, those with a small one huge.",
        "Divide by the square root of the variance.",
        where=_SCALE,
    ),
    _fault(
        "multiplied-by-deviation",
        _scaling(lambda x, m, v: (x - m) * np.sqrt(v)),
        "it multiplies by the standard deviation",
        "Large features become larger.",
        "Divide by it.",
        where=_SCALE,
        variants=(_scaling(lambda x, m, v: x * np.sqrt(v) + m),),
    ),
    _fault(
        "mean-not-subtracted",
        _scaling(lambda x, m, v: x / np.sqrt(v)),
        "the mean is not subtracted",
        "Inputs are far from 0 where the data is.",
        "Subtract the mean first.",
        where=_SCALE,
        variants=(_scaling(lambda x, m, v: (x + m) / np.sqrt(v)),),
    ),
    _fault(
        "not-scaled",
        _scaling(lambda x, m, v: x - m),
        "it does not divide by the standard deviation",
        "Features keep their ranges.",
        "Divide by the standard deviation.",
        where=_SCALE,
        variants=(_scaling(lambda x, m, v: x),),
    ),
    _fault(
        "precedence",
        _scaling(lambda x, m, v: x - m / np.sqrt(v)),
        "only the mean is divided: x - mean / std",
        "Parentheses are missing.",
        "Write (x - mean) / std.",
        where=_SCALE,
    ),
    _fault(
        "one-statistic-for-all-features",
        _OneForAll,
        "all features share one mean or one variance",
        "The average goes over the features too: small features vanish beside large ones.",
        "Average over rows only, `axis=0`.",
        "https://github.com/Toni-SM/skrl/commit/a52a698f9f7b",
        variants=(_OneVarianceForAll, _AxesMixed),
    ),
    _fault(
        "second-moment-for-variance",
        _SecondMoment,
        "the mean of squares stands for the variance",
        "The square of the mean is not subtracted: what is far from 0 is squeezed.",
        "Subtract the square of the mean, or better use differences from it.",
    ),
    _fault(
        "learns-from-what-it-normalises",
        _Learning,
        "`normalise` changes the moments",
        "Evaluation moves them, and training data counts twice: scores depend on how often one "
        "looked.",
        "Change moments in `update` only.",
        "https://github.com/DLR-RM/rl-baselines3-zoo/commit/3dd13ca25ffa",
        "https://github.com/strands-labs/robots/pull/2426",
        "https://github.com/RoboVerseOrg/RoboVerse/pull/783",
        where="`normalise`",
        variants=(_LearningFirst,),
    ),
    _fault(
        "input-overwritten",
        _Writing,
        "`normalise` writes to its argument",
        "The caller's observation, which is stored in a buffer, is replaced by the normalised one.",
        "Return a new array.",
        where="in-place arithmetic in `normalise`",
    ),
    _fault(
        "references-kept",
        _Referencing,
        "the caller's batch is kept, not its moments or a copy",
        "When the caller reuses its array, the past changes.",
        "Copy, or keep moments only.",
        where="`update`",
    ),
    _fault(
        "no-epsilon",
        _NoEpsilon,
        "a feature that never changes gives NaN or infinity",
        "Its standard deviation is 0.",
        "Add a small number to the variance, or take the larger of the two.",
        where=_SCALE,
    ),
)
