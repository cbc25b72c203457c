"""A lamp that was turned down since the last run is told of by a real daemon, across a kill, and no frame suffers."""

import signal
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from phenostream.daemon.wire.results import decode_frame

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]
DRIFT = '[drift]\nagainst = "previous"\nleast_frames = 4\nleast_cells = 100\n'
FRAMES = 170
"""Two windows that end without their hundred cells, and some: 20 times 4 frames each."""
Image = np.ndarray[Any, Any]


def stream(url: str, start: Start, frame: Image) -> dict[str, int]:
    """A run, slightly noisy so that no two frames are alike; its ledger."""
    rng = np.random.default_rng(5)
    with Sender(url, start.instrument) as sender:
        sender.start(start)
        for seq in range(FRAMES):
            brighter = rng.normal(1, 0.01)
            sender.send(seq, np.clip(frame * brighter, 0, 255).astype(np.uint8))
        return sender.finish().ledger


def stored(control: str) -> list[Any]:
    with Control(control) as asked:
        records: list[Any] = []
        while (batch := asked.get(records[-1].offset + 1 if records else 0)).records:
            records += batch.records
    return records


def test_a_lamp_that_was_turned_down_is_said_and_withholds_nothing(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Image
) -> None:
    daemon = make_daemon(DRIFT)
    ready = daemon.start()
    stream(ready["ingest"], small_start(), small_frame)
    daemon.kill()
    ready = daemon.start()
    second = small_start()
    ledger = stream(ready["ingest"], second, (small_frame * 0.6).astype(np.uint8))
    assert (ledger["received"], ledger["published"]) == (FRAMES, FRAMES)
    records = stored(ready["control"])
    said = [unpack_result(one.payload) for one in records if one.topic == "status"]
    alarms = {one["quantity"] for one in said if one["event"] == "drift" and one["open"]}
    assert alarms >= {f"brightness/{shot}" for shot in ("left", "right", "top", "bottom")}
    metas = [decode_frame(one.payload).meta for one in records if one.topic == "result"]
    last = [meta for meta in metas if meta["run"] == second.run][-1]
    assert "previous_run:brightness/left" in last["drift"]
    assert last["fate"] == "published"
    assert last["degraded"] == []
    (of_run,) = [
        unpack_result(one.payload)
        for one in records
        if one.topic == "summary"
        and (body := unpack_result(one.payload))["run"] == second.run
        and body["scope"] == "run"
    ]
    assert "drifted from the previous run" in of_run["text"]
    with Control(ready["control"]) as control:
        status = control.status()
    assert status["state"] == "ready"
    assert status["drift"]["alarms_opened"] >= 4
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
