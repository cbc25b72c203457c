"""Watches every run for drift: against what its model was trained for, and against an earlier run.

Belongs to the commit thread, which hands it every published frame; `told` may be asked from any. What it finds is said:
in results, in the status, in summaries, in a warning and in a record. It withholds nothing, and is no fault: a sample
that is another one is not a broken daemon. After a restart a run is watched from its next frame on.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Final

from phenostream.daemon.drift_config import PREVIOUS, DriftConfig
from phenostream.daemon.drift_history import MOST_INSTRUMENTS, DriftHistory, EndedRun
from phenostream.daemon.logs import about
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.drift_records import (
    alarm_changed,
    in_words,
    run_drift,
    shift_told,
)
from phenostream.daemon.pipeline.entries import Passage
from phenostream.daemon.pipeline.records import FrameEnd
from phenostream.daemon.reference_file import read_reference
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.drift.earlier import sums_of
from phenostream.engine.drift.frame import Projection, frame_values
from phenostream.engine.drift.quantities import quantities_of
from phenostream.engine.drift.sums import F64
from phenostream.engine.drift.watch import AlarmChange, DriftBaseline, Standing, Watch
from phenostream.engine.postprocess import CLASSIFIED
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.quantities import Scope
from phenostream.engine.summary.reference import Reference

logger = logging.getLogger(__name__)

_UNTOLD: Final = "this bundle has no training statistics"
_OTHER_MODEL: Final = "another model"
_QUIET_S: Final = 600.0
"""A run without a published frame for so long counts as over in the status, alarms and all: its END may never come."""


@dataclass(slots=True)
class _Followed:
    """A run while it is watched."""

    start: Start
    model_sha256: str
    context: SummaryContext
    projection: Projection | None
    watch: Watch
    heard_s: float
    is_open: bool = True


class Drifting:
    """One per daemon."""

    def __init__(
        self,
        config: DriftConfig,
        history: DriftHistory,
        most_runs: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is watched yet.

        Args:
            config: What to compare with.
            history: Runs that have ended.
            most_runs: Runs that are watched at once; the one that was quiet longest is let go.
            clock: Seconds.

        Raises:
            BadInput: The reference's file is refused.
        """
        named = config.against not in ("", PREVIOUS)
        self._config = config
        self._reference = read_reference(Path(config.against)) if named else None
        self.history = history
        self._most_runs, self._clock = most_runs, clock
        self._runs: OrderedDict[str, _Followed] = OrderedDict()
        self._shown: OrderedDict[str, _Followed] = OrderedDict()
        self._opened = 0
        self._lock = Lock()

    def codes(self, run: str) -> list[str]:
        """The open alarms of a run, such as ``training:rejected``."""
        followed = self._runs.get(run)
        return [] if followed is None else followed.watch.codes()

    def add(self, passage: Passage, model: ServedModel, end: FrameEnd) -> list[bytes]:
        """Take a published frame; records of the alarms that opened or closed with it."""
        start = passage.arrival.start
        columns = {name: column.array for name, column in end.columns.items()}
        with self._lock:
            followed = self._followed(start, model)
            levels = None if passage.prepared is None else dict(passage.prepared.levels)
            projected = _projected(passage, columns, followed.projection)
            values = frame_values(followed.context, columns, projected, levels)
            changes = followed.watch.add(*values)
            followed.heard_s = self._clock()
            self._opened += sum(change.opened for change in changes)
        for change in changes:
            _say(start, change)
        return [alarm_changed(start, model.manifest.synthetic, change) for change in changes]

    def end(self, start: Start) -> tuple[bytes, EndedRun] | None:
        """The record of a run that ends, and what a later one may be compared with; None where it was too short.

        Let go of the run when the record is on disk (`ended`).
        """
        followed = self._runs.get(start.run)
        if followed is None or followed.watch.whole.frames < self._config.least_frames:
            return None
        watch = followed.watch
        kept = EndedRun(start.run, followed.model_sha256, watch.whole)
        found = [
            (standing.baseline, watch.of_the_run(standing.baseline.against))
            for standing in watch.standings
        ]
        payload = run_drift(start, followed.context.model_synthetic, watch, kept, found)
        return payload, kept

    def ended(self, start: Start, kept: EndedRun | None) -> None:
        """The end of a run is on disk."""
        with self._lock:
            followed = self._runs.pop(start.run, None)
            if followed is not None:
                followed.is_open = False
        if kept is not None:
            self.history.ended(start.instrument, kept)

    def facts(self, run: str, scope: Scope) -> tuple[DriftFacts, ...]:
        """What a summary may say: of a window the open alarms, of a run all its frames together; of a part nothing."""
        followed = self._runs.get(run)
        if followed is None or scope == "part":
            return ()
        told = []
        for standing in followed.watch.standings:
            against = standing.baseline.against
            if scope == "run":
                shifts = followed.watch.of_the_run(against)
                tested, beyond = len(shifts), sum(shift.beyond for shift in shifts)
            else:
                codes = {shift.quantity.code for shift in standing.last} | set(standing.alarms)
                tested, beyond = len(codes), len(standing.alarms)
            if tested:
                told.append(DriftFacts(against, tested, beyond))
        return tuple(told)

    def told(self) -> dict[str, Any]:
        """For the status; plain values. Of every instrument its run that was begun last."""
        since_s = self._clock() - _QUIET_S
        with self._lock:
            return {
                "alarms_opened": self._opened,
                "tolerances": {
                    "share_points": self._config.share_points,
                    "marker_sd": self._config.marker_sd,
                    "feature_sd": self._config.feature_sd,
                    "brightness_percent": self._config.brightness_percent,
                },
                "instruments": {
                    name: _told(one, is_open=one.is_open and one.heard_s > since_s)
                    for name, one in self._shown.items()
                },
            }

    def _followed(self, start: Start, model: ServedModel) -> _Followed:
        """The watch of a run; it begins anew where another model goes on with it."""
        followed = self._runs.get(start.run)
        if followed is None or followed.model_sha256 != model.sha256:
            followed = self._runs[start.run] = self._begun(start, model)
            self._shown[start.instrument] = followed
            self._shown.move_to_end(start.instrument)
            while len(self._shown) > MOST_INSTRUMENTS:
                self._shown.popitem(last=False)
        self._runs.move_to_end(start.run)
        while len(self._runs) > self._most_runs:
            self._runs.popitem(last=False)[1].is_open = False
        return followed

    def _begun(self, start: Start, model: ServedModel) -> _Followed:
        context = SummaryContext.of(model.manifest, simulated_cells=start.synthetic)
        quantities = quantities_of(context)
        baselines = []
        known = model.population
        if self._config.training:
            sums, why = (None, _UNTOLD) if known is None else (known.sums, None)
            baselines.append(DriftBaseline("training", "", sums, why))
        if self._config.against == PREVIOUS:
            baselines.append(self._previous(start, model, len(quantities)))
        if self._reference is not None:
            baselines.append(_saved(self._reference, model))
        watch = Watch(quantities, baselines, self._config.settings)
        projection = None if known is None else known.projection
        return _Followed(start, model.sha256, context, projection, watch, self._clock())

    def _previous(self, start: Start, model: ServedModel, rows: int) -> DriftBaseline:
        ended = self.history.newest(start.instrument)
        if ended is None or ended.run == start.run:  # a crash may keep its sums and lose its end
            why = f"no run of instrument {start.instrument} has ended yet"
            return DriftBaseline("previous_run", "", None, why)
        same = ended.model_sha256 == model.sha256 and len(ended.sums.table) == rows
        if not same:
            return DriftBaseline("previous_run", ended.run, None, _OTHER_MODEL)
        return DriftBaseline("previous_run", ended.run, ended.sums)


def _saved(reference: Reference, model: ServedModel) -> DriftBaseline:
    if reference.model_sha256 != model.sha256:
        return DriftBaseline("reference", reference.name, None, _OTHER_MODEL)
    return DriftBaseline("reference", reference.name, sums_of(reference.statistics))


def _projected(
    passage: Passage, columns: Mapping[str, Any], projection: Projection | None
) -> F64 | None:
    """The classified cells' features, projected; None where nobody knows how."""
    outputs, prepared = passage.outputs(), passage.prepared
    if projection is None or prepared is None or outputs is None:
        return None
    chosen = columns["status"][prepared.seen] == CLASSIFIED
    return projection.of(outputs.feature[chosen])


def _say(start: Start, change: AlarmChange) -> None:
    told = shift_told(change.shift)
    if change.opened:
        what = "has drifted from"
    else:
        what = "cannot be tested any more against" if change.shift.beyond else "is back at"
    logger.warning(
        "drift: instrument %s, run %s: %s %s the %s: %s (docs/drift.md)",
        start.instrument,
        start.run,
        told["quantity"],
        what,
        change.against.replace("_", " "),
        in_words(told),
        extra=about(start.run, start.instrument),
    )


def _told(followed: _Followed, *, is_open: bool) -> dict[str, Any]:
    watch = followed.watch
    return {
        "run": followed.start.run,
        "open": is_open,
        "frames": watch.whole.frames,
        "windows": watch.windows,
        "against": [_standing_told(one, is_open=is_open) for one in watch.standings],
    }


def _standing_told(standing: Standing, *, is_open: bool) -> dict[str, Any]:
    baseline = standing.baseline
    return {
        "against": baseline.against,
        "name": baseline.name,
        "frames": 0 if baseline.sums is None else baseline.sums.frames,
        "obstacle": baseline.obstacle,
        "alarms": sorted(standing.alarms) if is_open else [],
        "shifts": [shift_told(one) for one in standing.last],
    }
