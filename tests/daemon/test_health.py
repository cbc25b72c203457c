"""Faults are named and taken back by name; silence is noticed; a dead thread stops the crew."""

import threading
import time

import pytest

from phenostream.daemon.channel import Channel
from phenostream.daemon.crew import Beat, Crew
from phenostream.daemon.health import Health


def test_degraded_until_the_last_fault_is_taken_back() -> None:
    health = Health()
    health.enter("ready")
    assert health.degrade("journal", "full")
    assert not health.degrade("journal", "still full")
    assert health.degrade("engine", "nan")
    assert health.recover("journal")
    assert health.snapshot() == {"state": "degraded", "faults": {"engine": "nan"}}
    assert health.recover("engine")
    assert not health.recover("engine")
    assert health.snapshot() == {"state": "ready", "faults": {}}


def test_the_past_tells_every_fault_since_when_and_how_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    health = Health()
    health.degrade("engine", "nan")
    now[0] += 5
    health.recover("engine")
    now[0] += 2
    assert not health.past()["engine"]["open"]
    assert health.past()["engine"]["for_s"] == 2
    health.degrade("engine", "gone")
    now[0] += 1
    past = health.past()["engine"]
    assert (past["open"], past["reason"], past["count"], past["for_s"]) == (True, "gone", 2, 1)
    assert health.faults() == ("engine",)


def test_a_silent_thread_is_named_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    health = Health()
    health.beat("ingest")
    health.beat("infer-0")
    now[0] = 109.0
    health.beat("ingest")
    assert health.stalled(5.0) == ["infer-0"]
    health.rest("infer-0")
    assert health.stalled(5.0) == []


def test_a_stop_of_the_whole_process_makes_no_thread_silent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    health = Health()
    health.beat("keeper")
    assert health.stalled(5.0) == []
    now[0] += 86_400.0
    assert health.stalled(5.0) == []
    for waited_s, silent in ((4.0, []), (2.0, ["keeper"])):
        now[0] += waited_s
        assert health.stalled(5.0) == silent


def test_threads_may_begin_while_stalled_ones_are_looked_for() -> None:
    health = Health()
    for number in range(20_000):
        health.beat(f"old-{number}")
    failures: list[BaseException] = []

    def look() -> None:
        try:
            for _ in range(20):
                health.stalled(0.0)
        except RuntimeError as err:
            failures.append(err)

    looker = threading.Thread(target=look)
    looker.start()
    number = 0
    while looker.is_alive():
        number += 1
        health.beat(f"new-{number % 5000}")
        health.rest(f"new-{(number - 2000) % 5000}")
    looker.join()
    assert failures == []


def test_a_thread_that_dies_stops_the_others_and_keeps_its_exception() -> None:
    ended = threading.Event()
    crew = Crew(Health(), ended.set)
    channel: Channel[int] = Channel(1)
    crew.on_abort(channel.abort)

    def waits(beat: Beat) -> None:
        channel.get(60)

    def dies(beat: Beat) -> None:
        raise ValueError("broken")

    crew.start("waits", waits)
    crew.start("dies", dies)
    assert crew.join(10) == []
    assert ended.is_set()
    assert crew.failure is not None
    assert crew.failure[0] == "dies"
    assert str(crew.failure[1]) == "broken"
    assert crew.running() == set()


def test_a_thread_that_is_given_up_on_is_not_waited_for_and_its_end_wakes_nobody() -> None:
    release = threading.Event()
    ends: list[int] = []
    health = Health()
    crew = Crew(health, lambda: ends.append(1))

    def hangs(beat: Beat) -> None:
        release.wait(30)

    crew.start("stuck", hangs)
    (thread,) = [one for one in threading.enumerate() if one.name == "stuck"]
    crew.give_up("stuck")
    assert crew.join(10) == []
    assert crew.running() == set()
    assert health.stalled(-1.0) == []
    release.set()
    thread.join(10)
    assert (ends, crew.failure) == ([], None)


def test_a_crew_whose_work_is_done_has_no_failure() -> None:
    crew = Crew(Health(), lambda: None)
    crew.start("works", lambda beat: beat())
    assert crew.join(10) == []
    assert crew.failure is None
