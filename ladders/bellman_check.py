"""Q-learning of any make: its targets are read off the gradients that reach its network.

Nothing is asked of the agent but that its networks are torch modules which take the observations. Every
mistake is a form of the target (`ladders.bellman_forms`); the one that fits the gradients to the last
digit, while the definition does not, is what the code computes.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ladders.bellman_forms import Form, forms_of
from ladders.bellman_rows import Rows, bellman_rows
from ladders.discounts import SAME, discount_suspects
from ladders.env import encode_states
from ladders.exam import design
from ladders.mdp import MDP
from ladders.outcomes import failed
from ladders.training import EXAM, exam_gamma, knows_gamma, small_rollout, train
from rlcheck.adapters.passes import Passes, watched_passes
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

STEPS, SECONDS = 3_072, 25.0
FIRST_STEPS = 1_024
"""An agent that has learned by then, and not from rows of action values, is of another kind."""
UPDATES, ROWS, FEWEST_ROWS = 64, 1_024, 100
EXACT, WRONG = 1e-3, 2e-2
"""Relative remainders of a form that is the code's own, and of one that certainly is not."""

SIGNS, ROUNDING = 10, 1e-3
"""Rows of which the definition has the sign wrong and a mistake none, and errors too small for a sign."""


class Enough(Exception):
    """Raised in the environment: there is nothing more to be seen in this training."""


def watch_updates(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train a while; the rows of the last updates."""
    gamma = exam_gamma(context.facts, context.settings)
    mdp = design(gamma).mdp
    passes = Passes(_decoder(mdp), mdp.n_actions, UPDATES)
    began = time.perf_counter()

    def rows_now() -> Rows | None:
        return bellman_rows(passes.updates, mdp, ROWS)

    def watch(steps: int) -> None:
        context.progress(min(1.0, steps / STEPS), f"{steps:,} steps")
        late = time.perf_counter() - began > SECONDS
        if late or (steps >= FIRST_STEPS and passes.updates and rows_now() is None):
            raise Enough

    with watched_passes(passes):
        try:
            options = small_rollout(context.facts)
            train(
                subject,
                context,
                env_id=EXAM,
                seed=trial.seed,
                steps=STEPS,
                options=options,
                watch=watch,
            )
        except Enough:
            pass
    rows = rows_now()
    return {"rows": None if rows is None else {k: v.tolist() for k, v in rows._asdict().items()}}


def _decoder(mdp: MDP) -> Any:
    known = encode_states(mdp.n_states, "one-hot")

    def decode(inputs: np.ndarray) -> np.ndarray | None:
        if inputs.ndim != 2 or inputs.shape[1] != mdp.n_states:
            return None
        states = inputs.argmax(axis=1)
        return states if np.array_equal(inputs, known[states]) else None

    return decode


def judge_updates(evidence: Evidence, context: Context) -> Outcome:
    """The definition fits, or exactly one mistake does."""
    if evidence["rows"] is None or len(evidence["rows"]["q"]) < FEWEST_ROWS:
        return Outcome(Status.SKIPPED, "no network is seen to learn action values from rows")
    rows = Rows(**{name: np.array(column) for name, column in evidence["rows"].items()})
    gamma = exam_gamma(context.facts, context.settings)
    mdp = design(gamma).mdp
    forms = forms_of(rows, mdp, gamma, has_target=bool(context.facts.get("target_tensors")))
    right = [form for form in forms if not form.fault]
    exact = [form for form in forms if form.fit.remainder < EXACT]
    if not exact:
        return _judge_powers(rows, mdp, gamma, context) or _judge_signs(rows, mdp, forms, gamma)
    fitting = next((form for form in right if form.fit.remainder < EXACT), None)
    if fitting is not None:
        return _judge_numbers(fitting, len(rows.q), gamma, context)
    remainder = min((form.fit.remainder for form in right), default=1.0)
    if remainder < WRONG:
        return Outcome(Status.SKIPPED, "the rows do not tell the definition from a mistake")
    best = max(exact, key=lambda form: form.fit.share)
    if abs(best.fit.rho - 1) > SAME or abs(best.fit.gamma - gamma) > 4 * SAME:
        message = f"{_formula(best)}, which nothing known explains"
        return Outcome(Status.SKIPPED, message)
    lines = [
        _arithmetic(rows, mdp, best, gamma),
        f"over {len(rows.q):,} rows this leaves {best.fit.remainder:.1e} of the gradients unexplained, "
        f"the definition {remainder:.0%} with any discount",
    ]
    message = f"Q(s, a) is pulled to {_formula(best)}, as the gradients at the network show"
    return failed(message, {best.fault: 0.95}, lines)


def _judge_numbers(fitting: Form, count: int, gamma: float, context: Context) -> Outcome:
    """The definition's form fits; so do its discount and the sign of its rewards, or not."""
    fit, seen = fitting.fit, f"{_formula(fitting)}, read off the gradients of {count:,} rows"
    suspects: dict[str, float] = {}
    if abs(fit.rho + 1) < SAME:
        suspects = {"reward-sign-flipped": 0.95}
    elif abs(fit.rho - 1) > SAME:
        return Outcome(Status.SKIPPED, f"{seen}: rewards in another unit")
    elif knows_gamma(context.facts, context.settings) and abs(fit.gamma - gamma) > 4 * SAME:
        suspects = discount_suspects(fit.gamma, gamma)
    if not suspects:
        return Outcome(Status.PASSED, f"the target is {seen}")
    lines = [f"the target is {seen}", f"expected r + {gamma:g} {fitting.beyond}"]
    return failed(f"Q(s, a) is pulled to {_formula(fitting)}", suspects, lines)


def _judge_powers(rows: Rows, mdp: MDP, gamma: float, context: Context) -> Outcome | None:
    """Windows of several steps hold powers of the discount: perhaps of another one."""
    if (rows.window > 1).any() and knows_gamma(context.facts, context.settings):
        for other in (1.0, 0.99, gamma**2):
            forms = forms_of(rows, mdp, other, has_target=False)
            if any(not form.fault and form.fit.remainder < EXACT for form in forms):
                steps = rows.window.max()
                line = f"the targets of {steps} steps are those of {other:g}, not of {gamma:g}"
                return failed(line, discount_suspects(other, gamma), [line])
    return None


def _judge_signs(rows: Rows, mdp: MDP, forms: list[Form], gamma: float) -> Outcome:
    """Weights of rows (prioritised replay) leave the sign of each error: one mistake has all right."""
    signs = [(form, *_wrong_signs(rows, form, gamma)) for form in forms]
    least = min((wrong for form, wrong, _ in signs if not form.fault), default=len(rows.q))
    agreeing = [
        form
        for form, wrong, told in signs
        if form.fit.share == 1.0 and not wrong and told >= FEWEST_ROWS
    ]
    if least >= SIGNS and len({form.fault for form in agreeing}) == 1:
        form = agreeing[0]
        lines = [
            _arithmetic(rows, mdp, form, gamma),
            f"in {len(rows.q):,} rows every gradient has the sign of Q less this; {least:,} have not "
            "that of the definition",
        ]
        message = (
            f"each row is pulled towards {form.reward} + {gamma:g} {form.beyond}, as its sign shows"
        )
        return failed(message, {form.fault: 0.85}, lines)
    return Outcome(Status.SKIPPED, "the gradients are of no known form of Q-learning")


def _wrong_signs(rows: Rows, form: Form, gamma: float) -> tuple[int, int]:
    """Rows whose gradient has not the sign of Q less the target of the form, among how many."""
    off = rows.q - form.rewards - gamma * form.values
    told = np.isfinite(off) & (np.abs(off) > ROUNDING)
    return int((np.sign(off[told]) != np.sign(rows.gradient[told])).sum()), int(told.sum())


def _formula(form: Form) -> str:
    """The target with its numbers."""
    unit = "" if abs(form.fit.rho - 1) <= SAME else f"{form.fit.rho:.3g} "
    return f"{unit}{form.reward} + {form.fit.gamma:.3f} {form.beyond}"


def _arithmetic(rows: Rows, mdp: MDP, form: Form, gamma: float) -> str:
    """The row on which the definition and the mistake differ most."""
    wrong = form.rewards + gamma * form.values
    right = form.right_rewards + gamma * form.right_values
    # A row of which the mistake says nothing known is no example.
    row = int(np.nan_to_num(np.abs(wrong - right), nan=-1.0).argmax())
    state, action, steps = rows.state[row], rows.action[row], rows.window[row]
    ends, cut = mdp.terminated[state, action], mdp.truncated[state, action]
    flags = "terminated" if ends else "cut by a time limit" if cut else "going on"
    what = f"{steps} steps" if steps > 1 else flags
    step = f"{mdp.names[state]}, action {action}, reward {form.right_rewards[row]:.3g}, {what}"
    return f"in {step}: pulled to {wrong[row]:.3f}, expected {right[row]:.3f}"


def _unseen(facts: Evidence, settings: Settings) -> str | None:
    shown = facts.get("capabilities", ())
    if "fit_rows" in shown:
        return "the targets of the subject are read off rows that it is given"
    if facts.get("on_policy"):
        return "the subject learns from rollouts, not from rows of action values"
    if "parameters" not in shown or facts.get("actions") == "continuous":
        return "the subject shows no torch network over discrete actions"
    return None


BELLMAN = Check(
    name="agent/gradients-follow-bellman",
    title="The gradient at a network of action values is that of (Q(s, a) - y)^2 with the right y.",
    explanation=(
        "While the agent learns in the exam, whose every reward and end is known, the outputs of its "
        "torch networks and the gradients that reach them are watched. A squared error (or a Huber loss "
        "near its middle) pulls at Q(s, a) in proportion to Q - r - gamma (1 - terminated) max "
        "Q_target(s'), so least squares over a thousand rows gives the discount and the unit of rewards, "
        "and leaves nothing over. A mistake fails where its own form leaves nothing over and the "
        "definition's does."
    ),
    trial=watch_updates,
    judge=one_trial(judge_updates),
    applies=_unseen,
    requires=("agent/one-update",),
    catches=(
        "terminal-bootstrap",
        "truncation-as-terminal",
        "truncation-bootstraps-reset",
        "done-late",
        "done-early",
        "reward-late",
        "reward-early",
        "next-observation-stale",
        "max-replaced-by-mean",
        "target-is-online",
        "batch-misaligned",
        "reward-clipped",
        "reward-mean-subtracted",
        "reward-sign-flipped",
        "discount-ignored",
        "discount-applied-twice",
        "discount-too-small",
        "discount-hard-coded",
    ),
    references=("https://www.nature.com/articles/nature14236", "https://arxiv.org/abs/1509.06461"),
)
