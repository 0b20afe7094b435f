"""Faulty DQN targets, replay buffers and continuous actions are wrong as claimed."""

import gymnasium
import numpy as np
import pytest
import torch
from building import build
from scripted import Scripted
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from benchmarks.agents import dqn_faults, replay_faults, settings
from benchmarks.agents.open_algorithms import OpenDQN

GAMMA = 0.9
REWARDS = torch.tensor([[1.0], [-2.0], [3.0], [0.5]])
ENDS = torch.tensor([[0.0], [1.0], [0.0], [1.0]])
DATA = ReplayBufferSamples(
    torch.eye(8)[:4], torch.tensor([[0], [1], [1], [0]]), torch.eye(8)[4:], ENDS, REWARDS
)  # fmt: skip


def dqn(cls, **changes):
    return build(lambda env, **common: settings.dqn(cls, env, **common, **changes))


def q_target(agent):
    with torch.no_grad():
        return agent.q_net_target(DATA.next_observations)


def targets(cls):
    agent = dqn(cls)
    with torch.no_grad():
        return agent.targets(DATA, agent.next_values(DATA)), q_target(agent)


def formula(q, rewards=REWARDS, ends=ENDS, gamma=GAMMA, reduce="max"):
    following = {"max": q.max(1).values, "mean": q.mean(1), "min": q.min(1).values}[reduce]
    return rewards + gamma * (1 - ends) * following[:, None]


@pytest.mark.parametrize(
    ("cls", "wrong"),
    [
        (dqn_faults.NoTerminalMask, {"ends": 0 * ENDS}),
        (dqn_faults.Undiscounted, {"gamma": 1.0}),
        (dqn_faults.UsualGamma, {"gamma": 0.99}),
        (dqn_faults.ThreeStepGamma, {"gamma": GAMMA**3}),
        (dqn_faults.GammaOnBoth, {"gamma": GAMMA**2}),
        (dqn_faults.CentredBatch, {"rewards": REWARDS - REWARDS.mean()}),
        (dqn_faults.MeanOverActions, {"reduce": "mean"}),
        (dqn_faults.MinOverActions, {"reduce": "min"}),
    ],
)
def test_the_targets_are_wrong_as_claimed(cls, wrong):
    got, q = targets(cls)
    torch.testing.assert_close(got, formula(q, **wrong))
    assert not torch.allclose(got, formula(q), rtol=0, atol=1e-6)


def test_further_targets_and_predictions():
    got, q = targets(dqn_faults.SquashedTargets)
    torch.testing.assert_close(got, formula(q).clamp(-1, 1))
    agent = dqn(dqn_faults.CriticRegressesOnItself)
    assert torch.equal(agent.targets(DATA, None), agent.taken(DATA))
    agent, right = dqn(dqn_faults.BroadcastLoss), dqn(OpenDQN)
    assert agent.taken(DATA).shape == agent.targets(DATA, agent.next_values(DATA)).shape == (4, 4)
    assert torch.equal(agent.taken(DATA)[2], right.taken(DATA).flatten())
    agent = dqn(dqn_faults.ActionsIndexRows)
    rows = agent.q_net(DATA.observations).mean(dim=1, keepdim=True)
    torch.testing.assert_close(agent.taken(DATA), rows[DATA.actions.flatten()])


def flat(module):
    return torch.cat([value.detach().flatten().clone() for value in module.parameters()])


def test_target_networks():
    agent = dqn(dqn_faults.TargetLoadsItself)
    before, online = flat(agent.q_net_target), flat(agent.q_net)
    agent.learn(900)
    assert torch.equal(before, flat(agent.q_net_target))
    assert not torch.equal(online, flat(agent.q_net))
    agent = dqn(dqn_faults.TargetIsAnAlias)
    agent.learn(300)
    assert agent.q_net is agent.q_net_target
    agent = dqn(dqn_faults.OptimisesTheTarget, target_update_interval=10**9)
    online = flat(agent.q_net)
    agent.learn(300)
    assert torch.equal(online, flat(agent.q_net))


def test_the_gradient_bound_binds_on_nothing():
    def after(cls, bound):
        agent = dqn(cls, max_grad_norm=bound)
        agent.policy.optimizer = torch.optim.SGD(agent.policy.parameters(), lr=0.1)
        agent.descend(agent.taken(DATA).square().sum())
        return flat(agent.q_net)

    assert not torch.allclose(after(OpenDQN, 1e-6), after(OpenDQN, 1e6))
    clips = dqn_faults.ClipsTheTarget
    assert torch.equal(after(clips, 1e-6), after(clips, 1e6))


def tagged(buffer_class):
    """Rows (s, s', a, r, d) = (t, t + 1, t mod 3, t, t = 2 mod 3)."""
    space = gymnasium.spaces.Box(-9, 99, (1,), np.float32)
    buffer = buffer_class(50, space, gymnasium.spaces.Discrete(3), "cpu")
    for t in range(20):
        row = [np.array([[t]], np.float32), np.array([[t + 1]], np.float32), np.array([t % 3])]
        buffer.add(*row, np.array([0.1 * t]), np.array([t % 3 == 2]), [{}])
    data = buffer.sample(400)._asdict()
    return {name: None if value is None else value.numpy()[:, 0] for name, value in data.items()}


def expected(t):
    return {
        "observations": t, "next_observations": t + 1, "actions": t % 3,
        "rewards": 0.1 * t, "dones": t % 3 == 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("buffer_class", "column", "wrong"),
    [
        (ReplayBuffer, "observations", lambda t: t),
        (replay_faults.LateRewards, "rewards", lambda t: 0.1 * np.maximum(t - 1, 0)),
        (replay_faults.EarlyRewards, "rewards", lambda t: 0.1 * np.minimum(t + 1, 19)),
        (replay_faults.LateDones, "dones", lambda t: (t % 3 == 0) & (t > 0)),
        (replay_faults.EarlyDones, "dones", lambda t: np.minimum(t + 1, 19) % 3 == 2),
        (replay_faults.NextAction, "actions", lambda t: (t + 1) % 3),
        (replay_faults.UnitRewards, "rewards", lambda t: np.minimum(0.1 * t, 1.0)),
        (replay_faults.NextIsCurrent, "next_observations", lambda t: t),
        (replay_faults.NoEnds, "dones", lambda t: 0 * t),
    ],
)
def test_one_column_of_the_buffer_is_wrong_as_claimed(buffer_class, column, wrong):
    data = tagged(buffer_class)
    t = data["observations"]
    for name, right in (expected(t) | {column: wrong(t)}).items():
        np.testing.assert_allclose(data[name], right, atol=1e-5, err_msg=name)


def test_observations_lag_and_next_observations_are_strangers():
    data = tagged(replay_faults.LaggedObservations)
    late = data["next_observations"] - data["observations"]
    assert set(late) == {1.0, 2.0}
    assert (late == 2.0).mean() > 0.8
    data = tagged(replay_faults.MisalignedRows)
    assert (data["next_observations"] != data["observations"] + 1).mean() > 0.8
    np.testing.assert_allclose(data["rewards"], 0.1 * data["observations"], atol=1e-5)


def test_a_timeout_stores_the_next_start_or_counts_as_an_end():
    def buffer_of(cls, **changes):
        agent = settings.dqn(cls, Scripted(), seed=0, gamma=GAMMA, **changes)
        agent.learn(6)
        return agent.replay_buffer

    stock, reset = buffer_of(DQN), buffer_of(replay_faults.ResetAsNextObservation)
    assert stock.next_observations[:6, 0, 0].tolist() == [1, 2, 3, 1, 2, 3]
    assert reset.next_observations[:6, 0, 0].tolist() == [1, 2, 0, 1, 2, 0]
    merged = buffer_of(DQN, replay_buffer_kwargs={"handle_timeout_termination": False})
    assert not stock._get_samples(np.arange(6)).dones.any()
    assert merged._get_samples(np.arange(6)).dones[:, 0].tolist() == [0, 0, 1, 0, 0, 1]


def sac(cls):
    env = Scripted(continuous=True)
    agent = settings.continuous(cls, env, seed=0, gamma=GAMMA, learning_starts=1)
    agent.learn(6)
    return agent, np.array(env.executed).flatten(), agent.replay_buffer.actions[:6].flatten()


def test_continuous_actions_are_scaled_wrongly():
    _, executed, stored_ = sac(replay_faults.SAC)
    np.testing.assert_allclose(executed, 2 + 4 * stored_, atol=1e-5)
    _, executed, stored_ = sac(replay_faults.StoresTheOtherScale)
    np.testing.assert_allclose(executed, stored_, atol=1e-5)
    agent, executed, stored_ = sac(replay_faults.HalfTheRange)
    np.testing.assert_allclose(executed, 2 * stored_, atol=1e-5)
    assert agent.predict(np.zeros((1, 1), np.float32), deterministic=True)[0].max() <= 2.0


def test_the_log_probability_lacks_the_change_of_variables():
    actor = sac(replay_faults.NoTanhCorrection)[0].actor
    observation = torch.zeros(1, 1)
    mean, log_std, _ = actor.get_action_dist_params(observation)
    action, log_prob = actor.action_log_prob(observation)
    gaussian = torch.distributions.Normal(mean, log_std.exp()).log_prob(action.atanh()).sum()
    torch.testing.assert_close(log_prob.squeeze(), gaussian, rtol=1e-3, atol=1e-3)


def test_exploration_is_off():
    records = {one.name: one for one in (*dqn_faults.FAULTY, *replay_faults.FAULTY)}
    agent = build(records["dqn-no-exploration"].factory)
    agent.learn(300)
    assert agent.exploration_rate == agent.exploration_initial_eps == 0.0
    agent = build(records["td3-without-noise"].factory, continuous=True)
    assert agent.action_noise is None
    assert agent.learning_starts == 1
