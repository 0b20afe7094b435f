"""`[tool.rlcheck]`: what is read, what is refused, and what overrides what."""

from __future__ import annotations

import json

import pytest

from rlcheck import config as configuration
from rlcheck.errors import UsageError


@pytest.fixture
def write(folder):
    def write(text: str) -> None:
        (folder / "pyproject.toml").write_text(text)

    return write


SUBJECT = """
[tool.rlcheck.subjects.mine]
target = "subjects.py:double"
contract = "double"
bind = { r = "rewards" }
set = { lr = 0.1 }
dialect = { unit = "two" }
gamma = 0.9
expected-failures = { "double/sure" = "not yet" }
"""


def test_everything_is_read(write, folder):
    write('[tool.rlcheck]\nbudget = "quick"\nresults-dir = "out"\nseed = 3\n' + SUBJECT)
    config = configuration.load()
    assert config.options == {"budget": "quick", "results-dir": "out", "seed": 3}
    assert config.results_dir == folder / "out"
    spec = config.subjects["mine"]
    assert (spec.name, spec.target, spec.contract) == ("mine", "subjects.py:double", "double")
    assert spec.bind == {"rewards": "r"}
    assert spec.constants == {"lr": 0.1}
    assert spec.dialect == {"unit": "two"}
    assert spec.gamma == 0.9
    assert spec.expected_failures == {"double/sure": "not yet"}


def test_no_file_and_no_table_are_no_configuration(write, folder):
    assert configuration.load() == configuration.Config()
    assert configuration.Config().results_dir == folder / ".rlcheck"
    write('[project]\nname = "x"\n')
    assert configuration.load().path is None


def test_a_folder_below_finds_the_file_and_its_subjects(write, folder, monkeypatch):
    write(SUBJECT)
    (folder / "below").mkdir()
    monkeypatch.chdir(folder / "below")
    config = configuration.load()
    assert config.subjects["mine"].target == "../subjects.py:double"
    assert config.results_dir == folder / ".rlcheck"


BAD = {
    "toml": ("[tool.rlcheck\n", "pyproject.toml is not valid TOML"),
    "unknown": (
        "[tool.rlcheck]\nbugdet = 'quick'",
        "[tool.rlcheck] has no key 'bugdet'; did you mean 'budget'?",
    ),
    "underscore": (
        "[tool.rlcheck]\nresults_dir = 'x'",
        "has no key 'results_dir'; did you mean 'results-dir'",
    ),
    "subject-typo": (
        "[tool.rlcheck]\nsubject = {}",
        "has no key 'subject'; did you mean 'subjects'",
    ),
    "type": (
        "[tool.rlcheck]\nseed = 'x'",
        "[tool.rlcheck] seed should be a whole number of at least 0, it is 'x' (a string)",
    ),
    "true is no number": ("[tool.rlcheck]\nseed = true", "it is True (true or false)"),
    "budget": (
        "[tool.rlcheck]\nbudget = 'big'",
        'budget should be one of "quick", "standard" and "thorough", it is \'big\' (a string)',
    ),
    "list": ("[tool.rlcheck]\nselect = 'gae/*'", "select should be a list of strings"),
    "table": ("[tool]\nrlcheck = 3", "[tool.rlcheck] should be a table, it is 3"),
    "subjects": ("[tool.rlcheck]\nsubjects = ['x']", "tables [tool.rlcheck.subjects.NAME]"),
    "subject": (
        "[tool.rlcheck.subjects]\nx = 'a:b'",
        "[tool.rlcheck.subjects.x] should be a table",
    ),
    "subject key": (
        "[tool.rlcheck.subjects.x]\ntarget = 'a:b'\ncontracts = 'gae'",
        "[tool.rlcheck.subjects.x] has no key 'contracts'; did you mean 'contract'?",
    ),
    "neither": ("[tool.rlcheck.subjects.x]\ngamma = 0.9", "needs exactly one of target and script"),
    "both": (
        "[tool.rlcheck.subjects.x]\ntarget = 'a:b'\nscript = 'c'",
        "needs exactly one of target and script",
    ),
    "gamma": (
        "[tool.rlcheck.subjects.x]\ntarget = 'a:b'\ngamma = 99",
        "gamma should be a number between 0 and 1, it is 99 (a whole number)",
    ),
    "bind": (
        "[tool.rlcheck.subjects.x]\ntarget = 'a:b'\nbind = { r = 'x', s = 'x' }",
        "bind gives 'x' to both 'r' and 's'",
    ),
    "reason": (
        "[tool.rlcheck.subjects.x]\ntarget = 'a:b'\nexpected-failures = ['y']",
        "expected-failures should be a table of strings",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_refused_with_the_file_and_a_suggestion(write, folder, text, message):
    write(text)
    with pytest.raises(UsageError) as caught:
        configuration.load()
    assert message in str(caught.value)
    assert str(folder / "pyproject.toml") in str(caught.value)


def test_a_typo_ends_the_run_before_it_starts(rlcheck, write):
    write("[tool.rlcheck]\nbugdet = 'quick'")
    ran = rlcheck("run", "subjects.py:double")
    assert (ran.code, ran.out) == (2, "")
    assert "did you mean 'budget'?" in ran.err


def test_run_without_targets_takes_the_configured_subjects(rlcheck, write):
    write(SUBJECT.replace('bind = { r = "rewards" }', ""))
    ran = rlcheck("run", "--report", "json")
    (subject,) = json.loads(ran.out)["subjects"]
    assert subject["name"] == "mine"
    assert subject["dialect"] == {"unit": "two"}
    assert subject["gamma"] == 0.9
    sure = next(r for r in subject["results"] if r["check"] == "double/sure")
    assert sure["status"] == "xpassed"
    assert ran.code == 1


def test_command_line_over_subject_over_table(rlcheck, write):
    write('[tool.rlcheck]\nbudget = "thorough"\nseed = 1\ngamma = 0.5\n' + SUBJECT)
    options = ("--seed", "2", "--gamma", "0.8", "--dialect", "unit=three")
    ran = rlcheck("run", "mine", *options, "--report", "json")
    read = json.loads(ran.out)
    (subject,) = read["subjects"]
    assert read["seed"] == 2
    assert subject["gamma"] == 0.8
    assert subject["dialect"] == {"unit": "three"}
    assert "skipped" not in {r["status"] for r in subject["results"]}
    assert json.loads(rlcheck("run", "mine", "--report", "json").out)["subjects"][0]["gamma"] == 0.9


def test_seed_zero_of_the_command_line_counts(rlcheck, write):
    write("[tool.rlcheck]\nseed = 1")
    ran = rlcheck("run", "subjects.py:double", "--as", "double", "--seed", "0", "--report", "json")
    assert json.loads(ran.out)["seed"] == 0


def test_misspelt_subject(rlcheck, write):
    write(SUBJECT)
    ran = rlcheck("run", "mien")
    assert ran.code == 2
    assert ran.err == "Error: there is no subject 'mien'; did you mean 'mine'?\n"


def test_stale_expected_failure_is_refused(rlcheck, write):
    write(SUBJECT.replace("double/sure", "double/shure"))
    ran = rlcheck("run")
    assert ran.code == 2
    assert "did you mean 'double/sure'" in ran.err
