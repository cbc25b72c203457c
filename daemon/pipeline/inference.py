"""The inference threads: one batch at a time through the backend, its rows back to their frames.

A call that fails is made once more; if it fails again, the frames that had cells in it fail with the reason, and the
daemon is degraded until a batch succeeds.
"""

import logging
import time

from phenostream.daemon.channel import BEAT_S, Channel, Closed
from phenostream.daemon.crew import Beat
from phenostream.daemon.health import Health
from phenostream.daemon.pipeline.entries import Entry, Passage
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.batcher import Batch
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import Outputs

logger = logging.getLogger(__name__)

_FAULT = "engine"


class Inference:
    """The body of every inference thread; they share it."""

    def __init__(
        self,
        backend: Backend,
        health: Health,
        batches: Channel[Batch[Passage]],
        entries: Channel[Entry],
    ) -> None:
        """Stand between `batches` and `entries`."""
        self._backend = backend
        self._health = health
        self._batches = batches
        self._entries = entries

    def run(self, beat: Beat) -> None:
        """Work until `batches` is closed and empty."""
        while True:
            beat()
            try:
                batch = self._batches.get(BEAT_S)
            except Closed:
                break
            if batch is not None:
                self._serve(batch, beat)
        self._entries.close()

    def _serve(self, batch: Batch[Passage], beat: Beat) -> None:
        called_s = time.monotonic()
        try:
            outputs = self._infer(batch)
        except EngineFault as err:
            reason = f"engine: {err}"[:200]
            if self._health.degrade(_FAULT, str(err)):
                logger.error("inference failed twice, frames fail: %s", err)
            done = [part.token for part in batch.parts if part.token.fail(part, reason)]
        else:
            if self._health.recover(_FAULT):
                logger.warning("inference works again")
            now_s = time.monotonic()
            done = [
                part.token
                for part in batch.parts
                if part.token.place(part, outputs, called_s, now_s)
            ]
        for passage in done:
            self._entries.put(passage, beat)

    def _infer(self, batch: Batch[Passage]) -> Outputs:
        try:
            return self._backend.infer(batch.images, batch.background)
        except EngineFault as err:
            logger.warning("inference failed, one more try: %s", err)
            return self._backend.infer(batch.images, batch.background)
