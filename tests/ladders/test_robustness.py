"""Perturbed environments repeat from their seed, and a policy's return over the grid shows its gaps."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from ladders.perturbations import (
    ActionNoise,
    DelayedActions,
    DomainRandomization,
    ObservationNoise,
    Physics,
    StickyActions,
)
from ladders.robustness import robustness, standard_perturbations


def balance(observation):
    """Holds CartPole up for long."""
    return int(observation @ np.array([0.1, 0.3, 1.0, 1.0]) > 0)


def play(env, seed, steps=30):
    observation, _ = env.reset(seed=seed)
    seen = [observation]
    for index in range(steps):
        observation, _, terminated, truncated, _ = env.step(index % 2)
        seen.append(observation)
        if terminated or truncated:
            break
    return np.array(seen)


@pytest.mark.parametrize(
    "disturb",
    [
        lambda env: ObservationNoise(env, 0.1),
        lambda env: ActionNoise(env, 0.3),
        lambda env: StickyActions(env, 0.5),
        lambda env: DelayedActions(env, 2),
        lambda env: DomainRandomization(env, {"gravity": (5.0, 15.0)}),
    ],
)
def test_a_disturbed_environment_repeats_from_its_seed_and_differs_from_the_plain_one(disturb):
    env = disturb(gymnasium.make("CartPole-v1"))
    first = play(env, 3)
    assert np.array_equal(first, play(env, 3))
    plain = play(gymnasium.make("CartPole-v1"), 3)
    assert first.shape != plain.shape or not np.array_equal(first, plain)


def test_a_delayed_action_arrives_so_many_steps_later():
    class Echo(gymnasium.Env):
        observation_space = spaces.Discrete(10)
        action_space = spaces.Discrete(10)

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return 0, {}

        def step(self, action):
            return action, 0.0, False, False, {}

    env = DelayedActions(Echo(), 2)
    env.reset(seed=0)
    assert [env.step(action)[0] for action in (1, 2, 3, 4)] == [1, 1, 1, 2]


def test_parameters_stay_in_their_ranges_and_change_from_episode_to_episode():
    env = DomainRandomization(gymnasium.make("CartPole-v1"), {"masspole": (0.05, 0.5)})
    drawn = []
    for seed in (0, None, None, None):
        env.reset(seed=seed)
        drawn.append(env.parameters["masspole"])
        assert env.unwrapped.total_mass == env.unwrapped.masscart + drawn[-1]
    assert len(set(drawn)) == 4
    assert 0.05 <= min(drawn) < max(drawn) <= 0.5


def test_an_unknown_parameter_is_named_with_those_that_exist():
    with pytest.raises(
        AttributeError, match=r"has no attribute 'gravty' to change; it has .*gravity"
    ):
        Physics(gymnasium.make("CartPole-v1"), {"gravty": 1.0})


def test_the_grid_shows_where_a_policy_fails(tmp_path):
    conditions = {
        "observation noise": {"0.01": lambda env: ObservationNoise(env, 0.01)},
        "force": {"reversed": lambda env: Physics(env, {"force_mag": -10.0})},
    }
    grid = robustness(balance, "CartPole-v1", conditions, episodes=5)
    same, broken = grid.cells[1:]
    assert grid.base.mean > 150
    assert not grid.significant(same)
    assert grid.significant(broken)
    assert grid.gap(broken) > 100
    assert "| force | reversed |" in str(grid)
    pytest.importorskip("matplotlib")
    grid.plot(str(tmp_path / "grid.png"))
    assert (tmp_path / "grid.png").stat().st_size > 1000


def test_the_standard_grid_fits_the_spaces():
    families = standard_perturbations(gymnasium.make("FrozenLake-v1"))
    assert "observation noise" not in families
    assert {"action noise", "sticky actions", "delayed actions"} <= set(families)
    assert "gravity" in standard_perturbations(gymnasium.make("CartPole-v1"))
