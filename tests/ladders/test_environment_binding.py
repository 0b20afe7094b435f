"""What can be handed over as an environment, and what is said where its interface is not one."""

import gymnasium
import numpy as np
import pytest
from environment_cases import Line, failed, run_all, run_check

from ladders.environment import CONTRACT
from rlcheck.contracts import Options
from rlcheck.engine.jsonable import jsonable
from rlcheck.errors import BindingError, SubjectError
from rlcheck.subjects import EnvironmentId


class TestInterface:
    def test_four_values_are_one_clear_sentence(self):
        class Old(Line):
            def step(self, action):
                observation, reward, terminated, _, info = super().step(action)
                return observation, reward, terminated, info

        outcomes = run_all(Old)
        assert failed(outcomes) == set(outcomes) == {"resets-and-steps"}
        assert outcomes["resets-and-steps"].message == (
            "`step` should return (observation, reward, terminated, truncated, info), it returned "
            "4 values (ndarray, float, bool, dict); one `done` for both ends is the interface of the "
            "old Gym"
        )

    def test_so_they_are_behind_gymnasiums_wrappers(self):
        class Old(Line):
            def step(self, action):
                return super().step(action)[:4]

        gymnasium.register("OldForTest-v0", entry_point=Old, max_episode_steps=7)
        try:
            outcomes = run_all("OldForTest-v0")
        finally:
            del gymnasium.registry["OldForTest-v0"]
        assert "it returned 4 values" in outcomes["resets-and-steps"].message

    def test_a_reset_without_info_is_named(self):
        class NoInfo(Line):
            def reset(self, *, seed=None, options=None):
                return super().reset(seed=seed)[0]

        message = run_all(NoInfo)["resets-and-steps"].message
        assert (
            message
            == "`reset` should return (observation, info), it returned one value of type ndarray"
        )

    def test_a_reset_without_seed_is_named(self):
        class NoSeed(Line):
            def reset(self):
                return super().reset()

        message = run_all(NoSeed)["resets-and-steps"].message
        assert message.startswith("`reset` takes no `seed`")

    def test_what_the_environment_raises_under_the_checker_is_no_finding_of_the_checker(self):
        class Raises(Line):
            def reset(self, *, seed=None, options=None):
                if options is not None:
                    raise RuntimeError("no options here")
                return super().reset(seed=seed)

        with pytest.raises(RuntimeError, match="no options here"):
            run_all(Raises)


class TestBinding:
    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            (3, r"expected an environment id .* got an object of type int"),
            (lambda: None, r"should make an environment, it made None without `reset`"),
            (lambda: 3, r"it made an object of type int without `reset`"),
            (lambda size: Line(), r"needs a value for 'size'.*--set size=VALUE"),
            (lambda: gymnasium.make("Nothing-v0"), r"cannot be made: .*Nothing"),
        ],
    )
    def test_what_is_no_environment_is_refused(self, raw, message):
        with pytest.raises(BindingError, match=message):
            CONTRACT.bind(raw, Options())

    @pytest.mark.parametrize("part", ["observation_space", "action_space"])
    def test_a_missing_space_is_named(self, part):
        class NoSpace(Line):
            def __init__(self):
                super().__init__()
                delattr(self, part)

        with pytest.raises(BindingError, match=f"declare `{part}` .* it is missing"):
            CONTRACT.bind(NoSpace, Options())

    def test_constructor_arguments_come_from_constants(self):
        bound = CONTRACT.bind(Line, Options(constants={"start": 1.0}))
        with bound.subject.fresh() as env:
            assert env.start == 1.0
        bound = CONTRACT.bind("FrozenLake-v1", Options(constants={"is_slippery": False}))
        seeds = next(c for c in CONTRACT.checks if c.name == "environment/seeds-differ")
        assert "no randomness seen" in run_check(seeds, bound).notes[0]

    def test_misspelt_arguments_are_refused_with_a_suggestion(self):
        with pytest.raises(BindingError, match="no parameter 'strat'; did you mean 'start'"):
            CONTRACT.bind(Line, Options(constants={"strat": 1.0}))

    def test_bound_parameters_are_refused(self):
        with pytest.raises(BindingError, match="no parameters to bind"):
            CONTRACT.bind(Line, Options(bind={"r": "rewards"}))

    def test_facts_are_json(self):
        bound = CONTRACT.bind("CartPole-v1", Options())
        assert jsonable(dict(bound.facts))["time_limits"] == [500]

    def test_recognises_classes_and_annotated_functions(self):
        def make() -> gymnasium.Env:
            return Line()

        def make_text() -> "gymnasium.Env[np.ndarray, int]":
            return Line()

        assert all(map(CONTRACT.recognises, (Line, EnvironmentId("x-v0"), make, make_text)))
        assert not any(map(CONTRACT.recognises, (len, 3, lambda: Line(), int)))


class TestBadInput:
    """One clear sentence each."""

    def test_a_reset_that_hangs(self, monkeypatch):
        monkeypatch.setattr("ladders.environment_hang.PATIENCE_S", 0.2)

        class Hangs(Line):
            def reset(self, *, seed=None, options=None):
                while True:
                    pass

        with pytest.raises(SubjectError, match=r"`reset` did not return within 0\.2 s: it hangs"):
            run_all(Hangs)

    def test_an_environment_that_needs_a_display(self):
        class Windowed(Line):
            def __init__(self):
                raise RuntimeError("video system not initialized")

        with pytest.raises(BindingError, match=r"needs a display to be made .*SDL_VIDEODRIVER"):
            CONTRACT.bind(Windowed, Options())

    def test_a_window_that_reset_opens(self):
        class Windowed(Line):
            def reset(self, *, seed=None, options=None):
                raise RuntimeError("No available video device")

        with pytest.raises(
            SubjectError, match=r"needs a display \(No available video device\); open"
        ):
            run_all(Windowed)

    def test_an_environment_that_shows_every_step(self):
        with pytest.raises(BindingError, match=r"render_mode='human', which needs a display"):
            CONTRACT.bind("CartPole-v1", Options(constants={"render_mode": "human"}))
        CONTRACT.bind("CartPole-v1", Options(constants={"render_mode": None}))

    def test_a_file_that_is_missing_is_named_with_the_kind_of_error(self):
        class NoFile(Line):
            def __init__(self):
                raise FileNotFoundError("assets/map.png")

        with pytest.raises(BindingError, match=r"cannot be made: FileNotFoundError: assets/map"):
            CONTRACT.bind(NoFile, Options())

    def test_a_step_that_hangs_after_a_while(self, monkeypatch):
        monkeypatch.setattr("ladders.environment_hang.PATIENCE_S", 0.2)

        class Hangs(Line):
            steps = 0

            def step(self, action):
                self.steps += 1
                while self.steps > 30:
                    pass
                return super().step(action)

        with pytest.raises(SubjectError, match=r"`step` did not return within 0\.2 s"):
            run_all(Hangs)

    def test_four_values_at_the_end_of_an_episode_only(self):
        class OldEnd(Line):
            def step(self, action):
                got = super().step(action)
                return got[:4] if got[2] else got

        assert "it returned 4 values" in run_all(OldEnd)["resets-and-steps"].message

    @pytest.mark.parametrize("seconds", [0, -1, "ten", True])
    def test_a_time_budget_that_is_none(self, seconds):
        with pytest.raises(BindingError, match="seconds: expected a positive number"):
            CONTRACT.bind(Line, Options(constants={"seconds": seconds}))

    def test_an_instance_is_copied_for_each_check(self):
        bound = CONTRACT.bind(Line(start=1.0), Options())
        with bound.subject.fresh() as one, bound.subject.fresh() as other:
            assert one is not other
            assert one.start == 1.0
