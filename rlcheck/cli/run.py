"""`rlcheck run`: check subjects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from rlcheck.config import Config
    from rlcheck.engine.events import Listener
    from rlcheck.records import Settings
    from rlcheck.reports.files import Destination

SUBJECT_OPTIONS = ("contract", "script", "bind", "set_", "dialect", "gamma")


@click.command(short_help="Check agents, functions, environments, scripts and logs.")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option("--as", "contract", metavar="CONTRACT", help="What the target claims to be.")
@click.option(
    "--script",
    metavar="COMMAND",
    help="A training script instead of a target; {env}, {steps}, {seed} and {gamma} are filled in.",
)
@click.option("--bind", multiple=True, metavar="YOURS=OURS,...", help="Names of your parameters.")
@click.option("--set", "set_", multiple=True, metavar="NAME=VALUE", help="A hyper-parameter.")
@click.option("--dialect", multiple=True, metavar="NAME=VALUE", help="Pin a convention.")
@click.option(
    "--gamma", type=click.FloatRange(0, 1), metavar="G", help="The discount of the subject."
)
@click.option("--select", multiple=True, metavar="GLOB", help="Only these checks, as in 'gae/*'.")
@click.option("--ignore", multiple=True, metavar="GLOB", help="Not these checks.")
@click.option(
    "--budget",
    type=click.Choice(["quick", "standard", "thorough"]),
    help="quick: one update, one transition, the exam; standard (default): all rungs; "
    "thorough: more seeds and benchmarks.",
)
@click.option("--seed", type=click.IntRange(0), metavar="N", help="First seed (default 0).")
@click.option(
    "--seeds", type=click.IntRange(1), metavar="N", help="Seeds of every stochastic check."
)
@click.option("-j", "--jobs", metavar="N|auto", help="Worker processes (default auto: one a core).")
@click.option("--device", metavar="NAME", help="Device the subject is asked to use (default cpu).")
@click.option("--timeout", type=float, metavar="SECONDS", help="For one trial (default 600).")
@click.option(
    "--alpha", type=float, metavar="RATE", help="False-alarm rate of the whole run (default 0.01)."
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="FORMAT[:PATH]",
    help="json, junit, markdown or html; without PATH to standard output, and the report for people to "
    "standard error. wandb[:PROJECT] goes to the active W&B run, or to a new one.",
)
@click.option("--allow-inconclusive", is_flag=True, help="Exit 0 if only that is in the way.")
@click.option("-x", "--exitfirst", is_flag=True, help="Stop at the first failure.")
@click.option("--resume", is_flag=True, help="Go on with the run that was interrupted last.")
@click.option("-q", "--quiet", count=True, help="Only findings and the verdict.")
@click.option("-v", "--verbose", count=True, help="Also the evidence.")
@click.option("--no-color", is_flag=True, help="No colours (also: NO_COLOR=1).")
def run(targets: tuple[str, ...], **given: Any) -> int:
    """Check every TARGET, or the subjects of [tool.rlcheck] in pyproject.toml.

    A TARGET is pkg.module:attribute, path/file.py:attribute, a registered environment id, a path to
    a saved model or a training log, or the name of a configured or installed subject.
    """
    from rlcheck import config as configuration
    from rlcheck.cli.subjects import choose
    from rlcheck.engine import session
    from rlcheck.reports import annotations, files, terminal

    config = configuration.load()
    specs = choose(targets, {key: given[key] for key in SUBJECT_OPTIONS}, config)
    options = _merged(config, given)
    destinations = files.parse(options["report"])
    settings = _settings(options)
    people = terminal.TerminalReport(
        _console(destinations, given["no_color"]), given["verbose"] - given["quiet"]
    )
    listeners: list[Listener] = [people, files.ReportFiles([*destinations, *files.job_summary()])]
    if annotations.in_actions():
        listeners.append(annotations.annotate)
    try:
        report = session.run(
            specs,
            settings,
            listeners,
            jobs=None if options["jobs"] == "auto" else options["jobs"],
            select=options["select"],
            ignore=options["ignore"],
            exit_first=given["exitfirst"],
            allow_inconclusive=options["allow-inconclusive"],
            store=config.results_dir,
            resume=given["resume"],
        )
    finally:
        people.close()
    return report.exit_code


def _merged(config: Config, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options of the run: the command line over `[tool.rlcheck]` over the defaults."""
    from rlcheck.config import RUN_KEYS, Kind, fits
    from rlcheck.errors import UsageError

    defaults: dict[str, Any] = {"select": (), "ignore": (), "report": (), "jobs": "auto"}
    defaults["allow-inconclusive"] = False
    names = {key: key.replace("-", "_") for key in RUN_KEYS} | {"report": "reports"}
    # `--gamma` belongs to the subjects of the command line; the configured one to all others.
    typed = {key: given[name] for key, name in names.items() if key != "gamma" and given.get(name)}
    if given["seed"] is not None:
        typed["seed"] = given["seed"]
    for key in ("timeout", "alpha"):
        value = given[key]
        if value is not None and not fits(RUN_KEYS[key], value):
            raise UsageError(f"--{key} should be {RUN_KEYS[key].value}, it is {value:g}")
    if "jobs" in typed and typed["jobs"] != "auto":
        if not typed["jobs"].isdecimal() or int(typed["jobs"]) < 1:
            raise UsageError(f"--jobs should be {Kind.JOBS.value}, it is {typed['jobs']!r}")
        typed["jobs"] = int(typed["jobs"])
    return defaults | dict(config.options) | typed


def _settings(options: Mapping[str, Any]) -> Settings:
    from rlcheck.records import Budget, Settings

    fields = {
        "alpha": "alpha",
        "device": "device",
        "gamma": "gamma",
        "max-examples": "max_examples",
        "seed": "seed",
        "seeds": "seeds",
        "timeout": "timeout_s",
    }
    values = {field: options[key] for key, field in fields.items() if key in options}
    return Settings(budget=Budget(options.get("budget", Budget.STANDARD)), **values)


def _console(destinations: list[Destination], no_color: bool) -> Console:
    from rich.console import Console

    to_stderr = any(destination.to_stdout for destination in destinations)
    return Console(stderr=to_stderr, no_color=no_color or None, emoji=False)
