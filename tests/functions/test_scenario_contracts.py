"""Replay buffers, target networks and epsilon schedules: correct ones pass, faulty ones are named.

None of the subjects shares code with the catalogue.
"""

from __future__ import annotations

import random
from collections import deque
from importlib import import_module

import numpy as np
import pytest
import torch

from property_tests import epsilon_schedule, polyak_update, replay_buffer
from property_tests.scenario_contract import row
from property_tests.scenario_selftest import selftest
from property_tests.scenario_variants import VARIANTS
from reference_agents import exploration, polyak
from reference_agents.replay import make_replay_buffer

COLUMNS = ("obs", "action", "reward", "next_obs", "terminated", "truncated")


class ListBuffer:
    def __init__(self, capacity):
        self.memory = deque(maxlen=capacity)

    def push(self, state, action, reward, next_state, terminated, truncated):
        self.memory.append((state.copy(), action, reward, next_state.copy(), terminated, truncated))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)


class ArrayBuffer:
    """Preallocated arrays; the class attributes are where the faulty ones differ."""

    inclusive, store_next, kept_flags = 0, True, True

    def __init__(self, max_size):
        self.max_size, self.position, self.full = max_size, 0, False
        self.obs, self.following = np.zeros((max_size, 2)), np.zeros((max_size, 2))
        self.scalars = np.zeros((max_size, 4))

    def add(self, obs, action, reward, next_obs, terminated, truncated):
        place = self.position
        ended = terminated if self.kept_flags else terminated or truncated
        self.obs[place], self.following[place] = obs, next_obs
        self.scalars[place] = action, reward, ended, truncated
        self.position = (place + 1) % self.max_size
        self.full |= self.position == 0

    def sample(self, n):
        held = self.max_size if self.full else self.position
        rows = np.random.randint(max(1, held - self.inclusive), size=n)
        following = self.following[rows] if self.store_next else self.obs[(rows + 1) % held]
        action, reward, terminated, truncated = self.scalars[rows].T
        return dict(
            zip(
                COLUMNS,
                (self.obs[rows], action, reward, following, terminated, truncated),
                strict=True,
            )
        )


class MergedFlags(ArrayBuffer):
    kept_flags = False


class NoNextObservations(ArrayBuffer):
    store_next = False


class Referencing(ListBuffer):
    def push(self, state, action, reward, next_state, terminated, truncated):
        self.memory.append((state, action, reward, next_state, terminated, truncated))


class Stuck(ListBuffer):
    def __init__(self, capacity):
        self.memory, self.capacity = [], capacity

    def push(self, *transition):
        if len(self.memory) < self.capacity:
            self.memory.append(tuple(np.array(part) for part in transition))


def stable_baselines3_buffer(capacity):
    """Its own flag only: it returns `terminated`, and what it knows of time limits is consumed."""
    from gymnasium.spaces import Box, Discrete
    from stable_baselines3.common.buffers import ReplayBuffer

    inner = ReplayBuffer(
        capacity, Box(-1e3, 1e3, (2,)), Discrete(100), handle_timeout_termination=False
    )

    class Adapter:
        def add(self, obs, action, reward, next_obs, done):
            inner.add(obs, next_obs, np.array(action), np.array(reward), np.array(done), [{}])

        def sample(self, n):
            got = inner.sample(n)
            names = ("obs", "action", "reward", "next_obs", "done")
            columns = (got.observations, got.actions, got.rewards, got.next_observations, got.dones)
            return dict(zip(names, columns, strict=True))

    return Adapter()


def one_flag(capacity):
    inner = ArrayBuffer(capacity)

    class Adapter:
        def add(self, state, action, reward, next_state, done):
            inner.add(state, action, reward, next_state, done, False)

        def sample(self, n):
            return inner.sample(n)

    return Adapter()


@pytest.mark.parametrize(
    "make", [ListBuffer, ArrayBuffer, one_flag, stable_baselines3_buffer, make_replay_buffer]
)
def test_correct_buffers_pass(make):
    assert row(replay_buffer.SCENARIO, make, make.__name__, size=40).failed == ()


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (MergedFlags, "truncation-as-terminal"),
        (NoNextObservations, "next-observation-from-following-row"),
        (Referencing, "references-stored"),
        (Stuck, "stops-when-full"),
    ],
)
def test_faulty_buffers_are_named(make, fault):
    found = row(replay_buffer.SCENARIO, make, make.__name__, size=40)
    assert found.failed
    assert found.named == f"replay-buffer/{fault}"


def averaged_state_dicts(target_net, net, tau):
    state, source = target_net.state_dict(), net.state_dict()
    for name in state:
        state[name] = tau * source[name] + (1 - tau) * state[name]
    target_net.load_state_dict(state)


def numpy_decay(target, online, tau):
    for name in target:
        target[name] = target[name] * tau + (1 - tau) * online[name]


@torch.no_grad()
def sharing(target, online, tau):
    for own, other in zip(target.parameters(), online.parameters(), strict=True):
        own.data = other.data


@torch.no_grad()
def growing(target, online, tau):
    for own, other in zip(target.parameters(), online.parameters(), strict=True):
        own.add_(tau * other)


@torch.no_grad()
def backwards(target, online, tau):
    for own, other in zip(target.parameters(), online.parameters(), strict=True):
        other.lerp_(own, tau)


def stable_baselines3_update():
    from stable_baselines3.common.utils import polyak_update as theirs

    return theirs


@pytest.mark.parametrize(
    "update",
    [polyak.polyak_update, stable_baselines3_update(), averaged_state_dicts, numpy_decay],
)
def test_correct_updates_pass(update):
    assert row(polyak_update.SCENARIO, update, update.__name__, size=30).failed == ()


@pytest.mark.parametrize(
    ("update", "fault"),
    [
        (sharing, "storage-shared"),
        (growing, "target-not-decayed"),
        (backwards, "networks-swapped"),
    ],
)
def test_faulty_updates_are_named(update, fault):
    found = row(polyak_update.SCENARIO, update, update.__name__, size=30)
    assert found.named == f"polyak-update/{fault}"


def cleanrl_style(start_e, end_e, duration, t):
    slope = (end_e - start_e) / duration
    return max(slope * t + start_e, end_e) if slope < 0 else min(slope * t + start_e, end_e)


def integer_division(step, start, end, decay_steps):
    return start + (end - start) * min(step // decay_steps, 1)


def unlimited(step, start, end, decay_steps):
    return start - (start - end) / decay_steps * step


@pytest.mark.parametrize(
    "schedule",
    [exploration.epsilon_schedule, exploration.exponential_epsilon_schedule, cleanrl_style],
)
def test_correct_schedules_pass(schedule):
    assert row(epsilon_schedule.SCENARIO, schedule, schedule.__name__).failed == ()


@pytest.mark.parametrize(
    ("schedule", "fault"), [(integer_division, "jumps-at-the-end"), (unlimited, "not-cut-off")]
)
def test_faulty_schedules_are_named(schedule, fault):
    found = row(epsilon_schedule.SCENARIO, schedule, schedule.__name__)
    assert found.named == f"epsilon-schedule/{fault}"


@pytest.mark.parametrize(
    "name",
    [
        # Hundreds of batches are drawn in every case.
        pytest.param(name, marks=[pytest.mark.slow] if name == "prioritised-replay" else [])
        for name in VARIANTS
    ],
)
def test_the_correct_variants_of_the_self_tests_pass(name):
    scenario = import_module(f"property_tests.{name.replace('-', '_')}").SCENARIO
    for label, subject in VARIANTS[name].items():
        assert row(scenario, subject, label, size=20).failed == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_fault_is_caught_and_named(name):
    found = [one for one in selftest(name) if one.fault]
    assert not [one.implementation for one in found if not one.failed]
    assert sum(one.named == one.fault for one in found) >= 0.95 * len(found)


@pytest.mark.parametrize(
    "scenario", [replay_buffer.SCENARIO, polyak_update.SCENARIO, epsilon_schedule.SCENARIO]
)
def test_every_fault_has_an_entry_of_its_own(scenario):
    names = [fault.name for fault in scenario.faults]
    assert len(set(names)) == len(names)
    assert all(fault.title and fault.explanation and fault.fix for fault in scenario.faults)
