"""kill -9 at random instants: what was acknowledged is in the journal, once, and the source resumes by itself.

Few kills, of the daemon as a user starts it; `make chaos` makes many, with power cuts, under a runner of its own. The
same with single shots, some frame being incomplete at every instant. Set PHENOSTREAM_KILLS for more.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Ack, Report, Start

KILLS = int(os.environ.get("PHENOSTREAM_KILLS", "6"))
Fates = Counter[int]


class Microscope(threading.Thread):
    """Sends frames as fast as it may until it is told to stop, and remembers every acknowledgement."""

    def __init__(self, url: str, start: Start, frame: Any, *, single_shots: bool) -> None:
        super().__init__(name="microscope")
        self.url, self.start_message, self.frame = url, start, frame
        self.single_shots = single_shots
        self.acked: list[int] = []
        self.enough = threading.Event()
        self.progressed = threading.Condition()
        self.report: Report | None = None
        self.sent = 0
        self.reconnects = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with Sender(self.url, "scope", SenderSettings(reconnect_timeout_s=50)) as sender:
                sender.on_ack = self.note
                sender.start(self.start_message)
                while not self.enough.is_set():
                    self.send(sender)
                if self.single_shots:
                    self.send_shots(sender, self.sent - 1, 2, 4)
                self.report = sender.finish()
                self.reconnects = sender.counts.reconnects
        except BaseException as err:
            self.failure = err
        finally:
            with self.progressed:
                self.progressed.notify_all()

    def send(self, sender: Sender) -> None:
        """The next frame whole; or its first two shots, and the last two of the frame before it."""
        if self.single_shots:
            self.send_shots(sender, self.sent, 0, 2)
            self.send_shots(sender, self.sent - 1, 2, 4)
        else:
            sender.send(self.sent, self.frame)
        self.sent += 1

    def send_shots(self, sender: Sender, seq: int, first: int, stop: int) -> None:
        for which, counts in list(zip(self.start_message.shots, self.frame, strict=True))[
            first:stop
        ]:
            if seq >= 0:
                sender.send_shot(seq, which, counts)

    def note(self, ack: Ack) -> None:
        with self.progressed:
            self.acked.append(ack.frame_seq)
            self.progressed.notify_all()

    def wait_for(self, count: int) -> None:
        """Until `count` frames are acknowledged."""
        with self.progressed:
            assert self.progressed.wait_for(
                lambda: len(self.acked) >= count or not self.is_alive(), 40
            )
        assert self.failure is None


def journaled(directory: Path, run: str) -> tuple[Fates, list[dict[str, Any]]]:
    """How many result records each frame has, and the status records."""
    fates: Fates = Counter()
    statuses: list[dict[str, Any]] = []

    def look(record: Record) -> None:
        body = unpack_result(record.payload)
        if record.topic == "result" and body["run"] == run:
            fates[body["frame_seq"]] += 1
        elif record.topic == "status":
            statuses.append(body)

    Journal(directory, on_record=look).close()
    return fates, statuses


@pytest.mark.system
@pytest.mark.timeout(120 + 4 * KILLS)
@pytest.mark.parametrize(("single_shots", "kills"), [(False, KILLS), (True, -(-KILLS // 2))])
def test_no_acknowledged_frame_is_lost_and_none_has_two_fates(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: "np.ndarray[Any, Any]",
    single_shots: bool,
    kills: int,
) -> None:
    seed = time.time_ns() % 10**6
    chance = random.Random(seed)  # noqa: S311 - instants, not secrets
    daemon = make_daemon()
    url = daemon.start()["ingest"]
    microscope = Microscope(url, small_start(), small_frame, single_shots=single_shots)
    microscope.start()
    for _ in range(kills):
        microscope.wait_for(len(microscope.acked) + 1)
        time.sleep(chance.uniform(0.0, 0.25))  # the instant is what is tested
        daemon.kill()
        daemon.start()
    microscope.wait_for(len(microscope.acked) + 1)
    microscope.enough.set()
    microscope.join(60)
    assert microscope.failure is None, seed
    assert microscope.reconnects >= kills
    daemon.kill()

    run = microscope.start_message.run
    fates, statuses = journaled(daemon.folder / "journal", run)
    assert set(microscope.acked) <= set(fates), seed
    assert sorted(fates) == list(range(microscope.sent)), seed
    assert set(fates.values()) == {1}, seed
    assert [status["event"] for status in statuses] == ["run_started", "run_ended"]
    report = microscope.report
    assert report is not None
    ledger = report.ledger
    assert ledger["received"] == ledger["published"] == ledger["announced"] == microscope.sent
    assert ledger["missing"] == ledger["in_flight"] == 0
    assert ledger["cells_found"] == 4 * microscope.sent
