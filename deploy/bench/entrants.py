"""Who takes part in `bench engine --all`, and each one's own best way to use the box.

An entrant is a backend in a precision. Its ways are those that the daemon's calibration tries; each is timed briefly,
twice, and the better time counts: a disturbance only ever makes a time longer. Knows backends; keeps none open.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from phenostream.daemon.tuning.plan import Plan
from phenostream.daemon.tuning.timing import time_backend, time_one_cell
from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.backends.registry import BACKENDS, NEED_CUDA, PRECISIONS
from phenostream.engine.manifest import Precision

_ALSO: Final[dict[str, tuple[Precision, ...]]] = {"onnxruntime": ("fp16",)}
"""Precisions that are there and that the daemon does not think worth trying."""
_LOOKS: Final = 2
_LOOK_S: Final = 0.2
_LONE_CALLS: Final = 10

Open = Callable[[str, Precision, int, int, int], Backend]
"""Backend, precision, streams, threads, largest batch: a backend that gave the golden outputs."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """A backend in a precision.

    Attributes:
        one_cell: It is given one cell at a time, by one caller: what a program without a batcher does.
    """

    backend: str
    precision: Precision
    one_cell: bool = False

    @property
    def label(self) -> str:
        """For a person, and unique."""
        return f"{self.backend} {self.precision}" + (", one cell at a time" * self.one_cell)


@dataclass(frozen=True, slots=True)
class Way:
    """How an entrant uses the box.

    Attributes:
        streams: Calls at the same time.
        threads: Of all streams together.
        batch: Crops of a call.
    """

    streams: int
    threads: int
    batch: int


@dataclass(frozen=True, slots=True)
class BestWays:
    """What scouting found.

    Attributes:
        busy: The most cells per second.
        lone: The shortest time of a call with one crop while nothing else runs; one caller.
        largest: Largest batch that the backends were opened with.
    """

    busy: Way
    lone: Way
    largest: int


def every_entrant(backends: Sequence[str] = ()) -> list[Entrant]:
    """Every row of the visible table that has a model, in every precision; all of them, or of these backends."""
    entrants = []
    for name in backends or [name for name in BACKENDS if name != "fake"]:
        precisions = (*PRECISIONS.get(name, ("fp32",)), *_ALSO.get(name, ()))
        entrants += [Entrant(name, precision) for precision in precisions]
        if name == "torch":
            entrants.append(Entrant(name, "fp32", one_cell=True))
    return entrants


def ways(
    entrant: Entrant, streams: Sequence[int] | None, batches: Sequence[int] | None
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """Layouts (streams, threads) and batches to try; those given, or what the daemon's calibration tries."""
    on_cpu = entrant.backend in NEED_CUDA and not cuda_devices()
    like = "openvino" if on_cpu else entrant.backend
    plan = Plan((like,))
    layouts = plan.layouts(like)
    if streams is not None:
        layouts = [layout for count in streams for layout in Plan((like,), count).layouts(like)]
    return layouts, tuple(batches or plan.batches(like))


def scout(
    entrant: Entrant,
    open_way: Open,
    layouts: Sequence[tuple[int, int]],
    batches: Sequence[int],
    on_step: Callable[[], None] = lambda: None,
) -> BestWays:
    """Time every way briefly.

    Args:
        entrant: Whose.
        open_way: Opens one backend; each is closed again.
        layouts: Streams, and threads of all together.
        batches: Crops of a call.
        on_step: Called after each layout.

    Raises:
        PhenostreamError: It does not load, does not give the golden outputs, or fails.
    """
    seen: list[tuple[float, Way]] = []
    lone: list[tuple[float, Way]] = []
    for streams, threads in layouts:
        args = (entrant.backend, entrant.precision, streams, threads, max(batches))
        with closing(open_way(*args)) as backend:
            one_ms = min(statistics.median(time_one_cell(backend, _LONE_CALLS)) for _ in "12")
            lone.append((one_ms, Way(streams, threads, 1)))
            if not entrant.one_cell:
                seen += _looked_at(backend, threads, batches)
        on_step()
    best = min(lone, key=lambda pair: pair[0])[1]
    return BestWays(max(seen, key=lambda pair: pair[0])[1] if seen else best, best, max(batches))


def _looked_at(
    backend: Backend, threads: int, batches: Sequence[int]
) -> Iterator[tuple[float, Way]]:
    """Cells/s of every batch, the better of two looks; a backend says itself how many streams it has."""
    fitting = [batch for batch in batches if batch <= backend.max_batch]
    rates: dict[int, float] = dict.fromkeys(fitting, 0.0)
    for _ in range(_LOOKS):
        for batch in fitting:
            rate, _ = time_backend(backend, backend.streams, batch, _LOOK_S)
            rates[batch] = max(rates[batch], rate)
    return ((rate, Way(backend.streams, threads, batch)) for batch, rate in rates.items())
