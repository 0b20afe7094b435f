"""The tables of `benchmarks/naming.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scipy import stats

from benchmarks.independent.records import Subject

Answered = tuple[Subject, dict[str, Any]]


def detected(answer: dict[str, Any]) -> bool:
    """Whether rlcheck says that something is wrong."""
    return answer["verdict"] == "failed"


def named(subject: Subject, answer: dict[str, Any]) -> bool:
    """Whether the first diagnosis is one of the right names."""
    return detected(answer) and bool(answer["named"]) and answer["named"][0] in subject.faults


def wrong(subject: Subject, answer: dict[str, Any]) -> bool:
    """Whether the answer is not the one that it should be."""
    if subject.correct:
        return answer["verdict"] != "passed"
    return not detected(answer) or (bool(subject.faults) and not named(subject, answer))


def line(subject: Subject, answer: dict[str, Any]) -> str:
    """One subject on the terminal."""
    first = answer["named"][0] if answer["named"] else "-"
    truth = "correct" if subject.correct else "|".join(subject.faults) or "no name"
    mark = "WRONG" if wrong(subject, answer) else "ok"
    what = f"{mark:5} {subject.contract}/{subject.name}: {answer['verdict']} {first}"
    return f"{what} (truth: {truth}, {answer['seconds']} s)"


def share(hits: int, tried: int) -> str:
    """A count and its share with the exact 95 % interval."""
    if not tried:
        return "none tried"
    interval = stats.binomtest(hits, tried).proportion_ci(0.95, "exact")
    bounds = f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"
    return f"{hits} of {tried}, {100 * hits / tried:.1f} % ({bounds})"


def markdown(answered: Sequence[Answered], of: int) -> str:
    """The figures, a row for each contract, and everything that went wrong."""
    good = [(s, a) for s, a in answered if s.correct]
    bad = [(s, a) for s, a in answered if not s.correct]
    nameable = [(s, a) for s, a in bad if s.faults]
    accused = [(s, a) for s, a in good if detected(a)]
    unsettled = [(s, a) for s, a in good if not detected(a) and a["verdict"] != "passed"]
    lines = [
        f"{len(answered)} of {of} subjects asked; in brackets exact 95 % intervals.",
        "",
        "| what | result |",
        "|---|---|",
        f"| faulty, detected | {share(sum(detected(a) for _, a in bad), len(bad))} |",
        f"| faulty, named at first place | {share(sum(named(*p) for p in nameable), len(nameable))} |",
        f"| correct, accused | {share(len(accused), len(good))} |",
        f"| correct, not verified (refused, inconclusive, error) | {len(unsettled)} of {len(good)} |",
        "",
        "| contract | faulty | detected | named | correct | accused |",
        "|---|---|---|---|---|---|",
    ]
    for contract in sorted({s.contract for s, _ in answered}):
        own_bad = [p for p in bad if p[0].contract == contract]
        own_named = [p for p in nameable if p[0].contract == contract]
        own_good = [p for p in good if p[0].contract == contract]
        lines.append(
            f"| {contract} | {len(own_bad)} | {sum(detected(a) for _, a in own_bad)} "
            f"| {sum(named(*p) for p in own_named)} of {len(own_named)} "
            f"| {len(own_good)} | {sum(detected(a) for _, a in own_good)} |"
        )
    return "\n".join([*lines, *failures(answered)]) + "\n"


def failures(answered: Sequence[Answered]) -> list[str]:
    """Every wrong answer, by kind."""
    lines = []
    kinds = {
        "Correct and accused": [p for p in answered if p[0].correct and detected(p[1])],
        "Correct and not verified": [
            p for p in answered if p[0].correct and wrong(*p) and not detected(p[1])
        ],
        "Faulty and not detected": [p for p in answered if not p[0].correct and not detected(p[1])],
        "Detected under another name": [
            p for p in answered if not p[0].correct and detected(p[1]) and wrong(*p)
        ],
    }
    for title, pairs in kinds.items():
        lines += ["", f"{title}:", ""]
        for subject, answer in pairs:
            first = answer["named"][0] if answer["named"] else "no name"
            expected = " or ".join(subject.faults) or "any"
            right = "" if subject.correct else f", should be {expected}"
            lines.append(
                f"- {subject.contract}/{subject.name}: {answer['verdict']}, {first}{right}"
            )
        if not pairs:
            lines.append("- none")
    return lines
