"""The results folder: everything that finished is on disk at once.

.rlcheck/runs/0012/run.json        subjects, settings, and whether the run is over
.rlcheck/runs/0012/events.jsonl    one line for every finished trial and every result
.rlcheck/failures/7f3a91.json      what `rlcheck replay 7f3a91` needs, on any other day
.rlcheck/latest                    number of the last run
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import rlcheck
from rlcheck.engine import codec
from rlcheck.engine.files import read_json, read_lines, write_json, writing
from rlcheck.engine.journal import Question
from rlcheck.errors import StoreError, UsageError
from rlcheck.records import Evidence, Report, Result, Settings, Trial
from rlcheck.subjects import SubjectSpec
from rlcheck.suggest import did_you_mean
from rlcheck.verdicts import REPLAYABLE

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class StoredFailure:
    """A check that did not pass, with what it takes to ask it again."""

    result: Result
    spec: SubjectSpec
    contract: str
    settings: Settings
    trials: tuple[dict[str, Any], ...]
    run_id: str


class Store:
    """The results folder `root`; nothing is created before the first run."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._runs = self.root / "runs"
        self._failures = self.root / "failures"

    def new_run(self, specs: Sequence[SubjectSpec], settings: Settings) -> RunJournal:
        """Start a run with the next number.

        Raises:
            StoreError: the folder cannot be written.
        """
        with writing(self.root):
            self._runs.mkdir(parents=True, exist_ok=True)
            self._failures.mkdir(exist_ok=True)
            (self.root / ".gitignore").write_text("*\n")
            folder = self._next_folder()
        return RunJournal(self.root, folder, specs, settings)

    def resume_run(self, specs: Sequence[SubjectSpec], settings: Settings) -> RunJournal:
        """Go on with the last run that did not finish.

        Raises:
            UsageError: every run finished.
            StoreError: its files are damaged, or another process is still at it.
        """
        for folder in reversed(self._folders()):
            state = read_json(folder / "run.json", "the stored run")
            if state.get("state") == "finished":
                continue
            if _is_alive(state):
                raise StoreError(
                    f"run {folder.name} is still going on in process {state['process']}; "
                    "wait for it, or stop it first"
                )
            return RunJournal(self.root, folder, specs, settings)
        raise UsageError(
            f"there is no interrupted run in {self.root} to resume; run without --resume"
        )

    def failure(self, prefix: str = "") -> StoredFailure:
        """The stored failure whose id starts with `prefix`; "" takes the last one.

        Raises:
            UsageError: there is none, or there are several.
            StoreError: its file is damaged.
        """
        paths = sorted(self._failures.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
        if not paths:
            raise UsageError(f"there is no stored failure in {self.root} to replay")
        ids = [path.stem for path in paths]
        matching = [path for path in paths if path.stem.startswith(prefix)]
        if not matching:
            raise UsageError(f"there is no stored failure {prefix!r}{did_you_mean(prefix, ids)}")
        if prefix and len(matching) > 1:
            found = ", ".join(sorted(path.stem for path in matching))
            raise UsageError(f"{prefix!r} is the beginning of several failures: {found}")
        return _read_failure(matching[-1])

    def _folders(self) -> list[Path]:
        found = [path for path in self._runs.glob("*") if path.name.isdecimal() and path.is_dir()]
        return sorted(found, key=lambda path: int(path.name))

    def _next_folder(self) -> Path:
        folders = self._folders()
        number = int(folders[-1].name) + 1 if folders else 1
        while True:
            folder = self._runs / f"{number:04d}"
            try:
                folder.mkdir()
                return folder
            except FileExistsError:
                number += 1  # another process has just taken it


class RunJournal:
    """Writes one run, and knows what an earlier part of the same run finished."""

    def __init__(
        self, root: Path, folder: Path, specs: Sequence[SubjectSpec], settings: Settings
    ) -> None:
        self.run_id = folder.name
        self._root, self._folder = root, folder
        self._trials: dict[tuple[str, str], dict[str, Any]] = {}
        self._results: dict[str, dict[str, Any]] = {}
        self._asked: dict[str, list[dict[str, Any]]] = {}
        self.notes = self._read()
        self._fresh = not (self._trials or self._results)
        self._state = {
            "schema": SCHEMA,
            "version": rlcheck.__version__,
            "run_id": self.run_id,
            "process": os.getpid(),
            "process_started": psutil.Process().create_time(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "subjects": [codec.spec_to_json(spec) for spec in specs],
            "settings": codec.settings_to_json(settings),
        }
        with writing(root):
            self._events = (folder / "events.jsonl").open("ab")
            if self._events.tell() and not _ends_with_newline(folder / "events.jsonl"):
                self._events.write(b"\n")  # what was cut off stays a line of its own
            self._write_state("running")
            (root / "latest").write_text(f"{self.run_id}\n")

    def known_trial(self, question: Question, trial: Trial) -> tuple[Evidence, float] | None:
        """Evidence and seconds of a trial that the interrupted part of this run finished."""
        line = self._trials.get((question.key, trial.key))
        if line is None:
            return None
        self._asked.setdefault(question.key, []).append(line["trial"])
        return line["evidence"], line["duration_s"]

    def known_result(self, question: Question) -> Result | None:
        """The result of a check that the interrupted part of this run finished."""
        line = self._results.get(question.key)
        return codec.result_from_json(line["result"]) if line else None

    def record_trial(
        self, question: Question, trial: Trial, evidence: Evidence, duration_s: float
    ) -> None:
        """Put a finished trial on disk."""
        asked = codec.trial_to_json(trial)
        self._asked.setdefault(question.key, []).append(asked)
        fields = {"trial": asked, "evidence": evidence, "duration_s": duration_s}
        self._append({"event": "trial", **_names(question), "trial_key": trial.key, **fields})

    def record_result(self, question: Question, result: Result) -> None:
        """Put a result on disk, and what it takes to replay it if it did not pass."""
        stored = codec.result_to_json(result)
        self._append({"event": "result", **_names(question), "result": stored})
        if result.status not in REPLAYABLE:
            return
        failure = {
            "schema": SCHEMA,
            "version": rlcheck.__version__,
            "run_id": self.run_id,
            "result": stored,
            "subject": codec.spec_from_anywhere(question.spec),
            "contract": question.contract,
            "settings": codec.settings_to_json(question.settings),
            "trials": self._asked.get(question.key, []),
        }
        with writing(self._root):
            write_json(self._root / "failures" / f"{result.id}.json", failure)

    def finish(self, report: Report, *, interrupted: bool) -> None:
        """Say that the run is over, or that it can be resumed."""
        self._state |= {
            "verdict": str(report.verdict),
            "exit_code": report.exit_code,
            "duration_s": report.duration_s,
        }
        with writing(self._root):
            self._write_state("interrupted" if interrupted else "finished")
            self._events.close()

    def discard(self) -> None:
        """The run never began; keep what an earlier part of it finished."""
        self._events.close()
        if self._fresh:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write_state(self, state: str) -> None:
        write_json(self._folder / "run.json", self._state | {"state": state})

    def _append(self, line: dict[str, Any]) -> None:
        with writing(self._root):
            self._events.write(json.dumps(line).encode() + b"\n")
            self._events.flush()

    def _read(self) -> tuple[str, ...]:
        """Take over the lines of an interrupted run; remarks on what was found."""
        lines, damaged = read_lines(self._folder / "events.jsonl")
        for line in lines:
            match line:
                case {"event": "trial", "key": key, "trial_key": trial, "trial": _, **rest} if (
                    "evidence" in rest and "duration_s" in rest
                ):
                    self._trials[key, trial] = line
                case {"event": "result", "key": key, "result": dict()}:
                    self._results[key] = line
                case _:
                    damaged += 1
        notes = []
        if lines:
            notes.append(
                f"resumed run {self.run_id}: {_count(len(self._results), 'result')} and "
                f"{_count(len(self._trials), 'trial')} of it were finished"
            )
        if damaged:
            notes.append(
                f"{_count(damaged, 'damaged line')} of {self._folder / 'events.jsonl'} left out; "
                "what it said is done again"
            )
        return tuple(notes)


def _names(question: Question) -> dict[str, str]:
    return {"key": question.key, "subject": question.spec.name, "check": question.check}


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _is_alive(state: dict[str, Any]) -> bool:
    """Whether the process of a stored run goes on; a number alone may have been given out again."""
    try:
        return psutil.Process(state["process"]).create_time() == state["process_started"]
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _read_failure(path: Path) -> StoredFailure:
    content = read_json(path, "the stored failure")
    try:
        return StoredFailure(
            result=codec.result_from_json(content["result"]),
            spec=codec.spec_from_json(content["subject"]),
            contract=content["contract"],
            settings=codec.settings_from_json(content["settings"]),
            trials=tuple(content["trials"]),
            run_id=content["run_id"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"the stored failure {path} was written by another version of rlcheck "
            f"({content.get('version', 'unknown')}, this is {rlcheck.__version__}) or is damaged; "
            "run the check again"
        ) from error
