"""Wrappers, acting, evaluation, seeds and saving are wrong as claimed."""

import numpy as np
import pytest
import torch
from building import build
from scripted import Scripted, played
from stable_baselines3.common.vec_env import DummyVecEnv
from tiny_problem import N_STATES

from benchmarks.agents import a2c_faults, dqn_faults, ppo_faults, wrappers

BATCH = np.eye(N_STATES, dtype=np.float32)
TERMINATED = ((1.0, False, False), (1.0, True, False))


def weights(agent):
    return torch.cat([value.detach().flatten() for value in agent.policy.parameters()])


@pytest.mark.parametrize(
    ("wrapper", "observations", "rewards"),
    [
        (lambda env: env, [0, 1, 2, 3], [2, -3, 0.25]),
        (wrappers.SignReward, [0, 1, 2, 3], [1, -1, 1]),
        (wrappers.UnitReward, [0, 1, 2, 3], [1, -1, 0.25]),
        (wrappers.CostAsReward, [0, 1, 2, 3], [-2, 3, -0.25]),
        (wrappers.CentredReward, [0, 1, 2, 3], [0, -2.5, 0.5]),
        (wrappers.PreviousReward, [0, 1, 2, 3], [0, 2, -3]),
        (wrappers.PreviousObservation, [0, 0, 1, 2], [2, -3, 0.25]),
        (wrappers.UnwrittenBuffer, [0, 0, 0, 0], [2, -3, 0.25]),
    ],
)
def test_observations_and_rewards_of_a_wrapped_script(wrapper, observations, rewards):
    seen, paid, _ = played(wrapper(Scripted()))
    assert seen == observations
    assert paid == pytest.approx(rewards)


def test_ends_change_their_kind():
    assert played(Scripted())[2] == (False, True)
    assert played(wrappers.MergedDone(Scripted()))[2] == (True, False)
    ended = wrappers.EverythingIsATimeout(Scripted(TERMINATED))
    assert played(ended, actions=(0, 0))[2] == (False, True)
    venv = wrappers.TimeoutKeyDropped(DummyVecEnv([Scripted]))
    venv.reset()
    for _ in range(3):
        _, _, dones, infos = venv.step([0])
    assert dones[0]
    assert set(infos[0]) == {"terminal_observation"}


def test_executed_actions_differ():
    env = Scripted()
    played(wrappers.ReversedActions(env), actions=(0, 1, 2))
    assert env.executed == [2, 1, 0]
    long = Scripted(((0.0, False, False),) * 9)
    played(wrappers.StickyActions(long, seed=0), actions=range(9))
    assert len(set(long.executed)) < 9
    assert any(action != chosen for chosen, action in enumerate(long.executed))
    long = Scripted(((0.0, False, False),) * 200)
    venv = wrappers.RandomisedExecution(DummyVecEnv([lambda: long]), seed=0)
    venv.reset()
    for _ in range(200):
        venv.step(np.array([0]))
    assert 0.15 < np.mean(np.array(long.executed) != 0) < 0.4  # 0.4 * 2 / 3 is expected


def test_pooled_features_hide_the_observation():
    agent = build(ppo_faults.pooled_features)
    with torch.no_grad():
        logits = agent.policy.get_distribution(torch.tensor(BATCH)).distribution.logits
    torch.testing.assert_close(logits, logits[:1].expand_as(logits))


def test_collection_is_greedy():
    policy = build(ppo_faults.greedy_collection).policy
    taken = {int(policy(torch.tensor(BATCH[:1]))[0]) for _ in range(40)}
    assert len(taken) == 1


def test_evaluation_takes_the_least_likely_action():
    agent = build(ppo_faults.least_likely_in_evaluation)
    right, _ = agent.policy.predict(BATCH, deterministic=True)
    wrong, _ = agent.predict(BATCH, deterministic=True)
    np.testing.assert_array_equal(wrong, 1 - right)
    assert int(agent.predict(BATCH[0], deterministic=True)[0]) == wrong[0]


@pytest.mark.parametrize(
    "factory",
    [
        ppo_faults.sampled_in_evaluation,
        next(one.factory for one in dqn_faults.FAULTY if one.name == "dqn-explores-in-evaluation"),
    ],
)
def test_evaluation_is_random(factory):
    agent = build(factory)
    agent.learn(300)
    answers = {tuple(agent.predict(BATCH, deterministic=True)[0]) for _ in range(40)}
    assert len(answers) > 1


def test_only_training_sees_normalised_observations():
    agent = build(ppo_faults.normalised_in_training_only)
    agent.learn(600)
    seen = agent.get_vec_normalize_env().normalize_obs(BATCH)
    assert np.abs(seen - BATCH).max() > 0.5
    raw = agent.policy.predict(BATCH, deterministic=True)[0]
    np.testing.assert_array_equal(agent.predict(BATCH, deterministic=True)[0], raw)


def test_seeds_are_ignored_or_shared():
    clock = [weights(build(ppo_faults.seed_from_the_clock, seed=3)) for _ in range(2)]
    assert not torch.equal(*clock)
    fixed = [weights(build(a2c_faults.always_the_same_seed, seed=seed)) for seed in (3, 4)]
    assert torch.equal(*fixed)
    venv = wrappers.SameSeedVecEnv([Scripted, Scripted])
    venv.seed(7)
    venv.reset()
    assert [env.seeds for env in venv.envs] == [[7], [7]]


@pytest.mark.parametrize("module", [ppo_faults, dqn_faults])
def test_a_loaded_model_has_lost_its_weights(module, tmp_path):
    record = next(one for one in module.FAULTY if one.name.endswith("optimiser-saved-only"))
    agent = build(record.factory)
    agent.learn(600)
    agent.save(tmp_path / "model")
    loaded = type(agent).load(tmp_path / "model")
    assert not torch.equal(weights(agent), weights(loaded))


def test_gamma_is_not_the_one_asked_for():
    record = next(one for one in _all() if one.name == "ppo-gamma-not-passed")
    assert build(record.factory, gamma=0.5).gamma == 0.99
    record = next(one for one in _all() if one.name == "sac-usual-gamma")
    assert build(record.factory, gamma=0.5, continuous=True).gamma == 0.99


def _all():
    from benchmarks.agents.faulty import FAULTY

    return FAULTY
