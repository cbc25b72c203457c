"""What the monitor costs: a scrape's time, the CPU time that it takes of both processes, and the frames it slows down.

The throughput runs alternate with and without a scrape a second, on one daemon with its monitor; the CPU time is
counted on an idle daemon, scraped and left alone for the same time, so that it says what no throughput on a busy box
could resolve.
"""

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.deploy.bench.latency import DISTINCT_FRAMES
from phenostream.deploy.bench.pipeline import stream_once
from phenostream.deploy.bench.scraping import RunningMonitor, Scraper, running_monitor
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import EngineFault

EVERY_S: Final = 1.0
_APART_S: Final = 0.3
"""Between two scrapes that are timed: each asks the daemon anew."""
_SETTINGS: Final = '[monitor]\naddress = "127.0.0.1:*"\nstart = false\n'


@dataclass(frozen=True, slots=True)
class MonitorFigure:
    """All of it.

    Attributes:
        idle_ms: Median and p99 of a scrape while no frame comes.
        busy_ms: Likewise while the daemon has all it can do, one scrape a second.
        idle_scrapes: How many the former are of.
        busy_scrapes: Likewise the latter.
        body_bytes: Of the last scrape.
        daemon_cpu_ms: CPU time that the daemon spent on a scrape.
        monitor_cpu_ms: Likewise the monitor.
        pairs: (cells/s without, with a scrape a second) of each pair.
        change_percent: How much larger the second is: median over the pairs, and its quartiles.
    """

    idle_ms: tuple[float, float]
    busy_ms: tuple[float, float]
    idle_scrapes: int
    busy_scrapes: int
    body_bytes: int
    daemon_cpu_ms: float
    monitor_cpu_ms: float
    pairs: list[tuple[float, float]]
    change_percent: tuple[float, float, float]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_monitor(
    bundle_name: str,
    microscope: SimulatedMicroscope,
    folder: Path,
    *,
    scrapes: int,
    pairs: int,
    frames: int,
    on_step: Callable[[], None] = lambda: None,
) -> MonitorFigure:
    """Time `scrapes`, then run `pairs` times `frames` without and with a scrape a second.

    Raises:
        EngineFault: A frame was not published, or a scrape not answered.
    """
    images = [microscope.frame(seq) for seq in range(DISTINCT_FRAMES)]
    settings = child_settings(bundle_name) + _SETTINGS
    with DaemonChild(folder, settings) as daemon, running_monitor(folder) as monitor:
        ingest = daemon.ready["ingest"]
        stream_once(
            ingest, microscope, images, DISTINCT_FRAMES
        )  # so that there is something to tell
        idle, size = _idle(daemon, monitor, scrapes)
        on_step()
        rates: list[tuple[float, float]] = []
        busy_s: list[float] = []
        for pair in range(pairs):
            both = [0.0, 0.0]
            for scraped in (False, True) if pair % 2 else (True, False):
                scraper = Scraper(monitor, EVERY_S)
                with scraper if scraped else nullcontext():
                    both[scraped] = stream_once(ingest, microscope, images, frames)[0]
                if scraper.failed:
                    raise EngineFault(scraper.failed)
                busy_s += scraper.times_s
                on_step()
            rates.append((both[0], both[1]))
    low, middle, high = np.quantile([100 * (b / a - 1) for a, b in rates], (0.25, 0.5, 0.75))
    return MonitorFigure(
        idle_ms=_middle_and_tail(idle.times_s),
        busy_ms=_middle_and_tail(busy_s),
        idle_scrapes=len(idle.times_s),
        busy_scrapes=len(busy_s),
        body_bytes=size,
        daemon_cpu_ms=idle.daemon_cpu_ms,
        monitor_cpu_ms=idle.monitor_cpu_ms,
        pairs=[(round(a, 1), round(b, 1)) for a, b in rates],
        change_percent=(round(float(middle), 2), round(float(low), 2), round(float(high), 2)),
    )


@dataclass(frozen=True, slots=True)
class _Idle:
    times_s: list[float]
    daemon_cpu_ms: float
    monitor_cpu_ms: float


def _idle(daemon: DaemonChild, monitor: RunningMonitor, scrapes: int) -> tuple[_Idle, int]:
    """Scrape an idle daemon, and take off what both spend in the same time without that."""
    _, size = monitor.scrape()  # the first of all makes connections
    marks = [(daemon.cpu_s, monitor.cpu_s)]
    times_s = []
    began_s = time.monotonic()
    for place in range(scrapes):
        _wait_until(began_s + place * _APART_S)
        times_s.append(monitor.scrape()[0])
    marks.append((daemon.cpu_s, monitor.cpu_s))
    _wait_until(time.monotonic() + scrapes * _APART_S)
    marks.append((daemon.cpu_s, monitor.cpu_s))
    (d0, m0), (d1, m1), (d2, m2) = marks
    return _Idle(
        times_s,
        round(1e3 * ((d1 - d0) - (d2 - d1)) / scrapes, 3),
        round(1e3 * ((m1 - m0) - (m2 - m1)) / scrapes, 3),
    ), size


def _wait_until(then_s: float) -> None:
    """On the monotonic clock: the pace of a scraper is what is measured here."""
    time.sleep(max(0.0, then_s - time.monotonic()))


def _middle_and_tail(times_s: list[float]) -> tuple[float, float]:
    """Median and 99th percentile, ms."""
    middle, tail = np.quantile(times_s, (0.5, 0.99))
    return round(1e3 * float(middle), 2), round(1e3 * float(tail), 2)
