"""Small logs in every format that is read, written by hand or by the real writers."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

SB3_COLUMNS = (
    "time/total_timesteps",
    "rollout/ep_rew_mean",
    "train/entropy_loss",
    "train/approx_kl",
)


def sb3_progress(path: Path, rows: int = 40) -> Path:
    """What Stable-Baselines3 writes: the first row is logged before any update, its cells are empty."""
    lines = [",".join(SB3_COLUMNS), "512,20.5,,"]
    lines += [f"{512 * (i + 1)},{20.5 + i},{-0.69 + 0.005 * i},{0.01}" for i in range(1, rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def monitor(path: Path, episodes: int = 30) -> Path:
    lines = ['#{"t_start": 1.5, "env_id": "CartPole-v1"}', "r,l,t"]
    lines += [f"{20.0 + i},{20 + i},{0.1 * i}" for i in range(episodes)]
    path.write_text("\n".join(lines) + "\n")
    return path


def json_lines(path: Path, rows: int = 40) -> Path:
    records = [
        {"step": 100 * i, "episode_return": 20.0 + i, "losses": {"entropy": 0.69 - 0.001 * i}}
        for i in range(rows)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def trainer_state(path: Path, rows: int = 40) -> Path:
    history = [{"step": i, "loss": 0.7 - 0.01 * i, "rewards/margins": 0.1 * i} for i in range(rows)]
    path.write_text(json.dumps({"global_step": rows, "max_steps": rows, "log_history": history}))
    return path


def events(folder: Path, rows: int = 40, start: int = 0) -> Path:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as writer:
        if not start:
            writer.add_text(
                "hyperparameters", "|param|value|\n|-|-|\n|gamma|0.98|\n|env_id|CartPole-v1|"
            )
        for i in range(start, rows):
            writer.add_scalar("charts/episodic_return", 20.0 + i, 100 * i)
            writer.add_scalar("losses/approx_kl", 0.01, 100 * i)
    return next(folder.glob("events.out.tfevents*"))


def wandb_run(folder: Path, rows: int = 3000) -> Path:
    """A real offline run; long enough for several blocks of its binary log."""
    import wandb

    quiet = wandb.Settings(silent=True, console="off", x_disable_stats=True)
    run = wandb.init(
        project="p", mode="offline", dir=str(folder), config={"gamma": 0.98}, settings=quiet
    )
    for i in range(rows):
        run.log(
            {"global_step": 100 * i, "charts/episodic_return": 20.0 + i, "losses": {"entropy": 0.5}}
        )
    run.finish()
    path = next(folder.glob("wandb/offline-run-*/*.wandb"))
    _wait_for_the_end(path)
    return path


def _wait_for_the_end(path: Path) -> None:
    """Another process writes the file, and on a busy machine it may be a little behind."""
    from wandb.proto.wandb_internal_pb2 import Record

    from rlcheck.signals.readers.wandb_files import Damage, _records

    for _ in range(100):
        last = Record()
        with contextlib.suppress(Damage):
            for data in _records(path.read_bytes()):
                last.ParseFromString(data)
        if last.HasField("exit"):
            return
        time.sleep(0.2)
    raise AssertionError(f"{path} has no end")
