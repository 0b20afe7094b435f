"""Stored advantages, against the recursion that defines them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ladders import stored_advantages
from ladders.discounts import SAME, discount_suspects
from ladders.experience import collect, exam_mdp, of_one_environment, shows_no_experience
from ladders.outcomes import failed
from ladders.stored_advantages import Recursion, Rollout
from ladders.training import exam_gamma, knows_gamma
from rlcheck.records import Check, Context, Evidence, Outcome, Status, one_trial


def judge_advantages(evidence: Evidence, context: Context) -> Outcome:
    """The recursion inside episodes, and what stands where one ends."""
    rollout = _rollout(evidence, context)
    if rollout is None:
        return Outcome(
            Status.SKIPPED, "no rollout with advantages was stored whose steps are known"
        )
    recursion = stored_advantages.read(rollout)
    if recursion is None:
        message = "the stored advantages follow no recursion of the form of GAE"
        return Outcome(Status.SKIPPED, message)
    suspects, message, proof = _verdict(rollout, recursion)
    if not suspects:
        message = (
            f"{len(rollout.rewards)} advantages follow gamma = {recursion.gamma:.3g}, "
            f"gamma * lambda = {recursion.decay:.3g}, cut off at ends"
        )
        return Outcome(Status.PASSED, message)
    return failed(message, suspects, proof)


def _rollout(evidence: Evidence, context: Context) -> Rollout | None:
    parts = of_one_environment(evidence["parts"])
    known = parts and all(part["advantages"] and part["rewards"] for part in parts)
    if not known or not knows_gamma(context.facts, context.settings):
        return None

    def joined(read: Callable[[dict[str, Any]], Any]) -> np.ndarray:
        return np.concatenate([np.asarray(read(part)) for part in parts])

    mdp = exam_mdp(context)
    states = joined(lambda part: part["happened"]["states"])
    actions = joined(lambda part: part["happened"]["actions"])
    values = joined(lambda part: part["values"])
    lengths = [len(part["values"]) for part in parts]
    last = np.zeros(len(values), dtype=bool)
    last[np.cumsum(lengths) - 1] = True
    return Rollout(
        rewards=joined(lambda part: part["rewards"]),
        values=values,
        advantages=joined(lambda part: part["advantages"]),
        first=mdp.start[states] > 0,
        terminated=mdp.terminated[states, actions],
        truncated=mdp.truncated[states, actions],
        gamma=exam_gamma(context.facts, context.settings),
        next_values=values[1:],
        joined=~last[:-1],
    )


ENDS, STARTS, BEFORE_LAST = 0, 1, 2
"""Kinds of steps, as `Recursion.kinds` numbers them."""
WRONG_MASKS = {
    "done-late": (STARTS, "are cut off at the first step of an episode, and not at its last"),
    "done-early": (BEFORE_LAST, "are cut off at the step before the last, and not at the last"),
    "terminal-bootstrap": (
        ENDS,
        "run on where an episode terminates; expected A + V - r = 0 there",
    ),
}
REPLACED = {
    "reward-late": "the reward of the step before in place of r",
    "reward-early": "the reward of the step after in place of r",
    "reward-mean-subtracted": "r less its mean over the rollout in place of r",
    "next-observation-stale": "V of the same step in place of V'",
    "advantage-sign-flipped": "-A in place of A",
}


def _verdict(rollout: Rollout, recursion: Recursion) -> tuple[dict[str, float], str, list[str]]:
    """Suspects, what is wrong, and the arithmetic; nothing where the recursion is the right one."""
    if recursion.fault:
        told = f"the advantages are exact with {REPLACED[recursion.fault]}"
        return {recursion.fault: 0.95}, told, _example(recursion, ENDS)
    if recursion.at_ends != (False, False):
        fault = _wrong_mask(recursion)
        kind, told = WRONG_MASKS[fault]
        return {fault: 0.95}, f"the advantages {told}", _example(recursion, kind)
    if abs(recursion.gamma - rollout.gamma) > SAME:
        told = (
            f"the discount in the advantages is {recursion.gamma:.3f}; expected {rollout.gamma:.3f}"
        )
        suspects = discount_suspects(recursion.gamma, rollout.gamma)
        return (
            suspects,
            told,
            [f"inside episodes A + V - r = {recursion.gamma:.3f} V' + {recursion.decay:.3f} A'"],
        )
    return {}, "", []


def _wrong_mask(recursion: Recursion) -> str:
    """Which mask lets ends leak: one that sits on other steps, or none."""
    if recursion.at_starts == (False, False):
        return "done-late"
    return "done-early" if recursion.before_last == (False, False) else "terminal-bootstrap"


def _example(recursion: Recursion, kind: int) -> list[str]:
    """The arithmetic of the step of a kind at which the most would flow in."""
    form = recursion.rollout
    flow = form.right @ np.array([recursion.gamma, recursion.decay])
    row = int(np.argmax(np.where(recursion.kinds[kind], np.abs(flow), -1.0)))
    a, v, r = form.advantages[row], form.values[row], form.rewards[row]
    following, trace = form.right[row]
    return [
        f"stored step {row}: A + V - r = {a:.3f} + {v:.3f} - {r:.3f} = {a + v - r:.3f}",
        f"from the step after it: {recursion.gamma:.3g} V' + {recursion.decay:.3g} A' = "
        f"{recursion.gamma:.3g} * {following:.3f} + {recursion.decay:.3g} * {trace:.3f} "
        f"= {flow[row]:.3f}",
    ]


ADVANTAGES = Check(
    name="agent/advantages-follow-gae",
    title="Stored advantages obey the recursion of GAE, with the stated discount, cut off at ends.",
    explanation=(
        "A + V - r = gamma V' + gamma lambda A' inside episodes and 0 at a terminal step. The "
        "coefficients are fitted to the stored numbers, which shows the discount and the masks that "
        "the code used, even where the fixed point hides them: advantages that run on over ends "
        "have mean zero there once the critic is right, and are nothing but noise."
    ),
    trial=collect,
    judge=one_trial(judge_advantages),
    applies=shows_no_experience,
    requires=("agent/one-update",),
    catches=(
        "terminal-bootstrap",
        "done-late",
        "done-early",
        "discount-ignored",
        "discount-applied-twice",
        "discount-hard-coded",
        "discount-too-small",
        "reward-late",
        "reward-early",
        "reward-mean-subtracted",
        "next-observation-stale",
        "advantage-sign-flipped",
    ),
    references=("https://arxiv.org/abs/1506.02438",),
)
