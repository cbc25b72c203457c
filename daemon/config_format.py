"""The format of a configuration file, and the way from an older format to today's.

A file says ``format = 1`` before its first table. One of a newer format is refused in one line, for what it means is
not known here. An older one is read through the steps of a visible table, each of which rewrites its text: what a
daemon runs is what `phenostream check --migrate` would write, comments included. Knows text and TOML; which keys there
are, `config` knows.
"""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.engine.errors import BadConfig

MOST_BYTES: Final = 1 << 20
KEY: Final = "format"


@dataclass(frozen=True, slots=True)
class Step:
    """The way from one format to the next.

    Attributes:
        what: What is different, for a person.
        rewrite: The text of a file in the next format; the line that says the format is not its business.
    """

    what: str
    rewrite: Callable[[str], str]


STEPS: Final[tuple[Step, ...]] = (
    Step("the file says its format; every key is as it was", lambda text: text),
)
"""Step n leads from format n to n + 1. A file that says no format is of format 0."""
FORMAT: Final = len(STEPS)
"""What is written today."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """A configuration file in today's format.

    Attributes:
        text: As it would be written.
        values: Section → key → value, without the format.
        was: The format that it had.
        steps: What was done to it.
    """

    text: str
    values: dict[str, Any]
    was: int
    steps: tuple[Step, ...]


def read_formatted(path: Path) -> Formatted:
    """Read a configuration file, of any format up to today's.

    Raises:
        BadConfig: It cannot be read, is longer than 1 MiB, is no TOML, or is of a format that is not known here.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as err:
        raise BadConfig(f"{path}: {err.strerror}") from err
    if len(content) > MOST_BYTES:
        raise BadConfig(f"{path}: more than the {MOST_BYTES} bytes of a configuration")
    try:
        text = content.decode()
    except ValueError as err:
        raise BadConfig(f"{path}: not TOML: {str(err)[:200]}") from err
    return migrated(text, str(path))


def migrated(text: str, name: str, steps: tuple[Step, ...] = STEPS) -> Formatted:
    """A configuration's text in today's format.

    Args:
        text: Of any format up to today's.
        name: For messages.
        steps: The table; step n leads from format n to n + 1.

    Raises:
        BadConfig: It is no TOML, or of a format that is not known here.
    """
    values = _parsed(text, name)
    was = _format(values, name, len(steps))
    to_do = steps[was:]
    for number, step in enumerate(to_do, was + 1):
        text = _saying(step.rewrite(text), number)
    if to_do:
        values = _parsed(text, name)
    del values[KEY]
    return Formatted(text, values, was, to_do)


def _parsed(text: str, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as err:
        raise BadConfig(f"{name}: not TOML: {str(err)[:200]}") from err


def _format(values: dict[str, Any], name: str, newest: int) -> int:
    said = values.get(KEY, 0)
    if type(said) is not int or said < 0:
        raise BadConfig(f"{name}: {KEY}: {said!r:.80}: allowed a whole number, 0 to {newest}")
    if said > newest:
        raise BadConfig(
            f"{name}: {KEY}: {said}: allowed 0 to {newest}; it was written for a newer phenostream"
        )
    return said


def _saying(text: str, number: int) -> str:
    """The text with the line that says its format: the one it has, or one after the comment that it begins with."""
    line = f"{KEY} = {number}"
    table = re.search(r"(?m)^[ \t]*\[", text)
    top = text[: table.start()] if table else text
    told, found = re.subn(rf"(?m)^{KEY}[ \t]*=[ \t]*\d+", line, top, count=1)
    if found:
        return told + text[len(top) :]
    lines = text.splitlines()
    at = next((n for n, one in enumerate(lines) if not one.startswith("#")), len(lines))
    return "\n".join([*lines[:at], line, *lines[at:], ""])
