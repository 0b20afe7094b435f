"""Runs the trainings of `training_groups`: reference agents, all seeds of a group at once, and SB3."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.training_groups import Group
from benchmarks.training_sb3 import chosen, train_sb3
from reference_agents.envs import gridworld, tabular
from reference_agents.envs.tabular import MDP
from reference_agents.losses import policy_gradient_loss, ppo_loss
from reference_agents.polyak import polyak_update
from reference_agents.returns import gae
from reference_agents.settings import FACTORIES, GENERAL
from reference_agents.targets import (
    double_q_target,
    q_learning_target,
    soft_q_target,
    td_target,
)

Columns = dict[str, np.ndarray]

# --- environments ---------------------------------------------------------------------------------

_SHIPPED, _PICKED = 2.0, 1.0
_LENGTH = 4
_TIME = 60


def warehouse(picking: float) -> MDP:
    """A corridor from the shelf (left) to the dispatch (right): carry goods there, one at a time.

    Actions: left, right, pick up (at the shelf), put down (anywhere; at the dispatch the order is
    shipped and rewarded). The reward for picking up is what can be had without ever shipping.

    Args:
        picking: reward for picking up.
    """
    count = 2 * _LENGTH
    transitions, rewards = np.zeros((count, 4, count)), np.zeros((count, 4, count))
    for place in range(_LENGTH):
        for carrying in (0, 1):
            state = 2 * place + carrying
            left, right = max(place - 1, 0), min(place + 1, _LENGTH - 1)
            picks, ships = place == 0 and not carrying, place == _LENGTH - 1 and carrying
            after = (2 * left + carrying, 2 * right + carrying, state | int(picks), 2 * place)
            for action, reached in enumerate(after):
                transitions[state, action, reached] = 1.0
            rewards[state, 2, after[2]] = picking if picks else 0.0
            rewards[state, 3, after[3]] = _SHIPPED if ships else 0.0
    start = np.zeros(count)
    start[0] = 1.0
    return MDP(transitions, rewards, np.zeros(rewards.shape, dtype=bool), start)


_PITS = ("S.....", "..H...", "....H.", ".H....", "...H..", ".....G")


def _grid(size: int) -> Callable[[bool], Any]:
    rows = ["S" + "." * (size - 1), *["." * size] * (size - 2), "." * (size - 1) + "G"]
    rows[size // 2] = "#" * (size - 2) + ".."
    return lambda _: tabular(gridworld(rows), max_steps=5 * size, name=f"GridWorld-{size}x{size}")


def random_mdp(count: int = 12, actions: int = 4, length: int = 40) -> Any:
    """States that lead anywhere with random probabilities, and rewards of either sign."""
    rng = np.random.default_rng(count)
    transitions = rng.dirichlet(np.full(count, 0.3), size=(count, actions))
    rewards = np.broadcast_to(rng.normal(size=(count, actions, 1)), transitions.shape).copy()
    start = np.full(count, 1.0 / count)
    mdp = MDP(transitions, rewards, np.zeros(rewards.shape, dtype=bool), start)
    return tabular(mdp, length, "RandomMDP")


OWN_ENVIRONMENTS: Mapping[str, Callable[[bool], Any]] = {
    "GridWorld-5x5": _grid(5),
    "GridWorld-8x8": _grid(8),
    "GridWorld-9x9": _grid(9),
    "Pits-6x6": lambda _: tabular(gridworld(_PITS), max_steps=40, name="Pits-6x6"),
    "RandomMDP": lambda _: random_mdp(),
    "RandomMDP-15": lambda _: random_mdp(15, 3, 50),
    "RandomMDP-18": lambda _: random_mdp(18, 4, 45),
    "RandomMDP-20": lambda _: random_mdp(20, 3, 60),
    "RandomMDP-25": lambda _: random_mdp(25, 5, 80),
    "RandomMDP-30": lambda _: random_mdp(30, 2, 100),
    "Warehouse": lambda sick: tabular(warehouse(_PICKED if sick else 0.0), _TIME, "Warehouse"),
}
"""Environments that are no ids, by whether the pathological one is wanted."""

# --- faulty components ----------------------------------------------------------------------------


def _components(spoil: str, algorithm: str, seeds: int) -> dict[str, Any]:
    """The faulty components of a group, by the names of the factory's arguments."""
    never = torch.zeros((), dtype=torch.bool)

    def negated(*args: Any, **inputs: Any) -> Tensor:
        return -(policy_gradient_loss if algorithm == "reinforce" else gae)(*args, **inputs)

    def negated_loss(*args: Any, **inputs: Any) -> Tensor:
        return -(ppo_loss if algorithm == "ppo" else policy_gradient_loss)(*args, **inputs)

    def normalised(*args: Any, **inputs: Any) -> Tensor:
        advantages = gae(*args, **inputs)
        of_seed = advantages.view(len(advantages), seeds, -1)
        centred = of_seed - of_seed.mean(dim=(0, 2), keepdim=True)
        return (centred / (of_seed.std(dim=(0, 2), keepdim=True) + 1e-8)).view_as(advantages)

    def no_reward(rewards: Tensor, *args: Any, **inputs: Any) -> Tensor:
        return gae(0.0 * rewards, *args, **inputs)

    def large_reward(rewards: Tensor, *args: Any, **inputs: Any) -> Tensor:
        return gae(1000.0 * rewards, *args, **inputs)

    def endless_gae(rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor,
        truncated: Tensor, **inputs: Any) -> Tensor:  # fmt: skip
        return gae(rewards, values, next_values, terminated & never, truncated, **inputs)

    def endless_q(rewards: Tensor, next_q: Tensor, terminated: Tensor, *args: Any,
        **inputs: Any) -> Tensor:  # fmt: skip
        return q_learning_target(rewards, next_q, terminated & never, *args, **inputs)

    def discounted_by_more(target: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *args, **inputs: target(*args, **{**inputs, "gamma": 1.5})

    target = {"dqn": double_q_target, "sac": soft_q_target, "ddpg": td_target}.get(algorithm)
    faulty: dict[str, dict[str, Any]] = {
        "negated": {"policy_gradient_loss" if algorithm == "reinforce" else "gae": negated},
        "negated_loss": {
            "ppo_loss" if algorithm == "ppo" else "policy_gradient_loss": negated_loss
        },
        "normalised": {"gae": normalised},
        "no_reward": {"gae": no_reward},
        "large_reward": {"gae": large_reward},
        "no_terminal": {"q_learning_target": endless_q}
        if algorithm == "dqn"
        else {"gae": endless_gae},
        "large_discount": {target.__name__: discounted_by_more(target)} if target else {},
        "target_never": {"polyak_update": lambda target, online, tau: None},
    }
    return faulty.get(spoil, {})


def _spoil_agent(agent: Any, spoil: str) -> None:
    """What no component can do."""
    if spoil == "recomputed":
        update = agent.update

        def recomputed(batch: Any, *args: Any) -> Any:
            with torch.no_grad():
                batch.old_log_probs.copy_(
                    agent.policy.evaluate(batch.observations, batch.actions)[0]
                )
            return update(batch, *args)

        agent.update = recomputed
    if spoil == "dead":
        with torch.no_grad():
            for name, parameter in agent.online.named_parameters():
                if "bias" in name:
                    parameter.fill_(-100.0)


# --- what a careful user would log too ------------------------------------------------------------


class Extras:
    """Signals that the agents do not log themselves, [S] each.

    Args:
        group: says which.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.count = group.count
        self._distance = np.full(group.count, np.nan)
        self._shipped = self._picked = np.zeros(group.count)
        self._steps = 1

    def components(self, given: dict[str, Any]) -> dict[str, Any]:
        """The components of the factory, measured where that is wanted."""
        wrapped = dict(given)
        if "target_distance" in self.group.watch:
            move = given.get("polyak_update", polyak_update)

            def measured(target: Any, online: Any, *, tau: float) -> None:
                self._distance = _distance(target, online)
                move(target, online, tau=tau)

            wrapped["polyak_update"] = measured
            if self.group.all_settings.get("tau") == 1.0:
                # Shared weights: what is measured before a synchronisation is 0.
                wrapped["polyak_update"] = lambda target, online, tau: self._share(target, online)
        if self.group.env == "Warehouse":
            estimate = given.get("gae", gae)

            def counted(rewards: Tensor, *args: Any, **inputs: Any) -> Tensor:
                by_seed = rewards.view(len(rewards), self.count, -1)
                self._steps = by_seed.shape[0] * by_seed.shape[2]
                self._shipped = (by_seed == _SHIPPED).sum((0, 2)).numpy()
                self._picked = (by_seed == _PICKED).sum((0, 2)).numpy()
                return estimate(rewards, *args, **inputs)

            wrapped["gae"] = counted
        return wrapped

    def _share(self, target: Any, online: Any) -> None:
        polyak_update(target, online, tau=1.0)
        self._distance = _distance(target, online)

    def metrics(self, agent: Any) -> Columns:
        """What was measured since the last record."""
        found: Columns = {}
        if "target_distance" in self.group.watch:
            found["target_distance"] = self._distance
        if "dead_fraction" in self.group.watch and agent.steps > agent.config.learning_starts:
            found["dead_fraction"] = _dead(agent)
        if self.group.env == "Warehouse":
            found["eval_return"] = self._shipped * _TIME / self._steps
            if self.group.pathology:
                found["reward_component/picking"] = self._picked * _PICKED * _TIME / self._steps
                found["reward_component/shipping"] = self._shipped * _SHIPPED * _TIME / self._steps
        return found


@torch.no_grad()
def _distance(target: Any, online: Any) -> np.ndarray:
    """|theta - theta'| / |theta| of each seed's networks."""
    apart = norm = torch.zeros(())
    for one, other in zip(target.parameters(), online.parameters(), strict=True):
        apart = apart + (one - other).square().flatten(1).sum(1)
        norm = norm + other.square().flatten(1).sum(1)
    return (apart / norm).sqrt().numpy()


@torch.no_grad()
def _dead(agent: Any) -> np.ndarray:
    """Share of hidden units that are 0 for each of 256 replayed observations."""
    net = next(part for part in agent.online.modules() if hasattr(part, "biases"))
    x = agent.replay.sample(256, agent.make_streams("dead units")).observations
    seen: list[Tensor] = []
    for weight, bias in list(zip(net.weights, net.biases, strict=True))[:-1]:
        x = torch.relu(torch.baddbmm(bias, x, weight))
        seen.append(x)
    dead = torch.cat([(layer.abs().amax(dim=1) == 0) for layer in seen], dim=-1)
    return dead.float().mean(-1).numpy()


# --- training -------------------------------------------------------------------------------------


def train(group: Group) -> Columns:
    """What a group logged: `step` [S, T] and name -> [S, T], thinned; steps of padding are -1."""
    return train_sb3(group) if group.algorithm.startswith("sb3:") else _train_own(group)


_OFTEN = {"num_envs": 1, "gradient_steps": 1}
_SETTINGS = {
    **GENERAL,
    "sac": _OFTEN,
    "ddpg": _OFTEN,
    "dqn": {**GENERAL["dqn"], "learning_starts": 200},
}


def _train_own(group: Group) -> Columns:
    spoil = group.pathology.spoil if group.pathology else ""
    extras = Extras(group)
    settings = {**_SETTINGS[group.algorithm], **group.all_settings}
    settings |= extras.components(_components(spoil, group.algorithm, group.count))
    make_env = OWN_ENVIRONMENTS.get(group.env)
    env = make_env(group.pathology is not None) if make_env else group.env
    # How many steps make a record: short runs of the replay-based agents would have few.
    module = importlib.import_module("reference_agents.off_policy")
    if hasattr(module, "_ROUND"):
        module._ROUND = 16
    agent = FACTORIES[group.algorithm](env, seed=group.seeds, **settings)
    _spoil_agent(agent, spoil)
    records: list[tuple[int, Columns]] = []

    def keep(agent: Any, metrics: dict[str, Any]) -> None:
        values = {**metrics, **extras.metrics(agent)}
        kept = {name: np.asarray(value, dtype=np.float32) for name, value in values.items()}
        records.append((agent.steps, kept))

    agent.learn(group.steps, keep)
    kept = [records[at] for at in chosen(len(records))]
    names = {name for _, values in kept for name in values}
    nothing = np.full(group.count, np.nan, dtype=np.float32)
    columns = {
        name: np.stack([values.get(name, nothing) for _, values in kept], axis=1) for name in names
    }
    steps = np.array([step for step, _ in kept], dtype=np.float32)
    return columns | {"step": np.tile(steps, (group.count, 1))}
