"""Deep Q-networks: plain, double, dueling, prioritised and n-step, in any combination.

    y = r + gamma (1 - terminated) max_a Q_target(s', a)            (double: the online net selects)
    L = 0.5 mean w (Q(s, a) - y)^2

Every few steps of N environments come a few gradient steps on replayed transitions; the target
network follows by Polyak averaging. With n steps the rewards of n steps stand for r, and gamma^n
for gamma, without an off-policy correction, as in Rainbow.

Run: `python -m reference_agents dqn --env CartPole-v1 --steps 50000 --seeds 10 --out runs/dqn`

References: Mnih et al. 2015 (DQN); van Hasselt et al. 2016, arXiv:1509.06461 (double); Wang et al.
2016, arXiv:1511.06581 (dueling); Schaul et al. 2016, arXiv:1511.05952 (prioritised); Hessel et al.
2018, arXiv:1710.02298 (n-step, combinations).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gymnasium
import numpy as np
import torch
from torch import Tensor, nn

from reference_agents._arguments import from_arguments
from reference_agents.agent import Metrics, prepare_env, require_actions
from reference_agents.envs import BatchedEnv
from reference_agents.exploration import epsilon_schedule
from reference_agents.losses import dqn_loss
from reference_agents.networks import SeedOptimiser, StackedMLP, flatten_parameters, one_matrix
from reference_agents.off_policy import OffPolicy
from reference_agents.polyak import polyak_update
from reference_agents.replay import PrioritisedReplayBuffer, Transitions
from reference_agents.streams import SeedStreams
from reference_agents.targets import double_q_target, dueling_q, q_learning_target


@dataclass(frozen=True)
class DQNConfig:
    """Hyper-parameters of DQN; see `make_dqn`."""

    gamma: float
    double: bool
    dueling: bool
    prioritised: bool
    n_step: int
    lr: float
    anneal: bool
    batch_size: int
    train_every: int
    gradient_steps: int
    learning_starts: int
    buffer_size: int
    tau: float
    epsilon_start: float
    epsilon_end: float
    exploration_fraction: float
    priority_alpha: float
    priority_beta: float
    max_grad_norm: float
    value_scale: float
    hidden: tuple[int, ...]


class DQNComponents(NamedTuple):
    """The pure functions that DQN is made of, replaceable by any with the same arguments."""

    q_learning_target: Callable[..., Tensor]
    double_q_target: Callable[..., Tensor]
    dueling_q: Callable[..., Tensor]
    dqn_loss: Callable[..., Tensor]
    polyak_update: Callable[..., None]


class QNetwork(nn.Module):
    """Q(s, .) of S seeds, [S, B, O] -> [S, B, A].

    Args:
        sizes: widths of observation, hidden layers and the number of actions.
        streams: random streams for the initial weights.
        dueling: how V and A combine, the last layer then giving both; None for a plain head.
        scale: the unit of the outputs. Adam moves every weight by about the learning rate, whatever
            the size of the values: outputs near 1 are learnt sooner and fluctuate less than a hundred.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        streams: SeedStreams,
        dueling: Callable[..., Tensor] | None,
        scale: float,
    ) -> None:
        super().__init__()
        outputs = sizes[-1] + (dueling is not None)
        self.net = StackedMLP([*sizes[:-1], outputs], streams, activation="relu")
        self.dueling, self.scale = dueling, scale

    def forward(self, observations: Tensor) -> Tensor:
        """[S, B, O] -> [S, B, A]."""
        outputs = self.scale * self.net(observations)
        if self.dueling is None:
            return outputs
        return self.dueling(outputs[..., :1], outputs[..., 1:])


class Outcome(NamedTuple):
    """What one gradient step saw before it moved the weights.

    Attributes:
        q_values: [S, B, A] of the observations.
        targets: [S, B].
        grad_norms: [S] before clipping.
    """

    q_values: Tensor
    targets: Tensor
    grad_norms: Tensor

    def td_errors(self, batch: Transitions) -> Tensor:
        """Target minus Q(s, a), [S, B]."""
        taken = self.q_values.gather(-1, batch.actions.unsqueeze(-1)).squeeze(-1)
        return self.targets - taken


class DQN(OffPolicy):
    """DQN agent; build it with `make_dqn`."""

    def __init__(
        self,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: DQNConfig,
        components: DQNComponents,
    ) -> None:
        super().__init__("dqn", env, seeds, config, config.n_step)
        self.train_every = config.train_every
        self.components = components
        self.num_actions = gymnasium.spaces.flatdim(env.action_space)
        sizes = [env.observation_size, *config.hidden, self.num_actions]
        dueling = components.dueling_q if config.dueling else None
        init = self.make_streams("init")
        self.online = QNetwork(sizes, init, dueling, config.value_scale)
        self.optimiser = SeedOptimiser([self.online], config.lr, config.max_grad_norm)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.online_weights = one_matrix(self.optimiser.flat)
        self.target_weights = one_matrix(flatten_parameters(self.target.parameters()))
        if config.prioritised:
            self.replay = PrioritisedReplayBuffer(self.replay, config.priority_alpha, env.device)

    def iterate(self) -> Metrics:
        """As `OffPolicy.iterate`; reports epsilon too."""
        return super().iterate() | {"epsilon": np.full(self.env.num_seeds, self.epsilon)}

    @property
    def epsilon(self) -> float:
        """Probability of a random action now."""
        budget = self.learn_until - self.learn_from
        return epsilon_schedule(
            self.steps - self.learn_from,
            start=self.config.epsilon_start,
            end=self.config.epsilon_end,
            decay_steps=max(1, int(self.config.exploration_fraction * budget)),
        )

    @torch.no_grad()
    def explore(self, observations: Tensor) -> Tensor:
        """Epsilon-greedy actions [S, N]."""
        return self.epsilon_greedy(observations, self.epsilon, self.act_streams)

    def epsilon_greedy(self, observations: Tensor, epsilon: float, streams: SeedStreams) -> Tensor:
        """The best actions [S, B], each replaced by a uniform one with probability epsilon."""
        draws = streams.uniform(observations.shape[1], 2)
        uniform = (draws[..., 1] * self.num_actions).long()
        return torch.where(draws[..., 0] < epsilon, uniform, self.greedy(observations))

    def greedy(self, observations: Tensor) -> Tensor:
        """The best actions [S, B]."""
        return self.online(observations).argmax(dim=-1)

    def draw(self, count: int) -> Transitions:
        """`count` replayed transitions of every seed, with importance weights if prioritised."""
        if not self.config.prioritised:
            return super().draw(count)
        beta = 1.0 - (1.0 - self.config.priority_beta) * self.fraction_left
        return self.replay.sample(count, self.replay_streams, beta)

    def learn_from_replay(self) -> Metrics:
        """The gradient steps of one bout, at the learning rate that is due; the last one's metrics."""
        self.optimiser.set_lr(self.config.lr * (self.fraction_left if self.config.anneal else 1.0))
        for batch in self.minibatches():
            outcome = self.gradient_step(batch)
            if self.config.prioritised:
                priorities = outcome.td_errors(batch).abs() + 1e-6
                self.replay.update_priorities(batch.indices, priorities)
        return update_metrics(outcome, batch)

    def update(self, batch: Transitions) -> Metrics:
        """One gradient step of every seed."""
        return update_metrics(self.gradient_step(batch), batch)

    def gradient_step(self, batch: Transitions) -> Outcome:
        """One gradient step of every seed."""
        # --- targets ---
        targets = self.targets(batch)

        # --- losses ---
        q_values = self.online(batch.observations)
        weights = batch.weights if self.config.prioritised else None
        loss = self.components.dqn_loss(q_values, batch.actions, targets, weights)

        # --- update --- (a mean over all rows is 1/S of the sum of the seeds' own means)
        grad_norms = self.optimiser.step(loss * self.env.num_seeds)
        self.components.polyak_update(self.target_weights, self.online_weights, tau=self.config.tau)
        return Outcome(q_values.detach(), targets, grad_norms)

    @torch.no_grad()
    def targets(self, batch: Transitions) -> Tensor:
        """Targets [S, B] for the actions taken."""
        next_q = self.target(batch.next_observations)
        if self.config.n_step > 1:
            # The component discounts once; k steps need the other k - 1 times as well.
            next_q = next_q * batch.later_discounts.unsqueeze(-1)
        ends = (batch.terminated, batch.truncated)
        if self.config.double:
            next_online = self.online(batch.next_observations)
            return self.components.double_q_target(
                batch.rewards, next_online, next_q, *ends, gamma=self.config.gamma
            )
        return self.components.q_learning_target(
            batch.rewards, next_q, *ends, gamma=self.config.gamma
        )

    def act(self, observations: Tensor, deterministic: bool) -> Tensor:
        """Greedy actions [S, B], or epsilon-greedy ones with the final epsilon."""
        if deterministic:
            return self.greedy(observations)
        return self.epsilon_greedy(observations, self.config.epsilon_end, self.predict_streams)

    def q_values(self, obs: Any) -> np.ndarray:
        """Q(s, .), in the leading shape of the observations."""
        return self._ask(self.online, obs)

    def values(self, obs: Any) -> np.ndarray:
        """max_a Q(s, a), in the leading shape of the observations."""
        return self._ask(lambda rows: self.online(rows).amax(dim=-1), obs)

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        return super().parts() | {"optimiser": self.optimiser, "target": self.target}


def update_metrics(outcome: Outcome, batch: Transitions) -> Metrics:
    """The field's usual signals [S] of one gradient step, from before the step."""
    return {
        "q_mean": outcome.q_values.mean(dim=(1, 2)),
        "q_max": outcome.q_values.amax(dim=(1, 2)),
        "value_loss": 0.5 * outcome.td_errors(batch).square().mean(dim=1),
        "grad_norm": outcome.grad_norms,
    }


def make_dqn(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    double: bool = True,
    dueling: bool = False,
    prioritised: bool = False,
    n_step: int = 1,
    num_envs: int = 1,
    lr: float = 1e-3,
    anneal: bool = True,
    batch_size: int = 64,
    train_every: int = 2,
    gradient_steps: int = 1,
    learning_starts: int = 200,
    buffer_size: int = 50_000,
    tau: float = 0.02,
    epsilon_start: float = 1.0,
    epsilon_end: float = 0.05,
    exploration_fraction: float = 0.5,
    priority_alpha: float = 0.6,
    priority_beta: float = 0.4,
    max_grad_norm: float = 10.0,
    value_scale: float = 1.0,
    hidden: Sequence[int] = (64, 64),
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    q_learning_target: Callable[..., Tensor] = q_learning_target,
    double_q_target: Callable[..., Tensor] = double_q_target,
    dueling_q: Callable[..., Tensor] = dueling_q,
    dqn_loss: Callable[..., Tensor] = dqn_loss,
    polyak_update: Callable[..., None] = polyak_update,
) -> DQN:
    """A DQN agent, or S independent ones trained together.

    Args:
        env: a Gymnasium environment, a registered id, dynamics, or vectorised environments.
        seed: one seed, or a sequence of S seeds.
        gamma: discount.
        double: the online network selects the next action, the target network evaluates it.
        dueling: the network's last layer gives V and A, combined by `dueling_q`.
        prioritised: replay in proportion to the TD error, with importance weights.
        n_step: rewards in a target.
        num_envs: N, environments a seed (where `env` does not fix it).
        lr: learning rate.
        anneal: lets lr fall linearly to 0 over each call of `learn`.
        batch_size: transitions of a gradient step.
        train_every: steps of the N environments between two bouts of learning.
        gradient_steps: gradient steps of each bout.
        learning_starts: environment steps before the first gradient step.
        buffer_size: transitions kept.
        tau: weight of the online network in each move of the target network.
        epsilon_start, epsilon_end, exploration_fraction: epsilon falls linearly from start to end
            over this fraction of each call of `learn`.
        priority_alpha: power of the priorities.
        priority_beta: power of the importance weights at first; it rises linearly to 1.
        max_grad_norm: bound on each seed's gradient norm.
        value_scale: values are this times the network's outputs; about a tenth of the largest value.
        hidden: widths of the hidden layers.
        device, dtype: where and in which precision to compute.
        q_learning_target, double_q_target, dueling_q, dqn_loss, polyak_update: the components; a
            replacement takes the arguments of the default. The loss is a mean over the rows.

    Raises:
        TypeError: the actions are not discrete.
        ValueError: the environment cannot be made.
    """
    batched, seeds = prepare_env(env, seed, num_envs, device, dtype)
    require_actions(batched, gymnasium.spaces.Discrete, "dqn")
    config = from_arguments(DQNConfig, locals())
    return DQN(batched, seeds, config, from_arguments(DQNComponents, locals()))
