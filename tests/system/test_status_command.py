"""`phenostream status`: what a person and a program see of a daemon, and an exit code that tells the truth."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.cli.main import main

pytestmark = pytest.mark.system


def test_a_ready_daemon_tells_its_account(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon = make_daemon()
    ready, start = daemon.start(), small_start(n_expected=4)
    with Sender(ready["ingest"], "scope") as sender:
        sender.start(start)
        for seq in (0, 1, 3):
            sender.send(seq, small_frame)
        assert main(["status", ready["control"]]) == 0
        assert row_of(start.run, capsys.readouterr().out)[1] == "open"
        ledger = sender.finish(4).ledger
    assert main(["status", ready["control"], "--json"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert status["state"] == "ready"
    assert status["ledger"]["runs"][start.run] == ledger
    meters = status["meters"]
    assert meters["frames_by_reason"] == {"published": 3}
    assert sum(meters["cells"]["classes"].values()) == ledger["cells_classified"] > 0
    assert {stage["count"] for stage in meters["stages"].values()} == {3}
    seconds = {name: stage["sum_s"] for name, stage in meters["stages"].items()}
    assert seconds.pop("total") == pytest.approx(sum(seconds.values()), abs=1e-5)
    assert meters["commit"]["fdatasync"]["count"] > 0
    assert meters["credit"]["outstanding_bytes"] == 0

    assert main(["status", ready["control"]]) == 0
    shown = capsys.readouterr().out
    assert row_of(start.run, shown)[1:] == [
        "ended",
        "3",
        "3",
        "0",
        "0",
        "0",
        "0",
        "1",
        "1",
        "4",
        "-",
    ]
    for told in ("state", "model", "journal", "quarantine", ready["ingest"], "synthetic"):
        assert told in shown
    assert "summariser  none heard of: summaries have the template's words" in shown
    assert "FAULT" not in shown

    llm = {"name": "Smol\u00e9", "sha256": "0" * 64, "binding": "fake"}
    with Control(ready["control"]) as control:
        control.tell_summariser({"llm": llm, "skipped": 3, "unworded": 1, "reason": "too slow"})
    assert main(["status", ready["control"]]) == 0
    told = (
        "Smol\u00e9 by fake, heard of 0 s ago: 0 worded, 3 skipped, 1 unworded, 0 refused; too slow"
    )
    assert told in capsys.readouterr().out

    daemon.kill()
    daemon.start()
    assert main(["status", daemon.ready["control"]]) == 0
    assert row_of(start.run, capsys.readouterr().out)[1] == "ended"


def row_of(run: str, shown: str) -> list[str]:
    """The cells of a run's row."""
    (row,) = [line.split() for line in shown.splitlines() if line.startswith(run)]
    return row


def test_nobody_at_the_address_is_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "ipc:///tmp/phenostream-nobody-is-here", "--json"]) == 1
    said = capsys.readouterr()
    assert "no answer to status within 5 s" in said.err
    assert json.loads(said.out)["exit_code"] == 1
