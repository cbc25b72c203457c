"""What waits while a language model is at work, and what gives way."""

from phenostream.daemon.summariser.desk import MOST_RUNS, Desk, Job
from tests.engine.summary.populations import population

FACTS = population(7)


def job(of_offset: int, scope: str = "window") -> Job:
    return Job(of_offset, scope, "r", FACTS)


def taken(desk: Desk) -> list[int]:
    offsets = []
    while (one := desk.take()) is not None:
        offsets.append(one.of_offset)
    return offsets


def test_the_newest_window_wins_and_the_others_are_counted() -> None:
    desk = Desk()
    for offset in range(5):
        desk.put(job(offset))
    assert taken(desk) == [4]
    assert desk.skipped == 4
    desk.put(job(9))
    assert taken(desk) == [9]
    assert desk.skipped == 4
    assert desk.take() is None


def test_no_run_gives_way_to_a_window_and_runs_come_in_order() -> None:
    desk = Desk()
    for offset, scope in enumerate(["window", "run", "window", "part", "window", "run"]):
        desk.put(job(offset, scope))
    assert taken(desk) == [1, 3, 5, 4]
    assert desk.skipped == 2


def test_the_oldest_run_gives_way_where_too_many_wait() -> None:
    desk = Desk()
    for offset in range(MOST_RUNS + 3):
        desk.put(job(offset, "run"))
    assert taken(desk) == list(range(3, MOST_RUNS + 3))
    assert desk.skipped == 3
