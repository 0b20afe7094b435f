"""The MDP as an environment: what it does is what its tables say, in any program."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import ladders  # noqa: F401
from ladders.env import ACTIONS, OBSERVATIONS, TabularEnv, chosen_actions, encode_states
from ladders.exam import design
from ladders.recording import Recorder, action_counts, read_folder
from ladders.tasks import VARIABLE, tabular_task


@pytest.mark.parametrize("observation", OBSERVATIONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_every_form_passes_gymnasiums_checker(observation, action):
    env = gymnasium.make(
        "ladders:Exam-v0", observation=observation, action=action, disable_env_checker=True
    )
    check_env(env.unwrapped, skip_render_check=True)


def test_frequencies_and_rewards_follow_the_tables():
    exam = design(0.9)
    env = TabularEnv(exam.mdp, observation="integer", seed=1)
    rng = np.random.default_rng(0)
    starts = np.zeros(exam.mdp.n_states)
    for _ in range(4_000):
        state, _ = env.reset()
        starts[state] += 1
        done = False
        while not done:
            action = int(rng.integers(2))
            reached, reward, terminated, truncated, _ = env.step(action)
            assert reward == exam.mdp.rewards[state, action]
            assert exam.mdp.transitions[state, action, reached] > 0
            assert terminated == exam.mdp.terminated[state, action]
            assert truncated == exam.mdp.truncated[state, action]
            state, done = reached, terminated or truncated
    asked = exam.mdp.start > 0
    assert not starts[~asked].any()
    # Chi-square over the start states; 99.9 % quantile, fixed seed.
    from scipy.stats import chi2

    expected = 4_000 * exam.mdp.start[asked]
    statistic = ((starts[asked] - expected) ** 2 / expected).sum()
    assert statistic < chi2.ppf(0.999, asked.sum() - 1)


def test_a_continuous_action_mixes_the_two_discrete_ones():
    exam = design(0.9)
    env = TabularEnv(exam.mdp, observation="integer", action="continuous", seed=0)
    for value, share in ((-1.0, 0.0), (0.0, 0.5), (1.0, 1.0)):
        env.reset()
        drawn = [env._discrete(np.array([value])) for _ in range(2_000)]
        assert abs(np.mean(drawn) - share) < 0.04
    env.reset()
    with pytest.raises(ValueError, match="finite"):
        env.step(np.array([np.nan]))
    assert chosen_actions(np.array([[-0.2], [0.3]]), continuous=True).tolist() == [0, 1]


def test_stepping_past_an_end_is_refused():
    env = TabularEnv(design(0.9).mdp)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_observations_are_not_aliased():
    env = TabularEnv(design(0.9).mdp, seed=0)
    first, _ = env.reset()
    first[:] = 7
    assert encode_states(env.mdp.n_states, "one-hot").max() == env.observations.max() == 1


def test_a_vector_environment_of_another_program_records_into_a_folder(tmp_path, monkeypatch):
    task, recording = tabular_task(
        design(0.9).mdp, "ladders:Exam-v0", gamma=0.9, seed=3, folder=str(tmp_path)
    )
    monkeypatch.setenv(VARIABLE, task.variables[VARIABLE])
    envs = gymnasium.make_vec("ladders:Exam-v0", num_envs=3)
    envs.reset(seed=0)
    for _ in range(50):
        envs.step(envs.action_space.sample())
    envs.close()
    records = recording.records()
    assert len(records) == len(read_folder(recording.folder)) == 3
    assert all(len(record["states"]) > 20 for record in records)


def test_counts_look_at_the_window_that_is_asked_for():
    recorder = Recorder()
    for step in range(10):
        recorder.step(state=0, action=int(step >= 8), reward=0.0)
    late = action_counts([recorder.arrays()], 1, 2, 0.8, 1.0)
    assert late.tolist() == [[0, 2]]


def test_the_same_task_seed_gives_the_same_questions():
    def starts(seed):
        env = tabular_task(design(0.9).mdp, "ladders:Exam-v0", gamma=0.9, seed=seed)[0].make_env()
        return [int(env.reset()[0].argmax()) for _ in range(20)]

    assert starts(1) == starts(1) != starts(2)
