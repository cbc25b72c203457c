"""A journal that is read back gives the ledger and the runs that wrote it."""

from collections.abc import Callable

import pytest

from phenostream.daemon.journal.record import Record
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.pipeline.entries import RunEnded, RunStarted
from phenostream.daemon.pipeline.records import run_ended, run_started
from phenostream.daemon.recovery import Recovery
from phenostream.daemon.sources.runs import RunBook
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.errors import BadRecording

StartMaker = Callable[..., Start]


def result(start: Start, seq: int, fate: str = "published", reason: str | None = None) -> bytes:
    return pack(
        {
            "v": 1,
            "type": "result",
            "run": start.run,
            "frame_seq": seq,
            "fate": fate,
            "reason": reason,
            "counts": {"found": 2, "classified": 1, "edge": 1, "rejected": 0, "over_limit": 0},
        }
    )


def test_runs_fates_and_ends_come_back(make_start: StartMaker) -> None:
    ledger = Ledger()
    runs = RunBook(8, ledger.in_flight)
    recovery = Recovery(ledger, runs)
    open_run, ended_run = make_start(n_expected=9), make_start()
    account = {"announced": 1, "received": 1, "published": 1, "duplicates": 5}
    payloads = [
        ("status", run_started(RunStarted(open_run), model_synthetic=True)),
        ("status", run_started(RunStarted(ended_run), model_synthetic=True)),
        ("result", result(open_run, 0)),
        ("result", result(ended_run, 0)),
        ("result", result(open_run, 2, "quarantined", "shape: (1,)")),
        ("summary", b"\xc1"),
        ("status", run_ended(RunEnded(ended_run), account, model_synthetic=True)),
    ]
    for offset, (topic, payload) in enumerate(payloads):
        recovery.replay(Record(offset, topic, payload))  # type: ignore[arg-type]  # topics above
    found = ledger.run(open_run.run)
    assert (found["received"], found["published"], found["quarantined.shape"]) == (2, 1, 1)
    assert (found["announced"], found["cells_found"]) == (9, 4)
    assert ledger.last_acked(open_run.run) == 0
    known = runs.get(open_run.run)
    assert known is not None
    assert (known.start, known.first_offset, known.report) == (open_run, 0, None)
    ended = runs.get(ended_run.run)
    assert ended is not None
    assert ended.report is not None
    assert ended.report.ledger == account
    assert ledger.run(ended_run.run)["duplicates"] == 5
    assert ledger.ended(ended_run.run)
    assert runs.open_count() == 0
    assert [(one.offset, one.payload) for one in recovery.summaries] == [(5, b"\xc1")]


def test_only_the_newest_summaries_are_kept() -> None:
    recovery = Recovery(ledger := Ledger(), RunBook(8, ledger.in_flight))
    for offset in range(300):
        recovery.replay(Record(offset, "summary", b"x"))
    assert [one.offset for one in recovery.summaries] == list(range(172, 300))


def test_the_columns_of_a_result_are_not_decoded(make_start: StartMaker) -> None:
    start = make_start()
    ledger = Ledger()
    recovery = Recovery(ledger, RunBook(8, ledger.in_flight))
    ledger.open(start.run, None)
    meta = result(start, 0)
    undecodable = b"\xa7columns\x81\xa1y\xa1\xff"
    payload = bytes([meta[0] + 1]) + meta[1:] + undecodable  # a map of one entry more
    recovery.replay(Record(0, "result", payload))
    assert ledger.run(start.run)["published"] == 1


def test_frames_of_a_run_whose_start_is_lost_are_remembered(make_start: StartMaker) -> None:
    ledger = Ledger()
    runs = RunBook(8, ledger.in_flight)
    recovery = Recovery(ledger, runs)
    start, ended = make_start(n_expected=3), make_start()
    recovery.replay(Record(1, "result", result(start, 0)))
    account = {"announced": 1, "received": 1, "published": 1}
    payload = run_ended(RunEnded(ended), account, model_synthetic=True)
    recovery.replay(Record(2, "status", payload))
    assert runs.open(start, b"peer", 0.0) == "new"
    ledger.open(start.run, start.n_expected)
    assert ledger.standing(start.run, 0).kind == "settled"
    assert ledger.run(start.run)["announced"] == 3
    assert ledger.ended(ended.run)


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("result", b"\xc1"),
        ("result", pack({"run": "no reason", "frame_seq": 0, "fate": "published"})),
        ("status", pack({"event": "run_started", "start": {"run": "x"}})),
        ("status", pack({})),
    ],
)
def test_a_record_of_another_version_refuses_the_journal(topic: str, payload: bytes) -> None:
    ledger = Ledger()
    recovery = Recovery(ledger, RunBook(8, ledger.in_flight))
    with pytest.raises(BadRecording, match=r"journal offset 7: not a \w+ of this version"):
        recovery.replay(Record(7, topic, payload))  # type: ignore[arg-type]  # either topic
