"""One line of what the doctor found: a verdict, what was seen, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from phenostream.engine.errors import PhenostreamError

Verdict = Literal["ok", "warn", "fail", "not run"]
WORST_FIRST: Final[tuple[Verdict, ...]] = ("fail", "warn", "not run", "ok")
"""`warn`: it works, but slower, less safely or less surely than it could. `fail`: a daemon does not start, or loses
what it promises. `not run`: nobody looked, and the line says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: What it is, such as ``journal.directory``.
        verdict: See `Verdict`.
        found: What was seen; of ``not run``, why nobody looked.
        todo: What a person should do; of ``warn`` and ``fail`` always there.
        figures: What was measured, by name with its unit, for a program.
    """

    what: str
    verdict: Verdict
    found: str
    todo: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.verdict in ("warn", "fail") and not self.todo:
            raise ValueError(f"{self.what}: {self.verdict} without what to do")

    def as_dict(self, section: str) -> dict[str, Any]:
        """For JSON."""
        return {
            "section": section,
            "what": self.what,
            "verdict": self.verdict,
            "found": self.found,
            "todo": self.todo,
            "figures": dict(self.figures),
        }


def ok(what: str, found: str, **figures: float) -> Finding:
    """Nothing to do."""
    return Finding(what, "ok", found, "", figures)


def warn(what: str, found: str, todo: str, **figures: float) -> Finding:
    """It works, but not as well as it could."""
    return Finding(what, "warn", found, todo, figures)


def fail(what: str, found: str, todo: str, **figures: float) -> Finding:
    """A daemon cannot work so, or not keep its promises."""
    return Finding(what, "fail", found, todo, figures)


def not_run(what: str, why: str) -> Finding:
    """Nobody looked."""
    return Finding(what, "not run", why)


def refused(what: str, err: PhenostreamError | OSError, todo: str) -> Finding:
    """A `fail` in the words of whoever refused."""
    if isinstance(err, OSError):
        where = f"{err.filename}: " if err.filename else ""
        return fail(what, f"{where}{(err.strerror or str(err)).lower()}", todo)
    return fail(what, str(err), todo)


def worst(verdicts: list[Verdict]) -> Verdict:
    """The one that decides; ``ok`` where there is none."""
    return next((one for one in WORST_FIRST if one in verdicts), "ok")
