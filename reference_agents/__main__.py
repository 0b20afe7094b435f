"""Trains an agent from the shell.

    python -m reference_agents ppo --env CartPole-v1 --steps 50000 --seeds 10 --out runs/ppo

The folder receives `config.json`, `metrics.jsonl` and TensorBoard events (means over the seeds, and
every seed's own numbers in the JSON), `checkpoint.pt`, and `learning_curve.png`. After an
interruption the same command with `--resume` continues to the result of an uninterrupted run;
environments that are Gymnasium's own start new episodes then.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from reference_agents.agent import Agent, Metrics
from reference_agents.envs import make_envs
from reference_agents.evaluation import evaluate
from reference_agents.settings import FACTORIES, GENERAL

_EVALUATIONS = 25  # over a training
_EPISODES = 20  # greedy episodes of every seed in an evaluation
_EVALUATION_SEED = 1_000_000  # far from the training seeds: other starts than those learnt on


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m reference_agents", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("algorithm", choices=FACTORIES)
    parser.add_argument("--env", default="CartPole-v1", help="registered id")
    parser.add_argument("--steps", type=int, default=50_000, help="environment steps a seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many, trained together")
    parser.add_argument("--seed", type=int, default=0, help="the first of them")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a hyper-parameter of the factory, such as lr=0.001 or dueling=True; repeatable",
    )
    return parser.parse_args(arguments)


def hyper_parameters(algorithm: str, assignments: list[str]) -> dict[str, Any]:
    """The algorithm's general settings with the user's on top.

    Raises:
        ValueError: an assignment is not NAME=VALUE with a Python literal as the value.
    """
    settings = dict(GENERAL[algorithm])
    for assignment in assignments:
        name, _, text = assignment.partition("=")
        try:
            settings[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            raise ValueError(
                f"--set takes NAME=VALUE with a number, a tuple or True/False, not {assignment!r}."
            ) from None
    return settings


class Recorder:
    """Writes metrics, evaluations and checkpoints of a training as it goes.

    Args:
        folder: of the run.
        agent: being trained, already loaded when resuming.
        env_id: what to evaluate on.
        total: environment steps a seed.
    """

    def __init__(self, folder: Path, agent: Agent, env_id: str, total: int) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from tqdm import tqdm

        self.folder, self.env_id, self.agent = folder, env_id, agent
        self.interval = max(1, total // _EVALUATIONS)
        self.evaluated_at = agent.steps
        self.lines = _lines_until(folder / "metrics.jsonl", agent.steps)
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in self.lines)
        )
        self.board = SummaryWriter(str(folder), purge_step=agent.steps + 1)
        self.bar = tqdm(total=total, initial=agent.steps, unit="step", disable=None)

    def __call__(self, agent: Agent, metrics: Metrics) -> None:
        """Records one round; evaluates and saves a checkpoint now and then."""
        due = agent.steps // self.interval > self.evaluated_at // self.interval
        if due or agent.steps >= agent.learn_until:
            metrics = metrics | {"eval_return": self.evaluate()}
            self.evaluated_at = agent.steps
        self.write(agent.steps, metrics)
        if "eval_return" in metrics:
            agent.save(self.folder / "checkpoint.pt")
        self.bar.update(agent.steps - self.bar.n)

    def evaluate(self) -> np.ndarray:
        """Mean greedy return of every seed, [S]."""
        agent = self.agent
        seeds = [_EVALUATION_SEED + seed for seed in agent.seeds]
        env = make_envs(self.env_id, seeds, _EPISODES, agent.env.device, agent.env.dtype)
        returns = evaluate(lambda rows: agent.act(rows, True), env).mean(dim=1).cpu().numpy()
        self.bar.set_postfix(eval_return=f"{returns.mean():.1f}")
        return returns

    def write(self, step: int, metrics: Metrics) -> None:
        """One line of metrics.jsonl and its TensorBoard scalars; what is unknown is left out."""
        line: dict[str, Any] = {"step": step}
        seeds = {}
        for name, values in metrics.items():
            numbers = [float(value) for value in values]
            known = [number for number in numbers if math.isfinite(number)]
            if known:
                line[name] = sum(known) / len(known)
                seeds[name] = [number if math.isfinite(number) else None for number in numbers]
                self.board.add_scalar(name, line[name], step)
        line["seeds"] = seeds
        self.lines.append(line)
        with (self.folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Flushes everything and draws the learning curve."""
        self.bar.close()
        self.board.close()
        curve = [line for line in self.lines if "eval_return" in line]
        if curve:
            title = f"{self.agent.algorithm} on {self.env_id}"
            plot_learning_curve(curve, title, self.folder / "learning_curve.png")


def _lines_until(path: Path, steps: int) -> list[dict[str, Any]]:
    """The recorded lines up to a checkpoint; what was recorded after it will be recorded again."""
    if not steps or not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    return [line for line in lines if line["step"] <= steps]


def plot_learning_curve(curve: list[dict[str, Any]], title: str, path: Path) -> None:
    """Median greedy return over the seeds, with the middle half and the whole range."""
    from matplotlib.figure import Figure

    steps = [line["step"] for line in curve]
    returns = np.array([line["seeds"]["eval_return"] for line in curve], dtype=float)
    low, lower, median, upper, high = np.percentile(returns, [0, 25, 50, 75, 100], axis=1)
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(steps, low, high, alpha=0.15, color="C0", linewidth=0, label="all seeds")
    axes.fill_between(steps, lower, upper, alpha=0.35, color="C0", linewidth=0, label="middle half")
    axes.plot(steps, median, color="C0", label="median")
    axes.set_xlabel("environment steps of each seed")
    axes.set_ylabel(f"greedy return, mean of {_EPISODES} episodes")
    axes.set_title(f"{title}, {returns.shape[1]} seed(s)")
    axes.legend(loc="best")
    figure.savefig(path, dpi=120)


def train(arguments: argparse.Namespace) -> None:
    """Trains as the command line says.

    Raises:
        ValueError: a setting is wrong, or there is nothing to resume.
        TypeError: the factory has no such hyper-parameter, or the actions do not fit.
    """
    device = arguments.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    settings = hyper_parameters(arguments.algorithm, arguments.set)
    agent = FACTORIES[arguments.algorithm](arguments.env, seed=seeds, device=device, **settings)

    checkpoint = arguments.out / "checkpoint.pt"
    if arguments.resume:
        if not checkpoint.exists():
            raise ValueError(f"There is no {checkpoint} to resume; start without --resume.")
        agent.load(checkpoint)
        if agent.learn_until != arguments.steps:
            raise ValueError(
                f"The run in {arguments.out} is for --steps {agent.learn_until}, "
                f"not {arguments.steps}; resume it with the same number."
            )
    elif checkpoint.exists():
        raise ValueError(
            f"{arguments.out} holds a run already; add --resume or choose another --out."
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = {name: str(value) for name, value in vars(arguments).items()} | {"settings": settings}
    (arguments.out / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    recorder = Recorder(arguments.out, agent, arguments.env, arguments.steps)
    try:
        agent.resume(recorder) if arguments.resume else agent.learn(arguments.steps, recorder)
    finally:
        recorder.close()


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parsed = parse_arguments(arguments)
    try:
        train(parsed)
    except (TypeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"interrupted; continue with --resume --out {parsed.out}", file=sys.stderr)
        return 130
    print(f"{parsed.out}: learning_curve.png, metrics.jsonl, checkpoint.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
