"""Faults in what is learned towards: ends of episodes, time limits, and the target of the critic."""

from __future__ import annotations

from rlcheck.records import Fault

_TIME_LIMITS = "https://arxiv.org/abs/1712.00378"
_GAE = "https://arxiv.org/abs/1506.02438"
_DQN = "https://arxiv.org/abs/1312.5602"
_DDPG = "https://arxiv.org/abs/1509.02971"
_DOUBLE_DQN = "https://arxiv.org/abs/1509.06461"
_TD3 = "https://arxiv.org/abs/1802.09477"

_ENDS = (
    Fault(
        name="terminal-bootstrap",
        title="Bootstraps through a true end: value is added after a terminated step.",
        explanation=(
            "A terminated episode has no future, but the target of its last step still contains "
            "gamma * V of some other state: the stored terminal observation (replay buffers) or "
            "the first state of the next episode (rollouts with automatic reset). Failing then "
            "looks as good as going on, so the agent does not avoid bad ends, or hurries towards "
            "them. Values drift to r / (1 - gamma) even where episodes are short, and the return "
            "stays far below what the value estimates promise."
        ),
        fix=(
            "Mask the bootstrap with termination: target = r + gamma * (1 - terminated) * V(s'). "
            "In GAE: delta_t = r_t + gamma * (1 - terminated_t) * V(s_{t+1}) - V(s_t), and cut the "
            "trace with (1 - ended_t), where ended = terminated or truncated."
        ),
        where=(
            "The target line of the critic update, the delta of the GAE loop, or an environment "
            "wrapper or collector that overwrites the flag before the replay buffer's `add`."
        ),
        references=(
            "https://github.com/pytorch/rl/commit/cdcd9f32a201",
            "https://github.com/vwxyzjn/cleanrl/commit/1ed80620842b",
            "https://github.com/DLR-RM/stable-baselines3/commit/08e7519381e8",
            _TIME_LIMITS,
        ),
    ),
    Fault(
        name="truncation-as-terminal",
        title="Treats a time limit as a true end: the value after a truncated step is dropped.",
        explanation=(
            "A time limit cuts an episode that would have gone on, so the state reached keeps its "
            "value. Without it, the same state is worth much or nothing depending on a clock that "
            "the agent does not see. Values are too low near the limit, the critic loss does not "
            "settle, and tasks whose episodes all end by the limit learn slowly or towards "
            "reward now instead of reward later."
        ),
        fix=(
            "Keep the two flags apart: target = r + gamma * (1 - terminated) * V(s'), with s' the "
            "state reached at the limit, before any reset. In GAE truncation only cuts the trace: "
            "A_t = delta_t + gamma * lam * (1 - terminated_t) * (1 - truncated_t) * A_{t+1}."
        ),
        where=(
            "A line such as `done = terminated or truncated` in the collector, followed by the "
            "replay buffer's `add` or the GAE loop."
        ),
        references=(
            "https://github.com/vwxyzjn/cleanrl/issues/198",
            "https://github.com/pytorch/rl/commit/485cca2bc9dd",
            "https://github.com/google/dopamine/commit/c443e88a5875",
            "https://github.com/Toni-SM/skrl/issues/449",
            _TIME_LIMITS,
        ),
    ),
    Fault(
        name="terminal-as-truncation",
        title="Treats every end as a time limit: the final observation always keeps its value.",
        explanation=(
            "Code that bootstraps from the final observation at time limits does so at true ends "
            "too. The value of a terminal observation is never trained, so whatever the network "
            "makes of it flows into the targets. The agent becomes indifferent to failing, with "
            "the same curves as terminal-bootstrap."
        ),
        fix=(
            "Add gamma * V(final observation) only where `truncated and not terminated`; where "
            "both are true the step counts as terminated."
        ),
        where=(
            "The handling of `final_obs` or `terminal_observation` after automatic reset, or a "
            "wrapper that reports every end as truncated."
        ),
        references=(
            "https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",
            "https://github.com/RobertTLange/gymnax/commit/a033a3e03f5f",
            "https://github.com/pytorch/rl/commit/cdcd9f32a201",
            _TIME_LIMITS,
        ),
    ),
    Fault(
        name="truncation-bootstraps-reset",
        title="At a time limit, uses the value of the next episode's first state.",
        explanation=(
            "After automatic reset the observation returned with a truncated step already belongs "
            "to the next episode. Its value replaces that of the state reached at the limit, so "
            "all states near the limit are worth what a fresh start is worth. What an action near "
            "the limit leads to no longer counts, and the advantages of those steps are noise."
        ),
        fix=(
            "Bootstrap from the state reached before the reset: V(info['final_obs']) in vector "
            "environments, the unreset observation elsewhere. target = r + gamma * V(s_final) at "
            "a truncated step."
        ),
        where=(
            "The autoreset handling of the rollout: `next_values` computed from the observation "
            "that the vector environment returned, or that observation given to the replay "
            "buffer's `add` as the next one."
        ),
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/0c50d75ecb62",
            "https://github.com/Motphys/UniLab/issues/236",
            "https://github.com/instadeepai/jumanji/issues/223",
            _TIME_LIMITS,
        ),
    ),
    Fault(
        name="done-late",
        title="The end flag sits one step too late in the arrays.",
        explanation=(
            "The flag that says `this step ended the episode` is read where `this step starts an "
            "episode` is meant, or the other way round. The last step of each episode bootstraps "
            "into the next one, and the first step of the next is cut off from its own future. "
            "Rewards at the end are credited badly, and learning stalls above random play."
        ),
        fix=(
            "Decide which of the two conventions the array follows and index to match: with flags "
            "that mark the end of a step use 1 - terminated[t] for step t; with flags that mark "
            "its start use 1 - start[t + 1]."
        ),
        where=(
            "The rollout buffer's `add`, called before or after the flags of the current step are "
            "known, and the index of the mask in the GAE loop."
        ),
        references=(
            "https://github.com/micdoh/XLRON/pull/34",
            "https://github.com/luchris429/purejaxrl/commit/a9e996e08437",
            _GAE,
        ),
    ),
    Fault(
        name="done-early",
        title="The end flag sits one step too early in the arrays.",
        explanation=(
            "The step before the last is taken for the end, so the reward of the last step never "
            "reaches the steps before it, and the last step itself bootstraps into the next "
            "episode. In tasks that pay only at the goal nothing is learned beyond the last step."
        ),
        fix=(
            "Mask step t with the flag that `step` returned for step t: "
            "delta_t = r_t + gamma * (1 - terminated[t]) * V(s_{t+1}) - V(s_t), not [t + 1]."
        ),
        where=(
            "The index of the mask in the GAE or lambda-return loop, and the slicing (`[1:]`, "
            "`[:-1]`) that aligns rewards, flags and values."
        ),
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/2cd6a4f93bee",
            "https://github.com/AechPro/rlgym-ppo/pull/23",
            _GAE,
        ),
    ),
    Fault(
        name="next-observation-stale",
        title="The stored next observation is the current one.",
        explanation=(
            "Each target bootstraps from the state that was left, not from the one reached: "
            "V(s) = r + gamma * V(s). Reward no longer travels backwards, and every state is worth "
            "about r / (1 - gamma) of its own reward. Tasks whose reward is immediate still look "
            "fine; anything with a delay is not learned."
        ),
        fix=(
            "Store (s_t, a_t, r_t, s_{t+1}) with the observation that `step` returned, copied if "
            "the environment reuses its array; only then assign `obs = next_obs`."
        ),
        where=(
            "The replay buffer's `add` (called after `obs = next_obs`, or keeping a reference "
            "to a reused array), and the value at the end of a rollout."
        ),
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/fc9527157a67",
            "https://github.com/openai/baselines/commit/8b3a6c20519a",
            "https://github.com/siddhanthaldar/ROT/issues/2",
            _DQN,
        ),
    ),
)

_TARGETS = (
    Fault(
        name="target-never-updated",
        title="The target network keeps its initial weights.",
        explanation=(
            "Targets are r + gamma * Q_target(s') with a Q_target that stays random. The critic "
            "fits them exactly, so its loss looks excellent, but information travels one step "
            "only. Immediate rewards are learned, delayed ones are not, and the return goes flat "
            "early."
        ),
        fix=(
            "Copy the online weights every N updates, or after each one: "
            "target <- tau * online + (1 - tau) * target, buffers included."
        ),
        where=(
            "The update schedule: a condition that is never true (two periods nested in each "
            "other, a counter of another unit), or a copy from the wrong network."
        ),
        references=(
            "https://github.com/vwxyzjn/cleanrl/commit/c515aefc57b4",
            "https://github.com/thesouther/MARL/issues/8",
            "https://github.com/DLR-RM/stable-baselines3/commit/29a481a288b5",
            _DQN,
        ),
    ),
    Fault(
        name="target-is-online",
        title="The target network is the online network.",
        explanation=(
            "The copy shares its parameters with the network that is trained, or the target is "
            "computed by the online network. Targets move with every step of the optimiser, so "
            "errors feed back on themselves. Small tasks still work; with function approximation "
            "values oscillate or diverge, and results differ widely between seeds."
        ),
        fix=(
            "Make the target a deep copy with storage of its own, compute targets without "
            "gradient from it, and change it only by the copy or Polyak step."
        ),
        where=(
            "The constructor (`target = online` without a copy, a shared feature extractor) and "
            "the line that computes the target."
        ),
        references=(
            "https://github.com/DLR-RM/stable-baselines3/commit/0fc0dd1b2187",
            "https://github.com/datawhalechina/easy-rl/issues/117",
            "https://github.com/takuseno/d3rlpy/commit/143aa8ed0963",
            _DDPG,
        ),
    ),
    Fault(
        name="max-replaced-by-mean",
        title="The target averages over the next actions instead of taking the best.",
        explanation=(
            "The critic then evaluates random behaviour, r + gamma * mean_a Q(s', a), while the "
            "agent acts greedily on it. States from which one good action leads on are "
            "undervalued, so the agent avoids every path that needs a later right choice. Values "
            "are too low and barely change as the policy improves."
        ),
        fix=(
            "Use r + gamma * (1 - terminated) * max_a Q_target(s', a), with the maximum over the "
            "action axis; for distributional critics choose the action by mean value first."
        ),
        where="The reduction over the action axis in the target of the Q update.",
        references=(_DQN,),
    ),
    Fault(
        name="overestimation",
        title="Value estimates lie far above any return that the agent can reach.",
        explanation=(
            "The maximum over noisy estimates is too high, and the bootstrap hands the excess on "
            "from state to state. The remedy of the algorithm (two critics with their minimum, or "
            "choosing with one network and evaluating with another) is missing or mis-wired. "
            "Values rise without bound or above r_max / (1 - gamma) while the return stagnates."
        ),
        fix=(
            "Double DQN: a* = argmax_a Q_online(s', a), target r + gamma * Q_target(s', a*). "
            "TD3 and SAC: r + gamma * min(Q1_target, Q2_target)(s', a'). Over n steps the "
            "bootstrap is weighted by gamma ** n."
        ),
        where="The target of the critic update: which network chooses, which one evaluates.",
        references=(
            "https://github.com/AgileRL/AgileRL/commit/b4c0e4b94e8c",
            "https://github.com/ray-project/ray/issues/7354",
            "https://github.com/Stable-Baselines-Team/stable-baselines3-contrib/commit/4b4d487fdbf6",
            "https://github.com/HorizonRobotics/SocialRobot/pull/8",
            _DOUBLE_DQN,
            _TD3,
        ),
    ),
)

BOOTSTRAP: tuple[Fault, ...] = (*_ENDS, *_TARGETS)
"""In the order in which they are to be suspected."""
