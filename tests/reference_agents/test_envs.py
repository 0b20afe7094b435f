"""Tensor environments equal Gymnasium's step by step; the adapter keeps the two ends apart."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_agents.envs import (
    TENSOR_ENVS,
    TensorEnv,
    cartpole,
    gridworld,
    make_envs,
    pendulum,
    tabular,
)

STATE_BOXES = {
    "CartPole-v1": ([-2.6, -4, -0.25, -4], [2.6, 4, 0.25, 4]),
    "Pendulum-v1": ([-12, -8], [12, 8]),
    "Acrobot-v1": ([-3.14, -3.14, -12.5, -28.2], [3.14, 3.14, 12.5, 28.2]),
    "MountainCar-v0": ([-1.2, -0.07], [0.6, 0.07]),
}


def one_step(name: str, state: np.ndarray, action) -> tuple:
    env = gymnasium.make(name).unwrapped
    env.reset(seed=0)
    env.state = state.copy()
    observation, reward, terminated, truncated, _ = env.step(action)
    return np.asarray(env.state, dtype=float), observation, reward, terminated, truncated


@pytest.mark.parametrize("name", STATE_BOXES)
@settings(max_examples=60, deadline=None)
@given(fractions=st.lists(st.floats(0, 1), min_size=4, max_size=4), choice=st.floats(0, 1))
def test_step_equals_gymnasium(name, fractions, choice):
    low, high = map(np.array, STATE_BOXES[name])
    state = low + (high - low) * np.array(fractions[: len(low)])
    dynamics = TENSOR_ENVS[name]()
    if isinstance(dynamics.action_space, gymnasium.spaces.Discrete):
        action = min(int(choice * dynamics.action_space.n), int(dynamics.action_space.n) - 1)
    else:
        action = np.array([-3 + 6 * choice])  # beyond the bounds too, where it is clipped
    expected_state, observation, reward, terminated, _ = one_step(name, state, action)
    actual, actual_reward, actual_terminated = dynamics.step(
        torch.tensor(state), torch.tensor(action), torch.zeros(0)
    )
    np.testing.assert_allclose(actual.numpy(), expected_state, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dynamics.observe(actual).numpy(), observation, rtol=1e-6, atol=1e-6)
    assert float(actual_reward) == pytest.approx(float(reward), abs=1e-12)
    assert bool(actual_terminated) == terminated


def walk_both(dynamics, env, translate, steps=300):
    """One trajectory of a deterministic environment in both implementations."""
    tensors = TensorEnv(dynamics, [0], 1)
    observation, (state, _) = tensors.reset(), env.reset(seed=0)
    rng = np.random.default_rng(0)
    for _ in range(steps):
        assert int(observation[0, 0].argmax()) == state
        action = int(rng.integers(4))
        step = tensors.step(torch.tensor([[action]]))
        state, reward, terminated, _, _ = env.step(translate[action])
        assert int(step.final_observations[0, 0].argmax()) == state
        assert float(step.rewards) == reward
        assert bool(step.terminated) == terminated
        observation = step.observations
        if terminated:
            state, _ = env.reset()


def test_cliff_walking_equals_gymnasium():
    env = gymnasium.make("CliffWalking-v1", disable_env_checker=True)
    walk_both(TENSOR_ENVS["CliffWalking-v1"](), env, [0, 1, 2, 3])


def test_gridworld_equals_frozen_lake():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False, disable_env_checker=True).unwrapped
    rows = [row.tobytes().decode() for row in env.desc]
    walk_both(tabular(gridworld(rows)), env, [3, 2, 1, 0])


def test_stochastic_transitions_have_their_probabilities():
    mdp = gridworld(["S."])
    transitions = mdp.transitions.copy()
    transitions[0, 1] = [0.25, 0.75]
    env = TensorEnv(tabular(mdp._replace(transitions=transitions)), [0], 20_000)
    env.reset()
    moved = env.step(torch.ones(1, 20_000)).final_observations[..., 1].mean()
    assert float(moved) == pytest.approx(0.75, abs=0.015)  # five standard errors


def test_bad_tables_are_refused():
    mdp = gridworld(["SG"])
    with pytest.raises(ValueError, match=r"must each sum to 1\."):
        tabular(mdp._replace(start=np.array([0.5, 0.0])))
    with pytest.raises(ValueError, match=r"rewards must be finite numbers\."):
        tabular(mdp._replace(rewards=mdp.rewards * np.nan))


def test_time_limit_truncates_and_reset_starts_afresh():
    env = TensorEnv(pendulum(), [0, 1], 3)
    env.reset()
    for count in range(1, 201):
        step = env.step(torch.zeros(2, 3, 1))
        assert bool(step.truncated.all()) == (count == 200)
        assert not step.terminated.any()
    assert not torch.equal(step.observations, step.final_observations)
    assert int(env.elapsed.max()) == 0


def test_starts_are_spread_like_gymnasiums():
    starts = TensorEnv(cartpole(), [0], 4000).reset()
    assert float(starts.abs().max()) <= 0.05
    assert float(starts.std()) == pytest.approx(0.1 / 12**0.5, rel=0.05)


def test_seed_alone_equals_seed_among_many():
    many, alone = TensorEnv(cartpole(), [5, 6, 7], 4), TensorEnv(cartpole(), [6], 4)
    assert torch.equal(many.reset()[1:2], alone.reset())
    for index in range(100):
        actions = torch.full((3, 4), index % 2)
        assert torch.equal(
            many.step(actions).observations[1:2], alone.step(actions[:1]).observations
        )


def test_stored_state_continues_identically():
    env = TensorEnv(cartpole(), [0, 1], 2)
    env.reset()
    actions = torch.randint(0, 2, (150, 2, 2), generator=torch.Generator().manual_seed(0))
    for index in range(70):
        env.step(actions[index])
    stored = env.state_dict()
    expected = [env.step(actions[index]).observations for index in range(70, 150)]
    again = TensorEnv(cartpole(), [0, 1], 2)
    again.load_state_dict(stored)
    for index in range(70, 150):
        assert torch.equal(again.step(actions[index]).observations, expected[index - 70])


class Countdown(gymnasium.Env):
    """Ends by terminating or by truncation after three steps; the observation counts them."""

    observation_space = gymnasium.spaces.Discrete(4)
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, ends_by: str, reward: float = 1.0):
        self.ends_by, self.reward = ends_by, reward

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return 0, {}

    def step(self, action):
        self.count += 1
        ended = self.count == 3
        terminated = ended and self.ends_by != "truncation"
        truncated = ended and self.ends_by != "termination"
        return self.count, self.reward, terminated, truncated, {}


@pytest.mark.parametrize(
    ("ends_by", "expected"),
    [("termination", (True, False)), ("truncation", (False, True)), ("both", (True, False))],
)
def test_adapter_keeps_the_ends_apart_and_the_final_observation(ends_by, expected):
    env = make_envs(Countdown(ends_by), [0], 1)
    assert env.reset().argmax() == 0
    for _ in range(3):
        step = env.step(torch.zeros(1, 1, dtype=torch.long))
    assert (bool(step.terminated), bool(step.truncated)) == expected
    assert int(step.final_observations.argmax()) == 3
    assert int(step.observations.argmax()) == 0


def test_adapter_serves_a_registered_id_for_several_seeds():
    env = make_envs("FrozenLake-v1", [3, 4], 2)
    assert env.reset().shape == (2, 2, 16)
    assert env.step(torch.zeros(2, 2, dtype=torch.long)).rewards.shape == (2, 2)


def test_adapter_refuses_what_it_cannot_serve_right():
    with pytest.raises(ValueError, match="Environment 'Nope-v0' cannot be made"):
        make_envs("Nope-v0", [0], 1)
    with pytest.raises(ValueError, match="cannot serve 2 seeds with 1 environments each"):
        make_envs(Countdown("both"), [0, 1], 1)
    with pytest.raises(ValueError, match="same-step autoreset mode"):
        make_envs(SyncVectorEnv([lambda: Countdown("both")]), [0], 1)
    env = make_envs(Countdown("both", reward=float("nan")), [0], 1)
    env.reset()
    with pytest.raises(ValueError, match="returned the reward nan; rewards must be finite numbers"):
        env.step(torch.zeros(1, 1, dtype=torch.long))
