"""The whole ladder over real agents: small ones in the default run, Stable-Baselines3 in the slow one."""

import dataclasses

import numpy as np
import pytest

import rlcheck
from examples.numpy_q_learning import make_agent
from ladders.contract import CONTRACT
from ladders.tasks import tabular_task
from ladders.training import ONE_STEP, Latest, outputs, same, train
from rlcheck.contracts import Options
from rlcheck.records import Context, Verdict


class SignFlipped:
    """Wraps the example agent's environment so that rewards come with the wrong sign."""

    def __init__(self, env):
        self.env = env

    def __getattr__(self, name):
        return getattr(self.env, name)

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, -reward, terminated, truncated, info


class Unbounded(SignFlipped):
    """Hides every termination from the agent."""

    def step(self, action):
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, False, terminated or truncated, info


def make_flipped(env, *, seed, gamma=0.99):
    return make_agent(SignFlipped(env), seed=seed, gamma=gamma)


def make_unbounded(env, *, seed, gamma=0.99):
    return make_agent(Unbounded(env), seed=seed, gamma=gamma)


def make_discounted(env, *, seed, gamma=0.99):
    return make_agent(env, seed=seed, gamma=0.99)


def top(report):
    return [entry.fault for entry in report.diagnosis[:3]]


def test_a_correct_agent_is_verified():
    report = rlcheck.check(make_agent, "agent", gamma=0.9, budget="quick")
    assert report.verdict is Verdict.PASSED, [r.message for r in report.results]
    assert not report.diagnosis
    exam = next(result for result in report.results if result.check == "agent/exam")
    assert "25 questions answered right" in exam.message


@pytest.mark.parametrize(
    ("factory", "fault"),
    [
        (make_flipped, "reward-sign-flipped"),
        (make_unbounded, "terminal-bootstrap"),
        (make_discounted, "discount-hard-coded"),
    ],
)
def test_a_planted_fault_is_named_with_its_arithmetic(factory, fault):
    report = rlcheck.check(factory, "agent", gamma=0.9, budget="quick")
    assert report.verdict is Verdict.FAILED
    assert fault in top(report)
    first = report.diagnosis[0]
    assert first.proof
    assert first.fix


def test_an_agent_of_unknown_discount_is_not_asked_about_discounts():
    class Hidden:
        def __init__(self, agent):
            self.learn, self.predict = agent.learn, agent.predict

    def make_own_gamma(env, *, seed):
        return Hidden(make_agent(env, seed=seed, gamma=0.99))

    report = rlcheck.check(make_own_gamma, "agent", budget="quick")
    assert report.verdict is Verdict.PASSED, [r.message for r in report.results]
    exam = next(result for result in report.results if result.check == "agent/exam")
    assert "23 questions answered right" in exam.message


def train_function(env, *, total_timesteps, seed, gamma=0.99):
    """The same learner as a function that returns a policy; there is nothing to ask before it ends."""
    agent = make_agent(env, seed=seed, gamma=gamma)
    agent.learn(total_timesteps)
    return agent.predict


def train_flipped(env, *, total_timesteps, seed, gamma=0.99):
    return train_function(SignFlipped(env), total_timesteps=total_timesteps, seed=seed, gamma=gamma)


def test_a_training_function_climbs_the_ladder():
    report = rlcheck.check(train_function, "agent", budget="quick")
    assert report.verdict is Verdict.PASSED, [r.message for r in report.results]
    report = rlcheck.check(train_flipped, "agent", budget="quick")
    assert report.diagnosis[0].fault == "reward-sign-flipped"


class ActionsOnly:
    """Shows nothing but its greedy actions."""

    def __init__(self, agent):
        self.learn, self.predict = agent.learn, agent.predict


def test_equal_choices_convict_no_option():
    def make_shy(env, *, seed, gamma=0.99):
        return ActionsOnly(make_agent(env, seed=seed, gamma=gamma, learning_rate=0.02, epsilon=1.0))

    report = rlcheck.check(make_shy, "agent", budget="quick", select=("agent/options-*",))
    options = next(
        result for result in report.results if result.check == "agent/options-take-effect"
    )
    assert str(options.status) == "skipped"
    assert "choice of actions" in options.message


class Keeper(ActionsOnly):
    """Saves the agent that it is given, whichever that is."""

    def __init__(self, agent, kept):
        super().__init__(agent)
        self.save, self.load = kept.save, agent.load


@pytest.mark.parametrize(("forgets", "status"), [(False, "passed"), (True, "failed")])
def test_what_is_saved_is_the_agent_that_has_learned(forgets, status):
    def make_keeper(env, *, seed, gamma=0.99):
        agent, untrained = (
            make_agent(env, seed=seed, gamma=gamma, learning_rate=0.002) for _ in range(2)
        )
        return Keeper(agent, untrained if forgets else agent)

    report = rlcheck.check(make_keeper, "agent", budget="quick", select=("agent/save-*",))
    saved = next(result for result in report.results if result.check.startswith("agent/save-"))
    assert str(saved.status) == status


def test_checks_name_only_faults_of_the_catalogue():
    known = {fault.name for fault in CONTRACT.faults}
    for check in CONTRACT.checks:
        assert set(check.catches) <= known, check.name


def test_observing_a_training_changes_nothing_in_it():
    """Bitwise the same parameters with and without rlcheck's environment, recorder and questions."""
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    from ladders.env import TabularEnv
    from ladders.exam import design
    from ladders.exam_trial import read_answers
    from rlcheck.adapters.agents import bind_agent

    def plain():
        env_seed = int(np.random.SeedSequence([0, 0]).generate_state(1)[0])
        env = TabularEnv(design(0.9).mdp, seed=env_seed)
        model = stable_baselines3.PPO(
            "MlpPolicy", env, seed=3, gamma=0.9, n_steps=128, device="cpu"
        )
        model.learn(512)
        model.learn(512, reset_num_timesteps=False)
        return model.policy.state_dict()

    def watched():
        subject = bind_agent(stable_baselines3.PPO, Options())
        task, recording = tabular_task(design(0.9).mdp, "ladders:Exam-v0", gamma=0.9, seed=0)
        agent = subject.make(task, seed=3, gamma=0.9, options={"n_steps": 128})
        agent.native.learn(512)
        read_answers(design(0.9), agent, recording, continuous=False)
        agent.native.learn(512, reset_num_timesteps=False)
        return agent.native.policy.state_dict()

    one, other = plain(), watched()
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name].numpy(), other[name].numpy()) for name in one)


def test_trainings_that_differ_are_told_apart():
    subject = CONTRACT.bind(make_agent, Options()).subject
    facts = {"accepts_gamma": True, "actions": "discrete", "options": {}}
    context = dataclasses.replace(Context(), facts=facts)
    runs = [train(subject, context, env_id=ONE_STEP, seed=s, steps=300) for s in (0, 0, 1)]
    shown = [outputs(run) for run in runs]
    assert same(shown[0], shown[1])
    assert not same(shown[0], shown[2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("ppo-unmasked-bootstrap", "terminal-bootstrap"),
        ("ppo-merged-done", "truncation-as-terminal"),
        ("ppo-start-flags-as-mask", "done-late"),
        ("dqn-cost-as-reward", "reward-sign-flipped"),
    ],
)
def test_faults_in_stable_baselines3_are_named(name, fault):
    from benchmarks.agents.faulty import FAULTY

    agent = next(agent for agent in FAULTY if agent.name == name)
    report = rlcheck.check(agent.factory, "agent", gamma=0.9, budget="quick")
    assert report.verdict is Verdict.FAILED
    assert fault in top(report)


@pytest.mark.parametrize("step_size", [0.05, 0.02, 0.003])
def test_a_slow_but_correct_learner_is_never_called_faulty(step_size):
    from benchmarks.agents.own_tabular import TabularQ

    def make_slow(env, *, seed, gamma=0.99):
        return TabularQ(env, seed=seed, gamma=gamma, step_size=step_size)

    for seed in (0, 1):
        report = rlcheck.check(make_slow, "agent", gamma=0.9, budget="quick", seed=seed)
        assert report.verdict in (Verdict.PASSED, Verdict.INCONCLUSIVE)
        assert not [result for result in report.results if result.status == "failed"]


def test_what_is_kept_of_one_subject_is_not_shown_for_another():
    class Subject:
        pass

    latest, told = Latest(), []
    for number in range(50):
        # Each is gone before the next is made, which may get its id.
        told.append(latest.of(Subject(), (), lambda number=number: number))
    assert told == list(range(50))
    kept = Subject()
    assert latest.of(kept, (), lambda: "first") == latest.of(kept, (), lambda: "second")
