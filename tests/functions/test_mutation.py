"""The benchmark of mechanical mutants: what is changed, what is not, and what is accepted."""

import tomllib

import pytest

from benchmarks.mutation import EQUIVALENT, TARGETS, Target, build, mutants, reason

EVERY = [mutant for target in TARGETS for mutant in mutants(target)]


def changes_of(name):
    return [mutant.what for mutant in EVERY if mutant.target.function == name]


def test_a_change_is_made():
    target = Target.parse("td-target=reference_agents.targets:td_target")
    (zero,) = (mutant for mutant in mutants(target) if mutant.what == "td_target: 0.0 -> 1.0")
    assert build(zero).__name__ == "td_target"


def test_what_is_equivalent_by_construction_is_left_alone():
    assert not any("minimum(next_q2, next_q1)" in what for what in changes_of("soft_q_target"))
    assert not any("-1 -> 1 * 1" in what for what in changes_of("sarsa_target"))
    assert not any("strict=False" in what for what in changes_of("polyak_update"))


def test_equal_changes_have_names_of_their_own():
    keys = [(mutant.target, mutant.what) for mutant in EVERY]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("file", sorted(EQUIVALENT.glob("*.toml")), ids=lambda file: file.stem)
def test_what_is_accepted_exists(file):
    accepted = {
        what for entry in tomllib.loads(file.read_text())["equivalent"] for what in entry["changes"]
    }
    assert accepted <= {mutant.what for mutant in EVERY}
    assert all(entry["reason"] for entry in tomllib.loads(file.read_text())["equivalent"])


def test_a_reason_is_found():
    (swapped,) = (m for m in EVERY if m.what.startswith("gae: _cuts(terminated, truncated)"))
    assert "either flag" in reason(swapped)
