"""Which cells belong to which summary."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.journal.record import Record
from phenostream.daemon.model import ServedModel
from phenostream.daemon.pipeline.entries import Arrival, Passage, Prepared
from phenostream.daemon.pipeline.records import end_frame
from phenostream.daemon.summaries import SummaryBook
from phenostream.daemon.telling import Telling
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.backends.fake import FakeBackend
from phenostream.engine.postprocess import Column, FieldOfView, frame_columns
from phenostream.engine.summary.context import SummaryContext
from phenostream.engine.summary.facts import Facts
from phenostream.engine.summary.reference import Reference
from phenostream.engine.summary.window import Tally, WindowStatistics
from phenostream.engine.types import Detections, FrameFlags

Frame = dict[str, Column]


@pytest.fixture
def book(make_model: Callable[..., ServedModel]) -> SummaryBook:
    model = make_model()
    return SummaryBook(model.manifest, window_s=10.0, max_runs=2, sha256=model.sha256)


@pytest.fixture
def frame(make_model: Callable[..., ServedModel]) -> Callable[[int], Frame]:
    manifest = make_model().manifest

    def make(cells: int) -> Frame:
        y = np.arange(cells, dtype=np.float32)
        seen = np.ones(cells, bool)
        images = np.random.default_rng(0).random((cells, 4, 28, 28), np.float32)
        outputs = FakeBackend().infer(images, np.full((cells, 4), 0.5, np.float32))
        view = FieldOfView(1.0, 0.686, (128, 128))
        return frame_columns(Detections(y, y, y, y, ~seen), seen, outputs, view, manifest)

    return make


def bodies(payloads: list[bytes]) -> list[tuple[str, int, int]]:
    read: list[dict[str, Any]] = [unpack_result(payload) for payload in payloads]
    assert all(body["type"] == "summary" and body["text"] for body in read)
    return [(body["scope"], body["facts"]["frames"], body["facts"]["found"]) for body in read]


def test_a_window_ends_after_its_time_and_the_next_begins_with_the_next_frame(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    start = make_start()
    assert book.seconds_to_next(0.0) > 1000
    book.add(start, frame(3), now_s=100.0)
    book.add(start, frame(2), now_s=105.0)
    assert book.seconds_to_next(105.0) == 5.0
    assert book.due(109.9) == []
    assert bodies(book.due(110.0)) == [("window", 2, 5)]
    assert book.due(500.0) == []
    book.add(start, frame(1), now_s=600.0)
    assert book.seconds_to_next(600.0) == 10.0
    assert bodies(book.end(start, 601.0)) == [("window", 1, 1), ("run", 3, 6)]
    assert book.end(start, 602.0) == []


def test_runs_are_kept_apart(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    first, second = make_start(), make_start()
    book.add(first, frame(1), 0.0)
    book.add(second, frame(4), 3.0)
    assert bodies(book.due(10.0)) == [("window", 1, 1)]
    assert bodies(book.end(second, 11.0)) == [("run", 1, 4)]
    assert bodies(book.end(first, 12.0)) == [("run", 1, 1)]


def test_a_run_without_a_frame_has_no_summary(
    book: SummaryBook, make_start: Callable[..., Start]
) -> None:
    assert book.end(make_start(), 0.0) == []
    resumed = make_start()
    book.begin(resumed.run, 7, resumed=True)
    assert book.missing_since(resumed.run) == 7
    book.resume(resumed, [], 0.0)
    assert book.missing_since(resumed.run) is None
    assert book.end(resumed, 1.0) == []


def test_the_windows_of_open_runs_can_be_closed_early(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    first, second = make_start(), make_start()
    book.add(first, frame(1), 0.0)
    assert bodies(book.due(10.0)) == [("window", 1, 1)]
    book.add(second, frame(4), 11.0)
    assert bodies(book.close_windows(12.0)) == [("window", 1, 4)]
    assert book.close_windows(12.0) == []
    assert bodies(book.end(second, 13.0)) == [("run", 1, 4)]


def test_three_hundred_runs_that_never_end_keep_the_statistics_of_a_few(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    starts = [make_start() for _ in range(300)]
    told: list[bytes] = []
    one = frame(1)
    for number, start in enumerate(starts):
        told += book.due(number / 1000)
        book.begin(start.run, number)
        book.add(start, one, number / 1000)
        assert len(book) <= 3
    told += book.due(0.3)
    assert len(book) == 2
    assert bodies(told) == [("window", 1, 1)] * 298
    missing = [book.missing_since(start.run) for start in starts]
    assert missing == [*range(298), None, None]


def test_the_run_that_was_quiet_longest_is_let_go_first(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    busy, quiet, new = make_start(), make_start(), make_start()
    for start in (busy, quiet, busy, new):
        book.add(start, frame(1), 0.0)
    book.due(1.0)
    assert book.missing_since(busy.run) is None
    assert book.missing_since(new.run) is None
    assert book.missing_since(quiet.run) == 0


def test_flagged_frames_are_told_also_of_a_run_that_was_read_back_from_the_journal(
    book: SummaryBook,
    make_model: Callable[..., ServedModel],
    make_start: Callable[..., Start],
) -> None:
    start, none, no = make_start(), np.empty(0, np.float32), np.empty(0, np.bool_)
    flags = FrameFlags(saturated=True)
    prepared = Prepared(Detections(none, none, none, none, no), no, 1.0, None, 0.0, 0.0, flags)
    end = end_frame(Passage(Arrival(start, 0, 1, 0.0), prepared), make_model(), 1.0)
    assert end.flags == flags
    book.begin(start.run, 0, resumed=True)
    book.resume(start, [Record(0, "result", end.payload)], 0.0)
    book.add(start, end.columns, 1.0, end.flags)
    whole = unpack_result(book.end(start, 2.0)[-1])
    assert whole["facts"]["flagged"] == {
        "frames": 2,
        "dark": 0,
        "saturated": 2,
        "noisy": 0,
        "undersampled": 0,
        "residual_high": 0,
        "misoriented": 0,
    }
    assert "2 frames were flagged: 2 saturated." in whole["text"]


def test_simulated_cells_are_called_synthetic(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    start = make_start(synthetic=True)
    book.add(start, frame(2), 0.0)
    for payload in book.end(start, 1.0):
        body = unpack_result(payload)
        assert body["facts"]["synthetic"] is True
        assert "synthetic" in body["text"].lower()


def told(payloads: list[bytes]) -> list[tuple[str, int, int, str]]:
    """Scope, frames, frames of other models, and the model."""
    read: list[dict[str, Any]] = [unpack_result(payload) for payload in payloads]
    return [
        (
            body["scope"],
            body["facts"]["frames"],
            body["facts"]["by_other_models"],
            body["facts"]["model_sha256"],
        )
        for body in read
    ]


OLD, NEW = "0" * 64, "1" * 64


def test_cells_of_two_models_are_never_counted_together(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    start, new = make_start(), make_model(sha256=NEW, version="2").identity
    for _ in range(3):
        book.add(start, frame(2), 0.0)
    for _ in range(4):
        book.add(start, frame(1), 1.0, by=new)
    assert told(book.due(20.0)) == [("window", 3, 0, OLD), ("window", 4, 0, NEW)]
    book.add(start, frame(1), 21.0, by=new)
    payloads = book.end(start, 22.0)
    assert told(payloads) == [("part", 3, 5, OLD), ("window", 1, 0, NEW), ("run", 5, 3, NEW)]
    part, _, whole = (unpack_result(payload) for payload in payloads)
    assert part["facts"]["model"] == "toy 1"
    assert whole["facts"]["model"] == "toy 2"
    assert "in 5 frames (3 more of the run were seen by another model)" in whole["text"]


def test_a_model_that_is_closed_tells_what_it_saw_and_is_let_go(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    start, other, new = make_start(), make_start(), make_model(sha256=NEW).identity
    old = make_model(sha256=OLD).identity
    book.add(start, frame(2), 0.0)
    book.add(start, frame(2), 0.0, by=new)
    book.add(other, frame(1), 0.0, by=new)
    assert told(book.model_closed(old, 1.0)) == [("part", 1, 1, OLD)]
    assert book.model_closed(old, 1.0) == []
    ledger = dict.fromkeys(("received", "published"), 2) | dict.fromkeys(
        ("dropped", "quarantined", "failed", "missing"), 0
    )
    (whole,) = book.end(start, 2.0, {**ledger, "announced": 3, "missing": 1})
    assert told([whole]) == [("run", 1, 1, NEW)]
    assert (
        "in 1 frame (1 of 3 announced are in this summary: 1 missing and 1 seen by another model)"
        in unpack_result(whole)["text"]
    )
    assert told(book.end(other, 2.0)) == [("run", 1, 0, NEW)]


def test_a_run_that_ends_after_its_model_was_closed_has_its_summary_all_the_same(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    quiet, busy = make_start(), make_start()
    old, new = make_model(sha256=OLD).identity, make_model(sha256=NEW).identity
    for start in (quiet, busy):
        book.add(start, frame(2), 0.0)
    assert book.model_closed(old, 1.0) == []
    book.add(busy, frame(1), 1.0, by=new)
    assert told(book.due(1.5)) == [("part", 1, 1, OLD)]
    assert book.due(1.6) == []
    assert told(book.end(busy, 2.0)) == [("run", 1, 1, NEW)]
    assert told(book.end(quiet, 2.0)) == [("run", 1, 0, OLD)]


def test_the_summary_of_a_run_is_of_the_model_that_saw_its_end_also_if_that_was_taken_back(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    first, second = make_start(), make_start()
    taken_back = make_model(sha256=NEW).identity
    for start in (first, second):
        book.add(start, frame(2), 0.0)
        book.add(start, frame(2), 0.0, by=taken_back)
        book.add(start, frame(2), 0.0)
    assert told(book.end(first, 1.0)) == [("part", 1, 2, NEW), ("run", 2, 1, OLD)]
    assert told(book.model_closed(taken_back, 1.0)) == [("part", 1, 2, NEW)]
    assert told(book.end(second, 1.0)) == [("run", 2, 1, OLD)]


def test_frames_of_a_model_that_this_process_does_not_know_are_counted_as_such(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    start, none, no = make_start(), np.empty(0, np.float32), np.empty(0, np.bool_)
    prepared = Prepared(Detections(none, none, none, none, no), no, 1.0, None, 0.0, 0.0)
    records = [
        Record(
            seq,
            "result",
            end_frame(Passage(Arrival(start, seq, 1, 0.0), prepared), model, 1.0).payload,
        )
        for seq, model in enumerate([make_model(sha256=NEW)] * 3 + [make_model()] * 2)
    ]
    book.begin(start.run, 0, resumed=True)
    book.resume(start, records, 0.0)
    ((_, _, tally, sha256, elsewhere),) = book.state(5)
    assert isinstance(tally, Tally)
    assert (tally.frames, sha256, elsewhere) == (2, OLD, 3)
    again = SummaryBook(make_model().manifest, 10.0, 2, OLD)
    again.restore(start.run, 5, tally.as_bytes(), NEW)  # of a model that is not configured any more
    again.restore(start.run, 5, tally.as_bytes(), sha256, elsewhere)
    again.begin(start.run, 0, resumed=True)
    assert again.missing_since(start.run) == 5
    again.resume(start, [], 0.0)
    assert told(again.end(start, 1.0)) == [("run", 2, 5, OLD)]


def facts_of(payload: bytes) -> Facts:
    return Facts.from_dict(unpack_result(payload)["facts"])


def test_a_window_is_compared_with_the_one_before_and_placed_in_the_run_before_it(
    book: SummaryBook, frame: Callable[[int], Frame], make_start: Callable[..., Start]
) -> None:
    start = make_start()
    for began_s in (0.0, 20.0, 40.0):
        for _ in range(3):
            book.add(start, frame(40), began_s)
        (window,) = (facts_of(payload) for payload in book.due(began_s + 10.0))
        assert (window.run, window.instrument) == (start.run, start.instrument)
        assert (window.scope, window.duration_s, window.model_sha256) == ("window", 10.0, OLD)
        before = window.comparison("previous")
        marker = next(one for one in window.classes if one.count).markers[0]
        if began_s == 0.0:
            assert (before, marker.run_percentile) == (None, None)
        else:
            assert before is not None
            assert (before.frames, before.classified) == (3, 120)
            assert not before.changed  # the frames are the same
            assert marker.run_percentile is not None
    (whole,) = (facts_of(payload) for payload in book.end(start, 60.0))
    assert (whole.scope, whole.frames, whole.comparisons) == ("run", 9, ())
    assert all(m.run_percentile is None for one in whole.classes for m in one.markers)


def test_every_summary_is_compared_with_the_reference_also_if_it_is_another_models(
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    manifest = make_model().manifest
    cells = WindowStatistics(SummaryContext.of(manifest))
    for _ in range(4):
        cells.add({name: column.array for name, column in frame(40).items()})
    told = {}
    for sha256 in (OLD, NEW):
        telling = Telling("lab", "en", Reference("healthy", sha256, cells))
        book = SummaryBook(manifest, 10.0, 2, OLD, telling)
        start = make_start()
        book.add(start, frame(40), 0.0)
        (payload,) = book.end(start, 1.0)
        body = unpack_result(payload)
        assert (body["style"], body["language"]) == ("lab", "en")
        told[sha256] = facts_of(payload).comparison("reference")
    one, other = told[OLD], told[NEW]
    assert one is not None
    assert other is not None
    assert (one.obstacle, one.name, one.classified) == (None, "healthy", 160)
    assert (other.obstacle, other.name, other.shares) == ("another model", "healthy", ())


def test_two_models_are_not_compared_with_each_others_windows(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    start, new = make_start(), make_model(sha256=NEW, version="2").identity
    book.add(start, frame(40), 0.0)
    book.due(10.0)
    book.add(start, frame(40), 11.0, by=new)
    (window,) = (facts_of(payload) for payload in book.due(21.0))
    assert (window.model_sha256, window.comparisons) == (NEW, ())


def test_a_run_that_goes_on_in_another_process_has_no_window_before(
    book: SummaryBook,
    frame: Callable[[int], Frame],
    make_start: Callable[..., Start],
    make_model: Callable[..., ServedModel],
) -> None:
    start = make_start()
    book.begin(start.run, 0)
    for _ in range(3):
        book.add(start, frame(40), 0.0)
    book.close_windows(1.0)
    again = SummaryBook(make_model().manifest, 10.0, 2, OLD)
    for one in book.state(3):
        assert isinstance(one.tally, Tally)
        again.restore(one.run, one.since, one.tally.as_bytes(), one.sha256, one.elsewhere)
    again.begin(start.run, 0, resumed=True)
    again.resume(start, [], 2.0)
    again.add(start, frame(40), 2.0)
    (window,) = (facts_of(payload) for payload in again.due(12.0))
    assert window.comparison("previous") is None
    marker = next(one for one in window.classes if one.count).markers[0]
    assert marker.run_percentile is not None  # what the journal knew is the run before
