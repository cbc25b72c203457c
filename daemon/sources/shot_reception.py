"""What becomes of one shot at the door: kept until its frame is whole, turned away, or the end of its frame.

A frame owes its fate from its first shot on. It goes to the pipeline with its last one; a shot that breaks the
contract, a wait that was too long, or the need for room end it before, as quarantined, with every byte of it that came.
"""

from typing import Any

import numpy as np

from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import Arrival
from phenostream.daemon.quarantine import Part
from phenostream.daemon.sources.frame_check import fault, parts_of
from phenostream.daemon.sources.reception import Clock, Letter, Outlets, Reception
from phenostream.daemon.sources.runs import Run
from phenostream.daemon.sources.shot_assembler import PartialFrame, ShotAssembler, TakenShot
from phenostream.daemon.wire.ingest import FrameHeader, ShotHeader


class ShotReception:
    """Belongs to the ingest thread, beside the `Reception` of whole frames."""

    def __init__(
        self, ledger: Ledger, reception: Reception, assembler: ShotAssembler, outlets: Outlets
    ) -> None:
        """Nothing waits."""
        self._ledger = ledger
        self._outlets = outlets
        self._reception = reception
        self._assembler = assembler

    def take(
        self, peer: bytes, run: Run, header: ShotHeader, data: memoryview, clock: Clock
    ) -> list[Letter]:
        """A shot of an open run."""
        frame = self._frame_of(peer, run, header.frame_seq, data, clock)
        if not isinstance(frame, PartialFrame):
            if self._assembler.waiting(header.run, header.frame_seq) is None:
                self._reception.note_retake(run, header)
            return frame
        reason = fault(header, run.start, data, self._outlets.encodings)
        if reason is not None:
            self._end_broken(frame, reason, Part(header.model_dump(), data), clock)
        elif header.illumination in frame.shots:
            self._count_repeated(frame, header, data)
        else:
            run.retakes.received(header.frame_seq, header.source_utc_ns, header.illumination)
            self._add(frame, TakenShot(header, data), clock)
        return []

    def take_broken(
        self, peer: bytes, run: Run, frame_seq: int, error: str, data: memoryview, clock: Clock
    ) -> list[Letter]:
        """A shot of an open run whose header names its frame but breaks the schema."""
        frame = self._frame_of(peer, run, frame_seq, data, clock)
        if not isinstance(frame, PartialFrame):
            return frame
        self._end_broken(frame, f"header: {error}", Part({}, data), clock)
        return []

    def gives_way(self, header: FrameHeader) -> bool:
        """A whole frame came. If its number waits for shots it takes their place, and owes the same fate: True."""
        frame = self._assembler.waiting(header.run, header.frame_seq)
        if frame is None:
            return False
        self._let_go_repeated(frame)
        return True

    def expire(self, clock: Clock) -> None:
        """End the frames that have waited too long."""
        for frame in self._assembler.overdue(clock.now_s):
            self._end_incomplete(frame, f"after {self._assembler.timeout_s:g} s")

    def forget(self) -> set[str]:
        """Nothing more will come. A lossless source will send again what waits, so it gets no fate here; else it does.

        Returns:
            The runs of the frames without a fate.
        """
        runs = set()
        for frame in self._assembler.let_all_go():
            if frame.run.source is None:
                self._reception.withdraw(frame.start.run, frame.frame_seq)
                runs.add(frame.start.run)
            else:
                self._end_incomplete(frame, "when the daemon stopped")
        return runs

    def _frame_of(
        self, peer: bytes, run: Run, frame_seq: int, data: memoryview, clock: Clock
    ) -> PartialFrame | list[Letter]:
        """The waiting frame that a shot of this connection belongs to; or the answer to one that is not taken."""
        frame = self._assembler.waiting(run.start.run, frame_seq)
        if frame is None:
            turned_away = self._turn_away(peer, run, frame_seq, data)
            if turned_away is not None:
                return turned_away
            return self._assembler.begin(run, frame_seq, peer, clock)
        if peer in frame.left:
            self._ledger.count("shots_repeated", run.start.run)
            return []
        return frame if frame.peer == peer else self._begin_anew(peer, frame, clock)

    def _turn_away(
        self, peer: bytes, run: Run, frame_seq: int, data: memoryview
    ) -> list[Letter] | None:
        """The answer to a shot that begins no frame; or None: its frame has credit for all of it and owes a fate."""
        name, size = run.start.run, max(run.start.frame_bytes, data.nbytes)
        answer = self._reception.turn_away(peer, name, frame_seq, size, again="shots_late")
        if answer is None:
            self._reception.owe(peer, name, frame_seq, size)
        return answer

    def _begin_anew(self, peer: bytes, frame: PartialFrame, clock: Clock) -> PartialFrame:
        """Another connection sends this frame: all of it, as after any loss. The shots of two are never mixed.

        What the earlier one still had on its way may be read between; it does not take the frame back.
        """
        self._let_go_repeated(frame)
        anew = self._assembler.begin(frame.run, frame.frame_seq, peer, clock)
        anew.left = frame.left | {frame.peer}
        return anew

    def _let_go_repeated(self, frame: PartialFrame) -> None:
        self._assembler.let_go(frame)
        self._ledger.count("shots_repeated", frame.start.run, len(frame.shots))

    def _add(self, frame: PartialFrame, shot: TakenShot, clock: Clock) -> None:
        for oldest in self._assembler.room_for(frame, shot):
            self._end_incomplete(oldest, "when newer frames needed the memory")
        self._assembler.add(frame, shot, clock)
        if not frame.missing:
            self._assembler.let_go(frame)
            shots = frame.in_order()
            parts = [part for one in shots for part in parts_of(one.header, frame.start, one.data)]
            self._outlets.hand_on(_arrival(frame), parts)

    def _count_repeated(self, frame: PartialFrame, header: ShotHeader, data: memoryview) -> None:
        """The first one stays; that the second differs is said, once a run."""
        self._ledger.count("shots_repeated", header.run)
        first = frame.shots[header.illumination].data
        if not np.array_equal(np.frombuffer(first, np.uint8), np.frombuffer(data, np.uint8)):
            text = f"repeated: {header.illumination} came again with other data, the first stays"
            self._reception.complain(frame.run, frame.frame_seq, text)

    def _end_incomplete(self, frame: PartialFrame, when: str) -> None:
        there, announced = len(frame.shots), len(frame.start.shots)
        missing = ", ".join(frame.missing)
        reason = f"incomplete: {there} of {announced} shots, {missing} missing {when}"
        self._reception.quarantine(frame.run, _arrival(frame), reason, _parts(frame))

    def _end_broken(self, frame: PartialFrame, reason: str, broken: Part, clock: Clock) -> None:
        """A shot broke the contract, and its frame with it."""
        self._assembler.let_go(frame)
        frame.last = clock
        self._reception.quarantine(frame.run, _arrival(frame), reason, [*_parts(frame), broken])


def _arrival(frame: PartialFrame) -> Arrival:
    """When the last shot came; place, exposure and time as the first in START's order says them."""
    told: dict[str, Any] = {}
    first = next(frame.in_order(), None)
    if first is not None:
        header = first.header
        told = {
            "source_utc_ns": header.source_utc_ns,
            "stage_um": (header.x_um, header.y_um, header.z_um),
            "exposure_ms": header.exposure_ms,
        }
    shots = tuple(one.header.illumination for one in frame.in_order())
    last = frame.last
    told |= {"source": frame.run.source, "shots": shots}
    return Arrival(frame.start, frame.frame_seq, last.utc_ns, last.now_s, **told)


def _parts(frame: PartialFrame) -> list[Part]:
    return [Part(shot.header.model_dump(), shot.data) for shot in frame.shots.values()]
