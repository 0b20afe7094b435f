"""Factories, classes and training functions of every shape become subjects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from two_rooms import ROOMS, rooms

from rlcheck.adapters.agents import bind_agent
from rlcheck.contracts import Options
from rlcheck.errors import BindingError, SubjectError


class TableAgent:
    """A bandit table over the rows of one-hot observations."""

    def __init__(self, env: Any, seed: int = 0, gamma: float = 0.9, step_size: float = 0.5) -> None:
        self.env, self.gamma, self.step_size = env, gamma, step_size
        self.rng = np.random.default_rng(seed)
        self.table = np.zeros((env.observation_space.shape[0], 2))

    def learn(self, total_timesteps: int) -> None:
        observation, _ = self.env.reset(seed=0)
        for _ in range(total_timesteps):
            action = int(self.rng.integers(2))
            _, reward, *_ = self.env.step(action)
            self.table[observation.argmax(), action] += self.step_size * (
                reward - self.table[observation.argmax(), action]
            )
            observation, _ = self.env.reset()

    def predict(self, observation: Any, deterministic: bool = True) -> Any:
        return int(self.table[int(observation.argmax())].argmax())


def bound(raw: Any, **options: Any) -> Any:
    return bind_agent(raw, Options(**options))


def test_a_class_is_built_trained_and_asked() -> None:
    subject = bound(TableAgent)
    assert (subject.framework, subject.accepts_gamma, subject.accepts_seed) == ("class", True, True)
    assert subject.options == {"step_size": 0.5}
    assert subject.gamma == 0.9
    assert subject.action_forms == ("discrete", "continuous")
    handle = subject.make(rooms(), seed=0, gamma=0.5, options={"step_size": 1.0})
    assert (handle.native.gamma, handle.native.step_size) == (0.5, 1.0)
    handle.learn(50)
    assert handle.predict(ROOMS).tolist() == [0, 1]
    assert handle.act_one(ROOMS[1]) == 1
    assert handle.values is None
    assert handle.parameters is None


def test_gamma_and_seed_are_optional_and_said() -> None:
    subject = bound(lambda e: TableAgent(e))
    assert (subject.accepts_gamma, subject.accepts_seed) == (False, False)
    assert "takes no seed" in subject.notes[0]
    assert "takes no gamma" in subject.notes[1]
    assert subject.make(rooms(), seed=3).predict(ROOMS).shape == (2,)
    with pytest.raises(BindingError, match="takes no gamma"):
        subject.make(rooms(), seed=3, gamma=0.9)


def test_a_discount_without_a_default_is_given_one() -> None:
    def build(env: Any, *, seed: int, gamma: float) -> Any:
        return TableAgent(env, seed, gamma)

    subject = bound(build)
    assert subject.make(rooms(), seed=0).native.gamma == 0.99
    assert subject.make(rooms(), seed=0, gamma=0.5).native.gamma == 0.5


def test_positional_only_and_aliased_parameters() -> None:
    def build(env: Any, /, random_seed: int, *, discount: float = 0.99, width: int = 3) -> Any:
        agent = TableAgent(env, random_seed, discount)
        agent.width = width  # type: ignore[attr-defined]
        return agent

    subject = bound(build, constants={"width": 7})
    assert subject.options == {}
    native = subject.make(rooms(), seed=0, gamma=0.4).native
    assert (native.gamma, native.width) == (0.4, 7)


def test_bind_names_unusual_parameters() -> None:
    subject = bound(lambda world, g=0.99: TableAgent(world, gamma=g), bind={"gamma": "g"})
    assert subject.make(rooms(), seed=0, gamma=0.25).native.gamma == 0.25
    with pytest.raises(BindingError, match=r"has no parameter 'gg'"):
        bound(lambda env, g=1: TableAgent(env), bind={"gamma": "gg"})
    with pytest.raises(BindingError, match=r"no part 'gama'; did you mean 'gamma'"):
        bound(lambda env, g=1: TableAgent(env), bind={"gama": "g"})


def test_make_env_is_called_as_often_as_the_factory_likes() -> None:
    def build(make_env: Any, seed: int) -> Any:
        make_env()
        return TableAgent(make_env(), seed)

    assert bound(build).make(rooms(), seed=0).predict(ROOMS).tolist() == [0, 0]


def test_envs_is_a_gymnasium_vector_environment() -> None:
    seen = []

    def build(envs: Any, seed: int) -> Any:
        seen.append(envs.num_envs)
        return TableAgent(envs.envs[0], seed)

    subject = bound(build)
    assert subject.accepts_n_envs
    subject.make(rooms(), seed=0)
    subject.make(rooms(), seed=0, n_envs=2)
    assert seen[-2:] == [4, 2]


def test_an_sb3_like_constructor_gets_its_policy() -> None:
    class Like(TableAgent):
        def __init__(self, policy: str, env: Any, learning_rate: float = 0.1, seed: Any = None):
            super().__init__(env, seed)
            self.policy, self.learning_rate = policy, learning_rate

    subject = bound(Like)
    assert subject.options == {"learning_rate": 0.1}
    assert subject.make(rooms(), seed=1).native.policy == "MlpPolicy"


def returning(answer: Any) -> Any:
    class Agent(TableAgent):
        def predict(self, observation: Any) -> Any:  # type: ignore[override]
            return answer(np.asarray(observation))

    return bound(Agent).make(rooms(), seed=0)


@pytest.mark.parametrize(
    "answer",
    [
        lambda obs: obs.argmax(-1),
        lambda obs: int(obs.argmax()) if obs.ndim == 1 else [int(o.argmax()) for o in obs],
        lambda obs: np.array(obs.argmax()) if obs.shape == (2,) else 1 / 0,
        lambda obs: np.array([obs.argmax()]) if obs.shape == (2,) else None,
        lambda obs: (obs.argmax(), None) if obs.shape == (2,) else 1 / 0,
        lambda obs: obs.argmax(1),
        lambda obs: (obs.argmax(1)[:, None], None),
        lambda obs: obs.argmax(-1).tolist(),
    ],
)
def test_single_and_batched_predictions_of_every_form(answer: Any) -> None:
    handle = returning(answer)
    assert handle.predict(ROOMS).tolist() == [0, 1]
    assert handle.predict(ROOMS[1:]).tolist() == [1]
    assert handle.act_one(ROOMS[1]).tolist() == 1
    assert handle.acting()(ROOMS, np.ones(2, bool)).tolist() == [0, 1]
    assert handle.sample is None


def test_torch_results_and_parameters() -> None:
    torch = pytest.importorskip("torch")

    class Agent(torch.nn.Module):
        def __init__(self, env: Any, seed: int) -> None:
            super().__init__()
            self.critic = torch.nn.Linear(2, 2)

        def learn(self, total_timesteps: int) -> None: ...

        def predict(self, observation: Any, deterministic: bool = True) -> Any:
            return self.critic(torch.as_tensor(observation)).argmax(-1)

        def q_values(self, observation: Any) -> Any:
            return self.critic(torch.as_tensor(observation))

        def values(self, observation: Any) -> Any:
            return self.q_values(observation).max(-1, keepdim=True).values

    handle = bound(Agent).make(rooms(), seed=0)
    assert handle.q_values(ROOMS).shape == (2, 2)
    assert np.allclose(handle.values(ROOMS), handle.q_values(ROOMS).max(1))
    assert handle.predict(ROOMS).tolist() == handle.q_values(ROOMS).argmax(1).tolist()
    assert set(handle.parameters()) == {"critic.weight", "critic.bias"}


def test_parameters_are_found_in_lists_and_dicts_and_counted_once() -> None:
    torch = pytest.importorskip("torch")

    class Agent(TableAgent):
        def __init__(self, env: Any) -> None:
            super().__init__(env)
            critic = torch.nn.Linear(2, 1)
            self.networks = {"critic": critic, "heads": [torch.nn.Linear(2, 2)]}
            self.optimizer = torch.optim.Adam(critic.parameters())
            self.log_alpha = torch.zeros(1, requires_grad=True)
            self.critic = critic

    names = set(bound(Agent).make(rooms(), seed=0).parameters())
    assert {"networks.critic.weight", "networks.critic.bias", "log_alpha"} <= names
    assert len(names) == 3


def test_looking_changes_no_random_stream() -> None:
    class Noisy(TableAgent):
        def predict(self, observation: Any, deterministic: bool = True) -> Any:
            return np.random.randint(2, size=len(observation))

    np.random.seed(0)
    expected = np.random.randint(2, size=5)
    np.random.seed(0)
    handle = bound(Noisy).make(rooms(), seed=0)
    assert handle.predict(np.resize(ROOMS, (5, 2))).tolist() == expected.tolist()


def test_recurrent_state_is_threaded_and_reset() -> None:
    class Counter(TableAgent):
        def predict(  # type: ignore[override]
            self, observation: Any, state: Any = None, deterministic: bool = True
        ) -> Any:
            count = 0 if state is None else state + 1
            return count % 2, count

    handle = bound(Counter).make(rooms(), seed=0)
    act = handle.acting()
    assert act(ROOMS, np.array([True, True])).tolist() == [0, 0]
    assert act(ROOMS, np.array([False, False])).tolist() == [1, 1]
    assert act(ROOMS, np.array([True, False])).tolist() == [0, 0]
    assert act(ROOMS, np.array([False, False])).tolist() == [1, 1]
    assert handle.predict(ROOMS).tolist() == [0, 0]


def test_save_and_load_by_class_and_by_instance(tmp_path: Any) -> None:
    class ByInstance(TableAgent):
        def save(self, path: str) -> None:
            np.save(path, self.table)

        def load(self, path: str) -> None:
            self.table = np.load(path)

    class ByClass(ByInstance):
        @classmethod
        def load(cls, path: str, env: Any = None) -> Any:  # type: ignore[override]
            agent = cls(env)
            agent.table = np.load(path)
            return agent

    for kind in (ByInstance, ByClass):
        handle = bound(kind).make(rooms(), seed=0)
        handle.learn(50)
        path = str(tmp_path / f"{kind.__name__}.npy")
        handle.save(path)
        assert handle.load(path).predict(ROOMS).tolist() == [0, 1]


def test_fit_transition_is_passed_on() -> None:
    class Fit(TableAgent):
        def fit_transition(
            self, obs: Any, action: Any, reward: Any, nxt: Any, term: Any, trunc: Any, steps: int
        ) -> Any:
            return np.full(steps, reward)

    handle = bound(Fit).make(rooms(), seed=0)
    assert handle.fit_transition(ROOMS[0], 0, 2.0, ROOMS[0], True, False, 3) == [2.0] * 3


def test_a_training_function_acts_after_learning() -> None:
    def train(env: Any, *, total_timesteps: int, seed: int, gamma: float = 0.99) -> Any:
        agent = TableAgent(env, seed, gamma)
        agent.learn(total_timesteps)
        return agent.predict

    subject = bound(train)
    assert (subject.framework, subject.options, subject.action_forms) == ("train-function", {}, ())
    handle = subject.make(rooms(), seed=0, gamma=0.9)
    with pytest.raises(SubjectError, match="learn comes before predict"):
        handle.predict(ROOMS)
    handle.learn(50)
    assert handle.predict(ROOMS).tolist() == [0, 1]
    assert handle.act_one(ROOMS[1]) == 1


def test_a_training_function_that_returns_nothing() -> None:
    handle = bound(lambda env, total_timesteps: None).make(rooms(), seed=0)
    with pytest.raises(SubjectError, match=r"should return an acting function .* returned None"):
        handle.learn(5)


def no_agent(env: Any, seed: int) -> Any:
    TableAgent(env)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (no_agent, r"no_agent should return an agent with learn.* it returned None without learn"),
        (lambda env: 3, r"returned an object of type int without learn and predict"),
        (lambda: None, r"should take an environment as `env`, `make_env` or `envs`"),
        (lambda env_id: None, r"check a whole program with --script"),
        (lambda env, *, width: None, r"needs a value for 'width'.* --set width=VALUE"),
        (3, r"expected an agent factory, an agent class or a training function, got 3"),
    ],
)
def test_wrong_subjects_cost_one_sentence(raw: Any, message: str) -> None:
    with pytest.raises(BindingError, match=message):
        bound(raw)


def test_a_factory_that_raises() -> None:
    def build(env: Any) -> Any:
        raise ValueError("no licence")

    with pytest.raises(SubjectError, match=r"build could be built neither .*no licence"):
        bound(build)


def test_a_built_agent_is_refused() -> None:
    with pytest.raises(BindingError, match=r"an agent that is built already \(TableAgent\)"):
        bound(TableAgent(rooms().make_env()))


def test_unknown_options_are_refused() -> None:
    with pytest.raises(BindingError, match=r"no parameter 'step_siz'; did you mean 'step_size'"):
        bound(TableAgent).make(rooms(), seed=0, options={"step_siz": 1})


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda obs: 7, r"return integers from 0 to 1 for the action space Discrete\(2\).*7"),
        (lambda obs: 0.5, "return integers from 0 to 1"),
        (lambda obs: None, r"shape \(\) for each.* returned None"),
        (lambda obs: np.zeros((9, 9)), r"returned a ndarray of shape \(9, 9\)"),
        (lambda obs: 1 / 0, "raised ZeroDivisionError"),
    ],
)
def test_actions_that_do_not_fit(answer: Any, message: str) -> None:
    with pytest.raises(SubjectError, match=message):
        returning(answer).predict(ROOMS)
