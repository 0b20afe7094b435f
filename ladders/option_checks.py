"""Options: every hyper-parameter that the subject names must change something, in the right direction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ladders.option_names import ALIASES
from ladders.policy_update_check import penalises_divergence
from ladders.training import moved, outputs, same, small_rollout, train, untrained_outputs
from rlcheck.adapters.protocol import AgentSubject
from rlcheck.records import (
    Check,
    Context,
    Evidence,
    Outcome,
    Settings,
    Status,
    Trial,
    one_trial,
)

BINDING: Mapping[str, tuple[float, float]] = {
    "clip_range": (1e-3, 10.0),
    "max_grad_norm": (1e-3, 1e9),
    "ent_coef": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "learning_rate": (1e-5, 1e-2),
    "gamma": (0.5, 0.99),
}
"""Option -> two values so far apart that a training with several epochs must tell them apart."""

FAULTS = {
    "clip_range": {"clip-missing": 0.5, "old-log-prob-recomputed": 0.3, "option-ignored": 0.15},
    "gamma": {"discount-hard-coded": 0.6, "discount-ignored": 0.36},
    "ent_coef": {"option-ignored": 0.95},
}


EPOCHS = ("n_epochs", "epochs", "update_epochs", "num_epochs", "k_epochs")


def known_options(facts: Evidence) -> dict[str, str]:
    """Standard name -> the subject's own name, of the options that this check can vary.

    A clip range binds only where old data is used again, so it is left out unless the subject is known
    to take several epochs.
    """
    named = facts.get("options", {})
    found = {}
    for option, aliases in ALIASES.items():
        for alias in aliases:
            if (
                alias in named
                and isinstance(named[alias], int | float)
                and named[alias] is not True
            ):
                found[option] = alias
                break
    if facts.get("accepts_gamma"):
        found["gamma"] = "gamma"
    if not facts.get("several_epochs"):
        found.pop("clip_range", None)
    return found


def several_epochs(native: Any, options: Mapping[str, Any]) -> bool:
    """Whether an agent says, by an option or an attribute, that it goes over its data repeatedly."""
    said = [options.get(name, getattr(native, name, None)) for name in EPOCHS]
    return any(isinstance(count, int) and count > 1 for count in said)


def _steps(facts: Evidence) -> int:
    """Enough for at least two rollouts, where their length is known; else for most."""
    small = small_rollout(facts)
    rollout = next((small[name] for name in ("n_steps", "num_steps") if name in small), None)
    if rollout is not None:
        return 4 * int(rollout)
    return 512 if small else 2_048


def vary_options(subject: AgentSubject, trial: Trial, context: Context) -> Evidence:
    """Train with two far apart values of every known option; which pairs came out identical?"""
    options = known_options(context.facts)
    base, steps = small_rollout(context.facts), _steps(context.facts)
    identical, raised = [], {}
    reference = outputs(train(subject, context, seed=trial.seed, steps=steps, options=base))
    again = outputs(train(subject, context, seed=trial.seed, steps=steps, options=base))
    untrained = untrained_outputs(subject, context, trial.seed, base)
    for position, (option, name) in enumerate(options.items()):
        context.progress(position / len(options), f"varying {name}")
        try:
            shown = [_with(subject, context, trial, base, steps, name, v) for v in BINDING[option]]
        except Exception as error:
            # A subject may refuse an extreme value; that is its right, and says nothing.
            raised[name] = f"{type(error).__name__}: {error}"[:200]
            continue
        if same(*shown):
            identical.append(option)
    if "clip_range" in identical and penalises_divergence(subject, trial, context):
        # The option of a base class; the loss of this one has no clip on purpose.
        identical.remove("clip_range")
        del options["clip_range"]
    return {
        "options": options,
        "identical": identical,
        "refused": raised,
        "repeatable": same(reference, again),
        "moved": moved(untrained, reference, _choices(context)),
        "steps": steps,
    }


def _choices(context: Context) -> set[str]:
    """What an agent shows of its actions, where they are discrete.

    Two agents of quite different values may well choose alike, so equal choices say nothing about an
    option.
    """
    return {"executed"} if context.facts.get("actions") == "continuous" else {"predict", "executed"}


def _with(
    subject: AgentSubject,
    context: Context,
    trial: Trial,
    base: Mapping[str, Any],
    steps: int,
    name: str,
    value: float,
) -> dict[str, np.ndarray]:
    gamma = value if name == "gamma" else None
    varied = dict(base) if name == "gamma" else {**base, name: value}
    return outputs(
        train(subject, context, seed=trial.seed, steps=steps, gamma=gamma, options=varied)
    )


def judge_options(evidence: Evidence, context: Context) -> Outcome:
    """An option whose two values give bitwise the same training is not used."""
    if not evidence["repeatable"]:
        message = "trainings with one seed differ, so an option that changes nothing cannot be told"
        return Outcome(Status.SKIPPED, message, evidence)
    tried = [name for name in evidence["options"] if name not in evidence["refused"]]
    if not evidence["moved"] or not tried or len(evidence["identical"]) == len(tried) > 1:
        message = (
            f"within {evidence['steps']} steps nothing moved but, at most, the choice of actions, which "
            "may stay the same whatever an option says (`values` or `q_values` would tell)"
        )
        return Outcome(Status.SKIPPED, message, evidence)
    if not evidence["identical"]:
        return Outcome(Status.PASSED, f"{', '.join(tried)} each change the training", evidence)
    suspects: dict[str, float] = {}
    for option in evidence["identical"]:
        share = FAULTS.get(option, {"option-ignored": 0.95})
        for fault, weight in share.items():
            suspects[fault] = max(suspects.get(fault, 0.0), weight / len(evidence["identical"]))
    lines = [
        f"{evidence['options'][option]} = {BINDING[option][0]:g} and {BINDING[option][1]:g} give "
        "bitwise the same agent; expected different ones"
        for option in evidence["identical"]
    ]
    proof = dict.fromkeys(suspects, lines)
    return Outcome(Status.FAILED, "\n".join(lines), {**evidence, "proof": proof}, suspects)


def _no_options(facts: Evidence, settings: Settings) -> str | None:
    return None if known_options(facts) else "the subject names no option that this check can vary"


OPTIONS = Check(
    name="agent/options-take-effect",
    title="Every hyper-parameter that the subject names changes the training.",
    explanation=(
        "An option that is accepted and never read is one of the largest classes of silent bugs. The "
        "check trains with two values so far apart that both must bind (a clip range of 0.001 and of "
        "10 over several epochs) and compares every parameter bit for bit."
    ),
    trial=vary_options,
    judge=one_trial(judge_options),
    applies=_no_options,
    requires=("agent/one-update",),
    catches=("option-ignored", "clip-missing", "old-log-prob-recomputed", "discount-hard-coded"),
)
