"""What single shots cost against whole frames: cells/s and CPU of the daemon and the sender, as ratios.

The same frames, the same bytes, one daemon, over ipc with the sender on the same cores; both ways alternate in one run,
each first in every other round. CPU seconds a frame are steadier than cells/s where other work shares the cores.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.daemon.client.stream import ShotOrder
from phenostream.deploy.bench.pipeline import DISTINCT_FRAMES, WARM_FRAMES, stream_once
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope

WAYS: Final[tuple[ShotOrder | None, ...]] = (None, "ordered")
_WHAT: Final = (
    "cells/s",
    "daemon CPU ms a frame",
    "sender CPU ms a frame",
    "both CPU ms a frame",
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One quantity, whole frames and single shots; medians over the rounds.

    Attributes:
        ratio: Single ÷ whole of the same round, median; with its quartiles, the least and the most.
    """

    name: str
    whole: float
    single: float
    ratio: float
    quartiles: tuple[float, float]
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ShotsFigure:
    """All quantities, and what they were measured on."""

    comparisons: tuple[Comparison, ...]
    cells_per_frame: float
    size_px: int
    frames: int
    rounds: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_shots(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    rounds: int,
    on_step: Callable[[], None] = lambda: None,
) -> ShotsFigure:
    """Alternate whole frames and single shots, `rounds` times each, after one run of each to warm up.

    Raises:
        EngineFault: The daemon did not publish every frame it received.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    measured: dict[ShotOrder | None, list[tuple[float, ...]]] = {way: [] for way in WAYS}
    cells = 0.0
    with DaemonChild(folder, child_settings(bundle_name)) as daemon:
        url = daemon.ready["ingest"]

        def one_run(way: ShotOrder | None) -> tuple[float, ...]:
            nonlocal cells
            before = daemon.cpu_s, time.process_time()
            rate, _, cells = stream_once(url, microscope, images, frames, way)
            after = daemon.cpu_s, time.process_time()
            ours, theirs = (
                1e3 * (late - early) / (frames + WARM_FRAMES)
                for early, late in zip(before, after, strict=True)
            )
            return rate, ours, theirs, ours + theirs

        for way in WAYS:
            one_run(way)
        for number in range(rounds):
            for way in WAYS if number % 2 == 0 else WAYS[::-1]:
                measured[way].append(one_run(way))
                on_step()
    columns = zip(_WHAT, *(zip(*measured[way], strict=True) for way in WAYS), strict=True)
    return ShotsFigure(
        comparisons=tuple(compared(*column) for column in columns),
        cells_per_frame=round(cells, 1),
        size_px=microscope.settings.size_px,
        frames=frames,
        rounds=rounds,
    )


def compared(name: str, whole: tuple[float, ...], single: tuple[float, ...]) -> Comparison:
    """One quantity of every round, whole and single, as medians and the spread of the rounds' ratios."""
    ratios = [one / other if other else 1.0 for one, other in zip(single, whole, strict=True)]
    lower, upper = np.percentile(ratios, [25, 75])
    return Comparison(
        name=name,
        whole=round(statistics.median(whole), 2),
        single=round(statistics.median(single), 2),
        ratio=round(statistics.median(ratios), 4),
        quartiles=(round(float(lower), 4), round(float(upper), 4)),
        low=round(min(ratios), 4),
        high=round(max(ratios), 4),
    )
