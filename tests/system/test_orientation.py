"""Real cells whose shots are moved round: a real daemon says so, and a configured map makes them right again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.recordings.frames import RecordedFrames
from phenostream.daemon.recordings.reader import RecordingReader
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.codec import unpack_result

pytestmark = pytest.mark.system

REAL = Path(__file__).parents[1] / "data" / "real_quads.phenorec"
TRUTHS = (2, 3, 1, 0)
"""What is sent as left, right, top, bottom: top, bottom, right, left."""
ROUNDS = 3


def send_moved_round(url: str) -> str:
    """Four frames of real cells, three times; the run."""
    with RecordingReader(REAL) as reader:
        frames = list(RecordedFrames(reader))[:4]
    run = new_run_id()
    with Sender(url, "bsccm-composed") as sender:
        sender.start(frames[0].start.model_copy(update={"run": run, "n_expected": 4 * ROUNDS}))
        for seq in range(4 * ROUNDS):
            counts = frames[seq % 4].counts
            sender.send(seq, np.stack([counts[truth] for truth in TRUTHS]).astype("<u2"))
        assert sender.finish().ledger["published"] == 4 * ROUNDS
    return run


def told(journal: Path, run: str) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """The run's start, its results in order, and the facts of its summary."""
    found: dict[str, list[dict[str, Any]]] = {"status": [], "result": [], "summary": []}

    def look(record: Record) -> None:
        body = unpack_result(record.payload)
        if body.get("run") == run:
            found[record.topic].append(body)

    Journal(journal, on_record=look).close()
    results = sorted(found["result"], key=lambda body: int(body["frame_seq"]))
    return found["status"][0], results, found["summary"][-1]["facts"]


def test_shots_moved_round_are_told_and_a_map_mends_them(make_daemon: Callable[..., Any]) -> None:
    daemon = make_daemon()
    run = send_moved_round(daemon.start()["ingest"])
    daemon.kill()
    start, results, facts = told(daemon.folder / "journal", run)
    last = results[-1]
    assert start["channel_map"] is last["channel_map"] is None
    assert last["flags"]["orientation"] == "quarter_turn_anticlockwise"
    assert last["flags"]["misoriented"] is True
    assert facts["flagged"]["misoriented"] > 0
    assert daemon.log.read_text().count("orientation quarter_turn_anticlockwise") == 1

    truths = {"left": "top", "right": "bottom", "top": "right", "bottom": "left"}
    lines = [f"{shot} = {json.dumps(truth)}" for shot, truth in truths.items()]
    daemon.extra = "\n".join(["[ingest.channel_map.bsccm-composed]", *lines, ""])
    run = send_moved_round(daemon.start()["ingest"])
    daemon.kill()
    start, results, facts = told(daemon.folder / "journal", run)
    assert start["channel_map"] == results[0]["channel_map"] == truths
    assert results[0]["flags"]["orientation"] == "undecided"
    assert results[-1]["flags"]["orientation"] == "ok"
    assert facts["flagged"]["misoriented"] == 0
    assert [body["counts"]["found"] for body in results[:4]] == [8, 8, 3, 8]
    assert "channel map: left is top" in daemon.log.read_text()
