"""What is measured beside a trainer on preferences: its losses and gradients, and those of theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ladders.trainers.preference_semantics import (
    VARIANTS,
    Scored,
    ScoredPair,
    Semantics,
    all_semantics,
    predict,
)
from rlcheck.adapters.trl.acting import move, train
from rlcheck.adapters.trl.preference import (
    OpenPreferenceTrainer,
    Pair,
    PreferenceSubject,
    full,
    tables,
)
from rlcheck.adapters.trl.token_model import Gradient, TokenModel, along, distance
from rlcheck.records import Context, Evidence, Trial

LENGTHS = ((3, 2, 5), (1, 6, 1), (4, 1, 3), (2, 3, 3), (5, 1, 1), (1, 2, 7), (3, 4, 2), (2, 5, 4))
"""Tokens of prompt, chosen and rejected answer of each pair: ragged, so that padding is everywhere."""
BATCHES = ((0, 1, 2, 3), (4, 5, 6, 7), (1, 5))
LOSS_TOLERANCE, GRADIENT_TOLERANCE = 2e-4, 2e-3
"""Relative, for trainers in float32; theory is in float64."""
NOISE_SEED, NOISE = 7, 0.05


def pairs(seed: int, lengths: Sequence[tuple[int, int, int]] = LENGTHS) -> list[Pair]:
    """Random words; the two answers to a prompt begin alike in every second pair."""
    random = np.random.default_rng(seed)

    def words(count: int) -> tuple[str, ...]:
        return tuple(f"w{number}" for number in random.integers(0, 24, count))

    found = []
    for number, (prompt, chosen, rejected) in enumerate(lengths):
        pair = Pair(words(prompt), words(chosen), words(rejected))
        if number % 2:
            pair = pair._replace(rejected=(pair.chosen[0], *pair.rejected[1:]))
        found.append(pair)
    return found


def close(seen: float, expected: float) -> bool:
    """Equal as far as single precision can tell."""
    return abs(seen - expected) <= LOSS_TOLERANCE * (1.0 + abs(expected))


def compare(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """Losses and gradients of several batches, seen and predicted by every semantics.

    The same comparison serves several checks, so it is kept with the subject.
    """
    if trial.key not in subject.cache:
        subject.cache[trial.key] = _compare(subject, trial, context)
    return subject.cache[trial.key]


def _compare(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    opened = subject.open(pairs(trial.seed), context.scratch)
    start = [opened.see(batch).loss for batch in BATCHES]
    move(opened.trainer, NOISE_SEED, NOISE)
    context.progress(0.3, "comparing losses")
    policy = opened.policy()
    scored = score(opened, policy)
    seen = [opened.see(batch) for batch in BATCHES]
    predicted = {
        s.key: [predict(s, [scored[row] for row in batch], opened.beta)[0] for batch in BATCHES]
        for s in all_semantics()
    }
    matching = [
        s
        for s in all_semantics()
        if all(close(one.loss, value) for one, value in zip(seen, predicted[s.key], strict=True))
    ]
    context.progress(0.6, "comparing gradients")
    # Where no loss fits, the direction of the gradient may still tell what it is a loss of.
    candidates = matching or [s for s in all_semantics() if s.variant == VARIANTS[0].variant]
    errors = {
        s.key: max(
            distance(one.gradient, _gradient(opened, policy, scored, s, batch))
            for one, batch in zip(seen, BATCHES, strict=True)
        )
        for s in candidates
    }
    return {
        "beta": opened.beta,
        "start": start,
        "seen": [one.loss for one in seen],
        "predicted": predicted,
        "matching": [s.key for s in matching],
        "gradient_errors": errors,
    }


def score(opened: OpenPreferenceTrainer, policy: TokenModel) -> list[ScoredPair]:
    """Every pair with what policy and reference say about its two answers."""
    found = []
    for tokens in opened.pairs:
        sides = full(tokens)
        shown = zip(tables(policy, sides), tables(opened.reference, sides), sides, strict=True)
        scored = [Scored(p, r, policy.unshifted_log_probs(side)) for p, r, side in shown]
        found.append(ScoredPair(len(tokens.prompt), *scored))
    return found


def _gradient(
    opened: OpenPreferenceTrainer,
    policy: TokenModel,
    scored: Sequence[ScoredPair],
    semantics: Semantics,
    batch: Sequence[int],
) -> Gradient:
    _, weights = predict(semantics, [scored[row] for row in batch], opened.beta)
    sequences = [side for row in batch for side in full(opened.pairs[row])]
    return policy.gradient(sequences, weights, shift=1 if semantics.shifted else 0)


def compare_rows(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """A batch of four, and each of its pairs alone."""
    opened = subject.open(pairs(trial.seed), context.scratch)
    move(opened.trainer, NOISE_SEED, NOISE)
    alone = [opened.see([row]).loss for row in BATCHES[0]]
    swapped = opened.see(BATCHES[0][::-1]).loss
    return {"together": opened.see(BATCHES[0]).loss, "alone": alone, "reversed": swapped}


def compare_sides(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """The same batch with a tokenizer that pads on the right and one that pads on the left."""
    losses = {}
    for side in ("right", "left"):
        opened = subject.open(pairs(trial.seed), context.scratch, padding_side=side)
        move(opened.trainer, NOISE_SEED, NOISE)
        losses[side] = opened.see(BATCHES[0]).loss
    return losses


SPLITS = ((4, 1), (2, 2), (1, 4))
"""Pairs a batch, and batches a step."""


def compare_splits(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """The gradient of one step over four pairs, taken in one, two and four batches."""
    gradients: list[Any] = []
    for size, count in SPLITS:
        options = {"per_device_train_batch_size": size, "gradient_accumulation_steps": count}
        four = pairs(trial.seed)[:4]
        opened = subject.open(four, context.scratch, options=options)
        move(opened.trainer, NOISE_SEED, NOISE)
        gradients.append(train(opened.trainer)[0])
    whole = gradients[0]
    return {
        "splits": [list(split) for split in SPLITS],
        "distances": [distance(gradient, whole) for gradient in gradients],
        "factors": [along(gradient, whole) for gradient in gradients],
    }


def watch_reference(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """Three large steps of training; is the loss after them still relative to the first model?"""
    options = {"max_steps": 3, "learning_rate": 0.5}
    opened = subject.open(pairs(trial.seed), context.scratch, options=options)
    move(opened.trainer, NOISE_SEED, NOISE)
    train(opened.trainer)
    policy = opened.policy()
    first, moved = score(opened, policy), _relative_to(score(opened, policy))
    return {
        "seen": [opened.see(batch).loss for batch in BATCHES],
        "to_first": _losses(opened, first),
        "to_itself": _losses(opened, moved),
        "matching": compare(subject, trial, context)["matching"],
    }


def _relative_to(scored: Sequence[ScoredPair]) -> list[ScoredPair]:
    """The same pairs with the policy as its own reference."""

    def own(side: Scored) -> Scored:
        return side._replace(reference=side.policy)

    return [p._replace(chosen=own(p.chosen), rejected=own(p.rejected)) for p in scored]


def _losses(opened: OpenPreferenceTrainer, scored: Sequence[ScoredPair]) -> dict[str, list[float]]:
    return {
        s.key: [predict(s, [scored[row] for row in batch], opened.beta)[0] for batch in BATCHES]
        for s in all_semantics()
    }


def see_twice(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """A model with dropout in its config; the same batch several times in training mode."""
    opened = subject.open(pairs(trial.seed), context.scratch, dropout=True)
    return {"losses": [opened.see(BATCHES[0]).loss for _ in range(3)]}


BETAS = (0.05, 2.0)


def vary_beta(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """The loss of one batch under two values of beta."""
    losses = []
    for beta in BETAS:
        opened = subject.open(pairs(trial.seed), context.scratch, options={"beta": beta})
        move(opened.trainer, NOISE_SEED, NOISE)
        losses.append(opened.see(BATCHES[0]).loss)
    return {"betas": list(BETAS), "losses": losses}


def overfit(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    """Train on one pair; how much more does the policy prefer the chosen answer than before?"""
    options = {"max_steps": 20, "learning_rate": 0.01, "optim": "adamw_torch"}
    opened = subject.open(pairs(trial.seed)[:1] * 4, context.scratch, options=options)
    train(opened.trainer)
    policy, tokens = opened.policy(), opened.pairs[0]
    start = len(tokens.prompt) - 1
    before, after = (
        [float(table[start:-1].sum()) for table in tables(model, full(tokens))]
        for model in (opened.reference, policy)
    )
    return {"before": before, "after": after}
