"""Which real trainings the labelled set consists of: healthy ones, and pathologies that are provoked.

A pathology names the faults that count as right for it; that list is part of its definition and was
written before any run of it was judged. The two halves share no seed, and the environments of `UNSEEN`
occur in the test half only. Healthy means that the code is right: agents that are slow, that were given
too few steps, or that have never yet found a sparse reward are among them.

The first test half was judged once, with the result that `docs/training_signals.md` tells; two detectors
were mended on it, so it is no test any more, and the test half has seeds of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

TUNING, FIRST_TEST, TEST = "tuning", "first_test", "test"
HALVES = (TUNING, FIRST_TEST, TEST)
FIRST_SEED = {TUNING: 0, FIRST_TEST: 1000, TEST: 2000}
UNSEEN = ("MountainCar-v0", "FrozenLake-v1", "GridWorld-8x8")


@dataclass(frozen=True, slots=True)
class Pathology:
    """A mistake, how it is made, and which faults name it.

    Args:
        name: what is wrong.
        faults: names that are right for it.
        settings: hyper-parameters that make it.
        spoil: the faulty component that makes it, by its name in `training_provoked`.
    """

    name: str
    faults: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    spoil: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Trainings of one half that differ in their seeds only.

    Args:
        half: one of `HALVES`.
        algorithm: of the reference agents, or `sb3:PPO` and the like.
        env: id, or a name of `training_provoked.OWN_ENVIRONMENTS`.
        steps: environment steps of each seed.
        count: how many seeds.
        pathology: what is wrong; None for a healthy group.
        variant: what distinguishes a healthy group from others of its algorithm and environment.
        settings: hyper-parameters of a healthy variant.
        watch: further signals that are measured, as a careful user would.
    """

    half: str
    algorithm: str
    env: str
    steps: int
    count: int
    pathology: Pathology | None = None
    variant: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    watch: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """One line that no other group of its half has."""
        what = self.pathology.name if self.pathology else self.variant
        return f"{self.algorithm} {self.env}" + (f": {what}" if what else "")

    @property
    def faults(self) -> tuple[str, ...]:
        """Names that are right for it, none for a healthy group."""
        return self.pathology.faults if self.pathology else ()

    @property
    def seeds(self) -> range:
        """Seeds, disjoint between the halves."""
        return range(FIRST_SEED[self.half], FIRST_SEED[self.half] + self.count)

    @property
    def all_settings(self) -> dict[str, Any]:
        """Hyper-parameters beyond the algorithm's own."""
        return {**self.settings, **(self.pathology.settings if self.pathology else {})}


# --- what is provoked -----------------------------------------------------------------------------

_TOO_LARGE = ("kl-spikes", "entropy-collapse", "not-finite", "clip-saturated",
    "value-loss-explosion", "gradients-exploding")  # fmt: skip
_WRONG_WAY = ("critic-explains-nothing", "return-stuck", "return-collapsed", "entropy-collapse",
    "episodes-of-one-length")  # fmt: skip
_DIVERGED = ("q-value-divergence", "value-loss-explosion", "gradients-exploding", "not-finite")

ACTOR_CRITIC = (
    Pathology("learning rate 1", _TOO_LARGE, {"lr": 1.0}),
    Pathology("entropy coefficient -3", ("entropy-collapse",), {"entropy_coef": -3.0}),
    Pathology("advantages negated", _WRONG_WAY, spoil="negated"),
    Pathology("critic not trained", ("critic-explains-nothing",), {"value_coef": 0.0}),
)
PPO = (
    *ACTOR_CRITIC,
    Pathology("entropy coefficient 10", ("policy-stays-random", "entropy-explosion"),
        {"entropy_coef": 10.0}),
    Pathology("learning rate 0", ("ratio-always-one", "policy-stays-random"), {"lr": 0.0}),
    Pathology("clip range 10", ("clip-never-active", "kl-spikes"),
        {"clip_epsilon": 10.0, "lr": 1e-2}),
    Pathology("rewards lost", ("critic-explains-nothing", "policy-stays-random", "return-stuck",
        "return-without-variance"), spoil="no_reward"),
    Pathology("old log-probabilities recomputed", ("ratio-always-one",), spoil="recomputed"),
    Pathology("rewards times 1000", ("critic-explains-nothing", "value-loss-explosion"),
        spoil="large_reward"),
    Pathology("terminal states bootstrapped", ("critic-explains-nothing", "value-loss-explosion",
        "return-stuck"), spoil="no_terminal"),
)  # fmt: skip
REINFORCE = (
    Pathology("learning rate 1", _TOO_LARGE, {"lr": 1.0}),
    Pathology("loss negated", _WRONG_WAY, spoil="negated"),
)
DQN = (
    # In the tuning half all units died in the first update, so that name was added.
    Pathology("learning rate 1", (*_DIVERGED, "action-values-all-equal"), {"lr": 1.0}),
    Pathology("no target network, no terminal mask, no discount", ("q-value-divergence",),
        {"tau": 1.0, "double": False, "gamma": 1.0}, "no_terminal"),
    Pathology("discount 1.5 in the target", ("q-value-divergence",), spoil="large_discount"),
)  # fmt: skip
TARGETS = (
    Pathology("target never updated", ("target-never-updated",), spoil="target_never"),
    Pathology("target is the online network", ("target-is-online",), {"tau": 1.0}),
)
DEAD = Pathology("biases start at -100", ("dead-units",), spoil="dead")
CONTINUOUS = (
    Pathology("discount 1.5 in the target", ("q-value-divergence",), spoil="large_discount"),
)
HACKED = Pathology("picking up is rewarded", ("reward-hacking", "reward-component-takes-over"))

SB3_PPO = (
    Pathology("rewards times 1000, advantages as they are", ("critic-explains-nothing",
        "policy-stays-random", "value-loss-explosion"),
        {"normalize_advantage": False}, "large_reward"),
    Pathology("learning rate 1", _TOO_LARGE, {"learning_rate": 1.0}),
)  # fmt: skip
SB3_DQN = Pathology("target interval beyond the run", ("target-never-updated",),
    {"target_update_interval": 10**9})  # fmt: skip

# --- the halves -----------------------------------------------------------------------------------

_DISTANCE = ("target_distance",)


def _sick(
    half: str,
    algorithm: str,
    env: str,
    steps: int,
    count: int,
    *pathologies: Pathology,
    **more: Any,
) -> Iterator[Group]:
    for one in pathologies:
        yield Group(half, algorithm, env, steps, count, one, **more)


def _healthy(
    half: str, algorithm: str, env: str, steps: int, count: int, variant: str = "",
    watch: tuple[str, ...] = (), **settings: Any,
) -> Group:  # fmt: skip
    return Group(half, algorithm, env, steps, count, None, variant, settings, watch)


def _tuning() -> Iterator[Group]:
    yield from _sick(TUNING, "ppo", "CartPole-v1", 30_000, 6, *PPO[:8])
    yield from _sick(TUNING, "dqn", "CartPole-v1", 3_000, 6, *DQN)
    yield from _sick(TUNING, "dqn", "CartPole-v1", 3_000, 6, *TARGETS, watch=_DISTANCE)
    yield from _sick(TUNING, "ppo", "Warehouse", 21_000, 6, HACKED)
    yield _healthy(TUNING, "a2c", "GridWorld-5x5", 12_000, 24)
    yield _healthy(TUNING, "dqn", "CartPole-v1", 3_000, 16, watch=_DISTANCE)
    yield from _sick(TUNING, "a2c", "CartPole-v1", 15_000, 6, *ACTOR_CRITIC)
    yield _healthy(TUNING, "ppo", "GridWorld-9x9", 21_000, 16, "the goal is hardly ever found")
    yield from _sick(TUNING, "ppo", "CartPole-v1", 30_000, 6, *PPO[8:])
    yield from _sick(TUNING, "dqn", "CartPole-v1", 3_000, 6, DEAD, watch=("dead_fraction",))
    yield from _sick(TUNING, "sb3:DQN", "CartPole-v1", 4_000, 1, SB3_DQN)

    yield _healthy(TUNING, "ppo", "CartPole-v1", 50_000, 32)
    yield _healthy(TUNING, "ppo", "CartPole-v1", 50_000, 12, "entropy bonus", entropy_coef=0.01)
    yield _healthy(TUNING, "ppo", "Acrobot-v1", 100_000, 8)
    yield _healthy(TUNING, "ppo", "Pendulum-v1", 100_000, 8, gamma=0.9)
    yield _healthy(TUNING, "a2c", "CartPole-v1", 50_000, 24)
    yield _healthy(TUNING, "reinforce", "CartPole-v1", 50_000, 16)


def _first_test() -> Iterator[Group]:
    yield _healthy(FIRST_TEST, "a2c", "CartPole-v1", 25_000, 32)
    yield from _sick(FIRST_TEST, "ppo", "CartPole-v1", 34_000, 5, *PPO[:4])
    yield from _sick(FIRST_TEST, "a2c", "CartPole-v1", 20_000, 5, *ACTOR_CRITIC)
    yield _healthy(FIRST_TEST, "a2c", "GridWorld-8x8", 12_000, 32)
    yield _healthy(FIRST_TEST, "ppo", "CartPole-v1", 34_000, 24)


def _test() -> Iterator[Group]:
    # Healthy and pathological ones by turns, so that half a collection is a fair sample, too.
    yield _healthy(TEST, "a2c", "CartPole-v1", 25_000, 32)
    yield from _sick(TEST, "dqn", "MountainCar-v0", 3_000, 5, *TARGETS, watch=_DISTANCE)
    yield _healthy(TEST, "a2c", "MountainCar-v0", 12_000, 40)
    yield from _sick(TEST, "a2c", "CartPole-v1", 20_000, 5, *ACTOR_CRITIC[:3])
    yield _healthy(TEST, "a2c", "Acrobot-v1", 12_000, 32)
    yield from _sick(TEST, "dqn", "CartPole-v1", 3_000, 5, *DQN)
    yield _healthy(TEST, "ppo", "GridWorld-8x8", 21_000, 32)
    yield from _sick(TEST, "ppo", "Warehouse", 21_000, 6, HACKED)
    yield from _sick(TEST, "ppo", "CartPole-v1", 21_000, 5, PPO[4], PPO[5], PPO[6], PPO[8])
    yield _healthy(TEST, "a2c", "GridWorld-8x8", 12_000, 32)
    yield _healthy(TEST, "dqn", "GridWorld-8x8", 3_000, 24, watch=("dead_fraction",))
    yield _healthy(TEST, "ppo", "MountainCar-v0", 21_000, 32)
    yield from _sick(TEST, "ppo", "CartPole-v1", 34_000, 5, *PPO[:4])
    yield from _sick(TEST, "a2c", "CartPole-v1", 20_000, 5, ACTOR_CRITIC[3])
    yield _healthy(TEST, "ppo", "CartPole-v1", 34_000, 24)
    yield from _sick(TEST, "ppo", "CartPole-v1", 34_000, 5, PPO[7], PPO[9], PPO[10])
    yield from _sick(TEST, "sb3:DQN", "CartPole-v1", 4_000, 1, SB3_DQN)
    yield from _sick(TEST, "dqn", "GridWorld-8x8", 3_000, 5, DEAD, watch=("dead_fraction",))
    yield _healthy(TEST, "ppo", "Warehouse", 21_000, 16)
    yield _healthy(TEST, "sb3:PPO", "CartPole-v1", 6_000, 1, n_steps=256, n_epochs=5)
    yield _healthy(TEST, "ppo", "Acrobot-v1", 21_000, 24)
    yield from _sick(TEST, "sb3:PPO", "CartPole-v1", 5_000, 1, *SB3_PPO)
    yield _healthy(TEST, "dqn", "CartPole-v1", 3_000, 24, watch=_DISTANCE)
    yield from _sick(TEST, "ppo", "Acrobot-v1", 21_000, 4, PPO[0], PPO[4], PPO[8])
    yield _healthy(TEST, "a2c", "FrozenLake-v1", 8_000, 16)
    yield from _sick(TEST, "reinforce", "CartPole-v1", 4_000, 5, *REINFORCE)
    yield _healthy(TEST, "reinforce", "CartPole-v1", 5_000, 16)
    yield from _sick(TEST, "ddpg", "Pendulum-v1", 3_000, 5, *CONTINUOUS)
    yield _healthy(TEST, "ddpg", "Pendulum-v1", 3_000, 12)
    yield _healthy(TEST, "ppo", "Pendulum-v1", 21_000, 16, gamma=0.9)
    yield from _sick(TEST, "ppo", "GridWorld-8x8", 21_000, 4, PPO[0], PPO[1], PPO[8])
    yield _healthy(TEST, "sac", "Pendulum-v1", 2_500, 12)
    yield from _sick(TEST, "sac", "Pendulum-v1", 3_000, 5, *CONTINUOUS)


GROUPS: tuple[Group, ...] = (*_tuning(), *_first_test(), *_test())
