"""The summary that is asked for, among all that a daemon told: the newest, or the newest of a run or of a window.

What a language model said of a summary is a record of its own, with the same facts: it is not looked at here, for
whoever asks has the facts worded anew.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from phenostream.daemon.client.records import Record
from phenostream.deploy.told import Told
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.facts import Facts


@dataclass(frozen=True, slots=True)
class Summary:
    """One summary record.

    Attributes:
        offset: Its place in the journal.
        scope: ``run``, ``part`` (of a run, what one model saw) or ``window``.
    """

    offset: int
    scope: str
    run: str
    instrument: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which summary.

    Attributes:
        run: A run's id or the end of it; None: any.
        window: Only a window's.
    """

    run: str | None = None
    window: bool = False

    def fits(self, body: dict[str, Any]) -> bool:
        """Whether a record is one of them."""
        of_run = self.run is None or str(body.get("run", "")).endswith(self.run)
        return of_run and (not self.window or body.get("scope") == "window")

    def __str__(self) -> str:
        """In words."""
        of = "" if self.run is None else f" of run {self.run}"
        return f"summary of a window{of}" if self.window else f"summary{of}"


def newest_summary(told: Told, wanted: Wanted, where: str) -> Summary:
    """The newest one that is wanted; a run that has ended has its whole summary last.

    Args:
        told: Where to look.
        wanted: For what.
        where: Its name, for a person.

    Raises:
        BadInput: There is none, or its facts are none.
    """
    for stretch in told.stretches("summary"):
        found = None
        for record in _worded_by_template(stretch):
            if wanted.fits(record.facts):
                found = record
        if found is not None:
            return _summary(found, where)
    hint = "; a run that is over within its first window has one summary, the run's"
    raise BadInput(f"{where}: holds no {wanted}{hint if wanted.window else ''}")


def _worded_by_template(records: Iterator[Record]) -> Iterator[Record]:
    return (record for record in records if record.facts.get("of_offset") is None)


def _summary(record: Record, where: str) -> Summary:
    body = record.facts
    try:
        facts = Facts.from_dict(body.get("facts"))
    except BadInput as err:
        raise BadInput(f"{where}: offset {record.offset}: {err}") from err
    return Summary(
        record.offset,
        str(body.get("scope")),
        str(body.get("run")),
        str(body.get("instrument")),
        facts,
    )
