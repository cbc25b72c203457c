"""The latency the daemon adds to the engine: from a frame's last byte to a subscriber, less the inference.

Open-loop Poisson arrivals: frames are sent when they are due, whether or not the last one is back, so that waiting in a
queue counts. The load is a share of the capacity that is measured first, in the same run. Receipt and delivery are read
from the box's one monotonic clock; the subscriber's own wake-up is included, so the figure is an upper bound.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.stream import SourceFrame, stream
from phenostream.daemon.client.subscriber import Subscriber
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.results import FrameRecord
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import EngineFault

DISTINCT_FRAMES = 8
_WARM_FRAMES = 20


@dataclass(frozen=True, slots=True)
class LatencyFigure:
    """Milliseconds over all timed frames.

    Attributes:
        added_p50_ms: Added latency, median.
        added_p99_ms: Its 99th percentile.
        whole_p50_ms: Last byte to subscriber, the inference included.
        whole_p99_ms: Likewise.
        infer_p50_ms: The batch's submit to result.
        fdatasync_p50_ms: One record written and synced in the same folder, on the idle box.
        fdatasync_p99_ms: Likewise.
        capacity_fps: Frames per second as fast as they are acknowledged.
        offered_fps: Mean rate of the Poisson arrivals.
    """

    added_p50_ms: float
    added_p99_ms: float
    whole_p50_ms: float
    whole_p99_ms: float
    infer_p50_ms: float
    fdatasync_p50_ms: float
    fdatasync_p99_ms: float
    capacity_fps: float
    offered_fps: float
    frames: int
    size_px: int
    cells_per_frame: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """One frame as a subscriber saw it come.

    Attributes:
        received_ns: Monotonic clock of the box when the daemon had its last byte.
        whole_ms: From then until the subscriber had its result.
        infer_ms: The batch's submit to result; 0 where no cell went through the model.
        model: Identity of the bundle that its result names.
    """

    frame_seq: int
    received_ns: int
    whole_ms: float
    infer_ms: float
    found: int
    fate: str
    reason: str | None
    model: str

    @property
    def added_ms(self) -> float:
        """What the daemon added to the engine's time."""
        return self.whole_ms - self.infer_ms


def measure_latency(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    load: float,
    on_step: Callable[[], None] = lambda: None,
) -> LatencyFigure:
    """Measure capacity, then latency at `load` of it.

    Raises:
        EngineFault: A frame was not published.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    sync_ms = _time_fdatasync(folder, 200)
    with DaemonChild(folder, child_settings(bundle_name)) as daemon:
        capacity = measure_capacity(daemon.ready["ingest"], microscope, images)
        offered = capacity * load
        gaps_s = np.random.default_rng(0).exponential(1 / offered, frames + _WARM_FRAMES)
        seen = _published(timed_run(daemon.ready, microscope, images, gaps_s, on_step))
    timed = seen[_WARM_FRAMES:]
    whole = [frame.whole_ms for frame in timed]
    infer = [frame.infer_ms for frame in timed]
    added = [frame.added_ms for frame in timed]
    return LatencyFigure(
        added_p50_ms=quantile(added, 0.5),
        added_p99_ms=quantile(added, 0.99),
        whole_p50_ms=quantile(whole, 0.5),
        whole_p99_ms=quantile(whole, 0.99),
        infer_p50_ms=quantile(infer, 0.5),
        fdatasync_p50_ms=quantile(sync_ms, 0.5),
        fdatasync_p99_ms=quantile(sync_ms, 0.99),
        capacity_fps=round(capacity, 1),
        offered_fps=round(offered, 1),
        frames=len(timed),
        size_px=microscope.settings.size_px,
        cells_per_frame=round(statistics.mean(frame.found for frame in timed), 1),
    )


def added_latency(
    endpoints: dict[str, Any],
    microscope: SimulatedMicroscope,
    images: Sequence[npt.NDArray[np.uint16]],
    gaps_s: npt.NDArray[np.float64],
) -> list[float]:
    """Milliseconds that a running daemon adds to each frame of a run with these gaps between arrivals.

    Raises:
        EngineFault: A frame was not published.
    """
    return [
        frame.added_ms for frame in _published(timed_run(endpoints, microscope, images, gaps_s))
    ]


def timed_run(
    endpoints: dict[str, Any],
    microscope: SimulatedMicroscope,
    images: Sequence[npt.NDArray[np.uint16]],
    gaps_s: npt.NDArray[np.float64],
    on_step: Callable[[], object] = lambda: None,
) -> list[TimedFrame]:
    """One run with these gaps between arrivals, every frame of it with its fate, in order of delivery.

    Args:
        endpoints: Of a ready daemon.
        microscope: Whose START is sent.
        images: Sent in turn.
        gaps_s: Seconds before each frame.
        on_step: Called with every frame that is back.
    """
    seen: list[TimedFrame] = []
    with Subscriber(endpoints["results"], endpoints["control"], silence_timeout_s=30) as results:
        results.wait_subscribed()
        sender = threading.Thread(
            target=_send_poisson,
            args=(endpoints["ingest"], microscope, images, gaps_s),
            daemon=True,
        )
        sender.start()
        for record in results:
            now_ns = time.monotonic_ns()
            if isinstance(record.body, FrameRecord):
                seen.append(_timed(record.body.meta, now_ns))
                on_step()
            if len(seen) == len(gaps_s):
                break
        sender.join()
    return seen


def _timed(meta: Mapping[str, Any], now_ns: int) -> TimedFrame:
    received_ns = meta["received_monotonic_ns"]
    return TimedFrame(
        frame_seq=meta["frame_seq"],
        received_ns=received_ns,
        whole_ms=(now_ns - received_ns) / 1e6,
        infer_ms=meta["timing_ms"].get("infer", 0.0),
        found=meta["counts"]["found"],
        fate=meta["fate"],
        reason=meta["reason"],
        model=meta["model"]["sha256"],
    )


def _published(frames: list[TimedFrame]) -> list[TimedFrame]:
    for frame in frames:
        if frame.fate != "published":
            raise EngineFault(
                f"bench latency: frame {frame.frame_seq} was {frame.fate}: {frame.reason}"
            )
    return frames


def _send_poisson(
    url: str,
    microscope: SimulatedMicroscope,
    images: Sequence[npt.NDArray[np.uint16]],
    gaps_s: npt.NDArray[np.float64],
) -> None:
    start = microscope.start(new_run_id(), len(gaps_s))
    with Sender(url, start.instrument) as sender:
        sender.start(start)
        due_s = time.monotonic()
        for seq, gap_s in enumerate(gaps_s):
            due_s += gap_s
            if (wait_s := due_s - time.monotonic()) > 0:
                sender.wait(wait_s)
            sender.send(seq, images[seq % len(images)])
        sender.finish()


def measure_capacity(
    url: str, microscope: SimulatedMicroscope, images: Sequence[npt.NDArray[np.uint16]]
) -> float:
    """Frames per second when every frame is sent as soon as credit allows."""
    count = 200
    frames: Iterator[SourceFrame] = (
        SourceFrame(seq, images[seq % len(images)]) for seq in range(count)
    )
    start = microscope.start(new_run_id(), count)
    with Sender(url, start.instrument) as sender:
        began_s = time.monotonic()
        stream(sender, start, frames)
        return count / (time.monotonic() - began_s)


def _time_fdatasync(folder: Path, count: int) -> list[float]:
    """Milliseconds of appending 4 KiB and syncing it, one at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    took = []
    with (folder / "fdatasync").open("wb", buffering=0) as file:
        for _ in range(count):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - began) * 1e3)
    return took


def quantile(values: Sequence[float], q: float) -> float:
    """One quantile, to a microsecond where the values are milliseconds."""
    return round(float(np.quantile(values, q)), 3)
