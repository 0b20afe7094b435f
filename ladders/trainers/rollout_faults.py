"""Mistakes of trainers that sample their own completions; models: group_semantics, rollout_semantics."""

from __future__ import annotations

from ladders.trainers.shared import accumulation_faults
from rlcheck.records import Fault

_TRL = "https://github.com/huggingface/trl/commit/"
_VERL = "https://github.com/volcengine/verl/commit/"
GRPO = "https://arxiv.org/abs/2402.03300"


def _fault(name: str, title: str, explanation: str, fix: str, where: str, *links: str) -> Fault:
    return Fault(f"rl-trainer/{name}", title, explanation, fix, where, (*links, GRPO))


_ADVANTAGES = (
    _fault(
        "completions-mixed-up", "completions are trained on with another prompt's reward",
        "Rewards reach answers that did not earn them.", "Keep prompt, completion and reward together.",
        "where batches are gathered, shuffled or split", _TRL + "9ac614fb081e",
    ),
    _fault(
        "groups-ignored", "the baseline is the mean of the whole batch",
        "Completions of easy prompts are all rewarded, those of hard ones all punished.",
        "Take mean and standard deviation over the completions of one prompt.",
        "the view that forms groups",
    ),
    _fault(
        "groups-regrouped", "groups are formed across prompts",
        "Each completion is compared with completions of other prompts.",
        "View rewards as [prompts, generations], in the order in which they were sampled.",
        "view(-1, n) where completions are not in that order, or repeat for repeat_interleave",
    ),
    _fault(
        "rewards-not-centred", "rewards are used as advantages",
        "Without a baseline every sampled token with a positive reward becomes more probable.",
        "Subtract the mean of the group.", "where advantages are made",
    ),
    _fault(
        "advantages-negated", "the sign of the advantages is flipped",
        "The policy learns to avoid what is rewarded.", "A = r - mean.", "where advantages are made",
    ),
    _fault(
        "scaled-without-centring", "rewards are divided by their spread and not centred",
        "The baseline is missing.", "Subtract the mean of the group.", "where advantages are made",
    ),
    _fault(
        "scaled-by-variance", "advantages are divided by the variance",
        "Groups with a small spread dominate.", "Divide by the standard deviation.",
        "where advantages are made",
    ),
)  # fmt: skip
_LOSS = (
    _fault(
        "policy-gradient-negated", "the sign of the policy loss is flipped",
        "Rewarded completions become less probable.", "Minimise -min(r A, clip(r) A).", "the loss",
    ),
    _fault(
        "ratio-inverted", "the ratio is old over new", "The gradient points the wrong way.",
        "exp(log_probs - old_log_probs).", "the ratio",
    ),
    _fault(
        "clip-missing", "the ratio is not clipped", "Late updates of a batch are unbounded.",
        "min(r A, clip(r, 1 - eps, 1 + eps) A).", "the loss",
    ),
    _fault(
        "clip-optimistic", "the larger of the two terms is taken",
        "The clip removes exactly the gradients that it should keep.", "Take the minimum.", "the loss",
    ),
    _fault(
        "old-log-probs-recomputed", "the old log-probabilities are the policy's own",
        "The ratio is always 1, so nothing is ever clipped and old data is treated as fresh.",
        "Keep the log-probabilities from the time of sampling.", "where a missing value is filled in",
    ),
    _fault(
        "temperature-missing", "the policy's logits are not divided by the sampling temperature",
        "The ratio compares two different distributions.", "Divide by the temperature on both sides.",
        "the forward pass of the loss", _TRL + "a236c5750f5b",
    ),
    _fault(
        "temperature-missing-on-both-sides",
        "the sampling temperature is left out of all log-probabilities",
        "The gradient is that of a policy which did not sample.", "Divide logits by the temperature.",
        "the forward pass", _TRL + "a236c5750f5b",
    ),
    _fault(
        "end-of-sequence-masked", "the last token of every completion is left out",
        "The policy never learns to stop.", "Include the first end-of-sequence token in the mask.",
        "the completion mask", "https://github.com/OpenRLHF/OpenRLHF/commit/37aad73eab32",
    ),
    _fault(
        "first-token-masked", "the first token of every completion is left out",
        "Mask and labels are shifted by different amounts.", "Shift both by one.",
        "where labels are shifted", _VERL + "2d6c6dbb39bf",
    ),
    _fault(
        "kl-sign-flipped", "the KL penalty is rewarded",
        "The policy is pushed away from its reference.", "Add beta * KL to the loss.", "the loss",
    ),
    _fault(
        "kl-missing", "the KL to the reference is configured and never charged",
        "Nothing holds the policy at its reference: it earns the reward and forgets how to speak.",
        "Add beta * KL to the loss, or subtract it from the reward before the baseline.",
        "a default of 0 that wins, or a penalty added to a copy of the rewards",
    ),
    _fault(
        "kl-direction-reversed", "the KL is that of the reference from the policy",
        "The estimator is evaluated with the roles swapped, on samples of the wrong model.",
        "k3 = exp(ref - new) - (ref - new) - 1.", "the KL term",
    ),
    _fault(
        "padded-length-denominator", "the loss is divided by the padded length",
        "A completion's weight depends on the longest one beside it.", "Divide by the mask's sum.",
        "the last lines of the loss", _TRL + "7c1fa85ad5d1",
    ),
    _fault(
        "loss-scaled-by-group", "the loss is multiplied by the group size",
        "The learning rate grows with the number of generations.", "Average over completions.",
        "the last lines of the loss",
    ),
    _fault(
        "loss-divided-by-group", "the loss is divided by the group size once more",
        "The learning rate shrinks with the number of generations.", "Average once.",
        "the last lines of the loss",
    ),
    _fault(
        "padding-counted", "padding changes the loss", "The loss depends on the longest completion.",
        "Mask padding wherever values are added up or counted.", "the mask", _TRL + "bbdd6db17c49",
    ),
    _fault(
        "reference-trained", "the reference model changes during training",
        "It follows the policy, so the KL vanishes.", "Freeze a copy.", "where the reference is made",
    ),
    *accumulation_faults(
        "rl-trainer", items="completions", not_divided=(_TRL + "d14f7f3eb274",),
        wrong=_VERL + "e160d3b2e0e0", paper=GRPO,
    ),
)  # fmt: skip

FAULTS = (*_ADVANTAGES, *_LOSS)
