"""The whole frames of a recording as arrays, whether they came in one message or shot by shot, plain or compressed.

Passes over what is no whole frame of its START: the daemon would quarantine it. Holds few frames at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from phenostream.daemon.pipeline.expansion import shot_arrays
from phenostream.daemon.recordings.reader import Recorded, RecordingReader
from phenostream.daemon.sources.frame_check import fault
from phenostream.daemon.wire.encoding import encodings, unpack_counts
from phenostream.daemon.wire.ingest import End, FrameHeader, ShotHeader, Start
from phenostream.engine.errors import BadFrame
from phenostream.engine.types import Frame

_MOST_OPEN: Final = 16


@dataclass(frozen=True, slots=True)
class WholeFrame:
    """One frame of a recording.

    Attributes:
        start: Of its run.
        frame_seq: Its number in the run.
        counts: One (H, W) array a shot, in the order that START announced.
    """

    start: Start
    frame_seq: int
    counts: tuple[Frame, ...]


@dataclass(slots=True)
class RecordedFrames:
    """Iterates over the whole frames of an open recording, once.

    Attributes:
        reader: Open; iterated from here.
        broken: FRAME and SHOT messages that were passed over because they are not what START announced.
    """

    reader: RecordingReader
    broken: int = 0
    _starts: dict[str, Start] = field(default_factory=dict)
    _open: dict[tuple[str, int], dict[str, Frame]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[WholeFrame]:
        """The frames, in the order in which they became whole."""
        for recorded in self.reader:
            message = recorded.message
            if isinstance(message, Start):
                self._starts[message.run] = message
            elif isinstance(message, FrameHeader | ShotHeader):
                whole = self._taken(message, recorded)
                if whole is not None:
                    yield whole
            elif isinstance(message, End):
                for key in [key for key in self._open if key[0] == message.run]:
                    del self._open[key]

    def _taken(self, header: FrameHeader | ShotHeader, recorded: Recorded) -> WholeFrame | None:
        start = self._starts[header.run]
        counts = _counts(header, start, memoryview(recorded.data or b""))
        if counts is None:
            self.broken += 1
            return None
        if isinstance(header, FrameHeader):
            return WholeFrame(start, header.frame_seq, counts)
        shots = self._open.setdefault((header.run, header.frame_seq), {})
        shots[header.illumination] = counts[0]
        if len(shots) < len(start.shots):
            if len(self._open) > _MOST_OPEN:
                del self._open[next(iter(self._open))]
            return None
        del self._open[header.run, header.frame_seq]
        return WholeFrame(start, header.frame_seq, tuple(shots[shot] for shot in start.shots))


def _counts(
    header: FrameHeader | ShotHeader, start: Start, data: memoryview
) -> tuple[Frame, ...] | None:
    """The arrays of one message; None where it is not what START announced."""
    if fault(header, start, data, encodings()) is not None:
        return None
    size = start.frame_bytes if isinstance(header, FrameHeader) else start.shot_bytes
    try:
        plain = data if header.encoding == "raw" else unpack_counts(data, size).data
    except BadFrame:
        return None
    return shot_arrays(start, plain)
