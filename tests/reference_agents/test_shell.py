"""Training from the shell: what it writes, how it resumes, what it refuses."""

from __future__ import annotations

import json

import pytest
import torch

from reference_agents import __main__ as shell

torch.set_num_threads(1)
pytest.importorskip("tensorboard")
pytest.importorskip("matplotlib")

SMALL = ["ppo", "--seeds", "2", "--steps", "512", "--device", "cpu"]
SMALL += ["--set", "num_envs=4", "--set", "num_steps=16", "--set", "hidden=(16,)"]


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_metrics_curve_events_and_checkpoint(tmp_path, capsys):
    assert shell.main([*SMALL, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "checkpoint.pt").exists()
    assert list(tmp_path.glob("events.out.tfevents.*"))
    names = {name for line in lines(tmp_path) for name in line}
    expected = "entropy approx_kl clip_fraction value_loss explained_variance grad_norm"
    assert names >= {*expected.split(), "episode_return", "episode_length", "eval_return", "step"}
    assert len(lines(tmp_path)[-1]["seeds"]["eval_return"]) == 2
    assert "learning_curve.png" in capsys.readouterr().out


@pytest.fixture(autouse=True)
def _few_evaluations(monkeypatch):
    monkeypatch.setattr(shell, "_EVALUATIONS", 4)


def test_an_interrupted_run_resumes_to_the_same_metrics(tmp_path, monkeypatch, capsys):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert shell.main([*SMALL, "--out", str(whole)]) == 0
    original = shell.Recorder.write

    def interrupt(self, step, metrics):
        original(self, step, metrics)
        if step > 300:
            raise KeyboardInterrupt

    monkeypatch.setattr(shell.Recorder, "write", interrupt)
    assert shell.main([*SMALL, "--out", str(broken)]) == 130
    assert "continue with --resume" in capsys.readouterr().err
    monkeypatch.setattr(shell.Recorder, "write", original)
    assert shell.main([*SMALL, "--out", str(broken), "--resume"]) == 0
    assert lines(broken) == lines(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--env", "Nope-v0"], "Environment 'Nope-v0' cannot be made"),
        (["--env", "Pendulum-v1", "--set", "lr=fast"], "--set takes NAME=VALUE"),
        (["--set", "learning_speed=1"], "unexpected keyword argument 'learning_speed'"),
        (["--resume"], "to resume; start without --resume."),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, capsys, arguments, message):
    assert shell.main([*SMALL, "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_finished_run_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "checkpoint.pt").touch()
    assert shell.main([*SMALL, "--out", str(tmp_path)]) == 2
    assert "holds a run already; add --resume or choose another --out." in capsys.readouterr().err
