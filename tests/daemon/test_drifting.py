"""Runs are watched against what their model was trained for and the instrument's run before; nothing is withheld."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.drift_config import DriftConfig
from phenostream.daemon.drift_history import MOST_INSTRUMENTS, DriftHistory, EndedRun
from phenostream.daemon.drifting import Drifting
from phenostream.daemon.engines import Engine
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import Arrival, Inferred, Passage, Prepared
from phenostream.daemon.pipeline.records import end_frame
from phenostream.daemon.reference_file import write_reference
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.batcher import Part
from phenostream.engine.drift.frame import Projection
from phenostream.engine.drift.population import Population
from phenostream.engine.drift.quantities import quantities_of
from phenostream.engine.drift.sums import Sums
from phenostream.engine.errors import BadInput
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.drifted import DriftFacts
from phenostream.engine.summary.reference import Reference
from phenostream.engine.summary.window import WindowStatistics
from phenostream.engine.types import OUTPUT_SHAPES, Detections, Outputs

CELLS = 30
CONFIG = DriftConfig(least_frames=5, least_cells=100)
PREVIOUS = DriftConfig(against="previous", least_frames=5, least_cells=100)
StartMaker = Callable[..., Start]


class Microscope:
    """Frames of one run, whose cells' classes and features follow a seed."""

    def __init__(self, start: Start, model: ServedModel, seed: int = 0) -> None:
        self.start, self.model, self._seq = start, model, 0
        self._rng = np.random.default_rng(seed)

    def passage(self, raised: float = 0.0, level: float = 0.4) -> Passage:
        """The next frame: the first class's logit is higher by so much, and so are all features."""
        rng, n = self._rng, CELLS
        arrival = Arrival(self.start, self._seq, 1, 0.0)
        self._seq += 1
        y = np.arange(n, dtype=np.float32)
        seen = np.ones(n, bool)
        found = Detections(y, y, y + 7, y + 9, ~seen)
        levels = ("left", level), ("right", level)
        passage = Passage(arrival, Prepared(found, seen, 2.0, None, 0.0, 0.0, levels=levels))
        logits = rng.normal(0, 1, (n, 3)).astype(np.float32) + np.array([raised, 0, 0], np.float32)
        powers = np.exp(logits)
        told: dict[str, Any] = {
            name: rng.normal(raised, 1, (n, *shape)).astype(np.float32)
            for name, shape in OUTPUT_SHAPES.items()
        }
        told["class_logits"] = logits
        told["class_probability"] = powers / powers.sum(axis=1, keepdims=True)
        told["reject_probability"] = np.zeros(n, np.float32)
        inferred = Inferred(Outputs(**told), Engine("fake", "none", "fp32"))
        passage.place(Part(passage, slice(0, n), slice(0, n)), inferred, 0.0, 0.0)
        return passage

    def feed(self, drifting: Drifting, frames: int, **how: float) -> list[dict[str, Any]]:
        """So many frames; the records that came of them."""
        records: list[bytes] = []
        for _ in range(frames):
            passage = self.passage(**how)
            alarms = drifting.codes(self.start.run)
            end = end_frame(passage, self.model, 1.0, (), alarms)
            records += drifting.add(passage, self.model, end)
        return [unpack_result(payload) for payload in records]


@pytest.fixture
def model(make_model: Callable[..., ServedModel]) -> ServedModel:
    """A model of which it is known what its training population is."""
    plain = make_model()
    rows = len(quantities_of(SummaryContext.of(plain.manifest)))
    axes = np.zeros((256, 8), np.float32)
    axes[:8] = np.eye(8)
    population = Population(Sums(rows), Projection(np.zeros(256, np.float32), axes))
    return replace(plain, population=population)


@pytest.fixture
def trained(model: ServedModel, make_start: StartMaker) -> ServedModel:
    """The same, with frames of an unchanged microscope in it."""
    drifting = Drifting(CONFIG, DriftHistory(), 4)
    start = make_start()
    Microscope(start, model, seed=9).feed(drifting, 40)
    told = drifting.end(start)
    assert told is not None
    assert model.population is not None
    return replace(model, population=replace(model.population, sums=told[1].sums))


def test_an_unchanged_run_alarms_in_nothing(trained: ServedModel, make_start: StartMaker) -> None:
    drifting, start = Drifting(CONFIG, DriftHistory(), 4), make_start()
    assert Microscope(start, trained).feed(drifting, 40) == []
    assert drifting.codes(start.run) == []
    (told,) = drifting.facts(start.run, "window")
    assert (told.against, told.beyond) == ("training", 0)
    assert told.tested > 20


def test_a_drift_is_said_everywhere_and_withholds_nothing(
    trained: ServedModel, make_start: StartMaker, caplog: pytest.LogCaptureFixture
) -> None:
    drifting, start = Drifting(CONFIG, DriftHistory(), 4), make_start()
    microscope = Microscope(start, trained)
    with caplog.at_level(logging.WARNING):
        records = microscope.feed(drifting, 10, raised=2.0)
    opened = {record["quantity"] for record in records}
    assert {"share/lymphocyte", "feature/0"} <= opened
    assert all(record["event"] == "drift" and record["open"] for record in records)
    assert all(record["run"] == start.run for record in records)
    assert any("share/lymphocyte has drifted" in line for line in caplog.messages)
    assert "training:share/lymphocyte" in drifting.codes(start.run)
    (told,) = drifting.facts(start.run, "window")
    assert told.beyond == len(opened) <= told.tested
    end = end_frame(microscope.passage(), trained, 1.0, (), drifting.codes(start.run))
    assert end.fate == "published"
    assert "training:share/lymphocyte" in unpack_result(end.payload)["drift"]


def test_the_status_tells_the_newest_run_of_each_instrument(
    trained: ServedModel, make_start: StartMaker
) -> None:
    drifting = Drifting(CONFIG, DriftHistory(), 4)
    first, second = make_start(), make_start()
    Microscope(first, trained).feed(drifting, 10, raised=2.0)
    Microscope(second, trained).feed(drifting, 5)
    told = drifting.told()
    assert told["alarms_opened"] > 0
    assert list(told["instruments"]) == [first.instrument]
    shown = told["instruments"][first.instrument]
    assert (shown["run"], shown["open"], shown["windows"]) == (second.run, True, 1)
    (against,) = shown["against"]
    assert (against["against"], against["obstacle"], against["alarms"]) == ("training", None, [])
    assert {"quantity", "before", "now", "tolerance", "p", "beyond"} == set(against["shifts"][0])
    drifting.ended(second, None)
    assert drifting.told()["instruments"][first.instrument]["open"] is False


def test_a_run_whose_end_never_comes_is_over_when_it_was_quiet_for_long(
    trained: ServedModel, make_start: StartMaker
) -> None:
    now_s = [0.0]
    drifting, start = Drifting(CONFIG, DriftHistory(), 4, lambda: now_s[0]), make_start()
    microscope = Microscope(start, trained)
    microscope.feed(drifting, 10, raised=2.0)

    def shown() -> tuple[bool, bool]:
        told = drifting.told()["instruments"][start.instrument]
        return told["open"], bool(told["against"][0]["alarms"])

    now_s[0] = 599.0
    assert shown() == (True, True)
    now_s[0] = 600.0
    assert shown() == (False, False)
    microscope.feed(drifting, 1, raised=2.0)
    assert shown() == (True, True)


def test_a_bundle_without_statistics_says_so(
    make_model: Callable[..., ServedModel], make_start: StartMaker
) -> None:
    drifting, start = Drifting(CONFIG, DriftHistory(), 4), make_start()
    assert Microscope(start, make_model()).feed(drifting, 20, raised=3.0) == []
    (against,) = drifting.told()["instruments"][start.instrument]["against"]
    assert against["obstacle"] == "this bundle has no training statistics"
    assert drifting.facts(start.run, "window") == ()


def test_nothing_is_compared_with_where_nothing_is_configured(
    trained: ServedModel, make_start: StartMaker
) -> None:
    off = DriftConfig(training=False)
    drifting, start = Drifting(off, DriftHistory(), 4), make_start()
    Microscope(start, trained).feed(drifting, 40, raised=3.0)
    assert drifting.told()["instruments"][start.instrument]["against"] == []
    assert drifting.facts(start.run, "run") == ()


def test_a_run_is_compared_with_the_one_before_of_its_instrument(
    trained: ServedModel, make_start: StartMaker
) -> None:
    config = PREVIOUS.model_copy(update={"training": False})
    drifting = Drifting(config, DriftHistory(), 4)
    first, other, second = make_start(), make_start(instrument="other"), make_start()
    for start in (first, other):
        Microscope(start, trained).feed(drifting, 20)
        told = drifting.end(start)
        assert told is not None
        drifting.ended(start, told[1])
    records = Microscope(second, trained, 2).feed(drifting, 20, level=0.8)
    assert {record["quantity"] for record in records} == {"brightness/left", "brightness/right"}
    (against,) = drifting.told()["instruments"][second.instrument]["against"]
    assert (against["against"], against["name"]) == ("previous_run", first.run)


def test_the_first_run_of_an_instrument_has_none_before_it(
    trained: ServedModel, make_start: StartMaker
) -> None:
    drifting, start = Drifting(PREVIOUS, DriftHistory(), 4), make_start()
    Microscope(start, trained).feed(drifting, 5)
    told = drifting.told()["instruments"][start.instrument]["against"]
    assert "no run of instrument" in told[1]["obstacle"]


def test_a_run_whose_end_was_lost_behind_its_sums_is_not_compared_with_itself(
    trained: ServedModel, make_start: StartMaker
) -> None:
    history, start = DriftHistory(), make_start()
    assert trained.population is not None
    history.ended(start.instrument, EndedRun(start.run, trained.sha256, trained.population.sums))
    drifting = Drifting(PREVIOUS, history, 4)
    Microscope(start, trained).feed(drifting, 5)
    told = drifting.told()["instruments"][start.instrument]["against"]
    assert told[1]["obstacle"] is not None


def test_another_models_run_is_not_compared_with(
    trained: ServedModel, make_start: StartMaker
) -> None:
    history, start = DriftHistory(), make_start()
    assert trained.population is not None
    history.ended(start.instrument, EndedRun("r", "f" * 64, trained.population.sums))
    drifting = Drifting(PREVIOUS, history, 4)
    Microscope(start, trained).feed(drifting, 20, raised=3.0)
    told = drifting.told()["instruments"][start.instrument]["against"]
    assert told[1]["obstacle"] == "another model"


def test_a_run_that_another_model_goes_on_with_is_watched_anew(
    trained: ServedModel, make_start: StartMaker
) -> None:
    drifting, start = Drifting(CONFIG, DriftHistory(), 4), make_start()
    Microscope(start, trained).feed(drifting, 10, raised=2.0)
    Microscope(start, replace(trained, sha256="1" * 64)).feed(drifting, 3)
    assert drifting.codes(start.run) == []
    assert drifting.told()["instruments"][start.instrument]["frames"] == 3


def test_a_run_that_was_too_short_is_not_kept(trained: ServedModel, make_start: StartMaker) -> None:
    drifting, start = Drifting(CONFIG, DriftHistory(), 4), make_start()
    Microscope(start, trained).feed(drifting, 4)
    assert drifting.end(start) is None
    drifting.ended(start, None)
    assert drifting.history.newest(start.instrument) is None


def test_runs_beyond_the_bound_are_let_go(trained: ServedModel, make_start: StartMaker) -> None:
    drifting = Drifting(CONFIG, DriftHistory(), 2)
    starts = [make_start() for _ in range(3)]
    for start in starts:
        Microscope(start, trained).feed(drifting, 10, raised=2.0)
    assert drifting.codes(starts[0].run) == []
    assert drifting.codes(starts[2].run) != []
    told = drifting.told()["instruments"][starts[2].instrument]
    assert (told["run"], told["open"]) == (starts[2].run, True)


def test_the_record_of_a_run_that_ended_brings_its_sums_back(
    trained: ServedModel, make_start: StartMaker
) -> None:
    drifting, start = Drifting(CONFIG, DriftHistory(), 4), make_start()
    Microscope(start, trained).feed(drifting, 10, raised=2.0)
    told = drifting.end(start)
    assert told is not None
    record = unpack_result(told[0])
    (against,) = record["against"]
    assert any(one["beyond"] for one in against["shifts"])
    assert len(record["quantities"]) == len(record["sums"])
    history = DriftHistory()
    history.take(record)
    again = DriftHistory.restored(history.state()).newest(start.instrument)
    assert again is not None
    assert (again.run, again.model_sha256, again.sums.frames) == (start.run, trained.sha256, 10)
    assert (again.sums.table == told[1].sums.table).all()
    (facts,) = drifting.facts(start.run, "run")
    assert facts == DriftFacts("training", len(against["shifts"]), facts.beyond)


def test_a_saved_reference_is_compared_with(
    trained: ServedModel, make_start: StartMaker, tmp_path: Path
) -> None:
    counted = WindowStatistics(SummaryContext.of(trained.manifest))
    microscope = Microscope(make_start(), trained, 3)
    for _ in range(20):
        end = end_frame(microscope.passage(), trained, 1.0)
        counted.add({name: column.array for name, column in end.columns.items()})
    path = tmp_path / "reference.json"
    write_reference(path, Reference("monday", trained.sha256, counted))
    config = DriftConfig(training=False, against=str(path), least_frames=5, least_cells=100)
    drifting, start = Drifting(config, DriftHistory(), 4), make_start()
    records = Microscope(start, trained).feed(drifting, 10, raised=2.0)
    assert {"reference"} == {record["against"] for record in records}
    assert "share/lymphocyte" in {record["quantity"] for record in records}


def test_a_reference_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    config = DriftConfig(against=str(tmp_path / "none.json"))
    with pytest.raises(BadInput, match="there is no such file"):
        Drifting(config, DriftHistory(), 4)


def test_the_history_keeps_a_bounded_number_of_instruments() -> None:
    history = DriftHistory()
    for number in range(MOST_INSTRUMENTS + 1):
        history.ended(str(number), EndedRun("r", "0" * 64, Sums(1)))
    assert history.newest("0") is None
    assert len(history.state()) == MOST_INSTRUMENTS


@pytest.mark.parametrize("table", [[[1.0]], [["x"] * 5], [[-1.0] * 5], 3])
def test_a_damaged_history_is_refused(table: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        DriftHistory.restored([["scope", "r", "0" * 64, 3, table]])
