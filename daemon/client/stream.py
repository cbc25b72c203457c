"""Drive a sender from an iterator of frames: whole or shot by shot, at a steady rate or as fast as they are taken.

A frame that is taken apart is not copied.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final, Literal

from phenostream.daemon.client.outgoing import Facts, FrameData, shots_of
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderCounts
from phenostream.daemon.wire.ingest import Report, Shot, Start
from phenostream.engine.errors import BadConfig

ShotOrder = Literal["ordered", "shuffled"]
_MIXED_FRAMES: Final = 2
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """One frame of a source.

    Attributes:
        frame_seq: Number in the run, from 0.
        data: (shots, H, W) counts; not changed by the source until it has its fate.
        stage_um: Stage x, y, z; None when unknown.
        exposure_ms: Per shot; None when unknown.
        source_utc_ns: When it was taken; None takes the clock when it is sent.
    """

    frame_seq: int
    data: FrameData
    stage_um: tuple[float, float, float] | None = None
    exposure_ms: float | None = None
    source_utc_ns: int | None = None

    @property
    def facts(self) -> Facts:
        """What is known besides number and counts."""
        return Facts(self.stage_um, self.exposure_ms, self.source_utc_ns)


def stream(
    sender: Sender,
    start: Start,
    frames: Iterable[SourceFrame],
    rate_hz: float | None = None,
    on_progress: Callable[[SenderCounts], None] | None = None,
    single_shots: ShotOrder | None = None,
) -> Report:
    """Send one whole run; frames the daemon already knows (an interrupted run) are skipped.

    Args:
        sender: Entered, with no run open.
        start: The run.
        frames: In order of frame_seq; pulled one at a time, when the previous one was handed over.
        rate_hz: Frames a second on a fixed schedule (a late frame is sent at once); None sends as credit allows.
        on_progress: Called after every frame or shot.
        single_shots: Send every shot alone: ``ordered`` as START names them, or ``shuffled``, those of every two frames
            among each other, always the same way. None sends frames whole.

    Returns:
        The daemon's exact ledger.

    Raises:
        BadConfig: `rate_hz` is not positive.
        PhenostreamError: As `Sender.start`, `send` and `finish`.
    """
    if rate_hz is not None and not rate_hz > 0:
        raise BadConfig(f"rate_hz: {rate_hz:g}, allowed above 0")
    started = sender.start(start)
    known = -1 if started.last_acked is None else started.last_acked
    unknown = (frame for frame in frames if frame.frame_seq > known)
    per_frame = 1 if single_shots is None else len(start.shots)
    began_s = time.monotonic()
    for number, hand_over in enumerate(_handovers(sender, start, unknown, single_shots)):
        if rate_hz is not None:
            sender.wait(began_s + number / (rate_hz * per_frame) - time.monotonic())
        hand_over()
        if on_progress is not None:
            on_progress(sender.counts)
    return sender.finish()


def taken_apart(
    start: Start, frames: Iterable[SourceFrame], order: ShotOrder
) -> Iterator[tuple[SourceFrame, Shot, memoryview]]:
    """Every shot of every frame once: its frame, its illumination, and its counts as a view of the frame's.

    Raises:
        BadFrame: A frame is not what START announced.
    """
    chance, left = random.Random(_SEED), iter(frames)  # noqa: S311 - an order, not a secret
    while some := list(islice(left, 1 if order == "ordered" else _MIXED_FRAMES)):
        shots = [(one, *shot) for one in some for shot in shots_of(start, one.data).items()]
        if order == "shuffled":
            chance.shuffle(shots)
        yield from shots


def _handovers(
    sender: Sender, start: Start, frames: Iterable[SourceFrame], single_shots: ShotOrder | None
) -> Iterator[Callable[[], None]]:
    if single_shots is None:
        for frame in frames:
            yield partial(sender.send, frame.frame_seq, frame.data, **frame.facts._asdict())
        return
    for frame, illumination, data in taken_apart(start, frames, single_shots):
        named = (frame.frame_seq, illumination)
        yield partial(sender.send_shot, *named, data, **frame.facts._asdict())
