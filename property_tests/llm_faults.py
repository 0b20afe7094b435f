"""Mistakes that every function on token sequences can have, made from its oracle."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from property_tests.framework.records import Array, FaultyVersion, Model

GITHUB = "https://github.com/"


def moved(values: Array, by: int, fill: Any = 0.0) -> Array:
    """The values `by` places later (earlier if negative), `fill` in those that become free."""
    out = np.full_like(values, fill)
    if by > 0:
        out[:, by:] = values[:, :-by]
    else:
        out[:, :by] = values[:, -by:]
    return out


def on_other(oracle: Model, **change: Any) -> Model:
    """The oracle on changed inputs: name -> function of the input of this name."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Any:
        return oracle(**{n: change[n](v) if n in change else v for n, v in inputs.items()})

    return model


def mask_faults(oracle: Model) -> tuple[FaultyVersion, ...]:
    """A mask that is ignored, inverted or one place off."""
    shifts = [
        on_other(oracle, mask=functools.partial(moved, by=by, fill=fill))
        for by in (1, -1)
        for fill in (False, True)
    ]
    rolls = [on_other(oracle, mask=lambda mask, by=by: np.roll(mask, by, axis=1)) for by in (1, -1)]
    return (
        FaultyVersion(
            "mask-ignored",
            on_other(oracle, mask=np.ones_like),
            "the mask is taken and not applied",
            "Padding and prompts count: an answer depends on the length of its neighbours.",
            "Select or multiply by the mask before anything is summed.",
            "where the mask is applied",
            (
                f"{GITHUB}huggingface/trl/commit/bbdd6db17c49",
                f"{GITHUB}huggingface/trl/commit/57aebe9c3602",
                f"{GITHUB}huggingface/trl/commit/29fe68205caf",
                f"{GITHUB}volcengine/verl/commit/96b730bbed80",
            ),
        ),
        FaultyVersion(
            "mask-inverted",
            on_other(oracle, mask=np.logical_not),
            "the mask is applied the wrong way round",
            "Only padding, prompts and tool outputs count.",
            "A true (or 1) in the mask means that the token counts.",
            "where the mask is made or applied",
            (f"{GITHUB}mll-lab-nu/RAGEN/issues/71",),
        ),
        FaultyVersion(
            "mask-shifted",
            shifts[0],
            "the mask is one place off",
            "The last token of the prompt counts and the end of the answer does not, or the other "
            "way round.",
            "Shift the mask as the labels: mask[:, 1:], not mask[:, :-1].",
            "where the mask is made or applied",
            (
                f"{GITHUB}volcengine/verl/commit/2d6c6dbb39bf",
                f"{GITHUB}OpenRLHF/OpenRLHF/commit/37aad73eab32",
            ),
            variants=(*shifts[1:], *rolls),
        ),
    )


def graph_cut(oracle: Model, wrt: str) -> FaultyVersion:
    """The right value without a gradient."""

    @functools.wraps(oracle)
    def model(**inputs: Any) -> Any:
        return oracle(**inputs)[0], np.zeros_like(inputs[wrt])

    return FaultyVersion(
        "graph-cut",
        model,
        "the value is right, and no gradient reaches the policy",
        "The loss is logged and the model never changes.",
        "Compute with the policy's own log-probabilities; detach those of the others outside.",
        "`.detach()`, `.data`, `torch.no_grad()`, `.item()`",
        (f"{GITHUB}PrimeIntellect-ai/prime-rl/commit/48b9ec7a874f",),
    )


def rows_misaligned(oracle: Model, name: str, references: tuple[str, ...] = ()) -> FaultyVersion:
    """One input is that of another sequence of the batch."""
    return FaultyVersion(
        "rows-misaligned",
        on_other(oracle, **{name: lambda rows: np.roll(rows, 1, axis=0)}),
        "the numbers of one sequence are paired with those of another",
        "What a sequence is blamed for was done by its neighbour.",
        "Index all inputs in the same way.",
        "a shuffle, a gather over processes, repeat for repeat_interleave",
        references or (f"{GITHUB}huggingface/trl/commit/9ac614fb081e",),
        variants=(on_other(oracle, **{name: lambda rows: np.roll(rows, -1, axis=0)}),),
    )
