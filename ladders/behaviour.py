"""What the environment saw the agent do, and what it says of all states at once.

Exploration, greedy answers, and a policy that is the same everywhere. The first two change no fixed
point, so no answer sheet shows them; the recorded actions do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ladders.exam import Exam
from rlcheck.adapters.protocol import AgentHandle
from rlcheck.records import Context, Evidence, Outcome, Status

FEWEST_VISITS, SELDOM, CLEAR_SHARE = 4_000, 0.001, 0.8


def lone_choices(exam: Exam, records: Sequence[Mapping[str, np.ndarray]]) -> list[int]:
    """[choices that differ from the ones before and after them in the same state, visits, distinct].

    A draw that the agent makes anew at every visit leaves such lone choices at a rate near that of
    the rarer action: epsilon / 2 of the visits for epsilon-greedy, up to a quarter while a policy is
    still even. A greedy agent changes its mind when its values change, and then keeps to it. Runs that
    flip at each visit count as lone choices too, as optimistic values and UCB make them.
    """
    lone, visits, distinct = 0, 0, set[int]()
    for record in records:
        for state in exam.decisions:
            chosen = record["actions"][record["states"] == state]
            distinct.update(chosen.tolist())
            changed = chosen[1:] != chosen[:-1]
            lone += int((changed[1:] & changed[:-1]).sum())
            visits += max(len(chosen) - 2, 0)
    return [lone, visits, len(distinct)]


def no_exploration(sheets: Sequence[Evidence], context: Context) -> Outcome | None:
    """Failed if all runs hardly ever made a choice that looks drawn.

    An agent with a constant epsilon of 0.01 makes 5 lone choices in 1,000 visits; two runs of 2,000
    visits each that show at most 2 have a chance of 1e-5.
    Continuous actions are left out: noise around a saturated action never crosses the threshold that
    tells the two arms apart.
    """
    found = [evidence["lone"] for evidence in sheets]
    total = sum(visits for _, visits, _ in found)
    rare = all(lone <= SELDOM * visits for lone, visits, _ in found)
    if context.facts.get("actions") == "continuous" or total < FEWEST_VISITS or not rare:
        return None
    lone = sum(one for one, _, _ in found)
    message = (
        f"of {total:,} choices made while it learned, {lone} {'differs' if lone == 1 else 'differ'} "
        "from both neighbours in the same state; an agent that draws a random action in 1 % of its "
        f"steps makes about {round(0.005 * total)}: this one acts greedily and does not explore"
    )
    suspects = {"no-exploration": 0.9}
    if all(distinct < 2 for _, _, distinct in found):
        message += " (it only ever takes one action, in any state)"
        suspects = {"no-exploration": 0.5, "action-not-executed": 0.3, "does-not-learn": 0.15}
    return Outcome(Status.FAILED, message, {"lone_choices": found}, suspects)


def disagreement(exam: Exam, evidence: Evidence) -> tuple[int, int]:
    """(questions where training clearly preferred another action than `predict`, of how many)."""
    late = np.array(evidence["late"])[exam.decisions]
    total = late.sum(axis=1)
    clear = (total >= 10) & (late.max(axis=1) >= CLEAR_SHARE * total)
    answers = np.array(evidence["answers"])
    return int((clear & (late.argmax(axis=1) != answers)).sum()), int(clear.sum())


def train_eval_mismatch(exam: Exam, sheets: Sequence[Evidence]) -> Outcome | None:
    """Failed if in all runs the greedy answers contradict a good part of what training did."""
    found = [disagreement(exam, evidence) for evidence in sheets]
    if any(of < 8 or differ < 0.25 * of for differ, of in found):
        return None
    differ, of = found[0]
    message = (
        f"`predict` names another action than training took at {differ} of {of} questions where "
        "training had made up its mind; expected them to agree"
    )
    suspects = {"train-eval-mismatch": 0.9}
    if all(differ > 0.9 * of for differ, of in found) and not trained_rightly(exam, sheets):
        suspects = {"train-eval-mismatch": 0.5, "action-permuted": 0.45}
    return Outcome(Status.FAILED, message, {"differ": found}, suspects)


def trained_rightly(exam: Exam, sheets: Sequence[Evidence]) -> bool:
    """Whether what training did at last was mostly right: then it numbers its actions rightly."""
    late = np.sum([sheet["late"] for sheet in sheets], axis=0)[exam.decisions]
    return bool(late[np.arange(len(late)), exam.right].sum() > CLEAR_SHARE * late.sum())


LATE, FEWEST_STEPS = 0.9, 100
OWN, SAME = 0.3, 0.6
"""A coin follows its own state in at most 30 of 100 steps with a chance of 4e-5, in each of four runs."""


def observation_answered(
    records: Sequence[Mapping[str, np.ndarray]], greedy: np.ndarray, start: np.ndarray
) -> list[list[int]]:
    """Whether late actions follow the greedy answer in their own state, or in the state before.

    Args:
        records: `states` and `actions` of each environment.
        greedy: [S] the trained agent's greedy actions.
        start: [S] bool, states in which episodes begin.

    Returns:
        For steps within an episode, and for first steps: [steps whose own state and the one before ask
        for different actions, of these the ones that follow their own, steps at which both ask for the
        same, of these the ones that follow it].
    """
    counts = np.zeros((2, 4), dtype=int)
    for record in records:
        states = record["states"][int(LATE * len(record["states"])) :]
        actions = record["actions"][len(record["actions"]) - len(states) + 1 :]
        own, before = greedy[states[1:]], greedy[states[:-1]]
        for row, group in enumerate((~start[states[1:]], start[states[1:]])):
            differ, same = group & (own != before), group & (own == before)
            follows = actions == own
            found = differ.sum(), (differ & follows).sum(), same.sum(), (same & follows).sum()
            counts[row] += np.array(found)
    return counts.tolist()


def acts_on_the_state_before(sheets: Sequence[Evidence]) -> Outcome | None:
    """Failed if in all runs late actions answer the observation of the step before.

    Where the two states ask for different actions, a policy that acts on its own observation follows
    it mostly, one that explores half of the time; nothing that is right follows the other one.
    """
    found = [evidence.get("answered") for evidence in sheets]
    for row, where in enumerate(("within episodes", "at the first step of an episode")):
        rows = [one[row] for one in found if one]
        if len(rows) == len(found) and rows and all(map(_late, rows)):
            differ, own, _, _ = rows[0]
            message = (
                f"{where}, {differ - own} of {differ} late actions are what the agent itself would do in "
                "the state before, where its own state asks for the other action; expected actions that "
                "answer the observation of their own step"
            )
            return Outcome(Status.FAILED, message, {}, {"observation-stale": 0.95})
    return None


def _late(counts: Sequence[int]) -> bool:
    differ, own, same, follows = counts
    enough = differ >= FEWEST_STEPS and same >= FEWEST_STEPS
    return enough and own <= OWN * differ and follows >= SAME * same


def blind(agent: AgentHandle, observations: np.ndarray) -> list[float] | None:
    """[A] the action values or probabilities that the agent acts by, if no observation changes them."""
    look = agent.q_values or agent.action_probabilities
    if look is None:
        return None
    rows = np.asarray(look(observations), dtype=float)
    alike = np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape))
    return rows[0].tolist() if alike and np.isfinite(rows).all() else None


def observation_ignored(sheets: Sequence[Evidence]) -> Outcome | None:
    """Failed if all runs of two levels end with outputs that no observation changes.

    What is the same in every run was never learned: a table before its first update.
    """
    found = [evidence.get("blind") for evidence in sheets]
    if None in found or all(one == found[0] for one in found):
        return None
    message = (
        "after training the agent's action values or probabilities are the same, bit for bit, in all "
        "states; expected them to depend on the observation"
    )
    return Outcome(Status.FAILED, message, {}, {"observation-ignored": 0.95})
