"""How much of the bare engine the daemon delivers: its cells/s, through sockets, cropping and journal ÷ the engine's.

The sender runs on the same cores, over ipc, with frames made beforehand; rounds of daemon and bare engine alternate in
one run, so that the ratio stands on a busy machine too.
"""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.stream import ShotOrder, SourceFrame, stream
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.tuning.timing import time_backend
from phenostream.daemon.wire.ingest import Ack
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault

DISTINCT_FRAMES = 4
WARM_FRAMES = 4


@dataclass(frozen=True, slots=True)
class PipelineFigure:
    """Medians over the rounds.

    Attributes:
        ratio: Daemon cells/s ÷ bare engine cells/s, median of the rounds' ratios.
        daemon_cells_per_s: Cells that went through the model (classified or rejected) per second of wall time.
        engine_cells_per_s: The bare engine at its best streams and batch.
        frames_per_s: Frames acknowledged per second.
        resident_mib: The daemon's resident memory after each round: flat means nothing is kept per frame.
    """

    ratio: float
    ratio_low: float
    ratio_high: float
    daemon_cells_per_s: float
    engine_cells_per_s: float
    frames_per_s: float
    resident_mib: tuple[float, ...]
    cells_per_frame: float
    size_px: int
    frames: int
    rounds: int
    backend: str
    precision: str
    engine_streams: int
    engine_batch: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_pipeline(
    bundle: Bundle,
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    rounds: int,
    on_step: Callable[[], None] = lambda: None,
) -> PipelineFigure:
    """Alternate daemon and bare engine, `rounds` times each.

    Raises:
        EngineFault: The daemon did not publish every frame it received.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    backend = open_backend(bundle, "auto", streams=2, threads=2)
    try:
        streams, batch = _best(lambda s, b: time_backend(backend, s, b, 0.3)[0])
        with DaemonChild(folder, child_settings(bundle_name)) as daemon:
            engine_rates, daemon_rates, frame_rates, resident, cells = [], [], [], [], 0.0
            for _ in range(rounds):
                engine_rates.append(time_backend(backend, streams, batch, 2.0)[0])
                rate, fps, cells = stream_once(daemon.ready["ingest"], microscope, images, frames)
                daemon_rates.append(rate)
                frame_rates.append(fps)
                resident.append(round(daemon.resident_mib, 1))
                on_step()
    finally:
        backend.close()
    ratios = [one / other for one, other in zip(daemon_rates, engine_rates, strict=True)]
    return PipelineFigure(
        ratio=round(statistics.median(ratios), 3),
        ratio_low=round(min(ratios), 3),
        ratio_high=round(max(ratios), 3),
        daemon_cells_per_s=round(statistics.median(daemon_rates), 1),
        engine_cells_per_s=round(statistics.median(engine_rates), 1),
        frames_per_s=round(statistics.median(frame_rates), 2),
        resident_mib=tuple(resident),
        cells_per_frame=round(cells, 1),
        size_px=microscope.settings.size_px,
        frames=frames,
        rounds=rounds,
        backend=backend.name,
        precision=backend.precision,
        engine_streams=streams,
        engine_batch=batch,
    )


def stream_once(
    url: str,
    microscope: SimulatedMicroscope,
    images: Sequence[npt.NDArray[np.uint16]],
    frames: int,
    single_shots: ShotOrder | None = None,
) -> tuple[float, float, float]:
    """One run: model cells per second, frames per second, and model cells per frame, after a warm-up.

    Raises:
        EngineFault: The daemon did not publish every frame it received.
    """
    acked_s: list[float] = []

    def note(_ack: Ack) -> None:
        acked_s.append(time.perf_counter())

    start = microscope.start(new_run_id(), frames + WARM_FRAMES)
    with Sender(url, start.instrument) as sender:
        sender.on_ack = note
        sent = _cycle(images, frames + WARM_FRAMES)
        report = stream(sender, start, sent, single_shots=single_shots)
    ledger = report.ledger
    if ledger["published"] != frames + WARM_FRAMES:
        raise EngineFault(
            f"bench pipeline: {ledger['published']} of {frames + WARM_FRAMES} frames published"
        )
    seconds = acked_s[-1] - acked_s[WARM_FRAMES - 1]
    per_frame = (ledger["cells_classified"] + ledger["cells_rejected"]) / (frames + WARM_FRAMES)
    return per_frame * frames / seconds, frames / seconds, per_frame


def _cycle(images: Sequence[npt.NDArray[np.uint16]], count: int) -> Iterator[SourceFrame]:
    return (
        SourceFrame(seq, image)
        for seq, image in zip(range(count), itertools.cycle(images), strict=False)
    )


def _best(rate: Callable[[int, int], float]) -> tuple[int, int]:
    """Streams and batch at which the bare engine is quickest on this box."""
    return max(itertools.product((1, 2), (16, 32, 64)), key=lambda pair: rate(*pair))
