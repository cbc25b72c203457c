"""Live cells for whoever compares: what the serving model just inferred, and what it said of them.

There is a place for one batch. An inference thread leaves one there if it is wanted and the place is free, else it is
counted as passed over: the thread neither waits nor copies. Nobody writes into a batch any more once it was inferred.
"""

from dataclasses import dataclass
from threading import Condition

from phenostream.daemon.model import ServedModel
from phenostream.engine.types import F32, Outputs


@dataclass(frozen=True, slots=True)
class Sample:
    """One batch of live cells.

    Attributes:
        images: (N, 4, 28, 28) float32; read only.
        background: (N, 4) float32, likewise.
        outputs: What the serving model said; a row of NaN where it failed.
    """

    images: F32
    background: F32
    outputs: Outputs


@dataclass(slots=True)
class Pace:
    """How long cells took: sums over calls."""

    cells: int = 0
    seconds: float = 0.0

    @property
    def cell_s(self) -> float | None:
        """Mean seconds a cell; None before the first."""
        return self.seconds / self.cells if self.cells else None


class Shadow:
    """The place between the inference threads and the one that compares. Safe from any thread."""

    def __init__(self) -> None:
        """Nothing is wanted."""
        self._changed = Condition()
        self._model: ServedModel | None = None
        self._sample: Sample | None = None
        self._pace = Pace()
        self._passed_over = 0

    def watch(self, model: ServedModel | None) -> None:
        """Want what this model infers, from now on; None: nothing."""
        with self._changed:
            self._model, self._sample = model, None
            self._pace, self._passed_over = Pace(), 0

    def offer(self, model: ServedModel, sample: Sample, seconds: float) -> None:
        """A batch was inferred in so many seconds."""
        if model is not self._model:
            return
        with self._changed:
            if model is not self._model:
                return
            self._pace.cells += len(sample.images)
            self._pace.seconds += seconds
            if self._sample is not None:
                self._passed_over += 1
                return
            self._sample = sample
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Sample | None:
        """The batch that is there, or comes within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._sample is not None, timeout_s)
            sample, self._sample = self._sample, None
            return sample

    @property
    def pace(self) -> Pace:
        """Of the model that is watched, since it is."""
        with self._changed:
            return Pace(self._pace.cells, self._pace.seconds)

    @property
    def passed_over(self) -> int:
        """Batches that found the place taken."""
        with self._changed:
            return self._passed_over
