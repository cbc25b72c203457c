"""What a recording holds, found by reading and checking all of it: for `phenostream info` and before a replay."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from phenostream.daemon.recordings.account import RunAccount
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.wire.ingest import Encoding, Start


@dataclass(frozen=True, slots=True)
class RunFacts:
    """One run of a recording.

    Attributes:
        announced: Frames said at END; None where END is not in the recording.
        expected: Frames it should have: as announced, or where END is not there as START expected; None: unknown.
        missing: Expected frames that are not there.
        duration_s: First to last frame as received.
        data_bytes: Of all frames as received.
        encodings: In which they were received, ``raw`` last.
    """

    start: Start
    frames: int
    announced: int | None
    expected: int | None
    missing: int
    duration_s: float
    data_bytes: int
    encodings: tuple[Encoding, ...] = ("raw",)

    @classmethod
    def of(cls, run: RunAccount) -> "RunFacts":
        """Freeze an account."""
        return cls(
            run.start,
            run.frames,
            run.announced,
            run.expected,
            run.missing,
            run.duration_s,
            run.data_bytes,
            tuple(sorted(run.encodings)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values; START's fields without version and type."""
        start = self.start.model_dump(mode="json", exclude={"v", "type"})
        return {
            **start,
            "frames": self.frames,
            "announced": self.announced,
            "expected": self.expected,
            "missing": self.missing,
            "duration_s": round(self.duration_s, 6),
            "data_bytes": self.data_bytes,
            "encodings": list(self.encodings),
        }

    def line(self) -> str:
        """One line for a person."""
        start = self.start
        rate = f", {(self.frames - 1) / self.duration_s:.3g} a second" if self.duration_s else ""
        packed = ", ".join(one for one in self.encodings if one != "raw")
        packed = f", sent as {packed}" if packed else ""
        origin = "simulated (synthetic)" if start.synthetic else "not simulated"
        return (
            f"run {start.run} of {start.instrument}: "
            f"{self.frames}{'' if self.expected is None else f' of {self.expected}'} frames, "
            f"{len(start.shots)} x {start.height} x {start.width} {start.dtype} "
            f"({start.bit_depth} bit, dark {start.dark_level:g}, white {start.white_level:g}), "
            f"{start.pixel_size_um:.4g} um/px, {start.wavelength_um:g} um, NA "
            f"{start.numerical_aperture:g}, {origin}{packed}, {self.duration_s:.1f} s{rate}"
        )


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """A recording.

    Attributes:
        bytes: Size of the file.
        complete: Closed cleanly, undamaged, every announced frame there.
        problems: Why it is INCOMPLETE, one line each.
        created_utc_ns: None where the opening entry is damaged.
        software: That wrote it.
        note: Free text.
        messages: START, FRAME, SHOT and END messages.
    """

    path: Path
    bytes: int
    complete: bool
    problems: tuple[str, ...]
    created_utc_ns: int | None
    software: str
    note: str
    messages: int
    frames: int
    runs: tuple[RunFacts, ...]

    @property
    def duration_s(self) -> float:
        """Sum over the runs."""
        return sum(run.duration_s for run in self.runs)

    @property
    def synthetic(self) -> bool:
        """Whether any run came from a simulated microscope."""
        return any(run.start.synthetic for run in self.runs)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "path": str(self.path),
            "bytes": self.bytes,
            "complete": self.complete,
            "problems": list(self.problems),
            "created_utc_ns": self.created_utc_ns,
            "software": self.software,
            "note": self.note,
            "messages": self.messages,
            "frames": self.frames,
            "duration_s": round(self.duration_s, 6),
            "synthetic": self.synthetic,
            "runs": [run.as_dict() for run in self.runs],
        }

    def lines(self) -> list[str]:
        """The same for a person."""
        state = "complete" if self.complete else "INCOMPLETE"
        head = [f"{self.path}: {state}, {self.bytes} bytes, {self.frames} frames"]
        if self.created_utc_ns is not None:
            when = datetime.fromtimestamp(self.created_utc_ns // 10**9, UTC)
            head.append(f"written {when:%Y-%m-%d %H:%M:%S} UTC by {self.software}")
        note = [f"note: {self.note}"] if self.note else []
        problems = [f"INCOMPLETE: {line}" for line in self.problems]
        return [*head, *note, *(run.line() for run in self.runs), *problems]


def facts(
    path: Path, *, tolerant: bool = True, on_position: Callable[[int], None] | None = None
) -> RecordingFacts:
    """Read and check a whole recording.

    Args:
        path: The file.
        tolerant: Damage becomes a line of `problems`; else it raises.
        on_position: Called with the byte reached after every message.

    Raises:
        BadRecording: Not a recording of this version; or damaged, unless tolerant.
    """
    with RecordingReader(path, tolerant=tolerant) as reader:
        for _ in reader:
            if on_position is not None:
                on_position(reader.position)
        account, opening, problems = reader.account, reader.opening, tuple(reader.problems)
    created = opening.get("created_utc_ns")
    return RecordingFacts(
        path=path,
        bytes=path.stat().st_size,
        complete=not problems,
        problems=problems,
        created_utc_ns=created if isinstance(created, int) else None,
        software=str(opening.get("software", "unknown")),
        note=str(opening.get("note", "")),
        messages=account.messages,
        frames=account.frames,
        runs=tuple(RunFacts.of(run) for run in account.runs.values()),
    )
