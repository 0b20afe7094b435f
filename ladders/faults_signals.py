"""Faults in what passes between agent and environment: discount, rewards, observations, actions."""

from __future__ import annotations

from rlcheck.records import Fault

_DISCOUNT = "https://arxiv.org/abs/2007.02040"
_GAE = "https://arxiv.org/abs/1506.02438"
_DQN = "https://arxiv.org/abs/1312.5602"
_RAINBOW = "https://arxiv.org/abs/1710.02298"
_REWARD_SCALE = "https://arxiv.org/abs/1602.07714"
_REWARD_CENTERING = "https://arxiv.org/abs/2405.09999"
_DRQN = "https://arxiv.org/abs/1507.06527"
_SAC = "https://arxiv.org/abs/1812.05905"
_WHAT_MATTERS = "https://arxiv.org/abs/2006.05990"

_DISCOUNTS = (
    Fault(
        name="discount-ignored",
        title="Future rewards are not discounted at all.",
        explanation=(
            "The code learns with gamma = 1 whatever it was given. A late reward counts as much "
            "as an early one, so the agent dawdles, and where episodes can go on for ever the "
            "values have no finite solution. Value estimates grow without settling."
        ),
        fix=(
            "Multiply the bootstrap by the given gamma: r + gamma * (1 - terminated) * V(s'); over "
            "n steps by gamma ** n, with the n that was really taken."
        ),
        where=(
            "A target or return line without gamma, a gamma that is not passed on to the loss, or "
            "an exponent that is 0."
        ),
        references=(
            "https://github.com/takuseno/d3rlpy/issues/346",
            "https://github.com/mlaux1/rl-blox/issues/79",
            _DISCOUNT,
        ),
    ),
    Fault(
        name="discount-too-small",
        title="Learns with a discount well below the given one.",
        explanation=(
            "Rewards some steps away count next to nothing, as if the horizon were a fraction of "
            "1 / (1 - gamma). The agent takes what it can get at once. Learning is fast and "
            "stable, and the final return is too low."
        ),
        fix=(
            "Discount once per environment step with the given gamma. Look for a power that is too "
            "high (gamma ** n on a one-step target), lambda and gamma swapped, or gamma applied "
            "per frame of a frame skip."
        ),
        where=(
            "The n-step return, the arguments of the GAE function (gamma and lambda in swapped "
            "order), and frame-skip wrappers."
        ),
        references=(_RAINBOW, _GAE, _DISCOUNT),
    ),
    Fault(
        name="discount-hard-coded",
        title="A constant such as 0.99 stands where the given discount should.",
        explanation=(
            "Some part of the program uses its own constant or a default that the caller does not "
            "set, so changing gamma changes nothing there. With a given gamma close to it nothing "
            "shows; with another one the agent weighs early against late reward wrongly, and a "
            "sweep over gamma is flat."
        ),
        fix="Pass gamma explicitly from the configuration to every place that discounts.",
        where=(
            "Default arguments of the return, n-step and reward-normalisation code, such as a "
            "normalising wrapper made without the agent's gamma."
        ),
        references=(
            "https://github.com/ikostrikov/pytorch-a2c-ppo-acktr-gail/commit/532460cca513",
            "https://github.com/mlaux1/rl-blox/issues/79",
            _DISCOUNT,
        ),
    ),
    Fault(
        name="discount-applied-twice",
        title="Each step is discounted twice: gamma squared is used.",
        explanation=(
            "Two places multiply by gamma, for example the environment or the buffer and then the "
            "target. The horizon is half of what was asked for: 0.99 acts like 0.98. The agent is "
            "somewhat short-sighted, which looks like a hard task and not like a bug."
        ),
        fix=(
            "Discount in one place. If a buffer returns gamma ** n * V or already discounted "
            "returns, the loss must not multiply again."
        ),
        where=(
            "The seam between the n-step replay buffer or the environment's own discount and the "
            "target line of the critic update."
        ),
        references=(
            "https://github.com/tensorflow/agents/issues/503",
            "https://github.com/juliusfrost/dreamer-pytorch/pull/59",
            _DISCOUNT,
        ),
    ),
)

_REWARDS = (
    Fault(
        name="reward-late",
        title="Each action is paid the reward of the step before it.",
        explanation=(
            "Rewards are stored one index too late, so r_t is credited to a_{t+1}, and what an "
            "episode earns last is lost or goes to the next episode. On smooth tasks neighbouring "
            "rewards are alike and learning merely slows; where the reward comes at the end of an "
            "episode nothing is learned."
        ),
        fix=(
            "Store the reward that `step(a_t)` returned together with s_t and a_t: "
            "delta_t = r_t + gamma * V(s_{t+1}) - V(s_t) with r_t = r(s_t, a_t)."
        ),
        where=(
            "The rollout loop (the buffer's `add` before `step`, with the old reward), and slices "
            "such as rewards[:-1] against observations[1:]."
        ),
        references=(
            "https://github.com/ray-project/ray/issues/31009",
            "https://github.com/yusukeurakami/dreamer-pytorch/issues/5",
            "https://github.com/kc-ml2/SimpleDreamer/issues/6",
            _GAE,
        ),
    ),
    Fault(
        name="reward-early",
        title="Each action is paid the reward of the step after it.",
        explanation=(
            "Rewards are shifted one index to the front, so an action is credited with what the "
            "next one earned, and the first reward of an episode is lost. The agent learns to "
            "act one step too early. One-step decisions become a coin toss, while longer tasks "
            "still improve."
        ),
        fix=(
            "Pair s_t and a_t with the reward that `step(a_t)` returned; check one slice by hand "
            "with an environment that pays its own step index."
        ),
        where="Slices that align rewards with observations and values, such as rewards[1:].",
        references=(
            "https://github.com/epignatelli/navix/pull/152",
            "https://github.com/cross32768/PlaNet_PyTorch/issues/1",
            _GAE,
        ),
    ),
    Fault(
        name="reward-clipped",
        title="Learns from rewards cut to a range, to whole numbers, or to their sign.",
        explanation=(
            "Differences above the bound vanish: 3 counts as much as 1, so two small prizes beat a "
            "large one. The agent maximises the clipped sum, which rises steadily, while the true "
            "return stagnates. On Atari this is part of the published recipe; elsewhere it changes "
            "the task."
        ),
        fix=(
            "Remove the clipping, or scale instead: divide rewards by the running standard "
            "deviation of the discounted return."
        ),
        where=(
            "Reward wrappers kept from an Atari set-up, the clip range of a reward-normalising "
            "wrapper, and buffers or casts of an integer type."
        ),
        references=(
            "https://github.com/coreylynch/async-rl/issues/10",
            "https://github.com/robocin/rSoccer/issues/19",
            "https://github.com/takuseno/d3rlpy/commit/8e58d54954e9",
            _REWARD_SCALE,
        ),
    ),
    Fault(
        name="reward-sign-flipped",
        title="Rewards are counted as costs.",
        explanation=(
            "The sign of the reward is wrong before it reaches the update, so the agent learns the "
            "worst behaviour that there is, with falling losses and consistent values. The return "
            "sinks below that of random play."
        ),
        fix=(
            "Maximise the sum of what `step` returns: remove the negation, or negate costs exactly "
            "once, where they enter."
        ),
        where="Reward wrappers and cost functions, and the place where r enters the return.",
        references=(
            "https://github.com/epignatelli/navix/issues/212",
            "https://github.com/automl/DACBench/issues/137",
            "https://github.com/NVlabs/alpamayo-recipes/issues/29",
            _DQN,
        ),
    ),
    Fault(
        name="reward-mean-subtracted",
        title="The mean reward is subtracted from every reward.",
        explanation=(
            "In episodes of free length a constant added to each reward is not harmless: it pays "
            "or fines every further step. After subtracting a positive mean the agent ends "
            "episodes early, after a negative one it stays too long. On CartPole, where each "
            "reward is 1, nothing at all remains to be learned."
        ),
        fix=(
            "Scale rewards without shifting them: r / std(discounted return). Centre advantages, "
            "not rewards."
        ),
        where="A running normaliser made for observations that is applied to rewards too.",
        references=(
            "https://github.com/DLR-RM/stable-baselines3/issues/348",
            "https://github.com/hunkim/ReinforcementZeroToAll/pull/4",
            _REWARD_CENTERING,
        ),
    ),
)

_OBSERVATIONS = (
    Fault(
        name="observation-ignored",
        title="What the agent does and values does not depend on the observation.",
        explanation=(
            "The network sees a constant: an input that is zeroed, saturated, normalised away or "
            "averaged over the batch. The agent settles on the one action that is best on the "
            "whole, and the critic on the mean value. The return rises a little above random play "
            "and stays there; explained variance is about 0."
        ),
        fix=(
            "Feed the observation of the same row unchanged into policy and critic, and check that "
            "two different observations give different outputs before and after the normaliser."
        ),
        where=(
            "Preprocessing (dtype, scaling, wrong normaliser statistics), losses that broadcast "
            "[B] against [B, 1], and environments that fill observations with zeros."
        ),
        references=(
            "https://github.com/openai/gym/issues/1541",
            "https://github.com/RLinf/RLinf/pull/1568",
            "https://github.com/ugr-sail/sinergym/issues/422",
            _DRQN,
        ),
    ),
    Fault(
        name="observation-stale",
        title="The agent acts on the observation of the step before.",
        explanation=(
            "The policy sees s_{t-1} when it chooses a_t, so it reacts one step too late. Slow "
            "tasks lose some return; tasks in which each observation calls for a certain action "
            "cannot be solved, however long the training."
        ),
        fix=(
            "Assign `obs = next_obs` at the end of each loop pass and act on it, also right after "
            "a reset; in environments compute the observation after the transition."
        ),
        where=(
            "The rollout loop, frame-stacking wrappers, asynchronous actors, and `step` functions "
            "that read the state before they advance the simulation."
        ),
        references=(
            "https://github.com/shakenes/vizdoomgym/issues/5",
            "https://github.com/ikostrikov/pytorch-a2c-ppo-acktr-gail/commit/84a7582477fb",
            "https://github.com/openai/baselines/commit/8b3a6c20519a",
            _DRQN,
        ),
    ),
)

_ACTIONS = (
    Fault(
        name="action-permuted",
        title="What is learned about one action is filed under another.",
        explanation=(
            "The index that selects Q(s, a) or log pi(a | s) does not mean the same action as the "
            "one that the environment executes. Each improvement is credited to a wrong action. "
            "Losses look normal, and the return converges to something worse than random."
        ),
        fix=(
            "Keep one numbering of actions from the policy's output to `step`; gather per row, "
            "q_values[arange(B), actions], and test with a bandit that pays a single action."
        ),
        where=(
            "The gather of Q-values or log-probabilities, action-remapping wrappers, and shifted "
            "action sets (Discrete with a start)."
        ),
        references=(
            "https://github.com/google/dopamine/commit/9793d17d6d03",
            "https://github.com/Farama-Foundation/PettingZoo/issues/1143",
            "https://github.com/AgileRL/AgileRL/commit/3a933636ba4a",
            _DQN,
        ),
    ),
    Fault(
        name="action-not-executed",
        title="The stored action is not the one that the environment executed.",
        explanation=(
            "Clipping, exploration noise or random warm-up changes the action after it was stored, "
            "or before its log-probability was taken. The update then learns about an action that "
            "nobody took. Learning is slow and biased wherever the two differ, most of all at "
            "the bounds of the action space."
        ),
        fix=(
            "Q-learning: store what was executed, in the scale that the critic sees. Policy "
            "gradient: store the raw sample together with its log-probability, and clip only the "
            "copy that is given to `step`."
        ),
        where=(
            "Between sampling and the replay buffer's `add`: clipping, rescaling, noise, and the "
            "warm-up branch that samples from the action space."
        ),
        references=(
            "https://github.com/thu-ml/tianshou/issues/312",
            "https://github.com/thu-ml/tianshou/commit/39f8391cfb4f",
            _DQN,
        ),
    ),
    Fault(
        name="action-scale-wrong",
        title="Actions are scaled wrongly between the policy and the environment.",
        explanation=(
            "The policy's range, often [-1, 1], is not mapped onto the bounds of the action space, "
            "or it is mapped twice, or without the offset. Part of the actions can never be "
            "taken, and noise and log-probabilities have the wrong size. The return stops at a "
            "ceiling, most visibly with bounds that are not symmetric."
        ),
        fix=(
            "Executed action = low + (a + 1) / 2 * (high - low), once, per dimension; invert it "
            "for stored actions, and scale exploration and target noise by (high - low) / 2."
        ),
        where=(
            "The last layer of the actor, the rescaling wrapper, random warm-up, and TD3's target "
            "smoothing noise."
        ),
        references=(
            "https://github.com/thu-ml/tianshou/commit/dd4a01132cbb",
            "https://github.com/vwxyzjn/cleanrl/commit/331cb390a903",
            "https://github.com/cpnota/autonomous-learning-library/pull/256",
            _SAC,
            _WHAT_MATTERS,
        ),
    ),
)

SIGNALS: tuple[Fault, ...] = (*_DISCOUNTS, *_REWARDS, *_OBSERVATIONS, *_ACTIONS)
"""In the order in which they are to be suspected."""
