"""The autoreset of vector environments: nothing is lost or invented around an end."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from ladders.environment_clock import clock
from ladders.environment_interface import INTERFACE
from ladders.environment_slot import autoreset_mode, slot_of
from ladders.environment_subject import EnvironmentSubject
from ladders.environment_task_faults import (
    ACTION_CHANGED,
    FINAL_LOST,
    STEP_INVENTED,
    STEP_LOST,
    VECTOR_FORM,
)
from ladders.environment_vector import vector_only
from ladders.environment_walk import copied, equal, show
from rlcheck.records import Check, Context, Evidence, Outcome, Status, Trial, one_trial

STEPS = 1500
ENDS = 30


def watch_autoreset(subject: EnvironmentSubject, trial: Trial, context: Context) -> Evidence:
    """The first thing around an end that the declared autoreset mode rules out."""
    timer = clock(context, share=2.0)
    with closing(subject.make()) as env:
        mode = autoreset_mode(env)
        single = _singles(env)
        found = _Autoreset(env, mode, single, trial.seed)
        try:
            for step in range(STEPS):
                if found.wrong or found.ends >= ENDS or timer.over(step, STEPS):
                    break
                found.step()
        finally:
            for one in single:
                one.close()
    return {
        "mode": mode.name if mode else "",
        "ends": found.ends,
        "compared": found.compared if found.followed else 0,
        "wrong": found.wrong,
        "fault": found.fault,
        "left_out": list(timer.notes),
    }


def _singles(env: VectorEnv) -> list[gymnasium.Env]:
    """The single environments that the slots should equal, where they can be made again."""
    makers = getattr(env.unwrapped, "env_fns", None)
    if makers is None or len(makers) != env.num_envs:
        return []
    return [make() for make in makers]


class _Autoreset:
    """Steps a vector environment, and beside it single ones with the same seeds and actions.

    The single ones are followed as long as they agree within episodes: wrappers of the vector
    environment may change observations and rewards on purpose, everywhere. What disagrees at an end
    only, or contradicts the declared mode by itself, is wrong.
    """

    def __init__(
        self,
        env: VectorEnv,
        mode: AutoresetMode | None,
        single: list[gymnasium.Env],
        seed: int,
    ) -> None:
        self.env, self.mode, self.single = env, mode or AutoresetMode.NEXT_STEP, single
        self.ends = self.compared = 0
        self.wrong = self.fault = ""
        self.space = env.observation_space
        batched, _ = env.reset(seed=seed)
        starts = [one.reset(seed=seed + i)[0] for i, one in enumerate(single)]
        self.followed = bool(single) and all(
            equal(slot_of(self.space, batched, i), start) for i, start in enumerate(starts)
        )
        self.last = [copied(slot_of(self.space, batched, i)) for i in range(env.num_envs)]
        self.ended = np.zeros(env.num_envs, dtype=np.bool_)
        self.finals: list[Any] = [None] * env.num_envs
        self.before: list[Any] = [None] * env.num_envs
        env.action_space.seed(seed)
        self.seed, self.taken = seed, list[list[Any]]()

    def step(self) -> None:
        """One step of everything, and every comparison it allows."""
        actions = self.env.action_space.sample()
        each = list(gymnasium.vector.utils.iterate(self.env.action_space, actions))
        if self.mode is AutoresetMode.DISABLED and self.ended.any():
            self._reset_by_mask()
            return
        batched, rewards, terminated, truncated, infos = self.env.step(actions)
        self.taken.append(each)
        followed = self.followed
        was, self.ended = self.ended, np.logical_or(terminated, truncated)
        self.ends += int(self.ended.sum())
        for i in range(self.env.num_envs):
            now = copied(slot_of(self.space, batched, i))
            got = (now, float(rewards[i]), bool(terminated[i]), bool(truncated[i]))
            self._slot(i, got, bool(was[i]), infos, each[i])
            self.last[i] = now
        if followed and not (self.followed or self.wrong):
            self._blame_neighbours(rewards)

    def _blame_neighbours(self, rewards: np.ndarray) -> None:
        """Whether each slot did what single environments do with the action of another slot."""
        count = self.env.num_envs
        for shift in range(1, count):
            singles = _singles(self.env)
            try:
                ends = [self._replayed(one, i, shift) for i, one in enumerate(singles)]
            finally:
                for one in singles:
                    one.close()
            if all(
                _close(self.last[i], end[0]) and _close(float(rewards[i]), end[1])
                for i, end in enumerate(ends)
            ):
                return self._blame(
                    ACTION_CHANGED,
                    f"environment 0 does what the action of environment {shift} does, and so on for all",
                    "each to take its own action",
                )
        return None

    def _replayed(self, one: gymnasium.Env, i: int, shift: int) -> tuple[Any, float]:
        """What the actions of a neighbour since the reset give."""
        observation, reward = one.reset(seed=self.seed + i)[0], 0.0
        for actions in self.taken:
            observation, given, terminated, truncated, _ = one.step(
                actions[(i + shift) % len(actions)]
            )
            reward = float(given)
            if terminated or truncated:
                break
        return observation, reward

    def _slot(self, i: int, got: tuple[Any, ...], was: bool, infos: Any, action: Any) -> None:
        resets = was and self.mode is AutoresetMode.NEXT_STEP
        if resets and (got[1] != 0.0 or got[2] or got[3]):
            flags = f"reward {got[1]:g}, terminated={got[2]}, truncated={got[3]}"
            return self._blame(
                STEP_INVENTED,
                f"the step that only resets environment {i} returns {flags}",
                "reward 0 and neither flag",
            )
        if resets and equal(got[0], self.finals[i]) and not equal(self.finals[i], self.before[i]):
            return self._blame(
                FINAL_LOST,
                f"the last observation of environment {i}, {show(got[0])}, is that of the next "
                "episode's reset",
                "the state that was reached",
            )
        final = got[0]
        if self.ended[i] and self.mode is AutoresetMode.SAME_STEP:
            final = self._final_in_info(i, got[0], infos)
        if self.ended[i]:
            self.finals[i], self.before[i] = final, self.last[i]
        if self.followed and not self.wrong:
            self._follow(i, got, resets, final, action)

    def _final_in_info(self, i: int, returned: Any, infos: Any) -> Any:
        mask = np.asarray(infos.get("_final_obs", np.zeros(self.env.num_envs, dtype=np.bool_)))
        if "final_obs" not in infos or not mask[i]:
            self._blame(
                FINAL_LOST,
                f"environment {i} ended, and infos['final_obs'] says nothing about it",
                "the final observation there, and its mask in infos['_final_obs'] (mode SAME_STEP)",
            )
            return returned
        final = infos["final_obs"][i]
        if equal(final, returned) and not equal(final, self.last[i]):
            self._blame(
                FINAL_LOST,
                f"infos['final_obs'] of environment {i}, {show(final)}, is the first observation of "
                "the next episode",
                "the state that was reached",
            )
        return copied(final)

    def _follow(self, i: int, got: tuple[Any, ...], resets: bool, final: Any, action: Any) -> None:
        """Compare with the single environment, which resets where the mode says so."""
        one = self.single[i]
        if resets:
            expected = (one.reset()[0], 0.0, False, False)
            return self._agree(i, got, expected, STEP_LOST, "after the autoreset")
        observation, reward, terminated, truncated, _ = one.step(action)
        expected = (observation, float(reward), bool(terminated), bool(truncated))
        ends = expected[2] or expected[3] or got[2] or got[3]
        if not ends:
            if not _same(got, expected):
                if self.compared == 0 and not self._just_reset(i):
                    self.followed = (
                        False  # a wrapper changes it everywhere: nothing to compare with
                    )
                    return None
                return self._agree(i, got, expected, STEP_LOST, "within an episode")
            return None
        self.compared += 1
        if not _same((got[1:]), expected[1:]):
            return self._agree(i, got, (got[0], *expected[1:]), STEP_LOST, "at its end")
        if not _close(final, observation):
            return self._agree(i, (final, *got[1:]), expected, FINAL_LOST, "at its end")
        if self.mode is AutoresetMode.SAME_STEP:
            start = one.reset()[0]
            if not _close(got[0], start):
                self._agree(i, got, (start, *got[1:]), STEP_LOST, "after the autoreset")

    def _just_reset(self, i: int) -> bool:
        return self.finals[i] is not None

    def _agree(
        self, i: int, got: tuple[Any, ...], expected: tuple[Any, ...], fault: str, where: str
    ) -> None:
        for name, one, other in zip(_PARTS, got, expected, strict=True):
            if not _close(one, other):
                return self._blame(
                    fault,
                    f"environment {i} gives {name} {show(one)} {where}, the single environment with "
                    f"the same seed and actions {show(other)}",
                    "the same",
                )
        return None

    def _reset_by_mask(self) -> None:
        mask = self.ended.copy()
        batched, _ = self.env.reset(options={"reset_mask": mask})
        for i in range(self.env.num_envs):
            now = copied(slot_of(self.space, batched, i))
            if not mask[i] and not equal(now, self.last[i]):
                self._blame(
                    STEP_LOST,
                    f"environment {i} was not in `reset_mask`, and its observation changes from "
                    f"{show(self.last[i])} to {show(now)}",
                    "only the masked ones to be reset",
                )
            if mask[i] and self.followed and not self.wrong:
                expected = (self.single[i].reset()[0], 0.0, False, False)
                self._agree(i, (now, 0.0, False, False), expected, STEP_LOST, "after its reset")
            self.last[i] = now
        self.ended = np.zeros_like(self.ended)

    def _blame(self, fault: str, what: str, expected: str) -> None:
        if not self.wrong:
            self.wrong, self.fault = f"{what}; expected {expected}", fault


_PARTS = ("observation", "reward", "terminated", "truncated")


def _close(one: Any, other: Any) -> bool:
    """Equal up to the type that a vector environment stores numbers in."""
    if isinstance(one, np.ndarray | float | np.floating) and not isinstance(other, dict | tuple):
        return bool(np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True))
    return equal(one, other)


def _same(got: tuple[Any, ...], expected: tuple[Any, ...]) -> bool:
    return all(map(_close, got, expected))


def judge_autoreset(evidence: Evidence, context: Context) -> Outcome:
    """Nothing around an end contradicts the declared mode or the single environments."""
    notes = tuple(evidence["left_out"])
    if not evidence["mode"]:
        remark = (
            "metadata['autoreset_mode'] is missing, so NEXT_STEP is presumed; agents need to know when "
            "resets happen"
        )
        notes = (remark, *notes)
    if evidence["wrong"]:
        fault = evidence["fault"]
        if not evidence["mode"]:
            return Outcome(
                Status.FAILED, evidence["wrong"], evidence, {VECTOR_FORM: 0.6, fault: 0.35}, notes
            )
        return Outcome(Status.FAILED, evidence["wrong"], evidence, {fault: 0.95}, notes)
    beside = ", beside single environments" if evidence["compared"] else ""
    message = f"{evidence['ends']} ends in mode {evidence['mode'] or 'NEXT_STEP'}{beside}"
    return Outcome(Status.PASSED, message, evidence, {}, notes)


AUTORESET = Check(
    name="environment/autoreset-as-declared",
    title="Around an end, the vector environment does what its autoreset mode says, and loses nothing.",
    explanation=(
        "NEXT_STEP: the end returns the final observation; the next step ignores its action and returns "
        "the reset observation, reward 0, no flag. SAME_STEP: the end returns the reset observation, "
        "and infos['final_obs'] the final one. DISABLED: reset(options={'reset_mask': ...}) resets the "
        "masked ones only. Where the single environments can be made again (env_fns), every slot is "
        "compared with one of the same seed and actions, step by step; that also shows slots that take "
        "the actions of others."
    ),
    trial=watch_autoreset,
    judge=one_trial(judge_autoreset),
    applies=vector_only,
    requires=(INTERFACE.name,),
    catches=(FINAL_LOST, STEP_INVENTED, STEP_LOST, ACTION_CHANGED),
    references=("https://farama.org/Vector-Autoreset-Mode",),
)
