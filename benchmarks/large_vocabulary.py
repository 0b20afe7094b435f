"""Ways to choose among 100,000 tokens, and log-probabilities that never hold [B, T, V].

    OMP_NUM_THREADS=1 python -m benchmarks.large_vocabulary [--actions 100000] [--device cpu]

First a bandit: in a state, choose one of V actions, each with a reward. How noisy and how biased is the
gradient of the expected reward that reaches the state, and what does one gradient cost? The true gradient
is known for every policy, so both are measured. Then log-probabilities at V = 32,768, plain and chunked.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.tensor_memory import peak_bytes
from benchmarks.vocabulary_bandit import (
    ESTIMATORS,
    Bandit,
    Estimator,
    exact_gradient,
    make_bandit,
)
from reference_agents.llm.chunked import chunked_log_probs
from reference_agents.llm.log_probs import token_log_probs


def gradient(estimator: Estimator, bandit: Bandit, generator: torch.Generator) -> Tensor:
    """One estimate, [H]; the parameters' gradients are formed with it, as training would."""
    inputs = [bandit.shift, bandit.output, bandit.clusters]
    return -torch.autograd.grad(estimator(bandit, generator), inputs, allow_unused=True)[0]


def median_seconds(function: Callable[[], object], rounds: int, device: str) -> float:
    """Wall time on an accelerator, processor time otherwise: other programs share the processor."""
    on_cuda = torch.device(device).type == "cuda"
    clock = time.perf_counter if on_cuda else time.process_time
    function()
    times = []
    for _ in range(rounds):
        began = clock()
        function()
        if on_cuda:
            torch.cuda.synchronize()
        times.append(clock() - began)
    return statistics.median(times)


def bandit_table(actions: int, batch: int, draws: int, rounds: int, device: str) -> None:
    bandit = make_bandit(actions, batch, device)
    print(f"V = {actions:,}, {batch} states:\n")
    print("| estimator | noise | bias | peak MiB | ms a gradient |\n|---|---|---|---|---|")
    for name, (estimator, in_two_steps) in ESTIMATORS.items():
        true = exact_gradient(bandit, in_two_steps)
        generator = torch.Generator(device).manual_seed(1)
        estimates = torch.stack([gradient(estimator, bandit, generator) for _ in range(draws)])
        noise = estimates.var(dim=0).sum().sqrt() / true.norm()
        bias = (estimates.mean(dim=0) - true).norm() / true.norm()
        error = noise / draws**0.5
        shown = f"{bias:.2f}" if bias > 3 * error else f"none seen (error {error:.2f})"
        once = partial(gradient, estimator, bandit, generator)
        peak = peak_bytes(once, device) / 2**20
        milliseconds = 1e3 * median_seconds(once, rounds, device)
        print(f"| {name} | {noise:.2f} | {shown} | {peak:.0f} | {milliseconds:.0f} |", flush=True)


def log_prob_table(
    vocabulary: int, tokens: int, width: int, rounds: int, device: str, dtype: torch.dtype
) -> None:
    generator = torch.Generator(device).manual_seed(0)
    hidden = torch.randn(1, tokens, width, generator=generator, device=device).to(dtype)
    matrix = torch.randn(vocabulary, width, generator=generator, device=device).to(dtype)
    hidden, matrix = (0.05 * hidden).requires_grad_(), (0.05 * matrix).requires_grad_()
    chosen = torch.randint(vocabulary, (1, tokens), generator=generator, device=device)

    def run(form: Callable[[], Tensor]) -> None:
        torch.autograd.grad(form().sum(), (hidden, matrix))

    forms: dict[str, Callable[[], Tensor]] = {
        "plain": lambda: token_log_probs(hidden @ matrix.T, chosen)
    }
    for size in (128, 256, 512):
        forms[f"chunks of {size}"] = lambda size=size: chunked_log_probs(
            hidden, matrix, chosen, chunk_size=size
        )
    print(
        f"\n{tokens:,} tokens, width {width}, V = {vocabulary:,}, {dtype}, forward and backward:\n"
    )
    print("| form | peak MiB | seconds |\n|---|---|---|")
    for name, form in forms.items():
        peak = peak_bytes(lambda form=form: run(form), device) / 2**20
        seconds = median_seconds(lambda form=form: run(form), rounds, device)
        print(f"| {name} | {peak:,.0f} | {seconds:.3g} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--actions", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=16, help="states of the bandit")
    parser.add_argument("--draws", type=int, default=300, help="estimates for noise and bias")
    parser.add_argument("--rounds", type=int, default=5, help="timings, of which the median")
    parser.add_argument("--vocabulary", type=int, default=32_768)
    parser.add_argument("--tokens", type=int, default=1024)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    bandit_table(chosen.actions, chosen.batch, chosen.draws, chosen.rounds, chosen.device)
    log_prob_table(
        chosen.vocabulary,
        chosen.tokens,
        chosen.width,
        chosen.rounds,
        chosen.device,
        getattr(torch, chosen.dtype),
    )


if __name__ == "__main__":
    main()
