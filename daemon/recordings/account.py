"""The account of a recording: runs, frames, and why it is not complete; kept alike by writer and reader."""

from dataclasses import dataclass, field
from typing import Any

from phenostream.daemon.sequences import SequenceSet
from phenostream.daemon.wire.ingest import (
    Encoding,
    End,
    FrameHeader,
    FromSource,
    Hello,
    Shot,
    ShotHeader,
    Start,
)


@dataclass(slots=True)
class RunAccount:
    """One run.

    Attributes:
        announced: Number of frames said at END; None while the run is open.
        first_ns: Receive time of the first frame since the recording began.
        last_ns: Likewise, of the last.
        data_bytes: Of all frames, as received.
        encodings: In which they were received.
        numbers: Of the frames of which anything came.
        lacking: Frames of which only some shots came, and which.
    """

    start: Start
    announced: int | None = None
    first_ns: int | None = None
    last_ns: int = 0
    data_bytes: int = 0
    encodings: set[Encoding] = field(default_factory=set)
    numbers: SequenceSet = field(default_factory=SequenceSet)
    lacking: dict[int, set[Shot]] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Distinct frames."""
        return len(self.numbers)

    @property
    def expected(self) -> int | None:
        """Frames the run should have: said at END, or where that is not here at START; None when nobody said."""
        return self.start.n_expected if self.announced is None else self.announced

    @property
    def missing(self) -> int:
        """Expected frames that are not here."""
        return max(0, (self.expected or 0) - self.frames)

    @property
    def duration_s(self) -> float:
        """First to last frame."""
        return (self.last_ns - (self.first_ns or 0)) / 1e9

    def problem(self) -> str | None:
        """Why the run is not whole, or None."""
        if self.announced is None:
            of = "" if self.expected is None else f" of {self.expected}"
            return f"run {self.start.run}: not ended, {self.frames}{of} frames"
        if self.missing:
            return f"run {self.start.run}: {self.missing} of {self.announced} frames missing"
        if self.lacking:
            return f"run {self.start.run}: {len(self.lacking)} of {self.frames} frames lack shots"
        return None

    def has(self, message: FrameHeader | ShotHeader) -> bool:
        """Whether a frame, or a shot of it, is here."""
        if isinstance(message, ShotHeader) and message.frame_seq in self.lacking:
            return message.illumination in self.lacking[message.frame_seq]
        return message.frame_seq in self.numbers

    def add(self, message: FrameHeader | ShotHeader, data_bytes: int, since_start_ns: int) -> None:
        """Count a frame or shot that was not here."""
        self.data_bytes += data_bytes
        self.encodings.add(message.encoding)
        first_ns = since_start_ns if self.first_ns is None else self.first_ns
        self.first_ns = min(since_start_ns, first_ns)
        self.last_ns = max(self.last_ns, since_start_ns)
        self.numbers.add(message.frame_seq)
        if isinstance(message, ShotHeader):
            shots = self.lacking.setdefault(message.frame_seq, set())
            shots.add(message.illumination)
            if shots >= set(self.start.shots):
                del self.lacking[message.frame_seq]


class Account:
    """All runs of one recording.

    Attributes:
        messages: Entries counted.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunAccount] = {}
        self.messages = 0

    def fault(self, message: FromSource) -> str | None:
        """Why a message cannot be next in a recording, or None."""
        if isinstance(message, Start):
            known = self.runs.get(message.run)
            return f"run {message.run}: started twice" if known else None
        if isinstance(message, Hello):
            return f"{message.type}: a recording holds start, frame, shot and end"
        run = self.runs.get(message.run)
        if run is None:
            return f"{message.type} of run {message.run}, which was not started"
        if run.announced is not None:
            return f"{message.type} of run {message.run}, which has ended"
        if not isinstance(message, End) and run.has(message):
            shot = f"shot {message.illumination} of " if isinstance(message, ShotHeader) else ""
            return f"{shot}frame {message.frame_seq} of run {message.run} is there twice"
        return None

    def add(self, message: FromSource, data_bytes: int, since_start_ns: int) -> None:
        """Count a message that has no fault."""
        self.messages += 1
        if isinstance(message, Start):
            self.runs[message.run] = RunAccount(message)
        elif isinstance(message, FrameHeader | ShotHeader):
            self.runs[message.run].add(message, data_bytes, since_start_ns)
        elif isinstance(message, End):
            self.runs[message.run].announced = message.n_frames

    @property
    def frames(self) -> int:
        """Distinct frames of all runs."""
        return sum(run.frames for run in self.runs.values())

    def problems(self) -> list[str]:
        """One line for each run that is not whole."""
        if not self.runs:
            return ["no run was recorded"]
        return [line for run in self.runs.values() if (line := run.problem()) is not None]

    def totals(self) -> dict[str, Any]:
        """What the closing entry repeats."""
        return {"messages": self.messages, "frames": self.frames, "runs": len(self.runs)}
