"""What must not matter to a trainer on preferences, its reference, and whether it learns at all."""

from __future__ import annotations

from ladders.trainers import preference_trials as trials
from ladders.trainers.preference_faults import PREFIX
from ladders.trainers.shared import (
    EXACT,
    accumulation_suspect,
    numbers,
    of_policies,
    varies,
)
from ladders.trainers.trial_pairs import GRADIENT_TOLERANCE, close
from rlcheck.records import Check, Context, Evidence, Outcome, Status, one_trial

# --- what must not matter -------------------------------------------------------------------------


def judge_rows(evidence: Evidence, context: Context) -> Outcome:
    """The batch is the mean (or the sum) of its rows."""
    alone, together = evidence["alone"], evidence["together"]
    mean, total = sum(alone) / len(alone), sum(alone)
    if not close(evidence["reversed"], together):
        message = (
            f"the same four pairs in the opposite order give loss {evidence['reversed']:.4f}, in "
            f"order {together:.4f}; expected the same"
        )
        return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/rows-mixed": 0.9})
    if close(together, mean) or close(together, total):
        return Outcome(Status.PASSED, f"four pairs at once {together:.4f}, one by one {mean:.4f}")
    message = (
        f"four pairs in one batch have loss {together:.4f}, one by one {numbers(alone)} "
        f"(mean {mean:.4f}); a pair's loss must not depend on the lengths beside it"
    )
    return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/padding-counted": 0.8})


def judge_sides(evidence: Evidence, context: Context) -> Outcome:
    """Left or right padding, the same loss."""
    right, left = evidence["right"], evidence["left"]
    if close(left, right):
        return Outcome(Status.PASSED, f"loss {right:.4f} with padding on either side")
    message = (
        f"a tokenizer that pads on the left changes the loss from {right:.4f} to {left:.4f}; expected "
        "the same: masks or positions assume one side"
    )
    return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/padding-counted": 0.8})


def judge_pads(evidence: Evidence, context: Context) -> Outcome:
    """Positions tell what is padding, not the token."""
    own, end = evidence["own"], evidence["end"]
    if close(end, own):
        message = f"loss {own:.4f}, also where the padding token is the end-of-sequence token"
        return Outcome(Status.PASSED, message)
    message = (
        f"with a tokenizer whose padding token is its end-of-sequence token the loss is {end:.4f}, "
        f"otherwise {own:.4f}"
    )
    if evidence["reward_model"]:
        # The classification heads of transformers read the score at the last token that is not padding.
        note = (
            f"{message}: the end of an answer is taken for padding, and the token before it scored"
        )
        return Outcome(Status.PASSED, message, evidence, notes=(note,))
    message = f"{message}; expected the same: ends of answers are masked as padding"
    suspects = {f"{PREFIX}/end-of-sequence-masked": 0.8}
    return Outcome(Status.FAILED, message, evidence, suspects)


def judge_splits(evidence: Evidence, context: Context) -> Outcome:
    """One step is one step, in however many batches."""
    if evidence["size"] < 1e-7:
        message = "the gradient of the step vanishes, so its parts cannot be compared"
        return Outcome(Status.INCONCLUSIVE, message, evidence)
    off = max(evidence["distances"])
    if off < GRADIENT_TOLERANCE:
        message = "4 x 1, 2 x 2 and 1 x 4 (pairs x batches) give the same gradient of a step"
        return Outcome(Status.PASSED, message)
    size, count = evidence["splits"][-1]
    factor = evidence["factors"][-1]
    message = (
        f"four pairs as {count} batches of {size} give {factor:.3g} times the gradient of one batch of "
        "four; expected the same"
    )
    suspects = accumulation_suspect(PREFIX, factor, count) or {f"{PREFIX}/accumulation-wrong": 0.5}
    return Outcome(Status.FAILED, message, evidence, suspects)


ROWS = Check(
    name=f"{PREFIX}/rows-are-independent",
    title="The loss of a batch is the mean over its pairs, whatever their order and lengths.",
    explanation=(
        "Shorter sequences are padded. If padding is attended to, counted in a sum or in a denominator, "
        "or if chosen and rejected rows are split at the wrong place, a pair's loss depends on its "
        "neighbours."
    ),
    trial=trials.compare_rows,
    judge=one_trial(judge_rows),
    catches=(f"{PREFIX}/padding-counted", f"{PREFIX}/rows-mixed"),
)
SIDES = Check(
    name=f"{PREFIX}/padding-side-does-not-matter",
    title="A tokenizer that pads on the left gives the same loss as one that pads on the right.",
    explanation="Position ids and masks have to follow the padding, or one side is silently wrong.",
    trial=trials.compare_sides,
    judge=one_trial(judge_sides),
    catches=(f"{PREFIX}/padding-counted",),
)


PADS = Check(
    name=f"{PREFIX}/padding-token-may-be-the-end",
    title="A tokenizer that pads with its end-of-sequence token gives the same loss.",
    explanation=(
        "Many tokenizers have no padding token of their own. A mask made by comparing tokens with the "
        "padding token then hides the end of every answer, and the policy never learns to stop. Reward "
        "models of transformers read the score one token early in this case; that is noted."
    ),
    trial=trials.compare_pads,
    judge=one_trial(judge_pads),
    requires=(ROWS.name,),
    catches=(f"{PREFIX}/end-of-sequence-masked",),
    references=("https://github.com/huggingface/transformers/pull/35352",),
)
SPLIT = Check(
    name=f"{PREFIX}/accumulation-changes-nothing",
    title="One step over four pairs has one gradient, in one batch or accumulated over several.",
    explanation=(
        "The loss of a micro-batch has to be divided by the number of micro-batches exactly once. "
        "Divided twice the learning rate shrinks silently; not at all, it grows."
    ),
    trial=trials.compare_splits,
    judge=one_trial(judge_splits),
    applies=varies("per_device_train_batch_size", "gradient_accumulation_steps", "max_steps"),
    # A reference that moves, or rows that leak, change accumulated gradients as well.
    requires=(ROWS.name, f"{PREFIX}/reference-never-changes"),
    catches=(f"{PREFIX}/accumulation-divided-twice", f"{PREFIX}/accumulation-not-divided"),
)


# --- the reference, dropout, beta, learning -------------------------------------------------------


def judge_reference(evidence: Evidence, context: Context) -> Outcome:
    """After training, the loss is still relative to the model of the beginning."""
    matching = [key for key in evidence["matching"] if key in evidence["to_first"]]
    if not matching:
        message = "its loss is that of no known semantics, so its reference cannot be told"
        return Outcome(Status.INCONCLUSIVE, message)
    key, seen = matching[0], evidence["seen"]
    if all(close(s, e) for s, e in zip(seen, evidence["to_first"][key], strict=True)):
        return Outcome(Status.PASSED, "after three steps the reference is still the first model")
    message = (
        f"after three steps the loss is {numbers(seen)}; relative to the model of the beginning it "
        f"would be {numbers(evidence['to_first'][key])}"
    )
    itself = evidence["to_itself"][key]
    trained = all(close(s, e) for s, e in zip(seen, itself, strict=True))
    share = EXACT if trained else 0.95
    return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/reference-trained": share})


REFERENCE = Check(
    name=f"{PREFIX}/reference-never-changes",
    title="The reference model is the same after training as before.",
    explanation=(
        "A reference that shares parameters with the policy, or is updated with it, follows it: margins "
        "stay near 0 and nothing holds the policy back."
    ),
    trial=trials.watch_reference,
    judge=one_trial(judge_reference),
    applies=of_policies("max_steps", "learning_rate"),
    requires=(f"{PREFIX}/loss-is-the-definition",),
    catches=(f"{PREFIX}/reference-trained",),
)


def judge_twice(evidence: Evidence, context: Context) -> Outcome:
    """No dropout while training on preferences."""
    losses = evidence["losses"]
    if all(close(loss, losses[0]) for loss in losses):
        return Outcome(
            Status.PASSED, "the same batch has the same loss three times, in training mode"
        )
    message = (
        f"the same batch in training mode has the losses {numbers(losses)}: dropout is on, so the "
        "log-ratios between policy and reference are noise even where both are the same model"
    )
    return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/dropout-on": 0.95})


DROPOUT = Check(
    name=f"{PREFIX}/loss-is-deterministic",
    title="The same batch has the same loss every time, also for a model whose config has dropout.",
    explanation=(
        "DPO compares log-probabilities of two models token by token. With dropout in one or both, "
        "their difference is noise of the size of the signal; trainers switch it off."
    ),
    trial=trials.see_twice,
    judge=one_trial(judge_twice),
    applies=of_policies(),
    catches=(f"{PREFIX}/dropout-on",),
)


def judge_beta(evidence: Evidence, context: Context) -> Outcome:
    """Beta changes the loss."""
    first, second = evidence["losses"]
    if not close(first, second):
        return Outcome(
            Status.PASSED, f"beta {evidence['betas']} gives the losses {first:.4f}, {second:.4f}"
        )
    low, high = evidence["betas"]
    message = f"beta = {low:g} and {high:g} give the same loss {first:.4f}"
    return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/beta-ignored": 0.9})


BETA = Check(
    name=f"{PREFIX}/beta-takes-effect",
    title="Another beta gives another loss.",
    explanation="beta is the price of leaving the reference; an option never read changes nothing.",
    trial=trials.vary_beta,
    judge=one_trial(judge_beta),
    applies=of_policies("beta"),
    catches=(f"{PREFIX}/beta-ignored",),
)


def judge_overfit(evidence: Evidence, context: Context) -> Outcome:
    """Twenty steps on one pair widen its margin."""
    (c0, r0), (c1, r1) = evidence["before"], evidence["after"]
    gained = (c1 - r1) - (c0 - r0)
    words = f"twenty steps on one pair change its margin, {evidence['margin']}, by {gained:+.3g}"
    if gained > 0.5:
        return Outcome(Status.PASSED, words)
    if gained < -0.1:
        message = f"{words}; expected it to grow: the model learns to prefer the rejected answer"
        return Outcome(Status.FAILED, message, evidence, {f"{PREFIX}/pair-swapped": 0.6})
    return Outcome(Status.INCONCLUSIVE, f"{words}; a larger learning rate would tell", evidence)


OVERFIT = Check(
    name=f"{PREFIX}/overfits-one-pair",
    title="Trained on one pair alone, the model comes to prefer the chosen answer.",
    explanation="The lowest rung of the ladder for preferences: the margin of a single pair must grow.",
    trial=trials.overfit,
    judge=one_trial(judge_overfit),
    applies=varies("max_steps", "learning_rate"),
    catches=(f"{PREFIX}/pair-swapped",),
)
