"""Faults in how the policy is improved: surrogate losses, log-probabilities, exploration, critic."""

from __future__ import annotations

from rlcheck.records import Fault

_PPO = "https://arxiv.org/abs/1707.06347"
_GAE = "https://arxiv.org/abs/1506.02438"
_A3C = "https://arxiv.org/abs/1602.01783"
_SAC = "https://arxiv.org/abs/1801.01290"
_DQN = "https://arxiv.org/abs/1312.5602"
_IMPLEMENTATION_MATTERS = "https://arxiv.org/abs/2005.12729"

_LOSSES = (
    Fault(
        name="advantage-sign-flipped",
        title="The policy is pushed away from good actions and towards bad ones.",
        explanation=(
            "The sign of the advantage, or of the whole policy loss, is wrong, so the optimiser "
            "descends where it should climb. Values are right, the policy takes the worst action "
            "by its own estimate, and the return sinks below random play within a few updates."
        ),
        fix=(
            "Minimise -mean(log pi(a | s) * A) with A = return - V(s), or for PPO "
            "-mean(min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A)). For SAC minimise "
            "alpha * log pi - Q."
        ),
        where="The sign in front of the surrogate, and the order of the difference in A.",
        references=(
            "https://github.com/takuseno/d3rlpy/commit/b4f3d46d1f06",
            "https://github.com/yandexdataschool/Practical_RL/issues/248",
            _GAE,
        ),
    ),
    Fault(
        name="no-policy-gradient",
        title="The policy loss sends no gradient to the policy.",
        explanation=(
            "The graph between the loss and the actor is cut: log-probabilities are detached, "
            "rebuilt from plain numbers, or the actor's parameters are in no optimiser. The critic "
            "learns and its loss falls, while the policy stays as it was initialised and the "
            "return stays flat."
        ),
        fix=(
            "Recompute log pi(a | s) from the stored actions with gradient on, and hand the "
            "actor's parameters to the optimiser that steps; after one update each must differ."
        ),
        where=(
            "`detach`, `no_grad`, `.item()` or `torch.tensor(...)` on log-probabilities, and the "
            "list of parameters in the optimiser's constructor."
        ),
        references=(
            "https://github.com/Quantum-Cheese/DeepReinforcementLearning_Pytorch/issues/1",
            "https://github.com/alexhernandezgarcia/gflownet/pull/251",
            "https://github.com/leggedrobotics/rsl_rl/commit/750e84566d91",
            _A3C,
        ),
    ),
    Fault(
        name="advantage-not-detached",
        title="The policy loss trains the critic, through the advantages.",
        explanation=(
            "The advantage return - V(s) keeps its graph, so the gradient of -log pi(a|s) A reaches "
            "the critic: V(s) is pushed down by log pi of whatever was done, beside its own loss. "
            "Values drift off the more the less likely actions are; with a small learning rate the "
            "agent may still learn, only worse."
        ),
        fix=(
            "Detach the advantages, or compute them without a graph while collecting; the critic "
            "learns from its own loss alone."
        ),
        where="The line of the policy loss: `advantages.detach()` is missing there or above it.",
        references=(
            "https://github.com/astariul/encode-attend-navigate-pytorch/issues/2",
            "https://github.com/keras-team/keras-io/issues/194",
            _A3C,
        ),
    ),
    Fault(
        name="entropy-sign-flipped",
        title="The entropy bonus is a penalty.",
        explanation=(
            "Entropy enters the loss with the wrong sign, so the policy is paid for being certain. "
            "It collapses onto one action early, before it knows which one is good, and a larger "
            "coefficient makes that faster. Entropy falls to 0 in the first updates."
        ),
        fix=(
            "Subtract the bonus from the loss that is minimised: loss = policy_loss - "
            "entropy_coef * entropy, with entropy = -sum_a pi(a) log pi(a) >= 0; where there is no "
            "closed form, -log pi(a) estimates it."
        ),
        where="The line that adds up the losses, and a variable that already holds -entropy.",
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/8f9aaaebe990",
            "https://github.com/rlworkgroup/garage/issues/628",
            "https://github.com/google-deepmind/open_spiel/issues/962",
            "https://github.com/google-deepmind/rlax/commit/dd7fb8b5450a",
            _A3C,
        ),
    ),
    Fault(
        name="old-log-prob-recomputed",
        title="The old log-probabilities are recomputed, so the ratio is always 1.",
        explanation=(
            "The denominator of the ratio follows the current policy instead of the one that "
            "acted. The ratio never leaves 1, clipping never acts, and several epochs over one "
            "batch take steps of unlimited size. Clip fraction and approximate KL are logged as 0; "
            "the return rises and then collapses."
        ),
        fix=(
            "Store log pi(a | s) when the action is taken, keep it fixed for all epochs, and use "
            "ratio = exp(log_prob_new - log_prob_stored)."
        ),
        where="The update loop: `old_log_prob` computed inside it, or set to the detached new one.",
        references=(
            "https://github.com/PrimeIntellect-ai/prime-rl/commit/413cf0d1d8ec",
            "https://github.com/tensorforce/tensorforce/issues/312",
            _PPO,
        ),
    ),
    Fault(
        name="ratio-inverted",
        title="The importance ratio is old over new instead of new over old.",
        explanation=(
            "With ratio = pi_old / pi_new the gradient of ratio * A points away from good actions: "
            "the policy is pushed downhill, as with a flipped sign of the advantage. The return "
            "sinks below random play, and the clip fraction rises early in each update."
        ),
        fix="ratio = exp(log_prob_new - log_prob_old); check the order where both are negated.",
        where="The exponent of the ratio in the PPO loss, or the arguments given to V-trace.",
        references=(
            "https://github.com/ray-project/ray/issues/4338",
            _PPO,
        ),
    ),
    Fault(
        name="clip-missing",
        title="The PPO surrogate is not clipped, or the clip never acts.",
        explanation=(
            "Nothing stops an update once the policy has moved far from the one that collected the "
            "data. With several epochs the steps are too large: approximate KL shoots up, and the "
            "return collapses from time to time or for good. Results depend on the clip range not "
            "at all."
        ),
        fix=(
            "loss = -mean(min(ratio * A, clip(ratio, 1 - eps, 1 + eps) * A)), the minimum taken "
            "after multiplying by A."
        ),
        where="The PPO loss: a clipped ratio computed and not used, or the minimum of the ratios.",
        references=(
            "https://github.com/takuseno/ppo/issues/3",
            "https://github.com/tensorforce/tensorforce/issues/106",
            _PPO,
            _IMPLEMENTATION_MATTERS,
        ),
    ),
    Fault(
        name="tanh-correction-missing",
        title="The log-probability of a squashed action lacks the tanh correction.",
        explanation=(
            "With a = tanh(u) the density changes by the slope of tanh. Without that term the "
            "log-probability is wrong most of all near the bounds, entropy seems higher there than "
            "it is, and the temperature is tuned towards a false target. Actions saturate at the "
            "bounds, or the temperature runs away."
        ),
        fix=(
            "log pi(a | s) = log N(u) - sum_i log(1 - tanh(u_i)^2), with u the sample before "
            "tanh; stable form of the term: 2 * (log 2 - u - softplus(-2u))."
        ),
        where=(
            "The log-probability of the squashed Gaussian, on both sides of a ratio, and the "
            "scaled action used in place of tanh(u)."
        ),
        references=(
            "https://github.com/automl/Mighty/pull/118",
            "https://github.com/ray-project/ray/issues/14878",
            "https://github.com/cpnota/autonomous-learning-library/issues/139",
            _SAC,
        ),
    ),
)

_LEARNING = (
    Fault(
        name="critic-not-trained",
        title="The critic is never trained, or not on the targets it should fit.",
        explanation=(
            "The value loss reaches no parameter: it is not part of the loss, its parameters are "
            "in no optimiser, or its target is its own prediction. Advantages then keep the noise "
            "of whole returns, and bootstrapped targets are random. Explained variance stays at or "
            "below 0 and learning is slow, noisy or absent."
        ),
        fix=(
            "Minimise mean((V(s) - R)^2) with R = A + V_old(s) or the TD target, without gradient "
            "through R, and give the critic's parameters to the optimiser that steps."
        ),
        where=(
            "The line that adds up the losses, the optimiser's parameter list (also after it is "
            "rebuilt), and stale returns in the rollout buffer."
        ),
        references=(
            "https://github.com/AgileRL/AgileRL/commit/40a6f2a87958",
            "https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",
            "https://github.com/huggingface/trl/pull/2453",
            _A3C,
        ),
    ),
    Fault(
        name="no-exploration",
        title="The agent hardly tries anything but its current favourite action.",
        explanation=(
            "Behaviour in training is greedy from the start: epsilon is 0 or falls at once, noise "
            "is missing, or the policy acts by its mode. What is never tried is never learned, so "
            "the agent keeps the first action that paid something. The return goes flat very "
            "early, at a level that differs between seeds."
        ),
        fix=(
            "Sample actions while training (epsilon-greedy with a schedule counted in environment "
            "steps, noise on deterministic actors, `sample` and not `mode` of the policy), and act "
            "greedily in evaluation only."
        ),
        where=(
            "The branch that chooses between a random and a greedy action, the unit of the epsilon "
            "schedule, and the `deterministic` flag."
        ),
        references=(
            "https://github.com/thu-ml/tianshou/commit/d5960cf371c5",
            "https://github.com/thu-ml/tianshou/commit/3caa3805f04e",
            "https://github.com/DLR-RM/stable-baselines3/commit/c99d65c664bf",
            _DQN,
        ),
    ),
)

POLICY: tuple[Fault, ...] = (*_LOSSES, *_LEARNING)
"""In the order in which they are to be suspected."""
