"""Soft actor-critic with twin critics and an automatic temperature.

    y        = r + gamma (1 - terminated) (min(Q1, Q2)_target(s', a') - alpha log pi(a'|s'))
    L_critic = 0.5 mean (Q1(s, a) - y)^2 + 0.5 mean (Q2(s, a) - y)^2
    L_actor  = mean (alpha log pi(a~|s) - min(Q1, Q2)(s, a~)),    a~ reparameterised
    L_alpha  = -mean (log alpha (log pi(a~|s) + H_target))

Run: `python -m reference_agents sac --env Pendulum-v1 --steps 20000 --seeds 10 --out runs/sac`

References: Haarnoja et al. 2018, arXiv:1801.01290 and arXiv:1812.05905 (automatic temperature).
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
from reference_agents.ddpg import QNetwork
from reference_agents.distributions import SquashedActions, tanh_gaussian_sample
from reference_agents.envs import BatchedEnv
from reference_agents.losses import value_loss
from reference_agents.networks import SeedOptimiser, StackedMLP, flatten_parameters, one_matrix
from reference_agents.off_policy import OffPolicy
from reference_agents.policies import ActionScale
from reference_agents.polyak import polyak_update
from reference_agents.replay import Transitions
from reference_agents.streams import SeedStreams
from reference_agents.targets import soft_q_target

_LOG_STD_RANGE = (-5.0, 2.0)  # beyond it tanh-Gaussian actions are constants or coin tosses


@dataclass(frozen=True)
class SACConfig:
    """Hyper-parameters of SAC; see `make_sac`."""

    gamma: float
    lr: float
    batch_size: int
    gradient_steps: int
    learning_starts: int
    buffer_size: int
    tau: float
    initial_alpha: float
    target_entropy: float
    hidden: tuple[int, ...]


class SACComponents(NamedTuple):
    """The pure functions that SAC is made of, replaceable by any with the same arguments."""

    soft_q_target: Callable[..., Tensor]
    tanh_gaussian_sample: Callable[..., SquashedActions]
    value_loss: Callable[..., Tensor]
    polyak_update: Callable[..., None]


class SquashedGaussianActor(nn.Module):
    """Mean and log standard deviation of u, the action being tanh(u); [S, B, O] -> 2 x [S, B, D].

    Args:
        sizes: widths of observation, hidden layers and the action's dimension.
        streams: random streams for the initial weights.
    """

    def __init__(self, sizes: Sequence[int], streams: SeedStreams) -> None:
        super().__init__()
        outputs = [*sizes[:-1], 2 * sizes[-1]]
        self.net = StackedMLP(outputs, streams, activation="relu", output_gain=0.01)

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """[S, B, O] -> mean [S, B, D], log_std [S, B, D]."""
        mean, log_std = self.net(observations).chunk(2, dim=-1)
        return mean, log_std.clamp(*_LOG_STD_RANGE)


class TwinCritic(nn.Module):
    """Q1(s, a) and Q2(s, a) of S seeds, ([S, B, O], [S, B, D]) -> 2 x [S, B].

    Args:
        sizes: width of observation and action together, and of the hidden layers.
        streams: random streams for the initial weights.
    """

    def __init__(self, sizes: Sequence[int], streams: SeedStreams) -> None:
        super().__init__()
        self.q1, self.q2 = QNetwork(sizes, streams), QNetwork(sizes, streams)

    def forward(self, observations: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """([S, B, O], [S, B, D]) -> 2 x [S, B]."""
        return self.q1(observations, actions), self.q2(observations, actions)


class Temperature(nn.Module):
    """alpha = exp(log alpha), one for each seed, [S, 1].

    Args:
        streams: of the seeds, for their number, device and dtype.
        initial_alpha: where it starts.
    """

    def __init__(self, streams: SeedStreams, initial_alpha: float) -> None:
        super().__init__()
        start = torch.full(
            (streams.num_seeds, 1), initial_alpha, device=streams.device, dtype=streams.dtype
        )
        self.log_alpha = nn.Parameter(start.log())


class SAC(OffPolicy):
    """SAC agent; build it with `make_sac`."""

    def __init__(
        self,
        env: BatchedEnv,
        seeds: tuple[int, ...],
        config: SACConfig,
        components: SACComponents,
    ) -> None:
        super().__init__("sac", env, seeds, config)
        self.components = components
        self.scale = ActionScale(env.action_space, env.device, env.dtype)
        init, size = self.make_streams("init"), env.observation_size
        self.actor = SquashedGaussianActor([size, *config.hidden, self.scale.size], init)
        self.critic = TwinCritic([size + self.scale.size, *config.hidden], init)
        self.temperature = Temperature(init, config.initial_alpha)
        self.actor_optimiser = SeedOptimiser([self.actor], config.lr)
        self.critic_optimiser = SeedOptimiser([self.critic], config.lr)
        self.alpha_optimiser = SeedOptimiser([self.temperature], config.lr)
        self.target_critic = copy.deepcopy(self.critic).requires_grad_(False)
        self.critic_weights = one_matrix(self.critic_optimiser.flat)
        self.target_weights = one_matrix(flatten_parameters(self.target_critic.parameters()))
        self.noise_streams = self.make_streams("noise")

    def to_env(self, actions: Tensor) -> Tensor:
        """Actions in [-1, 1] as the environment's."""
        return self.scale.to_env(actions)

    def from_env(self, actions: Tensor) -> Tensor:
        """The environment's actions in [-1, 1]."""
        return self.scale.from_env(actions)

    @torch.no_grad()
    def explore(self, observations: Tensor) -> Tensor:
        """Sampled actions [S, N, D] in [-1, 1]; uniform ones before learning starts."""
        draws = self.act_streams.uniform(self.env.num_envs, self.scale.size)
        if self.steps < self.config.learning_starts:
            return 2.0 * draws - 1.0
        mean, log_std = self.actor(observations)
        return (mean + log_std.exp() * torch.special.ndtri(draws)).tanh()

    def sample(self, observations: Tensor) -> SquashedActions:
        """Reparameterised actions [S, B, D] of the policy and their log-probabilities [S, B]."""
        mean, log_std = self.actor(observations)
        noise = self.noise_streams.normal(*mean.shape[1:])
        return self.components.tanh_gaussian_sample(mean, log_std, noise)

    def update(self, batch: Transitions) -> Metrics:
        """One gradient step of every seed's critics, actor and temperature."""
        config, seeds = self.config, self.env.num_seeds
        alpha = self.temperature.log_alpha.detach().exp()  # [S, 1]

        # --- targets ---
        with torch.no_grad():
            next_actions, next_log_probs = self.sample(batch.next_observations)
            next_q1, next_q2 = self.target_critic(batch.next_observations, next_actions)
        targets = self.components.soft_q_target(
            batch.rewards,
            next_q1,
            next_q2,
            next_log_probs,
            batch.terminated,
            batch.truncated,
            gamma=config.gamma,
            alpha=alpha,
        )

        # --- critics --- (a mean over all rows is 1/S of the sum of the seeds' own means)
        q1, q2 = self.critic(batch.observations, batch.actions)
        loss = self.components.value_loss(q1, targets) + self.components.value_loss(q2, targets)
        grad_norms = self.critic_optimiser.step(loss * seeds)

        # --- actor ---
        actions, log_probs = self.sample(batch.observations)
        pessimistic = torch.minimum(*self.critic(batch.observations, actions))
        self.actor_optimiser.step((alpha * log_probs - pessimistic).mean() * seeds)

        # --- temperature --- rises while the entropy is below its target
        surplus = log_probs.detach() + config.target_entropy
        self.alpha_optimiser.step(-(self.temperature.log_alpha * surplus).mean() * seeds)

        # --- target network ---
        self.components.polyak_update(self.target_critic, self.critic, tau=config.tau)

        q1 = q1.detach()
        return {
            "q_mean": q1.mean(dim=1),
            "q_max": q1.amax(dim=1),
            "value_loss": value_loss(q1, targets, seed_dims=1),
            "entropy": -log_probs.detach().mean(dim=1),
            "alpha": alpha.squeeze(1),
            "grad_norm": grad_norms,
        }

    def act(self, observations: Tensor, deterministic: bool) -> Tensor:
        """The environment's actions [S, B, D]; the deterministic one is tanh of the mean."""
        mean, log_std = self.actor(observations)
        if not deterministic:
            mean = mean + log_std.exp() * self.predict_streams.normal(*mean.shape[1:])
        return self.scale.to_env(mean.tanh())

    def sample_with_log_prob(self, obs: Any) -> tuple[np.ndarray, np.ndarray]:
        """Actions [..., D] in [-1, 1], drawn as updates draw them, and their log-probabilities [...]."""

        def head(rows: Tensor) -> Tensor:
            drawn = self.sample(rows)
            return torch.cat((drawn.actions, drawn.log_probs.unsqueeze(-1)), dim=-1)

        both = self._ask(head, obs)
        return both[..., :-1], both[..., -1]

    def values(self, obs: Any) -> np.ndarray:
        """min(Q1, Q2)(s, tanh(mean)), in the leading shape of the observations."""
        return self._ask(
            lambda rows: torch.minimum(*self.critic(rows, self.actor(rows)[0].tanh())), obs
        )

    def parts(self) -> dict[str, Any]:
        """The objects that make up the training's state."""
        return super().parts() | {
            "actor_optimiser": self.actor_optimiser,
            "critic_optimiser": self.critic_optimiser,
            "alpha_optimiser": self.alpha_optimiser,
            "target_critic": self.target_critic,
            "noise_streams": self.noise_streams,
        }


def make_sac(
    env: Any,
    *,
    seed: int | Sequence[int],
    gamma: float = 0.99,
    num_envs: int = 1,
    lr: float = 1e-3,
    batch_size: int = 128,
    gradient_steps: int = 1,
    learning_starts: int = 1000,
    buffer_size: int = 50_000,
    tau: float = 0.005,
    initial_alpha: float = 1.0,
    target_entropy: float | None = None,
    hidden: Sequence[int] = (64, 64),
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    soft_q_target: Callable[..., Tensor] = soft_q_target,
    tanh_gaussian_sample: Callable[..., SquashedActions] = tanh_gaussian_sample,
    value_loss: Callable[..., Tensor] = value_loss,
    polyak_update: Callable[..., None] = polyak_update,
) -> SAC:
    """A SAC agent, or S independent ones trained together.

    Args:
        env: a Gymnasium environment, a registered id, dynamics, or vectorised environments.
        seed: one seed, or a sequence of S seeds.
        gamma: discount.
        num_envs: N, environments a seed (where `env` does not fix it).
        lr: learning rate of actor, critics and temperature.
        batch_size: transitions of a gradient step.
        gradient_steps: gradient steps after each step of the N environments.
        learning_starts: environment steps with uniform actions before the first gradient step.
        buffer_size: transitions kept.
        tau: weight of the online critics in each move of the target critics.
        initial_alpha: temperature at first.
        target_entropy: entropy, in nats and of actions scaled to [-1, 1], that the temperature aims
            at; by default minus the action's dimension.
        hidden: widths of the hidden layers of actor and critics.
        device, dtype: where and in which precision to compute.
        soft_q_target, tanh_gaussian_sample, value_loss, polyak_update: the components; a
            replacement takes the arguments of the default. The loss is a mean over the rows.

    Raises:
        TypeError: the actions are not continuous.
        ValueError: the environment cannot be made.
    """
    batched, seeds = prepare_env(env, seed, num_envs, device, dtype)
    require_actions(batched, gymnasium.spaces.Box, "sac")
    if target_entropy is None:
        target_entropy = -float(np.prod(batched.action_space.shape or ()))
    config = from_arguments(SACConfig, locals())
    return SAC(batched, seeds, config, from_arguments(SACComponents, locals()))
