"""What the ingest desk promises, as plain dictionaries: the model its state machine is held against.

Written from docs/wire.md and naive on purpose: a frame number is in one dictionary or another, a count is a sum. Knows
no socket, no channel and none of the daemon's own books.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from phenostream.daemon.wire.ingest import Fate, Start

FATES: Final = ("published", "dropped", "quarantined", "failed")
INCIDENTS: Final = (
    "duplicates",
    "restarts",
    "shots_repeated",
    "shots_late",
    "late",
    "malformed",
    "refused",
    "unstarted",
)
CELLS: Final = ("found", "classified", "edge", "rejected", "over_limit", "failed")
CREDIT_FRAMES: Final = 3
MOST_OPEN: Final = 3
PARK_AFTER_S: Final = 10.0
SHOT_TIMEOUT_S: Final = 5.0
IDLE_END_S: Final = 60.0

Who = bytes | str
"""A connection of the lossless port, or the name of a best-effort source."""
Said = tuple[Any, ...]
"""An answer: its kind, then what it says."""


@dataclass
class Waiting:
    """A frame of which some shots came."""

    by: Who
    since_s: float
    left: set[Who] = field(default_factory=set)
    shots: set[str] = field(default_factory=set)


@dataclass
class RunModel:
    """One run; `fates` are on disk, `due` are received and owe one."""

    start: Start
    source: str | None
    open: bool = False
    heard_s: float = 0.0
    answered: bytes = b""
    announced: int | None = None
    ended: bool = False
    end_entered: bool = False
    recovered: bool = False
    report: dict[str, int] | None = None
    fates: dict[int, tuple[Fate, str | None]] = field(default_factory=dict)
    due: set[int] = field(default_factory=set)
    waiting: dict[int, Waiting] = field(default_factory=dict)
    cells: Counter[str] = field(default_factory=Counter)
    incidents: Counter[str] = field(default_factory=Counter)

    @property
    def end(self) -> int:
        return max({-1} | self.due | set(self.fates)) + 1

    @property
    def last_acked(self) -> int | None:
        gapless = 0
        while gapless in self.fates:
            gapless += 1
        return gapless - 1 if gapless else None

    def account(self) -> dict[str, int]:
        received = len(self.fates) + len(self.due)
        told: dict[str, int] = {"received": received, "in_flight": len(self.due)}
        told |= {fate: sum(f == fate for f, _ in self.fates.values()) for fate in FATES}
        told |= Counter(f"{fate}.{code}" for fate, code in self.fates.values() if code is not None)
        told |= {incident: self.incidents[incident] for incident in INCIDENTS}
        told |= {f"cells_{name}": self.cells[name] for name in CELLS}
        if self.announced is not None:
            told["announced"] = self.announced
        if self.recovered:
            told["recovered"] = 1
        told["gaps"] = self.end - received
        told["missing"] = (self.announced or 0) - received if self.ended else 0
        return told


class DeskModel:
    """Everything the desk knows, and what it must answer."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.runs: dict[str, RunModel] = {}
        self.nobodys: Counter[str] = Counter()
        self.greeted: dict[bytes, str] = {}
        self.owed: dict[tuple[str, int], tuple[Who, int]] = {}
        self.ending: set[str] = set()
        self.entered_ends: list[str] = []
        self.draining = False
        self.told: dict[str, Counter[str]] = {"a": Counter(), "b": Counter()}
        self.quiet: dict[str, tuple[float, float]] = {}

    def count(self, incident: str, run: str | None, times: int = 1) -> None:
        known = self.runs.get(run) if run is not None else None
        (known.incidents if known else self.nobodys)[incident] += times

    def refuse(self, code: str, run: str, seq: int | None = None) -> list[Said]:
        self.count("refused", run)
        return [("refused", code, run, seq)]

    def hello(self, who: bytes, instrument: str, run: str) -> list[Said]:
        if self.draining:
            return [("refused", "draining", None, None)]
        self.greeted[who] = instrument
        known = self.runs.get(run)
        return [("welcome", run, known.last_acked if known else None)]

    def start(self, who: Who, start: Start) -> list[Said]:
        early = self._early(who, start.run, None)
        if early is not None:
            return early
        run = self.runs.get(start.run)
        mine = who if isinstance(who, str) else None
        if isinstance(who, bytes) and self.greeted[who] != start.instrument:
            return self.refuse("conflict", start.run)
        if run is not None:
            if isinstance(who, str):  # it may read its clock anew
                start = start.model_copy(update={"source_utc_ns": run.start.source_utc_ns})
            if run.source != mine or run.start != start:
                return self.refuse("conflict", start.run)
        if (run is None or not run.open) and not self._room():
            return self.refuse("busy", start.run)
        if run is None:
            run = self.runs[start.run] = RunModel(start, mine, announced=start.n_expected)
        run.open, run.heard_s = True, self.now_s
        run.answered = who if isinstance(who, bytes) else b""
        return [("started", start.run, run.last_acked)]

    def end(self, who: Who, name: str, n_frames: int) -> list[Said]:
        run = self._hears(who, name, None)
        return run if isinstance(run, list) else self._ends(run, n_frames)

    def frame(self, who: Who, name: str, seq: int, size: int) -> tuple[bool, list[Said]]:
        """Whether the frame is admitted, and the answers."""
        run = self._hears(who, name, seq)
        if isinstance(run, list):
            return False, run
        if seq in run.waiting:
            run.incidents["shots_repeated"] += len(run.waiting.pop(seq).shots)
            return True, []
        return self._takes(who, run, seq, size, "duplicates")

    def shot(
        self, who: Who, name: str, seq: int, shot: str, size: int, fault: bool
    ) -> tuple[bool, list[Said]]:
        """Whether the frame waits no longer (whole, or broken by this shot), and the answers."""
        run = self._hears(who, name, seq)
        if isinstance(run, list):
            return False, run
        answers = self._begins(who, run, seq, size)
        if answers is not None:
            return False, answers
        frame = run.waiting[seq]
        if not fault and shot in frame.shots:
            run.incidents["shots_repeated"] += 1
            return False, []
        frame.shots |= {shot}
        if fault or frame.shots == set(run.start.shots):
            del run.waiting[seq]
            return True, []
        return False, []

    def malformed(
        self, who: Who, name: str | None, seq: int, shot: bool, size: int
    ) -> tuple[bool, list[Said]]:
        """Whether the frame that a broken header names gets its fate by it, and the answers."""
        run = self.runs.get(name) if name is not None else None
        if run is not None and self._conflict(who, run):
            run = None
        self.count("malformed", run.start.run if run else None)
        if run is None or not run.open or self.draining:
            return False, [("refused", "message", None, None)]
        self._heard(who, run)
        if not shot:
            return self._takes(who, run, seq, size, "duplicates")
        answers = self._begins(who, run, seq, size)
        if answers is not None:
            return False, answers
        del run.waiting[seq]
        return True, []

    def durable(self, name: str, seq: int, fate: Fate, code: str | None, cells: int) -> None:
        run = self.runs[name]
        assert seq in run.due, "a second fate"
        assert seq not in run.fates, "a second fate"
        run.due.remove(seq)
        run.fates[seq] = (fate, code)
        run.cells += Counter(found=cells, classified=cells)

    def answered(self, name: str, seq: int) -> list[Said]:
        """The acknowledgement of a fate that is on disk."""
        run = self.runs[name]
        self.owed.pop((name, seq), None)
        self._enter_end(run)
        return [("ack", name, seq, *run.fates[seq])] if run.answered else []

    def reported(self, name: str, ledger: dict[str, int]) -> list[Said]:
        run = self.runs[name]
        run.report = ledger
        self.ending.discard(name)
        return [("report", name, ledger)] if run.answered else []

    def overdue(self) -> list[tuple[str, int]]:
        """Time passed: the frames that are quarantined as incomplete by it."""
        return [
            (run.start.run, seq)
            for run in self.runs.values()
            for seq, frame in list(run.waiting.items())
            if self.now_s >= frame.since_s + SHOT_TIMEOUT_S and run.waiting.pop(seq)
        ]

    def tick(self, source: str) -> None:
        """A source's runs that were quiet since a look that is 60 s ago are ended."""
        for name, run in list(self.runs.items()):
            if run.source != source or run.report is not None:
                self.quiet.pop(name, None) if run.source == source else None
                continue
            heard_s, looked_s = self.quiet.get(name, (None, 0.0))
            if heard_s != run.heard_s:
                self.quiet[name] = (run.heard_s, self.now_s)
            elif self.now_s - looked_s >= IDLE_END_S and not run.ended:
                self.told[source]["ended_by_timeout"] += 1
                self._ends(run, run.start.n_expected or run.end)

    def drain(self) -> list[tuple[str, int]]:
        """The best-effort frames that end as incomplete; lossless ones that wait are forgotten."""
        self.draining = True
        incomplete = []
        for name, run in self.runs.items():
            for seq in list(run.waiting):
                del run.waiting[seq]
                if run.source is None:
                    run.due.remove(seq)
                    del self.owed[name, seq]
                    self.ending.discard(name)
                else:
                    incomplete.append((name, seq))
        return incomplete

    @property
    def idle(self) -> bool:
        return not self.owed and not self.ending

    def total(self) -> dict[str, int]:
        total = Counter(self.nobodys)
        for run in self.runs.values():
            total.update(run.account())
        return {key: n for key, n in total.items() if n}

    def _early(self, who: Who, run: str, seq: int | None) -> list[Said] | None:
        if isinstance(who, str):
            return None
        if self.draining:
            return [] if seq is not None else [("refused", "draining", None, None)]
        return None if who in self.greeted else self.refuse("hello first", run, seq)

    def _conflict(self, who: Who, run: RunModel) -> bool:
        if isinstance(who, str):
            return run.source != who
        return run.source is not None or self.greeted.get(who) != run.start.instrument

    def _hears(self, who: Who, name: str, seq: int | None) -> RunModel | list[Said]:
        early = self._early(who, name, seq)
        if early is not None:
            return early
        run = self.runs.get(name)
        if run is None or not run.open:
            return self.refuse("hello first", name, seq)
        if self._conflict(who, run):
            return self.refuse("conflict", name, seq)
        self._heard(who, run)
        return run

    def _heard(self, who: Who, run: RunModel) -> None:
        run.answered = who if isinstance(who, bytes) else b""
        run.heard_s = self.now_s

    def _begins(self, who: Who, run: RunModel, seq: int, size: int) -> list[Said] | None:
        """The answers to a shot that is not taken; None: its frame waits, for this speaker's shots."""
        frame = run.waiting.get(seq)
        if frame is None:
            taken, answers = self._takes(who, run, seq, size, "shots_late")
            if not taken:
                return answers
            run.waiting[seq] = Waiting(who, self.now_s)
        elif who in frame.left:
            run.incidents["shots_repeated"] += 1
            return []
        elif frame.by != who:
            run.incidents["shots_repeated"] += len(frame.shots)
            run.waiting[seq] = Waiting(who, self.now_s, frame.left | {frame.by})
        return None

    def _takes(
        self, who: Who, run: RunModel, seq: int, size: int, again: str
    ) -> tuple[bool, list[Said]]:
        name = run.start.run
        if seq in run.fates:
            run.incidents[again] += 1
            return False, [("ack", name, seq, *run.fates[seq])]
        if seq in run.due:
            run.incidents[again] += 1
            return False, []
        if run.ended or (run.announced is not None and seq >= run.announced):
            run.incidents["late"] += 1
            return False, [("refused", "late", name, seq)]
        out = sum(n for by, n in self.owed.values() if by == who)
        allowed = CREDIT_FRAMES * 4 * 128 * 128
        if isinstance(who, bytes) and out and out + size > allowed:
            return False, self.refuse("credit", name, seq)
        run.due.add(seq)
        self.owed[name, seq] = (who, size)
        return True, []

    def _ends(self, run: RunModel, n_frames: int) -> list[Said]:
        name = run.start.run
        if n_frames < run.end or (run.ended and run.announced != n_frames):
            return self.refuse("end", name)
        run.announced, run.ended = n_frames, True
        if run.report is not None:
            return [("report", name, run.report)]
        self.ending.add(name)
        self._enter_end(run)
        return []

    def _enter_end(self, run: RunModel) -> None:
        if run.start.run in self.ending and not run.end_entered and not run.due:
            run.end_entered = True
            self.entered_ends.append(run.start.run)

    def _room(self) -> bool:
        taken = [run for run in self.runs.values() if run.open and run.report is None]
        if len(taken) < MOST_OPEN:
            return True
        quiet = [r for r in taken if self.now_s - r.heard_s >= PARK_AFTER_S and not r.due]
        if quiet:
            min(quiet, key=lambda run: run.heard_s).open = False
        return bool(quiet)
