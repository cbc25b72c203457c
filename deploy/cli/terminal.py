"""What a person or a program reads on standard output: lines, tables, JSON, and progress on standard error.

The only module, with the commands beside it, that writes to the terminal.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from tqdm import tqdm


def say(line: str = "") -> None:
    """One line for a person, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def note(line: str) -> None:
    """One line about what is going on, on standard error: never in the way of what a program reads."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def printable(text: str) -> str:
    """A text of which a stranger may have written part: nothing in it moves a terminal's cursor."""
    return "".join(c if c.isprintable() else "?" for c in text)


def say_json(value: Any) -> None:
    """One JSON value on one line, at once; non-finite numbers are refused, not written."""
    say(json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain))


def say_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their widest cell; numbers to the right, text to the left."""
    cells = [[_shown(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    numeric = [
        all(_is_number(row[i]) for row in cells) if cells else False for i in range(len(headers))
    ]
    for line in [list(headers), ["─" * width for width in widths], *cells]:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        say("  ".join(parts).rstrip())


def progress(total: int | None, what: str, unit: str) -> "tqdm[Any]":
    """A bar with an estimate on standard error; silent where that is no terminal."""
    return tqdm(total=total, desc=what, unit=unit, disable=None, leave=False, dynamic_ncols=True)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def _is_number(text: str) -> bool:
    return bool(text) and (text[0].isdigit() or text[0] in "-+.") and text != "-"


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else str(value)
