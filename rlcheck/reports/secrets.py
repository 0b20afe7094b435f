"""Keys that must not appear in a report, wherever a subject's message or a log may have them from."""

from __future__ import annotations

import netrc
import os
from pathlib import Path

_LEAST = 8
"""Shorter values are no keys, and taking them out would garble the text."""


def without_keys(text: str) -> str:
    """`text` with every known key replaced by `***`."""
    for key in _keys():
        text = text.replace(key, "***")
    return text


def _keys() -> list[str]:
    """The keys of W&B, from the environment and from the file where `wandb login` puts them."""
    found = [os.environ.get("WANDB_API_KEY", "")]
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        hosts = netrc.netrc(path).hosts if path.is_file() else {}
    except (OSError, netrc.NetrcParseError):
        hosts = {}
    found += [entry[2] or "" for host, entry in hosts.items() if "wandb" in host]
    return [key for key in found if len(key) >= _LEAST]
