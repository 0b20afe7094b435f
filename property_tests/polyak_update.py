"""Polyak updates: the target network follows the online network at rate tau.

    theta_target <- (1 - tau) * theta_target + tau * theta_online

in place, for every parameter, several times in a row while the online network changes in between.
`target` and `online` are modules, dicts of arrays or tensors, or lists of parameters.

References: Lillicrap et al. 2016, arXiv:1509.02971, algorithm 1.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from property_tests.framework.records import Case, Convention, Domain, Mismatch, Property
from property_tests.polyak_faults import FAULTS, definition
from property_tests.polyak_subject import ModelSubject, play, predict, prepare
from property_tests.scenario_contract import build
from property_tests.scenarios import Player, Scenario, difference, exactly

SLACK = 1e-6
"""Rounding of a few updates in float32, relative to numbers of size 1 to 10."""

_NUMBERS = st.integers(-8, 8).map(lambda k: k / 2)
TAUS = (0.25, 0.5, 1.0, 0.0, 0.005, 0.995)


def cases(domain: Domain) -> st.SearchStrategy[Case]:
    """Initial target parameters and, for each update, the online parameters; buffers likewise."""
    row = st.tuples(*[_NUMBERS] * (4 if "buffers" in domain else 3))
    rows = st.lists(row, min_size=2, max_size=4)
    return st.tuples(rows, st.sampled_from(TAUS)).map(lambda drawn: _case(*drawn))


def _case(rows: list[tuple[float, ...]], tau: float) -> Case:
    numbers = np.array(rows, dtype=float)
    return {"tau": tau, "target": numbers[0], "online": numbers[1:]}


def online_unchanged(run: Player, case: Case) -> Mismatch | None:
    """The online network holds after each update what it held before."""
    got = run(case)["online_after"]
    expected = run.definition(case)["online_after"]
    found = difference(case, "online_after", got, expected, SLACK)
    return found and found._replace(message="the update changed the online network")


def own_storage(run: Player, case: Case) -> Mismatch | None:
    """Changing the online network after the last update leaves the target alone."""
    shown = run(case)
    before, after = shown["target_after"][-1], shown["target_later"]
    found = difference(case, "target", after, before, SLACK)
    message = "the target moved when the online network was changed afterwards: they share storage"
    return found and found._replace(message=message)


def full_weight(run: Player, case: Case) -> Mismatch | None:
    """With all weight on the online network, the target is a copy of it."""
    weight = 1.0 if run.facts(case)["tau_weighs"] == "online" else 0.0
    case = {**case, "tau": weight}
    got = run(case)["target_after"]
    return _parameters(case, got, case["online"], "all weight on the online network copies it")


def no_weight(run: Player, case: Case) -> Mismatch | None:
    """With all weight on the target, it stays as it is."""
    weight = 0.0 if run.facts(case)["tau_weighs"] == "online" else 1.0
    case = {**case, "tau": weight}
    got = run(case)["target_after"]
    expected = np.tile(case["target"], (len(case["online"]), 1))
    return _parameters(case, got, expected, "all weight on the target keeps it")


def fixed_point(run: Player, case: Case) -> Mismatch | None:
    """A target that equals the online network stays equal, whatever tau."""
    online = np.tile(case["target"], (len(case["online"]), 1))
    case = {**case, "online": online}
    got = run(case)["target_after"]
    return _parameters(case, got, online, "equal networks should stay equal")


def _parameters(case: Case, got: np.ndarray, expected: np.ndarray, message: str) -> Mismatch | None:
    """The parameters, which are the first three numbers of each row, are as expected."""
    found = difference(case, "target", got[:, :3], expected[:, :3], SLACK)
    return found and found._replace(message=message)


SCENARIO = Scenario(
    name="polyak-update",
    title="Update of a target network",
    explanation=__doc__ or "",
    cases=cases,
    prepare=prepare,
    play=play,
    definition=definition,
    predict=predict,
    differs=exactly(SLACK),
    properties=(
        Property(
            "online-untouched",
            "The online network is left as it was.",
            "With the two swapped, the network that learns is pulled back at every update.",
            online_unchanged,
        ),
        Property(
            "own-storage",
            "Target and online network share no storage.",
            "A target that is the online network in disguise moves with every gradient step: the "
            "bootstrap chases itself, and values diverge.",
            own_storage,
        ),
        Property(
            "full-weight-copies",
            "All weight on the online network copies every parameter.",
            "Parameters that are left out stay at their initial values for ever.",
            full_weight,
        ),
        Property(
            "no-weight-keeps",
            "All weight on the target changes nothing.",
            "The rate must reach the update.",
            no_weight,
        ),
        Property(
            "equal-networks-stay-equal",
            "Equal networks stay equal for every tau.",
            "The weights of the two networks add up to 1.",
            fixed_point,
        ),
    ),
    faults=FAULTS,
    as_subject=ModelSubject,
    conventions=(
        Convention("tau_weighs", ("online", "target"), "which network tau is the weight of"),
        Convention(
            "buffers",
            ("copied", "averaged", "left"),
            "what happens to buffers, such as running statistics; where they are left, a target "
            "with batch normalisation is evaluated with the statistics of its initialisation",
        ),
    ),
    words=("polyak", "soft_update", "target_update", "update_target"),
)
CONTRACT = build(SCENARIO)
