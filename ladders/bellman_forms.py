"""The forms that a Q-learner's target takes: the definition's, and one for every mistake.

    y = r + gamma (1 - terminated) v,     v = max_a Q_target(s', a), or Q_target(s', argmax_a Q(s', a))

(Mnih et al. 2015; van Hasselt et al. 2016 for the second). With windows of n steps (Sutton & Barto 2018,
chapter 7) r is their discounted sum, s' the state at their end, and gamma stands to the power of their
length. A mistake changes one of the three parts.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ladders.bellman_rows import Fit, Rows, fit_target
from ladders.bellman_windows import Window, after, before, windows
from ladders.mdp import MDP


class Form(NamedTuple):
    """A form of the target that was fitted.

    Args:
        fault: what is wrong with it; "" for the definition.
        reward, beyond: its two terms in words.
        rewards, values: [N] what they are in each row, without the discount.
        right_rewards, right_values: [N] those of the definition.
        fit: discount, unit of the rewards, and what is left over.
    """

    fault: str
    reward: str
    beyond: str
    rewards: np.ndarray
    values: np.ndarray
    right_rewards: np.ndarray
    right_values: np.ndarray
    fit: Fit


class _Part(NamedTuple):
    """One choice for one part of the target."""

    fault: str
    words: str
    numbers: np.ndarray


def forms_of(rows: Rows, mdp: MDP, gamma: float, *, has_target: bool) -> list[Form]:
    """Every form that the rows can be held against, fitted.

    Args:
        rows: the rows.
        mdp: the tables of the environment.
        gamma: the discount, of which windows of several steps hold powers.
        has_target: whether the agent holds a target network, so that there is one to be used.
    """
    steps = _windows(rows, mdp, gamma)
    rewards, masks = _rewards(rows, mdp, steps), _masks(rows, mdp, steps, gamma)
    values = _values(rows, has_target)
    if not values:
        return []
    reward, mask = rewards[0], masks[0]
    combined = [
        *((reward, mask, value) for value in values),
        # A wrong reward or mask goes with a right value, of which there may be two.
        *((wrong, mask, v) for wrong in rewards[1:] for v in values if not v.fault),
        *((reward, wrong, v) for wrong in masks[1:] for v in values if not v.fault),
    ]
    right = mask.numbers * values[0].numbers
    forms = [_fitted(rows, *parts, reward.numbers, right) for parts in combined]
    forms += [_broadcast(rows, reward, mask, v, right) for v in values if not v.fault]
    return [form for form in forms if form is not None]


def _windows(rows: Rows, mdp: MDP, gamma: float) -> Window:
    """What the window of each row brings, all [N]."""
    tables = windows(mdp, gamma)
    place = rows.window - 1, rows.state, rows.action
    return Window(*(np.stack(parts)[place] for parts in zip(*tables, strict=True)))


def _rewards(rows: Rows, mdp: MDP, steps: Window) -> list[_Part]:
    reward = steps.rewards
    parts = [
        _Part("", "r", reward),
        _Part("reward-clipped", "clip(r, -1, 1)", np.clip(reward, -1.0, 1.0)),
        _Part("reward-clipped", "the whole number in r", np.trunc(reward)),
        _Part("reward-mean-subtracted", "(r - mean r)", reward - _means(rows, reward)),
        _Part("batch-misaligned", "r of the row before", _rolled(rows, reward, 1)),
        _Part("batch-misaligned", "r of the row after", _rolled(rows, reward, -1)),
    ]
    if (rows.window > 1).any():
        return [*parts, _Part("discount-ignored", "the plain sum of rewards", steps.sums)]
    ended = steps.ends | steps.cut
    early = np.where(ended, np.nan, after(mdp)[0][steps.reached])
    return [
        *parts,
        _Part("reward-late", "r of the step before", before(mdp)[rows.state]),
        _Part("reward-early", "r of the step after", early),
    ]


def _masks(rows: Rows, mdp: MDP, steps: Window, gamma: float) -> list[_Part]:
    ends, cut = steps.ends, steps.cut
    reached = steps.reached == rows.following
    one = rows.window == 1
    reached |= one & (mdp.transitions[rows.state, rows.action, rows.following] > 0)
    # What followed a time limit may be the first state of the next episode, whose value is of no use.
    elsewhere = "truncation-bootstraps-reset" if (cut & ~reached).any() else ""
    further = gamma ** (steps.steps - 1)
    on = (~ends) * further
    parts = [
        _Part(elsewhere, "(1 - terminated)", on),
        _Part("terminal-bootstrap", "(also where terminated)", further),
        _Part("truncation-as-terminal", "(1 - terminated or truncated)", ~(ends | cut) * further),
        _Part("terminal-bootstrap", "(1 - truncated)", ~cut * further),
        _Part("terminal-bootstrap", "terminated", ends * further),
        _Part("done-late", "(1 - terminated of the row before)", ~_rolled(rows, ends, 1) * further),
        _Part(
            "done-early", "(1 - terminated of the row after)", ~_rolled(rows, ends, -1) * further
        ),
    ]
    if not one.all():
        return [*parts, _Part("discount-ignored", "(1 - terminated), discounted once,", ~ends)]
    first, ended = mdp.start[rows.state] > 0, ends | cut
    # Nothing is known of the flag that lies on the other side of an episode's end.
    late = np.where(first, np.nan, 1.0)
    early = np.where(ended, np.nan, 1.0 - after(mdp)[1][steps.reached])
    return [
        *parts,
        _Part("done-late", "(1 - terminated of the step before)", late),
        _Part("done-early", "(1 - terminated of the step after)", early),
    ]


def _values(rows: Rows, has_target: bool) -> list[_Part]:
    if np.array_equal(rows.following, rows.state):
        values = rows.target if np.isfinite(rows.target).all() else rows.online
        return [_Part("next-observation-stale", "max_a Q(s, a)", values.max(axis=1))]
    parts = []
    row = np.arange(len(rows.q))
    lagged, online = np.isfinite(rows.target).all(), np.isfinite(rows.online).all()
    if lagged:
        target = rows.target
        parts.append(_Part("", "max_a Q_target(s', a)", target.max(axis=1)))
        mean = _Part("max-replaced-by-mean", "mean_a Q_target(s', a)", target.mean(axis=1))
        least = _Part("max-replaced-by-mean", "min_a Q_target(s', a)", target.min(axis=1))
        parts += [mean, least]
    if online:
        unused = "target-is-online" if has_target or lagged else ""
        parts.append(_Part(unused, "max_a Q(s', a)", rows.online.max(axis=1)))
    if lagged and online:
        chosen = target[row, rows.online.argmax(axis=1)]
        parts.insert(1, _Part("", "Q_target(s', argmax_a Q(s', a))", chosen))
        other = rows.online[row, target.argmax(axis=1)]
        parts.append(_Part("target-is-online", "Q(s', argmax_a Q_target(s', a))", other))
    return sorted(parts, key=lambda part: bool(part.fault))


def _fitted(
    rows: Rows,
    reward: _Part,
    mask: _Part,
    value: _Part,
    right_rewards: np.ndarray,
    right_values: np.ndarray,
) -> Form | None:
    beyond = mask.numbers * value.numbers
    fit = fit_target(rows, reward.numbers, beyond)
    if fit is None:
        return None
    return Form(
        reward.fault or value.fault or mask.fault,
        reward.words,
        f"{mask.words} {value.words}",
        reward.numbers,
        beyond,
        right_rewards,
        right_values,
        fit,
    )


def _broadcast(
    rows: Rows, reward: _Part, mask: _Part, value: _Part, right: np.ndarray
) -> Form | None:
    """[B, 1] less [B] is [B, B]: each row is pulled to the mean target of the batch."""
    mean = _Part("batch-misaligned", "mean over the batch of r", _means(rows, reward.numbers))
    beyond = _Part("", f"mean of {value.words}", _means(rows, mask.numbers * value.numbers))
    whole = _Part("", mask.words, np.ones(len(rows.q)))
    return _fitted(rows, mean, whole, beyond, reward.numbers, right)


def _means(rows: Rows, numbers: np.ndarray) -> np.ndarray:
    """[N] mean over the rows of the same update."""
    _, of = np.unique(rows.update, return_inverse=True)
    return (np.bincount(of, weights=numbers) / np.bincount(of))[of]


def _rolled(rows: Rows, numbers: np.ndarray, by: int) -> np.ndarray:
    """[N] the number of another row of the same update."""
    moved = numbers.copy()
    for update in np.unique(rows.update):
        own = rows.update == update
        moved[own] = np.roll(numbers[own], by)
    return moved
