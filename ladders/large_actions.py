"""Will a policy over very many actions fit in memory?

A relaxation such as Gumbel-Softmax keeps about five numbers for every action of every row (logits, noise,
their sum, the soft and the hard choice, before gradients of the same size replace them); a sampled action
with its log-probability keeps two; a choice of cluster and then of a member about 2 sqrt(V) in all.
`benchmarks/large_vocabulary.py` measures these.
"""

from __future__ import annotations

from typing import Any

import psutil
from gymnasium import spaces

RELAXED, SAMPLED = 5, 2
"""Numbers kept for every action of every row, measured."""
ROWS, NUMBER = 2_048, 4
"""Rows of a usual batch, and bytes of a float32."""


def kept_bytes(actions: int, *, rows: int, numbers: int) -> int:
    """Bytes of activations of one gradient over a batch."""
    return actions * rows * numbers * NUMBER


def relaxation_note(space: Any, *, rows: int = ROWS, memory: int | None = None) -> str:
    """What to know before relaxing a choice among so many actions; empty where it fits.

    Args:
        space: the action space.
        rows: rows of a batch, for a language model sequences times tokens.
        memory: bytes there are; None for what this machine has free.
    """
    if not isinstance(space, spaces.Discrete):
        return ""
    memory = psutil.virtual_memory().available if memory is None else memory
    actions = int(space.n)
    relaxed = kept_bytes(actions, rows=rows, numbers=RELAXED)
    if relaxed <= memory:
        return ""
    sampled = kept_bytes(actions, rows=rows, numbers=SAMPLED)
    return (
        f"{actions:,} actions: a relaxation such as Gumbel-Softmax keeps {relaxed / 2**30:.1f} GiB for a "
        f"batch of {rows:,} rows, and {memory / 2**30:.1f} GiB are free; sampling the action "
        f"(REINFORCE, PPO) keeps {sampled / 2**30:.1f} GiB, choosing a cluster and then a member almost "
        "nothing"
    )
