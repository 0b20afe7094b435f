"""A contract for the engine's tests: a subject is a function that returns its argument."""

from __future__ import annotations

import os
import random
import sys

from rlcheck.contracts import Bound, Contract, Options
from rlcheck.errors import BindingError
from rlcheck.records import Budget, Check, Fault, More, Outcome, Status, Trial, one_trial


def _bind(raw, options: Options) -> Bound:
    if not callable(raw):
        raise BindingError(f"a toy is a function of one argument, this is a {type(raw).__name__}")
    if options.constants.get("call-in-bind"):
        raw(0)
    return Bound(raw, facts={"gamma": 0.5}, dialect={"kind": "plain"}, notes=("bound",))


def _call(subject, trial, context):
    context.progress(0.5, "halfway")
    return {"x": trial.seed, "got": subject(trial.seed), "draw": random.random()}


def _identity(evidence, context):
    x, got = evidence["x"], evidence["got"]
    if got == x:
        return Outcome(Status.PASSED, "returns its argument", evidence)
    suspects = {"toy/off-by-one": 0.9} if got == x + 1 else {}
    return Outcome(Status.FAILED, f"expected {x}, got {got}", evidence, suspects)


def _steady(trials, context):
    if len(trials) < 4:
        first = context.settings.seed + len(trials)
        return More((Trial(first), Trial(first + 1)), "two more seeds")
    wrong = [trial.seed for trial, evidence in trials if evidence["got"] != evidence["x"]]
    status = Status.FAILED if wrong else Status.PASSED
    return Outcome(status, f"wrong for {wrong}", {"alpha": context.settings.alpha, "wrong": wrong})


def _surroundings(subject, trial, context):
    return {
        "directory": os.getcwd(),
        "leaked": "LEAK" in os.environ or "/leak" in sys.path,
        "scratch": os.listdir(context.scratch),
    }


def _clean(evidence, context):
    clean = not evidence["leaked"] and not evidence["scratch"]
    return Outcome(Status.PASSED if clean else Status.FAILED, "surroundings", evidence)


def _broken_judge(trials, context):
    raise RuntimeError("the judge is broken")


CONTRACT = Contract(
    name="toy",
    title="the identity",
    explanation="f(x) = x",
    checks=(
        Check(
            "toy/identity",
            "returns its argument",
            "f(x) = x",
            _call,
            one_trial(_identity),
            catches=("toy/off-by-one",),
        ),
        Check(
            "toy/steady",
            "does so for every seed",
            "f(x) = x",
            _call,
            _steady,
            requires=("toy/identity",),
            budget=Budget.STANDARD,
            stochastic=True,
        ),
        Check(
            "toy/surroundings",
            "leaves no traces",
            "",
            _surroundings,
            one_trial(_clean),
            requires=("toy/identity",),
        ),
        Check("toy/deep", "", "", _call, one_trial(_identity), budget=Budget.THOROUGH),
        Check(
            "toy/not-for-this",
            "",
            "",
            _call,
            one_trial(_identity),
            applies=lambda facts, settings: f"gamma is {facts['gamma']}",
        ),
    ),
    faults=(
        Fault("toy/off-by-one", "adds one", "f(x) = x + 1", "take it away", where="the return"),
        Fault("toy/off-by-two", "adds two", "f(x) = x + 2", "take them away"),
    ),
    bind=_bind,
    recognises=lambda raw: getattr(raw, "__name__", "").startswith("identity"),
)
