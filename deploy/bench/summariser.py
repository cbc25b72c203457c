"""What a summariser costs the frames: throughput and latency beside a busy one and without, in alternating pairs.

A busy one is always in the middle of a summary: windows are so short that a new one waits whenever one is written. The
throughput is that of `pipeline` on all cores. The latency is that of `latency`, with one core to spare: the daemon, its
sender and its subscriber are confined to the others, the summariser is not. What becomes of both where the summariser
is killed or hung, `without_summariser` tells.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.deploy.bench.busy_summariser import Used, busy_summariser
from phenostream.deploy.bench.latency import (
    DISTINCT_FRAMES,
    added_latency,
    measure_capacity,
    quantile,
)
from phenostream.deploy.bench.pipeline import stream_once
from phenostream.deploy.bench.without_summariser import FaultFigure, measure_faults
from phenostream.deploy.child import DaemonChild, child_settings
from phenostream.deploy.microscope import SimulatedMicroscope
from phenostream.engine.errors import BadConfig

_LEAD_FRAMES: Final = 8
"""Before what is timed: the summary of these is being written when the timing begins."""
_BUSY_WINDOW_S: Final = 0.5
_BUSY_DEADLINE_S: Final = 300.0
"""So long that no summary is given up: one that waits for a core must stay busy."""
_FAULT_WINDOW_S: Final = 1.0
_FAULT_DEADLINE_S: Final = 20.0
LEAST_BUSY: Final = 0.5
"""Share of the runs beside it in which a summariser ran or waited for a core, to be called busy."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        bundle: Of the daemon.
        model: Of the summariser: the path of its GGUF file.
        pairs: Of each of both figures.
        large: Whose frames the throughput is measured with.
        frames: In such a run.
        small: Likewise, the latency.
        latency_frames: In such a run.
        load: Of the latency, as a share of the capacity.
        fault_s: Length of a run in which the summariser is killed or hung.
    """

    bundle: str
    model: str
    pairs: int
    large: SimulatedMicroscope
    frames: int
    small: SimulatedMicroscope
    latency_frames: int
    load: float
    fault_s: float = 20.0


@dataclass(slots=True)
class PairFigure:
    """Alternating runs without and beside a busy summariser.

    Attributes:
        pairs: (without, beside) of each.
        change_percent: How much larger the second is, in %: median over the pairs, and its quartiles.
        busy: Share of the runs beside it in which a thread of the summariser ran or waited for a core.
        ran: Share in which it ran.
    """

    pairs: list[tuple[float, float]] = field(default_factory=list)
    change_percent: tuple[float, float, float] = (0.0, 0.0, 0.0)
    busy: float = 0.0
    ran: float = 0.0


@dataclass(frozen=True, slots=True)
class SummariserFigure:
    """All of it.

    Attributes:
        cells_per_s: On all cores.
        added_p99_ms: With a core to spare.
        capacity_fps: There.
        offered_fps: Mean rate of the Poisson arrivals.
        faults: Runs in which the summariser was left alone, killed, and hung.
    """

    cells_per_s: PairFigure
    added_p99_ms: PairFigure
    capacity_fps: float
    offered_fps: float
    faults: list[FaultFigure]

    @property
    def was_busy(self) -> bool:
        """Whether the summariser was what the figures say it was."""
        return min(self.cells_per_s.busy, self.added_p99_ms.busy) >= LEAST_BUSY

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "was_busy": self.was_busy}


def measure_summariser(
    plan: Plan, folder: Path, on_step: Callable[[], None] = lambda: None
) -> SummariserFigure:
    """Throughput, latency, faults.

    Args:
        plan: What.
        folder: For the daemons.
        on_step: Called after each run.

    Raises:
        BadConfig: One core: there is none to spare.
        EngineFault: A frame was not published where nothing was broken, or there is no summariser.
    """
    cores = frozenset(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BadConfig("bench summariser: 1 core: allowed 2 or more, for one is left to spare")
    throughput = _throughput(plan, folder / "t", on_step)
    with _confined(cores - {max(cores)}):
        latency, capacity_fps = _latency(plan, folder / "l", on_step)
    offered_fps = capacity_fps * plan.load
    count = max(20, round(plan.fault_s * offered_fps))
    return SummariserFigure(
        throughput,
        latency,
        round(capacity_fps, 1),
        round(offered_fps, 1),
        measure_faults(
            summariser_settings(plan, _FAULT_WINDOW_S, _FAULT_DEADLINE_S),
            _FAULT_WINDOW_S,
            plan.small,
            folder / "f",
            np.random.default_rng(0).exponential(1 / offered_fps, count),
            on_step,
        ),
    )


def summariser_settings(plan: Plan, window_s: float, deadline_s: float) -> str:
    """The configuration of a daemon and of the summariser that the benchmark starts beside it."""
    summary = {
        "window_s": window_s,
        "llm": plan.model,
        "deadline_s": deadline_s,
        "start": False,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in summary.items()]
    return child_settings(plan.bundle) + "\n".join(["[summary]", *lines, ""])


def _throughput(plan: Plan, folder: Path, on_step: Callable[[], None]) -> PairFigure:
    """Cells per second on all cores."""
    settings = summariser_settings(plan, _BUSY_WINDOW_S, _BUSY_DEADLINE_S)
    images = [plan.large.frame(seq) for seq in range(DISTINCT_FRAMES)]
    with DaemonChild(folder, settings) as daemon:
        url = daemon.ready["ingest"]

        def run(_pair: int) -> float:
            return round(stream_once(url, plan.large, images, plan.frames)[0], 1)

        def lead() -> None:
            stream_once(url, plan.large, images, _LEAD_FRAMES)

        return _alternate(daemon, plan.pairs, lead, run, on_step)


def _latency(plan: Plan, folder: Path, on_step: Callable[[], None]) -> tuple[PairFigure, float]:
    """99th percentile of what the daemon adds, milliseconds; and the capacity, frames per second."""
    settings = summariser_settings(plan, _BUSY_WINDOW_S, _BUSY_DEADLINE_S)
    images = [plan.small.frame(seq) for seq in range(DISTINCT_FRAMES)]
    with DaemonChild(folder, settings) as daemon:
        capacity_fps = measure_capacity(daemon.ready["ingest"], plan.small, images)

        def run(pair: int) -> float:
            rng = np.random.default_rng(pair)
            gaps_s = rng.exponential(1 / (capacity_fps * plan.load), plan.latency_frames)
            return quantile(added_latency(daemon.ready, plan.small, images, gaps_s), 0.99)

        def lead() -> None:
            stream_once(daemon.ready["ingest"], plan.small, images, _LEAD_FRAMES)

        return _alternate(daemon, plan.pairs, lead, run, on_step), capacity_fps


def _alternate(
    daemon: DaemonChild,
    pairs: int,
    lead: Callable[[], None],
    run: Callable[[int], float],
    on_step: Callable[[], None],
) -> PairFigure:
    """Both sides of each pair on one daemon; which comes first alternates."""
    sides: tuple[list[float], list[float]] = ([], [])
    busy = _Busy()
    for pair in range(pairs):
        for beside in (False, True) if pair % 2 else (True, False):
            if beside:
                with busy_summariser(daemon.folder, daemon.ready["control"]) as summariser:
                    lead()
                    with busy.timed(summariser.used):
                        sides[True].append(run(pair))
            else:
                lead()
                sides[False].append(run(pair))
            on_step()
    both = list(zip(*sides, strict=True))
    return PairFigure(both, change_percent(both), busy.busy, busy.ran)


class _Busy:
    """How busy a summariser was in the runs beside it: its busiest thread of each, over all of them."""

    def __init__(self) -> None:
        self._of = self._ran = self._busy = 0

    @property
    def busy(self) -> float:
        """Share of the time in which it ran or waited for a core."""
        return round(self._busy / max(self._of, 1), 3)

    @property
    def ran(self) -> float:
        """Share in which it ran."""
        return round(self._ran / max(self._of, 1), 3)

    @contextmanager
    def timed(self, used: Callable[[], dict[int, Used]]) -> Iterator[None]:
        """Count one run."""
        before, began_ns = used(), time.monotonic_ns()
        yield
        took_ns, after = time.monotonic_ns() - began_ns, used()
        grown = [_grown(before.get(thread, Used(0, 0)), now) for thread, now in after.items()]
        most = max(grown, key=sum, default=Used(0, 0))
        self._of += took_ns
        self._ran += min(most.ran, took_ns)
        self._busy += min(sum(most), took_ns)  # a wait counts when it is over, whenever it began


def change_percent(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """(median, lower quartile, upper quartile) of how much larger the second is, in %."""
    low, middle, high = np.quantile([100 * (b / a - 1) for a, b in pairs], (0.25, 0.5, 0.75))
    return round(float(middle), 1), round(float(low), 1), round(float(high), 1)


def _grown(before: Used, now: Used) -> Used:
    return Used(now.ran - before.ran, now.waited - before.waited)


@contextmanager
def _confined(cores: frozenset[int]) -> Iterator[None]:
    """This process, and what it starts, on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
