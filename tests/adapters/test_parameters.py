"""Which parameters are read off an agent, and which of them are targets."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch

from rlcheck.adapters.parameters import held_parameters, lagged


def test_plain_arrays_are_parameters_only_as_a_target_and_its_online_one():
    weights = np.ones((3, 2))
    agent = SimpleNamespace(
        weights=weights,
        target_weights=weights,
        net={"w": np.zeros(4), "counts": np.zeros(4, dtype=int)},
        net_target={"w": np.zeros(4)},
        rewards=np.zeros(100),
        target_return=np.zeros(3),
    )
    found = held_parameters(agent)
    assert sorted(found) == ["net.w", "net_target.w", "target_weights", "weights"]
    assert found["weights"] is not weights
    assert lagged(found) == {"net_target.w": "net.w", "target_weights": "weights"}


def test_arrays_count_only_where_there_are_no_tensors():
    agent = SimpleNamespace(net=torch.nn.Linear(2, 1), w=np.ones(3), target_w=np.ones(3))
    assert sorted(held_parameters(agent)) == ["net.bias", "net.weight"]


def test_other_shapes_are_no_copy():
    assert held_parameters(SimpleNamespace(q=np.zeros((4, 2)), q_target=np.zeros(4))) == {}
    assert held_parameters(object()) == {}
