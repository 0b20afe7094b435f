"""Saved models: which class, which settings, and the weights themselves."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from two_rooms import ROOMS, TwoRooms, rooms

from rlcheck.adapters.agents import bind_agent
from rlcheck.contracts import Options
from rlcheck.errors import BindingError
from rlcheck.subjects import SavedModel

sb3 = pytest.importorskip("stable_baselines3")

SETTINGS: dict[str, dict[str, Any]] = {
    "PPO": {"n_steps": 32, "batch_size": 16, "clip_range": 0.3, "learning_rate": 0.001},
    "A2C": {"gae_lambda": 0.9, "policy_kwargs": {"net_arch": [8]}},
    "DQN": {"buffer_size": 500, "train_freq": (2, "step"), "target_update_interval": 50},
    "SAC": {"buffer_size": 500, "ent_coef": "auto_0.1"},
    "TD3": {"buffer_size": 500, "policy_delay": 3},
    "DDPG": {"buffer_size": 500, "tau": 0.02},
}


def saved(folder: Path, name: str, env: Any = None, **keywords: Any) -> Any:
    continuous = name in ("SAC", "TD3", "DDPG")
    env = env or TwoRooms(continuous)
    model = getattr(sb3, name)("MlpPolicy", env, gamma=0.8, **SETTINGS[name], **keywords)
    model.save(folder / "model.zip")
    return model


@pytest.mark.parametrize("name", list(SETTINGS))
def test_class_and_settings_come_back(tmp_path: Path, name: str) -> None:
    model = saved(tmp_path, name)
    subject = bind_agent(SavedModel(str(tmp_path / "model.zip")), Options())
    assert (subject.framework, subject.gamma) == ("stable-baselines3", 0.8)
    task = rooms("discrete" not in subject.action_forms)
    native = subject.make(task, seed=1, gamma=0.9).native
    assert type(native) is type(model)
    assert native.gamma == 0.9
    for setting, value in SETTINGS[name].items():
        if setting == "clip_range":
            assert native.clip_range(1.0) == value
        elif setting == "train_freq":
            assert tuple(native.train_freq) == tuple(model.train_freq)
        elif setting != "policy_kwargs":
            assert getattr(native, setting) == value
    assert [p.shape for p in native.policy.parameters()] == [
        p.shape for p in model.policy.parameters()
    ]
    assert native.seed == 1
    native.learn(40)


def test_options_start_from_the_stored_values(tmp_path: Path) -> None:
    saved(tmp_path, "PPO")
    subject = bind_agent(SavedModel(str(tmp_path / "model.zip")), Options())
    assert (subject.options["n_steps"], subject.options["learning_rate"]) == (32, 0.001)
    assert subject.make(rooms(), seed=0, options={"n_steps": 64}).native.n_steps == 64


def test_the_weights_can_be_asked(tmp_path: Path) -> None:
    from rlcheck.adapters.sb3_saved import saved_handle

    model = saved(tmp_path, "PPO")
    handle = saved_handle(str(tmp_path / "model.zip"))
    assert np.array_equal(handle.predict(ROOMS), model.predict(ROOMS, deterministic=True)[0])
    assert handle.values(ROOMS).shape == (2,)


def test_a_model_of_other_spaces_is_rebuilt_for_the_ladder(tmp_path: Path) -> None:
    from stable_baselines3.common.noise import NormalActionNoise

    class Wide(TwoRooms):
        def __init__(self) -> None:
            super().__init__()
            self.observation_space = gymnasium.spaces.Box(0, 255, (36, 36, 3), np.uint8)
            self.action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)

    noise = NormalActionNoise(np.zeros(3), 0.1 * np.ones(3))
    model = sb3.SAC("CnnPolicy", Wide(), buffer_size=10, action_noise=noise)
    model.save(tmp_path / "model.zip")
    subject = bind_agent(SavedModel(str(tmp_path / "model.zip")), Options())
    assert "replaced by MlpPolicy" in subject.notes[1]
    native = subject.make(rooms(continuous=True), seed=0).native
    assert native.target_entropy == -1.0
    native.learn(120)


def test_a_subclass_that_saved_the_file_is_asked_for(tmp_path: Path) -> None:
    class Mine(sb3.PPO):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.bonus = 3

    Mine("MlpPolicy", TwoRooms(), n_steps=64).save(tmp_path / "model.zip")
    with pytest.raises(BindingError, match=r"holds bonus, which PPO does not have, so a subclass"):
        bind_agent(SavedModel(str(tmp_path / "model.zip")), Options())


def test_a_built_model_is_built_anew() -> None:
    model = sb3.A2C("MlpPolicy", TwoRooms(), n_steps=7)
    native = bind_agent(model, Options()).make(rooms(), seed=0).native
    assert native is not model
    assert native.n_steps == 7


def test_files_that_are_no_models(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no archive")
    with pytest.raises(BindingError, match=r"expected a model saved by .* cannot be read"):
        bind_agent(SavedModel(str(tmp_path / "text.zip")), Options())
    with pytest.raises(BindingError, match="cannot be read"):
        bind_agent(SavedModel(str(tmp_path / "missing.zip")), Options())
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(BindingError, match="it holds no settings"):
        bind_agent(SavedModel(str(tmp_path / "other.zip")), Options())
