"""What is measured beside a trainer of a reward model: its losses and gradients, and those of theory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ladders.trainers.reward_semantics import (
    VARIANTS,
    Scored,
    ScoredPair,
    Semantics,
    all_semantics,
    predict,
)
from ladders.trainers.trial_pairs import BATCHES, NOISE, NOISE_SEED, close, pairs
from rlcheck.adapters.trl.acting import Seen, move, train
from rlcheck.adapters.trl.reward import OpenRewardTrainer, RewardSubject, answers
from rlcheck.adapters.trl.score_model import ScoreModel
from rlcheck.adapters.trl.token_model import Gradient, distance
from rlcheck.records import Context, Evidence, Trial

MARGINS = (0.5, 2.0, 0.0, 1.0, 0.2, 3.0, 0.7, 1.5)
COEFFICIENT = 0.3


class _Comparison(NamedTuple):
    """One batch of one trainer, as seen and as every semantics predicts it."""

    label: str
    seen: Seen
    opened: OpenRewardTrainer
    model: ScoreModel
    rows: Sequence[int]
    scored: list[ScoredPair]

    def loss(self, semantics: Semantics) -> float:
        return predict(semantics, self.scored, self.opened.coefficient)[0]

    def fits(self, semantics: Semantics) -> bool:
        return close(self.seen.loss, self.loss(semantics))

    def off(self, semantics: Semantics) -> float:
        return distance(self.seen.gradient, self.gradient(semantics))

    def gradient(self, semantics: Semantics) -> Gradient:
        _, weights = predict(semantics, self.scored, self.opened.coefficient)
        sequences = [side for row in self.rows for side in answers(self.opened.pairs[row])]
        return self.model.gradient(sequences, weights)


def compare(subject: RewardSubject, trial: Trial, context: Context) -> Evidence:
    """Losses and gradients of several batches, seen and predicted by every semantics."""
    compared = _look(subject.open(pairs(trial.seed), context.scratch), "", BATCHES)
    context.progress(0.5, "comparing losses")
    if compared[0].opened.documented:
        given = subject.open(pairs(trial.seed), context.scratch, margins=MARGINS)
        compared += _look(given, "with margins", BATCHES[:1])
        if subject.source.varies("center_rewards_coefficient"):
            options = {"center_rewards_coefficient": COEFFICIENT}
            centred = subject.open(pairs(trial.seed), context.scratch, options=options)
            compared += _look(centred, "with centred scores", BATCHES[:1])
    every = list(all_semantics())
    matching = [s for s in every if all(one.fits(s) for one in compared)]
    by_setting = {
        label: [s.key for s in every if all(one.fits(s) for one in compared if one.label == label)]
        for label in dict.fromkeys(one.label for one in compared)
    }
    # Where no loss fits, the direction of the gradient may still tell what it is a loss of.
    candidates = matching or [s for s in every if s.variant == VARIANTS[0].variant]
    return {
        "settings": [one.label for one in compared],
        "seen": [one.seen.loss for one in compared],
        "predicted": {s.key: [one.loss(s) for one in compared] for s in every},
        "matching": [s.key for s in matching],
        "by_setting": by_setting,
        "gradient_errors": {s.key: max(one.off(s) for one in compared) for s in candidates},
    }


def _look(
    opened: OpenRewardTrainer, label: str, batches: Sequence[Sequence[int]]
) -> list[_Comparison]:
    move(opened.trainer, NOISE_SEED, NOISE)
    model = opened.scorer()
    return [
        _Comparison(label, opened.see(rows), opened, model, rows, _score(opened, model, rows))
        for rows in batches
    ]


def _score(opened: OpenRewardTrainer, model: ScoreModel, rows: Sequence[int]) -> list[ScoredPair]:
    """Every pair of a batch with what the model says about its two answers."""
    sides = [answers(opened.pairs[row]) for row in rows]
    width = max(len(tokens) for both in sides for tokens in both)

    def scored(tokens: list[int]) -> Scored:
        return Scored(model.scores(tokens, width), len(tokens))

    return [
        ScoredPair(scored(chosen), scored(rejected), opened.margins[row])
        for row, (chosen, rejected) in zip(rows, sides, strict=True)
    ]


def overfit(subject: RewardSubject, trial: Trial, context: Context) -> dict[str, Any]:
    """Train on one pair; what are the scores of its two answers before and after?"""
    options = {"max_steps": 20, "learning_rate": 0.01, "optim": "adamw_torch"}
    opened = subject.open(pairs(trial.seed)[:1] * 4, context.scratch, options=options)
    first = opened.scorer()
    train(opened.trainer)
    sides = answers(opened.pairs[0])
    before, after = (
        [float(model.scores(tokens, len(tokens))[-1]) for tokens in sides]
        for model in (first, opened.scorer())
    )
    return {"before": before, "after": after, "margin": "score(chosen) - score(rejected)"}
