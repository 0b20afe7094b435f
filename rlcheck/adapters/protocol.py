"""The shape that every agent takes before the ladder sees it.

`AgentSubject` builds agents, `AgentHandle` is one built agent. Adapters (a factory, a class, a
Stable-Baselines3 class or saved model, a training function, a script) each return an
`AgentSubject`; the ladder knows no framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import gymnasium
    import numpy as np


@dataclass(frozen=True, slots=True)
class Task:
    """An environment to learn in, in the two forms that subjects need.

    Args:
        env_id: an id that `gymnasium.make` understands in any program (`ladders:Exam-v0`).
        make_env: builds the same environment in this process; may be called often.
        variables: environment variables that make `env_id` the same environment in another process.
    """

    env_id: str
    make_env: Callable[[], gymnasium.Env]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One transition to learn from, in the environment's units."""

    observation: np.ndarray
    action: int
    reward: float
    next_observation: np.ndarray
    terminated: bool
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One row of a rollout to update a policy on.

    Args:
        observation: as the environment shows it.
        action: that was taken there.
        advantage: of that action.
        ratio: pi(a|s) over the stored probability, before the update.
    """

    observation: np.ndarray
    action: int
    advantage: float
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Experience:
    """What an agent has stored for learning. What it does not store is None.

    A rollout keeps the steps of each environment in order, one environment after another; a replay memory
    of one environment hands out rows in any order, each with the observation that followed.

    Args:
        observations: [N, ...] what was acted on, as the agent stored it.
        actions: [N].
        rewards: [N] in the environment's units.
        next_observations: [N, ...] of a replay memory.
        dones: [N] of a replay memory, 1 where it cuts the bootstrap.
        values, log_probs: [N] V and log pi as they were when the step was taken, of a rollout.
        advantages, returns: [N] of a rollout.
        drawn: `values`, `advantages`, `returns` as one draw for an update hands them out, in any order.
        n_envs: how many environments were stepped side by side.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray | None = None
    next_observations: np.ndarray | None = None
    dones: np.ndarray | None = None
    values: np.ndarray | None = None
    log_probs: np.ndarray | None = None
    advantages: np.ndarray | None = None
    returns: np.ndarray | None = None
    drawn: Mapping[str, np.ndarray] | None = None
    n_envs: int = 1


@dataclass(frozen=True, slots=True)
class CriticProbe:
    """Puts known critics into an actor-critic with continuous actions, and sees what is made of them.

    A probe changes the agent for good, so an agent that was probed is of no further use.

    Args:
        critics: how many there are.
        soft: whether the entropy of the policy is weighed by a temperature.
        target: (row, said [critics], temperature, beside) -> the value that the critics are pulled to on
            this row, where each target critic says one number everywhere, and another row, of another
            observation, may lie beside it in the memory; None where there is no such.
        climb: (rows, slope, updates) -> None; updates of the actor while every critic says
            slope * action.
        warmed: row -> (how far the log temperature moved in one update, the entropy that is wanted),
            where it is learned.
    """

    critics: int
    soft: bool
    target: Callable[[Row, Sequence[float], float, Row | None], float | None]
    climb: Callable[[Sequence[Row], float, int], None]
    warmed: Callable[[Row], tuple[float, float]] | None


@dataclass(frozen=True, slots=True)
class AgentHandle:
    """One built agent. What the subject does not offer is None.

    Args:
        learn: total_timesteps -> None; one uninterrupted training.
        predict: observations [N, ...] -> greedy actions [N] (discrete) or [N, D] (continuous).
        sample: observations [N, ...] -> actions drawn from the policy that it trains with.
        draw: observations [N, ...] -> actions [N] in [-1, 1] and their log-probabilities [N], of a policy
            with one continuous action.
        values: observations [N, ...] -> V [N].
        q_values: observations [N, ...] -> Q [N, A].
        action_probabilities: observations [N, ...] -> [N, A].
        fit_transition: (obs, action, reward, next_obs, terminated, truncated, steps) -> losses;
            trains on one transition, `steps` times; returns the critic's loss at every step.
        fit_rows: (rows, steps) -> None; takes `steps` gradient steps on a replay memory that holds these
            rows and no others, while the target network stands still.
        update_policy: rows -> None; one pass of the policy's loss over a rollout that holds these rows
            and no others, in one batch; return - advantage = V on each.
        shorten_rollout: steps -> None; lets rollouts take so many steps of each environment from now on.
        critic_probe: of an actor-critic with critics of continuous actions.
        copy_to_target: () -> None; makes the target network equal to the online network.
        target_q_values: observations [N, ...] -> Q [N, A] of the target network.
        parameters: () -> name -> array copy of every trainable and target tensor.
        act_one: one unbatched observation -> action, exactly as a user would call `predict`.
        acting: () -> a fresh greedy actor (observations [N, ...], episode_start [N]) -> actions,
            which carries the state of a recurrent policy from call to call and resets it at starts.
        save: path -> None.
        load: path -> AgentHandle with the saved state.
        stored_actions: () -> [steps] the last actions that the agent stored for learning, oldest
            first, of one environment.
        experience: () -> what it stored for learning; asked for after a training.
        acts_untrained: whether it can be asked before `learn`; a training function has no policy yet.
        native: the user's own object, for checks that know its framework.
    """

    learn: Callable[[int], None]
    predict: Callable[[np.ndarray], np.ndarray] | None = None
    sample: Callable[[np.ndarray], np.ndarray] | None = None
    draw: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None
    values: Callable[[np.ndarray], np.ndarray] | None = None
    q_values: Callable[[np.ndarray], np.ndarray] | None = None
    action_probabilities: Callable[[np.ndarray], np.ndarray] | None = None
    fit_transition: Callable[..., list[float]] | None = None
    fit_rows: Callable[[Sequence[Row], int], None] | None = None
    update_policy: Callable[[Sequence[PolicyRow]], None] | None = None
    shorten_rollout: Callable[[int], None] | None = None
    critic_probe: CriticProbe | None = None
    copy_to_target: Callable[[], None] | None = None
    target_q_values: Callable[[np.ndarray], np.ndarray] | None = None
    parameters: Callable[[], Mapping[str, np.ndarray]] | None = None
    act_one: Callable[[Any], Any] | None = None
    acting: Callable[[], Callable[[np.ndarray, np.ndarray], np.ndarray]] | None = None
    save: Callable[[str], None] | None = None
    load: Callable[[str], AgentHandle] | None = None
    stored_actions: Callable[[], np.ndarray] | None = None
    experience: Callable[[], Experience] | None = None
    acts_untrained: bool = True
    native: Any = None


class AgentSubject(Protocol):
    """Builds agents. Attributes are facts that the ladder plans with.

    Attributes:
        framework: "factory", "class", "train-function", "stable-baselines3", "script", ...
        accepts_gamma: whether `make` passes gamma on.
        gamma: the discount the subject uses where it accepts none and it is known, else None.
        options: hyper-parameters that `make` can vary -> their default.
        isolated: whether the agent learns in another process (a script): no handle but `learn`.
        accepts_seed: whether `make` passes the seed on.
        accepts_n_envs: whether `make` can be asked for a number of parallel environments.
        action_forms: which of "discrete" and "continuous" the subject could be built for; empty
            where that cannot be found out without training.
        notes: remarks for the report.
    """

    framework: str
    accepts_gamma: bool
    gamma: float | None
    options: Mapping[str, Any]
    isolated: bool
    accepts_seed: bool
    accepts_n_envs: bool
    action_forms: tuple[str, ...]
    notes: tuple[str, ...]

    def make(
        self,
        task: Task,
        *,
        seed: int,
        gamma: float | None = None,
        options: Mapping[str, Any] | None = None,
        n_envs: int | None = None,
    ) -> AgentHandle:
        """Build an agent that will learn in `task`; `gamma=None` leaves the subject's default."""
        ...
