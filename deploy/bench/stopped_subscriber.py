"""What a stopped subscriber costs the others: the latency the daemon adds, with one and without, in alternating pairs.

The stopped one is `phenostream watch` in a process of its own, subscribed and then sent SIGSTOP: its queue fills, its
connection stays. Latency and load are those of `latency`. Each pair is measured on one daemon, one side after the
other; which side comes first alternates, so that a box that gets slower favours neither.
"""

import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.deploy.bench.latency import (
    DISTINCT_FRAMES,
    added_latency,
    measure_capacity,
    quantile,
)
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import EngineFault

_SUBSCRIBED_TIMEOUT_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class StoppedFigure:
    """Of all pairs.

    Attributes:
        p99_ms: (without, with a stopped subscriber) of each pair: 99th percentile of the added latency.
        p50_ms: Likewise, the medians.
        p99_ratio: Median over the pairs of with / without, and its quartiles.
        p50_ratio: Likewise.
        resident_mib: Of the daemon: before the first pair, and after the last.
        offered_fps: Mean rate of the Poisson arrivals.
        frames: Timed on each side of a pair.
    """

    p99_ms: list[tuple[float, float]]
    p50_ms: list[tuple[float, float]]
    p99_ratio: tuple[float, float, float]
    p50_ratio: tuple[float, float, float]
    resident_mib: tuple[float, float]
    capacity_fps: float
    offered_fps: float
    frames: int
    size_px: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_stopped(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    frames: int,
    load: float,
    pairs: int,
    on_step: Callable[[], None] = lambda: None,
) -> StoppedFigure:
    """Measure capacity, then `pairs` times both sides at `load` of it.

    Raises:
        EngineFault: A frame was not published, or the subscriber did not come up.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    sides: tuple[list[list[float]], list[list[float]]] = ([], [])
    with DaemonChild(folder, child_settings(bundle_name)) as daemon:
        capacity = measure_capacity(daemon.ready["ingest"], microscope, images)
        before_mib = daemon.resident_mib
        for pair in range(pairs):
            gaps_s = np.random.default_rng(pair).exponential(1 / (capacity * load), frames)
            for stopped in (False, True) if pair % 2 else (True, False):
                with stopped_subscriber(daemon.ready) if stopped else nullcontext():
                    sides[stopped].append(added_latency(daemon.ready, microscope, images, gaps_s))
                on_step()
        after_mib = daemon.resident_mib
    return StoppedFigure(
        p99_ms=_both(sides, 0.99),
        p50_ms=_both(sides, 0.5),
        p99_ratio=_ratio(_both(sides, 0.99)),
        p50_ratio=_ratio(_both(sides, 0.5)),
        resident_mib=(round(before_mib, 1), round(after_mib, 1)),
        capacity_fps=round(capacity, 1),
        offered_fps=round(capacity * load, 1),
        frames=frames,
        size_px=microscope.settings.size_px,
    )


@contextmanager
def stopped_subscriber(endpoints: dict[str, Any]) -> Iterator[int]:
    """A subscriber that stands and then reads nothing; its process id. It is killed at the end.

    Raises:
        EngineFault: It did not say that it is subscribed.
    """
    command = [sys.executable, "-P", "-m", "phenostream.deploy.cli", "watch", "--json"]
    process = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [*command, endpoints["results"], "--control", endpoints["control"]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _await_word(process)
        process.send_signal(signal.SIGSTOP)
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def _await_word(process: "subprocess.Popen[bytes]") -> None:
    stderr, deadline = process.stderr, time.monotonic() + _SUBSCRIBED_TIMEOUT_S
    said = b""
    while stderr is not None and b"subscribed to" not in said:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([stderr], [], [], left)[0]:
            raise EngineFault("bench latency: the subscriber was not subscribed within 30 s")
        if not (line := stderr.readline()):
            raise EngineFault(f"bench latency: the subscriber ended: {said.decode().strip()}")
        said = line


def _both(
    sides: tuple[list[list[float]], list[list[float]]], q: float
) -> list[tuple[float, float]]:
    return [(quantile(a, q), quantile(b, q)) for a, b in zip(*sides, strict=True)]


def _ratio(both: list[tuple[float, float]]) -> tuple[float, float, float]:
    """(median, lower quartile, upper quartile) of with / without."""
    low, middle, high = np.quantile([b / a for a, b in both], (0.25, 0.5, 0.75))
    return round(float(middle), 3), round(float(low), 3), round(float(high), 3)
