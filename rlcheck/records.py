"""The nouns of rlcheck as frozen records: check, fault, trial, outcome, result, diagnosis, report.

A check is split in two pure halves so that one engine can run every kind of it:

    trial(subject, Trial(seed, steps))  ->  evidence          beside the subject, in a worker
    judge(trials so far)                ->  Outcome | More    in the parent, imports no subject

`judge` is first called with no trials and says which ones it wants. A deterministic check asks for
one trial (`one_trial`); a stochastic check is a sequential test: `judge` asks for `More` trials
(further seeds, larger budgets) until the evidence is conclusive either way. A trial never fails
or passes anything; one in which the subject raises, hangs or dies ends the check as `error`.
Evidence is plain JSON, so every finished trial is stored at once, and a later run can resume.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Evidence = Mapping[str, Any]
"""What one trial saw, in JSON types only (str, int, float, bool, None, list, dict)."""


class Status(StrEnum):
    """What one check said about one subject. Only `passed` counts as verified."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    SKIPPED = "skipped"
    BLOCKED = "blocked"
    XFAILED = "xfailed"
    XPASSED = "xpassed"


class Budget(StrEnum):
    """How much work a run may do; a check names the smallest budget that includes it."""

    QUICK = "quick"
    STANDARD = "standard"
    THOROUGH = "thorough"

    def includes(self, other: Budget) -> bool:
        """Whether a run with this budget runs a check that needs `other`."""
        order = list(Budget)
        return order.index(other) <= order.index(self)


@dataclass(frozen=True, slots=True)
class Fault:
    """A named mistake that reinforcement-learning code can contain.

    Args:
        name: kebab-case; agent level `terminal-bootstrap`, function level `gae/done-late`.
        title: one line, what the code does wrong.
        explanation: what happens and why it matters.
        fix: what to change.
        where: where in a code base such a mistake usually sits.
        references: links to real bugs and to the paper that defines the right semantics.
        aliases: earlier names, which still work.
    """

    name: str
    title: str
    explanation: str
    fix: str
    where: str = ""
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """One request for evidence: which seed, how much training, and what else the check varies."""

    seed: int = 0
    steps: int = 0
    variant: str = ""

    @property
    def key(self) -> str:
        """Identity within a check; a stored trial with this key answers the same request."""
        return f"{self.variant or 'main'}-seed{self.seed}-steps{self.steps}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict of one check.

    Args:
        status: what the check says.
        message: what was expected, what came; several lines allowed, the first stands alone.
        evidence: JSON data that proves it (inputs, expected, got, where first different).
        suspects: fault name -> how strongly this evidence points at it, in [0, 1]; the values of
            one outcome add up to at most 1 (a posterior, the rest being faults nobody has named).
        notes: remarks for the subject's report that change no verdict.
    """

    status: Status
    message: str
    evidence: Evidence = field(default_factory=dict)
    suspects: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class More:
    """A sequential test asks for further trials. `reason` is shown as progress."""

    trials: tuple[Trial, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a run that checks may look at."""

    budget: Budget = Budget.STANDARD
    seed: int = 0
    seeds: int | None = None
    alpha: float = 0.01
    gamma: float | None = None
    device: str = "cpu"
    timeout_s: float = 600.0
    max_examples: int = 100


TrialFunction = Callable[[Any, Trial, "Context"], Evidence]
JudgeFunction = Callable[[Sequence[tuple[Trial, Evidence]], "Context"], "Outcome | More"]


@dataclass(frozen=True, slots=True)
class Context:
    """What a trial or a judge is told besides the subject.

    Args:
        settings: options of the run; `settings.alpha` is this check's own share of the run's alpha.
        facts: JSON facts about the bound subject that judges need without importing it
            (for an agent: whether it accepts gamma, which options it names, ...).
        progress: called by a trial with (fraction in [0, 1], what is going on); never required.
        scratch: an empty folder that the trial may write to, or "" in a judge.
    """

    settings: Settings = Settings()
    facts: Evidence = field(default_factory=dict)
    progress: Callable[[float, str], None] = lambda fraction, text: None
    scratch: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One property that holds for every correct subject of a contract.

    Args:
        name: `contract/property-that-holds`.
        title: the property in one sentence.
        explanation: equation, why it matters, symptoms in training curves, source.
        trial: gathers evidence beside the subject.
        judge: turns the evidence so far (none at first) into a verdict or a request for more.
        applies: given the bound subject's facts, None or the reason to skip.
        requires: names of checks that must not have failed before.
        budget: smallest run budget that includes the check.
        stochastic: whether it draws on chance and hence shares in alpha.
        catches: names of the faults that it can show.
    """

    name: str
    title: str
    explanation: str
    trial: TrialFunction
    judge: JudgeFunction
    applies: Callable[[Evidence, Settings], str | None] = lambda facts, settings: None
    requires: tuple[str, ...] = ()
    budget: Budget = Budget.QUICK
    stochastic: bool = False
    catches: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What one check said about one subject, with everything needed to believe and repeat it."""

    id: str
    check: str
    status: Status
    message: str
    seeds: tuple[int, ...] = ()
    duration_s: float = 0.0
    evidence: Evidence = field(default_factory=dict)
    suspects: Mapping[str, float] = field(default_factory=dict)
    reproducer: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One fault that would explain the results, with its probability given them."""

    fault: str
    probability: float
    title: str
    explanation: str
    fix: str
    where: str = ""
    proof: tuple[str, ...] = ()
    references: tuple[str, ...] = ()


class Verdict(StrEnum):
    """What a whole subject, or a whole run, comes to."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class SubjectReport:
    """Everything said about one subject."""

    name: str
    contract: str
    verdict: Verdict
    results: tuple[Result, ...]
    diagnosis: tuple[Diagnosis, ...] = ()
    dialect: Evidence = field(default_factory=dict)
    gamma: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything said in one run."""

    version: str
    verdict: Verdict
    exit_code: int
    duration_s: float
    subjects: tuple[SubjectReport, ...]
    run_id: str = ""
    seed: int = 0


def one_trial(judge: Callable[[Evidence, Context], Outcome]) -> JudgeFunction:
    """The judge of a check that needs one trial, made from a function of that trial's evidence."""

    def sequential(trials: Sequence[tuple[Trial, Evidence]], context: Context) -> Outcome | More:
        if not trials:
            return More((Trial(seed=context.settings.seed),))
        return judge(trials[0][1], context)

    return sequential
