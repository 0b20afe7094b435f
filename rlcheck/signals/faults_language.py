"""Pathologies of reinforcement learning and preference optimisation of language models."""

from __future__ import annotations

from rlcheck.signals.faults import fault

_GRPO_BIAS = "https://arxiv.org/abs/2503.20783"

NO_SIGNAL = fault(
    "zero-signal-groups",
    "All responses of a group get the same reward: there is no signal.",
    "Advantages relative to the group are 0 where its rewards are equal. That is so for (almost) "
    "all groups, though the success rate says that groups should be mixed: of G independent "
    "responses with success rate p all agree with probability p^G + (1 - p)^G. Either the "
    "responses of a group are copies of each other, or rewards are grouped wrongly, or every "
    "prompt is too easy or too hard.",
    "Look at the responses of one group: if they are identical, the sampler has a fixed seed or "
    "temperature 0. If not, check that a group holds the responses to one prompt; then choose "
    "prompts of medium difficulty.",
    "The seed and temperature handed to the sampler; the layout of rewards when they are grouped.",
    "https://github.com/volcengine/verl/commit/3f6cd4792604",
    "https://arxiv.org/abs/2503.14476",
)
LENGTH_BIAS = fault(
    "length-bias",
    "Responses without reward grow longer and longer.",
    "Lengths grow while the reward does not, most of all among wrong responses. Dividing each "
    "response's loss by its own length makes a long wrong response cheap.",
    "Divide by a constant, or by the number of tokens of the batch, instead of each response's "
    "length.",
    "The aggregation of token losses.",
    _GRPO_BIAS,
    "https://github.com/NovaSky-AI/SkyRL/issues/1305",
)
SAMPLER_MISMATCH = fault(
    "sampler-trainer-mismatch",
    "The sampler and the trainer do not agree on the policy.",
    "Log-probabilities of the same tokens differ between the engine that sampled them and the "
    "trainer by more than rounding explains. What is taken for on-policy data is not, and the "
    "gradient is biased.",
    "Send the weights to the sampler after every update and empty its caches; use the same "
    "temperature, top-p and masks on both sides, and the same precision, at least in the last "
    "layer.",
    "The synchronisation of weights, the sampling parameters, the precision.",
    "https://github.com/PrimeIntellect-ai/prime-rl/commit/e67022bb3b43",
    "https://github.com/huggingface/trl/commit/04f659737735",
)
KL_FLAT_REWARD = fault(
    "kl-without-reward",
    "The policy drifts away from the reference and gains nothing by it.",
    "The divergence from the reference model keeps growing while the reward is flat. What the "
    "policy spends on being different no longer buys reward; fluency and knowledge go first.",
    "Raise the coefficient of the divergence, lower the learning rate, or stop here.",
    "The penalty's coefficient, its sign and its estimator.",
    "https://arxiv.org/abs/2210.10760",
    "https://github.com/pytorch/rl/commit/96c30032231c",
)
DISPLACEMENT = fault(
    "likelihood-displacement",
    "The chosen responses become unlikely along with the rejected ones.",
    "The margin grows because the rejected responses fall faster, and the chosen ones fall "
    "strongly too. Probability moves to responses that nobody asked for.",
    "Add a term for the likelihood of the chosen responses, drop pairs that are almost the same, "
    "raise beta, lower the learning rate.",
    "The loss (a term on the chosen response is missing), or pairs with little difference.",
    "https://arxiv.org/abs/2410.08847",
    "https://arxiv.org/abs/2502.07599",
)
STUCK_AT_LOG2 = fault(
    "stuck-at-log-2",
    "The preference loss stays at log 2: policy and reference are the same.",
    "log 2 = 0.6931 is the loss at a margin of 0. The policy does not move away from the "
    "reference: nothing is trained, or the reference moves along.",
    "Check that parameters require gradients, that the learning rate is not 0 or lost in the "
    "precision of the weights (bfloat16 with 1e-7), and that the reference is a frozen copy and "
    "not the same object.",
    "The optimiser's parameters, the adapter, how the reference model is made.",
    "https://github.com/huggingface/trl/commit/9ff79a65e3d1",
)
