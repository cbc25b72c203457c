"""The runs of which the journal tells, as far as they are on disk: what a checkpoint keeps of them.

Belongs to the commit thread, or to recovery before that thread begins. A run that has ended is remembered in full until
`MOST_ENDED` more have ended, then by its id alone until `MOST_IDS` have; the sums of its account stay for ever.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

MOST_ENDED: Final = 256
"""Ended runs that are remembered in full: asked again, they answer with their report."""
MOST_IDS: Final = 65_536
"""Ended runs beyond these that are known by their id: asked again, they are refused."""


@dataclass(frozen=True, slots=True)
class KnownRun:
    """One run.

    Attributes:
        start: START as the journal has it; None where that record is lost.
        first_offset: Of that record.
        source: Name of the best-effort source that sends it; None: it is lossless.
        ledger: Its account at its end; None while it is open.
    """

    start: dict[str, Any] | None
    first_offset: int
    source: str | None = None
    ledger: dict[str, int] | None = None


class Register:
    """All runs on disk.

    Attributes:
        runs: By id, in the order they began.
        forgotten: Ids of ended runs of which nothing else is known, oldest first.
        sums: The accounts of all forgotten runs together.
    """

    def __init__(self) -> None:
        """Start empty."""
        self.runs: dict[str, KnownRun] = {}
        self.forgotten: OrderedDict[str, None] = OrderedDict()
        self.sums: Counter[str] = Counter()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def started(self, start: dict[str, Any], offset: int, source: str | None) -> None:
        """The record that opens a run is on disk."""
        self.runs[start["run"]] = KnownRun(start, offset, source)

    def ended(self, run: str, offset: int, ledger: Mapping[str, int]) -> None:
        """The record that ends a run is on disk."""
        before = self.runs.get(run, KnownRun(None, offset))
        self.runs[run] = KnownRun(before.start, before.first_offset, before.source, dict(ledger))
        self._ended[run] = None
        while len(self._ended) > MOST_ENDED:
            oldest, _ = self._ended.popitem(last=False)
            self.sums.update(self.runs.pop(oldest).ledger or {})
            self.forgotten[oldest] = None
        while len(self.forgotten) > MOST_IDS:
            self.forgotten.popitem(last=False)

    def in_order_of_end(self) -> list[str]:
        """The runs that have ended and are remembered in full."""
        return list(self._ended)

    def state(self) -> dict[str, Any]:
        """Plain values; see `restored`."""
        return {
            "runs": [
                [run, known.start, known.first_offset, known.source, known.ledger]
                for run, known in self.runs.items()
            ],
            "ended": list(self._ended),
            "forgotten": list(self.forgotten),
            "sums": dict(self.sums),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> "Register":
        """The register whose `state` this is; raises KeyError, TypeError or ValueError where it is none."""
        register = cls()
        for run, start, first_offset, source, ledger in state["runs"]:
            register.runs[run] = KnownRun(start, first_offset, source, ledger)
        register._ended = OrderedDict.fromkeys(_known(state["ended"], register.runs))
        register.forgotten = OrderedDict.fromkeys(state["forgotten"])
        register.sums = Counter(state["sums"])
        return register


def _known(ended: Iterable[str], runs: Mapping[str, KnownRun]) -> list[str]:
    names = list(ended)
    unknown = [run for run in names if run not in runs]
    if unknown:
        raise ValueError(f"ended run {unknown[0]} is not known")
    return names
