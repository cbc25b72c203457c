"""The exact account of every frame: what came, what became of it, what never came.

At any instant received = published + dropped + quarantined + failed + in_flight, per run and in total. A frame is
settled only when its fate is on disk. Knows numbers and fates; knows no socket, no file and no clock.
"""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal, NamedTuple

from phenostream.daemon.sequences import SequenceSet
from phenostream.daemon.wire.ingest import Fate

FATES: Final[tuple[Fate, ...]] = ("published", "dropped", "quarantined", "failed")
CELL_COUNTS: Final = ("found", "classified", "edge", "rejected", "over_limit", "failed")
Incident = Literal[
    "duplicates",
    "restarts",
    "shots_repeated",
    "shots_late",
    "late",
    "malformed",
    "refused",
    "unstarted",
]
_REASONS_KEPT: Final = 1000
_MOST_TOLD: Final = 2**64 - 1
"""What msgpack can say; the gaps of two runs may be more."""
INCIDENTS: Final[tuple[Incident, ...]] = (
    "duplicates",
    "restarts",
    "shots_repeated",
    "shots_late",
    "late",
    "malformed",
    "refused",
    "unstarted",
)


class Standing(NamedTuple):
    """How the ledger stands to one frame number.

    Attributes:
        kind: ``new``; ``in_flight``: received and not settled; ``settled``: `fate` and `reason` are on disk; ``late``:
            beyond the announced count, or after END.
    """

    kind: Literal["new", "in_flight", "settled", "late"]
    fate: Fate | None = None
    reason: str | None = None


@dataclass(slots=True)
class _Account:
    announced: int | None = None
    ended: bool = False
    recovered: bool = False
    settled: SequenceSet = field(default_factory=SequenceSet)
    in_flight: set[int] = field(default_factory=set)
    exceptions: dict[int, tuple[Fate, str | None]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def received(self) -> int:
        return len(self.settled) + len(self.in_flight)

    def end(self) -> int:
        return max(self.settled.end, max(self.in_flight, default=-1) + 1)

    def snapshot(self) -> dict[str, int]:
        received = self.received()
        account = {"received": received, "in_flight": len(self.in_flight)}
        account |= {fate: self.counts[fate] for fate in FATES}
        account |= {incident: self.counts[incident] for incident in INCIDENTS}
        account |= {f"cells_{name}": self.counts[f"cells_{name}"] for name in CELL_COUNTS}
        account |= {key: n for key, n in self.counts.items() if "." in key}
        if self.announced is not None:
            account["announced"] = self.announced
        if self.recovered:
            account["recovered"] = 1
        account["gaps"] = self.end() - received
        account["missing"] = max(0, (self.announced or 0) - received) if self.ended else 0
        return account


class Ledger:
    """All runs of this journal. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._runs: dict[str, _Account] = {}
        self._nobodys: Counter[str] = Counter()
        self._forgotten: Counter[str] = Counter()
        self._came: Counter[str] = Counter()
        self._ends: dict[tuple[Fate, str | None], tuple[Fate, str | None]] = {}

    def open(self, run: str, n_expected: int | None) -> None:
        """Begin a run's account; opening it again changes nothing but a count that was not known."""
        with self._lock:
            account = self._runs.setdefault(run, _Account(n_expected))
            if account.announced is None and not account.ended:
                account.announced = n_expected

    def standing(self, run: str, frame_seq: int) -> Standing:
        """What to do with a frame number that arrives. The run must be open."""
        with self._lock:
            account = self._runs[run]
            if frame_seq in account.settled:
                fate, reason = account.exceptions.get(frame_seq, ("published", None))
                return Standing("settled", fate, reason)
            if frame_seq in account.in_flight:
                return Standing("in_flight")
            if account.ended or (account.announced is not None and frame_seq >= account.announced):
                return Standing("late")
            return Standing("new")

    def receive(self, run: str, frame_seq: int) -> None:
        """A frame whose standing is ``new`` is taken and owes a fate."""
        with self._lock:
            self._runs[run].in_flight.add(frame_seq)
            self._came["received"] += 1

    def withdraw(self, run: str, frame_seq: int) -> None:
        """A received frame gets no fate from this process, and is as if it had not come: it will be sent again."""
        with self._lock:
            self._runs[run].in_flight.discard(frame_seq)

    def settle(
        self,
        run: str,
        frame_seq: int,
        fate: Fate,
        reason: str | None = None,
        cells: Mapping[str, int] | None = None,
    ) -> None:
        """A frame's fate is on disk.

        Args:
            run: An open run.
            frame_seq: A received frame, or one found in the journal at start.
            fate: What became of it.
            reason: ``code: text`` for any fate but published; the code is counted.
            cells: found, classified, edge, rejected, over_limit, failed of a published frame.
        """
        with self._lock:
            account = self._runs[run]
            account.in_flight.discard(frame_seq)
            if not account.settled.add(frame_seq):
                return
            account.counts[fate] += 1
            if fate != "published":
                account.exceptions[frame_seq] = self._shared(fate, reason)
                account.counts[f"{fate}.{reason_code(reason)}"] += 1
            for name in CELL_COUNTS:
                account.counts[f"cells_{name}"] += (cells or {}).get(name, 0)

    def _shared(self, fate: Fate, reason: str | None) -> tuple[Fate, str | None]:
        """One object for equal ends; a reason beyond the first thousand is cut to its code."""
        end = fate, reason
        if end not in self._ends and len(self._ends) >= _REASONS_KEPT:
            end = fate, f"{reason_code(reason)}: see the journal"
        return self._ends.setdefault(end, end)

    def count(self, incident: Incident, run: str | None = None, times: int = 1) -> None:
        """Count messages that became no frame; under no run when `run` is not open."""
        with self._lock:
            account = self._runs.get(run) if run is not None else None
            (account.counts if account else self._nobodys)[incident] += times
            self._came[incident] += times

    def end(self, run: str, n_frames: int) -> str | None:
        """END arrived: from now on every new frame of the run is late.

        Returns:
            None, or one line that says why the count cannot be right; the run then stays open.
        """
        with self._lock:
            account = self._runs[run]
            least = account.end()
            if n_frames < least:
                return f"n_frames {n_frames}, but frame_seq {least - 1} was received: allowed {least} or more"
            if account.ended and account.announced != n_frames:
                return f"n_frames {n_frames}, but this run ended with {account.announced}"
            account.announced, account.ended = n_frames, True
            return None

    def restore_end(self, run: str, ledger: Mapping[str, int]) -> None:
        """A run found ended in the journal: its incidents and its announced count come back."""
        with self._lock:
            account = self._runs[run]
            account.announced, account.ended = ledger.get("announced"), True
            account.recovered = "recovered" in ledger
            for incident in INCIDENTS:
                account.counts[incident] = ledger.get(incident, 0)

    def go_on(self) -> None:
        """The journal was read: what it does not hold of the open runs begins at 0, and their accounts say so."""
        with self._lock:
            for account in self._runs.values():
                if not account.ended:
                    account.recovered = True
                    for incident in INCIDENTS:
                        account.counts[incident] = 0

    def forget(self, run: str) -> None:
        """A run that ended long ago is from now on only part of the total."""
        with self._lock:
            account = self._runs.pop(run, None)
            if account is not None:
                self._forgotten.update(account.snapshot())

    def state(self, but: Container[str] = ()) -> list[Any]:
        """Every fate that is on disk, as plain values; runs without any, and those of `but`, are left out.

        What is no fate (incidents, announced counts, ends) comes back with the records that tell it.
        """
        with self._lock:
            return [
                [
                    run,
                    account.settled.pairs(),
                    list(account.exceptions.items()),
                    {key: n for key, n in account.counts.items() if key not in INCIDENTS},
                ]
                for run, account in self._runs.items()
                if len(account.settled) and run not in but
            ]

    def restore(self, state: Iterable[Any], forgotten: Mapping[str, int]) -> None:
        """Take over what `state` told, and the sums of runs that were forgotten, into an empty ledger.

        Raises:
            KeyError, TypeError, ValueError: It is no state; the ledger must not be used.
        """
        with self._lock:
            for run, pairs, exceptions, counts in state:
                account = self._runs.setdefault(run, _Account())
                account.settled = SequenceSet.of((start, stop) for start, stop in pairs)
                for number, (fate, reason) in exceptions:
                    account.exceptions[number] = self._shared(fate, reason)
                account.counts = Counter(counts)
            self._forgotten = Counter(forgotten)

    def last_acked(self, run: str) -> int | None:
        """Highest frame number up to which every frame has a fate, or None."""
        with self._lock:
            account = self._runs.get(run)
            prefix = account.settled.prefix if account else 0
        return prefix - 1 if prefix else None

    def in_flight(self, run: str) -> int:
        """Frames of a run that still owe a fate."""
        with self._lock:
            return len(self._runs[run].in_flight)

    def ended(self, run: str) -> bool:
        """Whether END was accepted."""
        with self._lock:
            return self._runs[run].ended

    def run(self, run: str) -> dict[str, int]:
        """One run's account; `announced` is absent while open-ended."""
        with self._lock:
            return self._runs[run].snapshot()

    def latest(self, most: int) -> tuple[dict[str, dict[str, int]], list[str]]:
        """The accounts of the `most` runs that were opened last, oldest first; and which of them have ended."""
        with self._lock:
            latest = list(self._runs.items())[-most:]
            accounts = {run: account.snapshot() for run, account in latest}
            return accounts, [run for run, account in latest if account.ended]

    def total(self) -> dict[str, int]:
        """The account of all runs together, with what belongs to no run; a sum beyond a u64 is told as the largest."""
        with self._lock:
            total: Counter[str] = self._nobodys + self._forgotten
            for account in self._runs.values():
                total.update(account.snapshot())
        empty = _Account().snapshot()
        return {**empty, **{key: min(n, _MOST_TOLD) for key, n in total.items()}}

    def came(self) -> dict[str, int]:
        """Frames that were received, and messages that became none, since this process began: no number ever falls.

        Those of an account may: what a process had received without a fate is not received any more in the next.
        """
        with self._lock:
            return {name: self._came[name] for name in ("received", *INCIDENTS)}

    def runs(self) -> list[str]:
        """Every run, oldest first."""
        with self._lock:
            return list(self._runs)


def reason_code(reason: str | None) -> str:
    """The code of a reason, which is counted: what stands before its colon, at most 32 characters."""
    return (reason or "unknown").split(":", 1)[0][:32]
