"""Time of GAE against a lean loop, and of the recurrence in each of its forms.

    OMP_NUM_THREADS=1 python -m benchmarks.returns_speed [--device cuda]

All forms of one shape are timed in turn, round after round, so that a busy machine slows them alike;
the table shows the median over rounds, in milliseconds, and the ratio to the loop. On a GPU the share of
the memory bandwidth that GAE reaches is shown beside it: bytes that it has to read and write over the
bytes that a plain copy moves in the same time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from reference_agents.recurrence import backward_recurrence_
from reference_agents.returns import gae

SHAPES = [(2048, 64), (128, 4096), (128, 16), (512, 512), (64, 160)]
LARGE_SHAPES = [*SHAPES, (2048, 4096), (2048, 16384)]
GAMMA, LAM = 0.99, 0.95


def lean_gae(
    rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor, truncated: Tensor
) -> Tensor:
    """GAE as a loop of one fused operation a step, everything else outside it.

    The flags become floats by way of bytes, as in `reference_agents.returns`, so that only the
    recursion differs.
    """
    alive = terminated.logical_not().view(torch.uint8).to(values.dtype)
    going = (terminated | truncated).logical_not().view(torch.uint8).to(values.dtype)
    td_errors = rewards + GAMMA * next_values * alive - values
    decay = (GAMMA * LAM * going).unbind(0)
    steps = td_errors.unbind(0)
    for t in range(len(steps) - 2, -1, -1):
        steps[t].addcmul_(decay[t], steps[t + 1])
    return td_errors


def library_loop_gae(
    rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor, truncated: Tensor
) -> Tensor:
    """GAE as single-file implementations write it: every operation inside the loop."""
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        alive = 1.0 - terminated[t].float()
        going = 1.0 - (terminated[t] | truncated[t]).float()
        delta = rewards[t] + GAMMA * next_values[t] * alive - values[t]
        advantages[t] = following = delta + GAMMA * LAM * going * following
    return advantages


def doubling_recurrence(inputs: Tensor, decay: Tensor) -> Tensor:
    """The recurrence by log2(T) passes, each joining spans twice as long."""
    span = 1
    while span < len(inputs):
        inputs = torch.cat([inputs[:-span] + decay[:-span] * inputs[span:], inputs[-span:]])
        decay = torch.cat([decay[:-span] * decay[span:], torch.zeros_like(decay[-span:])])
        span *= 2
    return inputs


def loop_recurrence(inputs: Tensor, decay: Tensor) -> Tensor:
    """The recurrence as a loop over time, in place."""
    steps, decays = inputs.unbind(0), decay.unbind(0)
    for t in range(len(steps) - 2, -1, -1):
        steps[t].addcmul_(decays[t], steps[t + 1])
    return inputs


def random_rollout(n_steps: int, n_envs: int, device: str) -> list[Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    shape = (n_steps, n_envs)
    floats = [torch.randn(shape, generator=generator, device=device) for _ in range(3)]
    flags = [torch.rand(shape, generator=generator, device=device) < 0.01 for _ in range(2)]
    return [*floats, *flags]


def medians(forms: dict[str, Callable[[], Tensor]], device: str, rounds: int) -> dict[str, float]:
    """Milliseconds of each form, timed in turn."""
    times: dict[str, list[float]] = {name: [] for name in forms}
    for round_number in range(rounds + 3):
        for name, form in forms.items():
            if device != "cpu":
                torch.cuda.synchronize()
            started = time.perf_counter()
            form()
            if device != "cpu":
                torch.cuda.synchronize()
            if round_number >= 3:  # the first rounds warm up
                times[name].append(1e3 * (time.perf_counter() - started))
    return {name: statistics.median(values) for name, values in times.items()}


def bandwidth_share(shape: tuple[int, int], gae_ms: float, device: str, rounds: int) -> float:
    """Bytes a second that GAE cannot do without, over those of a copy of the same tensors."""
    floats = torch.zeros((4, *shape), device=device)
    copy_ms = medians({"copy": floats.clone}, device, rounds)["copy"]
    elements = shape[0] * shape[1]
    needed = elements * (3 * 4 + 2 * 1 + 4)  # three floats and two flags read, one float written
    copied = elements * 4 * 4 * 2
    return (needed / gae_ms) / (copied / copy_ms)


def table(title: str, rows: dict[tuple[int, int], dict[str, float]]) -> None:
    names = list(next(iter(rows.values())))
    print(f"\n{title}")
    print(f"{'shape':>15}" + "".join(f"{name:>22}" for name in names))
    for shape, row in rows.items():
        base = row[names[0]]
        cells = "".join(f"{ms:>12.3f} ({base / ms:6.1f}x)" for ms in row.values())
        print(f"{shape!s:>15}{cells}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()
    device, rounds = arguments.device, arguments.rounds
    functions: dict[tuple[int, int], dict[str, float]] = {}
    recurrences: dict[tuple[int, int], dict[str, float]] = {}
    for shape in SHAPES if device == "cpu" else LARGE_SHAPES:
        rollout = random_rollout(*shape, device)
        expected = lean_gae(*rollout)
        forms = {
            "lean loop": lambda r=rollout: lean_gae(*r),
            "gae": lambda r=rollout: gae(*r, gamma=GAMMA, lam=LAM),
            "loop per step": lambda r=rollout: library_loop_gae(*r),
        }
        for form in forms.values():
            torch.testing.assert_close(form(), expected, rtol=1e-4, atol=1e-4)
        functions[shape] = medians(forms, device, rounds)
        inputs, decay = rollout[0], GAMMA * LAM * (~rollout[3]).float()
        recurrences[shape] = medians(
            {
                "loop": lambda x=inputs, d=decay: loop_recurrence(x.clone(), d.clone()),
                "chunks": lambda x=inputs, d=decay: backward_recurrence_(x.clone(), d.clone()),
                "doubling": lambda x=inputs, d=decay: doubling_recurrence(x.clone(), d.clone()),
            },
            device,
            rounds,
        )
    if device == "cpu":
        machine = f"CPU, {torch.get_num_threads()} thread(s)"
    else:
        machine = torch.cuda.get_device_name()
    print(f"torch {torch.__version__}, {machine}, {rounds} rounds")
    table("GAE, ms (times faster than the lean loop)", functions)
    table("Recurrence alone, ms (times faster than the loop)", recurrences)
    if device != "cpu":
        print("\nGAE, share of the memory bandwidth that a copy reaches")
        for shape, row in functions.items():
            share = bandwidth_share(shape, row["gae"], device, rounds)
            print(f"{shape!s:>15}{100 * share:>12.0f} %")


if __name__ == "__main__":
    main()
