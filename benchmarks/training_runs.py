"""Real trainings, healthy and provoked to fail: what the contract `training-log` says about them.

    python -m benchmarks.training_runs train --half test [--minutes 9] [--only GLOB]
    python -m benchmarks.training_runs judge --half test [--unstated] [--others] [-v]

Halves are those of `training_groups.HALVES`; `test` is the last one.
`train` runs every group of `training_halves` that the file of its half does not hold yet, and stores what
was logged, thinned to 200 records; it stops after so many minutes and goes on when called again.
`judge` prints how many pathological runs were flagged and named right first, how early a monitor would
have said so, and how many healthy runs raise an alarm, with the bound on that rate; `--unstated` hides
the settings that are wrong from the log; `--others` gives the same runs to `rldoctor` and to `polgrad`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.naming_summary import share
from benchmarks.training_groups import HALVES, Group, stated_settings
from benchmarks.training_halves import GROUPS
from rlcheck.selftests import upper_bound
from rlcheck.signals.contract import diagnose_log
from rlcheck.signals.findings import PREFIX, Alarm
from rlcheck.signals.recognising import recognise
from rlcheck.signals.selftest import row
from rlcheck.signals.series import Log, RawLog, Series
from rlcheck.signals.watching import Watching

_UNLOGGED = ("episode", "rollout", "eval")
"""Signals that are NaN where there was nothing to log, rather than broken."""


def runs_file(half: str) -> Path:
    """Where the runs of a half are stored."""
    return Path(__file__).with_name(f"training_runs_{half}.npz")


# --- training -------------------------------------------------------------------------------------


def main_train(half: str, minutes: float, only: str) -> None:
    from benchmarks.training_provoked import train

    path, began = runs_file(half), time.monotonic()
    stored = dict(np.load(path)) if path.exists() else {}
    for group in GROUPS:
        missing = f"{group.name}|step" not in stored
        if group.half != half or not missing or not fnmatchcase(group.name, only):
            continue
        if time.monotonic() - began > 60 * minutes:
            print("time is up; call again for the rest", flush=True)
            return
        start = time.process_time()
        stored |= {f"{group.name}|{name}": values for name, values in train(group).items()}
        took = time.process_time() - start
        print(f"{group.name}: {group.count} seeds in {took:.0f} s", flush=True)
        np.savez_compressed(path, **stored)
    print("complete", flush=True)


# --- judging --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Run:
    """One training: its group, its seed, what it logged."""

    group: Group
    seed: int
    log: Log


def runs(half: str, stated: bool = True) -> Iterator[Run]:
    """Every stored training of a half.

    Args:
        half: one of `HALVES`.
        stated: whether the log states the settings that make a pathology, as configurations do.
    """
    stored = np.load(runs_file(half))
    for group in GROUPS:
        if group.half == half and f"{group.name}|step" in stored.files:
            start = group.name + "|"
            own = {k.removeprefix(start): stored[k] for k in stored.files if k.startswith(start)}
            for place in range(len(own["step"])):
                yield Run(group, group.seeds.start + place, _log(group, place, own, stated))


def _log(group: Group, place: int, stored: dict[str, np.ndarray], stated: bool) -> Log:
    steps = stored["step"][place].astype(float)
    columns = {}
    for name, values in stored.items():
        own = values[place].astype(float)
        logged = steps >= 0
        if name.startswith(_UNLOGGED) or group.algorithm.startswith("sb3:"):
            logged = logged & ~np.isnan(own)
        else:  # before learning starts there is no loss
            first = np.argmax(~np.isnan(own)) if not np.isnan(own).all() else 0
            logged = logged & (np.arange(len(own)) >= first)
        if name != "step" and logged.any():
            columns[name] = Series(steps[logged], own[logged])
    config: dict[str, Any] = {
        "env_id": group.env,
        "total_timesteps": group.steps,
        **{
            name: value
            for name, value in stated_settings(group, stated).items()
            if name != "hidden"
        },
    }
    if group.algorithm == "ppo":
        config["n_epochs"] = 4.0
    return recognise(RawLog(columns, config))


def first_warning(run: Run) -> tuple[str, float] | None:
    """What a monitor that sees the run record by record tells first, and at which fraction of it."""
    steps = sorted({float(step) for points in run.log.signals.values() for step in points.steps})
    watching, total = Watching(run.group.steps), float(run.group.steps)
    for records, step in enumerate(steps, 1):
        if not watching.due(records):
            continue
        seen = {
            name: Series(points.steps[points.steps <= step], points.values[points.steps <= step])
            for name, points in run.log.signals.items()
        }
        told = watching.look(
            Log({n: s for n, s in seen.items() if len(s)}, run.log.config), records, step
        )
        if told:
            return told[0].fault, min(step / total, 1.0)
    told = watching.last_look(run.log)
    return (told[0].fault, 1.0) if told else None


def main_judge(half: str, verbose: bool, stated: bool) -> None:
    every = list(runs(half, stated))
    print(f"== {half} half: {len(every)} runs of {len({run.group.name for run in every})} groups")
    sick, healthy = (
        [r for r in every if r.group.faults],
        [r for r in every if not r.group.faults],
    )
    for part, title in ((sick, "pathological"), (healthy, "healthy")):
        print(f"-- {title}")
        for group in dict.fromkeys(run.group.name for run in part):
            _print_group([run for run in part if run.group.name == group], verbose)
    _print_sick(sick)
    _print_healthy(healthy)


def _named(run: Run) -> str:
    return row("", "", run.log).named.removeprefix(PREFIX)


def _print_group(part: list[Run], verbose: bool) -> None:
    alarms = Counter(_named(run) or "-" for run in part)
    said = ", ".join(f"{name} {count}" for name, count in alarms.most_common())
    print(f"  {part[0].group.name:72} {len(part):3}: {said}")
    if verbose:
        for run in part:
            for detector, finding in diagnose_log(run.log):
                if isinstance(finding, Alarm):
                    print(f"      {run.seed} {detector.name}: {finding.message}")


def _print_sick(sick: list[Run]) -> None:
    named = [_named(run) for run in sick]
    flagged = sum(bool(name) for name in named)
    right = sum(name in run.group.faults for name, run in zip(named, sick, strict=True))
    print(f"flagged {share(flagged, len(sick))}, named right first {share(right, len(sick))}")
    told = [first_warning(run) for run in sick]
    live = sum(bool(t) and t[0] in run.group.faults for t, run in zip(told, sick, strict=True))
    when = [t[1] if t else 1.0 for t in told]
    quartiles = ", ".join(f"{cut:.0%}" for cut in statistics.quantiles(when, n=4))
    print(f"told by a monitor, first warning right: {share(live, len(sick))}")
    print(f"after this fraction of the run (quartiles, never told counts as 100 %): {quartiles}")


def _print_healthy(healthy: list[Run]) -> None:
    flagged = sum(bool(_named(run)) for run in healthy)
    bound = upper_bound(flagged, len(healthy))
    print(f"false alarms {share(flagged, len(healthy))}, at most {bound:.1%} with 95 % confidence")
    live = sum(first_warning(run) is not None for run in healthy)
    bound = upper_bound(live, len(healthy))
    print(f"of a monitor {share(live, len(healthy))}, at most {bound:.1%} with 95 % confidence")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("train", "judge"))
    parser.add_argument("--half", choices=HALVES, required=True)
    parser.add_argument("--minutes", type=float, default=9.0, help="start no group after these")
    parser.add_argument("--only", default="*", help="glob of groups to train")
    parser.add_argument("--others", action="store_true", help="judge by other packages instead")
    parser.add_argument("--unstated", action="store_true", help="hide the settings that are wrong")
    parser.add_argument("-v", "--verbose", action="store_true", help="every alarm")
    given = parser.parse_args()
    if given.what == "train":
        main_train(given.half, given.minutes, given.only)
    elif given.others:
        from benchmarks.training_others import main_others

        main_others(list(runs(given.half)))
    else:
        main_judge(given.half, given.verbose, not given.unstated)


if __name__ == "__main__":
    main()
