"""Scripts run as they are: quietly, to their end, and leaving no process behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from two_rooms import TwoRooms

from rlcheck.adapters.agents import bind_agent
from rlcheck.adapters.protocol import Task
from rlcheck.contracts import Options
from rlcheck.errors import BindingError, SubjectError
from rlcheck.subjects import ScriptCommand

FULL = "{env} {steps} {seed} {gamma}"
TASK = Task("CartPole-v1", TwoRooms, {"RLCHECK_TASK": '{"gamma": 0.9}'})


def subject(template: str, **options: Any) -> Any:
    return bind_agent(None, Options(**options), script=template)


def write(folder: Path, text: str) -> str:
    path = folder / "a script.py"
    path.write_text(text)
    return f"'{sys.executable}' '{path}'"


def test_the_script_gets_its_values_its_variables_and_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    program = write(
        tmp_path,
        "import json, os, sys\n"
        "names = ('RLCHECK_TASK', 'OMP_NUM_THREADS')\n"
        "seen = [sys.argv[1:], os.getcwd(), [os.environ[n] for n in names]]\n"
        "open('seen.json', 'w').write(json.dumps(seen))\n",
    )
    bound = bind_agent(ScriptCommand(f"{program} {FULL}"), Options())
    assert (bound.framework, bound.isolated, bound.accepts_gamma) == ("script", True, True)
    handle = bound.make(TASK, seed=3, gamma=0.9)
    assert handle.predict is None
    monkeypatch.chdir("/")
    handle.learn(500)
    arguments, folder, variables = json.loads((tmp_path / "seen.json").read_text())
    assert arguments == ["CartPole-v1", "500", "3", "0.9"]
    assert folder == str(tmp_path)
    assert variables == ['{"gamma": 0.9}', "1"]


def test_seed_and_gamma_are_optional_and_said() -> None:
    bound = subject("python x.py {env} {steps}", gamma=0.95)
    assert (bound.accepts_gamma, bound.accepts_seed, bound.gamma) == (False, False, 0.95)
    assert ["{seed}" in bound.notes[0], "{gamma}" in bound.notes[1]] == [True, True]
    with pytest.raises(BindingError, match=r"takes no gamma, it was given 0\.9"):
        bound.make(TASK, seed=0, gamma=0.9)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("python x.py {steps}", r"should contain \{env\}, .*for example: python train.py"),
        ("python x.py {env}", r"should contain \{steps\}"),
        ("python x.py {env} {steps} {sed}", r"unknown placeholder \{sed\}; did you mean 'seed'"),
        ("python x.py {env} {steps} {", r"unbalanced braces.*write \{\{ and \}\}"),
        ("python 'x.py {env} {steps}", r"unbalanced quotes"),
        ("pyton x.py {env} {steps}", r"starts with 'pyton', which is no program on the PATH"),
    ],
)
def test_wrong_commands_cost_one_sentence(template: str, message: str) -> None:
    with pytest.raises(BindingError, match=message):
        subject(template)


def test_a_failing_script_shows_its_last_error_lines(tmp_path: Path) -> None:
    program = write(tmp_path, "print('fine so far')\nraise ValueError('no such thing')\n")
    with pytest.raises(SubjectError) as raised:
        subject(f"{program} {FULL}").make(TASK, seed=0).learn(10)
    assert "ended with exit code 1 after" in str(raised.value)
    assert str(raised.value).endswith("ValueError: no such thing")
    assert "fine so far" not in str(raised.value)


def test_a_script_without_rlcheck_is_told_to_install_it(tmp_path: Path) -> None:
    program = write(tmp_path, "raise ImportError(\"No module named 'ladders'\")\n")
    with pytest.raises(SubjectError, match=r"rlcheck is to be installed for .*python"):
        subject(f"{program} {FULL}").make(TASK, seed=0).learn(10)


def test_a_signal_is_named(tmp_path: Path) -> None:
    program = write(tmp_path, "import os; os.kill(os.getpid(), 9)\n")
    with pytest.raises(SubjectError, match="ended with signal 9"):
        subject(f"{program} {FULL}").make(TASK, seed=0).learn(10)


def test_a_flood_of_output_is_bounded(tmp_path: Path) -> None:
    program = write(
        tmp_path,
        "import sys\nfor _ in range(300): print('x' * 99999, file=sys.stderr)\nsys.exit(2)\n",
    )
    with pytest.raises(SubjectError) as raised:
        subject(f"{program} {FULL}").make(TASK, seed=0).learn(10)
    assert len(str(raised.value)) < 20_000


SPAWNING = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"],
                         start_new_session={own_session})
open("pids", "w").write(f"{{os.getpid()}} {{child.pid}}")
os.rename("pids", "pids.txt")
{then}
"""


def wait_for(condition: Any, what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize("own_session", [False, True])
def test_nothing_survives_the_death_of_the_worker(tmp_path: Path, own_session: bool) -> None:
    write(tmp_path, SPAWNING.format(own_session=own_session, then="time.sleep(60)"))
    worker = (
        "from rlcheck.adapters.script import run_command; import sys;"
        "run_command([sys.executable, 'a script.py'], '.', {})"
    )
    process = subprocess.Popen([sys.executable, "-c", worker], cwd=tmp_path)
    wait_for((tmp_path / "pids.txt").exists, "the script")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    pids = [int(pid) for pid in (tmp_path / "pids.txt").read_text().split()]
    wait_for(lambda: all(gone(pid) for pid in pids), "the end of the script's processes")


@pytest.mark.parametrize("own_session", [False, True])
def test_children_left_behind_by_a_script_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_session: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    program = write(tmp_path, SPAWNING.format(own_session=own_session, then=""))
    started = time.monotonic()
    subject(f"{program} {FULL}").make(TASK, seed=0).learn(10)
    assert time.monotonic() - started < 20
    pids = [int(pid) for pid in (tmp_path / "pids.txt").read_text().split()]
    wait_for(lambda: all(gone(pid) for pid in pids), "the end of the child")
