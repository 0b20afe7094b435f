"""The checks of a trainer on preferences: its loss and gradient against theory; all checks in order."""

from __future__ import annotations

from collections.abc import Mapping

from ladders.trainers import preference_trials as trials
from ladders.trainers import reward_semantics
from ladders.trainers.preference_faults import PREFIX
from ladders.trainers.preference_relations import (
    BETA,
    DROPOUT,
    OVERFIT,
    PADS,
    REFERENCE,
    ROWS,
    SIDES,
    SPLIT,
)
from ladders.trainers.preference_rungs import OPTIMUM
from ladders.trainers.preference_semantics import CHANGES, CORRECT
from ladders.trainers.shared import EXACT, numbers, of_policies
from ladders.trainers.trial_pairs import GRADIENT_TOLERANCE, close
from rlcheck.records import Check, Context, Evidence, Outcome, Status, one_trial

LOG_2 = 0.6931471805599453
PARTLY = 0.3


def _fault_of(key: str) -> str:
    return key.partition(" | ")[0]


def _named(keys: list[str], share: float = EXACT) -> dict[str, float]:
    faults = list(dict.fromkeys(_fault_of(key) for key in keys))
    return {f"{PREFIX}/{fault}": share / len(faults) for fault in faults if fault != CORRECT}


def _usual(evidence: Evidence) -> list[float]:
    return next(iter(evidence["predicted"].values()))


# --- value and gradient ---------------------------------------------------------------------------


def judge_start(evidence: Evidence, context: Context) -> Outcome:
    """At policy = reference every margin is 0."""
    for variant, value in evidence["start_expected"].items():
        if all(close(loss, value) for loss in evidence["start"]):
            message = f"loss {value:.4f} where policy and reference are equal ({variant})"
            return Outcome(Status.PASSED, message)
    if evidence["beyond"]:
        return _unknown(evidence)
    message = (
        f"policy and reference are the same model, so every margin is 0 and the loss is "
        f"log 2 = {LOG_2:.4f}; got {numbers(evidence['start'])}"
    )
    return Outcome(Status.FAILED, message, evidence, _explaining(evidence))


def _unknown(evidence: Evidence) -> Outcome:
    settings = ", ".join(evidence["beyond"])
    message = f"its loss is none that rlcheck knows, as it is configured with {settings}"
    return Outcome(Status.INCONCLUSIVE, message, evidence)


def judge_loss(evidence: Evidence, context: Context) -> Outcome:
    """The loss of every batch is that of a published loss."""
    right = [key for key in evidence["matching"] if _fault_of(key) == CORRECT]
    if right:
        variant = right[0].partition(" | ")[2]
        usual = next(iter(evidence["predicted"]))
        notes = () if right[0] == usual else (f"its loss is the variant: {variant}",)
        message = f"{len(evidence['seen'])} batches: the loss is {variant}, exactly"
        return Outcome(Status.PASSED, message, notes=notes)
    if evidence.get("beyond") and not evidence["matching"]:
        return _unknown(evidence)
    settings = ", ".join(dict.fromkeys(filter(None, evidence["settings"])))
    message = (
        f"expected {numbers(_usual(evidence))} for {len(evidence['seen'])} batches, by float64 over "
        f"single sequences without padding{settings and f' ({settings})'}; got "
        f"{numbers(evidence['seen'])}"
    )
    suspects = _explaining(evidence)
    proof = {f"{PREFIX}/{_fault_of(k)}": _proof(evidence, k) for k in evidence["matching"]}
    shown = {**evidence, "expected": _usual(evidence), "got": evidence["seen"], "proof": proof}
    return Outcome(Status.FAILED, message, shown, suspects)


def _explaining(evidence: Evidence) -> dict[str, float]:
    """Faults that predict the losses, gradients included; else those whose gradient fits."""
    matching, errors = evidence["matching"], evidence["gradient_errors"]
    if not matching and evidence.get("by_setting"):
        return _by_setting(evidence["by_setting"])
    fitting = [key for key in errors if errors[key] < GRADIENT_TOLERANCE]
    both = [key for key in matching if key in fitting]
    if both or matching:
        return _named(both or matching)
    return _named(fitting, PARTLY)


def _by_setting(matching: Mapping[str, list[str]]) -> dict[str, float]:
    """Several mistakes at once: those that explain the plain loss, or else each setting by itself."""
    plain, *others = matching.values()
    if not any(_fault_of(key) == CORRECT for key in plain):
        return _named(plain, 0.9)
    wrong = [keys for keys in others if not any(_fault_of(key) == CORRECT for key in keys)]
    found = [_named(keys, 0.9 / len(wrong)) for keys in wrong]
    return {fault: share for each in found for fault, share in each.items()}


def _proof(evidence: Evidence, key: str) -> list[str]:
    error = evidence["gradient_errors"].get(key)
    lines = [
        f"right:           {numbers(_usual(evidence))}",
        f"with this fault: {numbers(evidence['predicted'][key])}",
        f"seen:            {numbers(evidence['seen'])}",
    ]
    if error is not None:
        lines.append(f"its gradient differs from that of this fault by {error:.1e} of its norm")
    return lines


def judge_gradient(evidence: Evidence, context: Context) -> Outcome:
    """The gradient of the network is that of the loss."""
    errors: Mapping[str, float] = evidence["gradient_errors"]
    right = {k: e for k, e in errors.items() if _fault_of(k) == CORRECT}
    if right and min(right.values()) < GRADIENT_TOLERANCE:
        message = f"every parameter's gradient is right to {min(right.values()):.1e} of the norm"
        return Outcome(Status.PASSED, message)
    fitting = [k for k, error in errors.items() if error < GRADIENT_TOLERANCE]
    if evidence.get("beyond") and not fitting:
        return _unknown(evidence)
    off = (
        f"by {min(right.values()):.1e} of its norm" if right else "from that of any published loss"
    )
    message = f"the gradient of the network differs {off}; the tolerance is {GRADIENT_TOLERANCE:g}"
    return Outcome(Status.FAILED, message, evidence, _named(fitting))


LOSS_START = Check(
    name=f"{PREFIX}/loss-at-the-reference",
    title="Where policy and reference are the same model, the loss is that of margin 0: log 2 for DPO.",
    explanation=(
        "Every margin is a difference of log-ratios, and all log-ratios are 0 before the first step. A "
        "loss that is not log 2 there compares different tokens, models or modes (dropout) on the two "
        "sides (Rafailov et al. 2023, eq. 7)."
    ),
    trial=trials.compare,
    judge=one_trial(judge_start),
    applies=of_policies(),
    catches=(f"{PREFIX}/reference-ignored", f"{PREFIX}/dropout-on"),
)
LOSS = Check(
    name=f"{PREFIX}/loss-is-the-definition",
    title="With a model away from where it started, the loss of ragged batches is the published one.",
    explanation=(
        "rlcheck computes log-probabilities of every answer by itself (for a reward model its score at "
        "every token), one sequence at a time, without padding and in float64, and from them the "
        "published losses (sigmoid, IPO, hinge, with sums or means over tokens; for a reward model "
        "Bradley-Terry, with margins and centred scores where the trainer documents them) and those of "
        "every known mistake. The trainer's loss must equal one of the published ones; if it equals that "
        "of a mistake, the mistake is named."
    ),
    trial=trials.compare,
    judge=one_trial(judge_loss),
    catches=tuple(
        f"{PREFIX}/{name}"
        for name in dict.fromkeys([*CHANGES, *(name for name, *_ in reward_semantics.CHANGES)])
    ),
)
GRADIENT = Check(
    name=f"{PREFIX}/gradient-is-the-definition",
    title="The gradient of every parameter is that of the loss.",
    explanation=(
        "A loss can have the right value and the wrong gradient: one side detached, a score recomputed "
        "without graph. The derivative by each token's log-probability is known in closed form, and "
        "back-propagated through rlcheck's own copy of the network."
    ),
    trial=trials.compare,
    judge=one_trial(judge_gradient),
    catches=(f"{PREFIX}/rejected-without-gradient", f"{PREFIX}/chosen-without-gradient"),
)


CHECKS = (
    LOSS_START, LOSS, GRADIENT, ROWS, SIDES, PADS, REFERENCE, SPLIT, DROPOUT, BETA, OVERFIT, OPTIMUM,
)  # fmt: skip
