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
FAILURE_TRUNCATED = "environment/terminal-as-truncation"
AUTORESET_INSIDE = "environment/autoreset-inside-step"
INFO_ALIASED = "environment/info-aliased"
GLOBAL_RANDOM = "environment/global-random-generator"
RESEEDED = "environment/reseeded-every-reset"
COST_GROWS = "environment/step-cost-grows"

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
    Fault(
        name=FAILURE_TRUNCATED,
        title="A real end is reported as truncation.",
        explanation=(
            "Episodes end early and at varying steps, always with truncated=True and never with "
            "terminated=True. An agent then bootstraps from the value of the state in which it "
            "failed or finished, as if the episode had gone on: failing costs nothing."
        ),
        fix=(
            "Return terminated=True where the task itself is over, won or lost; keep truncated=True "
            "for limits that are no part of the task."
        ),
        where="The return statement of `step`, or a wrapper that turns one `done` into two flags.",
        references=(
            _TIME_LIMITS,
            "https://github.com/Farama-Foundation/Gymnasium/commit/e5c44c8e8695",
        ),
    ),
    Fault(
        name=AUTORESET_INSIDE,
        title="`step` resets the environment by itself and returns the next episode's first state.",
        explanation=(
            "At an end the observation is already the first one of the next episode. The final state "
            "is lost: values are bootstrapped from a start state, and a loop that calls reset as well "
            "throws every second episode away."
        ),
        fix=(
            "Return the state that was reached, and leave resetting to the caller; for vector "
            "environments declare the autoreset mode and put the final observation into `final_obs`."
        ),
        where="A reset at the end of `step`, or an autoreset wrapper around a single environment.",
        references=(
            "https://github.com/instadeepai/jumanji/issues/223",
            "https://farama.org/Vector-Autoreset-Mode",
        ),
    ),
    Fault(
        name=INFO_ALIASED,
        title="Infos handed out earlier change when the environment goes on.",
        explanation=(
            "`step` returns a dictionary, or arrays in it, that it writes into later. Whoever collects "
            "infos (success rates, final observations, costs) collects the last one many times over."
        ),
        fix="Build a new dictionary each time, with copies of the arrays in it.",
        where="`return ..., self.info` in `step`, and wrappers that update the dictionary in place.",
        references=("https://github.com/google-deepmind/dm_control/issues/34", _API),
    ),
    Fault(
        name=GLOBAL_RANDOM,
        title="The environment draws from a global random generator.",
        explanation=(
            "Chance comes from `random`, `np.random` or torch's global stream. The seed of reset does "
            "not decide it, other code that draws shifts it, and worker processes that were forked "
            "from one parent share it: parallel environments live through the same episodes."
        ),
        fix="Draw from self.np_random, which super().reset(seed=seed) makes.",
        where="Calls of np.random.*, random.* or torch.rand* in reset, step, or helpers of theirs.",
        references=(
            "https://github.com/TorchTrade/torchtrade/issues/273",
            "https://github.com/vwxyzjn/cleanrl/commit/83a2529c74dd",
            _API,
        ),
    ),
    Fault(
        name=RESEEDED,
        title="Every reset seeds the generator anew, so that all episodes are the same one.",
        explanation=(
            "reset() without a seed must go on with the random stream. Here each episode after a "
            "seeded reset repeats the first: the agent overfits one start, and evaluations over many "
            "episodes measure one."
        ),
        fix=(
            "Make a generator only when `seed` is not None; super().reset(seed=seed) does so, handing "
            "it a stored seed or a constant does not."
        ),
        where="`self.np_random = default_rng(self.seed)` in reset; reset(seed=seed or 0).",
        references=("https://github.com/TorchTrade/torchtrade/issues/273", _API),
    ),
    Fault(
        name=COST_GROWS,
        title="A step takes longer the longer the environment has been used.",
        explanation=(
            "Something is collected and never dropped: a history, a list of bodies, callbacks. A run "
            "of millions of steps slows down without end, and memory grows."
        ),
        fix="Clear in reset what step collects, and bound what has to survive episodes.",
        where="Lists that step appends to; objects of a physics world that reset leaves in place.",
        references=("https://github.com/Farama-Foundation/Gymnasium/commit/5b977fec9dbd",),
    ),
)
