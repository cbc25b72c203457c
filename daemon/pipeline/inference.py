"""The inference threads: one batch at a time through a backend of its frames' model, its rows back to their frames.

A call that fails is made once more. If that fails too, the golden crops decide whose fault it is: a backend that cannot
do them is down, the next row of the table takes the batch, and the daemon is degraded until the first works again; a
backend that can is sound, and the crops that spoil the batch are found and fail alone. A frame fails only when no row
is left, and no other model stands by that could take it as a whole.

A call that does not return in time is given up on: its thread is left to itself, and its result, should it come, is
ignored; another thread takes its place and its batch.
"""

import logging
import threading
import time
from functools import partial
from threading import Event, Lock
from typing import Any, Final

import numpy as np

from phenostream.daemon.channel import BEAT_S, Channel, Closed
from phenostream.daemon.crew import Beat, Crew
from phenostream.daemon.engines import Engines, Row
from phenostream.daemon.health import Health
from phenostream.daemon.pipeline.calls import Calls, GivenUp, Worker
from phenostream.daemon.pipeline.entries import Entry, Inferred, Passage
from phenostream.daemon.pipeline.failed_cells import FailedCells
from phenostream.daemon.pipeline.hand_over import handed_over
from phenostream.daemon.swap.models import Models
from phenostream.daemon.swap.shadow import Sample, Shadow
from phenostream.engine.backends.checked import PoisonedRows
from phenostream.engine.batcher import Batch
from phenostream.engine.errors import EngineFault, PhenostreamError
from phenostream.engine.isolation import isolate
from phenostream.engine.types import F32, Outputs

logger = logging.getLogger(__name__)

_FAULT: Final = "engine"
_CELLS: Final = "cells"
_LOOK_S: Final = 0.1
_ROUNDS: Final = 8
"""Most times that a batch goes from a row that went down to the next."""


class Inference:
    """All inference threads, and the one that watches them.

    Attributes:
        shadow: Where live cells are left for whoever compares.
    """

    def __init__(
        self,
        models: Models,
        health: Health,
        batches: Channel[Batch[Passage]],
        entries: Channel[Entry],
        crew: Crew,
    ) -> None:
        """Stand between `batches` and `entries`; the threads are the crew's."""
        self.shadow = Shadow()
        self._models = models
        self._health = health
        self._batches = batches
        self._entries = entries
        self._crew = crew
        self._calls = Calls()
        self._telling = Lock()
        self._told_of = models.serving
        self._over = Event()
        self._failed_cells = FailedCells()
        self._retries = 0

    def start(self, threads: int) -> None:
        """Start the inference threads and their watcher; they end when `batches` is closed and empty."""
        workers = [self._calls.hire(f"infer-{number}") for number in range(threads)]
        for worker in workers:
            self._crew.start(worker.name, partial(self._work, worker))
        self._crew.start("watch-inference", self._watch)

    def abort(self) -> None:
        """End the watcher."""
        self._over.set()

    def hung(self) -> str | None:
        """Which engines no call comes back from, where no model that is loaded has another one; None while one has."""
        live = self._models.live
        if not all(model.engines.hung for model in live):
            return None
        return f"inference: {self._models.serving.engines.reason()}"

    def told(self) -> dict[str, Any]:
        """For a status; plain values."""
        return {
            "backends": self._models.serving.engines.told(),
            "retries": self._retries,
            "calls_given_up": self._calls.given_up,
            "cells_failed": self._failed_cells.total,
        }

    def _work(self, worker: Worker, beat: Beat) -> None:
        try:
            while True:
                beat()
                if worker.batch is None:
                    worker.batch = self._batches.get(BEAT_S)
                if worker.batch is not None:
                    self._serve(worker, worker.batch, beat)
                    worker.batch = None
        except Closed:
            self._entries.close()
            if self._calls.leave(worker):
                self._over.set()
        except GivenUp:
            logger.warning("%s: the call has returned; its result is ignored", worker.name)

    def _serve(self, worker: Worker, batch: Batch[Passage], beat: Beat) -> None:
        called_s = time.monotonic()
        model = self._models.of(batch.parts[0].token.model)
        rest, lost = None, batch.parts
        try:
            outputs, row = self._infer(worker, batch, model.engines)
        except EngineFault as err:
            reason = f"engine: {err}"[:200]
            rest, lost = handed_over(batch, self._models, model)
            done = [part.token for part in lost if part.token.fail(part, reason)]
        else:
            inferred = Inferred(outputs, row.engine, self._health.faults())
            now_s = time.monotonic()
            done = [
                part.token
                for part in batch.parts
                if part.token.place(part, inferred, called_s, now_s)
            ]
            self.shadow.offer(
                model, Sample(batch.images, batch.background, outputs), now_s - called_s
            )
        for passage in done:
            self._entries.put(passage, beat)
        if rest is not None:
            worker.batch = rest
            self._serve(worker, rest, beat)

    def _infer(
        self, worker: Worker, batch: Batch[Passage], engines: Engines
    ) -> tuple[Outputs, Row]:
        """The outputs of a batch and the row that gave them; `EngineFault` when no row is left."""
        for _ in range(_ROUNDS):
            row = engines.choose() or self._revived(worker, engines)
            if row is None:
                break
            try:
                outputs = self._infer_on(worker, row, batch)
            except EngineFault as err:
                logger.error("backend %s is down: %s", row.name, err)
                engines.put_down(row, str(err))
            else:
                self._count_cells(outputs)
                if engines.degraded:
                    self._tell()
                return outputs, row
        self._tell()
        raise EngineFault(engines.reason())

    def _infer_on(self, worker: Worker, row: Row, batch: Batch[Passage]) -> Outputs:
        """The outputs of a batch, NaN for crops that spoil it; `EngineFault` when the row itself is at fault."""
        call = partial(self._call, worker, row)
        try:
            return call(batch.images, batch.background)
        except EngineFault as err:
            fault = err
        if not _some_sound(fault):
            logger.warning("inference failed, one more try: %s", fault)
            self._retries += 1
            try:
                return call(batch.images, batch.background)
            except EngineFault as err:
                fault = err
            if not _some_sound(fault):
                self._must_work(worker, row)
        logger.warning("crops of a batch spoil it, each is tried alone: %s", fault)
        return isolate(call, batch.images, batch.background, fault)

    def _must_work(self, worker: Worker, row: Row) -> None:
        """Raises `EngineFault` unless the row gives the golden outputs."""
        try:
            with self._calls.call(worker, row):
                row.engines.prove(row)
        except EngineFault:
            raise
        except PhenostreamError as err:
            raise EngineFault(str(err)) from err

    def _revived(self, worker: Worker, engines: Engines) -> Row | None:
        """Where all rows are down: one that gives the golden outputs now. A batch is worth the trial."""
        row = engines.hope()
        if row is None:
            return None
        try:
            with self._calls.call(worker, row):
                engines.test(row, due=False)
        except PhenostreamError:
            return None
        finally:
            self._tell()
        return row

    def _call(self, worker: Worker, row: Row, images: F32, background: F32) -> Outputs:
        with self._calls.call(worker, row):
            outputs = row.opened.infer(images, background)
        self._health.beat(worker.name)
        return outputs

    def _watch(self, beat: Beat) -> None:
        looked_s = time.monotonic()
        while not self._over.wait(_LOOK_S):
            beat()
            now_s = time.monotonic()
            for worker, successor in self._calls.give_up(min(now_s - looked_s, 2 * _LOOK_S)):
                self._replace(worker, successor)
            looked_s = now_s
            for row in (row for model in self._models.live for row in model.engines.due()):
                threading.Thread(
                    target=self._try, args=(row,), name=f"try-{row.name}", daemon=True
                ).start()
            self._tell_flip()

    def _replace(self, worker: Worker, successor: Worker) -> None:
        """Leave a stuck thread to itself; another one goes on with its batch."""
        logger.error("%s is stuck, %s has its batch", worker.name, successor.name)
        self._crew.give_up(worker.name)
        self._tell()
        self._crew.start(successor.name, partial(self._work, successor))

    def _try(self, row: Row) -> None:
        """The body of a trial's thread, which a row that hangs may keep for ever."""
        try:
            row.engines.test(row, due=True)
        except PhenostreamError as err:
            logger.debug("backend %s is still down: %s", row.name, err)
        else:
            logger.warning("backend %s works again", row.name)
        self._tell()

    def _tell(self) -> None:
        """Report how the primary of the model that serves stands."""
        with self._telling:
            self._told_of = self._models.serving
            fault = self._told_of.engines.fault()
            if fault is None:
                if self._health.recover(_FAULT):
                    logger.warning("inference works again")
            elif self._health.degrade(_FAULT, fault):
                logger.error("degraded: %s", fault)

    def _tell_flip(self) -> None:
        if self._told_of is not self._models.serving:
            self._tell()

    def _count_cells(self, outputs: Outputs) -> None:
        failed = int(np.isnan(outputs.class_logits[:, 0]).sum())
        with self._telling:
            self._failed_cells.add(len(outputs), failed)
            fault = self._failed_cells.fault()
            if fault is None:
                self._health.recover(_CELLS)
            elif self._health.degrade(_CELLS, fault):
                logger.error("degraded: %s", fault)


def _some_sound(fault: EngineFault) -> bool:
    """Whether the call gave finite outputs for some of its crops."""
    return isinstance(fault, PoisonedRows) and bool(fault.finite.any())
