"""`rlcheck report push RUN`: a W&B Report page about a run to which rlcheck has reported.

The page says the verdict, every fault with its explanation and fix, and shows the run's charts and
its table of checks. What it says comes from `report.json` of the run's artifact `rlcheck-RUN_ID`, so
it can be made on any day and on any machine.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rlcheck.errors import UsageError
from rlcheck.reports.secrets import without_keys
from rlcheck.reports.wandb_charts import FAULTS
from rlcheck.signals.readers.wandb_runs import logged_in, parts

_MOST_LINES = 20
_FAILED = ("failed", "error", "xpassed")


def push(target: str) -> str:
    """Makes the page and gives its address.

    Args:
        target: ENTITY/PROJECT/RUN_ID, or the address of the run's page.

    Raises:
        UsageError: it is no such name, a package is missing, nobody is logged in, or the run holds no
            report of rlcheck.
    """
    named = parts(target)
    if named is None:
        raise UsageError(
            f"rlcheck report push: expected a W&B run as ENTITY/PROJECT/RUN_ID, got {target!r}; "
            "`rlcheck run TARGET --report wandb` makes one and prints where it is"
        )
    for package, name in (("wandb", "wandb"), ("wandb_workspaces", "wandb-workspaces")):
        if importlib.util.find_spec(package) is None:
            raise UsageError(
                f"rlcheck report push needs {name}, which is not installed; "
                "run pip install 'rlcheck[wandb]'"
            )
    if not logged_in():
        raise UsageError(
            "rlcheck report push: nobody is logged in to W&B; run `wandb login`, or set WANDB_API_KEY"
        )
    return _save(*named)


def _save(entity: str, project: str, run_id: str) -> str:
    import wandb

    try:
        made = page(entity, project, run_id, _stored(entity, project, run_id))
        made.save()
    except (wandb.errors.Error, ValueError, OSError) as error:
        # The message may hold a URL or a header, hence only the kind of error is shown.
        raise UsageError(
            f"rlcheck report push: no page could be made for {entity}/{project}/{run_id} "
            f"({type(error).__name__}); may you write to that project, and does the run hold an "
            f"artifact rlcheck-{run_id}, as --report wandb makes it?"
        ) from error
    return str(made.url)


def _stored(entity: str, project: str, run_id: str) -> dict[str, Any]:
    """The JSON report in the run's artifact."""
    import wandb

    artifact = wandb.Api(timeout=30).artifact(f"{entity}/{project}/rlcheck-{run_id}:latest")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(artifact.download(root=folder)) / "report.json"
        return dict(json.loads(path.read_text(encoding="utf-8")))


def page(entity: str, project: str, run_id: str, report: Mapping[str, Any]) -> Any:
    """The page as an object of the package `wandb-workspaces`; nothing is sent.

    Args:
        entity, project, run_id: of the W&B run.
        report: a JSON report of rlcheck, schema 1.
    """
    import wandb_workspaces.reports.v2 as wr

    names = ", ".join(str(subject["name"]) for subject in report["subjects"])
    runs = wr.Runset(entity=entity, project=project, name=run_id, filters=f"ID in ['{run_id}']")
    charts = wr.PanelGrid(
        runsets=[runs],
        panels=[
            wr.WeavePanelSummaryTable(
                table_name="rlcheck/checks", layout=wr.Layout(x=0, y=0, w=24, h=10)
            ),
            wr.WeavePanelSummaryTable(
                table_name=f"{FAULTS}_table", layout=wr.Layout(x=0, y=10, w=12, h=8)
            ),
            wr.LinePlot(
                x="rlcheck/step",
                y=["rlcheck/warnings"],
                title="warnings of rlcheck",
                layout=wr.Layout(x=12, y=10, w=12, h=8),
            ),
        ],
    )
    return wr.Report(
        entity=entity,
        project=project,
        title=without_keys(f"rlcheck: {report['verdict']}: {names}")[:120],
        description=f"rlcheck {report['version']} on run {run_id}",
        blocks=[*_text(wr, report), wr.H2("Checks"), charts],
    )


def _text(wr: Any, report: Mapping[str, Any]) -> Iterator[Any]:
    """One heading a subject, one section a fault. Plain paragraphs: no text of a log is markup."""
    for subject in report["subjects"]:
        yield wr.H1(without_keys(f"{subject['name']}: {subject['verdict']}"))
        for note in subject["notes"]:
            yield wr.P(without_keys(note))
        for cause in subject["diagnosis"]:
            yield wr.H2(without_keys(f"{cause['fault']} ({cause['probability']:.0%})"))
            for label in ("title", "explanation", "where", "fix"):
                if cause[label]:
                    yield wr.P(without_keys(_LABELS[label] + cause[label]))
        for result in subject["results"]:
            if result["status"] in _FAILED:
                yield wr.H3(result["check"])
                yield wr.CodeBlock(without_keys(_cut(result["message"])), language="markdown")
                if result["reproducer"]:
                    yield wr.CodeBlock(without_keys(result["reproducer"]), language="markdown")


_LABELS = {"title": "", "explanation": "", "where": "Usually in: ", "fix": "Fix: "}


def _cut(message: str) -> str:
    return "\n".join(message.splitlines()[:_MOST_LINES])
