"""What the contracts of both kinds of trainers share: skipping by options, and accumulated gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rlcheck.adapters.trl.preference import POLICY
from rlcheck.records import Evidence, Fault, Settings

EXACT = 0.99
"""Share of a fault whose model predicts exactly what was seen."""


def varies(*options: str) -> Callable[[Evidence, Settings], str | None]:
    """Skip a check unless the factory lets these options be varied."""

    def applies(facts: Evidence, settings: Settings) -> str | None:
        missing = [option for option in options if option not in facts["varies"]]
        return f"the factory does not name {', '.join(missing)}" if missing else None

    return applies


def of_policies(*options: str) -> Callable[[Evidence, Settings], str | None]:
    """Skip a check for reward models, which have no reference, and unless these options can be varied."""

    def applies(facts: Evidence, settings: Settings) -> str | None:
        if facts["trains"] != POLICY:
            return f"it trains a {facts['trains']}, which has no reference"
        return varies(*options)(facts, settings)

    return applies


def numbers(values: list[float]) -> str:
    """For messages."""
    return ", ".join(f"{value:.4f}" for value in values)


def accumulation_suspect(prefix: str, factor: float, count: int) -> Mapping[str, float] | None:
    """The fault that makes the gradient of `count` batches `factor` times that of one, if one does."""
    if abs(factor * count - 1) < 0.1:
        return {f"{prefix}/accumulation-divided-twice": 0.95}
    if abs(factor / count - 1) < 0.1:
        return {f"{prefix}/accumulation-not-divided": 0.95}
    return None


def accumulation_faults(
    prefix: str, *, items: str, not_divided: tuple[str, ...], wrong: str, paper: str
) -> tuple[Fault, ...]:
    """The mistakes of accumulation, for a trainer on `items`.

    Args:
        prefix: name of the contract.
        items: what batches are made of, in the plural.
        not_divided, wrong: links to real bugs.
        paper: what defines the loss.
    """
    return (
        Fault(
            f"{prefix}/accumulation-divided-twice",
            "accumulated losses are divided by their number twice",
            "The effective learning rate shrinks with accumulation.",
            "Divide exactly once.",
            "a custom loss in a trainer that already divides",
            ("https://github.com/unslothai/unsloth-zoo/pull/1023", paper),
        ),
        Fault(
            f"{prefix}/accumulation-not-divided",
            "accumulated losses are not divided by their number",
            "The gradient grows with the number of accumulated batches.",
            "Divide exactly once.",
            "a custom loss in a trainer that leaves the division to it",
            (*not_divided, paper),
        ),
        Fault(
            f"{prefix}/accumulation-wrong",
            "accumulation changes the gradient of a step",
            f"The same {items} in smaller batches train another policy.",
            "Let every micro-batch contribute its share of the whole batch's mean.",
            "normalisation per micro-batch",
            (wrong, paper),
        ),
    )
