"""Mistakes of environments that the `environment` contract can name."""

from __future__ import annotations

from rlcheck.records import Fault

_API = "https://gymnasium.farama.org/api/env/"
_SPACES = "https://gymnasium.farama.org/api/spaces/"
_TIME_LIMITS = "https://arxiv.org/abs/1712.00378"

DOES_NOT_CONFORM = "environment/does-not-conform"
TIME_LIMIT = "environment/time-limit-as-termination"
NOT_FINITE = "environment/reward-not-finite"
OUTSIDE = "environment/observation-outside-space"
ALIASED = "environment/observation-aliased"
SEED_IGNORED = "environment/seed-ignored"
STATE_SURVIVES = "environment/state-survives-reset"

FAULTS: tuple[Fault, ...] = (
    Fault(
        name=DOES_NOT_CONFORM,
        title="The environment does not follow Gymnasium's interface.",
        explanation=(
            "What `reset` and `step` take or return differs from what agents, wrappers and vector "
            "environments rely on. At best they raise; at worst they misread a value, for example "
            "one `done` for two flags, and training goes wrong without a word."
        ),
        fix=(
            "reset(*, seed=None, options=None) -> (observation, info), calling "
            "super().reset(seed=seed) first; step(action) -> (observation, reward, terminated, "
            "truncated, info), with two Python bools."
        ),
        where="`reset` and `step` of the environment, or a wrapper around it.",
        references=(_API, "https://github.com/Farama-Foundation/Gymnasium/issues/1179"),
    ),
    Fault(
        name=TIME_LIMIT,
        title="A time limit is reported as termination.",
        explanation=(
            "Every episode that runs into the step limit comes back with terminated=True. An agent "
            "then takes the state reached for one without a future, whose value is 0, though it "
            "differs in nothing from states worth much. Values near the limit are too low, the "
            "critic loss does not settle, and no agent can correct for it, since the two kinds of "
            "end look alike."
        ),
        fix=(
            "Return truncated=True and terminated=False when the limit is reached; best leave the "
            "counting to `max_episode_steps` of the registration, or to the TimeLimit wrapper."
        ),
        where="A step counter inside `step`, or a wrapper that copies `done` into both flags.",
        references=(
            "https://github.com/RobertTLange/gymnax/commit/a033a3e03f5f",
            "https://github.com/maxspahn/gym_envs_urdf/issues/227",
            _TIME_LIMITS,
        ),
    ),
    Fault(
        name=NOT_FINITE,
        title="A reward is NaN, infinite, or not one number.",
        explanation=(
            "A single such reward makes the target, then the loss, then every weight of the "
            "network NaN. An array as reward broadcasts against the batch instead and trains on "
            "mixed-up targets."
        ),
        fix=(
            "Return one finite Python float. Look for divisions by zero, logarithms and square "
            "roots of what can be 0 or negative, and overflow of float32."
        ),
        where="The reward function, or a wrapper that scales rewards.",
        references=("https://github.com/openai/gym/issues/1184", _API),
    ),
    Fault(
        name=OUTSIDE,
        title="An observation lies outside the declared observation space.",
        explanation=(
            "Agents read shape, type and bounds from the space: they allocate buffers, scale "
            "images and normalise by it. An observation that differs is cast, cut off or scaled "
            "wrongly without an error."
        ),
        fix=(
            "Declare the bounds, shape and dtype that can really occur (infinite where nothing "
            "bounds a number), and return arrays of that dtype."
        ),
        where="`observation_space` in the constructor, and what `reset` and `step` return.",
        references=(
            "https://github.com/Farama-Foundation/Gymnasium/issues/377",
            "https://github.com/openai/gym/issues/88",
            _SPACES,
        ),
    ),
    Fault(
        name=ALIASED,
        title="Observations handed out earlier change when the environment goes on.",
        explanation=(
            "`step` returns a view of an array that it overwrites later. An agent that keeps "
            "observations without copying them holds the same state many times over: observation "
            "and next observation of a transition are equal, and nothing with a delay is learned."
        ),
        fix="Return a new array each time, such as self.state.copy().",
        where="The return statements of `reset` and `step`, and frame-stacking wrappers.",
        references=(
            "https://github.com/google-deepmind/dm_control/issues/34",
            "https://github.com/openai/baselines/commit/8b3a6c20519a",
            _API,
        ),
    ),
    Fault(
        name=SEED_IGNORED,
        title="The seed given to reset does not decide the randomness of the environment.",
        explanation=(
            "Chance comes from a generator that reset(seed=...) does not seed: a global one, one "
            "made in the constructor, or the clock. Runs cannot be repeated, or all copies of a "
            "vector environment live through the same episodes."
        ),
        fix=(
            "Call super().reset(seed=seed) and draw from self.np_random only; hand it to every "
            "helper that draws."
        ),
        where="`reset`, generators made in the constructor, and calls of `random` or `np.random`.",
        references=(
            "https://github.com/vwxyzjn/cleanrl/commit/83a2529c74dd",
            "https://github.com/TorchTrade/torchtrade/issues/273",
            _API,
        ),
    ),
    Fault(
        name=STATE_SURVIVES,
        title="Something of earlier episodes survives a reset with a seed.",
        explanation=(
            "A fresh instance with the same seed repeats a trajectory, but one that was used "
            "before does not: a counter, a physics world or a noise phase is carried over. "
            "Episodes depend on history that the agent cannot see, and evaluations depend on what "
            "ran before them."
        ),
        fix="Set every attribute that `step` changes anew in `reset`.",
        where="Attributes that the constructor sets and `step` changes.",
        references=("https://github.com/Farama-Foundation/Gymnasium/commit/5b977fec9dbd", _API),
    ),
)
