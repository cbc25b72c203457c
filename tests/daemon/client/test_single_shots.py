"""Shots sent one by one, against the real desk behind a recorder."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.client.stream import SourceFrame, stream, taken_apart
from phenostream.daemon.recordings.facts import RecordingFacts
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.recordings.recorder import RecorderOptions, record
from phenostream.daemon.wire.ingest import Shot, Start
from phenostream.engine.errors import BadFrame

StartMaker = Callable[..., Start]
SIZE = 4 * 128 * 128
SOME: tuple[Shot, ...] = ("top", "left")
OTHERS: tuple[Shot, ...] = ("right", "bottom")


@contextmanager
def recorder(
    path: Path, url: str, **options: Any
) -> Iterator[tuple[threading.Event, "Future[RecordingFacts]"]]:
    """A recorder in a thread: stop, and what it returns."""
    bound: Future[str] = Future()
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(
            record, url, path, RecorderOptions(**options), stop=stop, on_bound=bound.set_result
        )
        try:
            bound.result(10)
            yield stop, done
        finally:
            stop.set()


def image(seq: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """Counts that tell frame and shot."""
    levels = 10 * seq + np.arange(4, dtype=np.uint8)
    return np.broadcast_to(levels[:, None, None], (4, 128, 128)).copy()


def frames(n: int) -> list[SourceFrame]:
    return [SourceFrame(seq, image(seq), (1.0, 2.0, 3.0), 4.0, 100 + seq) for seq in range(n)]


@pytest.mark.parametrize("order", ["ordered", "shuffled"])
@pytest.mark.parametrize("credit", [1, 2, 16])
def test_a_run_sent_shot_by_shot_arrives_as_the_same_frames(
    tmp_path: Path, make_start: StartMaker, order: Any, credit: int
) -> None:
    path, url = tmp_path / "r.phenorec", f"ipc://{tmp_path}/in"
    with (
        recorder(path, url, until_end=True, credit_bytes=credit * SIZE) as (_, done),
        Sender(url, "scope", SenderSettings(crc=True)) as sender,
    ):
        report = stream(sender, make_start(), frames(9), single_shots=order)
        found = done.result(10)
    assert (report.ledger["received"], report.ledger["dropped"]) == (9, 9)
    assert report.ledger["shots_repeated"] == report.ledger["shots_late"] == 0
    assert (found.complete, found.frames, found.messages) == (True, 9, 38)
    with RecordingReader(path) as reader:
        whole = list(RecordedFrames(reader))
    assert sorted(one.frame_seq for one in whole) == list(range(9))
    for one in whole:
        assert np.array_equal(np.stack(one.counts), image(one.frame_seq))


def test_after_a_loss_all_shots_of_what_is_not_acknowledged_are_sent_again(
    tmp_path: Path, make_start: StartMaker
) -> None:
    url, start = f"ipc://{tmp_path}/in", make_start()
    with Sender(url, "scope") as sender:
        with recorder(tmp_path / "first.phenorec", url) as (stop, done):
            sender.start(start)
            for which in SOME:
                sender.send_shot(0, which, image(0)[start.shots.index(which)])
            stop.set()
            done.result(10)
        with recorder(tmp_path / "second.phenorec", url, until_end=True) as (_, done):
            for which in OTHERS:
                sender.send_shot(0, which, image(0)[start.shots.index(which)])
            sender.finish()
            found = done.result(10)
        counts = sender.counts
    assert (counts.sent, counts.dropped, counts.reconnects) == (1, 1, 1)
    assert (found.complete, found.messages) == (True, 6)


def test_a_shot_may_be_handed_over_once_and_must_be_what_start_announced(
    tmp_path: Path, make_start: StartMaker
) -> None:
    url, start = f"ipc://{tmp_path}/in", make_start(shots=("left", "right"))
    with recorder(tmp_path / "r.phenorec", url), Sender(url, "scope") as sender:
        sender.start(start)
        sender.send_shot(0, "left", image(0)[0])
        faults: list[tuple[str, Callable[[], None]]] = [
            ("left of frame 0 was sent before", lambda: sender.send_shot(0, "left", image(0)[0])),
            ("frame_seq: 0 was sent before", lambda: sender.send(0, image(0)[:2])),
            ("shot: top, START announced left, right", lambda: sender.send_shot(1, "top", b"")),
            ("shot: shape (4, 128, 128) of uint8", lambda: sender.send_shot(1, "left", image(1))),
            ("shot: 3 bytes, START announced 16384", lambda: sender.send_shot(1, "left", b"123")),
        ]
        for text, fault in faults:
            with pytest.raises(BadFrame) as raised:
                fault()
            assert text in str(raised.value)
        assert sender.counts.sent == 1


def test_a_frame_the_daemon_gave_up_is_told_and_the_run_goes_on(
    tmp_path: Path, make_start: StartMaker
) -> None:
    url, start = f"ipc://{tmp_path}/in", make_start(shots=("left", "right"))
    reasons: list[str | None] = []
    with (
        recorder(tmp_path / "r.phenorec", url, shot_timeout_s=0.5),
        Sender(url, "scope") as sender,
    ):
        sender.on_ack = lambda ack: reasons.append(ack.reason)
        sender.start(start)
        sender.send_shot(0, "left", image(0)[0])
        while not reasons:
            sender.wait(0.01)
        sender.send_shot(0, "right", image(0)[1])
        sender.send(1, image(1)[:2])
        report = sender.finish()
    assert reasons[0] == "incomplete: 1 of 2 shots, right missing after 0.5 s"
    ledger = report.ledger
    assert (ledger["received"], ledger["quarantined"], ledger["shots_late"]) == (2, 1, 0)


def test_shuffled_shots_are_all_there_in_another_order_and_the_same_one_every_time(
    make_start: StartMaker,
) -> None:
    start = make_start()
    plain, mixed, again = (
        [(f.frame_seq, which) for f, which, _ in taken_apart(start, frames(5), order)]
        for order in ("ordered", "shuffled", "shuffled")
    )
    assert plain == [(seq, which) for seq in range(5) for which in start.shots]
    assert sorted(mixed) == sorted(plain)
    assert mixed == again != plain


def test_a_shot_is_a_view_of_its_frame(make_start: StartMaker) -> None:
    frame = SourceFrame(0, image(0))
    _, which, data = list(taken_apart(make_start(), [frame], "ordered"))[1]
    assert isinstance(frame.data, np.ndarray)
    frame.data[1, 0, 7] = 99
    assert (which, data[7]) == ("right", 99)
