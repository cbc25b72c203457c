"""A model beside the one that serves: how it is loaded, and how it sees live cells without taking anybody's time."""

import logging
import time
from dataclasses import replace
from typing import Final

import numpy as np

from phenostream.daemon.model import ServedModel, opened_model
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.priority import (
    let_forward,
    may_be_behind,
    newborn_behind,
    put_behind,
    runtime_threads,
)
from phenostream.daemon.swap.comparison import comparable
from phenostream.daemon.swap.patient_call import Late, patient_call
from phenostream.daemon.swap.shadow import Sample
from phenostream.daemon.swap.share import Share
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, Bool, Outputs

logger = logging.getLogger(__name__)

PIECE: Final = 8
"""Cells of one call, at most: a frame that comes meanwhile waits no longer than they take."""


class Candidate:
    """One model that does not serve, and how its calls are kept from costing frames.

    Attributes:
        behind: Its threads have what others leave of a core. That alone is not enough: cores of a virtual machine
            share units, and then what one leaves idle is what the other is fast with. So it has small calls and a
            `Share` in any case.
    """

    def __init__(self, model: ServedModel) -> None:
        """Begin with its threads as they are."""
        self.model = model
        self.behind = False
        self._share = Share()
        self._cell_s = float("inf")

    @property
    def rests(self) -> bool:
        """Whether it has had its share of a core for now."""
        return self._share.rest_s > 0

    def see(self, sample: Sample) -> tuple[Outputs, Outputs] | None:
        """What the serving model said of some cells, and what this one says; None where none can be compared.

        Raises:
            EngineFault: It fails on cells that the serving model has finite numbers of.
        """
        rows = _some(comparable(sample.outputs), min(PIECE, self.model.max_batch))
        if not rows.any():
            return None
        images, background = sample.images[rows], sample.background[rows]
        began_s = time.monotonic()
        said = self.infer(images, background)
        took_s = time.monotonic() - began_s  # more than it worked, where it is behind
        self._cell_s = min(self._cell_s, took_s / len(images))
        self._share.spend(self._cell_s * len(images))
        return sample.outputs.take(rows), said

    def infer(self, images: F32, background: F32) -> Outputs:
        """Its primary backend, or whatever row of it works.

        Raises:
            EngineFault: None works, it fails, or it gives no answer within the longest time of a call.
        """
        engines = self.model.engines
        row = engines.choose()
        if row is None:
            raise EngineFault(engines.reason())
        backend = row.opened
        try:
            return patient_call(
                lambda: backend.infer(images, background),
                row.limit_s,
                lambda: engines.returned(row),
            )
        except Late:
            reason = f"{row.name}: no answer for {row.limit_s:g} s"
            engines.put_down(row, reason, stuck=True)
            raise EngineFault(reason) from None

    def step_back(self) -> None:
        """Put its threads behind all others, where it has any and they could come back."""
        if self.model.threads and may_be_behind():
            put_behind(self._threads())
            self.behind = True

    def step_forward(self) -> None:
        """Its threads are like all others from now on."""
        let_forward(self._threads() if self.behind else ())
        self.behind = False

    def _threads(self) -> frozenset[int]:
        """Those that are still there: the number of one that has ended may be anybody's by now."""
        return self.model.threads & runtime_threads()


def load_candidate(
    bundle: Bundle, config: ModelConfig, streams: int, idle: frozenset[int] = frozenset()
) -> Candidate:
    """Open a bundle beside the model that serves; the box is not measured meanwhile.

    Args:
        bundle: Verified.
        config: Of the model that is configured.
        streams: Threads that will call it.
        idle: Threads that runtimes kept of models that are closed; this one may get them.

    Raises:
        PhenostreamError: See `opened_model`.
    """
    wanted = config.model_copy(update={"bundle": str(bundle.path)})
    idle &= runtime_threads()
    with newborn_behind(wanted=may_be_behind(), idle=idle):
        model = opened_model(bundle, wanted, None, streams, Share().step)
    candidate = Candidate(replace(model, threads=model.threads | idle))
    candidate.step_back()
    return candidate


class Race:
    """How long the same cells take two models, in turn: the best of each, which a busy box disturbs least.

    Attributes:
        pairs: Calls of each so far.
        first_s: Seconds a cell takes the first model; infinite before the first pair.
        second_s: Likewise.
    """

    def __init__(self, first: Candidate, second: Candidate, sample: Sample) -> None:
        """Take at most `PIECE` cells of a sample."""
        most = min(PIECE, first.model.max_batch, second.model.max_batch)
        rows = _some(comparable(sample.outputs), most)
        self._images, self._background = sample.images[rows], sample.background[rows]
        self._models = first, second
        self.pairs = 0
        self.first_s = self.second_s = float("inf")

    @property
    def ratio(self) -> float:
        """Second to first."""
        return self.second_s / self.first_s

    def run(self) -> None:
        """One pair; raises `EngineFault` where one of them fails."""
        first, second = (self._seconds(model) for model in self._models)
        self.first_s, self.second_s = min(self.first_s, first), min(self.second_s, second)
        self.pairs += 1

    def _seconds(self, model: Candidate) -> float:
        began_s = time.perf_counter()
        model.infer(self._images, self._background)
        return (time.perf_counter() - began_s) / len(self._images)


def _some(good: Bool, most: int) -> Bool:
    """(N,) at most so many of the good rows, from all over the batch."""
    places = np.flatnonzero(good)
    chosen = np.zeros(len(good), np.bool_)
    if len(places):
        step = -(-len(places) // most)
        chosen[places[::step]] = True
    return chosen
