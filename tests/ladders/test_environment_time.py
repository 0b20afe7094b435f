"""Slow environments: all play together ends in the time given, and says what it left out."""

import time

import pytest
from environment_cases import Line, run_all
from gymnasium.wrappers import TimeLimit

from ladders.environment_clock import SHARES, WAITING, clock
from ladders.environment_conforms import needs_sb3
from rlcheck.records import Budget, Context, Settings


class Slow(Line):
    def step(self, action):
        time.sleep(0.01)
        return super().step(action)


@pytest.mark.slow
def test_ten_milliseconds_a_step():
    started = time.perf_counter()
    outcomes = run_all(
        lambda: TimeLimit(Slow(), 200),
        every=True,
        constants={"seconds": 8, "metric": lambda info: 0.0},
    )
    assert time.perf_counter() - started < 3 * 8
    left_out = {name for name, o in outcomes.items() if "left out" in " ".join(o.notes)}
    assert {"rewards-finite", "flags-are-booleans-and-apart", "step-cost-steady"} <= left_out
    note = " ".join(outcomes["rewards-finite"].notes)
    assert "of 3,000 steps; --budget thorough or --set seconds=N gives more (a step takes " in note


def test_the_shares_of_a_given_time_add_up_to_it():
    facts = {"seconds": 56.0}
    whole = clock(Context(Settings(), facts), share=SHARES)
    assert whole.seconds * WAITING == 56.0
    part = clock(Context(Settings(budget=Budget.THOROUGH, timeout_s=10.0), facts))
    assert part.seconds == 1.0


def test_without_a_given_time_the_budget_decides():
    assert clock(Context(Settings())).seconds == 2.5
    assert clock(Context(Settings(budget=Budget.QUICK))).seconds == 1.5
    assert clock(Context(Settings(timeout_s=10.0))).seconds == 1.0


def test_only_what_is_missing_is_said_to_be_left_out():
    timer = clock(Context(Settings(), {"seconds": 1e-6}))
    time.sleep(0.01)
    assert timer.over(300, 300)
    assert timer.notes == ()
    assert timer.over(40, 300, "episodes")
    assert timer.notes[0].startswith("left out for lack of time: 260 of 300 episodes; ")


def test_a_short_run_does_not_import_torch_for_remarks():
    facts = {"vector": False, "seconds": 30.0}
    assert "too much of the 30 seconds" in needs_sb3(facts, Settings())
    assert "too much" not in (needs_sb3({**facts, "seconds": 90.0}, Settings()) or "")
