"""The inference threads: rows go back to their frames; a fault costs a retry, then a backend, and no frame."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from phenostream.daemon.channel import Channel
from phenostream.daemon.crew import Crew
from phenostream.daemon.engines import Engine, Engines
from phenostream.daemon.health import Health
from phenostream.daemon.pipeline.entries import Arrival, Entry, Inferred, Passage, Prepared
from phenostream.daemon.pipeline.inference import Inference
from phenostream.daemon.swap.models import Models
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.batcher import Batch, Batcher, Part
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES, Detections, Outputs
from tests.daemon.conftest import toy_model
from tests.daemon.toy_engines import FakeOpener, checked, fail_always

StartMaker = Callable[..., Start]
RNG = np.random.default_rng(3)
CALLS = range(1, 9)
CROPS = {seq: RNG.random((cells, 4, 28, 28), np.float32) for seq, cells in enumerate([5, 3, 9, 1])}


def script(kind: str, *calls: int) -> FakeScript:
    numbers = frozenset(calls)
    return {
        "fail_at": FakeScript(fail_at=numbers),
        "nan_at": FakeScript(nan_at=numbers),
        "nan_first_at": FakeScript(nan_first_at=numbers),
    }[kind]


def grey(images: F32) -> F32:
    return np.full((len(images), 4), 0.5, np.float32)


def passage(start: Start, seq: int, cells: int) -> Passage:
    zero = np.zeros(cells, np.float32)
    no = np.zeros(cells, bool)
    prepared = Prepared(Detections(zero, zero, zero, zero, no), ~no, 1.0, 0.0, 1.0, 2.0)
    return Passage(Arrival(start, seq, 0, 0.0), prepared)


@dataclass
class Served:
    """What inference threads made of the four frames of `CROPS`."""

    entries: list[Passage]
    health: Health
    inference: Inference
    engines: Engines
    crew: Crew

    @property
    def fates(self) -> dict[int, str | None]:
        return {
            entry.arrival.frame_seq: entry.failure[1] if entry.failure else None
            for entry in self.entries
        }

    @property
    def by(self) -> set[str]:
        return {engine.backend for entry in self.entries for engine in entry.engines}


def serve(
    start: Start,
    primary: FakeBackend,
    opener: FakeOpener | None = None,
    fallbacks: tuple[str, ...] = (),
    *,
    timeout_s: float = 0.5,
    threads: int = 1,
    batch: int = 4,
) -> Served:
    """Run the frames of `CROPS` through, in batches of four."""
    health = Health()
    queue: Channel[Batch[Passage]] = Channel(None)
    entries: Channel[Entry] = Channel(None, threads)
    batcher: Batcher[Passage] = Batcher(batch, 0.0)
    for seq, images in CROPS.items():
        for full in batcher.add(passage(start, seq, len(images)), images, grey(images), 0.0):
            queue.put(full)
    last = batcher.flush()
    if last is not None:
        queue.put(last)
    queue.close()
    crew = Crew(health, lambda: None)
    engines = Engines(
        checked(primary, "first"), opener or FakeOpener(), fallbacks, call_timeout_s=timeout_s
    )
    inference = Inference(Models(toy_model(engines=engines)), health, queue, entries, crew)
    crew.on_abort(inference.abort)
    inference.start(threads)
    assert crew.join(30) == []
    assert crew.failure is None
    done = [entry for entry in entries.take_all() if isinstance(entry, Passage)]
    return Served(done, health, inference, engines, crew)


def assert_each_frame_once(served: Served) -> None:
    assert sorted(entry.arrival.frame_seq for entry in served.entries) == list(CROPS)


def assert_as_without_faults(served: Served, but: int = 0) -> None:
    """Every cell has the outputs it has alone; `but` of them have none."""
    failed = 0
    for entry in served.entries:
        alone = FakeBackend().infer(images := CROPS[entry.arrival.frame_seq], grey(images))
        together = entry.outputs()
        assert together is not None
        finite = together.finite_rows()
        failed += int((~finite).sum())
        for name in OUTPUT_SHAPES:
            np.testing.assert_array_equal(
                getattr(together, name)[finite], getattr(alone, name)[finite]
            )
            assert np.isnan(getattr(together, name)[~finite]).all()
    assert failed == but


def test_every_frame_gets_its_own_rows(make_start: StartMaker) -> None:
    served = serve(make_start(), FakeBackend())
    assert_each_frame_once(served)
    assert_as_without_faults(served)
    assert not served.health.degraded
    assert served.inference.told()["retries"] == 0


@pytest.mark.parametrize("kind", ["fail_at", "nan_at", "nan_first_at"])
@pytest.mark.parametrize("call", CALLS)
def test_one_fault_at_any_call_is_made_good_and_nobody_notices(
    make_start: StartMaker, kind: str, call: int
) -> None:
    served = serve(make_start(), FakeBackend(script(kind, call)))
    assert_each_frame_once(served)
    assert_as_without_faults(served)
    assert not served.health.degraded
    assert served.by == {"first"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["fail_at", "nan_at"])
@pytest.mark.parametrize("call", CALLS[:6])
def test_a_backend_that_fails_for_good_from_any_call_on_is_replaced(
    make_start: StartMaker, kind: str, call: int, threads: int
) -> None:
    served = serve(
        make_start(),
        FakeBackend(script(kind, *range(call, 10_000))),
        FakeOpener(second=FakeBackend),
        ("second",),
        threads=threads,
    )
    assert_each_frame_once(served)
    assert_as_without_faults(served)
    if call == 6:  # of five batches none is left
        assert served.by == {"first"}
        return
    assert served.by >= {"second"}
    assert served.health.faults() == ("engine",)
    assert served.health.snapshot()["faults"]["engine"].endswith("; second infers")
    assert served.engines.serving.backend == "second"


@pytest.mark.parametrize("call", CALLS[:5])
def test_a_call_that_hangs_at_any_time_is_given_up_on_and_its_late_result_ignored(
    make_start: StartMaker, call: int
) -> None:
    release = threading.Event()
    stuck = FakeBackend(FakeScript(stall_at=frozenset({call}), release=release))
    served = serve(make_start(), stuck, FakeOpener(second=FakeBackend), ("second",))
    assert_each_frame_once(served)
    assert_as_without_faults(served)
    assert "second" in served.by
    assert served.inference.told()["calls_given_up"] == 1
    assert served.health.snapshot()["faults"] == {
        "engine": "first: no answer for 0.5 s; second infers"
    }
    assert served.health.stalled(0.0) == []
    (before,) = [t for t in threading.enumerate() if t.name == "infer-0"]
    release.set()
    before.join(10)
    assert_as_without_faults(served)
    assert_each_frame_once(served)
    assert served.engines.told()[0]["stuck"] == 0
    (row,) = served.engines.due()
    served.engines.test(row, due=True)
    assert served.engines.serving.backend == "first"


def test_a_process_that_was_stopped_for_a_day_in_the_middle_of_a_call_gives_up_on_nothing(
    make_start: StartMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, stalled, looks = threading.Event(), threading.Event(), threading.Semaphore(0)
    ahead_s = [0.0]
    real = time.monotonic

    def monotonic() -> float:
        if threading.current_thread().name != "watch-inference":
            return real()
        looks.release()
        return real() + ahead_s[0]

    monkeypatch.setattr(time, "monotonic", monotonic)

    def wait_for_looks() -> None:
        while looks.acquire(blocking=False):
            pass
        for _ in range(6):  # the clock is read twice a look
            assert looks.acquire(timeout=20)

    def stop() -> None:
        assert stalled.wait(20)
        wait_for_looks()
        ahead_s[0] += 86_400.0
        wait_for_looks()
        release.set()

    stopper = threading.Thread(target=stop)
    stopper.start()
    stuck = FakeBackend(FakeScript(stall_at=frozenset({2}), release=release, stalled=stalled))
    served = serve(make_start(), stuck, FakeOpener(second=FakeBackend), ("second",), timeout_s=30.0)
    stopper.join(20)
    assert_each_frame_once(served)
    assert_as_without_faults(served)
    assert (served.by, served.inference.told()["calls_given_up"]) == ({"first"}, 0)


def test_where_the_fallback_hangs_too_frames_fail_with_the_reason(make_start: StartMaker) -> None:
    release = threading.Event()

    def hanging() -> FakeBackend:
        return FakeBackend(FakeScript(stall_at=frozenset(range(1, 100)), release=release))

    served = serve(make_start(), hanging(), FakeOpener(second=hanging), ("second",))
    assert_each_frame_once(served)
    assert set(served.fates.values()) == {"engine: first: no answer for 0.5 s"}
    assert served.inference.told()["calls_given_up"] == 2
    assert served.health.snapshot()["faults"]["engine"].endswith("; no other backend is left")
    stuck = [t for t in threading.enumerate() if t.name.startswith("infer-0")]
    release.set()
    for thread in stuck:
        thread.join(10)
    assert served.crew.failure is None
    assert set(served.fates.values()) == {"engine: first: no answer for 0.5 s"}


def test_without_any_backend_left_frames_fail_with_the_reason(make_start: StartMaker) -> None:
    served = serve(make_start(), fail_always(), FakeOpener(second=fail_always), ("second", "third"))
    assert_each_frame_once(served)
    assert set(served.fates.values()) == {"engine: broken for good"}
    states = {row["backend"]: (row["state"], row["reason"]) for row in served.engines.told()}
    assert states == {
        "first": ("down", "broken for good"),
        "second": ("down", "broken for good"),
        "third": ("down", "third is not installed"),
    }


class Allergic(FakeBackend):
    """Raises, or returns NaN, whenever one of some crops is in the batch."""

    def __init__(self, crops: F32, *, raises: bool) -> None:
        super().__init__()
        self._crops, self._raises = crops, raises

    def infer(self, images: F32, background: F32) -> Outputs:
        outputs = super().infer(images, background)
        bad = np.array([(image == self._crops).all(axis=(1, 2, 3)).any() for image in images])
        if bad.any() and self._raises:
            raise EngineFault("cannot digest this")
        outputs.marker_interval[bad, 1, 0] = np.inf
        return outputs


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("batch", [1, 4, 7, 32])
@pytest.mark.parametrize("bad", [[0], [8], [3, 4]])
def test_poisoned_cells_fail_alone_and_the_backend_stays(
    make_start: StartMaker, raises: bool, batch: int, bad: list[int]
) -> None:
    backend = Allergic(CROPS[2][bad], raises=raises)
    served = serve(make_start(), backend, FakeOpener(second=FakeBackend), ("second",), batch=batch)
    assert_each_frame_once(served)
    assert set(served.fates.values()) == {None}
    assert_as_without_faults(served, but=len(bad))
    assert served.by == {"first"}
    assert not served.health.degraded
    assert served.inference.told()["cells_failed"] == len(bad)


def test_many_poisoned_cells_are_a_fault(make_start: StartMaker) -> None:
    served = serve(make_start(), Allergic(CROPS[2][:6], raises=False))
    assert_as_without_faults(served, but=6)
    assert served.health.snapshot()["faults"] == {
        "cells": "the engine failed on 6 of the last 18 cells"
    }


@pytest.mark.parametrize("old_works", [True, False])
@pytest.mark.parametrize("batch", [32, 4])
@pytest.mark.parametrize("most", [256, 8])
def test_frames_of_a_model_without_a_backend_go_whole_to_the_model_that_stands_by(
    make_start: StartMaker, batch: int, old_works: bool, most: int
) -> None:
    """Also where that one takes smaller batches."""
    works = FakeBackend(max_batch=most)
    old = toy_model(
        engines=Engines(checked(works if old_works else fail_always(), "old"), FakeOpener())
    )
    new = toy_model(engines=Engines(checked(fail_always(), "new"), FakeOpener()))
    models, start = Models(old), make_start()
    models.flip(new, "better")
    models.take_flips()
    queue: Channel[Batch[Passage]] = Channel(None)
    entries: Channel[Entry] = Channel(None, 1)
    batcher: Batcher[Passage] = Batcher(batch, 0.0)
    for seq, images in CROPS.items():
        models.enter(new)
        frame = passage(start, seq, len(images))
        frame.model = new
        for full in batcher.add(frame, images, grey(images), 0.0):
            queue.put(full)
    last = batcher.flush()
    if last is not None:
        queue.put(last)
    queue.close()
    health = Health()
    crew = Crew(health, lambda: None)
    inference = Inference(models, health, queue, entries, crew)
    crew.on_abort(inference.abort)
    inference.start(1)
    assert crew.join(30) == []
    assert crew.failure is None
    done = [entry for entry in entries.take_all() if isinstance(entry, Passage)]
    served = Served(done, health, inference, new.engines, crew)
    assert_each_frame_once(served)
    whole = {32: {0, 1, 2, 3}, 4: {1, 3}}[batch] if old_works else set()
    assert {seq for seq, reason in served.fates.items() if reason is None} == whole
    for entry in done:
        if entry.failure is None:
            assert (entry.model, {engine.backend for engine in entry.engines}) == (old, {"old"})
            outputs = entry.outputs()
            assert outputs is not None
            assert outputs.finite_rows().all()
    for entry in done:
        assert entry.model is not None
        models.leave(entry.model)
    assert models.let_go(0.0) is old


def test_a_part_that_comes_twice_is_placed_once(make_start: StartMaker) -> None:
    token = passage(make_start(), 0, 3)
    part = Part(token, slice(0, 3), slice(0, 3))
    outputs = FakeBackend().infer(CROPS[1], grey(CROPS[1]))
    other = FakeBackend().infer(CROPS[1][::-1].copy(), grey(CROPS[1]))
    first, late = (Inferred(o, Engine("a", "b", "fp32")) for o in (outputs, other))
    assert token.place(part, first, 0.0, 1.0)
    assert not token.place(part, late, 0.0, 2.0)
    assert not token.fail(part, "engine: late")
    assert token.failure is None
    placed = token.outputs()
    assert placed is not None
    np.testing.assert_array_equal(placed.feature, outputs.feature)


def test_a_frame_that_lost_one_batch_fails_once_when_all_its_parts_are_back(
    make_start: StartMaker,
) -> None:
    token = passage(make_start(), 0, 4)
    parts = [Part(token, slice(0, 2), slice(0, 2)), Part(token, slice(2, 4), slice(0, 2))]
    assert not token.fail(parts[0], "engine: gone")
    outputs = FakeBackend().infer(CROPS[1][:2], grey(CROPS[1][:2]))
    assert token.place(parts[1], Inferred(outputs, Engine("a", "b", "fp32")), 0.0, 1.0)
    assert token.failure == ("failed", "engine: gone")
