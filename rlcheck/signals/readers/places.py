"""From a path to the log that stands there: which files belong to one run, and how they are joined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rlcheck.errors import BindingError
from rlcheck.signals.readers import csv_files, json_files, tensorboard_files, wandb_files
from rlcheck.signals.readers.wandb_runs import is_run_path, read_run
from rlcheck.signals.series import RawLog, Series

FORMATS = (
    "TensorBoard event files, .csv, .jsonl, progress.csv and monitor.csv of Stable-Baselines3, "
    "trainer_state.json of TRL, or a W&B run directory"
)
_EVENTS = "events.out.tfevents"
_CONFIGS = ("config.json", "args.json", "params.json", "hyperparameters.json")
_DEPTH = 6
_MOST_FILES = 5000


def read(target: str) -> RawLog:
    """The log at a path, or of a W&B run ENTITY/PROJECT/RUN.

    Raises:
        BindingError: there is nothing at that place that can be read as a log.
    """
    path = Path(target).expanduser()
    if not path.exists():
        if is_run_path(target):
            return read_run(target)
        raise BindingError(f"there is no file or folder {target}")
    if path.is_file():
        if _kind(path) is None:
            raise BindingError(f"{target} is none of the logs that can be read: {FORMATS}")
        log = _read_files([path])
    else:
        log = _read_folder(path)
    if not log.columns:
        said = f" ({'; '.join(log.notes)})" if log.notes else ""
        raise BindingError(f"{target} holds no numbers over time{said}")
    return log


def _read_folder(folder: Path) -> RawLog:
    runs = _runs(folder)
    if not runs:
        raise BindingError(f"{folder} holds no training log; looked for {FORMATS}")
    newest = max(runs, key=lambda run: max(file.stat().st_mtime for file in runs[run]))
    log = _read_files(runs[newest])
    if len(runs) == 1:
        return log
    others = sorted(str(run.relative_to(folder)) or "." for run in runs if run != newest)
    listed = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
    note = (
        f"{folder} holds {len(runs)} runs; this is the newest, {newest.relative_to(folder)}; "
        f"give the path of another to see it: {listed}"
    )
    return RawLog(log.columns, log.config, (note, *log.notes))


def _runs(folder: Path) -> dict[Path, list[Path]]:
    """Folder of each run -> its files. What lies in parts of one run belongs to that run."""
    found: dict[Path, list[Path]] = {}
    seen = 0
    for path in sorted(folder.rglob("*")):
        seen += 1
        if seen > _MOST_FILES or len(path.relative_to(folder).parts) > _DEPTH:
            continue
        # `latest-run` of W&B links to a folder that is found anyway.
        if path.is_file() and not path.is_symlink() and _kind(path) and path.stat().st_size:
            found.setdefault(_home(path), []).append(path)
    # Logs of a part of a run (evaluations, checkpoints) next to the run's own.
    for run in sorted(found, key=lambda run: len(run.parts), reverse=True):
        above = next((other for other in run.parents if other in found), None)
        if above is not None and run.name in {"eval", "logs", "checkpoints", "train", "test"}:
            found[above] += found.pop(run)
    return found


def _home(path: Path) -> Path:
    """The folder of the run that a file belongs to; TRL keeps its state in `checkpoint-N` folders."""
    parent = path.parent
    return parent.parent if parent.name.startswith("checkpoint-") else parent


def _kind(path: Path) -> Callable[[Path], RawLog] | None:
    """The reader of a file, None for a file that is no log."""
    name = path.name.lower()
    if name in _CONFIGS or name.endswith("-metadata.json") or name.endswith("summary.json"):
        return None
    if _EVENTS in name:
        return lambda path: tensorboard_files.read_events([path])
    for suffixes, reader in (
        ((".csv", ".tsv"), csv_files.read_csv),
        ((".jsonl", ".ndjson"), json_files.read_json_lines),
        (
            ("trainer_state.json", "result.json", "progress.json", "metrics.json"),
            json_files.read_json,
        ),
        ((".json",), json_files.read_json),
        ((".wandb",), wandb_files.read_wandb),
    ):
        if name.endswith(suffixes):
            return reader
    return None


def _read_files(paths: list[Path]) -> RawLog:
    """All files of one run as one log; of a series that several files hold, the longest counts."""
    events = [path for path in paths if _EVENTS in path.name]
    states = [path for path in paths if path.name == "trainer_state.json"]
    # Each later checkpoint repeats the history of the earlier ones.
    last = max(states, key=lambda path: path.stat().st_mtime, default=None)
    columns: dict[str, Series] = {}
    config: dict[str, object] = {}
    notes: list[str] = []
    logs = [tensorboard_files.read_events(events)] if events else []
    for path in paths:
        reader = _kind(path)
        if path in events or (path in states and path != last) or reader is None:
            continue
        try:
            logs.append(reader(path))
        except OSError as error:
            notes.append(f"{path.name} cannot be read: {error.strerror}")
    for log in logs:
        for name, points in log.columns.items():
            if name not in columns or len(points) > len(columns[name]):
                columns[name] = points
        config |= log.config
        notes += log.notes
    for folder in dict.fromkeys(_home(path) for path in paths):
        for name in _CONFIGS:
            if (folder / name).is_file():
                config = json_files.read_config(folder / name) | config
    return RawLog(columns, config, tuple(notes))
