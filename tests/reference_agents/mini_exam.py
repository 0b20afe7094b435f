"""A small exam: tiny questions whose right answers need terminations, truncations and the discount right.

Each reset draws a question. With gamma = 0.9 the optimal first actions and their values are exact.
"""

from __future__ import annotations

import gymnasium
import numpy as np

# state: ((reward, next state or how it ends) for each of two actions)
TERMINATE, TRUNCATE = "terminate", "truncate"
EXAM: dict[str, tuple[tuple[float, str], tuple[float, str]]] = {
    # 0.8 and three empty steps, or nothing and the end at once: value 0.8
    "leak": ((0.8, "leak1"), (0.0, TERMINATE)),
    "leak1": ((0.0, "leak2"), (0.0, "leak2")),
    "leak2": ((0.0, "leak3"), (0.0, "leak3")),
    "leak3": ((0.0, TERMINATE), (0.0, TERMINATE)),
    # an endless loop worth 0.4 a step, cut at its second step, or 1 and the end: value 4
    "loop": ((1.0, TERMINATE), (0.4, "loop1")),
    "loop1": ((0.4, TRUNCATE), (0.4, TRUNCATE)),
    # 1 now, or 1.12 after two empty steps: value 1
    "now": ((1.0, TERMINATE), (0.0, "now1")),
    "now1": ((0.0, "now2"), (0.0, "now2")),
    "now2": ((1.12, TERMINATE), (1.12, TERMINATE)),
    # 1 now, or 1.5 after two empty steps: value 1.215
    "wait": ((1.0, TERMINATE), (0.0, "wait1")),
    "wait1": ((0.0, "wait2"), (0.0, "wait2")),
    "wait2": ((1.5, TERMINATE), (1.5, TERMINATE)),
    # 1 and then 1 more, or 3 at once: value 3
    "large": ((1.0, "large1"), (3.0, TERMINATE)),
    "large1": ((1.0, TERMINATE), (1.0, TERMINATE)),
    "left": ((1.0, TERMINATE), (0.0, TERMINATE)),
    "right": ((0.0, TERMINATE), (1.0, TERMINATE)),
}
QUESTIONS = {"leak": 0, "loop": 1, "now": 0, "wait": 1, "large": 1, "left": 0, "right": 1}
VALUES = {
    "leak": 0.8,
    "loop": 4.0,
    "now": 1.0,
    "wait": 1.215,
    "large": 3.0,
    "left": 1.0,
    "right": 1.0,
}
STATES = list(EXAM)


def observe(state: str) -> np.ndarray:
    """One-hot observation of a state."""
    return np.eye(len(STATES), dtype=np.float32)[STATES.index(state)]


class MiniExam(gymnasium.Env):
    """The exam as an ordinary Gymnasium environment.

    The loop's second step is cut in its state "loop", where it would have gone on; a termination
    shows the best question, so that a value that leaks through it is large.
    """

    observation_space = gymnasium.spaces.Box(0.0, 1.0, (len(STATES),))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state = str(self.np_random.choice(list(QUESTIONS)))
        return observe(self.state), {}

    def step(self, action):
        reward, after = EXAM[self.state][int(action)]
        if after == TERMINATE:
            return observe("loop"), reward, True, False, {}
        if after == TRUNCATE:
            return observe("loop1"), reward, False, True, {}
        self.state = after
        return observe(after), reward, False, False, {}


def wrong_answers(agent) -> list[str]:
    """The questions that an agent answers wrong."""
    return [name for name, best in QUESTIONS.items() if int(agent.predict(observe(name))) != best]
