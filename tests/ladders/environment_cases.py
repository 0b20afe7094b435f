"""Environments for the tests of the contract `environment`, and how a check is driven."""

import gymnasium
import numpy as np
from gymnasium import spaces

from ladders.environment import CONTRACT
from rlcheck.contracts import Options
from rlcheck.diagnosis import combine
from rlcheck.engine.jsonable import jsonable
from rlcheck.records import Context, More, Result, Settings, Status

SETTINGS = Settings()
SLOWER = {
    "step-cost-steady",
    "observation-is-markov",
    "no-loop-pays-more-than-finishing",
    "goal-reachable",
}
"""Checks with tests of their own, and the whole benchmark (benchmarks/environments.py)."""


def run_check(check, bound):
    """Drive one check as the engine does."""
    context = Context(SETTINGS, facts=jsonable(dict(bound.facts)))
    asked = check.judge([], context)
    assert isinstance(asked, More)
    (trial,) = asked.trials
    evidence = jsonable(check.trial(bound.subject, trial, context))
    return check.judge([(trial, evidence)], context)


def run_all(raw, *, only=(), every=False, **options):
    """Name of the property -> outcome; what does not apply or requires a failed check is left out."""
    bound = CONTRACT.bind(raw, Options(**options))
    outcomes = {}
    for check in CONTRACT.checks:
        short = check.name.partition("/")[2]
        chosen = short in (*only, "resets-and-steps") if only else every or short not in SLOWER
        needed = [outcomes[name] for name in check.requires if name in outcomes]
        if (
            chosen
            and "stable-baselines3" not in check.name
            and check.applies(jsonable(dict(bound.facts)), SETTINGS) is None
            and all(outcome.status is not Status.FAILED for outcome in needed)
        ):
            outcomes[check.name] = run_check(check, bound)
    return {name.partition("/")[2]: outcome for name, outcome in outcomes.items()}


def failed(outcomes):
    return {name for name, outcome in outcomes.items() if outcome.status is Status.FAILED}


def first_named(outcomes):
    """The fault that the diagnosis puts first."""
    results = [
        Result("id", f"environment/{name}", o.status, o.message, suspects=o.suspects)
        for name, o in outcomes.items()
    ]
    return combine(results, CONTRACT.faults, CONTRACT.checks)[0].fault


class Line(gymnasium.Env):
    """A correct environment: a noisy walk on a line that ends at +-3."""

    def __init__(self, start=0.0):
        self.observation_space = spaces.Box(-10.0, 10.0, (2,), np.float32)
        self.action_space = spaces.Discrete(2)
        self.start = start

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.array([self.start, self.np_random.uniform(-1, 1)], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[0] += (2 * int(action) - 1) * 0.5 + self.np_random.normal() * 0.1
        return (
            self.state.copy(),
            -abs(float(self.state[0])),
            bool(abs(self.state[0]) > 3),
            False,
            {},
        )


class EndsAfter(Line):
    """Terminates after a fixed number of steps."""

    LENGTH = 7

    def reset(self, *, seed=None, options=None):
        self.count = 0
        return super().reset(seed=seed)

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        self.count += 1
        observation[0] = np.clip(observation[0], -10, 10)
        return observation, reward, self.count == self.LENGTH, False, info


class BothFlags(Line):
    def step(self, action):
        observation, reward, terminated, _, info = super().step(action)
        return observation, reward, terminated, terminated, info


class IntegerFlags(Line):
    def step(self, action):
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, int(terminated), int(truncated), info


class RareNan(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, float(np.where(observation[0] > 2.5, np.nan, reward)), *rest


class ArrayReward(Line):
    def step(self, action):
        observation, reward, *rest = super().step(action)
        return observation, np.array([reward]), *rest


class Outside(Line):
    def step(self, action):
        observation, *rest = super().step(action)
        observation[0] *= 6
        return observation, *rest


class WrongType(Line):
    def step(self, action):
        observation, *rest = super().step(action)
        return observation.astype(np.float64), *rest


class Aliased(Line):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.state, {}

    def step(self, action):
        _, *rest = super().step(action)
        return self.state, *rest


class GlobalNoise(Line):
    def step(self, action):
        observation, *rest = super().step(action)
        observation[1] = np.random.uniform(-1, 1)
        return observation, *rest


class OwnGenerator(Line):
    """Draws from a generator that the constructor makes and nobody seeds."""

    def __init__(self):
        super().__init__()
        self.own = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = np.array([0.0, self.own.uniform(-1, 1)], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[0] += (2 * int(action) - 1) * 0.5
        return self.state.copy(), 0.0, bool(abs(self.state[0]) > 3), False, {}


class Survivor(Line):
    """The wind of earlier episodes keeps blowing."""

    wind = 0.0

    def step(self, action):
        observation, reward, *rest = super().step(action)
        self.wind += 0.01
        return observation, reward + self.wind, *rest


class NoSuperReset(Line):
    def reset(self, *, seed=None, options=None):
        if seed is not None:
            self.own = np.random.default_rng(seed)
        self.state = np.array([0.0, self.own.uniform(-1, 1)], np.float32)
        return self.state.copy(), {}

    def step(self, action):
        self.state[0] += (2 * int(action) - 1) * 0.5
        return self.state.copy(), 0.0, bool(abs(self.state[0]) > 3), False, {}
