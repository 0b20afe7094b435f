"""What holds for every deep agent: independence of seeds, resuming, the common face, clear errors."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from mini_exam import MiniExam, observe, wrong_answers

from reference_agents.a2c import make_a2c
from reference_agents.ddpg import make_ddpg
from reference_agents.dqn import make_dqn
from reference_agents.ppo import make_ppo
from reference_agents.reinforce import make_reinforce
from reference_agents.sac import make_sac

torch.set_num_threads(1)

SMALL = {"learning_starts": 32, "batch_size": 8}
# name: (factory, environment, settings of a training of a few hundred steps)
AGENTS = {
    "ppo": (make_ppo, "CartPole-v1", {"num_steps": 32}),
    "ppo-continuous": (make_ppo, "Pendulum-v1", {"num_steps": 32, "entropy_coef": 0.01}),
    "a2c": (make_a2c, "CartPole-v1", {}),
    "reinforce": (make_reinforce, "CartPole-v1", {"episodes": 4, "baseline": False}),
    "reinforce-baseline": (make_reinforce, "CartPole-v1", {"episodes": 4}),
    "dqn": (make_dqn, "CartPole-v1", SMALL),
    "dqn-everything": (
        make_dqn,
        "CartPole-v1",
        {**SMALL, "dueling": True, "prioritised": True, "n_step": 3, "gradient_steps": 2},
    ),
    "ddpg": (make_ddpg, "Pendulum-v1", SMALL),
    "sac": (make_sac, "Pendulum-v1", SMALL),
}
DISCRETE = [name for name, (_, env, _) in AGENTS.items() if env == "CartPole-v1"]


def make(name, seed, **more):
    factory, env, settings = AGENTS[name]
    defaults = {"num_envs": 2, "hidden": (16, 16), "dtype": torch.float64}
    return factory(env, seed=seed, **{**defaults, **settings, **more})


def parameters(agent):
    return torch.cat([part.flat for part in agent.parts().values() if hasattr(part, "flat")], dim=1)


@pytest.mark.parametrize("name", AGENTS)
def test_a_seed_learns_the_same_alone_and_among_many(name):
    many, alone = make(name, [3, 8, 5]), make(name, [8])
    many.learn(200)
    alone.learn(200)
    start = parameters(make(name, [8]))
    assert (parameters(alone) - start).abs().max() > 1e-3  # it did learn something
    torch.testing.assert_close(parameters(many)[1:2], parameters(alone), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", AGENTS)
def test_interrupted_training_resumes_to_the_same_result(name, tmp_path):
    path = tmp_path / "checkpoint.pt"

    def interrupt(agent, metrics):
        if agent.steps >= 128:
            agent.save(path)
            raise KeyboardInterrupt

    whole = make(name, [0, 1]).learn(300)
    with pytest.raises(KeyboardInterrupt):
        make(name, [0, 1]).learn(300, interrupt)
    resumed = make(name, [0, 1]).load(path).resume()
    assert resumed.steps == whole.steps
    assert torch.equal(parameters(resumed), parameters(whole))


@pytest.mark.parametrize("name", AGENTS)
def test_single_and_double_precision_agree(name):
    """Until rounding decides between two actions the trainings are the same."""
    double, single = make(name, 3), make(name, 3, dtype=torch.float32)
    before = parameters(double)
    for agent in (double, single):
        agent.learn(64)
    moved = (parameters(double) - before).abs().max()
    difference = (parameters(double) - parameters(single).double()).abs().max()
    assert difference < 0.01 * moved
    assert difference > 0.0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", AGENTS)
def test_devices_agree_and_a_device_agrees_with_itself(name):
    cpu, cuda, again = (make(name, 3, device=device) for device in ("cpu", "cuda", "cuda"))
    before = parameters(cpu)
    for agent in (cpu, cuda, again):
        agent.learn(64)
    moved = (parameters(cpu) - before).abs().max()
    assert (parameters(cpu) - parameters(cuda).cpu()).abs().max() < 1e-6 * moved
    assert torch.equal(parameters(cuda), parameters(again))


@pytest.mark.parametrize("name", AGENTS)
def test_same_seed_same_result_other_seed_other_result(name):
    first, second, other = (parameters(make(name, seed).learn(128)) for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", AGENTS)
def test_learning_leaves_the_global_random_state_alone(name):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    make(name, 0).learn(64)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


@pytest.mark.parametrize("name", AGENTS)
def test_saved_agent_predicts_the_same(name, tmp_path):
    agent = make(name, 0).learn(128)
    agent.save(tmp_path / "agent.pt")
    again = make(name, 0).load(tmp_path / "agent.pt")
    batch = np.random.default_rng(0).normal(size=(5, agent.env.observation_size))
    assert np.array_equal(agent.predict(batch), again.predict(batch))
    assert np.array_equal(
        agent.predict(batch, deterministic=False), again.predict(batch, deterministic=False)
    )


@pytest.mark.parametrize("name", AGENTS)
def test_predict_takes_one_observation_or_a_batch(name):
    agent, several = make(name, 0), make(name, [0, 1, 2])
    space = agent.env.action_space
    one = np.zeros(agent.env.observation_size, dtype=np.float32)
    action = agent.predict(one)
    assert action.shape == space.shape
    assert space.contains(action if action.shape == () else action.astype(np.float32))
    assert agent.predict(np.stack([one] * 4), deterministic=False).shape == (4, *space.shape)
    assert several.predict(one).shape == (3, *space.shape)
    assert several.predict(np.zeros((3, 4, len(one)))).shape == (3, 4, *space.shape)


@pytest.mark.parametrize("name", DISCRETE)
def test_answers_have_the_shape_of_the_question(name):
    agent, one = make(name, 0), np.zeros(4)
    if name != "reinforce":
        assert agent.values(one).shape == ()
        assert agent.values(np.stack([one] * 3)).shape == (3,)
    if name.startswith("dqn"):
        assert agent.q_values(one).shape == (2,)
        assert agent.values(one) == agent.q_values(one).max()
    else:
        assert agent.action_probabilities(one).sum() == pytest.approx(1.0)
        assert not hasattr(agent, "q_values")


def test_value_scale_is_the_unit_of_the_outputs():
    one, ten = make("dqn", 0), make("dqn", 0, value_scale=10.0)
    batch = np.random.default_rng(0).normal(size=(5, 4))
    np.testing.assert_allclose(ten.q_values(batch), 10.0 * one.q_values(batch))


def test_untrained_critic_gives_no_values():
    assert make("reinforce", 0).values is None


@pytest.mark.parametrize("name", AGENTS)
def test_one_transition_is_learnt(name):
    agent = make(name, 0, dtype=torch.float32)
    obs = np.full(agent.env.observation_size, 0.3)
    action = 1 if name in DISCRETE else np.array([0.5])
    losses = agent.fit_transition(obs, action, 1.0, obs, True, False, 300)
    assert len(losses) == 300
    if name == "reinforce":  # no value to fit: the action becomes certain only where it is praised
        return
    assert losses[-1] < 1e-3 < losses[0]
    if name in DISCRETE and not name.startswith("dqn"):
        assert agent.values(obs) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("factory", "steps"),
    [(make_ppo, 3000), (make_a2c, 4000), (make_reinforce, 4000), (make_dqn, 4000)],
)
def test_defaults_answer_the_exam_on_one_gymnasium_environment(factory, steps):
    agent = factory(MiniExam(), seed=1, gamma=0.9).learn(steps)
    assert wrong_answers(agent) == []
    assert float(agent.values(observe("wait"))) == pytest.approx(1.215, abs=0.15)


def test_discrete_observations_are_one_hot():
    env = gymnasium.make("FrozenLake-v1", is_slippery=False)
    agent = make_ppo(env, seed=0, num_steps=32).learn(64)
    assert agent.env.observation_size == 16
    assert agent.predict(5) in range(4)


def test_wrong_action_space_is_refused():
    with pytest.raises(TypeError, match=r"dqn needs a Discrete action space, .*Box"):
        make_dqn("Pendulum-v1", seed=0)
    for factory in (make_sac, make_ddpg):
        with pytest.raises(TypeError, match=r"needs a Box action space, .*Discrete\(2\)"):
            factory("CartPole-v1", seed=0)
    with pytest.raises(TypeError, match="action_probabilities needs discrete actions"):
        make_ppo("Pendulum-v1", seed=0).action_probabilities(np.zeros(3))


def test_unknown_environment_is_refused():
    with pytest.raises(ValueError, match="Environment 'CartPole-v9' cannot be made"):
        make_ppo("CartPole-v9", seed=0)


def test_seeds_must_match_ready_environments():
    env = make("ppo", [0, 1]).env
    with pytest.raises(ValueError, match="env serves 2 seeds, but seed names 1"):
        make_ppo(env, seed=0)


def test_checkpoint_of_another_configuration_is_refused(tmp_path):
    make("ppo", 0).save(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"was written with lam = 0.95, but this agent has lam = "):
        make("ppo", 0, lam=0.5).load(tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"was written with algorithm = 'ppo'"):
        make("dqn", 0).load(tmp_path / "a.pt")


def test_non_finite_reward_stops_the_training():
    class Broken(MiniExam):
        def step(self, action):
            observation, _, *rest = super().step(action)
            return observation, float("inf"), *rest

    with pytest.raises(ValueError, match="returned the reward inf; rewards must be finite"):
        make_ppo(Broken(), seed=0).learn(200)


def test_sac_tells_the_density_of_what_it_draws():
    agent = make_sac("Pendulum-v1", seed=0)
    observations = np.zeros((5, 3), dtype=np.float32)
    actions, log_probs = agent.sample_with_log_prob(observations)
    assert actions.shape == (5, 1)
    assert log_probs.shape == (5,)
    assert np.abs(actions).max() < 1
    assert np.isfinite(log_probs).all()
    assert len(np.unique(actions)) == 5
