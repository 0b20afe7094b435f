"""What a stored row of experience must hold, and what it holds under particular mistakes.

In the exam every column of a row (s, a, r, s', done) is a function of s and a, so a row can be
judged alone, in whatever order rows are drawn. A model of a column lists the values it may have for each
(s, a); an empty list says nothing. A mistake is named only where one of its models explains all rows but
the few at the edge of a buffer, and the truth does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ladders.mdp import MDP

ENOUGH = 5
"""So many rows at least must hold what a mistake predicts and the truth does not allow."""
EDGE = 0.02
"""Share of the rows that a model need not explain."""
NEAR = 1e-4

Model = list[list[list[float]]]
"""[S][A] the values that a column may have."""
Models = list[tuple[str, Model]]
"""The truth first, then mistakes, some of them in several forms."""


@dataclass(frozen=True)
class Rows:
    """Stored rows, decoded.

    Args:
        states, actions: [N] of the exam.
        rewards: [N].
        next_states, dones: [N] of a replay memory, else None.
    """

    states: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    next_states: np.ndarray | None = None
    dones: np.ndarray | None = None


@dataclass(frozen=True)
class Explanation:
    """A mistake that explains what is stored.

    Args:
        fault: its name.
        column: what is wrong.
        telling: rows that the truth does not allow.
        row: one of them.
        expected, stored: what should stand there, and what does.
    """

    fault: str
    column: str
    telling: int
    row: int
    expected: str
    stored: str


def predecessors(mdp: MDP) -> np.ndarray:
    """[S] the only state that leads to each within an episode, -1 for first states."""
    within = mdp.transitions * ~(mdp.terminated | mdp.truncated)[:, :, None]
    leads = within.max(axis=1) > 0
    return np.where(leads.any(axis=0), leads.argmax(axis=0), -1)


def _model(mdp: MDP, allowed) -> Model:
    return [[allowed(s, a) for a in range(mdp.n_actions)] for s in range(mdp.n_states)]


def with_likely_actions(mdp: MDP, rows: Rows) -> Rows:
    """The rows with the action, of those that the environment has, that most columns agree with.

    In the exam a continuous action is drawn, so the stored one does not say what was done; a mistake in
    one column leaves the others to tell.
    """
    columns = [
        (2.0, rows.rewards, reward_models(mdp, bootstrapped=False)),
        (2.0, rows.next_states, next_state_models(mdp)),
        (1.0, rows.dones, done_models(mdp)),
    ]
    votes = np.zeros((len(rows.states), mdp.n_actions))
    for action in range(mdp.n_actions):
        supposed = replace(rows, actions=np.full(len(rows.states), action))
        for weight, values, models in columns:
            assert values is not None
            _, correct = models[0]
            says = _sizes(correct, supposed) > 0
            agrees = np.where(_holds(correct, values, supposed), weight, -weight)
            votes[:, action] += np.where(says, agrees, 0.0)
    return replace(rows, actions=votes.argmax(axis=1))


def _successors(mdp: MDP, state: int, action: int) -> list[int]:
    return [int(s) for s in np.nonzero(mdp.transitions[state, action])[0]]


def reward_models(mdp: MDP, bootstrapped: bool) -> Models:
    """`correct` and mistakes in the reward column.

    On-policy code may add the value of the state that was reached to the reward of a step that a time
    limit cuts; then (`bootstrapped`) nothing is said of such steps.
    """
    before = predecessors(mdp)
    ends = mdp.terminated | mdp.truncated

    def paid_before(state: int, action: int) -> list[float]:
        source = before[state]
        if source < 0:
            return []
        return [
            float(mdp.rewards[source, a])
            for a in range(mdp.n_actions)
            if mdp.transitions[source, a, state] > 0
        ]

    def paid_after(state: int, action: int) -> list[float]:
        if ends[state, action]:
            return []
        return [float(r) for s in _successors(mdp, state, action) for r in mdp.rewards[s]]

    def same_step(function) -> Model:
        return _model(mdp, lambda s, a: [float(function(mdp.rewards[s, a]))])

    models = [
        ("correct", same_step(lambda r: r)),
        ("reward-late", _model(mdp, paid_before)),
        ("reward-early", _model(mdp, paid_after)),
        ("reward-clipped", same_step(lambda r: np.clip(r, -1.0, 1.0))),
        ("reward-clipped", same_step(np.sign)),
        ("reward-sign-flipped", same_step(np.negative)),
    ]
    kept = ~mdp.truncated if bootstrapped else np.ones_like(mdp.truncated)
    return [(name, _where(model, kept)) for name, model in models]


def next_state_models(mdp: MDP) -> Models:
    """`correct` and mistakes in the next observation; nothing is said of what a true end masks."""
    starts = [float(s) for s in np.nonzero(mdp.start)[0]]

    def reached(state: int, action: int) -> list[float]:
        return [float(s) for s in _successors(mdp, state, action)]

    def own(state: int, action: int) -> list[float]:
        return [] if mdp.truncated[state, action] else [float(state)]

    def reset(state: int, action: int) -> list[float]:
        return starts if mdp.truncated[state, action] else reached(state, action)

    models = [
        ("correct", _model(mdp, reached)),
        ("next-observation-stale", _model(mdp, own)),
        ("truncation-bootstraps-reset", _model(mdp, reset)),
    ]
    return [(name, _where(model, ~mdp.terminated)) for name, model in models]


def done_models(mdp: MDP) -> Models:
    """`correct` and mistakes in the flag that cuts the bootstrap."""
    before = predecessors(mdp)
    ends = mdp.terminated | mdp.truncated

    def early(flags: np.ndarray) -> Model:
        def following(state: int, action: int) -> list[float]:
            if ends[state, action]:
                return []
            found = {float(flag) for s in _successors(mdp, state, action) for flag in flags[s]}
            return sorted(found)

        return _model(mdp, following)

    return [
        ("correct", _model(mdp, lambda s, a: [float(mdp.terminated[s, a])])),
        ("terminal-bootstrap", _model(mdp, lambda s, a: [0.0])),
        ("truncation-as-terminal", _model(mdp, lambda s, a: [float(ends[s, a])])),
        ("done-late", _model(mdp, lambda s, a: [0.0, 1.0] if before[s] < 0 else [0.0])),
        ("done-early", early(ends)),
        ("done-early", early(mdp.terminated)),
    ]


def _where(model: Model, kept: np.ndarray) -> Model:
    """The model, saying nothing where `kept` [S, A] is false."""
    return [
        [values if kept[s, a] else [] for a, values in enumerate(row)]
        for s, row in enumerate(model)
    ]


def explanations(mdp: MDP, rows: Rows) -> list[Explanation] | None:
    """The mistake in each wrong column; None where something wrong is left unexplained.

    Rows of another kind (n-step returns, scaled rewards) depart in a column that no mistake explains.
    """
    columns: list[tuple[str, np.ndarray | None, Models]] = [
        ("reward", rows.rewards, reward_models(mdp, bootstrapped=rows.dones is None)),
        ("next observation", rows.next_states, next_state_models(mdp)),
        ("done", rows.dones, done_models(mdp)),
    ]
    found = []
    for column, values, models in columns:
        if values is None:
            continue
        looked_at = _bootstrapping(rows) if column == "next observation" else rows
        kept = values if looked_at is rows else looked_at.next_states
        assert kept is not None
        wrong = (~_holds(models[0][1], kept, looked_at)).mean() if len(kept) else 0.0
        explanation = _explain(mdp, column, kept, models, looked_at) if wrong else None
        if explanation is not None:
            found.append(explanation)
        elif wrong > EDGE:
            return None
    return found


def _bootstrapping(rows: Rows) -> Rows:
    """The rows whose next observation counts."""
    assert rows.dones is not None
    assert rows.next_states is not None
    kept = rows.dones < 0.5
    columns = (rows.states, rows.actions, rows.rewards, rows.next_states, rows.dones)
    return Rows(*(column[kept] for column in columns))


def _explain(
    mdp: MDP, column: str, values: np.ndarray, models: Models, rows: Rows
) -> Explanation | None:
    """The mistake that speaks of most of the wrong rows, then the one that allows least."""
    _, correct = models[0]
    violated = ~_holds(correct, values, rows)
    found: list[tuple[int, int, str, np.ndarray]] = []
    for fault, model in models[1:]:
        telling = violated & (_sizes(model, rows) > 0)
        unexplained = (~_holds(model, values, rows)).sum()
        few = unexplained <= EDGE * len(values)
        if few and telling.sum() >= max(ENOUGH, 10 * unexplained):
            found.append((-int(telling.sum()), int(_sizes(model, rows).sum()), fault, telling))
    if not found:
        return None
    _, _, fault, telling = min(found, key=lambda one: one[:2])
    row = int(np.argmax(telling))
    expected = correct[rows.states[row]][rows.actions[row]]
    told = " or ".join(_written(mdp, column, value) for value in expected)
    stored = _written(mdp, column, values[row])
    return Explanation(fault, column, int(telling.sum()), row, told, stored)


def _written(mdp: MDP, column: str, value: float) -> str:
    return mdp.names[int(value)] if column == "next observation" else f"{value:.3g}"


def _holds(model: Model, values: np.ndarray, rows: Rows) -> np.ndarray:
    return np.array(
        [
            not allowed or any(abs(value - one) < NEAR for one in allowed)
            for value, allowed in zip(values, _allowed(model, rows), strict=True)
        ]
    )


def _sizes(model: Model, rows: Rows) -> np.ndarray:
    return np.array([len(allowed) for allowed in _allowed(model, rows)])


def _allowed(model: Model, rows: Rows) -> Sequence[list[float]]:
    return [model[s][a] for s, a in zip(rows.states, rows.actions, strict=True)]


def late_observation(mdp: MDP, rows: Rows, stored: np.ndarray) -> Explanation | None:
    """In a rollout, which is in order: each row shows the observation of the row before."""
    late = np.append(stored[:1], rows.states[:-1])
    telling = rows.states != late
    if telling.sum() < ENOUGH or not np.array_equal(stored, late):
        return None
    row = int(np.argmax(telling))
    names = mdp.names[rows.states[row]], mdp.names[stored[row]]
    return Explanation("observation-stale", "observation", int(telling.sum()), row, *names)


def stale_observation(mdp: MDP, rows: Rows) -> Explanation | None:
    """In a replay memory: each row holds the observation before the one that was acted on.

    The true one is known where the next observation has a predecessor, and with it what was paid: rows
    that span two steps (n-step replay) hold another reward.
    """
    if rows.next_states is None:
        return None
    before = predecessors(mdp)
    true = before[rows.next_states]
    known = (true >= 0) & (before[true] >= 0)
    paid = np.abs(mdp.rewards[true] - rows.rewards[:, None]).min(axis=1) < NEAR
    if known.sum() < ENOUGH or not (paid & (rows.states == before[true]))[known].all():
        return None
    row = int(np.argmax(known))
    names = mdp.names[true[row]], mdp.names[rows.states[row]]
    return Explanation("observation-stale", "observation", int(known.sum()), row, *names)


def foreign_next_observation(mdp: MDP, rows: Rows) -> Explanation | None:
    """Most next observations cannot be reached from the row's own, in any number of steps.

    Rows that span several steps stay within the episode, so they are never taken for this.
    """
    if rows.next_states is None or rows.dones is None:
        return None
    within = (mdp.transitions * ~mdp.terminated[:, :, None]).max(axis=1) > 0
    reach = np.linalg.matrix_power(np.eye(mdp.n_states) + within, mdp.n_states) > 0
    judged = (rows.dones < 0.5) & ~mdp.terminated[rows.states, rows.actions]
    foreign = judged & ~reach[rows.states, rows.next_states]
    if foreign.sum() < max(ENOUGH, 0.5 * judged.sum()):
        return None
    row = int(np.argmax(foreign))
    stored = mdp.names[rows.next_states[row]]
    return Explanation(
        "batch-misaligned", "next observation", int(foreign.sum()), row, "one that follows", stored
    )
