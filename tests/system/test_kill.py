"""kill -9 at random instants: what was acknowledged is in the journal, once, and the source resumes by itself.

Few kills, of the daemon as a user starts it; `make chaos` makes many, with power cuts, under a runner of its own. The
same with single shots, some frame being incomplete at every instant. Set PHENOSTREAM_KILLS for more.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from tests.system.streaming_microscope import Microscope

KILLS = int(os.environ.get("PHENOSTREAM_KILLS", "6"))
Fates = Counter[int]


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
    assert [status["event"] for status in statuses] == ["run_started", "run_drift", "run_ended"]
    report = microscope.report
    assert report is not None
    ledger = report.ledger
    assert ledger["received"] == ledger["published"] == ledger["announced"] == microscope.sent
    assert ledger["missing"] == ledger["in_flight"] == 0
    assert ledger["cells_found"] == 4 * microscope.sent
