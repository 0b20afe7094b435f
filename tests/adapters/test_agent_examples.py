"""The example agents run on any environment, learn, and repeat under their seed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from two_rooms import ROOMS, rooms

from rlcheck.adapters.agents import bind_agent
from rlcheck.adapters.protocol import Task
from rlcheck.contracts import Options

EXAMPLES = Path(__file__).parents[2] / "examples"
ARGUMENTS = "--env-id {env} --total-timesteps {steps} --seed {seed} --gamma {gamma}"
ROOMS_MODULE = """
import json, os, sys
sys.path.insert(0, {folder!r})
import gymnasium
from two_rooms import TwoRooms

class Recorded(TwoRooms):
    rewards = []

    def step(self, action):
        result = super().step(action)
        self.rewards.append(result[1])
        if len(self.rewards) % 500 == 0:
            json.dump(self.rewards, open(os.environ["RECORD"], "w"))
        return result

gymnasium.register("Rooms-v0", entry_point=Recorded)
"""


def command(script: str) -> str:
    return f"'{sys.executable}' '{EXAMPLES / script}' {ARGUMENTS}"


@pytest.mark.parametrize("script", ["cleanrl_style_ppo.py", "numpy_reinforce_script.py"])
def test_scripts_learn_and_repeat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    if "ppo" in script:
        pytest.importorskip("torch")
    (tmp_path / "recorded_rooms.py").write_text(
        ROOMS_MODULE.format(folder=str(Path(__file__).parent))
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    subject = bind_agent(None, Options(), script=command(script))
    rewards = []
    for run in range(2):
        record = str(tmp_path / f"rewards-{run}.json")
        task = Task("recorded_rooms:Rooms-v0", gymnasium.Env, {"RECORD": record})
        subject.make(task, seed=0, gamma=0.9).learn(3000)
        rewards.append(json.loads(Path(record).read_text()))
    assert rewards[0] == rewards[1]
    assert np.mean(rewards[0][:40]) < 0.8 < 0.9 < np.mean(rewards[0][-500:])


@pytest.mark.parametrize("script", ["cleanrl_style_ppo.py", "numpy_reinforce_script.py"])
def test_scripts_run_on_a_classic(script: str) -> None:
    if "ppo" in script:
        pytest.importorskip("torch")
    subject = bind_agent(None, Options(), script=command(script))
    subject.make(Task("CartPole-v1", gymnasium.Env), seed=1, gamma=0.99).learn(300)


def test_q_learning_is_a_factory_with_everything(tmp_path: Path) -> None:
    import runpy

    make_agent = runpy.run_path(str(EXAMPLES / "numpy_q_learning.py"))["make_agent"]
    subject = bind_agent(make_agent, Options())
    assert subject.accepts_gamma
    assert subject.options == {"learning_rate": 0.4, "epsilon": 0.4}
    assert subject.action_forms == ("discrete",)
    handle = subject.make(rooms(), seed=0, gamma=0.9)
    handle.learn(500)
    assert handle.predict(ROOMS).tolist() == [0, 1]
    assert handle.act_one(ROOMS[1]) == 1
    assert np.allclose(handle.q_values(ROOMS), np.eye(2), atol=0.01)
    handle.save(str(tmp_path / "weights"))
    assert np.array_equal(
        handle.load(str(tmp_path / "weights")).q_values(ROOMS), handle.q_values(ROOMS)
    )
    losses = handle.fit_transition(ROOMS[0], 1, 3.0, ROOMS[1], True, False, 50)
    assert losses[-1] < 1e-6 < losses[0]
    assert handle.q_values(ROOMS)[0, 1] == pytest.approx(3.0)
    sampled = handle.sample(np.resize(ROOMS, (400, 2)))
    assert 0 < np.mean(sampled == handle.predict(np.resize(ROOMS, (400, 2)))) < 1
