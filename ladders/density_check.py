"""The log-probability of a continuous action is that of the action itself, not of what was squashed.

For a = tanh(u) the density is pi(a) = N(u) / (1 - a^2) (Haarnoja et al. 2018, appendix C). Actions are
drawn in one state and counted in bins; in each bin their share must be the mean of exp(log pi) times its
width. Without the correction it is that times 1 / (1 - a^2).
"""

from __future__ import annotations

import numpy as np

from ladders.env import encode_states
from ladders.outcomes import failed
from ladders.training import EXAM, train
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.adapters.rng import preserved_rng
from rlcheck.records import Check, Context, Evidence, Outcome, Settings, Status, Trial, one_trial

DRAWS, BINS, FEWEST = 40_000, 40, 200
RIGHT, WRONG = 0.05, 0.15
"""Mean departures in log, below which a form of the density fits, above which it does not."""


def draw_actions(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Shares of the bins of [-1, 1], and the mean reported density in each."""
    trained = train(subject, context, env_id=EXAM, seed=trial.seed, steps=0)
    assert trained.agent.draw is not None
    observation = encode_states(trained.mdp.n_states, "one-hot")[:1]
    with preserved_rng():
        actions, log_probs = trained.agent.draw(np.repeat(observation, DRAWS, axis=0))
    edges = np.linspace(-1, 1, BINS + 1)
    which = np.clip(np.digitize(actions, edges) - 1, 0, BINS - 1)
    counts = np.bincount(which, minlength=BINS)
    density = np.bincount(which, weights=np.exp(log_probs), minlength=BINS) / np.maximum(counts, 1)
    return {
        "centres": ((edges[1:] + edges[:-1]) / 2).tolist(),
        "seen": (counts / DRAWS / (edges[1] - edges[0])).tolist(),
        "reported": density.tolist(),
        "counts": counts.tolist(),
    }


def judge_density(evidence: Evidence, context: Context) -> Outcome:
    """Reported and counted density agree, or differ by the factor that was left out."""
    counted = np.array(evidence["counts"]) >= FEWEST
    if counted.sum() < BINS / 4:
        return Outcome(Status.SKIPPED, "the actions drawn in one state lie too close together")
    centres = np.array(evidence["centres"])[counted]
    gap = np.log(np.array(evidence["reported"])[counted] / np.array(evidence["seen"])[counted])
    left_out = np.log(1 - centres**2)
    if np.abs(gap).mean() < RIGHT:
        return Outcome(Status.PASSED, f"densities of {DRAWS:,} actions are those reported")
    if np.abs(gap - left_out).mean() < RIGHT and np.abs(gap).mean() > WRONG:
        far = int(np.argmax(np.abs(centres)))
        lines = [
            f"near a = {centres[far]:.2f} actions are {np.exp(-gap[far]):.2f} times as frequent as "
            "exp(log pi) says",
            f"1 / (1 - a^2) = {np.exp(-left_out[far]):.2f}, the factor of the change of variables",
        ]
        message = "log pi is that of the action before the tanh; expected that of the action itself"
        return failed(message, {"tanh-correction-missing": 0.95}, lines)
    message = f"reported densities are off by {100 * np.abs(gap).mean():.0f} % in no known way"
    return Outcome(Status.SKIPPED, message)


def _draws_none(facts: Evidence, settings: Settings) -> str | None:
    if "draw" in facts.get("capabilities", ()):
        return None
    return "the subject does not draw continuous actions together with their log-probabilities"


DENSITY = Check(
    name="agent/log-prob-is-of-the-action",
    title="The log-probability of a squashed action contains the correction of the tanh.",
    explanation=(
        "Maximum-entropy agents learn from log pi(a). Left uncorrected, it is the density of the "
        "Gaussian before the tanh: actions near the bounds look rarer than they are, and the "
        "temperature is driven by the wrong entropy. Actions are drawn, counted and held against "
        "the reported density."
    ),
    trial=draw_actions,
    judge=one_trial(judge_density),
    applies=_draws_none,
    requires=("agent/one-update",),
    catches=("tanh-correction-missing",),
    references=("https://arxiv.org/abs/1801.01290",),
)
