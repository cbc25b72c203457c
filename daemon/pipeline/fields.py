"""What the frames of each run are divided by: their own background, a recorded one, or the run's first frames.

One `RunField` a run, made at its first frame and used by the prepare thread. A field that is estimated is frozen once
and for all when enough frames have come; every record says what its frame was divided by, so that a reader can tell the
frames before from those after. The same frames in the same order give the same fields.
"""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from phenostream.daemon.backgrounds import RecordedBackground
from phenostream.daemon.logs import about
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.background import (
    Background,
    BackgroundStack,
    frames_that_fit,
    of_cells,
    smooth_surface,
)
from phenostream.engine.detect import Detector
from phenostream.engine.errors import BadInput
from phenostream.engine.reduce import Reducer, reduced_shape
from phenostream.engine.types import F32, Reduced

logger = logging.getLogger(__name__)

Source = Literal["frame", "stream", "recorded"]
State = Literal["per_frame", "estimating", "frozen", "unusable"]
_STANDING: Final = 0.5
"""A field is unusable where the median of its frames still shows half as many cells as a frame: they did not move."""


@dataclass(frozen=True, slots=True)
class FieldState:
    """What one frame was divided by.

    Attributes:
        source: As configured.
        state: ``frozen``: by the field `id`. Else by the frame's own surface: ``per_frame`` because that is configured,
            ``estimating`` because the field is not known yet, ``unusable`` because the first frames gave none.
        frames: Frames the field is made of so far, this one included if it has light.
        of: Frames it is made of in the end; 0 for ``per_frame``.
        id: Of the field that was divided by; None where the frame's own surface was.
    """

    source: Source = "frame"
    state: State = "per_frame"
    frames: int = 0
    of: int = 0
    id: str | None = None


PER_FRAME: Final = FieldState()
Optics = tuple[Reducer, Detector]
"""What reduces and looks at a run's frames. No field keeps it: it is large, and shared by the runs of a camera."""


class RunField(Protocol):
    """The field of one run."""

    def flatten(self, light: F32, optics: Optics) -> tuple[Reduced, FieldState]:
        """Divide one frame's light, in place, and say by what; `optics` reduced it."""

    def found(self, cells: int) -> None:
        """How many cells the last frame had."""


class Fields:
    """The fields of all runs, by one configured source. Any thread may `check`; the rest is the prepare thread's."""

    def __init__(
        self,
        source: Source = "frame",
        recorded: Sequence[RecordedBackground] = (),
        stream_frames: int = 16,
        most_runs: int = 8,
    ) -> None:
        """Start without any run.

        Args:
            source: What frames are divided by.
            recorded: Backgrounds, at most one that fits a START.
            stream_frames: Frames of a run that its own field is estimated from.
            most_runs: Runs whose estimates are kept; the one that was quiet longest begins anew.
        """
        self._source = source
        self._recorded = recorded
        self._frames = stream_frames
        self._most_runs = most_runs
        self._runs: OrderedDict[str, RunField] = OrderedDict()

    def check(self, start: Start) -> None:
        """Whether a run can be served.

        Raises:
            BadInput: No recorded background is of this instrument, or the one that is does not fit; or frames are too
                large to be gathered.
        """
        if self._source == "recorded":
            self._of_instrument(start).check(start)
        if self._source == "stream":
            small = reduced_shape(start.camera, (start.height, start.width))
            frames_that_fit((len(start.shots), *small), self._frames)

    def of(self, start: Start, truths: tuple[str, ...], optics: Optics) -> RunField:
        """The field of a run.

        Args:
            start: Of the run.
            truths: What its shots truly are, in the order of the data.
            optics: That reduce and look at its frames.

        Raises:
            BadInput: See `check`.
        """
        found = self._runs.get(start.run)
        if found is None:
            found = self._runs[start.run] = self._made(start, truths, optics)
            if len(self._runs) > self._most_runs:
                self._runs.popitem(last=False)
        self._runs.move_to_end(start.run)
        return found

    def _made(self, start: Start, truths: tuple[str, ...], optics: Optics) -> RunField:
        if self._source == "frame":
            return _Own()
        if self._source == "recorded":
            background = self._of_instrument(start).background(start, truths)
            return _Recorded(background)
        return _Stream(start, optics[0], self._frames)

    def _of_instrument(self, start: Start) -> RecordedBackground:
        for one in self._recorded:
            if one.facts.instrument == start.instrument:
                return one
        known = ", ".join(sorted({one.facts.instrument for one in self._recorded}))
        raise BadInput(
            f"field.background: none of instrument {start.instrument}, there are {known}"
        )


class _Own:
    """Every frame by its own surface."""

    def flatten(self, light: F32, optics: Optics) -> tuple[Reduced, FieldState]:
        return optics[0].flatten(light), PER_FRAME

    def found(self, cells: int) -> None:
        pass


class _Recorded:
    """Every frame by a recorded background."""

    def __init__(self, recorded: tuple[Background, int]) -> None:
        self._background, frames = recorded
        identity = self._background.identity
        self._state = FieldState("recorded", "frozen", frames, frames, identity)

    def flatten(self, light: F32, optics: Optics) -> tuple[Reduced, FieldState]:
        return optics[0].flatten(light, self._background), self._state

    def found(self, cells: int) -> None:
        pass


class _Stream:
    """The first frames by their own surfaces; when there are enough, all that follow by what those have in common."""

    def __init__(self, start: Start, reducer: Reducer, frames: int) -> None:
        self._run = start.run
        self._subject = about(start.run, start.instrument)
        shape = (sum(reducer.present), *reducer.reduced_shape)
        self._stack: BackgroundStack | None = BackgroundStack(shape, frames)
        self._of = self._stack.wanted
        self._gathered = False  # whether the last frame was
        self._cells = 0
        self._background: Background | None = None
        self._settled = FieldState("stream", "unusable", self._of, self._of)

    def flatten(self, light: F32, optics: Optics) -> tuple[Reduced, FieldState]:
        if self._stack is not None and self._stack.full:
            self._freeze(self._stack, optics)
            self._stack = None
        if self._stack is None:
            return optics[0].flatten(light, self._background), self._settled
        self._gathered = self._stack.add(light)
        state = FieldState("stream", "estimating", len(self._stack), self._of)
        return optics[0].flatten(light), state

    def found(self, cells: int) -> None:
        if self._stack is not None and self._gathered:
            self._cells += cells

    def _freeze(self, stack: BackgroundStack, optics: Optics) -> None:
        reducer, detector = optics
        median = stack.median()
        standing = len(detector.detect(reducer.flatten(median.copy(), smooth_surface(median))))
        if standing and standing >= _STANDING * self._cells / len(stack):
            logger.warning(
                "run %s: %d cells stand still in its first %d frames: no field is estimated, every frame is divided by "
                "its own surface",
                self._run, standing, len(stack), extra=self._subject,
            )  # fmt: skip
            return
        self._background = of_cells(median)
        identity = self._background.identity
        self._settled = FieldState("stream", "frozen", len(stack), self._of, identity)
        logger.info(
            "run %s: field %s frozen from %d frames",
            self._run,
            identity,
            len(stack),
            extra=self._subject,
        )
