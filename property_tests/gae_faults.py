"""Wrong versions of generalised advantage estimation, each with the mistake that it models.

All of them are small departures from one recursion,

    A_t = r_t + gamma * bootstrap_t - V(s_t) + decay * carry_t * A_{t+1}

so adding a fault takes a function of a few lines and an entry in `FAULTS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model


def _recursion(
    rewards: Array, values: Array, bootstrap: Array, carry: Array, gamma: float, decay: float
) -> Array:
    """The recursion; `carry` is 1 where the next step belongs to the same episode."""
    advantages = np.zeros_like(rewards)
    following = np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * bootstrap[t] - values[t]
        advantages[t] = following = delta + decay * carry[t] * following
    return advantages


def _later(array: Array) -> Array:
    """Row t holds row t - 1."""
    return np.concatenate([np.zeros_like(array[:1]), array[:-1]])


def _earlier(array: Array) -> Array:
    """Row t holds row t + 1."""
    return np.concatenate([array[1:], np.zeros_like(array[:1])])


def _right(rewards, values, next_values, terminated, truncated, gamma, lam) -> Array:
    bootstrap, carry = next_values * ~terminated, ~(terminated | truncated)
    return _recursion(rewards, values, bootstrap, carry, gamma, gamma * lam)


def _done_late(rewards, values, next_values, terminated, truncated, gamma, lam):
    late, cut = _later(terminated), _later(truncated)
    return _right(rewards, values, next_values, late, cut, gamma, lam)


def _done_early(rewards, values, next_values, terminated, truncated, gamma, lam):
    early, cut = _earlier(terminated), _earlier(truncated)
    return _right(rewards, values, next_values, early, cut, gamma, lam)


def _swapped(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(rewards, values, next_values, terminated, truncated, lam, gamma)


def _terminal_bootstrap(rewards, values, next_values, terminated, truncated, gamma, lam):
    carry = ~(terminated | truncated)
    return _recursion(rewards, values, next_values, carry, gamma, gamma * lam)


def _reset(values, next_values):
    """V of the next row, whatever episode it belongs to."""
    return np.concatenate([values[1:], next_values[-1:]])


def _terminal_reset_bootstrap(rewards, values, next_values, terminated, truncated, gamma, lam):
    bootstrap = np.where(terminated, _reset(values, next_values), next_values)
    carry = ~(terminated | truncated)
    return _recursion(rewards, values, bootstrap, carry, gamma, gamma * lam)


def _ends_ignored(rewards, values, next_values, gamma, lam):
    return _recursion(rewards, values, next_values, np.ones_like(rewards), gamma, gamma * lam)


def _ends_ignored_reset(rewards, values, next_values, gamma, lam):
    bootstrap = _reset(values, next_values)
    return _recursion(rewards, values, bootstrap, np.ones_like(rewards), gamma, gamma * lam)


def _trace_not_masked(rewards, values, next_values, terminated, gamma, lam):
    bootstrap, carry = next_values * ~terminated, np.ones_like(rewards)
    return _recursion(rewards, values, bootstrap, carry, gamma, gamma * lam)


def _truncation_as_terminal(rewards, values, next_values, terminated, truncated, gamma, lam):
    ended = terminated | truncated
    return _right(rewards, values, next_values, ended, ended, gamma, lam)


def _truncation_ignored(rewards, values, next_values, terminated, gamma, lam):
    return _right(rewards, values, next_values, terminated, terminated, gamma, lam)


def _truncation_ignored_reset(rewards, values, next_values, terminated, gamma, lam):
    return _truncation_ignored(rewards, values, _reset(values, next_values), terminated, gamma, lam)


def _truncation_masked_twice(rewards, values, next_values, terminated, truncated, gamma, lam):
    bootstrap = next_values * ~(terminated | truncated)
    return _recursion(rewards, values, bootstrap, ~terminated, gamma, gamma * lam)


def _reset_bootstrap(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(rewards, values, _reset(values, next_values), terminated, truncated, gamma, lam)


def _both_as_truncation(rewards, values, next_values, terminated, truncated, gamma, lam):
    alone = terminated & ~truncated
    return _right(rewards, values, next_values, alone, truncated, gamma, lam)


def _bootstrap_missing(rewards, values, next_values, terminated, truncated, gamma, lam):
    nothing = np.zeros_like(next_values)
    return _right(rewards, values, nothing, terminated, truncated, gamma, lam)


def _last_bootstrap_missing(rewards, values, next_values, terminated, truncated, gamma, lam):
    reached = next_values.copy()
    reached[-1] = 0.0
    return _right(rewards, values, reached, terminated, truncated, gamma, lam)


def _stale_last_value(rewards, values, next_values, terminated, truncated, gamma, lam):
    reached = np.concatenate([next_values[:-1], values[-1:]])
    return _right(rewards, values, reached, terminated, truncated, gamma, lam)


def _own_value_bootstrap(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(rewards, values, values, terminated, truncated, gamma, lam)


def _lambda_missing(rewards, values, next_values, terminated, truncated, gamma):
    return _right(rewards, values, next_values, terminated, truncated, gamma, 1.0)


def _trace_missing(rewards, values, next_values, terminated, truncated, gamma):
    return _right(rewards, values, next_values, terminated, truncated, gamma, 0.0)


def _with_decay(decay):
    """The recursion with another factor in the trace: (gamma, lam) -> factor."""

    def model(rewards, values, next_values, terminated, truncated, gamma, lam):
        bootstrap, carry = next_values * ~terminated, ~(terminated | truncated)
        return _recursion(rewards, values, bootstrap, carry, gamma, decay(gamma, lam))

    return model


def _with_bootstrap_factor(factor):
    """The recursion with another factor at the bootstrap: (gamma, lam) -> factor."""

    def model(rewards, values, next_values, terminated, truncated, gamma, lam):
        bootstrap, carry = next_values * ~terminated, ~(terminated | truncated)
        weight = factor(gamma, lam)
        return _recursion(rewards, values, bootstrap, carry, weight, gamma * lam)

    return model


def _reward_late(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(_later(rewards), values, next_values, terminated, truncated, gamma, lam)


def _reward_early(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(_earlier(rewards), values, next_values, terminated, truncated, gamma, lam)


def _terminal_reward_lost(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(rewards * ~terminated, values, next_values, terminated, truncated, gamma, lam)


def _ended_reward_lost(rewards, values, next_values, terminated, truncated, gamma, lam):
    kept = rewards * ~(terminated | truncated)
    return _right(kept, values, next_values, terminated, truncated, gamma, lam)


def _value_not_subtracted(rewards, values, next_values, terminated, truncated, gamma, lam):
    nothing = np.zeros_like(values)
    return _right(rewards, nothing, next_values, terminated, truncated, gamma, lam)


def _sign_flipped(rewards, values, next_values, terminated, truncated, gamma, lam):
    return -_right(rewards, values, next_values, terminated, truncated, gamma, lam)


def _forward(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantages, previous = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in range(len(rewards)):
        delta = rewards[t] + gamma * next_values[t] * ~terminated[t] - values[t]
        carry = ~(terminated[t] | truncated[t])
        advantages[t] = previous = delta + gamma * lam * carry * previous
    return advantages


def _forward_shifted(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantages, previous = np.zeros_like(rewards), np.zeros_like(rewards[0])
    carry = ~_later(terminated | truncated)
    for t in range(len(rewards)):
        delta = rewards[t] + gamma * next_values[t] * ~terminated[t] - values[t]
        advantages[t] = previous = delta + gamma * lam * carry[t] * previous
    return advantages


def _reversed(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(rewards, values, next_values, terminated, truncated, gamma, lam)[::-1]


def _normalised(*, ddof, epsilon, centred=True, axis=None):
    """Advantages normalised inside the function."""

    def model(rewards, values, next_values, terminated, truncated, gamma, lam):
        raw = _right(rewards, values, next_values, terminated, truncated, gamma, lam)
        count = raw.size if axis is None else raw.shape[axis]
        spread = raw.std(axis=axis, ddof=ddof) if count > ddof else 0.0
        centre = raw.mean(axis=axis) if centred else 0.0
        return (raw - centre) / (spread + epsilon)

    return model


def _centred(rewards, values, next_values, terminated, truncated, gamma, lam):
    raw = _right(rewards, values, next_values, terminated, truncated, gamma, lam)
    return raw - raw.mean()


def _last_step_zero(rewards, values, next_values, terminated, truncated, gamma, lam):
    raw = _right(rewards, values, next_values, terminated, truncated, gamma, lam)
    raw[-1] = 0.0
    return raw


def _last_step_skipped(rewards, values, next_values, terminated, truncated, gamma, lam):
    bootstrap, carry = next_values * ~terminated, ~(terminated | truncated)
    steps = slice(None, -1)
    inner = (
        _recursion(
            rewards[steps], values[steps], bootstrap[steps], carry[steps], gamma, gamma * lam
        )
        if len(rewards) > 1
        else rewards[steps]
    )
    return np.concatenate([inner, np.zeros_like(rewards[-1:])])


def _seeded_trace(rewards, values, next_values, terminated, truncated, gamma, lam):
    seed = gamma * lam * next_values[-1] * ~(terminated[-1] | truncated[-1])
    extra = np.zeros_like(rewards)
    extra[-1] = seed
    return _right(rewards + extra, values, next_values, terminated, truncated, gamma, lam)


def _columns_mixed(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantages, following = np.zeros_like(rewards), np.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        delta = rewards[t] + gamma * next_values[t] * ~terminated[t] - values[t]
        carry = ~(terminated[t] | truncated[t])
        advantages[t] = delta + gamma * lam * carry * following
        following = np.full_like(rewards[0], advantages[t].mean())
    return advantages


def _any_column_ends(rewards, values, next_values, terminated, truncated, gamma, lam):
    ended, cut = (
        np.broadcast_to(flags.any(axis=1, keepdims=True), flags.shape)
        for flags in (terminated, truncated)
    )
    return _right(rewards, values, next_values, ended, cut, gamma, lam)


def _first_column_flags(rewards, values, next_values, terminated, truncated, gamma, lam):
    ended, cut = (np.broadcast_to(f[:, :1], f.shape) for f in (terminated, truncated))
    return _right(rewards, values, next_values, ended, cut, gamma, lam)


def _flattened(rewards, values, next_values, terminated, truncated, gamma, lam):
    rewards_, values_, reached, ended, cut = (
        x.reshape(-1, 1) for x in (rewards, values, next_values, terminated, truncated)
    )
    return _right(rewards_, values_, reached, ended, cut, gamma, lam).reshape(rewards.shape)


def _last_flag_for_all(rewards, values, next_values, terminated, truncated, gamma, lam):
    ended, cut = (np.broadcast_to(f[-1:], f.shape) for f in (terminated, truncated))
    return _right(rewards, values, next_values, ended, cut, gamma, lam)


def _undiscounted_truncation(rewards, values, next_values, terminated, truncated, gamma, lam):
    cut = truncated & ~terminated
    bootstrap, carry = next_values * ~(terminated | cut), ~(terminated | truncated)
    return _recursion(rewards + next_values * cut, values, bootstrap, carry, gamma, gamma * lam)


def _truncation_twice(rewards, values, next_values, terminated, truncated, gamma, lam):
    extra = gamma * next_values * (truncated & ~terminated)
    return _right(rewards + extra, values, next_values, terminated, truncated, gamma, lam)


def _truncation_everywhere(rewards, values, next_values, terminated, truncated, gamma, lam):
    cut = truncated & ~terminated
    extra = (gamma * next_values * cut).sum(axis=1, keepdims=True) * np.ones_like(rewards)
    ended = terminated | truncated
    return _recursion(rewards + extra, values, next_values * ~ended, ~ended, gamma, gamma * lam)


def _truncation_of_any(of: Callable[[Array, Array], Array]) -> Model:
    """Where any environment is cut, the value reached is added in those that `of` tells.

    Args:
        of: (terminated, truncated) -> the environments that get their own value added, too.
    """

    def model(rewards, values, next_values, terminated, truncated, gamma, lam):
        anywhere = (truncated & ~terminated).any(axis=1, keepdims=True)
        extra = gamma * next_values * (anywhere & of(terminated, truncated))
        ended = terminated | truncated
        return _recursion(rewards + extra, values, next_values * ~ended, ~ended, gamma, gamma * lam)

    return model


def _rewards_clipped(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(
        np.clip(rewards, -1.0, 1.0), values, next_values, terminated, truncated, gamma, lam
    )


def _inverted_mask(rewards, values, next_values, terminated, truncated, gamma, lam):
    ended = terminated | truncated
    bootstrap = next_values * np.where(truncated & ~terminated, True, terminated)
    return _recursion(rewards, values, bootstrap, ended, gamma, gamma * lam)


def _stale_returns(rewards, values, next_values, terminated, truncated, gamma, lam):
    return _right(rewards, values, next_values, terminated, truncated, gamma, lam), values


def _doubled_returns(rewards, values, next_values, terminated, truncated, gamma, lam):
    advantages = _right(rewards, values, next_values, terminated, truncated, gamma, lam)
    return advantages, advantages + rewards


_LOOP = "the backward loop of the rollout buffer"
_COLLECT = "where the rollout is collected: which flag is stored for which step"
_SB3_DONE = "https://github.com/DLR-RM/stable-baselines3/commit/2cd6a4f93bee"
_GAE = "https://arxiv.org/abs/1506.02438"
_LIMITS = "https://arxiv.org/abs/1712.00378"

FAULTS = (
    FaultyVersion(
        "done-late",
        _done_late,
        "the end of an episode is applied one step late",
        "The mask of step t is the flag of step t - 1: values leak through terminal steps, and the "
        "first step of the next episode is cut off instead.",
        "Mask step t with its own end, or with `episode_starts[t + 1]`; not with `dones[t - 1]`.",
        _COLLECT,
        (_SB3_DONE, "https://github.com/luchris429/purejaxrl/commit/a9e996e08437"),
    ),
    FaultyVersion(
        "done-early",
        _done_early,
        "the end of an episode is applied one step early",
        "The mask of step t is the flag of step t + 1: the step before the end loses its "
        "bootstrap, the terminal one keeps a value that does not exist, and a reward given at the "
        "end never reaches the actions that earned it.",
        "Use the end flag of the same transition: `1 - terminated[t]`.",
        _COLLECT,
        ("https://github.com/AechPro/rlgym-ppo/pull/23", _SB3_DONE),
    ),
    FaultyVersion(
        "lambda-gamma-swapped",
        _swapped,
        "gamma and lambda are exchanged",
        "The TD error is discounted with lambda. Their product, in the trace, is unaffected, so "
        "the advantages look plausible.",
        "Discount the bootstrap with gamma; pass the two by name.",
        "the call site, where both are floats in a row",
        (_GAE,),
    ),
    FaultyVersion(
        "terminal-bootstrap",
        _terminal_bootstrap,
        "the value after a terminal step is counted",
        "The bootstrap is not multiplied by (1 - terminated): ending the episode is worth as much "
        "as the state that happens to follow in the array.",
        "Write `rewards + gamma * next_values * (1 - terminated) - values`.",
        "the line of the TD error",
        (
            "https://github.com/pytorch/rl/commit/cdcd9f32a201",
            "https://github.com/volcengine/verl/commit/aa11dd19b3a3",
        ),
        aliases=("mask-only-on-trace",),
        variants=(_terminal_reset_bootstrap,),
    ),
    FaultyVersion(
        "ends-ignored",
        _ends_ignored,
        "the ends of episodes are ignored",
        "Neither the bootstrap nor the trace is masked: the rollout is treated as one episode.",
        "Mask the bootstrap with 1 - terminated, the trace with 1 - (terminated or truncated).",
        _LOOP,
        ("https://github.com/micdoh/XLRON/pull/34",),
        variants=(_ends_ignored_reset,),
    ),
    FaultyVersion(
        "mask-only-on-bootstrap",
        _trace_not_masked,
        "the trace is not cut at the end of an episode",
        "The bootstrap is masked, but the advantage of the next row, which belongs to the next "
        "episode, still flows into this one.",
        "Multiply the carried advantage by the mask too.",
        _LOOP,
        ("https://github.com/vwxyzjn/cleanrl/commit/1ed80620842b",),
    ),
    FaultyVersion(
        "truncation-as-terminal",
        _truncation_as_terminal,
        "truncation is treated as termination",
        "At a time limit the bootstrap is dropped, as if nothing could have followed: states near "
        "the limit look worthless, and values depend on a clock that the agent does not see.",
        "Bootstrap from V of the state reached wherever `terminated` is false; cut only the trace.",
        "`done = terminated | truncated` in the rollout loop",
        (
            "https://github.com/vwxyzjn/cleanrl/issues/198",
            "https://github.com/pytorch/rl/commit/485cca2bc9dd",
            _LIMITS,
        ),
    ),
    FaultyVersion(
        "truncation-ignored",
        _truncation_ignored,
        "truncation does not cut the trace",
        "The bootstrap at a time limit may be right, but the trace runs on into the next episode.",
        "Cut the trace where the step is terminated or truncated.",
        _LOOP,
        ("https://github.com/Toni-SM/skrl/issues/224",),
        variants=(_truncation_ignored_reset,),
    ),
    FaultyVersion(
        "truncation-masks-only-the-bootstrap",
        _truncation_masked_twice,
        "the two masks are exchanged for truncation",
        "Truncation takes the bootstrap away and leaves the trace running: each mask stands where "
        "the other belongs.",
        "Bootstrap mask: 1 - terminated. Trace mask: 1 - (terminated or truncated).",
        _LOOP,
        ("https://github.com/Toni-SM/skrl/issues/449",),
    ),
    FaultyVersion(
        "bootstrap-from-reset-observation",
        _reset_bootstrap,
        "a truncated step bootstraps from the observation after the reset",
        "`values[t + 1]` is V of the first state of the next episode, not of the state that the "
        "step reached.",
        "Evaluate V on the final observation (`info['final_obs']`) and use it where truncated.",
        "vectorised environments that reset by themselves",
        ("https://github.com/micdoh/XLRON/pull/34", _LIMITS),
    ),
    FaultyVersion(
        "both-flags-as-truncation",
        _both_as_truncation,
        "a step with both flags counts as truncated",
        "A task that ends exactly at its time limit has ended; here it is bootstrapped.",
        "Let `terminated` win: the bootstrap mask depends on it alone.",
        "`terminated and not truncated` in the rollout loop",
        ("https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",),
    ),
    FaultyVersion(
        "bootstrap-missing",
        _bootstrap_missing,
        "the value of the next state is missing",
        "delta_t is r_t - V(s_t) without gamma * V(s_{t+1}).",
        "Add the bootstrap to the TD error.",
        "the line of the TD error",
        (_GAE,),
    ),
    FaultyVersion(
        "last-bootstrap-missing",
        _last_bootstrap_missing,
        "the last step of the rollout has no bootstrap",
        "A rollout that stops in the middle of an episode is treated as if it had ended there: the "
        "end of every rollout looks worthless.",
        "Pass V of the state after the last step and use it where that step did not terminate.",
        "the first turn of the backward loop",
        (
            "https://github.com/vwxyzjn/cleanrl/issues/16",
            "https://github.com/ray-project/ray/issues/36013",
        ),
    ),
    FaultyVersion(
        "last-value-stale",
        _stale_last_value,
        "the last bootstrap is V of the last state instead of the state after it",
        "V(s_{T-1}) stands where V(s_T) belongs: a small bias on the last step of every rollout.",
        "Evaluate the critic on the observation that the last step returned.",
        "the call of the critic after the rollout loop",
        (
            "https://github.com/DLR-RM/stable-baselines3/commit/fc9527157a67",
            "https://github.com/micdoh/XLRON/pull/50",
        ),
    ),
    FaultyVersion(
        "bootstrap-from-own-value",
        _own_value_bootstrap,
        "every step bootstraps from its own value",
        "V(s_t) stands where V(s_{t+1}) belongs.",
        "Shift the values by one step.",
        "indexing of the value array",
        (_GAE,),
    ),
    FaultyVersion(
        "lambda-missing",
        _lambda_missing,
        "lambda is ignored: the trace decays with gamma alone",
        "Advantages are Monte Carlo returns minus values whatever lambda is set: the variance that "
        "it should take away stays.",
        "Multiply the carried advantage by gamma * lam.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "trace-missing",
        _trace_missing,
        "there is no trace: advantages are one-step TD errors",
        "The advantage of the next step is not carried backwards, so credit reaches one step only.",
        "Add gamma * lam * advantage of the next step, and keep it in the loop variable.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "gamma-missing-in-trace",
        _with_decay(lambda gamma, lam: lam),
        "the trace decays with lambda alone",
        "The factor of the carried advantage is lam instead of gamma * lam: the far future counts "
        "too much.",
        "Multiply the carried advantage by gamma * lam.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "trace-undiscounted",
        _with_decay(lambda gamma, lam: 1.0),
        "the trace does not decay at all",
        "TD errors of the whole episode are summed with weight 1.",
        "Multiply the carried advantage by gamma * lam.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "gamma-twice-in-trace",
        _with_decay(lambda gamma, lam: gamma * gamma * lam),
        "the trace is discounted twice",
        "The factor of the carried advantage is gamma^2 * lam.",
        "Discount once: gamma * lam.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "lambda-twice-in-trace",
        _with_decay(lambda gamma, lam: gamma * lam * lam),
        "lambda is applied twice in the trace",
        "The factor of the carried advantage is gamma * lam^2.",
        "Use gamma * lam.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "lambda-complement",
        _with_decay(lambda gamma, lam: gamma * (1.0 - lam)),
        "1 - lambda is used for lambda",
        "lam = 0.95 gives almost no trace; the two conventions of the literature are mixed up.",
        "Use gamma * lam in the trace.",
        _LOOP,
        (_GAE,),
    ),
    FaultyVersion(
        "gamma-missing-in-td-error",
        _with_bootstrap_factor(lambda gamma, lam: 1.0),
        "the bootstrap is not discounted",
        "delta_t is r_t + V(s_{t+1}) - V(s_t).",
        "Multiply the value of the next state by gamma.",
        "the line of the TD error",
        (_GAE,),
    ),
    FaultyVersion(
        "gamma-applied-twice",
        _with_bootstrap_factor(lambda gamma, lam: gamma * gamma),
        "the bootstrap is discounted twice",
        "gamma^2 stands before V(s_{t+1}), often since the values handed over are discounted "
        "already.",
        "Discount in one place.",
        "the line of the TD error",
        (_GAE,),
    ),
    FaultyVersion(
        "lambda-on-bootstrap",
        _with_bootstrap_factor(lambda gamma, lam: gamma * lam),
        "the bootstrap is multiplied by lambda too",
        "gamma * lam stands before V(s_{t+1}); lambda belongs to the trace only.",
        "Multiply the value of the next state by gamma alone.",
        "the line of the TD error",
        (_GAE,),
    ),
    FaultyVersion(
        "reward-late",
        _reward_late,
        "rewards are one step late",
        "Step t is credited with the reward of step t - 1.",
        "Store the reward that `step` returned beside the action that was passed to it.",
        _COLLECT,
        (
            "https://github.com/ray-project/ray/issues/31009",
            "https://github.com/yusukeurakami/dreamer-pytorch/issues/5",
        ),
    ),
    FaultyVersion(
        "reward-early",
        _reward_early,
        "rewards are one step early",
        "Step t is credited with the reward of step t + 1, and the first reward is lost.",
        "Store the reward that `step` returned beside the action that was passed to it.",
        _COLLECT,
        (
            "https://github.com/epignatelli/navix/pull/152",
            "https://github.com/kc-ml2/SimpleDreamer/issues/6",
        ),
    ),
    FaultyVersion(
        "terminal-reward-lost",
        _terminal_reward_lost,
        "the reward of a terminal step is masked away",
        "The mask of the end multiplies the whole target, reward included: in many tasks the only "
        "reward there is.",
        "Mask the bootstrap only.",
        "the line of the TD error",
        ("https://github.com/AechPro/rlgym-ppo/pull/23",),
        variants=(_ended_reward_lost,),
    ),
    FaultyVersion(
        "value-not-subtracted",
        _value_not_subtracted,
        "the value of the state is not subtracted",
        "Without the baseline these are no advantages: all actions of a good state are reinforced.",
        "Subtract V(s_t) in the TD error.",
        "the line of the TD error",
        (_GAE,),
    ),
    FaultyVersion(
        "sign-flipped",
        _sign_flipped,
        "the sign is flipped",
        "V - target instead of target - V: the policy learns to avoid what is good.",
        "Compute target minus value.",
        "the line of the TD error, or a loss that is negated twice",
        (_GAE,),
    ),
    FaultyVersion(
        "forward-recursion",
        _forward,
        "the recursion runs forwards in time",
        "An advantage contains TD errors of the past instead of the future: actions are credited "
        "for what happened before them.",
        "Loop over reversed(range(T)).",
        _LOOP,
        ("https://github.com/takuseno/d3rlpy/commit/f1bf0b99152e",),
        variants=(_forward_shifted,),
    ),
    FaultyVersion(
        "time-reversed",
        _reversed,
        "the advantages come out in reversed order",
        "A list that was filled backwards is not turned round again.",
        "Insert at the front, or reverse the list once at the end.",
        "`append` in a backward loop",
        (_GAE,),
    ),
    FaultyVersion(
        "normalised-inside",
        _normalised(ddof=0, epsilon=1e-8),
        "the advantages are normalised inside the function",
        "They lose their scale and sign, so returns = advantages + values are wrong, and the "
        "normalisation is over the rollout instead of the batch that the loss sees.",
        "Return plain advantages; normalise where the policy loss is computed.",
        "the last line of the function",
        variants=(
            _normalised(ddof=1, epsilon=1e-8),
            _normalised(ddof=0, epsilon=1e-8, axis=0),
            _normalised(ddof=1, epsilon=1e-8, axis=0),
            _normalised(ddof=0, epsilon=1e-5),
            _normalised(ddof=1, epsilon=1e-5),
            _normalised(ddof=0, epsilon=0.0),
            _normalised(ddof=1, epsilon=0.0),
        ),
    ),
    FaultyVersion(
        "centred-inside",
        _centred,
        "the mean is subtracted inside the function",
        "Advantages that are all positive become partly negative, and returns made from them are "
        "wrong.",
        "Return plain advantages; centre where the policy loss is computed, if at all.",
        "the last line of the function",
    ),
    FaultyVersion(
        "last-step-zero",
        _last_step_zero,
        "the advantage of the last step is 0",
        "The last element is never filled or is overwritten, and that step is never learned from.",
        "Let the loop start at T - 1.",
        "the range of the backward loop",
        ("https://github.com/ray-project/ray/issues/3841",),
        variants=(_last_step_skipped,),
    ),
    FaultyVersion(
        "trace-seeded-with-last-value",
        _seeded_trace,
        "the trace starts from the last value instead of 0",
        "V(s_T) is counted in the last TD error and once more as the advantage after it. Tests with "
        "V(s_T) = 0 do not see it.",
        "Start the carried advantage at 0.",
        "initialisation of the backward loop or scan",
        ("https://github.com/simonsays1980/rl-triton/pull/4",),
    ),
    FaultyVersion(
        "batch-mixed",
        _columns_mixed,
        "the trace is averaged over environments",
        "The carried advantage is reduced over the batch axis: environments are credited with each "
        "other's future.",
        "Keep the batch axis in every operation of the loop.",
        _LOOP,
    ),
    FaultyVersion(
        "end-in-any-environment",
        _any_column_ends,
        "the end of one environment's episode ends them all",
        "Flags are reduced with any(): unrelated environments lose bootstrap and trace.",
        "Keep one flag an environment.",
        "`if any(dones)` in a vectorised loop",
        ("https://github.com/Eclectic-Sheep/sheeprl/pull/181",),
    ),
    FaultyVersion(
        "flags-of-first-environment",
        _first_column_flags,
        "the flags of the first environment are used for all",
        "An index or a broadcast picks column 0 of the flags.",
        "Index the flags by time only.",
        "indexing such as `dones[t, 0]`",
    ),
    FaultyVersion(
        "environments-concatenated",
        _flattened,
        "the batch is flattened before the recursion",
        "[T, B] is reshaped to one axis, so step t of one environment is followed by step t of the "
        "next one.",
        "Run the recursion along the time axis; flatten afterwards.",
        "`reshape(-1)` before the advantage computation",
    ),
    FaultyVersion(
        "last-flag-for-all-steps",
        _last_flag_for_all,
        "the flag of the last step masks every step",
        "A variable left over from the collection loop, or an index -1, stands where the flag of "
        "step t belongs.",
        "Index the flags with t.",
        _LOOP,
        ("https://github.com/nicklashansen/tdmpc2/issues/62",),
    ),
    FaultyVersion(
        "truncation-bootstrap-undiscounted",
        _undiscounted_truncation,
        "the value at a time limit is added without discount",
        "The bootstrap of a truncated step is added to its reward, and gamma is forgotten.",
        "Add gamma * V(final observation).",
        "the branch of the rollout loop that handles time limits",
        (_LIMITS,),
    ),
    FaultyVersion(
        "truncation-bootstrap-twice",
        _truncation_twice,
        "the value at a time limit is counted twice",
        "It is added to the reward in the rollout loop, and the step bootstraps once more.",
        "Bootstrap in one place: either add to the reward and mask, or do neither.",
        "the branch of the rollout loop that handles time limits",
        (_LIMITS,),
    ),
    FaultyVersion(
        "truncation-bootstrap-in-all-environments",
        _truncation_everywhere,
        "the value at a time limit is added in every environment",
        "The bootstrap of the truncated environment is added to the rewards of all.",
        "Add it only where that environment is truncated.",
        "the branch of the rollout loop that handles time limits",
        ("https://github.com/Eclectic-Sheep/sheeprl/pull/181",),
        variants=(
            _truncation_of_any(lambda terminated, truncated: np.ones_like(terminated)),
            _truncation_of_any(lambda terminated, truncated: ~terminated),
            _truncation_of_any(lambda terminated, truncated: terminated | truncated),
        ),
    ),
    FaultyVersion(
        "reward-clipped",
        _rewards_clipped,
        "rewards are clipped to [-1, 1] inside the function",
        "Large rewards count no more than small ones: another task is solved.",
        "Clip in an environment wrapper, where it can be seen and turned off.",
        "a preprocessing line kept from an Atari recipe",
    ),
    FaultyVersion(
        "mask-inverted",
        _inverted_mask,
        "the mask is inverted",
        "done stands where 1 - done belongs: only terminal steps bootstrap.",
        "Multiply by 1 - terminated.",
        "a buffer that stores `masks` (1 = goes on) read as `dones`, or the other way round",
    ),
    FaultyVersion(
        "returns-stale",
        _stale_returns,
        "the returns beside the advantages are the values themselves",
        "Returns are made before the advantages are filled in, so the critic's target is its own "
        "prediction.",
        "Compute returns = advantages + values after the loop.",
        "order of statements after the backward loop",
        ("https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",),
    ),
    FaultyVersion(
        "returns-from-rewards",
        _doubled_returns,
        "the returns beside the advantages are advantages + rewards",
        "The critic's target is neither a return nor a value.",
        "Compute returns = advantages + values.",
        "the last line of the function",
        ("https://github.com/vwxyzjn/cleanrl/commit/95fcdd750205",),
    ),
)


def _complete(rewards: Array, values: Array, gamma: float, lam: float) -> Array:
    """Advantages of complete episodes."""
    bootstrap = np.concatenate([values[1:], np.zeros_like(values[:1])])
    return _recursion(rewards, values, bootstrap, np.ones_like(rewards), gamma, gamma * lam)


def _mask_ignored(rewards, values, mask, gamma, lam):
    return _complete(rewards, values, gamma, lam) * mask


def _mask_resets(rewards, values, mask, gamma, lam):
    """A masked step ends what comes before it."""
    bootstrap = np.concatenate([values[1:] * mask[1:], np.zeros_like(values[:1])])
    carry = np.concatenate([mask[1:], np.ones_like(mask[:1])])
    return _recursion(rewards, values, bootstrap, carry, gamma, gamma * lam) * mask


_WITHOUT_FLAGS = ("rewards", "values", "mask", "gamma", "lam")

MASK_FAULTS: tuple[FaultyVersion, ...] = (
    FaultyVersion(
        "mask-ignored",
        _mask_ignored,
        "the mask is taken, and values and rewards of masked steps count",
        "What a model predicts on padding, or on what a tool returned, enters the advantages of the "
        "policy's own tokens.",
        "Skip masked steps: carry the last advantage and value over them.",
        "the backward loop",
        ("https://github.com/volcengine/verl/commit/aa11dd19b3a3",),
        takes=_WITHOUT_FLAGS,
    ),
    FaultyVersion(
        "mask-cuts-the-trace",
        _mask_resets,
        "a masked step ends the episode before it",
        "Earlier turns of a conversation get no credit for what later ones achieve.",
        "Skip masked steps: carry the last advantage and value over them.",
        "an advantage that is multiplied by the mask inside the loop",
        ("https://github.com/volcengine/verl/commit/96b730bbed80",),
        takes=_WITHOUT_FLAGS,
    ),
)
