"""Other forms of things with state: targets that are returned, methods of other names, one ring."""

import importlib.util

import numpy as np
import pytest
import torch

import rlcheck
from property_tests import polyak_update, replay_buffer
from property_tests.scenario_contract import row

NEEDS_JAX = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")


def tree(target_params, online_params, tau):
    import jax

    return jax.tree.map(lambda t, o: (1 - tau) * t + tau * o, target_params, online_params)


def dict_of_new_arrays(target, source, tau):
    return {name: tau * source[name] + (1 - tau) * target[name] for name in target}


def list_of_new_tensors(online_parameters, target_parameters, tau):
    pairs = zip(target_parameters, online_parameters, strict=True)
    return [t.detach().lerp(o.detach(), tau) for t, o in pairs]


def tuple_of_both(target, online, tau):
    return dict_of_new_arrays(target, online, tau), tau


@pytest.mark.parametrize(
    "update",
    [pytest.param(tree, marks=NEEDS_JAX), dict_of_new_arrays, list_of_new_tensors, tuple_of_both],
)
def test_a_returned_target_counts(update):
    assert row(polyak_update.SCENARIO, update, update.__name__, size=20).failed == ()


def test_the_report_says_that_the_target_is_what_is_returned():
    report = rlcheck.check(dict_of_new_arrays, "polyak-update", max_examples=10)
    assert any("returns the new target" in note for note in report.notes)


def undecayed(target_params, online_params, tau):
    return {name: target_params[name] + tau * online_params[name] for name in online_params}


def thrown_away(target, online, tau):
    """Computed and neither written nor returned."""
    dict_of_new_arrays(target, online, tau)


@pytest.mark.parametrize(
    ("update", "fault"), [(undecayed, "target-not-decayed"), (thrown_away, "never-updated")]
)
def test_faults_of_returned_targets_are_named(update, fault):
    found = row(polyak_update.SCENARIO, update, update.__name__, size=20)
    assert found.named == f"polyak-update/{fault}"


def writes_and_returns(target, online, tau):
    with torch.no_grad():
        for t, o in zip(target.parameters(), online.parameters(), strict=True):
            t.copy_((1 - tau) * t + tau * o)
        for t, o in zip(target.buffers(), online.buffers(), strict=True):
            t.copy_(o)
    return target


def test_what_writes_in_place_is_judged_by_what_it_writes():
    assert row(polyak_update.SCENARIO, writes_and_returns, "writes", size=20).failed == ()


def moving_average(ema_model, model, decay):
    """`decay` is the weight of what stays."""
    with torch.no_grad():
        for e, p in zip(ema_model.parameters(), model.parameters(), strict=True):
            e.mul_(decay).add_(p, alpha=1 - decay)
        for e, p in zip(ema_model.buffers(), model.buffers(), strict=True):
            e.copy_(p)


def test_a_moving_average_of_weights_is_a_target_update():
    assert row(polyak_update.SCENARIO, moving_average, "average", size=20).failed == ()


class OtherWords:
    """Methods by verbs with an object: `store_transition`, `draw_batch`."""

    def __init__(self, capacity):
        self.capacity, self.rows, self.count = capacity, [None] * capacity, 0
        self.store: dict = {}  # no method

    def store_transition(self, obs, action, reward, next_obs, terminated, truncated):
        row = (obs.copy(), action, reward, next_obs.copy(), terminated, truncated)
        self.rows[self.count % self.capacity] = row
        self.count += 1

    def draw_batch(self, n):
        index = np.random.randint(min(self.count, self.capacity), size=n)
        return tuple(np.array(c) for c in zip(*(self.rows[i] for i in index), strict=True))


def test_methods_are_read_by_their_verb():
    assert row(replay_buffer.SCENARIO, OtherWords, "other words", size=10).failed == ()


class OneRing:
    """Observations in one array, the next one written ahead, as an option that saves memory does."""

    def __init__(self, capacity):
        self.capacity, self.count = capacity, 0
        self.obs, self.rest = [None] * capacity, [None] * capacity

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        place = self.count % self.capacity
        self.obs[place], self.rest[place] = obs.copy(), (action, reward, terminated, truncated)
        self.obs[(place + 1) % self.capacity] = next_obs.copy()
        self.count += 1

    def sample(self, n):
        index = np.random.randint(min(self.count, self.capacity), size=n)
        rest = zip(*(self.rest[i] for i in index), strict=True)
        actions, rewards, ended, cut = map(np.array, rest)
        obs = np.array([self.obs[i] for i in index])
        following = np.array([self.obs[(i + 1) % self.capacity] for i in index])
        return obs, actions, rewards, following, ended, cut


def test_a_ring_of_observations_is_named():
    found = row(replay_buffer.SCENARIO, OneRing, "one ring", size=10)
    assert found.named == "replay-buffer/next-observation-from-following-row"
