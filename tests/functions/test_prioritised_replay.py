"""Prioritised replay: correct buffers of several makes pass, faulty ones are named.

None of the subjects shares code with the catalogue. The faulty ones derive from one proportional
buffer in torch; class attributes and single methods are where they differ.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch

from property_tests import prioritised_replay
from property_tests.scenario_contract import player_of, row
from reference_agents.replay import make_prioritised_replay
from rlcheck.contracts import Options

FEW = replace(prioritised_replay.SCENARIO, size=4)
"""A buffer is asked for hundreds of batches in every case."""


class Samples(NamedTuple):
    observations: torch.Tensor
    actions: torch.Tensor
    rewards: torch.Tensor
    next_observations: torch.Tensor
    dones: torch.Tensor


class Proportional:
    """float32 tensors, `torch.multinomial`, a dict with nested transitions."""

    def __init__(self, buffer_size, prioritized_replay_alpha=0.6, per_beta=0.4):
        self.n, self.alpha, self.beta = buffer_size, prioritized_replay_alpha, per_beta
        self.p = torch.zeros(buffer_size)
        self.store, self.at, self.top = {}, 0, 1.0

    def add(self, obs, action, reward, next_obs, done):
        row = (obs, action, reward, next_obs, done)
        self.store[self.at] = tuple(torch.tensor(x, dtype=torch.float32) for x in row)
        self.p[self.at] = self.newcomer(self.at)
        self.at = (self.at + 1) % self.n

    def newcomer(self, place):
        return self.top

    def chance(self):
        scaled = torch.where(self.p > 0, self.p**self.alpha, 0.0)
        return scaled / scaled.sum()

    def raw(self, chance):
        return (len(self.store) * chance) ** -self.beta

    def over(self, weights, places):
        return weights / weights.max()

    def sample(self, batch_size):
        chance = self.chance()
        places = torch.multinomial(chance, batch_size, replacement=True)
        batch = Samples(*map(torch.stack, zip(*(self.store[int(i)] for i in places), strict=True)))
        weights = self.over(self.raw(chance[places]), places)
        return {"batch": batch, "idxs": places, "weights": weights}

    def update_priorities(self, idxs, priorities):
        self.p[idxs] = priorities
        self.top = max(self.top, float(priorities.max()))


class WithEps(Proportional):
    def update_priorities(self, idxs, priorities):
        super().update_priorities(idxs, priorities.abs() + 0.01)


class OverBuffer(Proportional):
    def over(self, weights, places):
        held = self.chance()[: len(self.store)]
        return weights / (len(self.store) * held.min()) ** -self.beta


class OneByOne(Proportional):
    """Rows are updated singly, and the batch comes first in a tuple, the weights [n, 1] last."""

    def update(self, index, priority):
        self.p[index] = float(priority)
        self.top = max(self.top, float(priority))

    update_priorities = None

    def sample(self, batch_size):
        found = super().sample(batch_size)
        columns = tuple(np.asarray(column) for column in found["batch"])
        return columns, found["idxs"].tolist(), found["weights"].numpy()[:, None]


CORRECT = {
    "reference": make_prioritised_replay,
    "proportional": Proportional,
    "with a constant": WithEps,
    "weights over the buffer": OverBuffer,
    "one by one": OneByOne,
}


class Ignoring(Proportional):
    def chance(self):
        return (self.p > 0).float() / (self.p > 0).float().sum()


class NoExponent(Proportional):
    def chance(self):
        return self.p / self.p.sum()


class SquareOfExponent(Proportional):
    def update_priorities(self, idxs, priorities):
        super().update_priorities(idxs, priorities**self.alpha)

    def newcomer(self, place):
        return self.top


class StartsAtOne(Proportional):
    def newcomer(self, place):
        return 1.0


class Starving(Proportional):
    def newcomer(self, place):
        return 1e-3


class Inherited(Proportional):
    def newcomer(self, place):
        return float(self.p[place]) or self.top


class LocalIndices(Proportional):
    def update_priorities(self, idxs, priorities):
        super().update_priorities(torch.arange(len(idxs)), priorities)


class Accumulating(Proportional):
    def update_priorities(self, idxs, priorities):
        super().update_priorities(idxs, self.p[idxs] + priorities)


class Capped(Proportional):
    def update_priorities(self, idxs, priorities):
        super().update_priorities(idxs, priorities.clamp(max=1.0))


class NoWeights(Proportional):
    def over(self, weights, places):
        return torch.ones_like(weights)


class PositiveExponent(Proportional):
    def raw(self, chance):
        return (len(self.store) * chance) ** self.beta


class FullCorrection(Proportional):
    def raw(self, chance):
        return 1.0 / (len(self.store) * chance)


class Unscaled(Proportional):
    def over(self, weights, places):
        return weights


class MeanOne(Proportional):
    def over(self, weights, places):
        return weights / weights.mean()


class SmallestOne(Proportional):
    def over(self, weights, places):
        return weights / weights.min()


class Shuffled(Proportional):
    def over(self, weights, places):
        return (weights / weights.max()).flip(0)


FAULTY = {
    Ignoring: "sampled-uniformly",
    NoExponent: "alpha-ignored",
    SquareOfExponent: "alpha-applied-twice",
    StartsAtOne: "new-rows-get-one",
    Starving: "new-rows-starve",
    Inherited: "overwritten-priority-kept",
    LocalIndices: "wrong-rows-updated",
    Accumulating: "priorities-add-up",
    Capped: "priorities-clipped",
    NoWeights: "weights-one",
    PositiveExponent: "weights-inverted",
    FullCorrection: "beta-ignored",
    Unscaled: "weights-not-normalised",
    MeanOne: "weights-normalised-otherwise",
    SmallestOne: "weights-over-minimum",
    Shuffled: "weights-misaligned",
}


@pytest.mark.parametrize("make", CORRECT.values(), ids=CORRECT)
def test_correct_buffers_pass(make):
    assert row(FEW, make, "").failed == ()


@pytest.mark.slow
@pytest.mark.parametrize("make", CORRECT.values(), ids=CORRECT)
def test_correct_buffers_pass_every_case(make):
    assert row(prioritised_replay.SCENARIO, make, "").failed == ()


@pytest.mark.slow
@pytest.mark.parametrize(("make", "fault"), FAULTY.items(), ids=lambda x: getattr(x, "__name__", x))
def test_faulty_buffers_are_named(make, fault):
    found = row(prioritised_replay.SCENARIO, make, "")
    assert found.failed
    assert found.named == f"prioritised-replay/{fault}"


def test_the_convention_of_the_weights_is_inferred():
    player, _ = player_of(FEW, OverBuffer, Options())
    assert player.conventions["weights_over"] == "buffer"


def test_every_fault_has_an_entry_of_its_own():
    names = [fault.name for fault in prioritised_replay.SCENARIO.faults]
    assert len(set(names)) == len(names) >= 8
    assert all(
        f.title and f.explanation and f.fix and f.where for f in prioritised_replay.SCENARIO.faults
    )
