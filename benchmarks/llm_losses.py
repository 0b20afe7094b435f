"""Memory and time of the GRPO and DPO losses from hidden states, forward and backward.

    OMP_NUM_THREADS=1 python -m benchmarks.llm_losses [--loss grpo]
    python -m benchmarks.llm_losses --device cuda --vocabulary 128256 --width 4096 --sequences 16 \\
        --length 512 --dtype bfloat16

The plain form applies the output matrix to all tokens at once; ours to some at a time; beside them what
TRL and Liger do, where they are installed. Every form gives the same loss and gradients, which is checked
first. Times are of the processor on a CPU, of the wall on an accelerator.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.large_vocabulary import median_seconds
from benchmarks.tensor_memory import peak_bytes
from reference_agents.llm.chunked import chunked_log_probs
from reference_agents.llm.log_probs import sequence_log_probs, token_log_probs
from reference_agents.llm.losses import dpo_loss, grpo_loss

BETA, EPSILON = 0.1, 0.2


class Batch(NamedTuple):
    """Hidden states [B, T, H] that predict tokens [B, T], and the output matrix [V, H]."""

    hidden: Tensor
    matrix: Tensor
    tokens: Tensor
    old: Tensor
    advantages: Tensor


LogProbs = Callable[[Batch], Tensor]
Form = Callable[[Batch], Tensor]


def make_batch(options: argparse.Namespace) -> Batch:
    kind, generator = getattr(torch, options.dtype), torch.Generator(options.device).manual_seed(0)
    given = {"generator": generator, "device": options.device}
    count, length, width = options.sequences, options.length, options.width
    hidden = 0.05 * torch.randn(count, length, width, **given).to(kind)
    matrix = 0.05 * torch.randn(options.vocabulary, width, **given).to(kind)
    tokens = torch.randint(options.vocabulary, (count, length), **given)
    with torch.no_grad():
        now = chunked_log_probs(hidden, matrix, tokens)
    old = now + 0.2 * torch.randn(now.shape, **given)
    advantages = torch.randn(count, **given)
    return Batch(hidden.requires_grad_(), matrix.requires_grad_(), tokens, old, advantages)


def plain(batch: Batch) -> Tensor:
    return token_log_probs(batch.hidden @ batch.matrix.T, batch.tokens)


def chunks(size: int) -> LogProbs:
    return lambda batch: chunked_log_probs(
        batch.hidden, batch.matrix, batch.tokens, chunk_size=size
    )


def trl(batch: Batch) -> Tensor:
    from trl.trainer.utils import selective_log_softmax

    return selective_log_softmax(batch.hidden @ batch.matrix.T, batch.tokens)


def grpo(log_probs: LogProbs) -> Form:
    def loss(batch: Batch) -> Tensor:
        mask = torch.ones_like(batch.tokens, dtype=torch.bool)
        now = log_probs(batch)
        return grpo_loss(now, batch.old, batch.advantages, mask, clip_epsilon=EPSILON)

    return loss


def dpo(log_probs: LogProbs) -> Form:
    """The first half of the batch is preferred; a reference that finds all answers alike."""

    def loss(batch: Batch) -> Tensor:
        chosen, rejected = sequence_log_probs(log_probs(batch)).chunk(2)
        none = torch.zeros_like(chosen)
        return dpo_loss(chosen, rejected, none, none, beta=BETA)

    return loss


def liger_grpo(batch: Batch) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearGRPOLoss

    loss = LigerFusedLinearGRPOLoss(
        beta=0.0, compiled=batch.hidden.is_cuda, use_ref_model=False, loss_type="grpo"
    )
    mask = torch.ones_like(batch.tokens)
    given = (batch.hidden, batch.matrix, batch.tokens, mask, batch.advantages)
    return loss(*given, old_per_token_logps=batch.old)[0]


def liger_dpo(batch: Batch) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearDPOLoss

    loss = LigerFusedLinearDPOLoss(beta=BETA, compiled=batch.hidden.is_cuda, use_ref_model=False)
    found = loss(batch.matrix, batch.hidden, batch.tokens)
    return found[0] if isinstance(found, tuple) else found


def forms(kind: str) -> Mapping[str, Form]:
    make = {"grpo": grpo, "dpo": dpo}[kind]
    found = {"plain": make(plain)}
    found |= {f"chunks of {size}": make(chunks(size)) for size in (128, 512)}
    if importlib.util.find_spec("trl"):
        found["TRL's log-probabilities"] = make(trl)
    if importlib.util.find_spec("liger_kernel"):
        found["Liger's fused loss"] = {"grpo": liger_grpo, "dpo": liger_dpo}[kind]
    return found


def gradients(form: Form, batch: Batch) -> tuple[Tensor, ...]:
    return torch.autograd.grad(form(batch), (batch.hidden, batch.matrix))


def agrees(form: Form, other: Form, batch: Batch) -> bool:
    """Whether two forms have the same gradients, to the rounding of a sum over a sequence."""
    rounding = 20.0 * batch.tokens.shape[1] ** 0.5
    for one, two in zip(gradients(form, batch), gradients(other, batch), strict=True):
        atol = rounding * torch.finfo(one.dtype).eps * float(two.abs().max())
        if not torch.allclose(one, two, rtol=0.0, atol=atol):
            return False
    return True


def table(kind: str, options: argparse.Namespace) -> None:
    batch, every = make_batch(options), forms(kind)
    print(
        f"\n{kind}, {options.sequences} sequences of {options.length}, width {options.width}, "
        f"V = {options.vocabulary:,}, {options.dtype}:\n"
    )
    print("| form | same gradients | peak MiB | seconds |\n|---|---|---|---|")
    for name, form in every.items():

        def run(form: Form = form) -> Any:
            return gradients(form, batch)

        same = agrees(form, every["plain"], batch)
        peak = peak_bytes(run, options.device) / 2**20
        seconds = median_seconds(run, options.rounds, options.device)
        print(f"| {name} | {'yes' if same else 'NO'} | {peak:,.0f} | {seconds:.3g} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--loss", choices=["grpo", "dpo"], default=None, help="both by default")
    parser.add_argument("--sequences", type=int, default=4)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=32_768)
    parser.add_argument("--rounds", type=int, default=3, help="timings, of which the median")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    for kind in [options.loss] if options.loss else ["grpo", "dpo"]:
        table(kind, options)


if __name__ == "__main__":
    main()
