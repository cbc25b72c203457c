"""How many results of each run came, against how many the daemon says there are.

Pure: fed with records in order, and with the counts of high-water marks. So a subscriber that cannot ask the journal
still knows of which runs results never reached it, and how many. Of a run that began before the stream, what was lost
before its first count is not known here; its offsets are (`Follower.on_gap`).
"""

from dataclasses import dataclass
from typing import Final, get_args

from phenostream.daemon.client.records import Record
from phenostream.daemon.wire.ingest import Fate
from phenostream.engine.errors import BadMessage

_FATES: Final[tuple[str, ...]] = get_args(Fate)


@dataclass(slots=True)
class _Seen:
    """Of one run.

    Attributes:
        came: Results that came.
        before: Results from before this stream began; None: not known yet.
        missed: Results told as missed.
    """

    came: int = 0
    before: int | None = None
    missed: int = 0


class Tally:
    """One subscriber's count of every run that is open."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._runs: dict[str, _Seen] = {}

    def take(self, record: Record) -> tuple[str, int] | None:
        """Count a record; (run, how many results of it were missed and not told before), when that is known by it."""
        run, event = str(record.facts.get("run")), record.facts.get("event")
        if record.topic == "result":
            self._of(run).came += 1
        elif event == "run_started":
            self._of(run).before = 0
        elif event == "run_ended":
            settled = _settled(record.facts.get("ledger"))
            missed = None if settled is None else self._missed(run, settled)
            self._runs.pop(run, None)
            return missed
        return None

    def mark(self, runs: object, begin: int | None) -> list[tuple[str, int]]:
        """A high-water mark, when every record up to it came or was given up.

        Args:
            runs: Its ``runs``, as decoded.
            begin: Offset where this stream began.

        Returns:
            (run, how many results of it were missed and not told before) of each run that has such.

        Raises:
            BadMessage: No map of counts.
        """
        if not isinstance(runs, dict):
            raise BadMessage(f"highwater runs: {type(runs).__name__}, expected a map")
        told = []
        for run, counts in runs.items():
            settled, seen = _settled(counts), self._of(run)
            if settled is None:
                raise BadMessage(f"highwater runs: {run[:40]!r} without the count of each fate")
            if seen.before is None:
                first = counts.get("first_offset")
                began_here = isinstance(first, int) and begin is not None and first >= begin
                seen.before = 0 if began_here else settled - seen.came
            if (missed := self._missed(run, settled)) is not None:
                told.append(missed)
        return told

    def _of(self, run: str) -> _Seen:
        return self._runs.setdefault(run, _Seen())

    def _missed(self, run: str, settled: int) -> tuple[str, int] | None:
        seen = self._of(run)
        if seen.before is None:
            return None
        more = settled - seen.before - seen.came - seen.missed
        seen.missed += max(0, more)
        return (run, more) if more > 0 else None


def _settled(counts: object) -> int | None:
    """Frames that have their fate, each of which has one result; None where that is not told."""
    fates = [counts.get(fate) for fate in _FATES] if isinstance(counts, dict) else [None]
    told = [n for n in fates if isinstance(n, int) and n >= 0]
    return sum(told) if len(told) == len(fates) else None
