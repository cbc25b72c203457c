"""How fast the bare engine is on this box: cells per second by backend, streams and batch.

Nothing but `Backend.infer` is timed: no sockets, no cropping, no journal. The best row is the yardstick of
`phenostream bench pipeline`.
"""

import itertools
import statistics
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from phenostream.daemon.tuning.timing import time_backend
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import PhenostreamError


@dataclass(frozen=True, slots=True)
class EngineFigure:
    """One row: median, least and most of the rounds.

    Attributes:
        cells_per_s: Cells finished per second of wall time, all streams together.
        cpu_ms_per_cell: CPU time of the whole process per cell, ms.
    """

    backend: str
    precision: str
    device: str
    streams: int
    batch: int
    cells_per_s: float
    low: float
    high: float
    cpu_ms_per_cell: float
    rounds: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure_engine(
    bundle: Bundle,
    names: Sequence[str],
    *,
    streams: Sequence[int] = (1, 2),
    batches: Sequence[int] = (1, 16, 32, 128),
    rounds: int = 3,
    seconds: float = 0.7,
    compile: bool = False,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[list[EngineFigure], dict[str, str]]:
    """Time every combination, all of them in every round, so that a disturbance falls on all rows alike.

    All backends are open at once: with many streams that is much memory.

    Returns:
        The rows, fastest first, and for each backend that did not load the one line that says why.
    """
    absent: dict[str, str] = {}
    timings: dict[tuple[str, int, int], list[tuple[float, float]]] = {}
    engines: list[tuple[str, int, Backend]] = []
    with ExitStack() as opened:
        for name, count in itertools.product(names, streams):
            try:
                backend = open_backend(
                    bundle,
                    name,
                    streams=count,
                    threads=count,
                    max_batch=max(batches),
                    compile=compile,
                )
            except PhenostreamError as err:
                absent[name] = str(err)
                continue
            opened.callback(backend.close)
            engines.append((name, count, backend))
        for _ in range(rounds):
            for (name, count, backend), batch in itertools.product(engines, batches):
                rate = time_backend(backend, count, batch, seconds)
                timings.setdefault((name, count, batch), []).append(rate)
                on_step()
    about = {(name, count): backend for name, count, backend in engines}
    figures = [_figure(key, about[key[0], key[1]], rates) for key, rates in timings.items()]
    return sorted(figures, key=lambda row: -row.cells_per_s), absent


def _figure(
    key: tuple[str, int, int], backend: Backend, timings: list[tuple[float, float]]
) -> EngineFigure:
    rates = [rate for rate, _ in timings]
    cpu = statistics.median(cpu for _, cpu in timings)
    return EngineFigure(
        backend=key[0],
        precision=backend.precision,
        device=backend.device,
        streams=key[1],
        batch=key[2],
        cells_per_s=round(statistics.median(rates), 1),
        low=round(min(rates), 1),
        high=round(max(rates), 1),
        cpu_ms_per_cell=round(cpu * 1e3, 4),
        rounds=len(rates),
    )
