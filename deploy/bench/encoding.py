"""What compressed frames cost the daemon and save on the way to it: frames/s against raw ones, and bytes.

Three ways of sending the same simulated frames alternate in one run, over ipc, with the sender on the same cores: raw;
packed beforehand, as a camera or another computer would; and packed by the sender as it goes.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.encoding import pack_counts, unpack_counts
from phenostream.daemon.wire.ingest import Encoding, FrameHeader, Start
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import EngineFault

Image = npt.NDArray[np.uint16]
_DISTINCT_FRAMES: Final = 4
_WARM_FRAMES: Final = 4
_REPEATS: Final = 5
WAYS: Final = ("raw", "packed beforehand", "packed by the sender")


@dataclass(frozen=True, slots=True)
class Way:
    """One way of sending; medians over the rounds, `ratio` with the least and the most.

    Attributes:
        ratio: Frames/s ÷ those of raw in the same round.
        megabytes: On the wire for one frame, MB.
    """

    name: str
    frames_per_s: float
    cells_per_s: float
    ratio: float
    ratio_low: float
    ratio_high: float
    megabytes: float


@dataclass(frozen=True, slots=True)
class EncodingFigure:
    """All ways, and what one core does with one frame.

    Attributes:
        pack_ms: To compress a frame, median.
        unpack_ms: To decompress it, median.
    """

    ways: tuple[Way, ...]
    pack_ms: float
    unpack_ms: float
    cells_per_frame: float
    size_px: int
    frames: int
    rounds: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_encoding(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    rounds: int,
    on_step: Callable[[], None] = lambda: None,
) -> EncodingFigure:
    """Alternate the ways, `rounds` times each.

    Raises:
        EngineFault: The daemon did not publish every frame it received.
        MissingPackage: The compression extra is not installed.
    """
    images = [microscope.frame(seq) for seq in range(_DISTINCT_FRAMES)]
    chunks = [pack_counts(image.data.cast("B"), 2) for image in images]
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    cells = 0.0
    with DaemonChild(folder, child_settings(bundle_name)) as daemon:
        for number in range(rounds):
            for way in WAYS[number % 3 :] + WAYS[: number % 3]:
                start = microscope.start(new_run_id(), frames + _WARM_FRAMES)
                data = chunks if way == WAYS[1] else [image.data.cast("B") for image in images]
                rate, cells = _stream(daemon.ready["ingest"], start, way, data, frames)
                rates[way].append(rate)
                on_step()
    packed_mb = statistics.mean(len(chunk) for chunk in chunks) / 1e6
    sizes_mb = (images[0].nbytes / 1e6, packed_mb, packed_mb)
    return EncodingFigure(
        ways=tuple(
            _way(way, rates, size_mb, cells) for way, size_mb in zip(WAYS, sizes_mb, strict=True)
        ),
        pack_ms=_median_ms(lambda: pack_counts(images[0].data.cast("B"), 2)),
        unpack_ms=_median_ms(lambda: unpack_counts(memoryview(chunks[0]), images[0].nbytes)),
        cells_per_frame=round(cells, 1),
        size_px=microscope.settings.size_px,
        frames=frames,
        rounds=rounds,
    )


def _way(name: str, rates: dict[str, list[float]], size_mb: float, cells: float) -> Way:
    ratios = [one / raw for one, raw in zip(rates[name], rates["raw"], strict=True)]
    frames_per_s = statistics.median(rates[name])
    return Way(
        name,
        round(frames_per_s, 2),
        round(frames_per_s * cells, 1),
        round(statistics.median(ratios), 3),
        round(min(ratios), 3),
        round(max(ratios), 3),
        round(size_mb, 2),
    )


def _stream(
    url: str, start: Start, way: str, data: Sequence[bytes | memoryview], frames: int
) -> tuple[float, float]:
    """One run: frames per second after a warm-up, and model cells per frame."""
    acked_s: list[float] = []
    encoding: Encoding = "raw" if way == "raw" else "blosc2"
    count = frames + _WARM_FRAMES
    with Sender(url, start.instrument, SenderSettings(encoding=encoding)) as sender:
        sender.on_ack = lambda _ack: acked_s.append(time.perf_counter())
        sender.start(start)
        for seq, one in zip(range(count), itertools.cycle(data), strict=False):
            if way == WAYS[1]:
                sender.send_frame(_header(start, seq), one)
            else:
                sender.send(seq, one)
        ledger = sender.finish().ledger
    if ledger["published"] != count:
        raise EngineFault(f"bench encoding: {ledger['published']} of {count} frames published")
    cells = (ledger["cells_classified"] + ledger["cells_rejected"]) / count
    return frames / (acked_s[-1] - acked_s[_WARM_FRAMES - 1]), cells


def _header(start: Start, frame_seq: int) -> FrameHeader:
    return FrameHeader(
        run=start.run,
        frame_seq=frame_seq,
        shape=(len(start.shots), start.height, start.width),
        dtype=start.dtype,
        encoding="blosc2",
        source_utc_ns=time.time_ns(),
    )


def _median_ms(call: Callable[[], object]) -> float:
    taken = []
    for _ in range(_REPEATS):
        began_s = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began_s)
    return round(1e3 * statistics.median(taken), 1)
