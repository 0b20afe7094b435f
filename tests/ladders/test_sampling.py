"""Whether a policy draws its actions while it learns."""

from __future__ import annotations

import numpy as np
import pytest

from ladders.sampling_check import judge_first
from rlcheck.records import Context, Settings, Status

CONTEXT = Context(Settings(), {})


@pytest.mark.parametrize(
    ("greedy", "likeliest", "status"),
    [
        pytest.param(64, 0.55, Status.FAILED, id="always the mode of an even policy"),
        pytest.param(63, 0.55, Status.PASSED, id="one action was drawn"),
        pytest.param(35, 0.55, Status.PASSED, id="drawn"),
        pytest.param(64, 0.95, Status.PASSED, id="a policy that is nearly certain"),
    ],
)
def test_only_what_cannot_have_been_drawn_is_called_greedy(greedy, likeliest, status):
    evidence = {"steps": 64, "greedy": greedy, "log_chance": 64 * float(np.log(likeliest))}
    outcome = judge_first(evidence, CONTEXT)
    assert outcome.status is status
    assert dict(outcome.suspects or {}) == (
        {"no-exploration": 0.9} if greedy == 64 and likeliest < 0.9 else {}
    )
