"""The upper rungs for trainers that sample: a bandit of words, of which everything is known.

One prompt, answers of one token, a reward of 1 for every third of them. The first rung asks whether one
update raises E[r] - beta KL(pi, pi_ref); the last where training comes to rest
(`ladders.llm.binary_bandit`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ladders.llm.binary_bandit import factors, logit, resting_point
from ladders.llm.rungs import TreeProblem, one_update
from ladders.llm.token_tree import TokenTree
from ladders.trainers import group_semantics
from ladders.trainers import rollout_trials as trials
from ladders.trainers.rollout_semantics import CORRECT
from ladders.trainers.shared import varies
from rlcheck.adapters.trl.acting import setting, train, watch_policy
from rlcheck.adapters.trl.reinforcement import OpenRolloutTrainer, RolloutSubject, Row
from rlcheck.adapters.trl.token_model import TokenModel
from rlcheck.records import Budget, Check, Context, Evidence, Outcome, Status, Trial, one_trial

PREFIX = "rl-trainer"
PROMPT, GROUP, GROUPS = ("w1", "w2"), 8, 8
SEEDS = (0, 1, 2)
BETA, STEPS = 1.0, 60
NEAR, FAR = 0.4, 1.0
"""Of the log-odds of a reward: sampling noise leaves about 0.1; 1 is what a price of beta 1 buys."""
OPTIONS: dict[str, Any] = {
    "per_device_train_batch_size": GROUP * GROUPS,
    "num_generations": GROUP,
    "max_completion_length": 1,
    "num_iterations": 1,
    "temperature": 1.0,
    "optim": "adamw_torch",
}


def paid(token: int) -> float:
    """1 for every third word, and neither for padding nor for the end."""
    return float(token % 3 == 2)


def _reward(row: Row) -> float:
    return paid(row.completion[0]) if row.completion else 0.0


def _open(subject: RolloutSubject, context: Context, options: dict[str, Any]) -> OpenRolloutTrainer:
    given = {**OPTIONS, **options}
    return subject.open([PROMPT] * GROUPS, _reward, context.scratch, given)


def _answers(opened: OpenRolloutTrainer, model: TokenModel) -> np.ndarray:
    """[V] probabilities of the one token, as the trainer samples it."""
    words = opened.trainer.processing_class.convert_tokens_to_ids(list(PROMPT))
    return model.next_token(words, setting(opened.trainer, "temperature", 1.0))


class _Learner:
    """A trainer as a `ResponseLearner` of answers of one token."""

    def __init__(self, opened: OpenRolloutTrainer):
        self.opened = opened
        self.samples = 0

    def learn(self, updates: int) -> None:
        """Train as configured, once."""
        train(self.opened.trainer)
        self.samples = len(self.opened.scored)

    def probabilities(self) -> np.ndarray:
        """[1, V] of the answers as the policy stands."""
        return _answers(self.opened, self.opened.policy())[None]


def update_once(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """One small step with each of several seeds; what becomes of the exact objective?"""
    opened = _open(subject, context, {})
    reference = _answers(opened, opened.reference)
    rewards = np.array([paid(token) for token in range(len(reference))])
    tree = TokenTree(rewards[None], reference[None, None], 1)
    problem = TreeProblem(tree, setting(opened.trainer, "beta", 0.0))

    def make(problem: TreeProblem, seed: int) -> _Learner:
        options = {"max_steps": 1, "learning_rate": 0.001, "seed": seed}
        return _Learner(_open(subject, context, options))

    rung = one_update(make, problem, SEEDS)
    return {"passed": rung.passed, "change": rung.figure, "message": rung.message}


def judge_update(evidence: Evidence, context: Context) -> Outcome:
    """The objective rises."""
    if evidence["passed"]:
        return Outcome(Status.PASSED, evidence["message"])
    message = f"{evidence['message']}; expected it to rise"
    if evidence["change"] > 0:
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    suspects = {f"{PREFIX}/policy-gradient-negated": 0.4}
    return Outcome(Status.FAILED, message, evidence, suspects)


def train_to_rest(subject: RolloutSubject, trial: Trial, context: Context) -> Evidence:
    """Train for long; the log-odds of a reward over the second half, and where theory puts them."""
    known = trials.compare(subject, trial, context)
    errors = known["gradient_errors"]
    right = [k for k in errors if k.startswith(CORRECT) and errors[k] < trials.GRADIENT_TOLERANCE]
    names = [name for name in known["fitting"] if name in group_semantics.VARIANTS]
    options = {"max_steps": STEPS, "learning_rate": 0.003, "beta": BETA, "seed": trial.seed}
    opened = _open(subject, context, options)
    beta = setting(opened.trainer, "beta", 0.0)
    if not right or not names or not beta:
        return {"known": False, "beta": beta}

    def chance(model: TokenModel) -> float:
        answers = _answers(opened, model)
        return float(answers[2::3].sum())  # `paid`, of every token

    odds = [logit(chance(m)) for m in watch_policy(opened.trainer, every=3)]
    start, kl = chance(opened.reference), right[0].rpartition(", ")[2]
    # A price in the reward is part of what advantages are made of; the baseline does not bend it.
    in_loss = not kl.startswith("no ")
    name = names[0] if in_loss else "leave-one-out"
    factor = factors(GROUP)[name]
    rest = resting_point(start, beta, factor, forward=kl.startswith("k3"))
    return {
        "known": kl.partition(" KL")[0] in ("k3", "weighted k3", "k2", "no"),
        "beta": beta,
        "in_loss": in_loss,
        "start": logit(start),
        "rest": logit(rest),
        "reached": float(np.mean(odds[len(odds) // 2 :])),
        "odds": odds,
    }


def judge_rest(evidence: Evidence, context: Context) -> Outcome:
    """Neither beyond the resting point nor the other way."""
    if not evidence["known"]:
        what = (
            "beta is 0" if not evidence["beta"] else "its estimate of the KL has no resting point"
        )
        return Outcome(Status.SKIPPED, f"{what}, so where training comes to rest is not known")
    start, rest, reached = evidence["start"], evidence["rest"], evidence["reached"]
    words = (
        f"the log-odds of a rewarded answer go from {start:+.2f} to {reached:+.2f} in {STEPS} steps; "
        f"with beta = {evidence['beta']:g} reward and KL balance at {rest:+.2f}"
    )
    if abs(reached - rest) <= NEAR:
        return Outcome(Status.PASSED, words)
    if reached > rest + FAR:
        # A reference that follows the policy holds nothing back either; that it moves shows elsewhere.
        suspects = {f"{PREFIX}/kl-missing": 0.5, f"{PREFIX}/reference-trained": 0.45}
        message = f"{words}: the KL to the reference holds nothing back"
        return Outcome(Status.FAILED, message, evidence, suspects)
    if reached < start - 0.5:
        suspects = {f"{PREFIX}/policy-gradient-negated": 0.4}
        return Outcome(Status.FAILED, f"{words}: it moves away", evidence, suspects)
    return Outcome(Status.INCONCLUSIVE, f"{words}; more steps would tell", evidence)


UPDATE = Check(
    name=f"{PREFIX}/one-update-raises-the-objective",
    title="One update from the reference raises the exact objective E[r] - beta KL.",
    explanation=(
        "A bandit of one-token answers, so the objective is a sum over the vocabulary. Averaged over "
        "seeds, one small step has to raise it."
    ),
    trial=update_once,
    judge=one_trial(judge_update),
    applies=varies("max_steps", "learning_rate", "max_completion_length", "num_generations"),
    requires=(f"{PREFIX}/loss-is-the-definition", f"{PREFIX}/advantages-are-the-definition"),
    budget=Budget.STANDARD,
    catches=(f"{PREFIX}/policy-gradient-negated",),
)
REST = Check(
    name=f"{PREFIX}/comes-to-rest-where-reward-and-kl-balance",
    title="Trained on a bandit of words, the policy comes to rest where theory says.",
    explanation=(
        "For rewards of 0 and 1 the policy is known by one number, the probability p of a reward. The "
        "price beta of KL(pi, pi_ref) balances it at c(p) = beta (logit p - logit p0), where c is 1 for "
        "leave-one-out baselines and known exactly for groups that are divided by their deviation; a "
        "price by k3 in the loss is one of KL(pi_ref, pi). A price that is configured and never charged "
        "shows here and nowhere else where the loss has no KL of its own."
    ),
    trial=train_to_rest,
    judge=one_trial(judge_rest),
    applies=varies(
        "max_steps", "learning_rate", "max_completion_length", "num_generations", "beta"
    ),
    requires=(UPDATE.name,),
    budget=Budget.STANDARD,
    catches=(f"{PREFIX}/kl-missing", f"{PREFIX}/reference-trained"),
    references=("https://arxiv.org/abs/2510.13651", "https://arxiv.org/abs/2506.09477"),
)
