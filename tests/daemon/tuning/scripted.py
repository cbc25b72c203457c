"""Backends whose speed is written down: what a calibration makes of known figures, with no time spent."""

from collections.abc import Callable, Mapping

import pytest

from phenostream.daemon.tuning import calibration
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.errors import EngineFault, MissingPackage
from phenostream.engine.manifest import Precision

Speed = Callable[[int, int], float]
"""Cells per second by streams and batch."""


class Script:
    """Stands in for opening and timing.

    Attributes:
        opened: Every way that was opened, in order.
        timed: Every timing, in order: backend, precision, streams, batch.
        faults: Backend and precision whose timings fail from now on.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, speeds: Mapping[tuple[str, Precision], Speed]
    ) -> None:
        self.opened: list[FakeBackend] = []
        self.timed: list[tuple[str, str, int, int]] = []
        self.faults: set[tuple[str, str]] = set()
        self.turn = 0.0
        self._speeds = speeds
        monkeypatch.setattr(calibration, "time_backend", self._time)
        monkeypatch.setattr(calibration, "time_one_cell", lambda backend, calls: [2.0] * calls)
        monkeypatch.setattr(calibration, "golden_test", lambda backend, bundle: 0.01)

    def open_way(
        self, name: str, precision: Precision, streams: int, threads: int, largest: int
    ) -> Backend:
        """See `calibration.Open`."""
        if (name, precision) not in self._speeds:
            raise MissingPackage(f"{name} is not installed")
        made = FakeBackend(streams=streams, max_batch=largest)
        made.name, made.precision = name, precision
        self.opened.append(made)
        return made

    def _time(
        self, backend: FakeBackend, streams: int, batch: int, seconds: float
    ) -> tuple[float, float]:
        assert not backend.closed
        assert seconds > 0
        if (backend.name, backend.precision) in self.faults:
            raise EngineFault(f"{backend.name}: broken")
        self.timed.append((backend.name, backend.precision, streams, batch))
        self.turn += 1
        speed = self._speeds[backend.name, backend.precision]  # type: ignore[index]  # a precision
        return speed(streams, batch) + self.turn / 1000, 0.001
