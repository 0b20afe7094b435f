"""The checks of a trainer that samples its own completions: judges of what `rollout_trials` measured."""

from __future__ import annotations

from ladders.trainers import group_semantics
from ladders.trainers import rollout_trials as trials
from ladders.trainers.rollout_rungs import REST, UPDATE
from ladders.trainers.rollout_semantics import CHANGES, CORRECT
from ladders.trainers.shared import EXACT, accumulation_suspect, varies
from rlcheck.records import Check, Context, Evidence, Outcome, Status, one_trial

PREFIX = "rl-trainer"
REFERENCE_TOLERANCE = 1e-3


def _fault(name: str) -> str:
    return f"{PREFIX}/{name}"


# --- advantages -----------------------------------------------------------------------------------


def judge_rewards(evidence: Evidence, context: Context) -> Outcome:
    """What is trained on is what was scored, in whole groups."""
    if evidence["strangers"]:
        message = (
            f"{len(evidence['strangers'])} completions are trained on that the reward function never "
            f"saw with their prompt, such as the tokens {evidence['strangers'][0]}"
        )
        return Outcome(Status.FAILED, message, evidence, {_fault("completions-mixed-up"): 0.9})
    if not evidence["regular"]:
        sizes = [len(group) for group in evidence["groups"]]
        message = f"prompts were answered {sizes} times; expected the same number for each"
        return Outcome(Status.FAILED, message, evidence, {_fault("completions-mixed-up"): 0.6})
    count = sum(len(group) for group in evidence["groups"])
    return Outcome(
        Status.PASSED, f"{count} completions, each with the prompt that it was scored for"
    )


def judge_advantages(evidence: Evidence, context: Context) -> Outcome:
    """The advantages are a published function of the rewards of each group."""
    right = [name for name in evidence["fitting"] if name in group_semantics.VARIANTS]
    usual = next(iter(group_semantics.VARIANTS))
    if right:
        notes = () if usual in right else (f"advantages are {right[0]}",)
        message = f"advantages of {len(evidence['advantages'])} completions: {right[0]}, exactly"
        return Outcome(Status.PASSED, message, notes=notes)
    if "expected" not in evidence:
        message = "advantages are not one number a completion, so they cannot be compared"
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    shown = ", ".join(f"{value:.3f}" for value in evidence["advantages"][:4])
    wanted = ", ".join(f"{value:.3f}" for value in evidence["expected"][:4])
    message = (
        f"expected the rewards minus the mean of their group, over its standard deviation: {wanted}, "
        f"...; got {shown}, ..."
    )
    suspects = {_fault(name): EXACT / len(evidence["fitting"]) for name in evidence["fitting"]}
    shown_evidence = {**evidence, "got": evidence["advantages"]}
    return Outcome(Status.FAILED, message, shown_evidence, suspects)


REWARDS = Check(
    name=f"{PREFIX}/rewards-reach-their-completions",
    title="Every completion is trained on with the prompt that it was sampled and scored for.",
    explanation=(
        "Sampling, scoring and training each put the batch in an order of their own. The reward "
        "function of this check is ours and notes every (prompt, completion) that it saw."
    ),
    trial=trials.compare,
    judge=one_trial(judge_rewards),
    catches=(_fault("completions-mixed-up"),),
)
ADVANTAGES = Check(
    name=f"{PREFIX}/advantages-are-the-definition",
    title="Advantages are the published function of the rewards of each group.",
    explanation=(
        "A_i = (r_i - mean) / (std + eps) over the completions of one prompt (Shao et al. 2024), or a "
        "declared variant: centred only, leave-one-out, scaled by the batch. Rewards differ much more "
        "between prompts than within, so a baseline over the wrong completions shows at once."
    ),
    trial=trials.compare,
    judge=one_trial(judge_advantages),
    requires=(REWARDS.name,),
    catches=tuple(_fault(name) for name in group_semantics.FAULTS),
)


# --- loss and gradient ----------------------------------------------------------------------------


def _fits(evidence: Evidence) -> list[str]:
    errors = evidence["gradient_errors"]
    return [key for key in errors if errors[key] < trials.GRADIENT_TOLERANCE]


def _name(key: str) -> str:
    return key.partition(" | ")[0]


def judge_loss(evidence: Evidence, context: Context) -> Outcome:
    """Value and gradient are those of a published loss."""
    fits = _fits(evidence)
    right = [key for key in fits if _name(key) == CORRECT]
    if right:
        variant = right[0].partition(" | ")[2]
        message = f"loss and gradient are exactly those of: {variant}"
        return Outcome(Status.PASSED, message, notes=(f"its loss: {variant}",))
    if evidence["beyond"] and not fits:
        settings = ", ".join(evidence["beyond"])
        message = f"its loss is none that rlcheck knows, as it is configured with {settings}"
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    usual = next(iter(evidence["predicted"]))
    message = (
        f"the loss of sixteen completions, {evidence['clipped']:.0%} of their tokens beyond the clip "
        f"range, is {evidence['loss']:.5f}; no published loss has this value and its gradient (the "
        f"{usual.partition(' | ')[2]} is {evidence['predicted'][usual]:.5f})"
    )
    faults = list(dict.fromkeys(_name(key) for key in fits)) or list(
        dict.fromkeys(_name(k) for k in evidence["matching"] if _name(k) != CORRECT)
    )
    share = EXACT if fits else 0.4
    suspects = {_fault(name): share / len(faults) for name in faults}
    proof = {
        _fault(_name(key)): [
            f"with this fault the loss is {evidence['predicted'][key]:.5f}, seen {evidence['loss']:.5f}",
            f"its gradient differs from that of this fault by {evidence['gradient_errors'][key]:.1e} "
            "of its norm",
        ]
        for key in fits
    }
    return Outcome(Status.FAILED, message, {**evidence, "proof": proof}, suspects)


LOSS = Check(
    name=f"{PREFIX}/loss-is-the-definition",
    title="With a policy away from the one that sampled, loss and gradient are the published ones.",
    explanation=(
        "rlcheck moves the policy until about a third of the ratios leave the clip range, computes every "
        "token's log-probability by itself, one sequence at a time, and from them the published losses "
        "(ratio of a token, a sequence, a product; three ways to add up; the estimators of the KL) and "
        "those of every known mistake. The trainer's loss, and the gradient of every parameter, must "
        "equal a published one."
    ),
    trial=trials.compare,
    judge=one_trial(judge_loss),
    requires=(REWARDS.name,),
    catches=tuple(dict.fromkeys(_fault(name) for name, _ in CHANGES)),
)


# --- what must not matter -------------------------------------------------------------------------


def judge_padding(evidence: Evidence, context: Context) -> Outcome:
    """More padding, the same loss."""
    before, after = evidence["as_it_is"], evidence["wider"]
    if trials.close(after, before):
        return Outcome(Status.PASSED, f"loss {before:.5f}, with three more columns of padding too")
    message = (
        f"three more columns of padding change the loss from {before:.5f} to {after:.5f}; expected no "
        "change"
    )
    return Outcome(Status.FAILED, message, evidence, {_fault("padding-counted"): 0.8})


def judge_splits(evidence: Evidence, context: Context) -> Outcome:
    """The gradient of a step does not depend on how it is split into batches."""
    if not evidence["known"]:
        return Outcome(
            Status.INCONCLUSIVE, "its loss or its advantages are none that rlcheck knows"
        )
    whole, *split = evidence["splits"]
    if whole["distance"] > trials.GRADIENT_TOLERANCE:
        message = (
            f"the first gradient of training differs by {whole['distance']:.1e} of its norm from that "
            "of the loss on what was sampled: something between them changes it"
        )
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    if all(s["distance"] < trials.GRADIENT_TOLERANCE for s in split):
        message = (
            "sixteen completions in one, two and four batches: the gradient of theory each time"
        )
        return Outcome(Status.PASSED, message)
    size, count = split[-1]["split"]
    factor = split[-1]["factor"]
    message = (
        f"sixteen completions as {count} batches of {size} give {factor:.3g} times the gradient that "
        "the loss has; expected 1"
    )
    suspects = accumulation_suspect(PREFIX, factor, count)
    if suspects is not None:
        return Outcome(Status.FAILED, message, evidence, suspects)
    if "token-mean" in evidence["semantics"]:
        # A mean over the tokens of each batch is a published choice; it depends on the split.
        note = (
            "its loss is a mean over the tokens of each batch, so it depends on how a step is split"
        )
        return Outcome(Status.PASSED, message, evidence, notes=(note,))
    return Outcome(Status.FAILED, message, evidence, {_fault("accumulation-wrong"): 0.6})


def judge_reference(evidence: Evidence, context: Context) -> Outcome:
    """The reference is the first model."""
    if not evidence["stored"]:
        return Outcome(Status.SKIPPED, "its batches hold no log-probabilities of a reference")
    off = evidence["off"]
    if off["first"] < REFERENCE_TOLERANCE:
        return Outcome(Status.PASSED, "after three steps the reference is still the first model")
    trained = off["current"] < REFERENCE_TOLERANCE
    message = (
        f"after three steps the log-probabilities of the reference differ by up to {off['first']:.3g} "
        f"from those of the first model{' and equal those of the policy' if trained else ''}"
    )
    share = EXACT if trained else 0.9
    return Outcome(Status.FAILED, message, evidence, {_fault("reference-trained"): share})


def judge_overfit(evidence: Evidence, context: Context) -> Outcome:
    """A rewarded token becomes more probable."""
    before, after = evidence["before"], evidence["after"]
    words = (
        f"one first token is rewarded: its probability goes from {before:.3f} to {after:.3f} within "
        f"{trials.OVERFIT_STEPS} steps, rewards from {evidence['first_rewards']:.2f} to "
        f"{evidence['last_rewards']:.2f}"
    )
    if after > 2 * before:
        return Outcome(Status.PASSED, words)
    if after < 0.5 * before:
        message = f"{words}; expected it to grow"
        return Outcome(Status.FAILED, message, evidence, {_fault("policy-gradient-negated"): 0.5})
    return Outcome(Status.INCONCLUSIVE, f"{words}; more steps would tell", evidence)


PADDING = Check(
    name=f"{PREFIX}/padding-does-not-matter",
    title="More columns of padding behind the completions leave the loss as it is.",
    explanation="Denominators that count padding make the loss depend on the longest completion.",
    trial=trials.pad_more,
    judge=one_trial(judge_padding),
    requires=(REWARDS.name,),
    catches=(_fault("padding-counted"), _fault("padded-length-denominator")),
)
REFERENCE = Check(
    name=f"{PREFIX}/reference-never-changes",
    title="The reference's log-probabilities are those of the first model, after training too.",
    explanation="A reference that follows the policy makes the KL vanish.",
    trial=trials.watch_reference,
    judge=one_trial(judge_reference),
    applies=varies("max_steps", "learning_rate", "beta"),
    catches=(_fault("reference-trained"),),
)
SPLIT = Check(
    name=f"{PREFIX}/accumulation-changes-nothing",
    title="One step over sixteen completions has the gradient of theory, in however many batches.",
    explanation="The loss of a micro-batch is divided by the number of micro-batches exactly once.",
    trial=trials.compare_splits,
    judge=one_trial(judge_splits),
    applies=varies("per_device_train_batch_size", "gradient_accumulation_steps", "max_steps"),
    requires=(LOSS.name, ADVANTAGES.name),
    catches=(_fault("accumulation-divided-twice"), _fault("accumulation-not-divided")),
)
OVERFIT = Check(
    name=f"{PREFIX}/rewarded-answers-become-more-probable",
    title="Trained on a reward for one token, the policy comes to say it.",
    explanation="The lowest rung of the ladder for trainers that sample.",
    trial=trials.overfit,
    judge=one_trial(judge_overfit),
    applies=varies("max_steps", "learning_rate"),
    catches=(_fault("policy-gradient-negated"),),
)
CHECKS = (REWARDS, ADVANTAGES, LOSS, PADDING, REFERENCE, SPLIT, OVERFIT, UPDATE, REST)
