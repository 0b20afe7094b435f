"""What the runs of `detection_matrix.py` amount to: one row an agent, rates with their bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `runs`, with exact bounds."""

    hits: int
    runs: int

    @property
    def value(self) -> float:
        return self.hits / self.runs if self.runs else float("nan")

    def upper(self, confidence: float = 0.95) -> float:
        """One-sided Clopper-Pearson bound: P(X <= hits | upper) = 1 - confidence."""
        if self.hits >= self.runs:
            return 1.0
        return float(stats.beta.ppf(confidence, self.hits + 1, self.runs - self.hits))

    def lower(self, confidence: float = 0.95) -> float:
        """One-sided Clopper-Pearson bound: P(X >= hits | lower) = 1 - confidence."""
        if self.hits == 0:
            return 0.0
        return float(stats.beta.ppf(1 - confidence, self.hits, self.runs - self.hits + 1))

    def __str__(self) -> str:
        return f"{self.hits}/{self.runs}"


def detected(run: Run) -> bool:
    return run["verdict"] == "failed"


def named_first(run: Run) -> bool:
    """Whether the harness failed the agent and put an acceptable name at first place."""
    return detected(run) and run["diagnosis"][:1] != [] and run["diagnosis"][0] in run["faults"]


def false_alarm(run: Run) -> bool:
    return run["verdict"] == "failed"


def rate(runs: Iterable[Run], counts: Any) -> Rate:
    answers = [bool(counts(run)) for run in runs]
    return Rate(sum(answers), len(answers))


def by_name(runs: Iterable[Run]) -> dict[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run["name"], []).append(run)
    return groups


def _tally(values: Iterable[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in Counter(values).most_common())


def _seconds(runs: Sequence[Run]) -> str:
    return f"{sum(run['seconds'] for run in runs) / len(runs):.1f}"


def faulty_row(name: str, runs: Sequence[Run]) -> str:
    firsts = _tally(run["diagnosis"][0] if run["diagnosis"] else "none" for run in runs)
    cells = [
        name,
        runs[0]["faults"][0],
        str(rate(runs, detected)),
        str(rate(runs, named_first)),
        firsts,
        _tally(run["verdict"] for run in runs),
        _seconds(runs),
    ]
    return "| " + " | ".join(cells) + " |"


def correct_row(name: str, runs: Sequence[Run]) -> str:
    alarms = rate(runs, false_alarm)
    said = _tally(run["diagnosis"][0] for run in runs if false_alarm(run) and run["diagnosis"])
    verdicts = _tally(run["verdict"] for run in runs)
    return f"| {name} | {alarms} | {verdicts} | {said} | {_seconds(runs)} |"


def totals(faulty: Sequence[Run], correct: Sequence[Run]) -> str:
    """Everything on one line."""
    found, named = rate(faulty, detected), rate(faulty, named_first)
    alarms = rate(correct, false_alarm)
    errors = sum(run["verdict"] == "error" for run in (*faulty, *correct))
    return (
        f"detected {found} ({found.value:.1%}, at least {found.lower():.1%}), "
        f"named first {named} ({named.value:.1%}, at least {named.lower():.1%}), "
        f"false alarms {alarms} (at most {alarms.upper():.1%}), errors {errors}; "
        "bounds are one-sided 95 %"
    )


def markdown(runs: Sequence[Run], heading: str) -> str:
    """The whole matrix."""
    faulty = [run for run in runs if run["kind"] == "faulty"]
    correct = [run for run in runs if run["kind"] == "correct"]
    lines = [f"# {heading}", "", totals(faulty, correct), ""]
    if faulty:
        lines += ["## Faulty agents", ""]
        lines += ["| agent | fault | detected | named first | first places | verdicts | mean s |"]
        lines += ["|---|---|---|---|---|---|---|"]
        lines += [faulty_row(name, group) for name, group in by_name(faulty).items()] + [""]
    if correct:
        lines += ["## Correct agents", ""]
        lines += ["| agent | false alarms | verdicts | said | mean s |", "|---|---|---|---|---|"]
        lines += [correct_row(name, group) for name, group in by_name(correct).items()] + [""]
    return "\n".join(lines)
