"""The table of promises, for a person and for a program."""

import textwrap
from typing import Any

from tests.system.chaos.promise import Outcome, Promise

_WIDTH = 110
_INDENT = " " * 14


def line_of(promise: Promise, outcome: Outcome, seconds: float, repeat: str) -> str:
    """A promise, what was done, what was found, and every breach with how to repeat it."""
    lines = [f"{promise.number:>3}  {outcome.verdict:<7}  {promise.title}  ({seconds:.0f} s)"]
    if outcome.done:
        lines += _wrapped("done: " + _said(outcome.done))
    if outcome.found:
        lines += _wrapped("found: " + _said(outcome.found))
    if outcome.not_run is not None:
        lines += _wrapped(f"not run: {outcome.not_run}")
    for remark in outcome.remarks:
        lines += _wrapped(f"note: {remark}")
    for breach in outcome.breaches:
        lines += _wrapped(f"BREACH: {breach}")
    if outcome.breaches:
        lines += _wrapped(f"repeat: {repeat}")
    return "\n".join(lines)


def as_json(promise: Promise, outcome: Outcome, seconds: float, repeat: str) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "promise": promise.number,
        "title": promise.title,
        "verdict": outcome.verdict,
        "done": dict(outcome.done),
        "found": outcome.found,
        "not_run": outcome.not_run,
        "remarks": outcome.remarks,
        "breaches": outcome.breaches,
        "seconds": round(seconds, 1),
        "repeat": repeat,
    }


def _said(counts: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_number(n)}" for name, n in counts.items())


def _number(n: float) -> str:
    return f"{n:,}" if isinstance(n, int) else f"{n:,.2f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=_INDENT,
        subsequent_indent=_INDENT + "  ",
        break_on_hyphens=False,
    )
