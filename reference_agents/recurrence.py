"""The first-order linear recurrence that every return, advantage and trace is.

    y_t = x_t + d_t * y_{t+1},     y_T = 0

One step of it is a multiplication and an addition, so on small batches a loop over T pays for T
calls into PyTorch and for little arithmetic. Cutting time into C chunks of K steps needs 2 K + C
calls instead: all chunks run their own recurrence at once, each step also multiplying up the decay
that separates it from the end of its chunk; then the chunks' first entries are linked from the last
chunk to the first; then every entry receives its share of what follows its chunk.

Measured by `benchmarks/returns_speed.py` against the plain loop and a doubling scan, which costs
log2(T) passes over memory: the chunks are the fastest at every shape tried, so no choice by shape
is needed. A compiled associative scan takes half the time of the chunks at [2048, 64], one and a
half times as long at [128, 4096], and nearly a minute to compile, so it is not worth its weight.
"""

from __future__ import annotations

from math import isqrt

from torch import Tensor


def backward_recurrence_(inputs: Tensor, decay: Tensor) -> Tensor:
    """Solve y_t = inputs_t + decay_t * y_{t+1} along the first axis, with y_T = 0, in place.

    Args:
        inputs: [T, ...]  x_t, overwritten with y_t.
        decay:  [T, ...]  d_t, what y_{t+1} counts for at step t; overwritten with scratch.

    Returns:
        [T, ...] y_t: `inputs` itself.
    """
    n_steps = inputs.shape[0]
    chunk = max(1, isqrt(n_steps // 2))  # minimises 2 K + T / K
    n_chunks = n_steps // chunk
    first = n_steps - n_chunks * chunk  # steps before the first whole chunk
    y = inputs[first:].unflatten(0, (n_chunks, chunk))
    reach = decay[first:].unflatten(0, (n_chunks, chunk))

    y_steps, reach_steps = y.unbind(1), reach.unbind(1)
    for k in range(chunk - 2, -1, -1):
        y_steps[k].addcmul_(reach_steps[k], y_steps[k + 1])
        reach_steps[k].mul_(reach_steps[k + 1])

    y_heads, reach_heads = y_steps[0].unbind(0), reach_steps[0].unbind(0)
    for c in range(n_chunks - 2, -1, -1):
        y_heads[c].addcmul_(reach_heads[c], y_heads[c + 1])
    y[:-1, 1:].addcmul_(reach[:-1, 1:], y[1:, :1])

    for t in range(first - 1, -1, -1):
        inputs[t].addcmul_(decay[t], inputs[t + 1])
    return inputs
