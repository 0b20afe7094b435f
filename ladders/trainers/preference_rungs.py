"""The last rung for trainers on pairs: on preferences from a known model they reach its optimum.

One prompt, three answers of one word, preferred in proportion to 1 : 2 : 4, every pair in proportion to
its probability. DPO must reach pi* proportional to pi_ref exp(r / beta), a reward model the rewards r up
to a constant (Rafailov et al. 2023, section 5).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ladders.llm.preferences import balanced_preferences
from ladders.llm.rungs import TreeProblem, standing
from ladders.llm.token_tree import TokenTree
from ladders.trainers import preference_trials as trials
from ladders.trainers.preference_semantics import CORRECT
from ladders.trainers.shared import varies
from rlcheck.adapters.trl.acting import train
from rlcheck.adapters.trl.preference import OpenPreferenceTrainer, Pair
from rlcheck.adapters.trl.reward import RewardSubject, answers
from rlcheck.adapters.trl.tiny import EOS_ID
from rlcheck.adapters.trl.token_model import TokenModel
from rlcheck.records import Budget, Check, Context, Evidence, Outcome, Status, Trial, one_trial

PROMPT, ANSWERS = ("w1", "w2"), ("w5", "w9", "w14")
STRENGTHS = np.array([1.0, 2.0, 4.0])
REPEATS = 15
"""With these strengths every pair is won a whole number of times out of fifteen."""
BETA, STEPS = 1.0, 60
NEAR, ERROR = 0.02, 0.25
"""Nats from the optimum (the reference is about 0.15 away); largest error of a difference of rewards."""


def preferences() -> list[Pair]:
    """Forty-five labelled pairs."""
    tree = TokenTree(np.log(STRENGTHS)[None], np.full((1, 1, 3), 1 / 3), 1)
    labelled = balanced_preferences(tree, repeats=REPEATS)
    sides = zip(labelled.chosen[:, 0], labelled.rejected[:, 0], strict=True)
    return [Pair(PROMPT, (ANSWERS[chosen],), (ANSWERS[rejected],)) for chosen, rejected in sides]


def train_on_known_preferences(subject: trials.Subject, trial: Trial, context: Context) -> Evidence:
    """Train on all of them at once; how far from the optimum is what comes out, and was the start?"""
    pairs = preferences()
    options = {
        "max_steps": STEPS,
        "per_device_train_batch_size": len(pairs),
        "learning_rate": 0.003,
        "optim": "adamw_torch",
    }
    if isinstance(subject, RewardSubject):
        return _rewards(subject, context, pairs, options)
    variants = [
        key.partition(" | ")[2]
        for key in trials.compare(subject, trial, context)["matching"]
        if key.startswith(CORRECT)
    ]
    # The mean over a word and the end of the sequence halves every margin.
    share = {"sigmoid": 1.0, "sigmoid over lengths": 0.5}.get(variants[0] if variants else "")
    if share is None:
        return {"known": False}
    opened = subject.open(pairs, context.scratch, options={**options, "beta": BETA})
    learner = _Learner(opened)
    reference = learner.among(opened.reference)
    tree = TokenTree(np.log(STRENGTHS)[None], reference[:, None], 1)
    problem = TreeProblem(tree, opened.beta * share)
    before = standing(problem, learner).distance
    learner.learn(STEPS)
    return {"known": True, "before": before, "after": standing(problem, learner).distance}


class _Learner:
    """A trainer on pairs as a `ResponseLearner` of the three answers."""

    def __init__(self, opened: OpenPreferenceTrainer):
        self.opened = opened
        self.samples = 0

    def learn(self, updates: int) -> None:
        """Train as configured, once."""
        train(self.opened.trainer)
        self.samples += updates * len(self.opened.pairs)

    def probabilities(self) -> np.ndarray:
        """[1, 3] of the answers as the policy stands."""
        return self.among(self.opened.policy())

    def among(self, model: TokenModel) -> np.ndarray:
        """[1, 3] of the answers, given that one of them is said."""
        words = self.opened.trainer.processing_class.convert_tokens_to_ids(list(ANSWERS))
        prompt = self.opened.pairs[0].prompt
        scores = np.array(
            [model.log_probs([*prompt, w, EOS_ID])[len(prompt) - 1 :].sum() for w in words]
        )
        weights = np.exp(scores - scores.max())
        return (weights / weights.sum())[None]


def _rewards(
    subject: RewardSubject, context: Context, pairs: list[Pair], options: dict[str, Any]
) -> Evidence:
    opened = subject.open(pairs, context.scratch, options=options)
    first = {pair.chosen[0]: answers(pair)[0] for pair in opened.pairs}
    names = opened.trainer.processing_class.convert_tokens_to_ids(list(ANSWERS))

    def off() -> float:
        model = opened.scorer()
        found = np.array([model.scores(first[n], len(first[n]))[-1] for n in names])
        return float(np.abs(np.diff(found) - np.diff(np.log(STRENGTHS))).max())

    before = off()
    train(opened.trainer)
    return {"known": True, "rewards": True, "before": before, "after": off()}


def judge_optimum(evidence: Evidence, context: Context) -> Outcome:
    """Near the optimum, or at least nearer than before."""
    if not evidence["known"]:
        message = "its loss is none whose optimum on these preferences has a closed form"
        return Outcome(Status.SKIPPED, message)
    before, after = evidence["before"], evidence["after"]
    if evidence.get("rewards"):
        bound, what = ERROR, "differences of rewards are off by up to"
    else:
        bound, what = NEAR, "KL to pi* proportional to pi_ref exp(r / beta) is"
    words = f"after {STEPS} steps on 45 pairs of a known Bradley-Terry model {what} {after:.3g}"
    if after <= bound:
        return Outcome(Status.PASSED, f"{words}, from {before:.3g} before")
    message = f"{words}, {before:.3g} before; expected at most {bound:g}"
    if after > 2.0 * before:
        return Outcome(Status.FAILED, message, evidence)
    return Outcome(Status.INCONCLUSIVE, f"{message}; more steps would tell", evidence)


OPTIMUM = Check(
    name="preference-trainer/reaches-the-known-optimum",
    title="Trained on preferences of a known Bradley-Terry model, the model comes to its optimum.",
    explanation=(
        "Three answers are preferred in proportion to 1 : 2 : 4. With the sigmoid loss a policy must end "
        "at pi* proportional to pi_ref exp(r / beta), a reward model at differences of rewards of log 2 "
        "and log 4. Loss and gradient can be right and training lead elsewhere: an optimiser that holds "
        "other parameters, a schedule, data that is dropped or repeated."
    ),
    trial=train_on_known_preferences,
    judge=one_trial(judge_optimum),
    applies=varies("max_steps", "learning_rate", "per_device_train_batch_size"),
    requires=("preference-trainer/loss-is-the-definition", "preference-trainer/overfits-one-pair"),
    budget=Budget.STANDARD,
    references=("https://arxiv.org/abs/2305.18290",),
)
