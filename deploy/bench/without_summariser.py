"""What becomes of the frames, and of the template's summaries, where the summariser is killed or hung in mid-run.

Read from the journal afterwards: every frame's fate, and how late each window was told by the template. A window's
record says how long the window was; what is beyond the configured time is how late it was written.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.client.control import Control, Stored
from phenostream.daemon.wire.codec import unpack_result
from phenostream.deploy.bench.busy_summariser import BusySummariser, busy_summariser
from phenostream.deploy.bench.latency import DISTINCT_FRAMES, TimedFrame, quantile, timed_run
from phenostream.deploy.child import DaemonChild
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import EngineFault

Fault = Callable[[BusySummariser], None]
FAULTS: Final[tuple[tuple[str, Fault], ...]] = (
    ("left alone", lambda _: None),
    ("killed (SIGKILL)", BusySummariser.kill),
    ("hung (SIGSTOP)", BusySummariser.hang),
)


@dataclass(frozen=True, slots=True)
class FaultFigure:
    """One run, in the middle of which something was done to the summariser.

    Attributes:
        done: To the summariser, when half of the frames were back.
        frames: Sent.
        unpublished: Of these.
        added_p99_ms: Latency that the daemon added to the frames after that.
        templates: Windows that the template told, in the whole run.
        latest_s: The longest time from a window's end to its template's summary.
        worded: Summaries in the words of the model.
        worded_after: Of these, in records behind the first frame that came after it.
    """

    done: str
    frames: int
    unpublished: int
    added_p99_ms: float
    templates: int
    latest_s: float
    worded: int
    worded_after: int


def measure_faults(
    settings: str,
    window_s: float,
    microscope: SimulatedMicroscope,
    folder: Path,
    gaps_s: npt.NDArray[np.float64],
    on_step: Callable[[], None] = lambda: None,
) -> list[FaultFigure]:
    """One run for each of `FAULTS`, on a daemon of its own.

    Args:
        settings: Of the daemon and the summariser.
        window_s: As configured there.
        microscope: Whose frames are sent.
        folder: For the daemons.
        gaps_s: Seconds before each frame.
        on_step: Called after each run.

    Raises:
        EngineFault: No window was told at all.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    figures = []
    for number, (done, fault) in enumerate(FAULTS):
        with DaemonChild(folder / str(number), settings) as daemon:
            control = daemon.ready["control"]
            with busy_summariser(daemon.folder, control) as summariser:
                half = _AfterHalf(len(gaps_s) // 2, fault, summariser)
                seen = timed_run(daemon.ready, microscope, images, gaps_s, half.count)
            figures.append(_figure(done, seen, list(_records(control)), window_s))
        on_step()
    return figures


class _AfterHalf:
    """Does something to a summariser once, when half of the frames are back."""

    def __init__(self, half: int, fault: Fault, summariser: BusySummariser) -> None:
        self._left = half
        self._fault = fault
        self._summariser = summariser

    def count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._fault(self._summariser)


def _figure(
    done: str, seen: list[TimedFrame], records: list[Stored], window_s: float
) -> FaultFigure:
    """What one run says."""
    after = seen[len(seen) // 2 :]
    told = [(one.offset, unpack_result(one.payload)) for one in records if one.topic == "summary"]
    templates = [body for _, body in told if body.get("source") == "template"]
    windows = [body for body in templates if body.get("scope") == "window"]
    if not windows:
        raise EngineFault(f"bench summariser: {done}: no window was told by the template")
    middle = _offset_of(records, after[0].frame_seq)
    worded = [offset for offset, body in told if body.get("source") != "template"]
    return FaultFigure(
        done=done,
        frames=len(seen),
        unpublished=sum(frame.fate != "published" for frame in seen),
        added_p99_ms=quantile([frame.added_ms for frame in after], 0.99),
        templates=len(windows),
        latest_s=round(max(_late_s(body, window_s) for body in windows), 3),
        worded=len(worded),
        worded_after=sum(offset > middle for offset in worded),
    )


def _late_s(body: dict[str, Any], window_s: float) -> float:
    """How much longer than configured a window was; the last one of a run may be shorter."""
    return max(0.0, float(body["facts"]["duration_s"]) - window_s)


def _offset_of(records: list[Stored], frame_seq: int) -> int:
    for record in records:
        if record.topic == "result" and unpack_result(record.payload)["frame_seq"] == frame_seq:
            return record.offset
    raise EngineFault(f"bench summariser: frame {frame_seq} is not in the journal")


def _records(control_url: str) -> Iterator[Stored]:
    """All of the journal."""
    with Control(control_url) as control:
        since = 0
        while (batch := control.get(since)).records:
            yield from batch.records
            since = batch.next
