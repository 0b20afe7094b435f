"""What is measured beside a trainer on preferences: its losses and gradients, and those of theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ladders.trainers import reward_trials
from ladders.trainers.preference_links import MODELLED, declared
from ladders.trainers.preference_semantics import (
    CORRECT,
    VARIANTS,
    Scored,
    ScoredPair,
    Semantics,
    all_semantics,
    predict,
)
from ladders.trainers.trial_pairs import BATCHES, NOISE, NOISE_SEED, close, pairs
from rlcheck.adapters.trl.acting import move, settings_beyond, train
from rlcheck.adapters.trl.preference import OpenPreferenceTrainer, PreferenceSubject, full, tables
from rlcheck.adapters.trl.reward import RewardSubject
from rlcheck.adapters.trl.tiny import EOS, PAD
from rlcheck.adapters.trl.token_model import Gradient, TokenModel, along, distance
from rlcheck.records import Context, Evidence, Trial

Subject = PreferenceSubject | RewardSubject
UNUSUAL = {
    "f_divergence_type": "reverse_kl",
    "use_weighting": False,
    "ld_alpha": None,
    "reference_free": False,
}
"""Settings of TRL's that change the loss, and where they are off."""


def compare(subject: Subject, trial: Trial, context: Context) -> Evidence:
    """Losses and gradients of several batches, seen and predicted by every semantics.

    The same comparison serves several checks, so it is kept with the subject.
    """
    if trial.key not in subject.cache:
        if isinstance(subject, RewardSubject):
            found = reward_trials.compare(subject, trial, context)
        else:
            found = _compare(subject, trial, context)
        subject.cache[trial.key] = found
    return subject.cache[trial.key]


def _compare(subject: PreferenceSubject, trial: Trial, context: Context) -> Evidence:
    opened = subject.open(pairs(trial.seed), context.scratch)
    start = [opened.see(batch).loss for batch in BATCHES]
    move(opened.trainer, NOISE_SEED, NOISE)
    context.progress(0.3, "comparing losses")
    policy = opened.policy()
    scored = score(opened, policy)
    seen = [opened.see(batch) for batch in BATCHES]
    every = _semantics(opened)
    predicted = _losses(opened, scored)
    matching = [
        s
        for s in every
        if all(close(one.loss, value) for one, value in zip(seen, predicted[s.key], strict=True))
    ]
    context.progress(0.6, "comparing gradients")
    # Where no loss fits, the direction of the gradient may still tell what it is a loss of.
    candidates = matching or [s for s in every if s.variant == VARIANTS[0].variant]
    errors = {
        s.key: max(
            distance(one.gradient, _gradient(opened, policy, scored, s, batch))
            for one, batch in zip(seen, BATCHES, strict=True)
        )
        for s in candidates
    }
    return {
        "settings": [f"beta = {opened.beta:g}"] * len(seen),
        "beyond": _beyond(opened),
        "beta": opened.beta,
        "start_expected": {
            s.variant: s.link(0.0, 0.0, opened.beta)[0] for s in every if s.name == CORRECT
        },
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


def compare_rows(subject: Subject, trial: Trial, context: Context) -> Evidence:
    """A batch of four, and each of its pairs alone."""
    opened = subject.open(pairs(trial.seed), context.scratch)
    move(opened.trainer, NOISE_SEED, NOISE)
    alone = [opened.see([row]).loss for row in BATCHES[0]]
    swapped = opened.see(BATCHES[0][::-1]).loss
    return {"together": opened.see(BATCHES[0]).loss, "alone": alone, "reversed": swapped}


def compare_sides(subject: Subject, trial: Trial, context: Context) -> Evidence:
    """The same batch with a tokenizer that pads on the right and one that pads on the left."""
    losses = {}
    for side in ("right", "left"):
        opened = subject.open(pairs(trial.seed), context.scratch, padding_side=side)
        move(opened.trainer, NOISE_SEED, NOISE)
        losses[side] = opened.see(BATCHES[0]).loss
    return losses


def compare_pads(subject: Subject, trial: Trial, context: Context) -> Evidence:
    """The same batch with a padding token of its own, and with the end of sequence in its place."""
    losses = {}
    for name, pad in (("own", PAD), ("end", EOS)):
        opened = subject.open(pairs(trial.seed), context.scratch, pad=pad)
        move(opened.trainer, NOISE_SEED, NOISE)
        losses[name] = opened.see(BATCHES[0]).loss
    return {**losses, "reward_model": isinstance(subject, RewardSubject)}


SPLITS = ((4, 1), (2, 2), (1, 4))
"""Pairs a batch, and batches a step."""


def compare_splits(subject: Subject, trial: Trial, context: Context) -> Evidence:
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
        "size": max(float(abs(part).max()) for part in whole.values()),
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
        for s in _semantics(opened)
    }


def _semantics(opened: OpenPreferenceTrainer) -> list[Semantics]:
    return list(all_semantics(declared(opened.loss_types, opened.loss_weights, opened.smoothing)))


def _beyond(opened: OpenPreferenceTrainer) -> list[str]:
    """Documented settings of TRL's that are on and that no loss here has."""
    names = [f"loss_type = {name}" for name in opened.loss_types if name not in MODELLED]
    return names + settings_beyond(opened.trainer, UNUSUAL)


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


def overfit(subject: Subject, trial: Trial, context: Context) -> Evidence:
    """Train on one pair; how much more does the model prefer the chosen answer than before?"""
    if isinstance(subject, RewardSubject):
        return reward_trials.overfit(subject, trial, context)
    options = {"max_steps": 20, "learning_rate": 0.01, "optim": "adamw_torch"}
    opened = subject.open(pairs(trial.seed)[:1] * 4, context.scratch, options=options)
    train(opened.trainer)
    policy, tokens = opened.policy(), opened.pairs[0]
    start = len(tokens.prompt) - 1
    before, after = (
        [float(table[start:-1].sum()) for table in tables(model, full(tokens))]
        for model in (opened.reference, policy)
    )
    margin = "log pi(chosen) - log pi(rejected)"
    return {"before": before, "after": after, "margin": margin}
