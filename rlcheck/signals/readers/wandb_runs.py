"""W&B runs on a server, named ENTITY/PROJECT/RUN, through the API of the wandb package."""

from __future__ import annotations

import re
from typing import Any

from rlcheck.errors import BindingError
from rlcheck.signals.readers.collecting import Columns, flat
from rlcheck.signals.series import RawLog

_PATH = re.compile(r"^(?:wandb://|https://wandb\.ai/)?([\w.-]+)/([\w.-]+)/(?:runs/)?([\w.-]+)/?$")
_STEP_KEYS = ("global_step", "train/global_step", "time/total_timesteps", "_step")


def is_run_path(target: str) -> bool:
    """Whether a target has the form ENTITY/PROJECT/RUN."""
    return bool(_PATH.match(target))


def parts(target: str) -> tuple[str, str, str] | None:
    """Entity, project and id of a run named ENTITY/PROJECT/RUN or by its address, else None."""
    match = _PATH.match(target)
    return match and (match[1], match[2], match[3])


def read_run(target: str) -> RawLog:
    """History and configuration of a run on the W&B server.

    Raises:
        BindingError: wandb is missing, nobody is logged in, or there is no such run.
    """
    named = parts(target)
    if named is None:
        raise BindingError(f"expected ENTITY/PROJECT/RUN, got {target!r}")
    try:
        import wandb
    except ImportError as error:
        raise BindingError(
            f"there is no file {target!r}, and reading a W&B run needs: pip install wandb"
        ) from error
    if not logged_in():
        raise BindingError(
            f"there is no file {target!r}; as a W&B run it needs a login, and nobody is logged in: "
            "run `wandb login`, or set WANDB_API_KEY"
        )
    try:
        run = wandb.Api(timeout=30).run("/".join(named))
        rows = list(run.scan_history())
    except (wandb.errors.Error, ValueError, OSError) as error:
        # The message may hold a URL or a header, hence only the kind of error is shown.
        raise BindingError(
            f"the W&B run {target!r} cannot be read ({type(error).__name__}); "
            "is the path right, and may you see the run?"
        ) from error
    return from_history(rows, dict(run.config))


def logged_in() -> bool:
    """Whether the wandb package finds a key, without asking for one."""
    import os

    if os.environ.get("WANDB_API_KEY"):
        return True
    import requests.utils

    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")
    return requests.utils.get_netrc_auth(host) is not None


def from_history(rows: list[dict[str, Any]], config: dict[str, Any]) -> RawLog:
    """The rows that `scan_history` gives as a log."""
    columns = Columns()
    for count, row in enumerate(rows):
        entries = {name: value for name, value in flat(row) if not isinstance(value, str)}
        steps = (entries.get(key) for key in _STEP_KEYS)
        step = next((float(s) for s in steps if isinstance(s, int | float)), float(count))
        kept = {name: value for name, value in entries.items() if not name.startswith("_")}
        columns.add_record(step, kept)
    series, notes = columns.finish()
    return RawLog(series, config, notes)
