"""What one update does to a policy: the sign of the advantage, and where the clipped loss stands still.

Two states are updated at once, the action of one with advantage 1, that of the other with -1; normalising
leaves them as they are. The surrogate of PPO (Schulman et al. 2017) has no gradient where

    A > 0 and ratio > 1 + eps,    or    A < 0 and ratio < 1 - eps,

and the full one elsewhere. So there are two more updates by stored log-probabilities: one that puts both
rows where nothing may move, and one that puts both on the other side, where both must. A2C has no ratio.

In a last update every return is what the critic predicts already, so nothing is left for it to learn.
An advantage return - V(s) through which gradient flows moves it nevertheless, by log pi(a|s) dV(s).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ladders.env import encode_states
from ladders.no_learning import CRITIC, is_part
from ladders.option_names import ALIASES
from ladders.outcomes import failed
from ladders.training import EXAM, tensors_of, train
from rlcheck.adapters.protocol import AgentHandle, AgentSubject, PolicyRow
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

FAR = 2.5
"""A ratio beyond usual clip ranges, as its inverse is; dual clipping (Ye et al. 2020) begins at 3."""
STILL, MOVES, NOTHING = 0.25, 0.5, 1e-9
"""A row stands still if it moves less than the first share of what it moves at ratio 1."""
RATIOS = {
    "ratio 1": (1.0, 1.0),
    "beyond the clip": (FAR, 1 / FAR),
    "before the clip": (1 / FAR, FAR),
}
"""Update -> ratios of the row with advantage 1 and of that with -1."""
ALIKE = "as one state"
"""A further update, in which the second row has the other action: both make action 0 likelier."""


class Update(NamedTuple):
    """What one update of a fresh agent changed.

    Args:
        log_probs: change of log pi(0|s) in both states.
        tensors: name -> largest change of the tensor; empty where none are shown.
        native: the user's object.
    """

    log_probs: list[float]
    tensors: dict[str, float]
    native: Any


def update_policies(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Change of log pi of both actions under each update, all of one and the same fresh agent."""
    look = functools.partial(_update, subject, trial, context)
    updates = {name: look(ratios=ratios) for name, ratios in RATIOS.items()} | {
        ALIKE: look(second=1)
    }
    plain = updates["ratio 1"]
    clips = any(hasattr(plain.native, name) for name in ALIASES["clip_range"])
    # Only where the critic's loss can be left out does nothing else move the critic.
    idle = look(advantage=0.0).tensors if hasattr(plain.native, "vf_coef") else {}
    own = [change for name, change in idle.items() if is_part(name, CRITIC)]
    return {
        "changes": {name: update.log_probs for name, update in updates.items()},
        "clips": clips,
        "moved": {"usual": max(plain.tensors.values()), "critic": max(own)} if own else None,
    }


def _update(
    subject: AgentSubject,
    trial: Trial,
    context: Context,
    *,
    advantage: float = 1.0,
    ratios: tuple[float, float] = (1.0, 1.0),
    second: int = 0,
) -> Update:
    """One update on action 0 of one state and `second` of another, with opposite advantages."""
    trained = train(subject, context, env_id=EXAM, seed=trial.seed, steps=0)
    agent, observations = trained.agent, encode_states(trained.mdp.n_states, "one-hot")[:2]
    assert agent.update_policy is not None
    before, tensors = _probabilities(agent, observations), tensors_of(agent)
    agent.update_policy(
        [
            PolicyRow(observations[0], 0, advantage, ratios[0]),
            PolicyRow(observations[1], second, -advantage, ratios[1]),
        ]
    )
    changed = np.log(_probabilities(agent, observations) / before).tolist()
    after = tensors_of(agent)
    moved = {k: float(np.abs(after[k] - tensors[k]).max(initial=0.0)) for k in tensors}
    return Update(changed, moved, agent.native)


def _probabilities(agent: AgentHandle, observations: np.ndarray) -> np.ndarray:
    """[2] pi(0|s)."""
    assert agent.action_probabilities is not None
    with preserved_rng():
        return np.asarray(agent.action_probabilities(observations), dtype=float)[:, 0]


def judge_update(evidence: Evidence, context: Context) -> Outcome:
    """Directions first; then, where the agent clips, which updates stand still; then the critic."""
    outcome = _judge_policy(evidence)
    moved = evidence["moved"]
    if outcome.status is Status.FAILED or not moved or moved["critic"] < STILL * moved["usual"]:
        return outcome
    lines = [
        "every return is what the critic predicts, advantages are 0, the critic's loss weighs 0",
        f"a tensor of the critic changed by {moved['critic']:.2g}, expected 0 (advantages 1 and -1 "
        f"change one by {moved['usual']:.2g})",
    ]
    message = "the loss of the policy moves the critic: a gradient flows through the advantages"
    return failed(message, {"advantage-not-detached": 0.8, "option-ignored": 0.1}, lines)


def _judge_policy(evidence: Evidence) -> Outcome:
    plain = np.array(evidence["changes"]["ratio 1"])
    told = [f"advantage 1 changed log pi by {plain[0]:+.2g}, advantage -1 by {plain[1]:+.2g}"]
    alike = np.array(evidence["changes"][ALIKE])
    if np.abs(plain).max() < STILL * np.abs(alike).max() and np.ptp(alike) < STILL * alike.max():
        message = "an update cannot tell two observations apart: opposite advantages cancel"
        return failed(message, {"observation-ignored": 0.8}, told)
    if np.abs(plain).max() < NOTHING:
        return failed("an update moves no probability", {"no-policy-gradient": 0.8}, told)
    if plain[0] > 0 > plain[1]:
        return _judge_clipping(evidence) if evidence["clips"] else Outcome(Status.PASSED, told[0])
    if plain[0] < 0 < plain[1]:
        suspects = {"advantage-sign-flipped": 0.8, "ratio-inverted": 0.15}
        if not evidence["clips"]:
            suspects = {"advantage-sign-flipped": 0.9}
        message = "the update makes good actions rarer and bad ones more frequent"
        return failed(message, suspects, [*told, "expected the other signs"])
    return Outcome(Status.SKIPPED, f"{told[0]}, which does not tell the direction of the update")


def _judge_clipping(evidence: Evidence) -> Outcome:
    changes = {name: np.array(change) for name, change in evidence["changes"].items()}
    plain, beyond, before = (changes[name] for name in RATIOS)
    lines = [
        f"ratios {RATIOS[name][0]:g} for A = 1 and {RATIOS[name][1]:g} for A = -1: log pi changed by "
        f"{change[0]:+.2g} and {change[1]:+.2g}"
        for name, change in zip(RATIOS, (plain, beyond, before), strict=True)
    ]
    if np.array_equal(plain, beyond) and np.array_equal(plain, before):
        message = "the stored log-probabilities change nothing; expected them in the ratio"
        return failed(message, {"old-log-prob-recomputed": 0.9}, lines)
    shares = {"beyond": beyond / plain, "before": before / plain}
    still = {name: bool(np.abs(share).max() < STILL) for name, share in shares.items()}
    moves = {name: bool(share.max() > MOVES) for name, share in shares.items()}
    if _penalised(changes):
        message = "a far ratio is pulled back against its advantage, as a penalty does"
        return Outcome(Status.SKIPPED, message)
    if still["beyond"] and moves["before"]:
        return Outcome(
            Status.PASSED, "moves with the advantage, stands still beyond the clip range"
        )
    if moves["beyond"] and moves["before"]:
        message = "the policy moves on beyond the clip range; expected no gradient there"
        return failed(message, {"clip-missing": 0.9}, lines)
    if moves["beyond"] and still["before"]:
        message = "the larger of the two terms of the clipped loss is taken; expected the smaller"
        return failed(message, {"clip-missing": 0.9}, lines)
    return Outcome(Status.SKIPPED, "no known form of the loss: " + "; ".join(lines))


def _penalised(changes: Mapping[str, np.ndarray]) -> bool:
    """Whether a penalty on the divergence (Schulman et al. 2017, section 4) stands in for the clip."""
    plain = changes["ratio 1"]
    far = np.stack([changes[name] / plain for name in RATIOS])
    return bool(plain[0] > 0 > plain[1] and far.min() < -STILL)


def penalises_divergence(subject: AgentSubject, trial: Trial, context: Context) -> bool:
    """Whether the loss pulls a far ratio back against its advantage; False where it cannot be asked."""
    if _cannot_update(context.facts, context.settings) is not None:
        return False
    look = functools.partial(_update, subject, trial, context)
    return _penalised({name: np.array(look(ratios=r).log_probs) for name, r in RATIOS.items()})


def _cannot_update(facts: Evidence, settings: Settings) -> str | None:
    known = facts.get("capabilities", ())
    if "update_policy" in known and "action_probabilities" in known:
        return None
    return "the subject has no policy that can be updated on given rows"


POLICY_UPDATE = Check(
    name="agent/policy-update-follows-advantage",
    title="An update makes an action likelier if its advantage is positive, unless the clip holds it.",
    explanation=(
        "Equal agents are updated on two rows, one with advantage 1 and one with -1, and with stored "
        "log-probabilities that put one of them beyond the clip range. The directions show the sign "
        "of the loss; which rows stand still shows the clipped surrogate, its minimum, and whether the "
        "stored log-probabilities are used at all. A critic that predicts its returns already must stay "
        "as it is: if it moves, the advantages carry a gradient."
    ),
    trial=update_policies,
    judge=one_trial(judge_update),
    applies=_cannot_update,
    requires=("agent/one-update",),
    catches=(
        "advantage-sign-flipped",
        "ratio-inverted",
        "clip-missing",
        "old-log-prob-recomputed",
        "no-policy-gradient",
        "advantage-not-detached",
        "observation-ignored",
    ),
    references=("https://arxiv.org/abs/1707.06347",),
)
