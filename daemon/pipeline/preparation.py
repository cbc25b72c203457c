"""The prepare thread: reduce, detect, crop, and gather the crops into batches.

Owns the reducers, the detectors and the batches, and gives each frame to the model that serves just then. A batch that
is not full leaves when an inference thread is idle and no frame waits, or its deadline has come. While all inference
threads are busy it would only wait elsewhere: it stays and grows.
"""

import logging
import time
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from phenostream.daemon.channel import BEAT_S, Channel, Closed
from phenostream.daemon.channel_map import NO_MAPS, ChannelMaps, true_shots
from phenostream.daemon.crew import Beat
from phenostream.daemon.logs import about
from phenostream.daemon.pipeline.entries import Entry, Passage, Prepared, ReceivedFrame
from phenostream.daemon.pipeline.expansion import Packed
from phenostream.daemon.pipeline.fields import Fields
from phenostream.daemon.pipeline.model_batches import ModelBatches, Send
from phenostream.daemon.pipeline.orientations import Orientations
from phenostream.daemon.quarantine import Part, Quarantine
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.batcher import Batch
from phenostream.engine.crop import cut_crops, select
from phenostream.engine.detect import Detector, DetectorSettings
from phenostream.engine.errors import BadFrame, BadInput
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import SHOTS, Bool, Crops, Detections, Reduced, ReductionKernel

logger = logging.getLogger(__name__)

_KEPT_OPTICS: Final = 64
_KEPT_BYTES: Final = 256 << 20
"""Of the largest buffer of each: two thirds of what it takes, or less. Making one anew costs as much as a frame."""


class FramePath:
    """The array work of one thread: reducers and detectors, kept per camera, frame size and order of shots."""

    def __init__(
        self,
        settings: DetectorSettings,
        max_cells: int,
        kernel: ReductionKernel = "area",
        channel_maps: ChannelMaps = NO_MAPS,
        fields: Fields | None = None,
        orientations: Orientations | None = None,
    ) -> None:
        """Start without any; the first frame of a kind makes its own.

        Args:
            settings: What counts as a cell.
            max_cells: Most cells of a frame that go through the model.
            kernel: How the model's training cells were reduced.
            channel_maps: What the shots of some instruments truly are.
            fields: What frames are divided by; None: each by its own surface.
            orientations: Watches the illuminations; None makes one.
        """
        self._settings = settings
        self._max_cells = max_cells
        self._kernel = kernel
        self._channel_maps = channel_maps
        self._fields = fields or Fields()
        self._orientations = Orientations() if orientations is None else orientations
        self._optics: OrderedDict[object, tuple[Reducer, Detector]] = OrderedDict()
        self._bytes: dict[object, int] = {}

    def optics(self, start: Start) -> tuple[Reducer, Detector]:
        """The reducer and detector for a run.

        Raises:
            BadInput: The engine cannot work with this camera and size.
        """
        shots = true_shots(start, self._channel_maps)
        key = (start.camera, start.height, start.width, shots)
        found = self._optics.get(key)
        if found is None:
            size = (start.height, start.width)
            reducer = Reducer(start.camera, size, kernel=self._kernel, shots=shots)
            found = (reducer, Detector(reducer.reduced_shape, self._settings))
            self._optics[key] = found
            self._bytes[key] = 4 * reducer.reduced_shape[0] * start.width
            self._let_go()
        self._optics.move_to_end(key)
        return found

    def _let_go(self) -> None:
        """Of what was used longest ago, as much as is beyond the bounds; never of what is used now."""
        while len(self._optics) > 1 and (
            len(self._optics) > _KEPT_OPTICS or sum(self._bytes.values()) > _KEPT_BYTES
        ):
            key, _ = self._optics.popitem(last=False)
            del self._bytes[key]

    def prepare(self, received: ReceivedFrame) -> tuple[Prepared, Crops]:
        """Reduce, detect and crop one frame; lets go of its counts as soon as they are reduced.

        Raises:
            BadInput: The frame breaks what START announced.
        """
        began_s = time.monotonic()
        start = received.arrival.start
        reducer, detector = optics = self.optics(start)
        truths = true_shots(start, self._channel_maps)
        field = self._fields.of(start, truths, optics)
        if received.counts is None:
            raise BadFrame(f"frame {received.arrival.frame_seq}: was prepared before")
        light = reducer.light(received.counts)
        received.counts = None
        reduced, divided_by = field.flatten(light, optics)
        detections = detector.detect(reduced)
        field.found(len(detections))
        seen = strongest(detections, self._max_cells)
        crops = cut_crops(reduced, select(detections, seen))
        orientation = self._orientations.state(start, truths, reduced)
        prepared = Prepared(
            detections=detections,
            seen=seen,
            factor=reduced.factor,
            four_shot_residual=reduced.four_shot_residual,
            began_s=began_s,
            done_s=time.monotonic(),
            flags=replace(reduced.flags, misoriented=orientation not in ("ok", "undecided")),
            true_shots=truths,
            field=divided_by,
            orientation=orientation,
            levels=_by_shot(reduced),
        )
        return prepared, crops

    def look_at_illumination(self) -> None:
        """What can wait of the last frame until its cells are on their way; see `Orientations`."""
        self._orientations.look()


def _by_shot(reduced: Reduced) -> tuple[tuple[str, float], ...]:
    taken = (shot for shot, there in zip(SHOTS, reduced.present, strict=True) if there)
    return tuple(zip(taken, reduced.levels, strict=True))


def strongest(detections: Detections, max_cells: int) -> Bool:
    """(N,) True for the cells to classify: not at the edge, and at most `max_cells`, of the strongest contrast."""
    seen: Bool = ~detections.edge
    inside = np.flatnonzero(seen)
    if len(inside) > max_cells:
        order = np.argsort(-detections.contrast[inside], kind="stable")
        seen[inside[order[max_cells:]]] = False
    return seen


class Preparation:
    """The body of the prepare thread."""

    def __init__(
        self,
        path: FramePath,
        gathered: ModelBatches,
        quarantine: Quarantine,
        frames: Channel[ReceivedFrame],
        batches: Channel[Batch[Passage]],
        entries: Channel[Entry],
    ) -> None:
        """Stand between `frames` and `batches`; frames that need no model go to `entries` directly."""
        self._path = path
        self._gathered = gathered
        self._quarantine = quarantine
        self._frames = frames
        self._batches = batches
        self._entries = entries

    def run(self, beat: Beat) -> None:
        """Work until `frames` is closed and empty, then let the last batch go and close what follows."""
        send = partial(self._batches.put, beat=beat)
        while True:
            beat()
            try:
                received = self._frames.get(BEAT_S)
            except Closed:
                break
            self._follow(send, beat)
            if received is not None:
                self._take(received, send, beat)
            self._send_due(send)
            self._path.look_at_illumination()
        self._gathered.flush(send)
        self._batches.close()
        self._entries.close()

    def _follow(self, send: Send, beat: Beat) -> None:
        """Go over to the model that serves now; nothing here holds the one before any longer."""
        for change in self._gathered.follow(send):
            self._entries.put(change, beat)

    def _send_due(self, send: Send) -> None:
        if not self._batches.starved:
            return
        if len(self._frames):
            self._gathered.poll(send)
        else:
            self._gathered.flush(send)

    def _take(self, received: ReceivedFrame, send: Send, beat: Beat) -> None:
        arrival = received.arrival
        try:
            if received.expanding is not None:
                received.counts = received.expanding.counts(beat)
            prepared, crops = self._path.prepare(received)
        except BadInput as err:
            text = str(err)
            reason = text if text.startswith("encoding: ") else f"frame: {text}"
            self._quarantine.keep(arrival, reason, _as_received(received))
            self._entries.put(Passage(arrival, failure=("quarantined", reason)), beat)
            return
        except Exception as err:
            # A frame that our own code cannot digest must not become a crash loop: it would be sent again.
            run, instrument, number = arrival.start.run, arrival.start.instrument, arrival.frame_seq
            logger.exception(
                "frame %d of run %s failed", number, run, extra=about(run, instrument, number)
            )
            reason = f"prepare: {type(err).__name__}: {err}"[:200]
            self._entries.put(Passage(arrival, failure=("failed", reason)), beat)
            return
        passage = self._gathered.given(arrival, prepared)
        if len(crops):
            self._gathered.add(passage, crops, prepared.done_s, send)
        else:
            self._entries.put(passage, beat)


def _as_received(received: ReceivedFrame) -> list[Part]:
    parts = received.expanding.parts if received.expanding is not None else received.counts or ()
    return [
        Part(part.header, part.data) if isinstance(part, Packed) else Part({}, part.data)
        for part in parts
    ]
