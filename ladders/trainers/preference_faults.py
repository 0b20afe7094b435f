"""Mistakes of trainers on preferences, by name; their models are in `preference_semantics`."""

from __future__ import annotations

from ladders.trainers.shared import accumulation_faults
from rlcheck.records import Fault

_TRL = "https://github.com/huggingface/trl/commit/"
_OPENRLHF = "https://github.com/OpenRLHF/OpenRLHF/commit/"
_VERL = "https://github.com/volcengine/verl/commit/"
PREFIX = "preference-trainer"
DPO = "https://arxiv.org/abs/2305.18290"


def _fault(
    name: str, title: str, explanation: str, fix: str, where: str, *references: str
) -> Fault:
    return Fault(f"{PREFIX}/{name}", title, explanation, fix, where, (*references, DPO))


FAULTS = (
    _fault(
        "pair-swapped", "chosen and rejected answers are swapped",
        "The policy is trained towards the answers that people rejected; the loss falls all the same.",
        "Score the chosen answer minus the rejected one.",
        "the data map, or the order in which the concatenated batch is split",
        "https://github.com/linkedin/Liger-Kernel/commit/15a2f58f06b1",
    ),
    _fault(
        "reference-ignored", "the reference model's log-probabilities are not subtracted",
        "Margins are those of the policy alone, so nothing ties it to where it started, and the loss "
        "does not begin at log 2.",
        "Subtract the reference's sequence log-probabilities on both sides.",
        "the loss, or a reference-free switch that is on",
    ),
    _fault(
        "reference-is-policy", "the reference's log-probabilities are the policy's own",
        "Every margin is 0, so the loss stays at log 2 and the gradient never weakens.",
        "Compute the reference with the frozen model.",
        "where reference log-probabilities are computed or cached",
    ),
    _fault(
        "reference-sign-flipped", "the reference's log-probabilities are added instead of subtracted",
        "Answers that the reference already prefers are pushed further.",
        "Use log pi - log pi_ref.", "the log-ratios of the loss",
    ),
    _fault(
        "reference-trained", "the reference model changes during training",
        "It follows the policy, so the penalty for leaving it vanishes.",
        "Copy the model, freeze the copy, and keep it out of the optimiser.",
        "where the reference is made (the same object, shared parameters, a synchronisation)",
    ),
    _fault(
        "beta-missing", "the margin is not multiplied by beta",
        "The loss saturates an order of magnitude too early.", "Use -log sigmoid(beta * margin).",
        "the loss",
    ),
    _fault(
        "beta-squared", "the margin is multiplied by beta twice",
        "With beta = 0.1 the pull to the reference is ten times too strong.",
        "Multiply by beta once.", "the loss and the rewards that it is computed from",
    ),
    _fault(
        "beta-inverted", "the margin is divided by beta",
        "A larger beta holds the policy back less instead of more.", "Multiply by beta.", "the loss",
        _TRL + "75de236c09bd",
    ),
    _fault(
        "beta-ignored", "beta is accepted and not used",
        "Every value trains the same policy.", "Read it where the loss is computed.",
        "the configuration, or a default that wins",
    ),
    _fault(
        "end-of-sequence-masked", "the last token of every answer is left out",
        "The end-of-sequence token is never trained, so the policy does not learn to stop.",
        "Mask by position, not by the padding id; cut exclusively.",
        "the completion mask, or a slice that is one too short",
        _TRL + "7f2ccbe3a24d", _TRL + "485852c942ae", _OPENRLHF + "37aad73eab32",
    ),
    _fault(
        "end-of-sequence-not-scored", "the score is read at the token before the last one",
        "The reward model judges answers before it has seen where they end.",
        "Read the score at the last token of the answer, found by position: where padding and "
        "end-of-sequence are one token, a search for the last other token ends too early.",
        "the index of the last token", "https://github.com/huggingface/transformers/pull/35352",
        "https://github.com/EleutherAI/gpt-neox/pull/1285",
    ),
    _fault(
        "padding-scored", "the score of shorter answers is read at a position of padding",
        "An answer's score depends on the longest answer beside it.",
        "Read the score at attention_mask.sum(1) - 1.", "scores[:, -1], or an index that is one too far",
        "https://github.com/EleutherAI/gpt-neox/pull/1285",
    ),
    _fault(
        "first-token-scored", "the score is read at the first token",
        "Both answers to a prompt have one score, which has seen neither.",
        "Read the score at the last token.", "the head of an encoder on a decoder",
    ),
    _fault(
        "margin-ignored", "margins in the data are not subtracted",
        "Pairs that people judged to be far apart count like all others.",
        "Use -log sigmoid(chosen - rejected - margin).", "the collator, or the loss",
        "https://arxiv.org/abs/2307.09288",
    ),
    _fault(
        "margin-sign-flipped", "margins in the data are added",
        "The farther apart people judged a pair, the less the scores have to differ.",
        "Use -log sigmoid(chosen - rejected - margin).", "the loss",
        "https://arxiv.org/abs/2307.09288",
    ),
    _fault(
        "centring-ignored", "the coefficient that centres scores is accepted and not used",
        "Scores drift freely.", "Add coefficient * mean((chosen + rejected)^2).",
        "the configuration, or the loss", "https://arxiv.org/abs/2312.09244",
    ),
    _fault(
        "centring-sign-flipped", "the term that centres scores is subtracted",
        "Scores are driven away from 0, without bound.",
        "Add coefficient * mean((chosen + rejected)^2).", "the loss", "https://arxiv.org/abs/2312.09244",
    ),
    _fault(
        "differences-centred", "differences of scores are drawn to 0 instead of their sums",
        "The penalty works against the preferences themselves, and scores drift freely.",
        "Add coefficient * mean((chosen + rejected)^2).", "the loss", "https://arxiv.org/abs/2312.09244",
    ),
    _fault(
        "logarithm-missing", "the probability of the preference is maximised instead of its logarithm",
        "Pairs that the model judges wrong with confidence hardly count.",
        "Use -log sigmoid(chosen - rejected).", "the loss",
    ),
    _fault(
        "first-token-masked", "the first token of every answer is left out",
        "The mask is not shifted together with the labels.",
        "Drop the first position of mask and labels alike: mask[:, 1:].",
        "where labels are shifted", _VERL + "2d6c6dbb39bf", _TRL + "18f187db1625",
    ),
    _fault(
        "mask-late", "the mask of the answer sits one token too late",
        "The first token of every answer is never trained, the padding behind it is.",
        "Shift mask and labels by the same amount: mask[:, 1:] with tokens[:, 1:].",
        "where labels are shifted", _VERL + "2d6c6dbb39bf",
    ),
    _fault(
        "logits-not-shifted", "a token's probability is read from the logits after it",
        "The model is scored for what it says once it has seen the token.",
        "Pair logits[:, :-1] with tokens[:, 1:].", "the gather of log-probabilities",
    ),
    _fault(
        "batch-summed", "losses of a batch are added up instead of averaged",
        "The learning rate grows with the batch size.", "Average over pairs.",
        "the last line of the loss",
    ),
    _fault(
        "loss-halved", "the mean runs over both halves of the concatenated batch",
        "Half of the learning rate is lost.", "Divide by the number of pairs.",
        "the last line of the loss",
    ),
    _fault(
        "loss-negated", "the sign of the loss is flipped",
        "Training makes the chosen answers less probable.", "Minimise -log sigmoid(beta * margin).",
        "the last line of the loss",
        "https://github.com/linkedin/Liger-Kernel/commit/15a2f58f06b1",
    ),
    _fault(
        "rejected-without-gradient", "the rejected answers get no gradient",
        "The policy only imitates the chosen answers.", "Compute both sides with gradient.",
        "a no_grad block or detach around the rejected half",
    ),
    _fault(
        "chosen-without-gradient", "the chosen answers get no gradient",
        "The policy only avoids the rejected answers.", "Compute both sides with gradient.",
        "a no_grad block or detach around the chosen half",
    ),
    _fault(
        "prompt-in-average", "the prompt counts in the mean over tokens",
        "Answers to long prompts weigh less.", "Average over the answer's tokens.",
        "the mask of the sequence score", _TRL + "88ad1a099ce7",
    ),
    _fault(
        "prompt-in-rejected", "the prompt counts on the rejected side only",
        "The policy is taught to find the prompt improbable.",
        "Mask the prompt in both halves of the batch.",
        "prompt lengths that are known for the chosen half alone", _OPENRLHF + "6106fb22f183",
    ),
    _fault(
        "padded-length-denominator", "means divide by the padded length",
        "A pair's loss depends on the longest sequence beside it.", "Divide by the mask's sum.",
        "the mean over tokens",
    ),
    _fault(
        "padding-counted", "padding is attended to or counted",
        "A pair's loss depends on the lengths of the pairs beside it, or on the padding side.",
        "Pass the attention mask and position ids, and mask padding by position.",
        "the collator and the forward pass", _TRL + "bbdd6db17c49", _TRL + "57aebe9c3602",
        _OPENRLHF + "1e69ccd3e2f6",
    ),
    _fault(
        "rows-mixed", "chosen and rejected rows of different pairs are compared",
        "Margins are taken between answers to different prompts.",
        "Split the concatenated batch as it was put together.", "the split of the concatenated batch",
    ),
    *accumulation_faults(
        PREFIX, items="pairs",
        not_divided=(_TRL + "40c238395e34", _TRL + "d14f7f3eb274"),
        wrong="https://github.com/allenai/open-instruct/commit/48664c50478d", paper=DPO,
    ),
    _fault(
        "dropout-on", "dropout is active while log-ratios are computed",
        "Policy and reference differ by noise even where they are the same model.",
        "Disable dropout in both models.", "the trainer's set-up", _TRL + "3bbe7e0407f9",
    ),
)  # fmt: skip
