"""Processor time that `SB3Callback` costs Stable-Baselines3 PPO on CartPole-v1.

    OMP_NUM_THREADS=1 python -m benchmarks.monitor_overhead [--steps 4096] [--pairs 20]

Trains the same model with and without the callback, in pairs whose order alternates, and prints the
median over pairs of (with - without) / without, with its quartiles. Beside it stands the part that can be
told apart from noise: the time inside the callback itself, as a share of the training's.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings

import torch
from stable_baselines3 import PPO

import rlcheck
from rlcheck.integrations import SB3Callback


def trained(steps: int, rollout: int, watched: bool) -> tuple[float, float]:
    """Processor time of a training, and of what the monitor did in it."""
    model = PPO("MlpPolicy", "CartPole-v1", seed=0, device="cpu", n_steps=rollout)
    callback = SB3Callback() if watched else None
    inside = Timed(callback) if callback else None
    start = time.process_time()
    model.learn(steps, callback=callback)
    return time.process_time() - start, inside.spent if inside else 0.0


class Timed:
    """Adds up the time that a callback takes to read rollouts, and its monitor to look and to close."""

    def __init__(self, callback) -> None:
        self.spent = 0.0
        callback._on_rollout_start = self._timed(callback._on_rollout_start)
        callback._on_rollout_end = self._timed(callback._on_rollout_end)
        watched = callback._watched
        watched.log = self._timed(watched.log)
        begin = watched.begin

        def begin_and_time(*arguments, **named) -> None:
            begin(*arguments, **named)
            watched.watch.close = self._timed(watched.watch.close)

        watched.begin = self._timed(begin_and_time)

    def _timed(self, function):
        def timed(*arguments, **named):
            start = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                self.spent += time.process_time() - start

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4096)
    parser.add_argument("--rollout", type=int, default=128, help="steps between two records")
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", rlcheck.TrainingWarning)
    trained(2 * options.rollout, options.rollout, watched=True)  # imports and first calls
    overheads, shares = [], []
    for pair in range(options.pairs):
        order = (True, False) if pair % 2 else (False, True)
        times = {watched: trained(options.steps, options.rollout, watched) for watched in order}
        overheads.append(times[True][0] / times[False][0] - 1.0)
        shares.append(times[True][1] / times[True][0])
        print(f"pair {pair}: {overheads[-1]:+.2%}, inside {shares[-1]:.2%}", flush=True)
    low, middle, high = statistics.quantiles(overheads, n=4)
    records = options.steps // options.rollout
    print(f"{options.pairs} pairs of {options.steps:,} steps, {records} records each")
    print(f"overhead: median {middle:+.1%} (quartiles {low:+.1%} to {high:+.1%})")
    print(f"inside the monitor: median {statistics.median(shares):.2%} of the processor time")


if __name__ == "__main__":
    main()
