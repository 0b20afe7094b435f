"""Replay buffers: rows stay aligned, old ones leave, n-step transitions stop where they must."""

from __future__ import annotations

import pytest
import torch

from reference_agents.replay import PrioritisedReplayBuffer, ReplayBuffer, SumTree
from reference_agents.streams import SeedStreams

GAMMA = 0.5


def filled(steps, *, horizon=100, n_step=1, terminated_at=(), truncated_at=(), num_envs=1):
    """Step t of environment e has observation 10 t + e, reward t + 1, and so on."""
    buffer = ReplayBuffer(horizon * num_envs, 1, num_envs, GAMMA, n_step)
    for t in range(steps):
        observation = 10.0 * t + torch.arange(num_envs, dtype=torch.float64).view(1, -1, 1)
        flag = torch.ones(1, num_envs, dtype=torch.bool)
        buffer.add(
            observation,
            torch.full((1, num_envs), t),
            torch.full((1, num_envs), t + 1.0, dtype=torch.float64),
            observation + 1000,
            flag & (t in terminated_at),
            flag & (t in truncated_at),
        )
    return buffer


def place(buffer, *indices):
    return buffer.gather(torch.tensor([indices]))


def test_rows_stay_aligned_and_the_oldest_leave():
    buffer = filled(25, horizon=10, num_envs=2)
    sample = buffer.sample(4000, SeedStreams([0], "x", dtype=torch.float64))
    steps = sample.actions.double()
    assert set(sample.actions.flatten().tolist()) == set(range(15, 25))
    assert torch.equal(sample.observations[..., 0] // 10, steps)
    assert torch.equal(sample.rewards, steps + 1)
    assert torch.equal(sample.next_observations, sample.observations + 1000)
    counts = torch.bincount(sample.indices.flatten(), minlength=20)
    assert float(((counts - 200).square() / 200).sum()) < 43.8  # 19 degrees of freedom, 99.9 %


def test_buffer_does_not_share_memory_with_the_caller():
    buffer = ReplayBuffer(4, 1, 1, GAMMA)
    observation, no = torch.zeros(1, 1, 1), torch.zeros(1, 1, dtype=torch.bool)
    buffer.add(observation, no.long(), torch.zeros(1, 1), observation, no, no)
    observation += 7
    assert float(place(buffer, 0).observations) == 0.0


def test_n_step_sums_discounted_rewards():
    sample = place(filled(10, n_step=3), 2)
    assert float(sample.rewards) == 3 + GAMMA * 4 + GAMMA**2 * 5
    assert float(sample.next_observations) == 1040
    assert float(sample.later_discounts) == GAMMA**2


@pytest.mark.parametrize("kind", ["terminated_at", "truncated_at"])
def test_n_step_stops_at_the_end_of_an_episode(kind):
    sample = place(filled(10, n_step=4, **{kind: [3]}), 2)
    assert float(sample.rewards) == 3 + GAMMA * 4
    assert float(sample.next_observations) == 1030
    assert float(sample.later_discounts) == GAMMA
    assert bool(sample.terminated) == (kind == "terminated_at")
    assert bool(sample.truncated) == (kind == "truncated_at")


def test_n_step_stops_at_the_newest_row_also_after_the_buffer_wrapped():
    sample = place(filled(10, n_step=4), 9)
    assert float(sample.rewards) == 10
    wrapped = place(filled(13, horizon=10, n_step=4), 2, 8)  # steps 12 (newest) and 8
    assert wrapped.rewards[0].tolist() == [13, 9 + GAMMA * 10 + GAMMA**2 * 11 + GAMMA**3 * 12]


def test_n_step_follows_each_environment_on_its_own():
    sample = place(filled(5, n_step=2, num_envs=2), 3)  # step 1 of environment 1
    assert float(sample.next_observations) == 1000 + 10 * 2 + 1


def test_cut_keeps_what_follows_apart():
    buffer = filled(3, n_step=2)
    buffer.cut()
    buffer.add(*(field[:, 0] for field in buffer.fields))
    sample = place(buffer, 2)
    assert float(sample.rewards) == 3
    assert bool(sample.truncated)
    ReplayBuffer(4, 1, 1, GAMMA).cut()  # an empty buffer has nothing to cut


def test_sum_tree_draws_in_proportion_and_never_what_has_no_weight():
    tree = SumTree(2, 300, torch.device("cpu"))
    weights = torch.zeros(2, 300, dtype=torch.float64)
    weights[0, [3, 17, 299]] = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    weights[1, 250] = 1.0
    tree.set(torch.arange(300).expand(2, -1), weights)
    assert tree.total().flatten().tolist() == [8.0, 1.0]
    leaves = tree.find((torch.arange(8000) + 0.5).expand(2, -1) / 8000)
    counts = torch.bincount(leaves[0], minlength=300)
    assert counts[[3, 17, 299]].tolist() == [1000, 2000, 5000]
    assert (leaves[1] == 250).all()
    ends = tree.find(torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    assert ends.tolist() == [[3, 299], [250, 250]]


def prioritised(alpha=0.5):
    replay = PrioritisedReplayBuffer(ReplayBuffer(8, 1, 1, GAMMA), alpha, torch.device("cpu"))
    no = torch.zeros(1, 1, dtype=torch.bool)
    for t in range(4):
        value = torch.full((1, 1, 1), float(t))
        replay.add(value, torch.full((1, 1), t), value[..., 0], value, no, no)
    return replay


def test_new_transitions_get_the_largest_priority():
    replay = prioritised(alpha=1.0)
    replay.update_priorities(torch.tensor([[0]]), torch.tensor([[9.0]]))
    no = torch.zeros(1, 1, dtype=torch.bool)
    replay.add(torch.zeros(1, 1, 1), no.long(), torch.zeros(1, 1), torch.zeros(1, 1, 1), no, no)
    assert replay.tree.get(torch.arange(5).view(1, -1)).flatten().tolist() == [9, 1, 1, 1, 9]


def test_prioritised_sampling_has_its_probabilities_and_weights():
    replay = prioritised(alpha=0.5)
    indices = torch.arange(4).view(1, -1)
    replay.update_priorities(indices, torch.tensor([[1.0, 4.0, 9.0, 16.0]]))
    sample = replay.sample(10_000, SeedStreams([0], "x"), beta=1.0)
    counts = torch.bincount(sample.indices.flatten(), minlength=4)
    assert counts.tolist() == pytest.approx([1000, 2000, 3000, 4000], abs=3)  # one a stratum
    # (N P)^-1 over its maximum: the weights are 1 / (1, 2, 3, 4)
    expected = 1.0 / (sample.indices + 1)
    torch.testing.assert_close(sample.weights, expected.float())
