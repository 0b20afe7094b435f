"""The trainings of each half of the labelled set.

The halves share no seed, and the environments of `UNSEEN` occur in the test half only. A test half is
judged once; what its false alarms and its misses teach is mended afterwards, and then it is no test any
more. That happened to all of them, with results that `docs/training_signals.md` tells. What was not
recorded of them when the next one was begun has been left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.training_groups import (
    ACTOR_CRITIC,
    CONTINUOUS,
    DEAD,
    DQN,
    FIFTH_TEST,
    FIRST_TEST,
    FOURTH_TEST,
    HACKED,
    NORMALISED,
    PPO,
    REINFORCE,
    SB3_ACTOR_CRITIC,
    SB3_DQN,
    SB3_PPO,
    SECOND_TEST,
    SECOND_TUNING,
    SIXTH_TEST,
    TARGETS,
    TEST,
    THIRD_TEST,
    THIRD_TUNING,
    TUNING,
    WRONG_LOSS,
    Group,
    Pathology,
)  # fmt: skip

UNSEEN = ("FrozenLake8x8-v1", "Pusher-v5", "RandomMDP-18", "Walker2d-v5")

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

    yield _healthy(TUNING, "ppo", "CartPole-v1", 50_000, 32)
    yield _healthy(TUNING, "ppo", "CartPole-v1", 50_000, 12, "entropy bonus", entropy_coef=0.01)
    yield _healthy(TUNING, "ppo", "Acrobot-v1", 100_000, 8)
    yield _healthy(TUNING, "ppo", "Pendulum-v1", 100_000, 8, gamma=0.9)
    yield _healthy(TUNING, "a2c", "CartPole-v1", 50_000, 24)
    yield _healthy(TUNING, "reinforce", "CartPole-v1", 50_000, 16)

    # What a sceptic would try: slow and hasty settings, rewards on other scales, sparse ones.
    yield _healthy(TUNING, "ppo", "CliffWalking-v1", 16_000, 12)
    yield _healthy(TUNING, "ppo", "Pendulum-v1", 20_000, 12, "long horizon", gamma=0.99)
    yield _healthy(TUNING, "a2c", "CliffWalking-v1", 8_000, 12)
    yield _healthy(TUNING, "dqn", "MountainCar-v0", 3_000, 12, watch=_DISTANCE)
    yield _healthy(TUNING, "reinforce", "GridWorld-5x5", 8_000, 12)
    yield _healthy(TUNING, "ppo", "CartPole-v1", 12_000, 12, "slow", lr=1e-5)
    yield _healthy(TUNING, "ppo", "CartPole-v1", 16_000, 12, "hasty", lr=1e-2)
    yield _healthy(TUNING, "dqn", "GridWorld-5x5", 3_000, 12, watch=("dead_fraction",))
    yield _healthy(TUNING, "a2c", "RandomMDP", 8_000, 16)
    yield _healthy(TUNING, "ppo", "RandomMDP", 12_000, 16)
    yield _healthy(TUNING, "dqn", "CliffWalking-v1", 3_000, 12, watch=_DISTANCE)
    yield _healthy(TUNING, "a2c", "CartPole-v1", 12_000, 12, "hasty", lr=1e-2)
    yield _healthy(TUNING, "reinforce", "CartPole-v1", 6_000, 12, "hasty", lr=1e-2)
    yield _healthy(TUNING, "dqn", "CartPole-v1", 4_000, 12, "hasty", lr=1e-2)
    yield _healthy(TUNING, "ppo", "MountainCar-v0", 16_000, 12)
    yield _healthy(TUNING, "reinforce", "MountainCar-v0", 8_000, 12)
    yield _healthy(TUNING, "sac", "Pendulum-v1", 1_500, 6)
    yield _healthy(TUNING, "sb3:DQN", "CartPole-v1", 4_000, 2, "as it comes", learning_starts=100)
    yield _healthy(TUNING, "sb3:A2C", "CartPole-v1", 5_000, 2)
    yield _healthy(TUNING, "sb3:PPO", "Pendulum-v1", 8_000, 2)
    yield from _sick(TUNING, "sb3:DQN", "CartPole-v1", 4_000, 1, SB3_DQN)
    yield from _sick(TUNING, "dqn", "CartPole-v1", 3_000, 6, DEAD, watch=("dead_fraction",))
    yield from _sick(TUNING, "ppo", "CartPole-v1", 30_000, 6, *PPO[8:])


def _first_test() -> Iterator[Group]:
    yield _healthy(FIRST_TEST, "a2c", "CartPole-v1", 25_000, 32)
    yield from _sick(FIRST_TEST, "ppo", "CartPole-v1", 34_000, 5, *PPO[:4])
    yield from _sick(FIRST_TEST, "a2c", "CartPole-v1", 20_000, 5, *ACTOR_CRITIC)
    yield _healthy(FIRST_TEST, "a2c", "GridWorld-8x8", 12_000, 32)
    yield _healthy(FIRST_TEST, "ppo", "CartPole-v1", 34_000, 24)


def _second_test() -> Iterator[Group]:
    yield _healthy(SECOND_TEST, "a2c", "CartPole-v1", 25_000, 32)
    yield from _sick(SECOND_TEST, "dqn", "MountainCar-v0", 3_000, 5, *TARGETS, watch=_DISTANCE)
    yield _healthy(SECOND_TEST, "a2c", "MountainCar-v0", 12_000, 40)
    yield from _sick(SECOND_TEST, "a2c", "CartPole-v1", 20_000, 5, *ACTOR_CRITIC[:3])
    yield _healthy(SECOND_TEST, "a2c", "Acrobot-v1", 12_000, 32)
    yield from _sick(SECOND_TEST, "dqn", "CartPole-v1", 3_000, 5, *DQN)
    yield _healthy(SECOND_TEST, "ppo", "GridWorld-8x8", 21_000, 32)
    yield from _sick(SECOND_TEST, "ppo", "Warehouse", 21_000, 6, HACKED)
    yield from _sick(SECOND_TEST, "ppo", "CartPole-v1", 21_000, 5, PPO[4], PPO[5], PPO[6], PPO[8])


def _third_test() -> Iterator[Group]:
    # Cheap ones first, healthy and pathological by turns, so that a part of it is a fair sample, too.
    yield _healthy(THIRD_TEST, "a2c", "Pits-6x6", 8_000, 12)
    yield from _sick(THIRD_TEST, "ppo", "Acrobot-v1", 21_000, 4, PPO[0], PPO[4], PPO[8])
    yield _healthy(THIRD_TEST, "ppo", "RandomMDP-30", 16_000, 12)
    yield _healthy(THIRD_TEST, "a2c", "RandomMDP-30", 8_000, 12)
    yield from _sick(THIRD_TEST, "a2c", "CartPole-v1", 16_000, 4, *ACTOR_CRITIC)
    yield _healthy(THIRD_TEST, "ppo", "FrozenLake-v1", 12_000, 12)
    yield _healthy(THIRD_TEST, "a2c", "FrozenLake-v1", 8_000, 12)
    yield from _sick(THIRD_TEST, "ppo", "CartPole-v1", 32_000, 4, *PPO[1:4], *PPO[5:8], *PPO[9:])
    yield _healthy(
        THIRD_TEST, "ppo", "CartPole-v1", 32_000, 16, "short horizon", gamma=0.9, lam=0.8
    )
    yield _healthy(THIRD_TEST, "ppo", "CartPole-v1", 32_000, 12, "much entropy", entropy_coef=0.1)
    yield _healthy(THIRD_TEST, "a2c", "CartPole-v1", 16_000, 12, "short rollouts", num_steps=16)
    yield from _sick(THIRD_TEST, "dqn", "Acrobot-v1", 3_000, 4, *DQN)
    yield from _sick(THIRD_TEST, "dqn", "Pits-6x6", 3_000, 4, DEAD, watch=("dead_fraction",))
    yield _healthy(THIRD_TEST, "dqn", "Pits-6x6", 3_000, 12, watch=("dead_fraction",))
    yield _healthy(THIRD_TEST, "dqn", "Acrobot-v1", 3_000, 12, watch=_DISTANCE)
    yield from _sick(THIRD_TEST, "dqn", "Pits-6x6", 3_000, 4, *TARGETS, watch=_DISTANCE)
    yield _healthy(THIRD_TEST, "reinforce", "Pits-6x6", 6_000, 12)
    yield _healthy(THIRD_TEST, "reinforce", "FrozenLake-v1", 5_000, 8)
    yield from _sick(THIRD_TEST, "reinforce", "CartPole-v1", 5_000, 4, *REINFORCE)
    yield from _sick(THIRD_TEST, "ppo", "Warehouse", 21_000, 6, HACKED)
    yield _healthy(THIRD_TEST, "ppo", "Warehouse", 21_000, 12)
    yield _healthy(THIRD_TEST, "reinforce", "Acrobot-v1", 8_000, 8)
    yield _healthy(THIRD_TEST, "dqn", "CartPole-v1", 3_000, 12, "slow", lr=1e-4, watch=_DISTANCE)
    yield from _sick(THIRD_TEST, "ddpg", "Pendulum-v1", 2_500, 4, *CONTINUOUS)
    yield _healthy(THIRD_TEST, "ddpg", "Pendulum-v1", 2_500, 8)
    yield from _sick(THIRD_TEST, "sac", "Pendulum-v1", 2_500, 4, *CONTINUOUS)
    yield _healthy(THIRD_TEST, "sac", "Pendulum-v1", 2_500, 8, "short horizon", gamma=0.9)
    yield _healthy(THIRD_TEST, "sac", "MountainCarContinuous-v0", 2_000, 4)
    yield _healthy(THIRD_TEST, "ppo", "MountainCarContinuous-v0", 12_000, 6)
    yield _healthy(THIRD_TEST, "ppo", "InvertedPendulum-v5", 10_000, 6)
    yield _healthy(THIRD_TEST, "a2c", "LunarLander-v3", 10_000, 6)
    yield from _sick(THIRD_TEST, "ppo", "LunarLander-v3", 16_000, 2, PPO[0], PPO[1], PPO[3], PPO[5])
    yield _healthy(THIRD_TEST, "ppo", "LunarLander-v3", 16_000, 6)
    yield _healthy(THIRD_TEST, "ppo", "Swimmer-v5", 10_000, 4)
    yield from _sick(THIRD_TEST, "sb3:PPO", "Acrobot-v1", 10_000, 2, *SB3_PPO)
    yield from _sick(THIRD_TEST, "sb3:DQN", "LunarLander-v3", 4_000, 1, SB3_DQN)
    yield _healthy(THIRD_TEST, "sb3:PPO", "LunarLander-v3", 10_000, 2)
    yield _healthy(THIRD_TEST, "sb3:DQN", "LunarLander-v3", 4_000, 2)
    yield _healthy(THIRD_TEST, "sb3:A2C", "Acrobot-v1", 6_000, 2)
    yield _healthy(THIRD_TEST, "sb3:DQN", "MountainCar-v0", 4_000, 2)
    yield _healthy(THIRD_TEST, "sb3:PPO", "FrozenLake-v1", 8_000, 2)
    yield _healthy(THIRD_TEST, "sb3:A2C", "Pendulum-v1", 6_000, 2)


def _fourth_test() -> Iterator[Group]:
    yield _healthy(FOURTH_TEST, "ppo", "RandomMDP-20", 16_000, 12)
    yield _healthy(FOURTH_TEST, "a2c", "RandomMDP-20", 8_000, 16)
    yield from _sick(FOURTH_TEST, "a2c", "RandomMDP-20", 8_000, 4, *ACTOR_CRITIC[:3])
    yield from _sick(
        FOURTH_TEST, "ppo", "RandomMDP-20", 32_000, 4, PPO[0], PPO[1], *PPO[3:6], PPO[8]
    )
    yield _healthy(FOURTH_TEST, "a2c", "CartPole-v1", 12_000, 16, "middle horizon", gamma=0.95)
    yield _healthy(FOURTH_TEST, "ppo", "CartPole-v1", 32_000, 12, "many epochs", epochs=10)
    yield _healthy(FOURTH_TEST, "ppo", "Acrobot-v1", 24_000, 12, "middle horizon", gamma=0.95)
    yield from _sick(FOURTH_TEST, "ppo", "Pendulum-v1", 32_000, 4, PPO[0], PPO[2], PPO[3])
    yield _healthy(FOURTH_TEST, "ppo", "Pendulum-v1", 32_000, 12, "middle horizon", gamma=0.95)
    yield _healthy(FOURTH_TEST, "a2c", "Pendulum-v1", 8_000, 12, "short horizon", gamma=0.9)
    yield from _sick(FOURTH_TEST, "dqn", "RandomMDP-20", 3_000, 4, DQN[0], DQN[2])
    yield from _sick(FOURTH_TEST, "dqn", "RandomMDP-20", 3_000, 4, *TARGETS, watch=_DISTANCE)
    yield from _sick(FOURTH_TEST, "dqn", "RandomMDP-20", 3_000, 4, DEAD, watch=("dead_fraction",))
    yield _healthy(FOURTH_TEST, "dqn", "RandomMDP-20", 3_000, 12, watch=_DISTANCE)
    yield _healthy(FOURTH_TEST, "dqn", "Acrobot-v1", 3_000, 12, "slow", lr=5e-4)
    yield from _sick(FOURTH_TEST, "reinforce", "RandomMDP-20", 6_000, 4, *REINFORCE)
    yield _healthy(FOURTH_TEST, "reinforce", "RandomMDP-20", 6_000, 12)
    yield _healthy(FOURTH_TEST, "ddpg", "Pendulum-v1", 2_000, 6, "short horizon", gamma=0.9)
    yield _healthy(FOURTH_TEST, "sb3:PPO", "Acrobot-v1", 8_000, 2)
    yield _healthy(FOURTH_TEST, "sb3:A2C", "LunarLander-v3", 5_000, 2)


def _second_tuning() -> Iterator[Group]:
    # What the fourth half taught needs signals that the earlier ones do not hold.
    dead = ("dead_fraction",)
    yield _healthy(SECOND_TUNING, "ppo", "Pendulum-v1", 24_000, 12, gamma=0.99)
    yield from _sick(SECOND_TUNING, "ppo", "Pendulum-v1", 24_000, 4, PPO[2], PPO[3])
    yield _healthy(SECOND_TUNING, "a2c", "CartPole-v1", 12_000, 16)
    yield from _sick(SECOND_TUNING, "a2c", "CartPole-v1", 12_000, 4, ACTOR_CRITIC[3])
    yield _healthy(SECOND_TUNING, "a2c", "RandomMDP-30", 8_000, 16)
    yield from _sick(SECOND_TUNING, "a2c", "RandomMDP-30", 8_000, 4, *ACTOR_CRITIC)
    yield _healthy(SECOND_TUNING, "a2c", "Acrobot-v1", 12_000, 12)
    yield from _sick(SECOND_TUNING, "a2c", "Acrobot-v1", 12_000, 4, *ACTOR_CRITIC)
    yield _healthy(SECOND_TUNING, "ppo", "Acrobot-v1", 16_000, 8)
    yield from _sick(SECOND_TUNING, "ppo", "Acrobot-v1", 16_000, 4, PPO[1], *PPO[3:6])
    yield _healthy(SECOND_TUNING, "a2c", "Pendulum-v1", 8_000, 12)
    yield from _sick(SECOND_TUNING, "a2c", "Pendulum-v1", 8_000, 4, *ACTOR_CRITIC)
    yield from _sick(SECOND_TUNING, "dqn", "RandomMDP-30", 3_000, 4, DQN[0], watch=dead)
    yield from _sick(SECOND_TUNING, "dqn", "Acrobot-v1", 3_000, 4, *DQN, watch=dead)
    yield _healthy(SECOND_TUNING, "dqn", "Acrobot-v1", 3_000, 8, watch=dead)
    yield _healthy(SECOND_TUNING, "dqn", "CartPole-v1", 3_000, 8, watch=dead)
    yield _healthy(SECOND_TUNING, "dqn", "MountainCar-v0", 3_000, 8, watch=dead)
    yield _healthy(SECOND_TUNING, "ppo", "GridWorld-9x9", 12_000, 8)
    yield _healthy(SECOND_TUNING, "a2c", "FrozenLake-v1", 6_000, 12)
    yield _healthy(SECOND_TUNING, "ppo", "CartPole-v1", 16_000, 12)
    yield _healthy(SECOND_TUNING, "ppo", "RandomMDP", 12_000, 12)
    yield _healthy(SECOND_TUNING, "a2c", "MountainCar-v0", 8_000, 8)
    yield _healthy(SECOND_TUNING, "ppo", "LunarLander-v3", 12_000, 4)
    yield _healthy(SECOND_TUNING, "a2c", "LunarLander-v3", 8_000, 4)
    yield from _sick(SECOND_TUNING, "ppo", "LunarLander-v3", 12_000, 2, PPO[3])
    yield _healthy(SECOND_TUNING, "sb3:A2C", "CartPole-v1", 8_000, 2)
    yield from _sick(SECOND_TUNING, "sb3:A2C", "CartPole-v1", 8_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(SECOND_TUNING, "sb3:PPO", "Pendulum-v1", 8_000, 2)
    yield from _sick(SECOND_TUNING, "sb3:PPO", "Pendulum-v1", 8_000, 1, *SB3_ACTOR_CRITIC)


def _fifth_test() -> Iterator[Group]:
    dead = ("dead_fraction",)
    # Three environments never seen, and one more random MDP.
    yield _healthy(FIFTH_TEST, "ppo", "Taxi-v4", 24_000, 20)
    yield from _sick(FIFTH_TEST, "ppo", "Taxi-v4", 24_000, 3, *PPO[:6], PPO[8], PPO[9])
    yield _healthy(FIFTH_TEST, "a2c", "Taxi-v4", 10_000, 20)
    yield from _sick(FIFTH_TEST, "a2c", "Taxi-v4", 10_000, 3, *ACTOR_CRITIC)
    yield _healthy(FIFTH_TEST, "dqn", "Taxi-v4", 3_000, 20, watch=dead)
    yield from _sick(FIFTH_TEST, "dqn", "Taxi-v4", 3_000, 3, DQN[0], DQN[2], DEAD, watch=dead)
    yield from _sick(FIFTH_TEST, "dqn", "Taxi-v4", 3_000, 3, *TARGETS, watch=_DISTANCE)
    yield _healthy(FIFTH_TEST, "ppo", "Reacher-v5", 16_000, 8)
    yield from _sick(FIFTH_TEST, "ppo", "Reacher-v5", 16_000, 3, PPO[0], PPO[2], PPO[3], PPO[9])
    yield _healthy(FIFTH_TEST, "a2c", "Reacher-v5", 8_000, 8)
    yield from _sick(FIFTH_TEST, "a2c", "Reacher-v5", 8_000, 3, ACTOR_CRITIC[2], ACTOR_CRITIC[3])
    yield _healthy(FIFTH_TEST, "ppo", "BipedalWalker-v3", 12_000, 6)
    yield _healthy(FIFTH_TEST, "a2c", "RandomMDP-25", 8_000, 20)
    yield from _sick(FIFTH_TEST, "a2c", "RandomMDP-25", 8_000, 3, *ACTOR_CRITIC)
    yield _healthy(FIFTH_TEST, "ppo", "RandomMDP-25", 16_000, 20)
    yield from _sick(FIFTH_TEST, "ppo", "RandomMDP-25", 24_000, 3, *PPO[:6], PPO[8])
    yield _healthy(FIFTH_TEST, "reinforce", "RandomMDP-25", 6_000, 12)
    yield from _sick(FIFTH_TEST, "reinforce", "RandomMDP-25", 6_000, 3, *REINFORCE)
    yield _healthy(FIFTH_TEST, "dqn", "RandomMDP-25", 3_000, 12, watch=dead)
    yield from _sick(FIFTH_TEST, "dqn", "RandomMDP-25", 3_000, 3, *DQN[:1], DQN[2], watch=dead)

    # Known environments with other settings, and those where logs show little.
    yield _healthy(FIFTH_TEST, "a2c", "CartPole-v1", 12_000, 20, "longer horizon", gamma=0.995)
    yield from _sick(FIFTH_TEST, "a2c", "CartPole-v1", 16_000, 3, *ACTOR_CRITIC)
    yield _healthy(FIFTH_TEST, "ppo", "CartPole-v1", 24_000, 20, "short rollouts", num_steps=32)
    yield from _sick(FIFTH_TEST, "ppo", "CartPole-v1", 30_000, 3, PPO[0], PPO[1], PPO[4], *PPO[6:])
    yield _healthy(FIFTH_TEST, "ppo", "Acrobot-v1", 16_000, 12, "entropy bonus", entropy_coef=0.02)
    yield from _sick(FIFTH_TEST, "ppo", "Acrobot-v1", 16_000, 3, PPO[0], PPO[1], PPO[3], PPO[4])
    yield _healthy(FIFTH_TEST, "dqn", "Acrobot-v1", 3_000, 12, watch=dead)
    yield from _sick(FIFTH_TEST, "dqn", "Acrobot-v1", 3_000, 3, *DQN, watch=dead)
    yield _healthy(FIFTH_TEST, "ppo", "Pendulum-v1", 32_000, 12, "long horizon", gamma=0.98)
    yield from _sick(FIFTH_TEST, "ppo", "Pendulum-v1", 32_000, 3, PPO[0], PPO[2], PPO[3])
    yield _healthy(FIFTH_TEST, "ppo", "Warehouse", 21_000, 8)
    yield from _sick(FIFTH_TEST, "ppo", "Warehouse", 21_000, 3, HACKED)
    yield _healthy(FIFTH_TEST, "ddpg", "Pendulum-v1", 2_000, 8)
    yield from _sick(FIFTH_TEST, "ddpg", "Pendulum-v1", 2_000, 3, *CONTINUOUS)

    # Stable-Baselines3.
    yield _healthy(FIFTH_TEST, "sb3:PPO", "CartPole-v1", 8_000, 2)
    yield from _sick(FIFTH_TEST, "sb3:PPO", "CartPole-v1", 8_000, 1, *SB3_ACTOR_CRITIC, SB3_PPO[0])
    yield _healthy(FIFTH_TEST, "sb3:A2C", "LunarLander-v3", 6_000, 2)
    yield from _sick(FIFTH_TEST, "sb3:A2C", "LunarLander-v3", 6_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(FIFTH_TEST, "sb3:PPO", "Taxi-v4", 6_000, 2)
    yield from _sick(FIFTH_TEST, "sb3:PPO", "Taxi-v4", 6_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(FIFTH_TEST, "sb3:DQN", "Acrobot-v1", 4_000, 2)
    yield from _sick(FIFTH_TEST, "sb3:DQN", "Acrobot-v1", 4_000, 1, SB3_DQN)


def _sixth_test() -> Iterator[Group]:
    dead = ("dead_fraction",)
    # Two environments and a random MDP never seen; pathologies where so far only healthy agents were.
    yield _healthy(SIXTH_TEST, "a2c", "CliffWalking-v1", 8_000, 12)
    yield from _sick(SIXTH_TEST, "a2c", "CliffWalking-v1", 8_000, 3, *ACTOR_CRITIC)
    yield _healthy(SIXTH_TEST, "ppo", "CliffWalking-v1", 16_000, 12)
    yield from _sick(SIXTH_TEST, "ppo", "CliffWalking-v1", 16_000, 3, *PPO[:6], PPO[8], PPO[9])
    yield _healthy(SIXTH_TEST, "dqn", "CliffWalking-v1", 3_000, 12, watch=dead)
    yield from _sick(SIXTH_TEST, "dqn", "CliffWalking-v1", 3_000, 3, DQN[0], DQN[2], watch=dead)
    yield from _sick(SIXTH_TEST, "dqn", "CliffWalking-v1", 3_000, 3, *TARGETS, watch=_DISTANCE)
    yield _healthy(SIXTH_TEST, "ppo", "HalfCheetah-v5", 16_000, 6)
    yield from _sick(SIXTH_TEST, "ppo", "HalfCheetah-v5", 16_000, 2, PPO[0], PPO[2], PPO[3], PPO[9])
    yield _healthy(SIXTH_TEST, "ppo", "InvertedDoublePendulum-v5", 16_000, 8)
    yield from _sick(
        SIXTH_TEST, "ppo", "InvertedDoublePendulum-v5", 16_000, 3, PPO[0], PPO[2], PPO[3], PPO[9]
    )
    yield _healthy(SIXTH_TEST, "a2c", "InvertedDoublePendulum-v5", 8_000, 8)
    yield from _sick(SIXTH_TEST, "a2c", "InvertedDoublePendulum-v5", 8_000, 3, *ACTOR_CRITIC[2:])
    yield _healthy(SIXTH_TEST, "a2c", "RandomMDP-15", 8_000, 12)
    yield from _sick(SIXTH_TEST, "a2c", "RandomMDP-15", 8_000, 3, *ACTOR_CRITIC)
    yield _healthy(SIXTH_TEST, "ppo", "RandomMDP-15", 16_000, 12)
    yield from _sick(SIXTH_TEST, "ppo", "RandomMDP-15", 24_000, 3, *PPO[:6], PPO[8])
    yield from _sick(SIXTH_TEST, "reinforce", "RandomMDP-15", 6_000, 3, *REINFORCE)
    yield _healthy(SIXTH_TEST, "a2c", "MountainCar-v0", 8_000, 12, "long horizon", gamma=0.995)
    yield from _sick(SIXTH_TEST, "a2c", "MountainCar-v0", 8_000, 3, *ACTOR_CRITIC)
    yield _healthy(SIXTH_TEST, "ppo", "MountainCar-v0", 16_000, 12, "long horizon", gamma=0.995)
    yield from _sick(SIXTH_TEST, "ppo", "MountainCar-v0", 16_000, 3, PPO[0], PPO[1], PPO[3], PPO[4])
    yield _healthy(SIXTH_TEST, "a2c", "CartPole-v1", 12_000, 12, "middle horizon", gamma=0.98)
    yield from _sick(SIXTH_TEST, "a2c", "CartPole-v1", 16_000, 3, *ACTOR_CRITIC)
    yield _healthy(SIXTH_TEST, "sb3:A2C", "Acrobot-v1", 6_000, 2)
    yield from _sick(SIXTH_TEST, "sb3:A2C", "Acrobot-v1", 6_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(SIXTH_TEST, "sb3:PPO", "Acrobot-v1", 6_000, 2)
    yield from _sick(SIXTH_TEST, "sb3:PPO", "Acrobot-v1", 6_000, 1, *SB3_ACTOR_CRITIC)


def _third_tuning() -> Iterator[Group]:
    # What the sixth half taught needs signals that the earlier ones do not hold.
    half = THIRD_TUNING
    against = ACTOR_CRITIC[1:3]
    yield _healthy(half, "a2c", "RandomMDP-15", 8_000, 12)
    yield from _sick(half, "a2c", "RandomMDP-15", 8_000, 4, *against, WRONG_LOSS)
    yield _healthy(half, "ppo", "RandomMDP-15", 16_000, 12)
    yield from _sick(half, "ppo", "RandomMDP-15", 16_000, 4, *against, WRONG_LOSS)
    yield _healthy(half, "reinforce", "RandomMDP-25", 6_000, 12)
    yield from _sick(half, "reinforce", "RandomMDP-25", 6_000, 4, REINFORCE[1])
    yield _healthy(half, "a2c", "CartPole-v1", 12_000, 12)
    yield from _sick(half, "a2c", "CartPole-v1", 12_000, 4, *against, WRONG_LOSS)
    yield _healthy(half, "ppo", "CartPole-v1", 24_000, 12)
    yield from _sick(half, "ppo", "CartPole-v1", 24_000, 4, *against, WRONG_LOSS)
    yield _healthy(half, "reinforce", "CartPole-v1", 8_000, 12)
    yield from _sick(half, "reinforce", "CartPole-v1", 8_000, 4, *REINFORCE)
    yield _healthy(half, "a2c", "Acrobot-v1", 12_000, 12)
    yield from _sick(half, "a2c", "Acrobot-v1", 12_000, 4, *against, WRONG_LOSS)
    yield _healthy(half, "a2c", "MountainCar-v0", 8_000, 12)
    yield from _sick(half, "a2c", "MountainCar-v0", 8_000, 4, *against, WRONG_LOSS)
    yield _healthy(half, "ppo", "Pendulum-v1", 16_000, 12)
    yield from _sick(half, "ppo", "Pendulum-v1", 16_000, 4, PPO[2], WRONG_LOSS)
    yield _healthy(half, "ppo", "CartPole-v1", 16_000, 12, "hasty", lr=1e-2)
    yield _healthy(half, "a2c", "CartPole-v1", 12_000, 12, "raw advantages", normalise=False)
    yield from _sick(half, "ppo", "CartPole-v1", 16_000, 4, PPO[0], *PPO[5:], NORMALISED)
    yield from _sick(half, "a2c", "CartPole-v1", 16_000, 4, *PPO[10:], NORMALISED)
    yield from _sick(half, "ppo", "Hopper-v5", 12_000, 3, *PPO[10:])
    yield from _sick(half, "ppo", "RandomMDP-15", 16_000, 4, PPO[7], NORMALISED)
    yield _healthy(half, "a2c", "FrozenLake-v1", 6_000, 12)
    yield _healthy(half, "a2c", "CliffWalking-v1", 8_000, 12)
    yield _healthy(half, "ppo", "Taxi-v4", 12_000, 12)
    yield _healthy(half, "a2c", "Pendulum-v1", 8_000, 12)
    yield _healthy(half, "ppo", "Reacher-v5", 12_000, 6)
    yield _healthy(half, "ppo", "Hopper-v5", 12_000, 6)
    yield _healthy(half, "sb3:A2C", "CartPole-v1", 8_000, 2)
    yield from _sick(half, "sb3:A2C", "CartPole-v1", 8_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(half, "sb3:PPO", "CartPole-v1", 8_000, 2)
    yield from _sick(half, "sb3:PPO", "CartPole-v1", 8_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(half, "sb3:A2C", "Acrobot-v1", 6_000, 2)
    yield from _sick(half, "sb3:A2C", "Acrobot-v1", 6_000, 1, *SB3_ACTOR_CRITIC[2:])
    yield _healthy(half, "sb3:PPO", "Acrobot-v1", 6_000, 2)
    yield from _sick(half, "sb3:PPO", "Acrobot-v1", 6_000, 1, *SB3_ACTOR_CRITIC[2:])
    yield _healthy(half, "sb3:A2C", "Pendulum-v1", 6_000, 2)
    yield _healthy(half, "sb3:PPO", "Pendulum-v1", 6_000, 2)


def _test() -> Iterator[Group]:
    dead = ("dead_fraction",)
    # Three environments and a random MDP never seen.
    yield _healthy(TEST, "a2c", "RandomMDP-18", 8_000, 12)
    yield from _sick(TEST, "a2c", "RandomMDP-18", 8_000, 3, *ACTOR_CRITIC, WRONG_LOSS, NORMALISED)
    yield _healthy(TEST, "ppo", "RandomMDP-18", 16_000, 12)
    yield from _sick(TEST, "ppo", "RandomMDP-18", 24_000, 3, *PPO[:6], PPO[8], WRONG_LOSS)
    yield _healthy(TEST, "reinforce", "RandomMDP-18", 6_000, 12)
    yield from _sick(TEST, "reinforce", "RandomMDP-18", 6_000, 3, *REINFORCE)
    yield _healthy(TEST, "dqn", "RandomMDP-18", 3_000, 12, watch=dead)
    yield from _sick(TEST, "dqn", "RandomMDP-18", 3_000, 3, DQN[0], DQN[2], DEAD, watch=dead)
    yield from _sick(TEST, "dqn", "RandomMDP-18", 3_000, 3, *TARGETS, watch=_DISTANCE)
    yield _healthy(TEST, "ppo", "Walker2d-v5", 16_000, 6)
    yield from _sick(TEST, "ppo", "Walker2d-v5", 16_000, 2, PPO[0], *PPO[2:4], PPO[9], WRONG_LOSS)
    yield _healthy(TEST, "a2c", "Walker2d-v5", 8_000, 6)
    yield from _sick(TEST, "a2c", "Walker2d-v5", 8_000, 2, *ACTOR_CRITIC[2:], WRONG_LOSS)
    yield _healthy(TEST, "ppo", "Pusher-v5", 12_000, 6)
    yield from _sick(TEST, "ppo", "Pusher-v5", 12_000, 2, PPO[0], *PPO[2:4], PPO[9])
    yield _healthy(TEST, "a2c", "Pusher-v5", 8_000, 8)
    yield from _sick(TEST, "a2c", "Pusher-v5", 8_000, 3, *ACTOR_CRITIC[2:])
    yield _healthy(TEST, "a2c", "FrozenLake8x8-v1", 8_000, 12)
    yield from _sick(TEST, "a2c", "FrozenLake8x8-v1", 8_000, 3, *ACTOR_CRITIC)
    yield _healthy(TEST, "ppo", "FrozenLake8x8-v1", 16_000, 12)
    yield from _sick(TEST, "ppo", "FrozenLake8x8-v1", 16_000, 3, *PPO[:2], *PPO[3:6], PPO[8])

    # Known environments, with mistakes that were not made in them so far, or not in a test.
    yield _healthy(TEST, "ppo", "CartPole-v1", 24_000, 12, "long horizon", gamma=0.995)
    yield from _sick(
        TEST, "ppo", "CartPole-v1", 24_000, 3, PPO[2], *PPO[6:8], *PPO[9:], WRONG_LOSS, NORMALISED
    )
    yield _healthy(TEST, "a2c", "Acrobot-v1", 12_000, 12, "middle horizon", gamma=0.97)
    yield from _sick(TEST, "a2c", "Acrobot-v1", 12_000, 3, *ACTOR_CRITIC, WRONG_LOSS)
    yield _healthy(TEST, "dqn", "LunarLander-v3", 3_000, 8, watch=dead)
    yield from _sick(TEST, "dqn", "LunarLander-v3", 3_000, 3, *DQN, watch=dead)
    yield _healthy(TEST, "ddpg", "InvertedPendulum-v5", 2_000, 6)
    yield from _sick(TEST, "ddpg", "InvertedPendulum-v5", 2_000, 3, *CONTINUOUS)
    yield _healthy(TEST, "ppo", "Warehouse", 21_000, 6)
    yield from _sick(TEST, "ppo", "Warehouse", 21_000, 3, HACKED)

    # Stable-Baselines3.
    yield _healthy(TEST, "sb3:A2C", "CartPole-v1", 8_000, 2)
    yield from _sick(TEST, "sb3:A2C", "CartPole-v1", 8_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(TEST, "sb3:PPO", "InvertedPendulum-v5", 8_000, 2)
    yield from _sick(TEST, "sb3:PPO", "InvertedPendulum-v5", 8_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(TEST, "sb3:A2C", "InvertedPendulum-v5", 6_000, 2)
    yield from _sick(TEST, "sb3:A2C", "InvertedPendulum-v5", 6_000, 1, *SB3_ACTOR_CRITIC)
    yield _healthy(TEST, "sb3:DQN", "LunarLander-v3", 4_000, 2)
    yield from _sick(TEST, "sb3:DQN", "LunarLander-v3", 4_000, 1, SB3_DQN)


GROUPS: tuple[Group, ...] = (
    *_tuning(), *_first_test(), *_second_test(), *_third_test(), *_fourth_test(), *_second_tuning(),
    *_fifth_test(), *_sixth_test(), *_third_tuning(), *_test(),
)  # fmt: skip
