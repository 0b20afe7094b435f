"""Stable-Baselines3 classes, subclasses, factories and models through their public objects."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from two_rooms import ROOMS, rooms

from rlcheck.adapters.agents import bind_agent
from rlcheck.adapters.rng import preserved_rng
from rlcheck.contracts import Options
from rlcheck.errors import BindingError

sb3 = pytest.importorskip("stable_baselines3")
torch = pytest.importorskip("torch")

SMALL: dict[str, dict[str, Any]] = {
    "PPO": {"n_steps": 32, "batch_size": 16, "n_epochs": 2},
    "A2C": {},
    "DQN": {"learning_starts": 10, "buffer_size": 1000},
    "SAC": {"learning_starts": 10, "buffer_size": 1000, "batch_size": 16},
    "TD3": {"learning_starts": 10, "buffer_size": 1000, "batch_size": 16},
    "DDPG": {"learning_starts": 10, "buffer_size": 1000, "batch_size": 16},
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def trained(name: str, **keywords: Any) -> tuple[Any, bool]:
    subject = bind_agent(getattr(sb3, name), Options())
    continuous = "discrete" not in subject.action_forms
    handle = subject.make(rooms(continuous), seed=0, gamma=0.9, options=SMALL[name] | keywords)
    handle.learn(40)
    return handle, continuous


@pytest.mark.parametrize("name", list(SMALL))
def test_every_algorithm_offers_what_it_can(name: str) -> None:
    handle, continuous = trained(name)
    shape = (2, 1) if continuous else (2,)
    assert handle.native.gamma == 0.9
    assert handle.predict(ROOMS).shape == shape
    assert handle.sample(ROOMS).shape == shape
    assert handle.act_one(ROOMS[0]).shape == shape[1:]
    assert handle.acting()(ROOMS, np.ones(2, bool)).shape == shape
    assert handle.values(ROOMS).shape == (2,)
    assert (handle.q_values is not None) == (name == "DQN")
    assert (handle.action_probabilities is not None) == (name in ("PPO", "A2C"))
    before = handle.parameters()
    handle.learn(40)
    assert any(not np.array_equal(before[k], v) for k, v in handle.parameters().items())


@pytest.mark.parametrize("name", list(SMALL))
def test_one_transition_can_be_fitted(name: str) -> None:
    handle, continuous = trained(name, learning_rate=0.003)
    action = np.array([0.5], np.float32) if continuous else 1
    buffers = [n for n in ("rollout_buffer", "replay_buffer") if hasattr(handle.native, n)]
    kept = getattr(handle.native, buffers[0])
    losses = handle.fit_transition(ROOMS[0], action, 2.0, ROOMS[1], True, False, 150)
    assert len(losses) == 150
    assert losses[-1] < 0.05 < losses[0]
    assert getattr(handle.native, buffers[0]) is kept
    handle.learn(40)
    if name in ("PPO", "A2C"):
        assert handle.fit_transition(ROOMS[0], action, 2.0, ROOMS[1], True, False, 150)
        assert handle.values(ROOMS)[0] == pytest.approx(2.0, abs=0.1)


def test_a_truncated_transition_bootstraps_on_policy() -> None:
    seen = []

    class Seeing(sb3.A2C):
        def train(self) -> None:
            seen.append(self.rollout_buffer.returns)

    handle = bind_agent(Seeing, Options()).make(rooms(), seed=0, gamma=0.9)
    reached = handle.values(ROOMS)[1]
    assert handle.fit_transition(ROOMS[0], 1, 2.0, ROOMS[1], False, True, 1) == []
    assert seen[0] == pytest.approx(2.0 + 0.9 * reached, abs=1e-5)
    assert handle.fit_transition(ROOMS[0], 1, 2.0, ROOMS[1], True, False, 1) == []
    assert seen[1] == pytest.approx(2.0, abs=1e-5)


def test_a_truncated_transition_bootstraps_off_policy() -> None:
    handle, _ = trained("DQN", learning_rate=0.003)
    with torch.no_grad():
        reached = float(handle.native.q_net_target(torch.as_tensor(ROOMS[1:])).max())
    handle.fit_transition(ROOMS[0], 1, 2.0, ROOMS[1], False, True, 300)
    assert handle.q_values(ROOMS)[0, 1] == pytest.approx(2.0 + 0.9 * reached, abs=0.05)


def test_options_are_the_hyper_parameters_of_the_class() -> None:
    class Forwarding(sb3.PPO):
        def __init__(self, *args: Any, bonus: float = 0.5, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    options = bind_agent(Forwarding, Options(constants={"n_epochs": 3})).options
    assert options["bonus"] == 0.5
    assert options["clip_range"] == 0.2
    assert not {"policy", "env", "gamma", "seed", "n_epochs", "policy_kwargs"} & set(options)
    with pytest.raises(BindingError, match=r"PPO has no parameter 'n_epoch'; did you mean"):
        bind_agent(sb3.PPO, Options(constants={"n_epoch": 3}))


def test_parallel_environments() -> None:
    subject = bind_agent(sb3.PPO, Options())
    handle = subject.make(rooms(), seed=0, n_envs=3, options=SMALL["PPO"])
    assert handle.native.get_env().num_envs == 3
    handle.learn(96)
    assert handle.fit_transition(ROOMS[0], 1, 2.0, ROOMS[1], True, False, 1)


def test_a_factory_that_returns_a_model_is_recognised() -> None:
    def make_agent(env: Any, seed: int, ent_coef: float = 0.01) -> Any:
        return sb3.A2C("MlpPolicy", env, seed=seed, ent_coef=ent_coef, gamma=0.95)

    subject = bind_agent(make_agent, Options())
    assert (subject.framework, subject.gamma) == ("stable-baselines3", 0.95)
    assert subject.options == {"ent_coef": 0.01}
    assert not subject.accepts_gamma
    assert subject.make(rooms(), seed=0).values(ROOMS).shape == (2,)


def test_a_save_comes_back_and_leaves_the_random_streams_alone(tmp_path: Any) -> None:
    handle, _ = trained("PPO")
    path = str(tmp_path / "model.zip")
    handle.save(path)
    before = (random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state())
    loaded = handle.load(path)
    assert random.getstate() == before[0]
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert torch.equal(before[2], torch.get_rng_state())
    assert np.array_equal(loaded.values(ROOMS), handle.values(ROOMS))
    loaded.learn(32)


def test_normalised_observations_are_normalised_for_the_policy_only() -> None:
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    def make_agent(make_env: Any, seed: int, norm_reward: bool = False) -> Any:
        env = VecNormalize(DummyVecEnv([make_env]), norm_reward=norm_reward)
        return sb3.PPO("MlpPolicy", env, n_steps=32, batch_size=16, seed=seed)

    subject = bind_agent(make_agent, Options())
    handle = subject.make(rooms(), seed=0)
    handle.learn(64)
    inputs = handle.native.get_vec_normalize_env().normalize_obs(ROOMS.copy())
    with torch.no_grad():
        expected = handle.native.policy.predict_values(torch.as_tensor(inputs)).numpy().ravel()
    assert np.allclose(handle.values(ROOMS), expected)
    assert subject.make(rooms(), seed=0, options={"norm_reward": True}).values is None


def test_wrappers_of_a_factory_stand_between_the_model_and_the_observations() -> None:
    import gymnasium

    def make_agent(env: Any, seed: int, scale: float = 1.0) -> Any:
        env = gymnasium.wrappers.NormalizeObservation(env)
        if scale != 1.0:
            env = gymnasium.wrappers.TransformReward(env, lambda reward: scale * reward)
        return sb3.A2C("MlpPolicy", env, seed=seed)

    subject = bind_agent(make_agent, Options())
    handle = subject.make(rooms(), seed=0)
    handle.learn(64)
    wrapper = handle.native.get_env().envs[0].env
    mean, var = wrapper.obs_rms.mean.copy(), wrapper.obs_rms.var.copy()
    inputs = ((ROOMS - mean) / np.sqrt(var + wrapper.epsilon)).astype(np.float32)
    with torch.no_grad():
        expected = handle.native.policy.predict_values(torch.as_tensor(inputs)).numpy().ravel()
    assert np.allclose(handle.values(ROOMS), expected, atol=1e-6)
    assert handle.act_one(ROOMS[0]).shape == ()
    assert np.array_equal(wrapper.obs_rms.mean, mean)
    assert subject.make(rooms(), seed=0, options={"scale": 0.1}).values is None


def _run(observe: bool) -> dict[str, np.ndarray]:
    handle = bind_agent(sb3.DQN, Options()).make(rooms(), seed=0, options=SMALL["DQN"])
    for _ in range(3):
        handle.learn(20)
        if observe:
            with preserved_rng(handle.native.action_space):
                handle.sample(np.resize(ROOMS, (50, 2)))
                handle.predict(ROOMS)
                handle.values(ROOMS)
                handle.q_values(ROOMS)
    return handle.parameters()


def test_looking_at_a_model_changes_no_bit_of_its_training() -> None:
    alone, observed = _run(False), _run(True)
    assert all(np.array_equal(alone[name], observed[name]) for name in alone)
