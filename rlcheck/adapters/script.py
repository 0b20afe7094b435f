"""Training scripts in any framework: run as they are, told by {placeholders} what to do.

Nothing is imported from the script and nothing is asked of its agent. The environment that it makes
records on its own side what is done in it, to where `Task.variables` say.
"""

from __future__ import annotations

import os
import shlex
import shutil
import string
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rlcheck.adapters.protocol import AgentHandle, AgentSubject, Task
from rlcheck.contracts import Options
from rlcheck.errors import BindingError, SubjectError
from rlcheck.suggest import did_you_mean

PLACEHOLDERS = ("env", "steps", "seed", "gamma")
REQUIRED = ("env", "steps")
KEPT_OUTPUT = 16_384
SHOWN_LINES = 15
SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
EXAMPLE = "python train.py --env-id {env} --total-timesteps {steps} --seed {seed} --gamma {gamma}"


@dataclass(slots=True)
class ScriptSubject:
    """A command template, to be run in the folder in which it was given."""

    words: tuple[str, ...]
    folder: str
    accepts_gamma: bool
    accepts_seed: bool
    gamma: float | None
    notes: tuple[str, ...]
    framework: str = "script"
    options: Mapping[str, Any] = field(default_factory=dict)
    isolated: bool = True
    accepts_n_envs: bool = False
    action_forms: tuple[str, ...] = ()

    def make(
        self,
        task: Task,
        *,
        seed: int,
        gamma: float | None = None,
        options: Mapping[str, Any] | None = None,
        n_envs: int | None = None,
    ) -> AgentHandle:
        """A handle whose `learn` runs the script from its beginning; see AgentSubject."""
        for name, value, accepted in (
            ("gamma", gamma, self.accepts_gamma),
            ("a number of environments", n_envs, False),
            ("options", options or None, False),
        ):
            if value is not None and not accepted:
                raise BindingError(f"the script takes no {name}, it was given {value}")
        # Without a wish of the ladder the script still needs some number where it has {gamma}.
        values = {"env": task.env_id, "seed": seed, "gamma": 0.99 if gamma is None else gamma}

        def learn(total_timesteps: int) -> None:
            filled = values | {"steps": total_timesteps}
            command = [word.format_map(filled) for word in self.words]
            run_command(command, self.folder, task.variables)

        return AgentHandle(learn=learn)


def script_subject(template: str, options: Options) -> AgentSubject:
    """The subject of `--script TEMPLATE`.

    Raises:
        BindingError: a placeholder is missing or unknown, or the command cannot be run.
    """
    used = _placeholders(template)
    for name in REQUIRED:
        if name not in used:
            raise BindingError(
                f"the script command should contain {{{name}}}, it is {template!r}; "
                f"for example: {EXAMPLE}"
            )
    if options.constants:
        raise BindingError("a script takes no --set; write the value into its command")
    notes = tuple(
        f"the command has no {{{name}}}: {consequence}"
        for name, consequence in (
            ("seed", "its runs cannot be repeated exactly"),
            ("gamma", "it is checked at its own discount, which --gamma states"),
        )
        if name not in used
    )
    return ScriptSubject(
        words=_words(template),
        folder=os.getcwd(),
        accepts_gamma="gamma" in used,
        accepts_seed="seed" in used,
        gamma=options.gamma,
        notes=notes,
    )


def _placeholders(template: str) -> set[str]:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise BindingError(
            f"the script command has unbalanced braces ({error}): {template!r}; "
            "write {{ and }} for braces of its own"
        ) from error
    names = {name for _, name, _, _ in parsed if name is not None}
    for name in names:
        if name not in PLACEHOLDERS:
            raise BindingError(
                f"the script command has an unknown placeholder {{{name}}}"
                f"{did_you_mean(name, PLACEHOLDERS)}"
            )
    return names


def _words(template: str) -> tuple[str, ...]:
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise BindingError(f"the script command has unbalanced quotes: {template!r}") from error
    if shutil.which(words[0]) is None:
        if words[0] not in ("python", "python3"):
            raise BindingError(
                f"the script command starts with {words[0]!r}, which is no program on the PATH"
            )
        words[0] = sys.executable
    return tuple(words)


def run_command(command: list[str], folder: str, variables: Mapping[str, str]) -> None:
    """Run a command to its end, quietly, and leave no process of it behind.

    Raises:
        SubjectError: it failed; the message ends with the last lines of its error output.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, SUPERVISOR, *command],
        cwd=folder,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | dict(variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    output, errors = bytearray(), bytearray()
    readers = [
        threading.Thread(target=partial(_keep_tail, stream, kept), daemon=True)
        for stream, kept in ((process.stdout, output), (process.stderr, errors))
    ]
    for reader in readers:
        reader.start()
    try:
        code = process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait()
    for reader in readers:
        reader.join()
    if code:
        tail = errors.decode(errors="replace") or output.decode(errors="replace")
        raise SubjectError(_failure(command, code, time.monotonic() - started, tail))


def _keep_tail(stream: Any, kept: bytearray) -> None:
    with stream:
        while chunk := stream.read1(KEPT_OUTPUT):
            kept += chunk
            del kept[:-KEPT_OUTPUT]


def _failure(command: list[str], code: int, seconds: float, tail: str) -> str:
    lines = tail.strip().splitlines()[-SHOWN_LINES:]
    hint = ""
    if any(f"No module named '{name}'" in tail for name in ("ladders", "gymnasium")):
        program = shutil.which(command[0]) or command[0]
        hint = f"; rlcheck is to be installed for {program} too, or name another Python"
    ended = f"exit code {code}" if code < 128 else f"signal {code - 128}"
    return (
        f"the script ended with {ended} after {seconds:.0f} s{hint}: {shlex.join(command)}\n"
        + "\n".join(f"    {line}" for line in lines)
    )
