"""`rlcheck run` from end to end: what people read, exit codes, bad input."""

from __future__ import annotations

import json
import re

import pytest

from rlcheck.engine import session
from rlcheck.errors import StoreError, SubjectError

TRIPLE = """\
rlcheck 0.1.0 · subjects.py:triple · budget standard · seed 0

subjects.py:triple as double · 4 checks
  conventions: unit = "one"
  ✓ passed       double/positive
  ✗ failed       double/is-twice
  ✓ passed       double/sure
  - skipped      double/at-length: needs budget thorough, this run has standard (--budget thorough)

FAILED  subjects.py:triple: double/tripled (98 %)
  double/is-twice
    f(x) should be 2 x
        x        1.00  2.00
        expected 2.00  4.00
        got      3.00  6.00
  What it is    the function multiplies by three
  What happens  Every result is 3/2 of what it should be, so that nothing crashes and all is wrong.
  Usually in    where the factor is written, twice in most code bases
  Fix           Multiply by two.
  Reproduce     REPRODUCER
  Learn more    rlcheck explain double/tripled

2 passed · 1 failed · 1 skipped   in TIME
Wrong: subjects.py:triple: the function multiplies by three (double/tripled)
"""

DOUBLE = """\
3 passed · 1 skipped   in TIME
Verified: subjects.py:double passes 3 checks of double; 1 did not run, for the reasons above
`rlcheck selftest` shows which faults these checks would have caught.
"""


def stable(text: str) -> str:
    """`text` without times and stored ids."""
    text = re.sub(r"in \d+(\.\d)? s\b", "in TIME", text)
    text = re.sub(r"(passed +\S+|failed +\S+)  \d+(\.\d)? s$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"(Reproduce +)rlcheck .*", r"\1REPRODUCER", text)


def test_a_failure_reads_as_it_should(rlcheck):
    ran = rlcheck("run", "subjects.py:triple", "--as", "double")
    assert stable(ran.out) == TRIPLE
    assert (ran.code, ran.err) == (1, "")


def test_green_says_what_was_verified(rlcheck):
    ran = rlcheck("run", "subjects.py:double", "--as", "double", "-q")
    assert stable(ran.out).endswith(DOUBLE)
    assert "✓" not in ran.out
    assert ran.code == 0


def test_an_undiagnosed_failure_names_the_check(rlcheck):
    ran = rlcheck("run", "subjects.py:negative", "--as", "double")
    assert "FAILED  subjects.py:negative: double/positive\n    f(1) should be positive" in ran.out
    assert (
        "blocked      double/is-twice, sure: needs double/positive, which did not pass" in ran.out
    )
    assert "Learn more    rlcheck explain double/positive" in ran.out
    assert ran.code == 1


def test_a_subject_that_raises_is_an_error(rlcheck):
    ran = rlcheck("run", "subjects.py:raises", "--as", "double")
    assert "ERROR  subjects.py:raises: double/positive" in ran.out
    assert "RuntimeError: no luck" in ran.out
    assert ran.code == 1


def test_inconclusive_has_its_own_exit_code(rlcheck):
    args = ("run", "subjects.py:between", "--as", "double", "--ignore", "*/is-twice")
    ran = rlcheck(*args)
    assert "3 more seeds would tell" in ran.out
    assert "Inconclusive: nothing failed, not everything is clear" in ran.out
    assert ran.code == 4
    assert rlcheck(*args, "--allow-inconclusive").code == 0


def test_nothing_verified_is_not_green(rlcheck):
    ran = rlcheck("run", "subjects.py:double", "--as", "double", "--select", "double/at-length")
    assert "Nothing was verified: subjects.py:double" in ran.out
    assert ran.code == 5


def test_exitfirst_stops(rlcheck):
    args = ("run", "subjects.py:negative", "subjects.py:double", "--as", "double", "-x")
    ran = rlcheck(*args, "--report", "json")
    statuses = [r["status"] for s in json.loads(ran.out)["subjects"] for r in s["results"]]
    assert statuses.count("failed") == 1
    assert "passed" not in statuses[4:]


def test_verbose_shows_the_evidence(rlcheck):
    ran = rlcheck("run", "subjects.py:triple", "--as", "double", "-v")
    assert "  Evidence\n    got = [3.0, 6.0]\n" in ran.out


def test_several_subjects_are_told_apart(rlcheck):
    ran = rlcheck("run", "subjects.py:double", "subjects.py:triple", "--as", "double")
    assert "✗ failed       subjects.py:triple: double/is-twice" in ran.out
    assert "rlcheck 0.1.0 · 2 subjects" in ran.out
    assert ran.code == 1


def test_interrupt(rlcheck, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(session.plan, "is_ready", stop)
    ran = rlcheck("run", "subjects.py:double", "--as", "double")
    assert ran.code == 130
    assert "--resume" in ran.out


def test_subject_that_cannot_even_be_bound_because_it_died(rlcheck, monkeypatch):
    def died(*args, **kw):
        raise SubjectError("subjects.py:double died by signal 11 while it was loaded")

    monkeypatch.setattr(session, "run", died)
    ran = rlcheck("run", "subjects.py:double", "--as", "double")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "Error: subjects.py:double died by signal 11 while it was loaded\n"


def test_unwritable_store_is_a_usage_error(rlcheck, monkeypatch):
    def full(*args, **kw):
        raise StoreError("the results folder .rlcheck cannot be written: disk full")

    monkeypatch.setattr(session, "run", full)
    ran = rlcheck("run", "subjects.py:double", "--as", "double")
    assert (ran.code, ran.err) == (
        2,
        "Error: the results folder .rlcheck cannot be written: disk full\n",
    )


def test_internal_error_says_what_to_attach(rlcheck, monkeypatch):
    def broken(*args, **kw):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(session, "run", broken)
    ran = rlcheck("run", "subjects.py:double", "--as", "double")
    assert ran.code == 3
    assert "ZeroDivisionError: oops" in ran.err
    assert "nothing here says anything about your code" in ran.err
    assert "rlcheck run subjects.py:double --as double" in ran.err


BAD = {
    "nothing": ((), "nothing to check: give a TARGET"),
    "no module": (("no_such_module:f",), "there is no module 'no_such_module'"),
    "no file": (("subject.py:double",), "did you mean 'subjects.py'?"),
    "no attribute": (("subjects.py:doubel", "--as", "double"), "did you mean 'double'?"),
    "contract": (
        ("subjects.py:double", "--as", "dubble"),
        "there is no contract 'dubble' for subjects.py:double; did you mean 'double'?",
    ),
    "no function": (
        ("subjects.py:NUMBER", "--as", "double"),
        "the contract 'double' needs a function, it got int",
    ),
    "glob": (
        ("subjects.py:double", "--as", "double", "--select", "double/is-twise"),
        "did you mean 'double/is-twice'",
    ),
    "both": (("subjects.py:double", "--script", "python x.py"), "either a TARGET or --script"),
    "bind": (
        ("subjects.py:double", "--bind", "rewards"),
        "--bind should be given as name=value, it is 'rewards'",
    ),
    "bind twice": (
        ("subjects.py:double", "--bind", "a=x,b=x"),
        "--bind gives 'x' to both 'a' and 'b'",
    ),
    "set": (
        ("subjects.py:double", "--set", "lr=1", "--set", "lr=2"),
        "--set gives 'lr' twice; give it once",
    ),
    "jobs": (("subjects.py:double", "--jobs", "0"), "--jobs should be a whole number of at least"),
    "alpha": (("subjects.py:double", "--alpha", "2"), "--alpha should be a number between 0 and 1"),
    "timeout": (
        ("subjects.py:double", "--timeout", "-1"),
        "--timeout should be a positive number of seconds, it is -1",
    ),
    "wandb": (
        ("subjects.py:double", "--report", "wandb:"),
        "no project after the colon; give wandb:PROJECT",
    ),
    "format": (("subjects.py:double", "--report", "jsn"), "did you mean 'json'?"),
    "no path": (("subjects.py:double", "--report", "json:"), "no path after the colon"),
    "two": (
        ("subjects.py:double", "--report", "json", "--report", "junit"),
        "only one report can go to standard output",
    ),
    "unwritable": (
        ("subjects.py:double", "--report", "json:subjects.py/x.json"),
        "the json report cannot be written to subjects.py/x.json",
    ),
}


@pytest.mark.parametrize(("args", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_sentence(rlcheck, args, message):
    ran = rlcheck("run", *args)
    assert ran.code == 2
    errors = [line for line in ran.err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in ran.err


def test_a_script_is_named_after_its_file(rlcheck, monkeypatch):
    seen = []

    def run(specs, *args, **kw):
        seen.extend(specs)
        raise StoreError("enough")

    monkeypatch.setattr(session, "run", run)
    rlcheck("run", "--script", "python my/ppo.py --env {env}", "--set", "lr=0.1")
    (spec,) = seen
    assert (spec.name, spec.script) == ("ppo.py", "python my/ppo.py --env {env}")
    assert spec.constants == {"lr": 0.1}
