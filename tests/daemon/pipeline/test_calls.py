"""A call is given up on after enough looks of the watcher, once, and never for time that the watcher did not see."""

import threading

import pytest

from phenostream.daemon.engines import Engines
from phenostream.daemon.pipeline.calls import Calls, GivenUp
from phenostream.engine.backends.fake import FakeBackend
from tests.daemon.toy_engines import FakeOpener


def engines(limit_s: float = 1.0) -> Engines:
    return Engines(FakeBackend(), FakeOpener(), call_timeout_s=limit_s)


def test_a_worker_between_calls_is_never_late() -> None:
    calls = Calls()
    worker = calls.hire("infer-0")
    assert calls.give_up(1000.0) == []
    assert calls.leave(worker)


def test_a_call_is_given_up_on_after_its_limit_and_its_batch_handed_on() -> None:
    table = engines()
    calls = Calls()
    worker = calls.hire("infer-0")
    row = table.choose()
    assert row is not None

    def body() -> list[tuple[object, object]]:
        with calls.call(worker, row):
            for _ in range(5):
                assert calls.give_up(0.2) == []
            ((late, successor),) = calls.give_up(0.2)
            assert calls.give_up(0.2) == []
            assert (late, successor.name, successor.batch) == (worker, "infer-0+1", worker.batch)
            return [(late, successor)]

    with pytest.raises(GivenUp):
        body()
    assert (row.stuck, row.reason) == (0, "fake: no answer for 1 s")
    assert calls.given_up == 1


def test_whatever_a_late_call_raises_is_ignored() -> None:
    table = engines()
    calls = Calls()
    worker = calls.hire("infer-0")
    row = table.choose()
    assert row is not None

    def body() -> None:
        with calls.call(worker, row):
            calls.give_up(2.0)
            raise ZeroDivisionError

    with pytest.raises(GivenUp):
        body()


def test_every_call_has_its_whole_limit() -> None:
    table = engines()
    calls = Calls()
    worker = calls.hire("infer-0")
    row = table.choose()
    assert row is not None
    for _ in range(5):
        with calls.call(worker, row):
            assert calls.give_up(0.9) == []


def test_many_stuck_workers_are_told_apart() -> None:
    table = engines()
    calls = Calls()
    row = table.choose()
    assert row is not None
    workers = [calls.hire(f"infer-{number}") for number in range(3)]
    inside, release = threading.Barrier(4), threading.Event()
    ends: list[str] = []

    def body(number: int) -> None:
        try:
            with calls.call(workers[number], row):
                inside.wait(10)
                release.wait(10)
        except GivenUp:
            ends.append(workers[number].name)

    threads = [threading.Thread(target=body, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    names = [successor.name for _, successor in calls.give_up(2.0)]
    assert names == ["infer-0+1", "infer-1+2", "infer-2+3"]
    assert row.stuck == 3
    release.set()
    for thread in threads:
        thread.join(10)
    assert sorted(ends) == ["infer-0", "infer-1", "infer-2"]
    assert row.stuck == 0
