"""Drive a sender from an iterator of frames, at a steady rate or as fast as the daemon takes them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from phenostream.daemon.client.sender import FrameData, Sender
from phenostream.daemon.client.sender_options import SenderCounts
from phenostream.daemon.wire.ingest import Report, Start
from phenostream.engine.errors import BadConfig


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


def stream(
    sender: Sender,
    start: Start,
    frames: Iterable[SourceFrame],
    rate_hz: float | None = None,
    on_progress: Callable[[SenderCounts], None] | None = None,
) -> Report:
    """Send one whole run; frames the daemon already knows (an interrupted run) are skipped.

    Args:
        sender: Entered, with no run open.
        start: The run.
        frames: In order of frame_seq; pulled one at a time, when the previous one was handed over.
        rate_hz: Frames a second on a fixed schedule (a late frame is sent at once); None sends as credit allows.
        on_progress: Called after every frame.

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
    began_s, n_sent = time.monotonic(), 0
    for frame in frames:
        if frame.frame_seq <= known:
            continue
        if rate_hz is not None:
            sender.wait(began_s + n_sent / rate_hz - time.monotonic())
        sender.send(
            frame.frame_seq,
            frame.data,
            stage_um=frame.stage_um,
            exposure_ms=frame.exposure_ms,
            source_utc_ns=frame.source_utc_ns,
        )
        n_sent += 1
        if on_progress is not None:
            on_progress(sender.counts)
    return sender.finish()
