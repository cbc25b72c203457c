"""Batches that never mix models: cells wait with the model of their frame, and leave when another one serves.

Belongs to the prepare thread, which thereby decides between which two frames the model changes.
"""

import time
from collections.abc import Callable

from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import Arrival, ModelChanged, Passage, Prepared
from phenostream.daemon.swap.models import Models
from phenostream.engine.batcher import Batch, Batcher
from phenostream.engine.types import Crops

Send = Callable[[Batch[Passage]], None]


class ModelBatches:
    """The batcher of the model that the next frame is given to.

    Attributes:
        model: That model.
    """

    def __init__(self, models: Models, max_wait_s: float) -> None:
        """Begin with the model that serves."""
        self.model: ServedModel = models.serving
        self._models = models
        self._max_wait_s = max_wait_s
        self._batcher = self._empty()

    def follow(self, send: Send) -> list[ModelChanged]:
        """Go over to the model that serves now: what waits for the one before leaves first. What there is to tell."""
        flips = self._models.take_flips()
        if flips:
            self.flush(send)
            self.model = flips[-1].after
            self._batcher = self._empty()
        return flips

    def given(self, arrival: Arrival, prepared: Prepared) -> Passage:
        """A frame that is this model's from now on."""
        self._models.enter(self.model)
        return Passage(arrival, prepared, model=self.model)

    def add(self, passage: Passage, crops: Crops, now_s: float, send: Send) -> None:
        """Take the crops of a frame of this model; full batches leave."""
        for batch in self._batcher.add(passage, crops.images, crops.background, now_s):
            send(batch)

    def poll(self, send: Send) -> None:
        """Let a batch go whose time has come."""
        batch = self._batcher.poll(time.monotonic())
        if batch is not None:
            send(batch)

    def flush(self, send: Send) -> None:
        """Let go whatever waits."""
        batch = self._batcher.flush()
        if batch is not None:
            send(batch)

    def _empty(self) -> Batcher[Passage]:
        return Batcher(self.model.max_batch, self._max_wait_s)
