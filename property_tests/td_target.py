"""One-step TD targets: reward plus discounted value of the next state.

    y = r + gamma * (1 - terminated) * V(s')

References: Sutton and Barto 2018, eq. 6.2; time limits: Pardo et al. 2018, arXiv:1712.00378.
"""

from __future__ import annotations

from property_tests import transitions
from property_tests.framework.build import build
from property_tests.framework.records import Array, FunctionContract
from rlcheck.functions.binding import Parameter
from rlcheck.functions.calling import Output


def oracle(
    rewards: Array, next_values: Array, terminated: Array, truncated: Array, gamma: float
) -> Array:
    """The target of each row; a time limit changes nothing."""
    return transitions.targets(rewards, next_values, terminated, gamma)


def value(next_values: Array) -> Array:
    """What follows."""
    return next_values


SPEC = FunctionContract(
    name="td-target",
    title="One-step TD target",
    explanation=__doc__ or "",
    parameters=(
        transitions.REWARDS,
        Parameter(
            "next_values",
            "B",
            "V(s') of the state that was reached",
            aliases=(
                "next_value",
                "next_state_values",
                "next_vals",
                "v_next",
                "v_t",
                "next_v",
                "bootstrap",
            ),
        ),
        *transitions.FLAGS,
        transitions.GAMMA,
    ),
    outputs=(Output("targets", "B"),),
    oracle=oracle,
    domain=transitions.transition_domain("next_values"),
    cases=transitions.transitions(lambda actions: {"next_values": transitions.NUMBERS}),
    properties=transitions.properties(),
    faults=transitions.faults(oracle, value),
    layouts=transitions.LAYOUTS,
    words=("td_target", "td0_target"),
)
CONTRACT = build(SPEC)
