"""Whether what comes next depends on the past, given the present: two tests of the Markov property.

    (o[t+1], r[t+1])  independent of  (o[t-1], a[t-1])  given  (o[t], a[t])

Finite observations: an exact conditional permutation test. Within each (o[t], a[t]) the histories are
shuffled; the statistic is the mutual information of history and outcome. Its p-value holds at any
sample size. Other observations: the gain in held-out prediction (`ladders.prediction_gain`). Both call
the past relevant only if p <= alpha and the effect is material, so that neither a rare coincidence nor
what a predictor failed to learn from the present becomes an accusation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ladders.prediction_gain import Fit, Split, fit, gain_p_values

MATERIAL = 0.25
"""Further share of the variance that the past must explain."""

LEARNING = 0.35
"""A predictor whose error falls by more where its data are doubled has not learned the present yet."""

MATERIAL_BITS = 0.1
"""Share of the outcome's entropy, given the present, that the past must explain."""

PERMUTATIONS = 299
MOST_TARGETS = 48


@dataclass(frozen=True, slots=True)
class Window:
    """Transitions with two steps of the past.

    Args:
        observations: [N, 3, D] o[t-2], o[t-1], o[t].
        actions: [N, 3, K] a[t-2], a[t-1], a[t].
        targets: [N, M] what came next: o[t+1] - o[t], and r[t+1] last.
        blocks: [N] name of the block (episode, or part of a long one).
        names: [M] of the targets.
    """

    observations: np.ndarray
    actions: np.ndarray
    targets: np.ndarray
    blocks: np.ndarray
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one test says.

    Args:
        hidden: whether the past matters.
        p: the smallest p-value, corrected for the number of targets.
        target: the one that the past helps most with.
        present, past: explained share of that target from the present, and with the past.
        learned: False if the predictor is still learning, so that the test cannot say.
    """

    hidden: bool
    p: float
    target: str
    present: float
    past: float
    learned: bool = True


@dataclass(frozen=True, slots=True)
class MarkovReport:
    """The test on the plain observation, on two stacked ones, and what the previous action alone does."""

    plain: Finding
    stacked: Finding
    action_late: bool


def test_numbers(window: Window, alpha: float, seed: int) -> MarkovReport:
    """The test for observations that are vectors of numbers."""
    rng = np.random.default_rng(seed)
    targets, names = _varying(window)
    if not len(names):
        nothing = Finding(False, 1.0, "", 1.0, 1.0)
        return MarkovReport(nothing, nothing, False)
    split = Split.draw(window.blocks, rng)
    parts = {
        "o": window.observations[:, 2],
        "a": window.actions[:, 2],
        "o1": window.observations[:, 1],
        "a1": window.actions[:, 1],
        "o2": window.observations[:, 0],
        "a2": window.actions[:, 0],
    }

    def predict(*inputs: str, also_half: bool = False) -> Fit:
        chosen = np.hstack([parts[name] for name in inputs])
        return fit(chosen, targets, split, seed, also_half=also_half)

    present = predict("o", "a", also_half=True)
    past = predict("o", "a", "o1", "a1", also_half=True)
    plain = _finding(present, past, split, names, alpha, rng)
    if not plain.hidden:
        return MarkovReport(plain, plain, False)
    longer = predict("o", "a", "o1", "a1", "o2", "a2")
    stacked = _finding(past, longer, split, names, alpha, rng)
    late = _is_late(present, past, predict("o", "a", "a1"), predict("o"))
    return MarkovReport(plain, stacked, late)


def _varying(window: Window) -> tuple[np.ndarray, list[str]]:
    spread = window.targets.std(axis=0)
    usual = np.abs(window.targets).mean(axis=0)
    kept = np.flatnonzero(spread > 1e-6 * (usual + 1e-6))
    kept = kept[np.argsort(-spread[kept], kind="stable")[:MOST_TARGETS]]
    return window.targets[:, kept], [window.names[index] for index in kept]


def _finding(
    less: Fit, more: Fit, split: Split, names: list[str], alpha: float, rng: np.random.Generator
) -> Finding:
    gains = more.explained - np.maximum(less.explained, 0.0)
    p_values = np.minimum(gain_p_values(less, more, split, rng) * len(names), 1.0)
    half, whole = less.errors_half.mean(axis=0), less.errors.mean(axis=0)
    learned = whole >= (1.0 - LEARNING) * half
    material = (gains >= MATERIAL) & (p_values <= max(alpha, len(names) / 1000))
    convicted = material & learned
    pool = convicted if convicted.any() else np.ones_like(convicted)
    worst = int(np.argmax(np.where(pool, gains, -np.inf)))
    return Finding(
        hidden=bool(convicted.any()),
        p=float(p_values[worst]),
        target=names[worst],
        present=float(max(less.explained[worst], 0.0)),
        past=float(max(more.explained[worst], 0.0)),
        learned=bool(convicted.any() or not material.any()),
    )


def _is_late(present: Fit, past: Fit, with_action: Fit, without_action: Fit) -> bool:
    """Whether the previous action alone explains what the past does, and the present one nothing."""
    gains = past.explained - present.explained
    clear = gains >= MATERIAL
    by_action = with_action.explained - present.explained >= 0.85 * gains
    unused = present.explained - without_action.explained <= 0.02
    return bool(np.all(by_action[clear]) and np.all(unused[clear]))


# --- finite observations --------------------------------------------------------------------------


def test_symbols(
    present: np.ndarray,
    history: np.ndarray,
    older: np.ndarray,
    outcome: np.ndarray,
    alpha: float,
    seed: int,
) -> MarkovReport:
    """The test for finitely many observations.

    Args:
        present: [N] code of (o[t], a[t]).
        history: [N] code of (o[t-1], a[t-1]).
        older: [N] code of (o[t-2], a[t-2]).
        outcome: [N] code of (o[t+1], r[t+1], terminated).
        alpha: rate of false alarms.
        seed: of the permutations.
    """
    rng = np.random.default_rng(seed)
    plain = _symbols(present, history, outcome, alpha, rng)
    if not plain.hidden:
        return MarkovReport(plain, plain, False)
    both = np.unique(np.stack([present, history]), axis=1, return_inverse=True)[1].ravel()
    return MarkovReport(plain, _symbols(both, older, outcome, alpha, rng), False)


def _symbols(
    present: np.ndarray,
    history: np.ndarray,
    outcome: np.ndarray,
    alpha: float,
    rng: np.random.Generator,
) -> Finding:
    entropy = _conditional_entropy(outcome, present)
    if entropy < 1e-3:
        return Finding(False, 1.0, "outcome", 1.0, 1.0)
    order = np.argsort(present, kind="stable")
    present, history, outcome = present[order], history[order], outcome[order]
    seen = entropy - _conditional_entropy(outcome, _pair(present, history))
    shuffled = np.empty(PERMUTATIONS)
    for index in range(PERMUTATIONS):
        within = np.lexsort((rng.random(len(present)), present))
        shuffled[index] = entropy - _conditional_entropy(outcome, _pair(present, history[within]))
    p = (1 + (shuffled >= seen - 1e-12).sum()) / (1 + PERMUTATIONS)
    share = max(seen - shuffled.mean(), 0.0) / entropy
    least = max(alpha, 1.0 / (1 + PERMUTATIONS))
    return Finding(bool(p <= least and share >= MATERIAL_BITS), float(p), "outcome", 0.0, share)


def _pair(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one.astype(np.int64) * (int(other.max()) + 1) + other


def _conditional_entropy(outcome: np.ndarray, given: np.ndarray) -> float:
    """H(outcome | given) in nats per row."""
    _, joint = np.unique(_pair(given, outcome), return_counts=True)
    _, single = np.unique(given, return_counts=True)
    total = len(outcome)
    return float((single * np.log(single)).sum() - (joint * np.log(joint)).sum()) / total
