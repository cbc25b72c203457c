"""`phenostream quarantine` against a real daemon: what was kept is listed, and sent again as a new run."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.pipeline.entries import Arrival
from phenostream.daemon.quarantine import Part, Quarantine
from phenostream.daemon.wire.ingest import FrameHeader, Start
from phenostream.deploy.cli.main import main

pytestmark = pytest.mark.system


def header(start: Start, seq: int, **changes: Any) -> FrameHeader:
    fields = {"run": start.run, "frame_seq": seq, "shape": (4, 128, 128), "dtype": "u8"}
    return FrameHeader.model_validate(fields | {"source_utc_ns": 1} | changes)


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_quarantined_can_be_listed_and_replayed(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = make_daemon("[ingest]\nshot_timeout_s = 0.5\n")
    url, start = daemon.start()["ingest"], small_start()
    folder = daemon.folder / "quarantine"
    with Sender(url, "scope") as sender:
        sender.start(start)
        sender.send(0, small_frame)
        sender.send_frame(header(start, 4, crc32=1), small_frame.tobytes())
        sender.send_frame(header(start, 2, shape=(4, 1, 1)), b"1234")
        sender.send_shot(5, "top", small_frame[2])
        assert sender.finish().ledger["quarantined"] == 3
    # one that a mended engine takes now
    arrival = Arrival(start, 9, 10**18, 0.0, source_utc_ns=3)
    shots = [Part({}, memoryview(shot.tobytes())) for shot in small_frame]
    Quarantine(folder, 1 << 30).keep(arrival, "frame: the engine was not ready for it", shots)

    assert main(["quarantine", "list", str(folder), "--json"]) == 0
    listed = {entry["frame_seq"]: entry for entry in said(capsys)}
    assert sorted(listed) == [2, 4, 5, 9]
    assert (listed[2]["bytes"], listed[4]["parts"]) == (4, 1)
    assert listed[5]["reason"].startswith("incomplete: 1 of 4 shots")
    assert {entry["run"] for entry in listed.values()} == {start.run}

    assert main(["quarantine", "list", str(folder), "--reason", "crc32"]) == 0
    text = capsys.readouterr().out
    assert start.run in text
    assert "1 frames, 65536 bytes: 1 crc32" in text

    assert main(["quarantine", "replay", str(folder), "--to", url, "--json"]) == 3
    *moved, report = said(capsys)
    mapping = {one["from"]["frame_seq"]: (one["to"]["frame_seq"], one["fate"]) for one in moved}
    assert mapping == {
        2: (0, "quarantined"),
        4: (1, "quarantined"),
        5: (2, "quarantined"),
        9: (3, "published"),
    }
    assert report["run"] not in (start.run, None)
    assert {one["to"]["run"] for one in moved} == {report["run"]}
    ledger = report["ledger"]
    assert (ledger["received"], ledger["missing"], ledger["announced"]) == (4, 0, 4)
    assert ledger["quarantined.crc32"] == ledger["quarantined.shape"] == 1
    assert ledger["quarantined.incomplete"] == 1

    assert main(["quarantine", "replay", listed[9]["path"], "--to", url]) == 0
    shown = capsys.readouterr().out
    assert f"run {start.run} → " in shown
    assert "frame 9 → 0  published" in shown


def test_nothing_to_send_is_said_in_one_line(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["quarantine", "replay", str(tmp_path), "--reason", "crc32"]) == 2
    assert "no frame of reason crc32 that can be sent" in capsys.readouterr().err
