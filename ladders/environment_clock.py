"""How long a check may play: a slow environment is cut short, and the report says what was left out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rlcheck.records import Budget, Context

SECONDS = {Budget.QUICK: 1.5, Budget.STANDARD: 2.5, Budget.THOROUGH: 30.0}
"""Seconds of work that a check takes at most: twenty checks of a slow environment take two minutes."""

WAITING = 2.0
"""Times as long on the clock on the wall: a busy machine shall not change what is looked at."""

SHARES = 28.0
"""What the shares of all checks add up to, with those that need a metric or a base environment."""


@dataclass(slots=True)
class Clock:
    """Runs out after `seconds`; `left_out` then says how much of the play is missing."""

    seconds: float
    left_out: str = ""
    started: float = field(default_factory=time.perf_counter)
    worked: float = field(default_factory=time.process_time)

    def over(self, done: int, wanted: int, unit: str = "steps") -> bool:
        """Whether the time is up, with `done` of `wanted` units of play behind us.

        Of nested plays the outermost, which is asked last, knows best what is missing.
        """
        work = time.process_time() - self.worked
        if work < self.seconds and self.elapsed < WAITING * self.seconds:
            return False
        if done < wanted:
            self.left_out = (
                f"left out for lack of time: {wanted - done:,} of {wanted:,} {unit}; --budget thorough "
                "or --set seconds=N gives more"
            )
        return True

    @property
    def elapsed(self) -> float:
        """Seconds since it was started."""
        return time.perf_counter() - self.started

    @property
    def notes(self) -> tuple[str, ...]:
        """The remark for the report, if anything was left out."""
        return (self.left_out,) if self.left_out else ()


def clock(context: Context, share: float = 1.0) -> Clock:
    """A clock for one trial: its share of what the budget allows, and never near the timeout.

    Where the user has said how long all play may take (`--set seconds=60`), its share of that instead.
    """
    timeout = context.settings.timeout_s / 10
    total = context.facts.get("seconds")
    if total:
        return Clock(min(total * share / (WAITING * SHARES), timeout))
    return Clock(min(SECONDS[context.settings.budget] * share, timeout))
