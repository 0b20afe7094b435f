"""Deep deterministic policy gradient: a critic of continuous actions, and an actor that climbs it.

    y        = r + gamma (1 - terminated) Q_target(s', mu_target(s'))
    L_critic = 0.5 mean (Q(s, a) - y)^2
    L_actor  = mean(-Q(s, mu(s)) + c z(s)^2),   mu(s) = tanh(z(s)),
               the gradient reaching the actor through the action

Actions are those of the actor plus Gaussian noise; both target networks follow by Polyak averaging.
The small cost c keeps tanh out of saturation: at the wrong end of the range its derivative vanishes,
and the actor stays there however clearly the critic points the other way.

Run: `python -m reference_agents ddpg --env Pendulum-v1 --steps 30000 --seeds 10 --out runs/ddpg`

References: Silver et al. 2014 (deterministic policy gradient); Lillicrap et al. 2016,
arXiv:1509.02971; Andrychowicz et al. 2017, arXiv:1707.01495 (the cost of z).
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
from reference_agents.losses import value_loss
from reference_agents.networks import SeedOptimiser, StackedMLP
from reference_agents.off_policy import OffPolicy
from reference_agents.policies import ActionScale
from reference_agents.polyak import polyak_update
from reference_agents.replay import Transitions
from reference_agents.streams import SeedStreams
from reference_agents.targets import td_target


@dataclass(frozen=True)
class DDPGConfig:
    """Hyper-parameters of DDPG; see `make_ddpg`."""

    gamma: float
    actor_lr: float
    critic_lr: float
    batch_size: int
    gradient_steps: int
    learning_starts: int
    buffer_size: int
    tau: float
    noise: float
    saturation_cost: float
    hidden: tuple[int, ...]


class DDPGComponents(NamedTuple):
    """The pure functions that DDPG is made of, replaceable by any with the same arguments."""

    td_target: Callable[..., Tensor]
    value_loss: Callable[..., Tensor]
    polyak_update: Callable[..., None]


class Actor(nn.Module):
    """mu(s) = tanh(z(s)) in (-1, 1) of S seeds, [S, B, O] -> [S, B, D].

    Args:
        sizes: widths of observation, hidden layers and the action's dimension.
        streams: random streams for the initial weights.
    """

    def __init__(self, sizes: Sequence[int], streams: SeedStreams) -> None:
        super().__init__()
        self.net = StackedMLP(sizes, streams, activation="tanh", output_gain=0.01)

    def before_tanh(self, observations: Tensor) -> Tensor:
        """z(s): [S, B, O] -> [S, B, D]."""
        return self.net(observations)

    def forward(self, observations: Tensor) -> Tensor:
        """[S, B, O] -> [S, B, D]."""
        return self.before_tanh(observations).tanh()


class QNetwork(nn.Module):
    """Q(s, a) of S seeds, ([S, B, O], [S, B, D]) -> [S, B]; smooth in a, which the actor climbs.

    Args:
        sizes: width of observation and action together, and of the hidden layers.
        streams: random streams for the initial weights.
    """

    def __init__(self, sizes: Sequence[int], streams: SeedStreams) -> None:
        super().__init__()
        self.net = StackedMLP([*sizes, 1], streams, activation="tanh")

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """([S, B, O], [S, B, D]) -> [S, B]."""
        return self.net(torch.cat((observations, actions), dim=-1)).squeeze(-1)


class DDPG(OffPolicy):
    """DDPG agent; build it with `make_ddpg`."""

    def __init__(
        self,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: DDPGConfig,
        components: DDPGComponents,
    ) -> None:
        super().__init__("ddpg", env, seeds, config)
        self.components = components
        self.scale = ActionScale(env.action_space, env.device, env.dtype)
        init, size = self.make_streams("init"), env.observation_size
        self.actor = Actor([size, *config.hidden, self.scale.size], init)
        self.critic = QNetwork([size + self.scale.size, *config.hidden], init)
        self.actor_optimiser = SeedOptimiser([self.actor], config.actor_lr)
        self.critic_optimiser = SeedOptimiser([self.critic], config.critic_lr)
        self.target_actor = copy.deepcopy(self.actor).requires_grad_(False)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)

    def to_env(self, actions: Tensor) -> Tensor:
        """Actions in [-1, 1] as the environment's."""
        return self.scale.to_env(actions)

    def from_env(self, actions: Tensor) -> Tensor:
        """The environment's actions in [-1, 1]."""
        return self.scale.from_env(actions)

    @torch.no_grad()
    def explore(self, observations: Tensor) -> Tensor:
        """Noisy actions [S, N, D] in [-1, 1]; uniform ones before learning starts."""
        draws = self.act_streams.uniform(self.env.num_envs, self.scale.size)
        if self.steps < self.config.learning_starts:
            return 2.0 * draws - 1.0
        noisy = self.actor(observations) + self.config.noise * torch.special.ndtri(draws)
        return noisy.clamp(-1.0, 1.0)

    def update(self, batch: Transitions) -> Metrics:
        """One gradient step of every seed's critic, then of its actor."""
        # --- targets ---
        with torch.no_grad():
            next_actions = self.target_actor(batch.next_observations)
            next_values = self.target_critic(batch.next_observations, next_actions)
        targets = self.components.td_target(
            batch.rewards,
            next_values,
            batch.terminated,
            batch.truncated,
            gamma=self.config.gamma,
        )

        # --- critic --- (a mean over all rows is 1/S of the sum of the seeds' own means)
        q_values = self.critic(batch.observations, batch.actions)
        loss = self.components.value_loss(q_values, targets)
        grad_norms = self.critic_optimiser.step(loss * self.env.num_seeds)

        # --- actor ---
        before_tanh = self.actor.before_tanh(batch.observations)
        climbed = self.critic(batch.observations, before_tanh.tanh())
        cost = self.config.saturation_cost * before_tanh.square().mean()
        self.actor_optimiser.step((cost - climbed.mean()) * self.env.num_seeds)

        # --- target networks ---
        self.components.polyak_update(self.target_actor, self.actor, tau=self.config.tau)
        self.components.polyak_update(self.target_critic, self.critic, tau=self.config.tau)

        q_values = q_values.detach()
        return {
            "q_mean": q_values.mean(dim=1),
            "q_max": q_values.amax(dim=1),
            "value_loss": value_loss(q_values, targets, seed_dims=1),
            "grad_norm": grad_norms,
        }

    def act(self, observations: Tensor, deterministic: bool) -> Tensor:
        """The environment's actions [S, B, D], with exploration noise unless deterministic."""
        actions = self.actor(observations)
        if not deterministic:
            noise = self.predict_streams.normal(*actions.shape[1:])
            actions = (actions + self.config.noise * noise).clamp(-1.0, 1.0)
        return self.scale.to_env(actions)

    def values(self, obs: Any) -> np.ndarray:
        """Q(s, mu(s)), in the leading shape of the observations."""
        return self._ask(lambda rows: self.critic(rows, self.actor(rows)), obs)

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        return super().parts() | {
            "actor_optimiser": self.actor_optimiser,
            "critic_optimiser": self.critic_optimiser,
            "target_actor": self.target_actor,
            "target_critic": self.target_critic,
        }


def make_ddpg(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    num_envs: int = 1,
    actor_lr: float = 1e-3,
    critic_lr: float = 1e-3,
    batch_size: int = 128,
    gradient_steps: int = 1,
    learning_starts: int = 1000,
    buffer_size: int = 50_000,
    tau: float = 0.02,
    noise: float = 0.3,
    saturation_cost: float = 0.01,
    hidden: Sequence[int] = (64, 64),
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    td_target: Callable[..., Tensor] = td_target,
    value_loss: Callable[..., Tensor] = value_loss,
    polyak_update: Callable[..., None] = polyak_update,
) -> DDPG:
    """A DDPG agent, or S independent ones trained together.

    Args:
        env: a Gymnasium environment, a registered id, dynamics, or vectorised environments.
        seed: one seed, or a sequence of S seeds.
        gamma: discount.
        num_envs: N, environments a seed (where `env` does not fix it).
        actor_lr, critic_lr: learning rates.
        batch_size: transitions of a gradient step.
        gradient_steps: gradient steps after each step of the N environments.
        learning_starts: environment steps with uniform actions before the first gradient step.
        buffer_size: transitions kept.
        tau: weight of the online networks in each move of the target networks.
        noise: standard deviation of the exploration noise, in half-widths of the action's range.
        saturation_cost: c, weight of the squared outputs in front of tanh, in units of Q.
        hidden: widths of the hidden layers of actor and critic.
        device, dtype: where and in which precision to compute.
        td_target, value_loss, polyak_update: the components; a replacement takes the arguments of
            the default. The loss is a mean over the rows.

    Raises:
        TypeError: the actions are not continuous.
        ValueError: the environment cannot be made.
    """
    batched, seeds = prepare_env(env, seed, num_envs, device, dtype)
    require_actions(batched, gymnasium.spaces.Box, "ddpg")
    config = from_arguments(DDPGConfig, locals())
    return DDPG(batched, seeds, config, from_arguments(DDPGComponents, locals()))
