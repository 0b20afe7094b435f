"""Measures rlcheck on functions that share no code with its fault catalogue: detected, named, accused.

    python benchmarks/naming.py --only 'gae/*' --seconds 570 --out benchmarks/results/

Every answer is written at once as a line of `naming.jsonl` in the output folder; started again, the
command does only what is missing or has changed. `naming.md` holds the tables.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import TimeoutError as RunTimeout
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pebble import ProcessPool

# The command is run as a file: the checkout, not its `benchmarks` folder, has to be importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import naming_summary
from benchmarks.independent.catalogue import subjects
from benchmarks.independent.records import Subject


def key(subject: Subject) -> str:
    """Identity of a subject."""
    return f"{subject.contract}/{subject.name}"


def ask(name: str, seed: int, examples: int) -> dict[str, Any]:
    """What rlcheck says about the subject of that name."""
    import torch

    import rlcheck
    from rlcheck.errors import UsageError

    torch.set_num_threads(1)
    subject = next(s for s in subjects() if key(s) == name)
    try:
        report = rlcheck.check(
            subject.function,
            subject.contract,
            bind=subject.bind,
            dialect=subject.dialect,
            constants=subject.constants,
            seed=seed,
            max_examples=examples,
        )
    except UsageError as error:
        return {"verdict": "refused", "said": str(error), "named": []}
    bad = [r for r in report.results if str(r.status) not in ("passed", "skipped")]
    return {
        "verdict": str(report.verdict),
        "named": [d.fault for d in report.diagnosis[:3]],
        "said": "\n".join(f"{r.check} {r.status}: {r.message}" for r in bad[:4])[:2000],
        "notes": list(report.notes),
        "dialect": {k: str(v) for k, v in report.dialect.items()},
    }


def stored(path: Path) -> dict[str, dict[str, Any]]:
    """Answers of earlier runs, the latest of each."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["key"]: line for line in map(json.loads, lines)}


def measure(todo: Sequence[Subject], path: Path, chosen: argparse.Namespace) -> None:
    """Ask about each of them until the seconds are over; one that hangs or crashes says so."""
    deadline = time.monotonic() + chosen.seconds
    setting = {"seed": chosen.seed, "examples": chosen.examples}
    waiting = list(reversed(todo))
    # Workers start from a clean interpreter: forking after torch has started threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=chosen.jobs, context=context) as pool, path.open("a") as file:
        while waiting and time.monotonic() < deadline:
            now = [waiting.pop() for _ in range(min(chosen.jobs, len(waiting)))]
            start = time.monotonic()
            futures = [
                pool.schedule(ask, args=[key(s), *setting.values()], timeout=chosen.timeout)
                for s in now
            ]
            for subject, future in zip(now, futures, strict=True):
                try:
                    answer = future.result()
                except RunTimeout:
                    answer = {"verdict": "hung", "named": [], "said": f"over {chosen.timeout} s"}
                except Exception as error:
                    said = f"{type(error).__name__}: {error}"
                    answer = {"verdict": "crashed", "named": [], "said": said}
                answer |= {"key": key(subject), "digest": subject.digest, **setting}
                answer["seconds"] = round(time.monotonic() - start, 1)
                file.write(json.dumps(answer) + "\n")
                file.flush()
                print(naming_summary.line(subject, answer), flush=True)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", metavar="GLOB", help="subjects, contract/name")
    parser.add_argument("--files", default="*", metavar="GLOB", help="files of subjects")
    parser.add_argument("--again", action="store_true", help="ask again where the answer was wrong")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="seed of every check (default 0)")
    parser.add_argument("--examples", type=int, default=100, help="inputs a property (default 100)")
    parser.add_argument("--timeout", type=float, default=240.0, help="seconds a subject")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start none after them")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    return parser.parse_args()


def main() -> None:
    chosen = options()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / "naming.jsonl"
    known = stored(path)
    everything = [s for s in subjects() if fnmatchcase(s.file, chosen.files)]
    todo = []
    for subject in everything:
        answer = known.get(key(subject), {})
        now = {"digest": subject.digest, "seed": chosen.seed, "examples": chosen.examples}
        old = now.items() <= answer.items()
        if fnmatchcase(key(subject), chosen.only) and not (
            old and not (chosen.again and naming_summary.wrong(subject, answer))
        ):
            todo.append(subject)
    measure(todo, path, chosen)
    known = stored(path)
    answered = [(s, known[key(s)]) for s in everything if key(s) in known]
    text = naming_summary.markdown(answered, len(everything))
    (chosen.out / "naming.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
