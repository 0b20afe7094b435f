"""`rlcheck init`: files to own, none overwritten."""

from __future__ import annotations

import dataclasses
import tomllib
from types import SimpleNamespace

import pytest
import tiny

TEST = '''\
"""Is our reinforcement-learning code right? `rlcheck explain NAME` tells what a check is."""

import rlcheck
from subjects import double, triple


@rlcheck.parametrize("double", double)
def test_double(check):
    check()


@rlcheck.parametrize("double", triple)
def test_triple(check):
    check()
'''


@pytest.fixture(autouse=True)
def _recognised(monkeypatch):
    """The tiny contract knows its subjects by their names, as others do by parameter names."""

    def names(raw):
        return getattr(raw, "__name__", "") in ("double", "triple")

    contract = dataclasses.replace(tiny.DOUBLE, recognises=names)
    entry = SimpleNamespace(name="double", value="", load=lambda: contract)
    monkeypatch.setattr(tiny, "entries", lambda: {"double": entry})


def test_a_file_is_searched_for_subjects(rlcheck, folder):
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n')
    ran = rlcheck("init", "subjects.py")
    assert ran.code == 0
    assert (folder / "tests/test_rl.py").read_text() == TEST
    subjects = tomllib.loads((folder / "pyproject.toml").read_text())["tool"]["rlcheck"]["subjects"]
    assert subjects == {
        "double": {"target": "subjects.py:double", "contract": "double"},
        "triple": {"target": "subjects.py:triple", "contract": "double"},
    }
    assert "Wrote tests/test_rl.py" in ran.out
    assert rlcheck("run", "-q").code == 1


def test_a_module_and_one_function(rlcheck, folder):
    rlcheck("init", "subjects:double")
    assert "from subjects import double\n" in (folder / "tests/test_rl.py").read_text()


def test_a_function_can_be_claimed(rlcheck, folder):
    assert rlcheck("init", "subjects:negative").code == 2
    assert rlcheck("init", "subjects:negative", "--as", "double").code == 0
    assert '"double", negative' in (folder / "tests/test_rl.py").read_text()


def test_nothing_is_overwritten(rlcheck, folder):
    (folder / "tests").mkdir()
    (folder / "tests/test_rl.py").write_text("mine")
    (folder / "pyproject.toml").write_text("[tool.rlcheck]\nseed = 1\n")
    ran = rlcheck("init", "subjects")
    assert (folder / "tests/test_rl.py").read_text() == "mine"
    assert (folder / "pyproject.toml").read_text() == "[tool.rlcheck]\nseed = 1\n"
    assert "tests/test_rl.py exists and is left as it is" in ran.out
    assert "pyproject.toml has [tool.rlcheck] and is left as it is; lines to add" in ran.out
    assert "[tool.rlcheck.subjects.double]" in ran.out


def test_without_a_target_there_is_a_template(rlcheck, folder):
    ran = rlcheck("init")
    assert ran.code == 0
    assert "pyproject.toml does not exist here; lines to add" in ran.out
    compile((folder / "tests/test_rl.py").read_text(), "test_rl.py", "exec")


def test_nothing_found(rlcheck, folder):
    (folder / "empty.py").write_text("x = 1\n")
    ran = rlcheck("init", "empty.py")
    assert ran.code == 2
    assert "nothing in empty.py looks like a subject" in ran.err
    assert not (folder / "tests").exists()


def test_misspelt_module_and_contract(rlcheck):
    assert "did you mean 'subjects'" in rlcheck("init", "subject").err
    assert "did you mean 'double'?" in rlcheck("init", "subjects", "--as", "duoble").err
