"""What an actor-critic with continuous actions makes of critics that are known.

The target critics say one number each everywhere, so the target of a row is

    y = r + gamma (1 - terminated) (min_i Q_i - alpha log pi(a' | s'))

(TD3: Fujimoto et al. 2018; SAC: Haarnoja et al. 2018; DDPG has one critic and no entropy), and the level
that the online critics are pulled to shows by its own arithmetic what was used instead. Then every critic
says `slope * action`, and the actor must move up the slope, whichever way it points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ladders.discounts import SAME, discount_suspects
from ladders.env import encode_states
from ladders.outcomes import failed, listed
from ladders.training import EXAM, Trained, exam_gamma, knows_gamma, train
from rlcheck.adapters.protocol import AgentSubject, Row
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

REWARD, OTHER_REWARD, SAID = 0.5, 2.5, (3.0, 1.0, 2.0)
NEAR, ROUGHLY = 0.02, 0.2
"""How near a target must come, and one that contains the mean of drawn log-probabilities."""
ROWS = {"goes on": (False, False), "terminates": (True, False), "is cut": (False, True)}
ENTROPY_TOLD = 0.3
"""So far from 0 the mean log-probability must be for its sign to be told."""
UPDATES, MORE_UPDATES, MOVED = 30, 500, 1e-6
"""More of them where the actor stands still: it may be updated seldom."""


def probe(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """The targets of three rows, without and with entropy, and where the actor goes on two slopes."""
    trained = _fresh(subject, trial, context)
    asked = trained.agent.critic_probe
    assert asked is not None
    rows = _rows(trained)
    said = [SAID[i] if i < len(SAID) else SAID[-1] for i in range(asked.critics)]
    evidence: dict[str, Any] = {"said": said, "soft": asked.soft, "log_prob": None}
    if asked.soft and trained.agent.draw is not None:
        with preserved_rng():
            _, log_probs = trained.agent.draw(
                np.repeat(rows[0].next_observation[None], 1_000, axis=0)
            )
        evidence["log_prob"] = float(log_probs.mean())
    for name, temperature in (("targets", 0.0), ("soft_targets", 1.0)):
        if temperature == 0.0 or evidence["log_prob"] is not None:
            evidence[name] = [asked.target(row, said, temperature, None) for row in rows]
    evidence["beside"] = asked.target(rows[1], said, 0.0, _other(rows[0]))
    if evidence["log_prob"] is not None and asked.warmed is not None:
        evidence["warmed"] = asked.warmed(rows[1])
    evidence["climbed"] = [_climbed(subject, trial, context, slope) for slope in (1.0, -1.0)]
    return evidence


def _fresh(subject: AgentSubject, trial: Trial, context: Context) -> Trained:
    return train(subject, context, env_id=EXAM, seed=trial.seed, steps=0)


def _rows(trained: Trained) -> list[Row]:
    observations = encode_states(trained.mdp.n_states, "one-hot")
    action = np.array([0.3], dtype=np.float32)
    return [
        Row(observations[0], action, REWARD, observations[1], terminated, truncated)  # type: ignore[arg-type]
        for terminated, truncated in ROWS.values()
    ]


def _other(row: Row) -> Row:
    """A row of another observation with another reward, which goes on."""
    return replace(row, observation=row.next_observation, reward=OTHER_REWARD)


def _climbed(subject: AgentSubject, trial: Trial, context: Context, slope: float) -> float:
    """How far the greedy action moved, on average, while every critic says slope * action."""
    trained = _fresh(subject, trial, context)
    agent, rows = trained.agent, _rows(trained)
    assert agent.critic_probe is not None
    assert agent.predict is not None
    observation = rows[0].observation[None]
    with preserved_rng():
        before = np.asarray(agent.predict(observation), dtype=float)
    moved = 0.0
    for updates in (UPDATES, MORE_UPDATES):
        agent.critic_probe.climb(rows, slope, updates)
        with preserved_rng():
            after = np.asarray(agent.predict(observation), dtype=float)
        moved = float((after - before).mean())
        if abs(moved) > MOVED:
            break
    return moved


def judge_probe(evidence: Evidence, context: Context) -> Outcome:
    """The actor climbs, and the definition's arithmetic fits all targets, or one mistake's does."""
    actor = _judge_actor(evidence["climbed"])
    if actor is not None:
        return actor
    seen = evidence["targets"]
    if any(target is None for target in seen):
        return Outcome(
            Status.SKIPPED, "the critics are pulled to no single value, so none can be read"
        )
    gamma, said = exam_gamma(context.facts, context.settings), evidence["said"]
    told = f"targets {listed(seen)} of rows that go on, terminate, are cut by a time limit"
    models = list(_models(said, gamma))
    if not _fits(seen, models[0][1]):
        known = knows_gamma(context.facts, context.settings) and _heeds_temperature(evidence, gamma)
        return _wrong_target(seen, models, said, gamma, known)
    wrong = _judge_mixed(evidence) or _judge_entropy(evidence, gamma)
    return wrong or Outcome(Status.PASSED, f"{told}, as defined", evidence)


def _judge_actor(climbed: list[float]) -> Outcome | None:
    up, down = climbed
    told = (
        f"while every critic says Q = a the greedy action moves by {up:+.3f}, while they say Q = -a by "
        f"{down:+.3f}; expected up, then down"
    )
    if max(abs(up), abs(down)) < MOVED:
        suspects = {"no-policy-gradient": 0.8, "does-not-learn": 0.15}
        return failed(f"{told}: the critic's slope does not reach the actor", suspects, [told])
    if up < -MOVED and down > MOVED:
        return failed(f"{told}: the actor descends", {"advantage-sign-flipped": 0.95}, [told])
    return None


def _models(said: list[float], gamma: float) -> Iterator[tuple[str, list[float]]]:
    """What the three rows are pulled to under the definition, and under each mistake."""
    least = gamma * min(said)
    yield "", [REWARD + least, REWARD, REWARD + least]
    yield "terminal-bootstrap", [REWARD + least] * 3
    yield "terminal-bootstrap", [REWARD, REWARD + least, REWARD]
    yield "truncation-as-terminal", [REWARD + least, REWARD, REWARD]
    most = gamma * max(said)
    yield "overestimation", [REWARD + most, REWARD, REWARD + most]
    # A target that follows the online critics stands still where b = r + gamma b.
    own = REWARD / (1 - gamma)
    yield "target-is-online", [own, REWARD, own]
    yield "reward-sign-flipped", [least - REWARD, -REWARD, least - REWARD]


def _wrong_target(
    seen: list[float],
    models: list[tuple[str, list[float]]],
    said: list[float],
    gamma: float,
    known: bool,
) -> Outcome:
    right = models[0][1]
    found = {fault: 0.95 for fault, told in models[1:] if _fits(seen, told)}
    used = (seen[0] - REWARD) / min(said)
    alike = _fits(seen, [seen[0], REWARD, seen[0]])
    if not found and known and alike and 0 <= used <= 1 + SAME:
        found = discount_suspects(used, gamma) if abs(used - gamma) > 4 * SAME else {}
    if not found:
        message = f"rows are pulled to {listed(seen)}, which nothing known explains"
        return Outcome(Status.SKIPPED, message)
    row = int(np.argmax(np.abs(np.subtract(seen, right))))
    lines = [
        f"reward {REWARD}, the step {list(ROWS)[row]}; the target critics say {listed(said)}; "
        f"gamma {gamma:g}",
        f"expected the target {right[row]:.2f}; the critics are pulled to {seen[row]:.2f}",
    ]
    return failed("\n".join(lines), found, lines)


def _judge_mixed(evidence: Evidence) -> Outcome | None:
    """The target of a row does not depend on what else is in the batch."""
    mixed = evidence.get("beside")
    if mixed is None or abs(mixed - REWARD) < ROUGHLY:
        return None
    line = (
        f"a row that terminates with reward {REWARD} is pulled to {mixed:.2f} once another row, with "
        f"reward {OTHER_REWARD} and a future, is in the batch; expected {REWARD}, as without it"
    )
    return failed(line, {"batch-misaligned": 0.95}, [line])


def _heeds_temperature(evidence: Evidence, gamma: float) -> bool:
    """Whether no entropy is left in the targets at temperature 0: it would look like a discount."""
    if not evidence["soft"]:
        return True
    warm = evidence.get("soft_targets")
    if warm is None or warm[0] is None:
        return False
    added = warm[0] - evidence["targets"][0]
    return abs(added) > ROUGHLY and abs(added) < 2 * abs(gamma * evidence["log_prob"])


def _judge_entropy(evidence: Evidence, gamma: float) -> Outcome | None:
    """The entropy of the next action: behind the mask, and with the right sign."""
    seen, mean = evidence.get("soft_targets"), evidence["log_prob"]
    if seen is None or any(target is None for target in seen):
        return None
    least = min(evidence["said"])
    if abs(seen[1] - REWARD) > ROUGHLY and abs(mean) > ENTROPY_TOLD:
        line = (
            f"with temperature 1 the target of a row that terminates is {seen[1]:.2f}; expected its "
            f"reward {REWARD}: the entropy term stands outside of the mask"
        )
        return failed(line, {"terminal-bootstrap": 0.9}, [line])
    right, flipped = (REWARD + gamma * (least - sign * mean) for sign in (1, -1))
    if abs(seen[0] - flipped) < ROUGHLY and abs(right - flipped) > 2 * ROUGHLY:
        line = (
            f"with temperature 1 the target is {seen[0]:.2f}; expected r + gamma (Q - log pi) = "
            f"{right:.2f}, with the other sign it is {flipped:.2f}"
        )
        return failed(line, {"entropy-sign-flipped": 0.9}, [line])
    return _judge_temperature(evidence)


def _judge_temperature(evidence: Evidence) -> Outcome | None:
    """A learned temperature falls while the policy is more random than it should be."""
    if evidence.get("warmed") is None:
        return None
    moved, wanted = evidence["warmed"]
    surplus = -evidence["log_prob"] - wanted
    if abs(surplus) < ENTROPY_TOLD or moved * surplus <= 0:
        return None
    line = (
        f"the entropy is {-evidence['log_prob']:.2f}, {wanted:.2f} is wanted, and an update "
        f"{'raises' if moved > 0 else 'lowers'} the temperature; expected the other direction"
    )
    return failed(line, {"entropy-sign-flipped": 0.9}, [line])


def _fits(seen: list[float], told: list[float]) -> bool:
    return bool(np.abs(np.subtract(seen, told)).max() < NEAR)


def _no_probe(facts: Evidence, settings: Settings) -> str | None:
    known = "critic_probe" in facts.get("capabilities", ())
    return None if known else "the subject shows no critics of continuous actions"


CRITIC_PROBE = Check(
    name="agent/critic-target-and-actor",
    title="Critics are pulled to r + gamma min Q', and the actor climbs what the critics say.",
    explanation=(
        "The critics of SAC, TD3 or DDPG are replaced by ones that say known numbers, so the target that "
        "`train()` computes can be read off, for rows that go on, terminate and are cut by a time limit, "
        "with and without entropy; on a slope the actor must move up. Seconds tell what a training of "
        "minutes would hide behind slow learning."
    ),
    trial=probe,
    judge=one_trial(judge_probe),
    applies=_no_probe,
    requires=("agent/one-update",),
    catches=(
        "terminal-bootstrap",
        "truncation-as-terminal",
        "overestimation",
        "target-is-online",
        "reward-sign-flipped",
        "discount-ignored",
        "discount-applied-twice",
        "discount-too-small",
        "discount-hard-coded",
        "entropy-sign-flipped",
        "advantage-sign-flipped",
        "no-policy-gradient",
        "batch-misaligned",
    ),
    references=("https://arxiv.org/abs/1802.09477", "https://arxiv.org/abs/1812.05905"),
)
