"""What a journal tells of each run, record by record: for lists, for the index, and for choosing what to drop."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import FATES
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.engine.errors import BadMessage


@dataclass(slots=True)
class RunFacts:
    """One run, as far as its records are there.

    Attributes:
        first: Offset of its first record.
        last: Of its last.
        began_utc_ns: When the first frame told was received; None without any.
        last_utc_ns: Likewise the last one.
        ended: Whether its end is on record.
        counts: Records by fate, and ``cells``.
    """

    run: str
    instrument: str
    first: int
    last: int
    began_utc_ns: int | None = None
    last_utc_ns: int | None = None
    ended: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        fates: dict[str, int] = {fate: self.counts[fate] for fate in FATES}
        return {
            "run": self.run,
            "instrument": self.instrument,
            "first": self.first,
            "last": self.last,
            "began_utc_ns": self.began_utc_ns,
            "last_utc_ns": self.last_utc_ns,
            "ended": self.ended,
            **fates,
            "cells": self.counts["cells"],
        }


class RunTable:
    """All runs, oldest first."""

    def __init__(self, known: Iterable[RunFacts] = ()) -> None:
        """Go on from what is known."""
        self.runs = {facts.run: facts for facts in known}

    def take(self, record: Record) -> None:
        """Take one record into account; one that this version cannot read is stepped over."""
        try:
            payload = unpack_meta(record.payload)
            run, instrument = str(payload["run"]), str(payload["instrument"])
        except (BadMessage, KeyError):
            return
        facts = self.runs.setdefault(run, RunFacts(run, instrument, record.offset, record.offset))
        facts.last = record.offset
        if record.topic == "result":
            self._frame(facts, payload)
        elif payload.get("event") == "run_ended":
            facts.ended = True

    def _frame(self, facts: RunFacts, payload: dict[str, Any]) -> None:
        received = payload.get("received_utc_ns")
        facts.counts[str(payload.get("fate"))] += 1
        counts = payload.get("counts")
        if isinstance(counts, dict):
            facts.counts["cells"] += int(counts.get("found", 0))
        if isinstance(received, int):
            facts.began_utc_ns = received if facts.began_utc_ns is None else facts.began_utc_ns
            facts.last_utc_ns = received
