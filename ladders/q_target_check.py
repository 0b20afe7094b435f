"""What a Q-learner makes of its target network: the target of a row, read off the value it is fitted to.

Two states are given known values, the target network is made equal to the online one, and rows that lead
to them are fitted until they stand still. Each fitted value is then the target of its row,

    y = r + gamma (1 - terminated) max_a Q_target(s', a)

(Mnih et al. 2015), or shows by its own arithmetic what was used instead. The online network is given
other values there meanwhile, with the same best actions: Double DQN (van Hasselt et al. 2016) then has
the same targets, and code that reads the online network has others.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ladders.discounts import SAME, discount_suspects
from ladders.env import encode_states
from ladders.outcomes import failed, listed
from ladders.training import EXAM, exam_gamma, knows_gamma, train
from rlcheck.adapters.protocol import AgentHandle, AgentSubject, Row
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

REWARD = 0.5
NEAR = 0.06
"""How near a value that stands still must come to what is predicted."""
ROUGHLY = 0.4
"""The same for values that never stand still: a tenth of what lies between the rewards."""
VALUES = {"D": (3.0, -1.0), "F": (1.0, 2.0)}
"""State -> what its two actions are worth: no two mistakes agree on both."""
LATER = {"D": (2.0, 0.0), "F": (0.2, 1.2)}
"""The same for the online network while rows that lead there are fitted."""
ROWS = {
    "goes on": ("A", "D", False, False),
    "goes on elsewhere": ("G", "F", False, False),
    "terminates": ("B", "D", True, False),
    "is cut by a time limit": ("C", "D", False, True),
}
"""What the row does -> its state, the next state, terminated, truncated."""
STATES = {name: index for index, name in enumerate("ABCDFG")}
CHUNK, CHUNKS, SECONDS = 100, 60, 5.0


def read_targets(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Fit the rows; the values they come to, and those of the target network that they start from."""
    trained = train(subject, context, env_id=EXAM, seed=trial.seed, steps=0)
    agent, observations = trained.agent, encode_states(trained.mdp.n_states, "one-hot")
    assert agent.fit_rows and agent.q_values and agent.target_q_values and agent.copy_to_target
    base, later = (
        [
            Row(observations[STATES[s]], a, value, observations[STATES[s]], True)
            for s, pair in values.items()
            for a, value in enumerate(pair)
        ]
        for values in (VALUES, LATER)
    )
    rows = [
        Row(observations[STATES[s]], 0, REWARD, observations[STATES[t]], ends, cut)
        for s, t, ends, cut in ROWS.values()
    ]
    first = _fit(agent, base)
    evidence: dict[str, Any] = {"base": first}
    if first["settled"]:
        agent.copy_to_target()
        evidence["target_q"] = _target_q(agent, observations)
        evidence["rows"] = _fit(agent, later + rows)
        evidence["target_q_after"] = _target_q(agent, observations)
    return evidence


def _target_q(agent: AgentHandle, observations: np.ndarray) -> dict[str, list[float]]:
    assert agent.target_q_values
    with preserved_rng():
        known = np.asarray(agent.target_q_values(observations[: len(STATES)]), dtype=float)
    return {name: known[index].tolist() for name, index in STATES.items()}


def _fit(agent: AgentHandle, rows: list[Row]) -> dict[str, Any]:
    """Q of every row before, once it stands still, or on average over the second half of the fitting."""
    assert agent.fit_rows and agent.q_values
    observations = np.stack([row.observation for row in rows])
    chosen = np.arange(len(rows)), np.array([row.action for row in rows])

    def values() -> np.ndarray:
        assert agent.q_values
        with preserved_rng():
            return np.asarray(agent.q_values(observations), dtype=float)[chosen]

    seen, began, settled = [values()], time.perf_counter(), False
    while not settled and len(seen) <= CHUNKS and time.perf_counter() - began < SECONDS:
        agent.fit_rows(rows, CHUNK)
        seen.append(values())
        settled = bool(np.abs(seen[-1] - seen[-2]).max() < NEAR / 10)
    last = seen[-1] if settled else np.mean(seen[len(seen) // 2 :], axis=0)
    return {"before": seen[0].tolist(), "values": last.tolist(), "settled": settled}


def judge_targets(evidence: Evidence, context: Context) -> Outcome:
    """The definition's arithmetic fits, or exactly one mistake's does."""
    wanted = np.array([value for pair in VALUES.values() for value in pair])
    base = np.array(evidence["base"]["values"])
    if not evidence["base"]["settled"] or np.abs(base - wanted).max() > 4 * NEAR:
        return _judge_rewards(evidence["base"], wanted)
    if not evidence["rows"]["settled"]:
        return Outcome(Status.SKIPPED, "a handful of rows did not settle, so no target can be read")
    if evidence["target_q_after"] != evidence["target_q"]:
        return Outcome(Status.SKIPPED, "the target network moves during a gradient step")
    gamma = exam_gamma(context.facts, context.settings)
    online, fitted = np.split(np.array(evidence["rows"]["values"]), [len(wanted)])
    models = list(_models(evidence["target_q"], online, gamma))
    if _fits(fitted, models[0][1]):
        return Outcome(Status.PASSED, f"four rows are fitted to {listed(fitted)}, as defined")
    found = [(fault, told) for fault, told in models[1:] if _fits(fitted, told)]
    suspects = {found[0][0]: 0.95} if found else {}
    if not found and knows_gamma(context.facts, context.settings):
        used = _discount(evidence["target_q"], fitted)
        suspects = (
            {} if used is None or abs(used - gamma) < 4 * SAME else discount_suspects(used, gamma)
        )
        found = [(fault, fitted) for fault in list(suspects)[:1]]
    if not suspects:
        return Outcome(
            Status.SKIPPED, f"rows are fitted to {listed(fitted)}, which nothing known explains"
        )
    both = {"Q_target": evidence["target_q"], "online Q": _by_state(online)}
    lines = _arithmetic(both, models[0][1], found[0][1], fitted, gamma)
    return failed("\n".join(lines), suspects, lines)


def _judge_rewards(fit: dict[str, Any], wanted: np.ndarray) -> Outcome:
    """Terminal rows that are not fitted to their rewards."""
    base, moved = np.array(fit["values"]), np.abs(np.subtract(fit["values"], fit["before"])).max()
    if moved < NEAR / 10:
        line = f"fitting terminal rows with the rewards {listed(wanted)} moved no value of theirs"
        return failed(line, {"critic-not-trained": 0.6, "does-not-learn": 0.35}, [line])
    # A squared loss brings all to the mean, a Huber loss to somewhere between mean and median.
    centre = (wanted.mean() + np.median(wanted)) / 2
    if np.ptp(base) < ROUGHLY and np.abs(base - centre).max() < ROUGHLY:
        lines = [
            f"terminal rows with the rewards {listed(wanted)} are fitted to {listed(base)}",
            "all to one number, as if each met the targets of all; expected each row's own reward",
        ]
        return failed("\n".join(lines), {"batch-misaligned": 0.9}, lines)
    near = NEAR if fit["settled"] else ROUGHLY
    by_action = wanted.reshape(len(VALUES), -1).mean(axis=0)
    mistakes = {
        "observation-ignored": (np.tile(by_action, len(VALUES)), "the mean of those of one action"),
        "reward-mean-subtracted": (wanted - wanted.mean(), "each less the mean of all"),
        "reward-clipped": (np.clip(wanted, -1, 1), "each cut to [-1, 1]"),
        "reward-sign-flipped": (-wanted, "each with the other sign"),
    }
    for fault, (told, what) in mistakes.items():
        if np.abs(base - told).max() < near:
            lines = [
                f"terminal rows with the rewards {listed(wanted)} are fitted to {listed(base)}",
                f"that is {what}; expected each row's own reward",
            ]
            return failed("\n".join(lines), {fault: 0.9}, lines)
    message = f"terminal rows with the rewards {listed(wanted)} came to {listed(base)}"
    return Outcome(Status.SKIPPED, f"{message}, so no target can be read")


def _models(
    target_q: dict[str, list[float]], online: np.ndarray, gamma: float
) -> Iterator[tuple[str, np.ndarray]]:
    """What the rows are fitted to under the definition, and under each mistake.

    Args:
        target_q: state -> Q_target [2].
        online: [4] Q of the two states that rows lead to, in the order of `LATER`.
        gamma: the discount.
    """
    q = {name: np.array(values) for name, values in target_q.items()}

    def fitted(
        backup: Any, terminal: bool = False, cut: bool = True, own: bool = False, q: Any = q
    ) -> np.ndarray:
        told = []
        for state, following, ends, truncated in ROWS.values():
            counts = terminal if ends else cut if truncated else True
            told.append(REWARD + gamma * counts * float(backup(q[state if own else following])))
        return np.array(told)

    yield "", fitted(np.max)
    yield "terminal-bootstrap", fitted(np.max, terminal=True)
    yield "truncation-as-terminal", fitted(np.max, cut=False)
    yield "max-replaced-by-mean", fitted(np.mean)
    yield "max-replaced-by-mean", fitted(np.min)
    yield "next-observation-stale", fitted(np.max, own=True)
    yield "target-is-online", fitted(np.max, q=_by_state(online))


def _by_state(online: np.ndarray) -> dict[str, list[float]]:
    return dict(zip(LATER, online.reshape(-1, 2).tolist(), strict=True))


def _discount(target_q: dict[str, list[float]], fitted: np.ndarray) -> float | None:
    """The discount with which the definition would fit, else None."""
    best = np.array([max(target_q[following]) for _, following, _, _ in ROWS.values()])
    counts = np.array([not ends for _, _, ends, _ in ROWS.values()])
    flows = best * counts
    used = float(flows @ (fitted - REWARD) / (flows @ flows))
    return used if 0 <= used and _fits(fitted, REWARD + used * flows) else None


def _fits(seen: np.ndarray, told: np.ndarray) -> bool:
    return bool(np.abs(seen - told).max() < NEAR)


def _arithmetic(
    both: dict[str, dict[str, list[float]]],
    right: np.ndarray,
    told: np.ndarray,
    fitted: np.ndarray,
    gamma: float,
) -> list[str]:
    """The row on which the definition and the mistake differ most."""
    departures = np.abs(right - told)
    row = int(np.argmax(departures > departures.max() - NEAR))
    what, (_, following, _, _) = list(ROWS.items())[row]
    known = ", ".join(
        f"{network} {q[following][0]:.2f} and {q[following][1]:.2f}" for network, q in both.items()
    )
    return [
        f"reward {REWARD}, the step {what}; in the next state: {known}; gamma {gamma:g}",
        f"expected the target {right[row]:.2f}; the value was fitted to {fitted[row]:.2f}",
    ]


def _cannot_fit(facts: Evidence, settings: Settings) -> str | None:
    if "fit_rows" in facts.get("capabilities", ()):
        return None
    return "the subject shows no target network beside Q-values that can be fitted to given rows"


Q_TARGET = Check(
    name="agent/q-target-follows-bellman",
    title="A row's target is its reward plus, if it goes on, gamma times the target network's maximum.",
    explanation=(
        "Rows that lead to states of known value are fitted until they stand still; the value that "
        "they come to is the target that the code computes. It shows the discount, the mask of ends "
        "and of time limits, and the maximum, each by a number."
    ),
    trial=read_targets,
    judge=one_trial(judge_targets),
    applies=_cannot_fit,
    requires=("agent/one-update",),
    catches=(
        "terminal-bootstrap",
        "truncation-as-terminal",
        "max-replaced-by-mean",
        "target-is-online",
        "next-observation-stale",
        "discount-ignored",
        "discount-applied-twice",
        "discount-too-small",
        "discount-hard-coded",
        "reward-clipped",
        "reward-sign-flipped",
        "reward-mean-subtracted",
        "batch-misaligned",
        "observation-ignored",
        "critic-not-trained",
        "does-not-learn",
    ),
    references=("https://www.nature.com/articles/nature14236", "https://arxiv.org/abs/1509.06461"),
)
