"""How many mechanical mutants of the reference functions their contracts notice.

    python benchmarks/mutants.py --jobs 2 --out benchmarks/results/
    python benchmarks/mutants.py --target gae=my_pkg.returns:compute_gae+helper

Every answer is written at once as a line of `mutants.jsonl`; started again, the command does only what
is missing, and `--again survivors` tries once more what was not noticed. A mutant is checked as a
project would check the function: with the conventions of the unchanged function pinned. Survivors are
listed, with the reason where they are accepted as equivalent (`benchmarks/equivalent_mutants/*.toml`).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as RunTimeout
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from pebble import ProcessExpired, ProcessPool

# The command is run as a file: the checkout, not its `benchmarks` folder, has to be importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.mutation import TARGETS, Mutant, Target, build, mutants, original, reason

SURVIVED = ("passed", "inconclusive", "empty")
FORMS = ("flags", "precision")
"""What a project has no need to pin."""

Pair = tuple[Target, Mutant | None]


@cache
def pinned(target: Target) -> Mapping[str, Any]:
    """The conventions and the layout of the unchanged function."""
    import rlcheck

    shown = rlcheck.check(original(target), target.contract, max_examples=1).dialect
    return {name: value for name, value in shown.items() if name not in FORMS}


def verdict_of(target: Target, mutant: Mutant | None, seconds: float) -> str:
    """What the contract says about a mutant, or about the function as it is."""
    # Seconds of its own work: on a busy machine a mutant that is merely slow must not count as noticed.
    signal.signal(signal.SIGVTALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 5.0)
    try:
        return _verdict(target, mutant)
    except OutOfTime:
        return "hung"
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)


class OutOfTime(BaseException):
    """A mutant does not come to an end. No `Exception`, so that no handler takes it for an answer."""


def _out_of_time(number: int, frame: Any) -> None:
    # A call that is cut short is an answer to whoever looks at it; its next call hangs as well.
    signal.signal(signal.SIGVTALRM, lambda *_: os._exit(1))
    raise OutOfTime


def _verdict(target: Target, mutant: Mutant | None) -> str:
    import torch

    from rlcheck.engine import session
    from rlcheck.errors import UsageError
    from rlcheck.records import Settings
    from rlcheck.subjects import SubjectSpec

    torch.set_num_threads(1)
    function = original(target) if mutant is None else build(mutant)
    dialect = pinned(target)
    spec = SubjectSpec("mutant", contract=target.contract, dialect=dialect, raw=function)
    try:
        report = session.run([spec], Settings(), jobs=1, exit_first=True, isolate=False)
    except UsageError as error:
        return f"refused: {error}"
    return str(report.subjects[0].verdict)


def key(target: Target, mutant: Mutant | None) -> str:
    """Identity in the store."""
    what = "as it is" if mutant is None else mutant.what
    return f"{target.contract} {target.function} {what}"


def stored(path: Path) -> dict[str, str]:
    """Answers of earlier runs, the latest of each."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["key"]: line["verdict"] for line in map(json.loads, lines)}


def measure(
    targets: Sequence[Target], path: Path, jobs: int, timeout: float, again: bool
) -> dict[str, str]:
    """Run what is missing; a mutant that hangs or kills its process counts as noticed."""
    wanted: list[Pair] = [(t, m) for t in targets for m in (None, *mutants(t))]
    known = stored(path)
    todo = [pair for pair in wanted if _open(pair, known.get(key(*pair)), again)]
    # Workers start from a clean interpreter: forking after torch has started threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=jobs, context=context) as pool, path.open("a") as file:
        # The outer limit is for calls that never return to Python.
        futures = [
            pool.schedule(verdict_of, args=[*pair, timeout], timeout=60 * timeout) for pair in todo
        ]
        for pair, future in zip(todo, futures, strict=True):
            try:
                known[key(*pair)] = future.result()
            except RunTimeout:
                known[key(*pair)] = "hung"
            except ProcessExpired as error:
                known[key(*pair)] = f"died with exit code {error.exitcode}"
            except Exception as error:
                known[key(*pair)] = f"raised {type(error).__name__}: {error}"
            file.write(json.dumps({"key": key(*pair), "verdict": known[key(*pair)]}) + "\n")
            file.flush()
            print(f"{known[key(*pair)]:<12.60} {key(*pair)}", flush=True)
    return {key(*pair): known[key(*pair)] for pair in wanted}


def _open(pair: Pair, verdict: str | None, again: bool) -> bool:
    """Whether a mutant is still to be run."""
    if verdict is None:
        return True
    accepted = pair[1] is None or reason(pair[1])
    return again and verdict in SURVIVED and not accepted


def summary(targets: Sequence[Target], answers: Mapping[str, str]) -> str:
    """A table by contract, then every survivor and every original that does not pass."""
    every = [mutant for target in targets for mutant in mutants(target)]
    survivors = [m for m in every if answers[key(m.target, m)] in SURVIVED]
    reasons = {mutant: reason(mutant) for mutant in survivors}
    lines = ["| contract | mutants | noticed | equivalent |", "|---|---|---|---|"]
    for contract in dict.fromkeys(target.contract for target in targets):
        own = [m for m in every if m.target.contract == contract]
        equal = sum(bool(reasons.get(m)) for m in own)
        lines.append(
            f"| {contract} | {len(own)} | {sum(m not in reasons for m in own)} | {equal} |"
        )
    noticed = len(every) - len(survivors)
    real = len(every) - sum(map(bool, reasons.values()))
    share = noticed / max(real, 1)
    lines += ["", f"{noticed} of {real} that are not equivalent noticed ({share:.1%}); "]
    lines[-1] += f"{len(every) - real} accepted as equivalent"
    lines += ["", "Not noticed:", *(f"- {key(m.target, m)}" for m in survivors if not reasons[m])]
    lines += ["", "Accepted as equivalent:"]
    lines += [f"- {key(m.target, m)}: {reasons[m]}" for m in survivors if reasons[m]]
    refused = [f"{k}: {v}" for k, v in answers.items() if k.endswith(" as it is") and v != "passed"]
    lines += ["", "Originals that do not pass:", *(f"- {name}" for name in refused or ["none"])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--only", default="*", metavar="GLOB", help="contracts by name")
    parser.add_argument(
        "--target",
        action="append",
        type=Target.parse,
        metavar="CONTRACT=MODULE:FUNCTION[+HELPER...]",
        help="functions to change, instead of the reference functions",
    )
    parser.add_argument("--again", choices=["survivors"], help="run these once more")
    parser.add_argument("--timeout", type=float, default=20.0, help="CPU seconds a mutant")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = options.target or TARGETS
    targets = [target for target in chosen if fnmatchcase(target.contract, options.only)]
    again = options.again == "survivors"
    answers = measure(targets, options.out / "mutants.jsonl", options.jobs, options.timeout, again)
    text = summary(targets, answers)
    (options.out / "mutants.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
