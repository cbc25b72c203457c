"""What travels between the stages: a received frame, then a passage that ends in one fate, then entries to commit."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.daemon.engines import Engine
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.expansion import Expanding
from phenostream.daemon.pipeline.fields import PER_FRAME, FieldState
from phenostream.daemon.wire.ingest import Ack, EndedBy, Fate, Report, Shot, Start
from phenostream.engine.batcher import Part
from phenostream.engine.optics.orientation import Fault
from phenostream.engine.types import (
    NO_FLAGS,
    OUTPUT_SHAPES,
    Bool,
    Detections,
    Frame,
    FrameFlags,
    Outputs,
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Which frame, from where, and when it came.

    Attributes:
        stage_um: (x, y, z) as far as the source said.
        received_utc_ns: Wall clock when the last byte had arrived.
        received_s: Monotonic clock at the same moment.
        source: Name of the best-effort source that sent it; None: it came to the lossless port.
        shots: The illuminations that came, where they came one by one; None for a whole frame.
    """

    start: Start
    frame_seq: int
    received_utc_ns: int
    received_s: float
    source_utc_ns: int | None = None
    stage_um: tuple[float | None, float | None, float | None] = (None, None, None)
    exposure_ms: float | None = None
    source: str | None = None
    shots: tuple[Shot, ...] | None = None


@dataclass(slots=True)
class ReceivedFrame:
    """One frame as the source sent it.

    Attributes:
        counts: One (H, W) array for each of START's shots, in its order: views of the received messages; None once they
            were reduced, and while they are `expanding`.
        expanding: Counts that came compressed.
    """

    arrival: Arrival
    counts: tuple[Frame, ...] | None
    expanding: Expanding | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a frame is without the model.

    Attributes:
        seen: (N,) cells that go through the model.
        factor: Camera pixels per reduced pixel.
        four_shot_residual: See `Reduced`.
        began_s: Monotonic clock when its preparation began.
        done_s: Likewise, when it was done.
        flags: See `FrameFlags`.
        orientation: What the frames before it say of the run's shots; one of `orientation.FAULTS`.
        levels: Background level of each shot that was taken, by its true name, fraction of full scale.
        true_shots: What the shots were taken for, in the order of the data; None: for what they are called.
        field: What it was divided by.
    """

    detections: Detections
    seen: Bool
    factor: float
    four_shot_residual: float | None
    began_s: float
    done_s: float
    flags: FrameFlags = NO_FLAGS
    true_shots: tuple[str, ...] | None = None
    field: FieldState = PER_FRAME
    orientation: Fault = "undecided"
    levels: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Inferred:
    """What came of one batch.

    Attributes:
        outputs: Of the whole batch; NaN where a crop failed.
        engine: Who gave them.
        faults: Of the daemon, open at that time.
    """

    outputs: Outputs
    engine: Engine
    faults: tuple[str, ...] = ()


class Passage:
    """One frame on its way to its fate; its cells may come back from several inference threads.

    Attributes:
        prepared: None for a frame that was turned away at the door.
        model: Which it was given to; None for a frame that was turned away.
        infer_s: Longest call that served one of its cells.
        inferred_s: Monotonic clock when its last cell came back.
        engines: Who inferred its cells.
        faults: Names of the daemon's faults while they did.
    """

    def __init__(
        self,
        arrival: Arrival,
        prepared: Prepared | None = None,
        failure: tuple[Fate, str] | None = None,
        model: ServedModel | None = None,
    ) -> None:
        """Begin; with a `failure` (fate and ``code: text``) the passage is over already."""
        self.arrival = arrival
        self.prepared = prepared
        self.model = model
        self.infer_s = 0.0
        self.inferred_s = prepared.done_s if prepared else arrival.received_s
        self.engines: set[Engine] = set()
        self.faults: set[str] = set()
        self._failure = failure
        self._changed = False
        self._back: set[int] = set()
        self._lock = Lock()
        self._cells = int(prepared.seen.sum()) if prepared else 0
        self._missing = self._cells
        self._columns: dict[str, npt.NDArray[np.float32]] = {}

    @property
    def failure(self) -> tuple[Fate, str] | None:
        """Fate and reason of a frame that will not be published."""
        return self._failure

    def place(
        self, part: Part["Passage"], inferred: Inferred, called_s: float, now_s: float
    ) -> bool:
        """Take the rows of one part; True when the last cell is back. A part that is back already changes nothing.

        Args:
            part: Which rows of the batch are whose.
            inferred: Of the whole batch.
            called_s: Monotonic clock when the call began.
            now_s: When it returned.
        """
        with self._lock:
            if part.frame_slice.start in self._back:
                return False
            if not self._columns:
                self._columns = {
                    name: np.empty((self._cells, *shape), np.float32)
                    for name, shape in OUTPUT_SHAPES.items()
                }
            for name, column in self._columns.items():
                column[part.frame_slice] = getattr(inferred.outputs, name)[part.batch_slice]
            self.engines.add(inferred.engine)
            self.faults.update(inferred.faults)
            self.infer_s = max(self.infer_s, now_s - called_s)
            self.inferred_s = now_s
            return self._done(part)

    def fail(self, part: Part["Passage"], reason: str) -> bool:
        """The rows of one part will not come: the frame failed; True when no other part is out."""
        with self._lock:
            if part.frame_slice.start in self._back:
                return False
            self._failure = ("failed", reason)
            return self._done(part)

    def change_model(self, part: Part["Passage"], to: ServedModel) -> bool:
        """Become another model's frame, once; False where cells are back, or in other batches than this part's."""
        with self._lock:
            if self._changed or self._back or part.frame_slice != slice(0, self._cells):
                return False
            self.model, self._changed = to, True
            return True

    def outputs(self) -> Outputs | None:
        """One row per seen cell, in order; None where there is none."""
        return Outputs(**self._columns) if self._columns else None

    def _done(self, part: Part["Passage"]) -> bool:
        self._back.add(part.frame_slice.start)
        self._missing -= part.frame_slice.stop - part.frame_slice.start
        return self._missing == 0


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Commit this: a run is open.

    Attributes:
        resumed_from: Offset of the record that opened it, for a run the journal knows; it is not written again.
        source: Name of the best-effort source that sends it; None: it is lossless.
        channel_map: Announced shot: true shot, where the configuration says that they differ.
    """

    start: Start
    resumed_from: int | None = None
    source: str | None = None
    channel_map: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Commit this: END was accepted, or is not waited for any longer, and every frame of the run is settled."""

    start: Start
    source: str | None = None
    ended_by: EndedBy = "source"


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Commit this: frames that are prepared from now on are given to another model.

    Attributes:
        why: For a person.
        facts: What else is told, plain values.
    """

    before: ServedModel
    after: ServedModel
    why: str
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelClosed:
    """Commit this: the last frame of a model is on disk, and no further one will come."""

    model: ServedModel


@dataclass(frozen=True, slots=True)
class SummaryWorded:
    """Commit this: a language model's wording of a summary, whose every word its facts support."""

    payload: bytes


Entry = Passage | RunStarted | RunEnded | ModelChanged | ModelClosed | SummaryWorded
Answer = Ack | Report
