"""Do the thresholds of the detectors hold on trainings that had no part in choosing them?

    python -m benchmarks.training_leave_out [--halves tuning,first_test,second_test]

First the room that each threshold has: the alarms of its detector, right and false, with a threshold from
a quarter to four times what it is. Then one environment, one algorithm, or one pair of both is left out
at a time, each threshold is chosen anew on the other runs (the one with the most right alarms, a false
one costing as much as `PRICE` right ones; in a tie the most sensitive one), and the left-out runs are
judged with the thresholds so chosen. What it cannot tell is whether the rules themselves fit only these
runs: that takes a fresh test half.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.training_groups import HALVES
from benchmarks.training_runs import Run, runs, runs_file
from rlcheck.selftests import upper_bound
from rlcheck.signals import (
    course,
    detectors_critic,
    detectors_entropy,
    detectors_losses,
    detectors_policy,
    detectors_returns,
    detectors_rewards,
    detectors_target,
    detectors_td_errors,
    detectors_training,
    detectors_updates,
    detectors_value_means,
    detectors_values,
)
from rlcheck.signals.contract import CAUSES, DETECTORS
from rlcheck.signals.findings import PREFIX, Alarm, Detector, counts

PRICE = 5
FACTORS = (1.0, 0.7, 1.4, 0.5, 2.0, 0.25, 4.0)
"""By which a threshold is multiplied, what it is first."""


class Knob(NamedTuple):
    """A threshold: the detector that it belongs to, and where it is written."""

    detector: str
    module: object
    constant: str


KNOBS = (
    Knob("policy-certain-only-when-good", detectors_entropy, "_COLLAPSED"),
    Knob("policy-certain-only-when-good", detectors_entropy, "_NEARLY"),
    Knob("policy-certain-only-when-good", detectors_entropy, "_DRIVEN"),
    Knob("policy-does-not-drift-to-random", detectors_entropy, "_UNIFORM"),
    Knob("updates-stay-close", detectors_updates, "_LARGE_KL"),
    Knob("updates-stay-close", detectors_updates, "_REPLACED"),
    Knob("clipping-acts-in-measure", detectors_updates, "_MOVING_KL"),
    Knob("action-values-within-reach", detectors_values, "_BEYOND"),
    Knob("action-values-within-reach", detectors_values, "_STILL_GROWING"),
    Knob("action-values-differ", detectors_values, "_EQUAL"),
    Knob("target-network-follows", detectors_target, "_MOST_BACK"),
    Knob("critic-explains-returns", detectors_critic, "_NOTHING"),
    Knob("critic-explains-returns", detectors_critic, "_RESCALED"),
    Knob("critic-moves-to-its-targets", detectors_value_means, "_HARDLY"),
    Knob("critic-moves-to-its-targets", detectors_value_means, "_MATTERS"),
    Knob("targets-follow-td-errors", detectors_td_errors, "_OPPOSED"),
    Knob("targets-follow-td-errors", detectors_td_errors, "_LOST"),
    Knob("policy-follows-advantages", detectors_policy, "_AGAINST"),
    Knob("policy-follows-advantages", detectors_policy, "_SURE"),
    Knob("loss-does-not-punish-entropy", detectors_losses, "_EXACT"),
    Knob("value-loss-bounded", detectors_critic, "_EXPLODED"),
    Knob("gradients-flow", detectors_training, "_EXPLODED"),
    Knob("units-stay-alive", detectors_training, "_MOST_DEAD"),
    Knob("return-is-kept", course, "_KEPT"),
    Knob("return-moves", detectors_returns, "_NO_WAY"),
    Knob("reward-means-what-it-should", detectors_rewards, "_HELD_OUT_FALL"),
)

Said = dict[tuple[str, int], list[str]]
"""(detector, setting) -> the fault that it names in each run, "" for none; setting 0 is as it is."""


def settings_of(detector: str) -> list[tuple[Knob, float] | None]:
    """The settings of a detector: as it is, and each of its thresholds multiplied by each factor."""
    own = [knob for knob in KNOBS if knob.detector == detector]
    return [None, *((knob, factor) for factor in FACTORS[1:] for knob in own)]


def said(every: Sequence[Run]) -> Said:
    """What every detector says of every run, at each of its settings."""
    known = [counts(run.log) for run in every]
    found: Said = {}
    for detector in DETECTORS:
        for at, setting in enumerate(settings_of(detector.name)):
            if setting is None:
                found[detector.name, at] = _look(detector, every, known)
                continue
            knob, factor = setting
            as_it_is = getattr(knob.module, knob.constant)
            setattr(knob.module, knob.constant, factor * as_it_is)
            found[detector.name, at] = _look(detector, every, known)
            setattr(knob.module, knob.constant, as_it_is)
    return found


def _look(detector: Detector, every: Sequence[Run], known: Sequence[dict[str, int]]) -> list[str]:
    named = []
    for run, present in zip(every, known, strict=True):
        finding = None if detector.missing(present) else detector.look(run.log)
        named.append(finding.fault if isinstance(finding, Alarm) else "")
    return named


def alarms(every: Sequence[Run], names: Sequence[str], seen: np.ndarray) -> tuple[int, int, int]:
    """How many of the seen runs are named rightly, falsely alarmed on, and alarmed on at all."""
    told = [
        (name in run.group.faults, not run.group.faults)
        for run, name, counts_in in zip(every, names, seen, strict=True)
        if counts_in and name
    ]
    return sum(right for right, _ in told), sum(false for _, false in told), len(told)


def chosen(detector: str, found: Said, every: Sequence[Run], seen: np.ndarray) -> int:
    """The setting that does best on the runs that are seen."""

    def worth(at: int) -> tuple[int, int]:
        right, false, told = alarms(every, found[detector, at], seen)
        return right - PRICE * false, told

    return max(range(len(settings_of(detector))), key=worth)


def judged(
    every: Sequence[Run], found: Said, part_of: Callable[[Run], str]
) -> Iterator[tuple[Run, str]]:
    """Every run with the name that it gets from thresholds chosen without its part."""
    order = {fault.name.removeprefix(PREFIX): at for at, fault in enumerate(CAUSES)}
    for part in dict.fromkeys(map(part_of, every)):
        left_out = np.array([part_of(run) == part for run in every])
        settings = {d.name: chosen(d.name, found, every, ~left_out) for d in DETECTORS}
        for at in np.nonzero(left_out)[0]:
            names = {found[name, setting][at] for name, setting in settings.items()} - {""}
            yield every[at], min(names, key=order.__getitem__, default="")


PARTS: dict[str, Callable[[Run], str]] = {
    "nothing (as it is)": lambda run: "",
    "one environment": lambda run: run.group.env,
    "one algorithm": lambda run: run.group.algorithm,
    "one algorithm in one environment": lambda run: f"{run.group.algorithm} {run.group.env}",
}


def _print_room(every: Sequence[Run], found: Said) -> None:
    everything = np.ones(len(every), dtype=bool)
    print(
        "right/false alarms of the detector with its threshold times "
        + ", ".join(map(str, sorted(FACTORS)))
    )
    for knob in KNOBS:
        cells = {}
        for at, setting in enumerate(settings_of(knob.detector)):
            if setting is None or setting[0] == knob:
                right, false, _ = alarms(every, found[knob.detector, at], everything)
                cells[setting[1] if setting else 1.0] = f"{right}/{false}"
        print(
            f"  {knob.detector + ' ' + knob.constant:52}"
            + "".join(f"{cells[f]:>8}" for f in sorted(cells))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--halves", default=",".join(HALVES))
    halves = parser.parse_args().halves.split(",")
    every = [run for half in halves if runs_file(half).exists() for run in runs(half)]
    found = said(every)
    print(f"{len(every)} runs of {', '.join(halves)}")
    _print_room(every, found)
    for title, part_of in PARTS.items():
        verdicts = list(judged(every, found, part_of))
        sick = [name in run.group.faults for run, name in verdicts if run.group.faults]
        false = [bool(name) for run, name in verdicts if not run.group.faults]
        print(
            f"left out {title}: {sum(sick)} of {len(sick)} named right first, {sum(false)} of "
            f"{len(false)} false alarms (at most {upper_bound(sum(false), len(false)):.1%})"
        )


if __name__ == "__main__":
    main()
