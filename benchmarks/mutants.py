"""How many mechanical mutants of the reference functions their contracts notice.

    python benchmarks/mutants.py --jobs 2 --out benchmarks/results/

Every answer is written at once as a line of `mutants.jsonl`; started again, the command does only what is
missing. Survivors are listed, to be examined: equivalent, or a gap.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import TimeoutError as RunTimeout
from fnmatch import fnmatchcase
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

# The command is run as a file: the checkout, not its `benchmarks` folder, has to be importable.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.mutation import TARGETS, Mutant, Target, build, mutants, original


def verdict_of(target: Target, mutant: Mutant | None) -> str:
    """What the contract says about a mutant, or about the function as it is."""
    import torch

    import rlcheck
    from rlcheck.errors import UsageError

    torch.set_num_threads(1)
    function = original(target) if mutant is None else build(mutant)
    try:
        return str(rlcheck.check(function, target.contract).verdict)
    except UsageError as error:
        return f"refused: {error}"


def key(target: Target, mutant: Mutant | None) -> str:
    """Identity in the store."""
    what = "as it is" if mutant is None else f"{mutant.number} {mutant.what}"
    return f"{target.contract} {target.function} {what}"


def stored(path: Path) -> dict[str, str]:
    """Answers of earlier runs."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["key"]: line["verdict"] for line in map(json.loads, lines)}


def measure(targets: Sequence[Target], path: Path, jobs: int, timeout: float) -> dict[str, str]:
    """Run what is missing; a mutant that hangs or kills its process counts as noticed."""
    wanted = [(t, m) for t in targets for m in (None, *mutants(t))]
    known = stored(path)
    todo = [pair for pair in wanted if key(*pair) not in known]
    # Workers start from a clean interpreter: forking after torch has started threads may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=jobs, context=context) as pool, path.open("a") as file:
        futures = [pool.schedule(verdict_of, args=list(pair), timeout=timeout) for pair in todo]
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
            print(f"{known[key(*pair)]:<12} {key(*pair)}", flush=True)
    return {key(*pair): known[key(*pair)] for pair in wanted}


def summary(answers: dict[str, str]) -> str:
    """A table by contract, then every survivor and every original that does not pass."""
    mutated = {k: v for k, v in answers.items() if not k.endswith(" as it is")}
    survivors = [k for k, v in mutated.items() if v in ("passed", "inconclusive", "empty")]
    refused = [f"{k}: {v}" for k, v in answers.items() if k.endswith(" as it is") and v != "passed"]
    lines = ["| contract | mutants | noticed |", "|---|---|---|"]
    for contract in dict.fromkeys(k.split()[0] for k in mutated):
        own = [k for k in mutated if k.split()[0] == contract]
        lines.append(f"| {contract} | {len(own)} | {sum(k not in survivors for k in own)} |")
    share = 1 - len(survivors) / max(len(mutated), 1)
    lines += ["", f"{len(mutated) - len(survivors)} of {len(mutated)} noticed ({share:.1%})", ""]
    lines += ["Survivors:", *(f"- {name}" for name in survivors)]
    lines += ["", "Originals that do not pass:", *(f"- {name}" for name in refused or ["none"])]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--only", default="*", metavar="GLOB", help="contracts by name")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds a mutant")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    options.out.mkdir(parents=True, exist_ok=True)
    targets = [target for target in TARGETS if fnmatchcase(target.contract, options.only)]
    answers = measure(targets, options.out / "mutants.jsonl", options.jobs, options.timeout)
    text = summary(answers)
    (options.out / "mutants.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
