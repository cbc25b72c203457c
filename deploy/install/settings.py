"""Setting keys in a configuration's text, so that everything the text explains stays beside them."""

import json
import re
from collections.abc import Mapping

from phenostream.engine.errors import BadConfig

Value = str | bool | int


def has_key(text: str, section: str, key: str) -> bool:
    """Whether a configuration tells of that key."""
    return _line_of(text.splitlines(), section, key) is not None


def with_settings(text: str, settings: Mapping[tuple[str, str], Value]) -> str:
    """The text with other values; a key that is commented out comes to count.

    Args:
        text: Every key that is set stands in it on a line of its own, commented out or not.
        settings: (section, key) → value.

    Raises:
        BadConfig: A key is not in it.
    """
    lines = text.splitlines()
    for (section, key), value in settings.items():
        at = _line_of(lines, section, key)
        if at is None:
            raise BadConfig(f"{section}.{key}: not in the configuration that this release carries")
        comment = re.search(r"\s#.*$", lines[at].removeprefix("# "))
        kept = comment.group().strip() if comment else ""
        lines[at] = f"{key} = {json.dumps(value)}".ljust(46 if kept else 0) + (
            f" {kept}" if kept else ""
        )
    return "\n".join(lines) + "\n"


def _line_of(lines: list[str], section: str, key: str) -> int | None:
    inside = False
    for number, line in enumerate(lines):
        if line.startswith("["):
            inside = line.startswith(f"[{section}]")
        elif inside and re.match(rf"(# )?{re.escape(key)} = ", line):
            return number
    return None
