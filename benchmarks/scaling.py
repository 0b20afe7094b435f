"""How training time grows with the seeds and where it goes; on a GPU, environment steps per second.

    OMP_NUM_THREADS=1 python -m benchmarks.scaling           seeds 1, 10, 100
    python -m benchmarks.scaling --device cuda --seeds 1 10 100 1024 --against-cpu
    python -m benchmarks.returns_speed --device cuda              GAE and its bandwidth

PPO on CartPole-v1 with its general settings. Times are of the wall on a GPU, where the processor
mostly waits, and of the processor elsewhere, where others may be using it. The parts of a round are
timed in a second training, with the GPU drained after each, so that their sum exceeds the whole.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch

from reference_agents.ppo import PPO, make_ppo
from reference_agents.settings import GENERAL

# Methods of PPO that a round consists of; the optimiser's step holds the backward pass.
PARTS = ("rollout", "targets", "minibatches", "update")


class Clock:
    """Seconds on a device.

    Args:
        device: where the work is done.
    """

    def __init__(self, device: str) -> None:
        self.cuda = device.startswith("cuda")

    def now(self) -> float:
        if not self.cuda:
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()


def build(seeds: int, device: str) -> PPO:
    return make_ppo("CartPole-v1", seed=range(seeds), device=device, **GENERAL["ppo"])


def training_seconds(seeds: int, steps: int, device: str) -> float:
    """Seconds of training alone, after a round that warms up."""
    clock = Clock(device)
    agent = build(seeds, device).learn(GENERAL["ppo"]["num_envs"] * GENERAL["ppo"]["num_steps"])
    start = clock.now()
    agent.learn(steps)
    return clock.now() - start


def parts_of_a_round(seeds: int, steps: int, device: str) -> dict[str, float]:
    """Share of the training time that each part takes."""
    agent, clock = build(seeds, device), Clock(device)
    seconds = dict.fromkeys((*PARTS, "update: backward and Adam"), 0.0)

    def timed(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            start = clock.now()
            answer = method(*args, **kwargs)
            seconds[name] += clock.now() - start
            return answer

        return run

    for name in PARTS:
        setattr(agent, name, timed(name, getattr(agent, name)))
    step = timed("update: backward and Adam", agent.optimiser.step)
    agent.optimiser.step = step  # type: ignore[method-assign]
    start = clock.now()
    agent.learn(steps)
    whole = clock.now() - start
    return {name: part / whole for name, part in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--steps", type=int, default=50_000, help="environment steps a seed")
    parser.add_argument("--against-cpu", action="store_true", help="time the same code there, too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device, steps = arguments.device, arguments.steps
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "CPU, 1 thread"
    print(f"PPO on CartPole-v1, {steps:,} steps a seed, {name}, torch {torch.__version__}\n")
    head = ["seeds", "s", "s a seed", "environment steps a second"]
    head += ["times the CPU"] * arguments.against_cpu + [f"{part}, %" for part in PARTS]
    head += ["of update: backward and Adam, %"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for seeds in arguments.seeds:
        seconds = training_seconds(seeds, steps, device)
        row = [f"{seeds}", f"{seconds:.2f}", f"{seconds / seeds:.3f}"]
        row += [f"{seeds * steps / seconds:,.0f}"]
        if arguments.against_cpu:
            row += [f"{training_seconds(seeds, steps, 'cpu') / seconds:.1f}"]
        shares = parts_of_a_round(seeds, steps, device)
        row += [f"{100 * share:.0f}" for share in shares.values()]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
