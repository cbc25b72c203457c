"""One swap of the model, from its bundle to its end: load, test, compare, flip, probation.

The body of the swap's own thread, which nobody waits for. Until the flip it can fail in any way and nothing has
happened; after it, any breach brings back the model that served before. A model that left is closed when its last frame
is on disk.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event
from typing import Any, Final

from phenostream.daemon.channel import Aborted
from phenostream.daemon.model import ServedModel, verified_bundle
from phenostream.daemon.model_config import ModelConfig
from phenostream.daemon.pipeline.entries import Entry, ModelClosed
from phenostream.daemon.swap.candidate import Candidate, Race, load_candidate
from phenostream.daemon.swap.comparison import Comparison
from phenostream.daemon.swap.fit import check_fits
from phenostream.daemon.swap.models import Models
from phenostream.daemon.swap.shadow import Sample, Shadow
from phenostream.daemon.swap.share import Share
from phenostream.daemon.swap.state import SwapSettings, SwapState
from phenostream.engine.errors import EngineFault, PhenostreamError

logger = logging.getLogger(__name__)

PROBATION_FRAMES: Final = 200
"""Frames of the new model that are on disk before the one before it is closed."""
_LOOK_S: Final = 0.2
_TELL_S: Final = 0.5
"""Between two reports while cells are compared: to make one takes as long as to compare a batch."""
_FEW: Final = 200
"""Cells from which on a limit is judged during the probation."""
_LEAST_PAIRS: Final = 8
_MOST_PAIRS: Final = 40
_CONFIRMATIONS: Final = 3
"""How often a model that seems slow is timed against the other one during its probation."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What a swap works with.

    Attributes:
        config: Of the model that is configured.
        enter: Hands something to the commit thread.
        cancelled: Set when a person wants the swap to end.
        stopping: Set when the daemon stops.
        idle: Threads that runtimes kept of models that are closed: the next one may get them.
    """

    models: Models
    shadow: Shadow
    config: ModelConfig
    state: SwapState
    enter: Callable[[Entry], None]
    cancelled: Event
    stopping: Event
    idle: set[int]


class _Refused(Exception):
    """The new model does not serve; the text says why."""


class _Cancelled(Exception):
    """A person, or a daemon that stops, ends the swap."""


class SwapRun:
    """One swap; `run` is called once, in its thread."""

    def __init__(self, stage: Stage, settings: SwapSettings) -> None:
        """Nothing happens yet."""
        self._stage = stage
        self._settings = settings
        self._before_cell_s: float | None = None
        self._confirmations = _CONFIRMATIONS
        self._tell_at_s = 0.0

    def run(self) -> None:
        """From the bundle to the end; raises nothing."""
        state, candidate = self._stage.state, None
        try:
            candidate = self._loaded()
            if not self._settings.now:
                self._compare(candidate)
            self._go_on()  # it was loading for a while, or was timed
        except _Cancelled:
            state.enter("cancelled", reason=self._why_cancelled())
        except (PhenostreamError, _Refused) as err:
            state.enter("refused", reason=str(err))
        except Exception as err:  # a runtime may raise anything; nothing has happened yet
            logger.exception("model swap: failed")
            state.enter("refused", reason=f"{type(err).__name__}: {err}"[:200])
        if state.now.under_way and candidate is not None:
            self._serve(candidate)
            return
        self._stage.shadow.watch(None)
        if candidate is not None:
            candidate.step_forward()  # another model may get its threads
            self._close(candidate.model)
        logger.warning("model swap: %s: %s", state.now.state, state.now.reason)

    def _loaded(self) -> Candidate:
        """The model, warm and golden, and fit for what this daemon does."""
        stage = self._stage
        serving = stage.models.serving
        config = stage.config.model_copy(update={"bundle": str(self._settings.bundle)})
        bundle = verified_bundle(config)
        check_fits(bundle.path, bundle.manifest, serving.manifest)
        stage.state.enter("testing")
        self._go_on()
        streams, idle = serving.engines.primary.streams, frozenset(stage.idle)
        candidate = load_candidate(bundle, config, streams, idle)
        stage.idle.clear()
        stage.state.note(model=facts_of(candidate.model))
        return candidate

    def _compare(self, candidate: Candidate) -> None:
        """See as many live cells as were asked for; raises `_Refused` where a limit is exceeded."""
        stage, settings = self._stage, self._settings
        serving = stage.models.serving
        comparison = Comparison(serving.manifest, candidate.model.manifest)
        stage.state.enter("comparing")
        stage.shadow.watch(serving)
        end_s = time.monotonic() + settings.wait_s
        last: Sample | None = None
        while last is None or comparison.cells < settings.cells:
            self._go_on()
            if time.monotonic() >= end_s:
                raise _Refused(
                    f"{comparison.cells} of {settings.cells} live cells came in {settings.wait_s:g} s; "
                    "ask for fewer, wait longer, or flip without a comparison"
                )
            last = self._see(candidate, comparison) or last
            stage.state.note(cells=comparison.cells)
            self._tell(report=comparison)
        self._before_cell_s = stage.shadow.pace.cell_s
        stage.state.note(report=comparison.told())
        breach = comparison.breach(settings)
        if breach is not None:
            raise _Refused(breach)
        candidate.step_forward()
        reference = Candidate(serving)
        race = self._raced(reference, candidate, last)
        stage.state.note(
            report={
                **comparison.told(),
                "passed_over": stage.shadow.passed_over,
                "cell_ms": [1e3 * race.first_s, 1e3 * race.second_s],
                "slowdown": race.ratio,
            }
        )
        if race.ratio > settings.max_slowdown:
            raise _Refused(_slow(race, settings))

    def _raced(self, before: Candidate, new: Candidate, sample: Sample) -> Race:
        """Both models on the same live cells; a ratio above what is allowed is measured longer before it counts."""
        race, share = Race(before, new, sample), Share()
        while race.pairs < _LEAST_PAIRS or (
            race.ratio > self._settings.max_slowdown and race.pairs < _MOST_PAIRS
        ):
            self._go_on()
            with share.step():
                race.run()
        return race

    def _serve(self, candidate: Candidate) -> None:
        """Flip, and see whether the new model keeps its promise."""
        stage, new = self._stage, candidate.model
        report = stage.state.now.report
        candidate.step_forward()
        facts = {"number": stage.state.now.number, "report": report}
        old = stage.models.flip(new, _why_flipped(report), facts)
        logger.warning("model %s serves: %s", new.in_words(), _why_flipped(report))
        stage.state.enter(
            "probation", of_frames=PROBATION_FRAMES, standing_by=facts_of(old), model=facts_of(new)
        )
        before = Candidate(old)
        try:
            breach = self._on_probation(before, new)
        except _Cancelled:
            if stage.stopping.is_set():
                return  # both are closed with the daemon
            breach = self._why_cancelled()
        except Exception as err:  # whatever it is, the model before is known to work
            logger.exception("model swap: failed")
            breach = f"{type(err).__name__}: {err}"[:200]
        stage.shadow.watch(None)
        before.step_forward()  # also if it is closed: another model may get its threads
        if breach is not None:
            stage.models.flip(old, f"taken back: {breach}", {"number": stage.state.now.number})
            logger.error("model %s serves again: %s", old.in_words(), breach)
        self._close_the_one_that_stands_by()
        if breach is None:
            stage.state.enter("serving", standing_by=None)
        else:
            stage.state.enter("rolled_back", reason=breach, standing_by=None)

    def _on_probation(self, before: Candidate, new: ServedModel) -> str | None:
        """The first breach; None when there was none to the end."""
        stage, settings = self._stage, self._settings
        comparison, waiting = Comparison(new.manifest, before.model.manifest), True
        stage.shadow.watch(None if settings.now else new)
        end_s = time.monotonic() + settings.wait_s
        while (frames := stage.models.done(new)) < PROBATION_FRAMES and time.monotonic() < end_s:
            self._go_on()
            stage.state.note(frames=frames)
            if (fault := _failed(new)) is not None:
                return fault
            if waiting and stage.models.is_over(before.model):
                before.step_back()  # not earlier: its last frames would be slow
                waiting = False
            try:
                breach = self._judged(before, new, comparison)
            except (
                EngineFault
            ) as err:  # of the model before; what the new one fails on is told above
                logger.debug("the model that stands by fails on live cells: %s", err)
                continue
            if breach is not None:
                stage.state.note(probation=comparison.told())
                return breach
        stage.state.note(frames=frames)
        if comparison.cells:
            stage.state.note(probation=comparison.told())
        return _failed(new)

    def _judged(self, before: Candidate, new: ServedModel, comparison: Comparison) -> str | None:
        """What live cells say against the new model, if any came."""
        sample = self._see(before, comparison)
        if sample is None:
            return None
        self._tell(probation=comparison)
        enough = comparison.cells >= _FEW
        breach = comparison.breach(self._settings, looked_often=True) if enough else None
        return breach or self._slower(before, new, sample)

    def _see(self, model: Candidate, comparison: Comparison) -> Sample | None:
        """Wait a little for live cells, and compare what comes; what was compared."""
        sample = self._stage.shadow.take(_LOOK_S)
        seen = None if sample is None or model.rests else model.see(sample)
        if seen is None:
            return None
        comparison.add(*seen)
        return sample

    def _tell(self, **found: Comparison) -> None:
        """Have everybody see what was found so far, now and then."""
        now_s = time.monotonic()
        if now_s >= self._tell_at_s:
            self._stage.state.note(**{name: one.told() for name, one in found.items()})
            self._tell_at_s = now_s + _TELL_S

    def _slower(self, before: Candidate, new: ServedModel, sample: Sample) -> str | None:
        """A line if live cells take too long, and timed against the model before they do too.

        How long a live cell takes depends on what else the box does: alone it proves nothing.
        """
        pace, settings = self._stage.shadow.pace, self._settings
        if not self._confirmations or self._before_cell_s is None or pace.cells < _FEW:
            return None
        live_s = pace.cell_s
        if live_s is None or live_s <= settings.max_slowdown * self._before_cell_s:
            return None
        self._confirmations -= 1
        before.step_forward()
        try:
            race = self._raced(before, Candidate(new), sample)
        finally:
            before.step_back()
            self._stage.shadow.watch(new)
        return _slow(race, settings) if race.ratio > settings.max_slowdown else None

    def _close_the_one_that_stands_by(self) -> None:
        """Wait for its last frame, tell what it saw, and close it."""
        stage = self._stage
        while (gone := stage.models.let_go()) is None:
            if stage.stopping.is_set():
                return  # it is closed with the daemon
        with suppress(Aborted):  # the daemon is torn down
            stage.enter(ModelClosed(gone))
        self._close(gone)
        stage.models.forget(gone)

    def _close(self, model: ServedModel) -> None:
        """Close a model that sees no frame any more; one that cannot be closed costs its memory and nothing else."""
        try:
            model.close()
        except Exception:  # a runtime may raise anything
            logger.exception("model %s cannot be closed", model.in_words())
        self._stage.idle.update(model.threads)

    def _go_on(self) -> None:
        if self._stage.cancelled.is_set() or self._stage.stopping.is_set():
            raise _Cancelled

    def _why_cancelled(self) -> str:
        return "the daemon stops" if self._stage.stopping.is_set() else "cancelled by an operator"


def facts_of(model: ServedModel) -> dict[str, Any]:
    """Who a model is, for a status."""
    said = model.describe()
    keys = ("name", "version", "sha256", "signed_by", "backend", "device", "precision")
    return {key: said[key] for key in keys}


def _failed(model: ServedModel) -> str | None:
    """A line if its primary backend was ever down, also where it is up again."""
    if not model.engines.outages:
        return None
    return f"fault: {model.engines.fault() or 'it failed, and works again'}"


def _why_flipped(report: dict[str, Any] | None) -> str:
    if report is None:
        return "asked for, without a comparison"
    return (
        f"decides like the model before it for {report['agreement']:.2%} of {report['cells']} live cells, "
        f"{report['slowdown']:.2f} times its time"
    )


def _slow(race: Race, settings: SwapSettings) -> str:
    return (
        f"a cell takes {1e3 * race.second_s:.3g} ms, {race.ratio:.2f} times the {1e3 * race.first_s:.3g} ms of the "
        f"other model, allowed {settings.max_slowdown:g} times"
    )
