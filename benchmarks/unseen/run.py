"""Runs rlcheck once on every agent of this folder, each in a process of its own.

    python -m benchmarks.unseen.run --out unseen.jsonl            # all that the file does not hold yet
    python -m benchmarks.unseen.run --out unseen.jsonl --only "ppo-*"
    python -m benchmarks.unseen.run --out unseen.jsonl --table    # what the file says

A faulty agent is the file of a correct one with the edits of its record, so the two differ by exactly
the fault. The answers are appended one line an agent; an interrupted run goes on where it stopped.
"""

import argparse
import fnmatch
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.detection_matrix import stored
from benchmarks.naming_summary import share
from benchmarks.unseen.record import Record
from benchmarks.unseen.records import RECORDS

FOLDER = Path(__file__).parent / "subjects"
ROOT = Path(__file__).parents[2]


def written(record: Record, folder: Path) -> Path:
    """Writes the agent's file with its edits, each of which must match exactly once."""
    source = (FOLDER / record.file).read_text()
    for old, new in record.edits:
        if source.count(old) != 1:
            raise ValueError(
                f"{record.name}: the edit {old!r} matches {source.count(old)} times in "
                f"{record.file}; make it match once"
            )
        source = source.replace(old, new)
    path = folder / record.file
    path.write_text(source)
    return path


def command(record: Record, path: Path, report: Path, options: argparse.Namespace) -> list[str]:
    run = [sys.executable, "-c", "import rlcheck.cli; rlcheck.cli.main()", "run", "--no-color"]
    run += ["--budget", options.budget, "-j", "1", "--seed", str(options.seed)]
    run += ["--report", f"json:{report}"]
    run += [word for glob in options.ignore for word in ("--ignore", glob)]
    if record.attribute is None:
        line = f"{sys.executable} {path} --env-id {{env}} --total-timesteps {{steps}}"
        return [*run, "--script", f"{line} --seed {{seed}} --gamma {{gamma}}"]
    return [*run, f"{path}:{record.attribute}"]


def ask(record: Record, options: argparse.Namespace) -> dict:
    """What rlcheck says about one agent: verdict, the faults that it names, the checks that failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(record, Path(folder))
        report = Path(folder) / "report.json"
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        start = time.time()
        done = subprocess.run(
            command(record, path, report, options),
            cwd=folder, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.time() - start
        answer = {"name": record.name, "truth": record.truth, "seconds": round(seconds, 1)}
        answer |= {"seed": options.seed, "budget": options.budget, "exit": done.returncode}
        if not report.exists():
            return answer | {"verdict": "crash", "output": (done.stdout + done.stderr)[-2000:]}
        subject = json.loads(report.read_text())["subjects"][0]
        answer["output"] = done.stdout[-12000:]
    shown = [r for r in subject["results"] if r["status"] in ("failed", "error", "inconclusive")]
    return answer | {
        "verdict": subject["verdict"],
        "named": [[d["fault"], d["probability"]] for d in subject["diagnosis"]],
        "results": [[r["check"], r["status"], r["message"]] for r in shown],
        "passed": [r["check"] for r in subject["results"] if r["status"] == "passed"],
    }


def judged(answer: dict) -> str:
    """One word: what the answer is worth, given the truth."""
    detected = answer["verdict"] == "failed"
    if answer["verdict"] in ("crash", "error"):
        return answer["verdict"]
    if not answer["truth"]:
        return "ACCUSED" if detected else answer["verdict"]
    if not detected:
        return "MISSED" if answer["verdict"] == "passed" else answer["verdict"]
    named = answer["named"][0][0] if answer["named"] else "nothing"
    return "named" if named in answer["truth"] else "MISNAMED"


def table(answers: list[dict]) -> str:
    lines = []
    for a in answers:
        truth = ", ".join(a["truth"]) or "correct"
        named = a["named"][0][0] if a.get("named") else "-"
        first = [f"{c}: {m}" for c, s, m in a.get("results", []) if s != "inconclusive"]
        first += [f"{c}: {m}" for c, s, m in a.get("results", []) if s == "inconclusive"]
        message = (first or [a["output"][-200:] if a["verdict"] == "crash" else ""])[0]
        message = " ".join(message.split())[:160]
        row = f"| {a['name']} | {truth} | {a['verdict']} | {named} | {judged(a)} | "
        lines.append(row + f"{a['seconds']:.0f} | {message} |")
    head = "| agent | truth | verdict | named first | judged | s | message |\n"
    head += "|---|---|---|---|---|---|---|\n"
    return head + "\n".join(lines)


def summary(answers: list[dict]) -> str:
    """The figures, with exact 95 % intervals."""
    words = {
        bool(truth): [judged(a) for a in answers if bool(a["truth"]) == truth] for truth in (0, 1)
    }
    right, wrong = words[False], words[True]
    caught = sum(word in ("named", "MISNAMED") for word in wrong)
    lines = [
        f"correct agents accused: {share(right.count('ACCUSED'), len(right))}",
        f"correct agents passed: {share(right.count('passed'), len(right))}",
        f"faulty agents failed: {share(caught, len(wrong))}",
        f"faulty agents named first: {share(wrong.count('named'), len(wrong))}",
        f"faulty agents inconclusive: {share(wrong.count('inconclusive'), len(wrong))}",
        f"faulty agents passed: {share(wrong.count('MISSED'), len(wrong))}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", default=["*"], help="globs of names, in their order")
    parser.add_argument("--budget", default="quick")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ignore", nargs="+", default=[], help="checks to leave out")
    parser.add_argument("--minutes", type=float, default=1e9, help="start none after so many")
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    answers = stored(options.out)
    if options.table:
        print(summary(answers), table(answers), sep="\n\n")
        return
    start, known = time.time(), {a["name"] for a in answers}
    chosen = {r.name: r for glob in options.only for r in RECORDS if fnmatch.fnmatch(r.name, glob)}
    for record in chosen.values():
        if record.name in known:
            continue
        if time.time() - start > 60 * options.minutes:
            break
        answer = ask(record, options)
        with options.out.open("a") as file:
            file.write(json.dumps(answer) + "\n")
        print(f"{record.name}: {judged(answer)}  {answer['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
