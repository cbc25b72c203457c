"""Frames that come shot by shot, until each is whole, overdue, or gives way: a machine without sockets and clocks.

A shot belongs to the frame that its run and number name, and to the place its illumination names; neither the order of
arrival nor a source's clock is ever looked at. What a frame waits for is bounded in time from its first shot, and what
all of them hold is bounded in bytes: the frame that began first gives way. No pixel is touched. Belongs to the ingest
thread.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from phenostream.daemon.sources.reception import Clock
from phenostream.daemon.sources.runs import Run
from phenostream.daemon.wire.ingest import Shot, ShotHeader, Start

SHOT_OVERHEAD_BYTES: Final = 4096
"""What a shot takes besides its data: its header and our note of it. Bounds the number of tiny shots too."""


class TakenShot(NamedTuple):
    """One shot as it was received; the data keep its message alive."""

    header: ShotHeader
    data: memoryview

    @property
    def cost(self) -> int:
        """What it takes of the bound, bytes."""
        return self.data.nbytes + SHOT_OVERHEAD_BYTES


@dataclass(slots=True)
class PartialFrame:
    """A frame of which some shots have come.

    Attributes:
        run: Whose it is.
        peer: Connection that sends it: all its shots come over one.
        deadline_s: When it is overdue, in seconds of listening.
        left: Connections that sent it before `peer` did; what is still read from them is not taken.
        shots: By illumination, in the order they came.
        last: When the last of them came.
    """

    run: Run
    frame_seq: int
    peer: bytes
    deadline_s: float
    last: Clock
    left: frozenset[bytes] = frozenset()
    shots: dict[Shot, TakenShot] = field(default_factory=dict)

    @property
    def start(self) -> Start:
        """Of its run."""
        return self.run.start

    @property
    def cost(self) -> int:
        """What it takes of the bound, bytes."""
        return sum(shot.cost for shot in self.shots.values())

    @property
    def missing(self) -> list[Shot]:
        """The announced illuminations that did not come, in START's order."""
        return [shot for shot in self.start.shots if shot not in self.shots]

    def in_order(self) -> Iterator[TakenShot]:
        """The shots there are, in START's order."""
        return (self.shots[shot] for shot in self.start.shots if shot in self.shots)


class ShotAssembler:
    """All frames that wait for shots, the one that began first in front."""

    def __init__(self, timeout_s: float, max_bytes: int) -> None:
        """Nothing waits.

        Args:
            timeout_s: How long a frame waits for its other shots, from its first one; time that was spent without
                listening (see `pause`) does not count.
            max_bytes: What all waiting frames may hold together; a single frame may hold more, alone.
        """
        self.timeout_s = timeout_s
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._paused_s = 0.0
        self._frames: OrderedDict[tuple[str, int], PartialFrame] = OrderedDict()

    def __len__(self) -> int:
        return len(self._frames)

    def pause(self, seconds: float) -> None:
        """Nobody listened for so long: no source is to blame for that."""
        self._paused_s += seconds

    def waiting(self, run: str, frame_seq: int) -> PartialFrame | None:
        """The frame, if it waits for shots."""
        return self._frames.get((run, frame_seq))

    def begin(self, run: Run, frame_seq: int, peer: bytes, clock: Clock) -> PartialFrame:
        """A frame's first shot is about to be added."""
        deadline_s = self._listened_s(clock.now_s) + self.timeout_s
        frame = PartialFrame(run, frame_seq, peer, deadline_s, clock)
        self._frames[run.start.run, frame_seq] = frame
        return frame

    def add(self, frame: PartialFrame, shot: TakenShot, clock: Clock) -> None:
        """Take a shot that a waiting frame misses, room having been made for it."""
        frame.shots[shot.header.illumination] = shot
        frame.last = clock
        self.held_bytes += shot.cost

    def room_for(self, frame: PartialFrame, shot: TakenShot) -> Iterator[PartialFrame]:
        """Let frames go until the shot fits: those that began first, never its own."""
        while self.held_bytes + shot.cost > self.max_bytes:
            oldest = next((one for one in self._frames.values() if one is not frame), None)
            if oldest is None:
                return
            yield self.let_go(oldest)

    def overdue(self, now_s: float) -> Iterator[PartialFrame]:
        """Let every frame go that has waited too long, one by one."""
        listened_s = self._listened_s(now_s)
        while self._frames:
            oldest = next(iter(self._frames.values()))
            if oldest.deadline_s > listened_s:
                return
            yield self.let_go(oldest)

    def let_go(self, frame: PartialFrame) -> PartialFrame:
        """It waits no longer; the same frame."""
        del self._frames[frame.start.run, frame.frame_seq]
        self.held_bytes -= frame.cost
        return frame

    def let_all_go(self) -> list[PartialFrame]:
        """Nothing waits any longer; what did."""
        return [self.let_go(frame) for frame in list(self._frames.values())]

    def _listened_s(self, now_s: float) -> float:
        return now_s - self._paused_s
