"""One more training where the exam cannot tell two discounts apart: none at all, and 0.99 typed in.

Over the delays of the exam both prefer what is paid late. Over 30 empty steps a discount of 1 takes the
late reward and one of 0.99 does not:

    1 now, or R after 30 empty steps, with R * 0.995^30 = 1:    R > 1,    0.99^30 R = 0.86 < 1
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ladders.env import chosen_actions, encode_states
from ladders.recording import action_counts, majority
from ladders.tasks import ASKED, BETWEEN, CONTROL, CONTROL_WAITS, DELAY, LATE
from ladders.training import LONG_WALK, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Context, Evidence, More, Outcome, Status, Trial

VARIANT = "long-walk"
IGNORED, TYPED_IN = "discount-ignored", "discount-hard-coded"
ALIKE = 0.3
"""One of the two is this much less probable at most, where they are to be told apart."""
SURE = {IGNORED: 0.95, TYPED_IN: 0.75}
"""Values on their way from zero are never too large, so waiting tells more than not waiting."""
SEEDS, LEAST_STEPS = 2, 16_384
UNTOLD: Evidence = dict.fromkeys((*ASKED, CONTROL), False)
"""Of a learner that the way is too long for."""


def take_long_walk(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train once; which questions does the agent wait in?"""
    trained = train(subject, context, env_id=LONG_WALK, seed=trial.seed, steps=trial.steps)
    mdp = trained.mdp
    if trained.agent.predict is None:
        records = trained.recording.records()
        answers = majority(action_counts(records, mdp.n_states, mdp.n_actions, 0.8, 1.0))
    else:
        with preserved_rng():
            shown = trained.agent.predict(encode_states(mdp.n_states, "one-hot"))
        answers = chosen_actions(shown, trained.continuous)
    waits = {**ASKED, CONTROL: CONTROL_WAITS}
    return {name: bool(answers[mdp.names.index(name)] == waits[name]) for name in waits}


def told_apart(
    outcome: Outcome | More,
    trials: Sequence[tuple[Trial, Evidence]],
    walks: Sequence[tuple[Trial, Evidence]],
    may_take: bool,
) -> Outcome | More:
    """The outcome, with the two discounts told apart; the trainings for that, where they are missing.

    Args:
        outcome: of the exam.
        trials, walks: those of the exam, and of the long walk.
        may_take: whether a training of twice the steps is affordable.
    """
    if isinstance(outcome, More) or outcome.status is not Status.FAILED or not _tied(outcome):
        return outcome
    if not walks:
        steps = max(LEAST_STEPS, 2 * max(trial.steps for trial, _ in trials))
        first = max(trial.seed for trial, _ in trials) + 1
        wanted = tuple(Trial(first + i, steps, VARIANT) for i in range(SEEDS))
        return More(wanted, "no discount, or 0.99 typed in?") if may_take else outcome
    seen = [evidence for _, evidence in walks]
    answers = np.array([[one[name] for name in ASKED] for one in seen])
    if not all(one[CONTROL] for one in seen) or answers.any() != answers.all():
        return outcome
    right, other = (IGNORED, TYPED_IN) if answers.all() else (TYPED_IN, IGNORED)
    both = outcome.suspects[right] + outcome.suspects[other]
    choice = f"{LATE:.3g} after {DELAY} empty steps"
    line = (
        f"{len(seen)} more runs take {choice if answers.all() else '1 at once'}, not "
        f"{'1 at once' if answers.all() else choice}: a discount {'above' if answers.all() else 'below'} "
        f"{BETWEEN}"
    )
    sure = SURE[right]
    suspects = {**outcome.suspects, right: sure * both, other: (1 - sure) * both}
    ranked = dict(sorted(suspects.items(), key=lambda pair: -pair[1]))
    proof = outcome.evidence.get("proof", {})
    evidence = {**outcome.evidence, "proof": {**proof, right: [*proof.get(right, []), line]}}
    return replace(outcome, suspects=ranked, evidence=evidence)


def _tied(outcome: Outcome) -> bool:
    """Whether the two come first and are about as probable."""
    ranked = sorted(outcome.suspects.items(), key=lambda pair: -pair[1])[:2]
    names = {name for name, _ in ranked}
    return names == {IGNORED, TYPED_IN} and ranked[1][1] > ALIKE * ranked[0][1]
