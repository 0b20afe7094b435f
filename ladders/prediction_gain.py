"""How much better a target can be predicted with further inputs, measured on held-out blocks.

    explained share    R2(X) = 1 - held-out error of the best predictor of Y from X / variance of Y
    gain of H          R2(X, H) - R2(X)

The predictors are ridge regressions on linear, quadratic and random Fourier features (Rahimi & Recht
2007); features and penalty are chosen on validation blocks, per target. The p-value of a gain is that of
a sign-flip test over held-out blocks: under "H does not help" the differences of their errors are as
often above as below 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PENALTIES = (1e-6, 1e-3, 1e-1)
WIDTHS = (0.5, 1.5)
FOURIER = 150
FLIPS = 999
QUADRATIC_INPUTS = 20


@dataclass(frozen=True, slots=True)
class Fit:
    """Held-out squared errors of the predictor chosen for each target.

    Args:
        errors: [N, M] on the test rows, in units of the target's variance.
        errors_half: the same after training on half of the rows, where that was asked for.
    """

    errors: np.ndarray
    errors_half: np.ndarray

    @property
    def explained(self) -> np.ndarray:
        """[M] share of the variance that is predicted."""
        return 1.0 - self.errors.mean(axis=0)


@dataclass(frozen=True, slots=True)
class Split:
    """Rows for training, choosing and testing, by whole blocks."""

    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray
    blocks: np.ndarray

    @classmethod
    def draw(cls, blocks: np.ndarray, rng: np.random.Generator) -> Split:
        """Three fifths, one fifth and one fifth of the blocks [N]."""
        names = rng.permutation(np.unique(blocks))
        first, second = 3 * len(names) // 5, 4 * len(names) // 5
        parts = (names[:first], names[first:second], names[second:])
        train, choose, test = (np.flatnonzero(np.isin(blocks, part)) for part in parts)
        return cls(train, choose, test, blocks)


def fit(
    inputs: np.ndarray, targets: np.ndarray, split: Split, seed: int, *, also_half: bool = False
) -> Fit:
    """The best predictor of each target.

    Args:
        inputs: [N, D].
        targets: [N, M], none of them constant.
        split: which rows train, choose and test.
        seed: of the random features.
        also_half: whether to train on half of the rows too.
    """
    scale = targets[split.train].std(axis=0) + 1e-12
    goal = (targets - targets[split.train].mean(axis=0)) / scale
    variance = goal[split.test].var(axis=0) + 1e-12
    found = []
    for rows in (split.train, split.train[::2])[: 1 + also_half]:
        best = np.full(goal.shape[1], np.inf)
        errors = np.zeros((len(split.test), goal.shape[1]))
        for features in _feature_sets(inputs, split.train, seed):
            for choose, test in _ridge(features, goal, rows, split):
                better = choose < best
                best = np.where(better, choose, best)
                errors[:, better] = test[:, better]
        found.append(errors / variance)
    return Fit(found[0], found[-1])


def _feature_sets(inputs: np.ndarray, train: np.ndarray, seed: int) -> list[np.ndarray]:
    spread = inputs[train].std(axis=0)
    kept = spread > 1e-9
    x = np.clip((inputs[:, kept] - inputs[train][:, kept].mean(axis=0)) / spread[kept], -6.0, 6.0)
    one = np.ones((len(x), 1))
    linear = np.hstack([one, x])
    sets = [linear]
    if 0 < x.shape[1] <= QUADRATIC_INPUTS:
        upper = np.triu_indices(x.shape[1])
        sets.append(np.hstack([linear, (x[:, :, None] * x[:, None, :])[:, upper[0], upper[1]]]))
    rng = np.random.default_rng(seed)
    for width in WIDTHS if x.shape[1] else ():
        weights = rng.standard_normal((x.shape[1], FOURIER)) / (width * np.sqrt(x.shape[1]))
        waves = np.cos(x @ weights + rng.uniform(0, 2 * np.pi, FOURIER))
        sets.append(np.hstack([sets[min(1, len(sets) - 1)], waves]))
    return sets


def _ridge(
    features: np.ndarray, goal: np.ndarray, rows: np.ndarray, split: Split
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each penalty the error [M] on rows to choose by, and squared errors [N, M] on test rows."""
    gram = features[rows].T @ features[rows] / len(rows)
    cross = features[rows].T @ goal[rows] / len(rows)
    found = []
    for penalty in PENALTIES:
        weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), cross)
        choose = (features[split.choose] @ weights - goal[split.choose]) ** 2
        found.append(
            (choose.mean(axis=0), (features[split.test] @ weights - goal[split.test]) ** 2)
        )
    return found


def gain_p_values(less: Fit, more: Fit, split: Split, rng: np.random.Generator) -> np.ndarray:
    """[M] one-sided p-values of "the further inputs do not help", by flipping signs of block sums."""
    difference = less.errors - more.errors
    names, index = np.unique(split.blocks[split.test], return_inverse=True)
    sums = np.zeros((len(names), difference.shape[1]))
    np.add.at(sums, index, difference)
    # A single block must not decide: large errors are cut to ten times the usual one.
    usual = np.median(np.abs(sums), axis=0) + 1e-12
    sums = np.clip(sums, -10 * usual, 10 * usual)
    flips = rng.choice((-1.0, 1.0), size=(FLIPS, len(names)))
    exceeded = (flips @ sums >= sums.sum(axis=0) - 1e-12).sum(axis=0)
    return (1 + exceeded) / (1 + FLIPS)
