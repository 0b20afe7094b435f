"""Target networks that never move: known by a stated schedule, or by how long nothing happened."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ladders.no_learning import never_refreshed
from ladders.target_checks import (
    _alike,
    _few,
    _left_behind,
    _own_interval,
    _states_no_lag,
    judge_target,
)
from rlcheck.records import Context, Settings, Status

CONTEXT = Context(Settings(), {"options": {}})


def evidence(**changed):
    seen = {"steps": 8_192, "pairs": 4, "interval": None, "online_moved": 4, "target_moved": 0}
    return seen | {"equal": 0, "no_lag_stated": False} | changed


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (evidence(interval=250), Status.FAILED),
        (evidence(), Status.SKIPPED),
        (evidence(target_moved=4), Status.PASSED),
        (evidence(target_moved=4, equal=4), Status.FAILED),
        (evidence(target_moved=4, equal=4, no_lag_stated=True), Status.SKIPPED),
        (evidence(online_moved=0), Status.SKIPPED),
        (evidence(target_moved=2, left_behind=["critic_target"]), Status.FAILED),
    ],
)
def test_a_target_that_stands_still_is_wrong_only_where_its_schedule_is_known(seen, status):
    assert judge_target(seen, CONTEXT).status is status


def test_one_of_two_target_networks_may_be_left_behind():
    names = ["actor_target.0.w", "actor_target.1.w", "critic_target.0.w", "critic_target.1.w"]
    pairs = {name: name.replace("_target", "") for name in names}
    before = {name: np.zeros(2) for name in (*pairs, *pairs.values())}
    after = {name: array + 1.0 for name, array in before.items()}
    assert _left_behind(before, after, pairs) == []
    after |= {name: np.zeros(2) for name in names[2:]}
    assert _left_behind(before, after, pairs) == ["critic_target"]
    after["critic.0.w"] = np.zeros(2)
    assert _left_behind(before, after, pairs) == []


def test_an_interval_under_a_name_of_the_agents_own():
    agent = SimpleNamespace(target_every=250, target=object(), target_entropy=-1.0, use_target=True)
    assert _own_interval(agent) is None
    assert _few(agent) == 250
    assert _few(SimpleNamespace(target_sync_steps=10_000)) is None


@pytest.mark.parametrize(
    ("held", "stated"),
    [
        ({"target_period": 1}, True),
        ({"target_period": 100}, False),
        ({"tau": 1.0}, True),
        ({"tau": 1.0, "target_update_interval": 500}, False),
        ({"tau": 0.005, "use_target": True}, False),
    ],
)
def test_a_copy_after_every_update_may_be_the_schedule(held, stated):
    assert _states_no_lag(SimpleNamespace(**held), {}) is stated


COPIES = ["target.0.bias", "target.0.weight"]


@pytest.mark.parametrize(
    ("steps", "still", "copies", "accused"),
    [
        (65_536, COPIES, COPIES, True),
        (32_768, COPIES, COPIES, False),
        (65_536, [*COPIES, "online.0.weight"], COPIES, False),
        (65_536, ["random.target.weight"], [], False),
        (65_536, [], COPIES, False),
    ],
)
def test_after_very_many_steps_a_target_network_has_moved(steps, still, copies, accused):
    outcome = never_refreshed(steps, [{"still": still, "targets": copies}] * 2)
    assert (outcome is not None) is accused
    if outcome is not None:
        assert outcome.suspects == {"target-never-updated": 0.9}


@pytest.mark.parametrize(
    ("tau", "alike"), [(0.005, False), (0.5, False), (0.995, True), (1.0, True)]
)
def test_how_far_an_average_lags(tau, alike):
    rng = np.random.default_rng(0)
    first = online = target = rng.normal(size=(8, 8))
    for _ in range(400):
        online = online + 0.01 * rng.normal(size=(8, 8))
        target = tau * online + (1 - tau) * target
    assert _alike(first, online, target) is alike
