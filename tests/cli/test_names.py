"""`rlcheck list` and `rlcheck explain`."""

from __future__ import annotations

import json
from types import SimpleNamespace

import tiny

from rlcheck import contracts

EXPLAINED = """\
double/tripled (fault)
the function multiplies by three

What happens
  Every result is 3/2 of what it should be, so that nothing crashes and all is wrong.

Where it usually sits
  where the factor is written, twice in most code bases

How to fix
  Multiply by two.

Caught by
  double/is-twice

References
  https://example.org/paper
  https://example.org/bug
"""


def test_a_fault_is_explained(rlcheck):
    ran = rlcheck("explain", "double/tripled")
    assert (ran.code, ran.out) == (0, EXPLAINED)


def test_the_short_name_and_the_alias_lead_there_too(rlcheck):
    assert rlcheck("explain", "tripled").out == EXPLAINED
    assert rlcheck("explain", "double/triple").out == EXPLAINED


def test_a_check_is_explained(rlcheck):
    out = rlcheck("explain", "double/is-twice").out
    assert "What it checks\n  f(x) = 2 x\n\n  A long story.\n" in out
    assert "Runs\n  from budget quick on, with one seed, after double/positive\n" in out
    assert "Faults it can show\n  double/tripled\n  double/halved\n" in out


def test_a_contract_is_explained(rlcheck):
    out = rlcheck("explain", "double").out
    assert out.startswith("double (contract)\ntwice the argument\n")
    assert "Checks\n  double/positive: double/positive holds\n" in out


def test_close_matches(rlcheck):
    ran = rlcheck("explain", "double/tripeld")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no check, fault or contract 'double/tripeld'; did you mean" in ran.err


def test_list_as_text(rlcheck):
    assert rlcheck("list", "contracts").out == "double  twice the argument  4 checks  2 faults\n"
    assert "double/is-twice   double/is-twice holds" in rlcheck("list", "checks").out
    assert "double/halved   the function divides by two" in rlcheck("list", "faults").out


def test_list_as_json(rlcheck):
    faults = json.loads(rlcheck("list", "faults", "--format", "json").out)
    assert faults[0] == {
        "name": "double/tripled",
        "title": "the function multiplies by three",
        "contract": "double",
        "caught_by": ["double/is-twice"],
    }
    checks = json.loads(rlcheck("list", "checks", "--format", "json").out)
    assert checks[3]["budget"] == "thorough"


def test_list_subjects(rlcheck, folder):
    (folder / "pyproject.toml").write_text(
        "[tool.rlcheck.subjects.mine]\ntarget = 'subjects.py:double'\ncontract = 'double'\n"
    )
    assert "mine" in rlcheck("list", "subjects").out
    listed = json.loads(rlcheck("list", "subjects", "--format", "json").out)
    assert listed[0]["target"] == "subjects.py:double"


def test_misspelt_list(rlcheck):
    ran = rlcheck("list", "fault")
    assert ran.code == 2
    assert ran.err == "Error: rlcheck list knows no 'fault'; did you mean 'faults'?\n"


def test_a_contract_that_cannot_be_loaded_hides_no_other(rlcheck, monkeypatch):
    def load():
        raise ImportError("no module named 'jax'")

    broken = SimpleNamespace(name="broken", value="x:y", load=load)
    monkeypatch.setattr(contracts, "_entries", lambda: tiny.entries() | {"broken": broken})
    ran = rlcheck("list", "contracts")
    assert ran.code == 0
    assert ran.out.startswith("double ")
    assert "the contract 'broken' cannot be loaded: ImportError: no module named 'jax'" in ran.err
