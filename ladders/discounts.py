"""Which mistake a discount that was read off an agent's own numbers stands for."""

from __future__ import annotations

SAME = 5e-3
"""Discounts nearer than this are one."""


def discount_suspects(used: float, given: float) -> dict[str, float]:
    """Fault -> probability, given the discount used in place of the one given."""
    if abs(used - 1.0) < SAME:
        return {"discount-ignored": 0.95}
    if abs(used - given**2) < SAME:
        return {"discount-applied-twice": 0.95}
    if used < given**3:
        return {"discount-too-small": 0.6, "discount-hard-coded": 0.35}
    return {"discount-hard-coded": 0.9}
