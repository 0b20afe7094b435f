"""Stacked frames: resets, Dict and image spaces, actions between the frames."""

import gymnasium
import numpy as np
import pytest
from environment_cases import Line, failed, run_all
from gymnasium import spaces
from gymnasium.wrappers import FlattenObservation, FrameStackObservation, TransformObservation

from ladders.frames import stack_frames
from rlcheck.records import Status

VECTOR = spaces.Box(-1.0, 1.0, (3,), np.float32)
IMAGE = spaces.Box(0, 255, (8, 9, 3), np.uint8)
CHANNELS_FIRST = spaces.Box(0, 255, (3, 8, 9), np.uint8)
NESTED = spaces.Dict(camera=IMAGE, body=spaces.Dict(speed=VECTOR), mode=spaces.Discrete(3))


class Samples(gymnasium.Env):
    """Observations drawn from any space; the last one is kept to compare with."""

    def __init__(self, space):
        self.observation_space, self.action_space = space, spaces.Discrete(4, start=1)
        self.given = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.observation_space.seed(seed)
        self.given = [self.observation_space.sample()]
        return self.given[-1], {}

    def step(self, action):
        self.given.append(self.observation_space.sample())
        return self.given[-1], 0.0, len(self.given) > 9, False, {}


@pytest.mark.parametrize("space", [VECTOR, IMAGE, CHANNELS_FIRST, NESTED, spaces.Discrete(4)])
@pytest.mark.parametrize("actions", [False, True])
def test_what_comes_back_lies_in_the_space_that_is_declared(space, actions):
    env = stack_frames(Samples(space), 3, actions=actions)
    assert env.reset(seed=0)[0] in env.observation_space
    assert env.step(1)[0] in env.observation_space


def test_frames_lie_side_by_side_the_oldest_first():
    env = stack_frames(Samples(VECTOR), 3)
    first, _ = env.reset(seed=0)
    one = env.unwrapped.given[0]
    assert np.array_equal(first, np.tile(one, 3))
    second = env.step(1)[0]
    assert second.shape == (9,)
    assert np.array_equal(second, np.concatenate([one, one, env.unwrapped.given[-1]]))


@pytest.mark.parametrize(("space", "shape"), [(IMAGE, (8, 9, 6)), (CHANNELS_FIRST, (6, 8, 9))])
def test_images_are_stacked_along_their_channels(space, shape):
    env = stack_frames(Samples(space), 2)
    env.reset(seed=0)
    seen = env.step(1)[0]
    assert env.observation_space.shape == seen.shape == shape
    axis = shape.index(6)
    assert np.array_equal(np.take(seen, range(3, 6), axis=axis), env.unwrapped.given[-1])


def test_every_part_of_a_dict_is_stacked():
    env = stack_frames(Samples(NESTED), 2)
    assert env.observation_space["camera"].shape == (8, 9, 6)
    assert env.observation_space["body"]["speed"].shape == (6,)
    assert env.observation_space["mode"] == spaces.MultiDiscrete([3, 3])


def test_a_reset_forgets_the_frames_and_actions_of_the_episode_before():
    env = stack_frames(Samples(VECTOR), 3, actions=True)
    first, _ = env.reset(seed=5)
    for _ in range(4):
        env.step(3)
    again, _ = env.reset(seed=5)
    assert np.array_equal(first["frames"], again["frames"])
    assert np.array_equal(first["actions"], again["actions"])


def test_the_actions_between_the_frames_are_told():
    env = stack_frames(Samples(VECTOR), 3, actions=True)
    env.reset(seed=0)
    env.step(2)
    assert env.step(4)[0]["actions"].tolist() == [2, 4]


def test_what_was_handed_out_stays_what_it_was():
    assert failed(run_all(lambda: stack_frames(Line(), 3, actions=True))) == set()


def test_gymnasiums_own_keeps_to_the_contract_with_dict_spaces():
    class Both(gymnasium.ObservationWrapper):
        def __init__(self):
            super().__init__(Line())
            box = self.env.observation_space
            self.observation_space = spaces.Dict(now=box, mode=spaces.Discrete(2))

        def observation(self, seen):
            return {"now": seen, "mode": int(seen[0] > 0)}

    assert failed(run_all(lambda: FrameStackObservation(Both(), 3))) == set()


def test_two_frames_restore_the_markov_property():
    def make():
        env = gymnasium.make("CartPole-v1")
        box = env.observation_space
        kept = spaces.Box(box.low[[0, 2]], box.high[[0, 2]])
        masked = TransformObservation(env, lambda seen: seen[[0, 2]], kept)
        return FlattenObservation(stack_frames(masked, 2, actions=True))

    outcomes = run_all(make, only=("rewards-finite", "observation-is-markov"))
    assert outcomes["observation-is-markov"].status is Status.PASSED


def test_one_frame_is_no_stack():
    with pytest.raises(ValueError, match="frames: expected at least 2 to stack, got 1"):
        stack_frames(Line(), 1)
