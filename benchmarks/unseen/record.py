"""What is known about one agent."""

from typing import NamedTuple


class Record(NamedTuple):
    """One agent. `truth` is empty for a correct one, else every name that says what is wrong."""

    name: str
    file: str
    attribute: str | None  # None: a script
    truth: tuple[str, ...] = ()
    note: str = ""
    edits: tuple[tuple[str, str], ...] = ()
