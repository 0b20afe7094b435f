"""Targets of Q-learning read off the gradients at the network, whatever the code looks like."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from ladders.bellman_check import _decoder, judge_updates
from ladders.bellman_rows import bellman_rows
from ladders.bellman_windows import before, windows
from ladders.exam import design
from rlcheck.adapters.passes import Passes, watched_passes
from rlcheck.records import Context, Settings, Status

GAMMA = 0.9
MDP = design(GAMMA).mdp
CONTEXT = Context(Settings(), {"accepts_gamma": True, "target_tensors": 2})


class Batch:
    """Random rows of the exam, in the order of a replay memory."""

    def __init__(self, rng: np.random.Generator, size: int = 32) -> None:
        self.rng = rng
        states, actions = rng.integers(MDP.n_states, size=size), rng.integers(2, size=size)
        nexts = np.array(
            [
                rng.choice(MDP.n_states, p=MDP.transitions[s, a])
                for s, a in zip(states, actions, strict=True)
            ]
        )
        cut = MDP.truncated[states, actions]
        starts = rng.choice(MDP.n_states, p=MDP.start, size=size)
        eye = torch.eye(MDP.n_states)
        self.obs, self.next_obs = eye[states], eye[nexts]
        self.reset_obs = eye[np.where(cut, starts, nexts)]
        self.actions = torch.as_tensor(actions)
        self.rewards = torch.as_tensor(MDP.rewards[states, actions], dtype=torch.float32)
        self.ends = torch.as_tensor(MDP.terminated[states, actions]).float()
        self.begins = torch.as_tensor(MDP.start[states] > 0).float()
        # Before an episode's first step something else was earned.
        self.earlier = torch.as_tensor(np.nan_to_num(before(MDP)[states], nan=0.7)).float()
        self.cut = torch.as_tensor(cut).float()


def plain(b, net, slow):
    return b.rewards + GAMMA * (1 - b.ends) * slow(b.next_obs).amax(1)


def double(b, net, slow):
    best = net(b.next_obs).argmax(1, keepdim=True)
    return b.rewards + GAMMA * (1 - b.ends) * slow(b.next_obs).gather(1, best).squeeze(1)


def soft(b, net, slow):
    return b.rewards + GAMMA * (1 - b.ends) * 0.2 * (slow(b.next_obs) / 0.2).logsumexp(1)


def squared(q, y):
    return (q - y).square().mean()


MISTAKES = {
    "no mask": (
        "terminal-bootstrap",
        lambda b, net, slow: b.rewards + GAMMA * slow(b.next_obs).amax(1),
    ),
    "merged flags": (
        "truncation-as-terminal",
        lambda b, net, slow: (
            b.rewards + GAMMA * (1 - b.ends) * (1 - b.cut) * slow(b.next_obs).amax(1)
        ),
    ),
    "value of the next episode's start": (
        "truncation-bootstraps-reset",
        lambda b, net, slow: b.rewards + GAMMA * (1 - b.ends) * slow(b.reset_obs).amax(1),
    ),
    "value of the state itself": (
        "next-observation-stale",
        lambda b, net, slow: b.rewards + GAMMA * (1 - b.ends) * slow(b.obs).amax(1),
    ),
    "mean": (
        "max-replaced-by-mean",
        lambda b, net, slow: b.rewards + GAMMA * (1 - b.ends) * slow(b.next_obs).mean(1),
    ),
    "online": (
        "target-is-online",
        lambda b, net, slow: b.rewards + GAMMA * (1 - b.ends) * net(b.next_obs).amax(1),
    ),
    "rewards rolled": (
        "batch-misaligned",
        lambda b, net, slow: plain(b, net, slow) - b.rewards + b.rewards.roll(1),
    ),
    "rewards clipped": (
        "reward-clipped",
        lambda b, net, slow: plain(b, net, slow) - b.rewards + b.rewards.clamp(-1, 1),
    ),
    "rewards centred": (
        "reward-mean-subtracted",
        lambda b, net, slow: plain(b, net, slow) - b.rewards.mean(),
    ),
    "rewards negated": (
        "reward-sign-flipped",
        lambda b, net, slow: plain(b, net, slow) - 2 * b.rewards,
    ),
    "0.99": (
        "discount-hard-coded",
        lambda b, net, slow: b.rewards + 0.99 * (1 - b.ends) * slow(b.next_obs).amax(1),
    ),
    "rewards of the step before": (
        "reward-late",
        lambda b, net, slow: plain(b, net, slow) - b.rewards + b.earlier,
    ),
    "flags of the step before": (
        "done-late",
        lambda b, net, slow: b.rewards + GAMMA * (1 - b.begins) * slow(b.next_obs).amax(1),
    ),
    "gamma twice": (
        "discount-applied-twice",
        lambda b, net, slow: b.rewards + GAMMA**2 * (1 - b.ends) * slow(b.next_obs).amax(1),
    ),
}


def seen(target, loss=squared, updates=24):
    """The judgement of some updates of a small network towards `target(batch, net, slow)`."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(MDP.n_states, 32), nn.ReLU(), nn.Linear(32, 2))
    slow = copy.deepcopy(net)
    optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
    passes = Passes(_decoder(MDP), MDP.n_actions, keep=updates)
    with watched_passes(passes):
        for update in range(120 + updates):
            batch = Batch(rng)
            with torch.no_grad():
                y = target(batch, net, slow)
            q = net(batch.obs).gather(1, batch.actions[:, None]).squeeze(1)
            optimiser.zero_grad()
            loss(q, y).backward()
            optimiser.step()
            if update % 40 == 0:
                slow.load_state_dict(net.state_dict())
    rows = bellman_rows(passes.updates, MDP, 1_024)
    kept = None if rows is None else {k: v.tolist() for k, v in rows._asdict().items()}
    return judge_updates({"rows": kept}, CONTEXT)


@pytest.mark.parametrize(
    ("target", "loss"),
    [
        pytest.param(plain, squared, id="DQN"),
        pytest.param(double, squared, id="Double DQN"),
        pytest.param(plain, nn.functional.smooth_l1_loss, id="Huber loss"),
        pytest.param(double, lambda q, y: 64 * squared(q, y), id="another scale of the loss"),
    ],
)
def test_correct_targets_pass(target, loss):
    outcome = seen(target, loss)
    assert outcome.status is Status.PASSED, outcome.message


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_in_the_target_is_named(name):
    fault, target = MISTAKES[name]
    outcome = seen(target)
    assert outcome.status is Status.FAILED, outcome.message
    assert max(outcome.suspects, key=outcome.suspects.get) == fault


def windowed(steps, gamma=GAMMA, power=None, mask=True):
    """The judgement of updates towards targets of several steps."""
    table = windows(MDP, gamma)[steps - 1]
    known = np.argwhere(table.known)

    def target(b, net, slow):
        rows = tuple(known[b.rng.integers(len(known), size=len(b.actions))].T)
        eye = torch.eye(MDP.n_states)
        b.obs, b.actions = eye[rows[0]], torch.as_tensor(rows[1])
        discount = gamma ** (table.steps[rows] if power is None else power)
        beyond = discount * ~(table.ends[rows] & mask)
        best = slow(eye[table.reached[rows]]).amax(1)
        return torch.as_tensor(table.rewards[rows]).float() + torch.as_tensor(beyond).float() * best

    return seen(target)


def test_windows_of_three_steps():
    outcome = windowed(3)
    assert outcome.status is Status.PASSED, outcome.message


@pytest.mark.parametrize(
    ("mistake", "fault"),
    [
        pytest.param({"power": 1}, "discount-ignored", id="gamma in place of gamma^3"),
        pytest.param({"gamma": 0.99}, "discount-hard-coded", id="0.99"),
        pytest.param({"mask": False}, "terminal-bootstrap", id="no mask"),
    ],
)
def test_mistakes_in_windows_of_three_steps(mistake, fault):
    outcome = windowed(3, **mistake)
    assert outcome.status is Status.FAILED, outcome.message
    assert max(outcome.suspects, key=outcome.suspects.get) == fault


def test_a_column_less_a_row_is_named():
    outcome = seen(plain, lambda q, y: (q[:, None] - y[None, :]).square().mean())
    assert outcome.status is Status.FAILED, outcome.message
    assert set(outcome.suspects) == {"batch-misaligned"}


def weighted(q, y):
    """The loss of prioritised replay."""
    return (torch.linspace(0.2, 1.0, len(q)) * (q - y).square()).mean()


@pytest.mark.parametrize("name", ["no mask", "value of the state itself", "mean"])
def test_weights_leave_the_signs(name):
    fault, target = MISTAKES[name]
    outcome = seen(target, weighted)
    assert outcome.status is Status.FAILED, outcome.message
    assert max(outcome.suspects, key=outcome.suspects.get) == fault


@pytest.mark.parametrize(
    ("target", "loss"),
    [
        pytest.param(soft, squared, id="soft Q-learning"),
        pytest.param(soft, weighted, id="soft Q-learning from weighted rows"),
        pytest.param(plain, weighted, id="weighted rows"),
        pytest.param(double, weighted, id="Double DQN from weighted rows"),
        pytest.param(
            lambda b, net, slow: 0.1 * b.rewards + GAMMA * (1 - b.ends) * slow(b.next_obs).amax(1),
            squared,
            id="rewards in another unit",
        ),
    ],
)
def test_what_is_of_another_form_is_left_alone(target, loss):
    assert seen(target, loss).status is Status.SKIPPED


def test_watching_changes_nothing():
    def trained(watched: bool):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(MDP.n_states, 8), nn.ReLU(), nn.Linear(8, 2))
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        passes = Passes(_decoder(MDP), 2, keep=2)

        def learn():
            for _ in range(4):
                optimiser.zero_grad()
                net(torch.eye(MDP.n_states)).square().sum().backward()
                optimiser.step()

        if watched:
            with watched_passes(passes):
                learn()
            assert len(passes.updates) == 2
        else:
            learn()
        return [p.detach().clone() for p in net.parameters()], torch.rand(3)

    (first, draw), (second, again) = trained(False), trained(True)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(draw, again)
    assert not torch.nn.modules.module._global_forward_hooks
