"""Right and wrong semantics of learning as executable models: what a learner comes to believe.

Every semantics has the shape

    Q(s, a) = rewards(s, a) + sum_s' continuation(s, a, s') * backup(Q(s', .))

and a rule that turns Q into actions. The right one has the MDP's own rewards, continuation
gamma * (1 - terminated) * P, the maximum as backup, and acts greedily. A fault changes one of these.
Solving the changed equations exactly gives the answers and values that a learner with that fault must
converge to, so a fault predicts an answer sheet before any agent has been run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ladders.beliefs import CORRECT, Belief, optimal
from ladders.mdp import MDP, greedy, optimal_control, policy_evaluation, sweeps
from ladders.unfinished import SHARES, SHRUNK, not_learned_yet


def _converges(continuation: np.ndarray, belief: Belief) -> bool:
    """Whether repeated updates approach the solution: the greedy operator is a contraction."""
    flow = np.einsum("sa,sat->st", greedy(belief.q_values), continuation)
    return bool(np.abs(np.linalg.eigvals(flow)).max() < 1.0)


def _to_start(mdp: MDP, where: np.ndarray) -> np.ndarray:
    """[S, A, S] transitions that lead to the next reset where `where` [S, A] is true, else 0."""
    return where[:, :, None] * mdp.start[None, None, :]


# --- bootstrap ------------------------------------------------------------------------------------


def correct(mdp: MDP, gamma: float) -> Belief:
    """The Bellman optimality equation itself."""
    return optimal(CORRECT, "", mdp.rewards, mdp.continuation(gamma))


def terminal_bootstrap(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The value after a terminal leaks in: that of the final observation, or of the next reset.

    The inverted mask drops every other future besides.
    """
    ends = mdp.terminated | mdp.truncated
    kept = mdp.continuation(gamma)
    within = gamma * mdp.transitions * ~ends[:, :, None]
    flows = {
        "final-observation": gamma * mdp.transitions,
        "next-reset": kept + gamma * _to_start(mdp, mdp.terminated),
        # Code that adds gamma * V(final observation) to the reward of a truncated step and then also
        # forgets the mask counts both values there.
        "next-reset-twice": kept + gamma * _to_start(mdp, ends),
        "next-reset-merged": within + gamma * _to_start(mdp, ends),
        # The mask itself instead of what it leaves: only ends have a future.
        "mask inverted": gamma * mdp.transitions * mdp.terminated[:, :, None],
        "mask inverted, next-reset": gamma * _to_start(mdp, mdp.terminated),
    }
    for variant, flow in flows.items():
        belief = optimal("terminal-bootstrap", variant, mdp.rewards, flow)
        if _converges(flow, belief):
            yield belief
        if variant.startswith("next-reset"):
            yield from _filling(variant, mdp.rewards, flow)


def _filling(variant: str, rewards: np.ndarray, flow: np.ndarray) -> Iterator[Belief]:
    """A leak from episode to episode fills up slowly; these are beliefs on the way."""
    for count in (10, 20):
        q_values = sweeps(rewards, flow, count)
        gaps = q_values[:, 1] - q_values[:, 0]
        name = f"{variant}, filling up"
        yield Belief("terminal-bootstrap", name, q_values, q_values.max(axis=1), gaps)


def terminal_as_truncation(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """Every end is taken for a time limit, so the final observation keeps its value."""
    yield optimal("terminal-as-truncation", "", mdp.rewards, gamma * mdp.transitions)


def truncation_as_terminal(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """A time limit is taken for a real end, so what would have followed counts nothing.

    While such a learner is not done it looks like one whose critic is not trained, which stays so.
    """
    kept = mdp.continuation(gamma) * ~mdp.truncated[:, :, None]
    yield optimal("truncation-as-terminal", "", mdp.rewards, kept)
    for share in SHARES:
        yield optimal("truncation-as-terminal", f"{share:.0%} {SHRUNK}", mdp.rewards, share * kept)


def truncation_bootstraps_reset(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """At a time limit the value of the next episode's first state is taken, not that reached."""
    kept = mdp.continuation(gamma) * ~mdp.truncated[:, :, None]
    leak = gamma * _to_start(mdp, mdp.truncated)
    yield optimal("truncation-bootstraps-reset", "", mdp.rewards, kept + leak)


def _first_step(mdp: MDP) -> np.ndarray:
    """[S, A] whether (s, a) is the first step of its episode."""
    return np.broadcast_to((mdp.start > 0)[:, None], mdp.rewards.shape)


def _before_last_step(mdp: MDP) -> np.ndarray:
    """[S, A] whether the step after (s, a) ends its episode whatever is done there."""
    ends = (mdp.terminated | mdp.truncated).all(axis=1)
    return (mdp.transitions @ ends.astype(float) > 0.5) & ~(mdp.terminated | mdp.truncated)


def _shifted_mask(
    mdp: MDP, gamma: float, fault: str, masked: np.ndarray, next_start: np.ndarray
) -> Iterator[Belief]:
    """The end flag sits on the steps `masked` instead of on the last ones, which therefore leak.

    Args:
        masked: [S, A] bool, the steps that are cut off.
        next_start: [S] weight with which the first state of the next episode leaks into an end.
    """
    ends = mdp.terminated | mdp.truncated
    free = ~masked[:, :, None]
    within = gamma * mdp.transitions * ~ends[:, :, None]
    cut = gamma * mdp.transitions * mdp.truncated[:, :, None]
    reset = gamma * next_start[None, None, :]
    leak = reset * ends[:, :, None]
    terminal_leak = reset * mdp.terminated[:, :, None]
    flows = {
        "next-reset": (within + cut + terminal_leak) * free,
        "next-reset-merged": (within + leak) * free,
        # The value at a time limit is added to the reward, which no mask touches.
        "next-reset, truncation in the reward": (within + leak) * free + cut,
        "final-observation": gamma * mdp.transitions * free,
    }
    for variant, flow in flows.items():
        yield optimal(fault, variant, mdp.rewards, flow)


def done_late(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The end flag arrives one step late: ends leak, the first step of an episode is cut off."""
    yield from _shifted_mask(mdp, gamma, "done-late", _first_step(mdp), mdp.start)


def done_early(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The end flag comes one step early: the step before the last is cut off, the last leaks.

    An end is cut off after all where the next episode has a single step, which its policy decides.
    """
    ends = mdp.terminated | mdp.truncated
    policy = greedy(correct(mdp, gamma).q_values)
    for _ in range(5):
        next_start = mdp.start * (1.0 - (policy * ends).sum(axis=1))
        beliefs = list(_shifted_mask(mdp, gamma, "done-early", _before_last_step(mdp), next_start))
        policy = greedy(beliefs[0].q_values)
    yield from beliefs


def next_observation_stale(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The stored next observation is the current one, so every state bootstraps from itself."""
    own = np.broadcast_to(np.eye(mdp.n_states)[:, None, :], mdp.transitions.shape)
    flow = gamma * own * ~mdp.terminated[:, :, None]
    yield optimal("next-observation-stale", "", mdp.rewards, flow)
    apart = np.where(mdp.truncated[:, :, None], gamma * mdp.transitions, flow)
    yield optimal("next-observation-stale", "truncation in the reward", mdp.rewards, apart)


# --- discount -------------------------------------------------------------------------------------


def discount_ignored(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """No discount at all."""
    yield optimal("discount-ignored", "", mdp.rewards, mdp.continuation(1.0))


def discount_hard_coded(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """A constant such as 0.99 stands where the given discount should."""
    if gamma < 0.97:
        yield optimal("discount-hard-coded", "gamma=0.99", mdp.rewards, mdp.continuation(0.99))


def discount_too_small(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """A discount well below the given one."""
    for power in (3.5, 5, 6.5):
        small = gamma**power
        yield optimal(
            "discount-too-small", f"gamma={small:.2f}", mdp.rewards, mdp.continuation(small)
        )


def discount_applied_twice(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """gamma squared."""
    yield optimal("discount-applied-twice", "", mdp.rewards, mdp.continuation(gamma**2))


# --- reward ---------------------------------------------------------------------------------------


def reward_sign_flipped(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """Rewards are counted as costs."""
    yield optimal("reward-sign-flipped", "", -mdp.rewards, mdp.continuation(gamma))


def reward_clipped(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """Rewards are cut to [-1, 1], to whole numbers, or only their sign is kept."""
    flow = mdp.continuation(gamma)
    yield optimal("reward-clipped", "to [-1, 1]", np.clip(mdp.rewards, -1, 1), flow)
    yield optimal("reward-clipped", "sign", np.sign(mdp.rewards), flow)
    yield optimal("reward-clipped", "to whole numbers", np.trunc(mdp.rewards), flow)


def reward_late(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """Each step is paid what the step before it earned; what an episode earns last is lost."""
    rewards = np.zeros_like(mdp.rewards)
    going_on = ~(mdp.terminated | mdp.truncated)
    for state, action in zip(*np.nonzero(going_on), strict=True):
        for successor in np.nonzero(mdp.transitions[state, action])[0]:
            rewards[successor, :] = mdp.rewards[state, action]
    belief = optimal("reward-late", "", rewards, mdp.continuation(gamma))
    yield Belief("reward-late", "", belief.q_values, np.full(mdp.n_states, np.nan), belief.gaps)


def reward_early(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """Each step is paid what the step after it will earn; the first reward of an episode is lost."""
    flow = mdp.continuation(gamma)
    going_on = (~(mdp.terminated | mdp.truncated))[:, :, None] * mdp.transitions
    policy = np.full(mdp.rewards.shape, 1.0 / mdp.n_actions)
    for _ in range(mdp.n_states):
        rewards = going_on @ (policy * mdp.rewards).sum(axis=1)
        _, q_values = policy_evaluation(rewards, flow, policy)
        policy = greedy(q_values)
    gaps = q_values[:, 1] - q_values[:, 0]
    yield Belief("reward-early", "", q_values, np.full(mdp.n_states, np.nan), gaps)


def reward_mean_subtracted(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The mean reward per step is subtracted, so staying longer costs (or pays) by itself."""
    mean = float(mdp.start @ mdp.rewards.mean(axis=1))
    for _ in range(20):
        belief = optimal("reward-mean-subtracted", "", mdp.rewards - mean, mdp.continuation(gamma))
        mean = _mean_reward(mdp, greedy(belief.q_values))
    yield belief


def _mean_reward(mdp: MDP, policy: np.ndarray) -> float:
    """Reward per step under a policy: expected episode return over expected episode length."""
    within = (~(mdp.terminated | mdp.truncated))[:, :, None] * mdp.transitions
    total, _ = policy_evaluation(mdp.rewards, within, policy)
    length, _ = policy_evaluation(np.ones_like(mdp.rewards), within, policy)
    return float(mdp.start @ total) / float(mdp.start @ length)


def critic_not_trained(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """A critic that stays near zero: its bootstrap is missing, and GAE discounts by gamma * lam."""
    ends = (mdp.terminated | mdp.truncated)[:, :, None]
    zero = np.zeros(mdp.n_states)
    for lam in (0.9, 0.95, 0.98, 1.0):
        flow = gamma * lam * mdp.transitions * ~ends
        belief = optimal("critic-not-trained", f"lam={lam:g}", mdp.rewards, flow)
        yield Belief(belief.fault, belief.variant, belief.q_values, zero, belief.gaps)


# --- control --------------------------------------------------------------------------------------


def max_replaced_by_mean(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The target averages over the next actions instead of taking the best."""
    uniform = np.full(mdp.rewards.shape, 1.0 / mdp.n_actions)
    values, q_values = policy_evaluation(mdp.rewards, mdp.continuation(gamma), uniform)
    gaps = q_values[:, 1] - q_values[:, 0]
    yield Belief("max-replaced-by-mean", "", q_values, values, gaps)


def advantage_sign_flipped(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The policy climbs down: it takes the worst action by its own, correct, values."""
    values, q_values = optimal_control(-mdp.rewards, mdp.continuation(gamma))
    gaps = q_values[:, 1] - q_values[:, 0]
    for fault in ("advantage-sign-flipped", "ratio-inverted"):
        yield Belief(fault, "", -q_values, -values, gaps)


def action_permuted(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """What is learned about one action is filed under the other."""
    right = correct(mdp, gamma)
    yield Belief("action-permuted", "", right.q_values[:, ::-1], right.values, -right.gaps)


def _same_everywhere(mdp: MDP, gamma: float) -> np.ndarray:
    """[A] the return of taking one and the same action in every state."""
    returns = []
    for action in range(mdp.n_actions):
        policy = np.zeros(mdp.rewards.shape)
        policy[:, action] = 1.0
        values, _ = policy_evaluation(mdp.rewards, mdp.continuation(gamma), policy)
        returns.append(float(mdp.start @ values))
    return np.array(returns)


def observation_ignored(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """States cannot be told apart: one action everywhere, the better one on the whole."""
    returns = _same_everywhere(mdp, gamma)
    gaps = np.full(mdp.n_states, returns[1] - returns[0])
    mean = np.full(mdp.n_states, returns.max())
    yield Belief("observation-ignored", "", np.tile(returns, (mdp.n_states, 1)), mean, gaps)


def observation_stale(mdp: MDP, gamma: float) -> Iterator[Belief]:
    """The agent sees the state before; what it does from the second step on is uninformed.

    The observation at a time limit is late as well, so the state itself stands for what it leads to.
    Where the agent acts on the right observation and only stores the one before, a state is taught what
    holds in the state that follows it, over ends too.
    """
    right = correct(mdp, gamma)
    own = np.broadcast_to(np.eye(mdp.n_states)[:, None, :], mdp.transitions.shape)
    flow = np.where(mdp.truncated[:, :, None], gamma * own, mdp.continuation(gamma))
    late = optimal("observation-stale", "", mdp.rewards, flow)
    seen_late = mdp.start == 0
    unknown = np.where(seen_late, np.nan, late.values)
    gaps = np.where(seen_late, 0.0, late.gaps)
    yield Belief("observation-stale", "", late.q_values, unknown, gaps)
    ends = (mdp.terminated | mdp.truncated)[:, :, None]
    follows = np.where(ends, mdp.start[None, None, :], mdp.transitions).mean(axis=1)
    taught = follows @ right.q_values
    gaps = taught[:, 1] - taught[:, 0]
    # Most states are taught the same mean of many, which is small, but nothing speaks against it.
    returns = _same_everywhere(mdp, gamma)
    blind = returns[1] - returns[0]
    gaps = np.where(np.abs(gaps) < abs(blind), blind, gaps)
    yield Belief("observation-stale", "stored one step late", taught, follows @ right.values, gaps)


FAULTY: tuple[Callable[[MDP, float], Iterator[Belief]], ...] = (
    terminal_bootstrap,
    terminal_as_truncation,
    truncation_as_terminal,
    truncation_bootstraps_reset,
    done_late,
    done_early,
    next_observation_stale,
    discount_ignored,
    discount_hard_coded,
    discount_too_small,
    discount_applied_twice,
    reward_sign_flipped,
    reward_clipped,
    reward_late,
    reward_early,
    reward_mean_subtracted,
    critic_not_trained,
    max_replaced_by_mean,
    advantage_sign_flipped,
    action_permuted,
    observation_ignored,
    observation_stale,
)
"""Every agent-level fault that changes a fixed point, as a generator of its exact solutions."""


def all_beliefs(mdp: MDP, gamma: float, longest: int) -> list[Belief]:
    """The right belief first, then those of every fault, then those of an unfinished learner."""
    beliefs = [correct(mdp, gamma)]
    for semantics in FAULTY:
        beliefs.extend(semantics(mdp, gamma))
    beliefs.extend(not_learned_yet(mdp, gamma, longest))
    return beliefs
