"""What `phenostream status` prints of any answer, and its exit code."""

from typing import Any

import pytest

from phenostream.daemon.client.control import Control
from phenostream.daemon.ledger import Ledger
from phenostream.deploy.cli.main import main
from tests.deploy.top.statuses import status

RUN = "00000000-0000-7000-8000-000000000001"


def answer(state: str, faults: dict[str, str], ledger: Ledger) -> dict[str, Any]:
    account = {"total": ledger.total(), "runs": {run: ledger.run(run) for run in ledger.runs()}}
    past = {name: {"for_s": 12.3, "count": 2} for name in faults}
    return {
        "state": state,
        "faults": faults,
        "fault_history": past,
        "uptime_s": 3.2,
        "ledger": account,
    }


@pytest.mark.parametrize(
    ("state", "faults", "code"),
    [
        ("ready", {}, 0),
        ("degraded", {"journal": "no space"}, 3),
        ("draining", {}, 3),
        ("starting", {}, 3),
    ],
)
def test_the_exit_code_says_whether_it_is_ready(
    state: str,
    faults: dict[str, str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ledger = Ledger()
    ledger.open(RUN, None)
    ledger.go_on()
    ledger.count("late", RUN, 2)
    monkeypatch.setattr(Control, "status", lambda self: answer(state, faults, ledger))
    assert main(["status", "ipc:///tmp/any"]) == code
    shown = capsys.readouterr().out
    assert f"{state}, up 3 s" in shown
    assert ("FAULT       journal: no space (for 12 s, 2 times so far)" in shown) == bool(faults)
    assert "2 late, recovered" in shown
    assert "its messages are counted since this one began" in shown


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"signed_by": None}, ", unsigned\n"),
        ({"signed_by": "lab (00ff)"}, ", signed by lab (00ff)\n"),
        ({}, "? ? ?\n"),
    ],
)
def test_it_says_who_signed_the_model(
    model: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told = answer("ready", {}, Ledger()) | {"model": model}
    monkeypatch.setattr(Control, "status", lambda self: told)
    assert main(["status", "ipc:///tmp/any"]) == 0
    assert said in capsys.readouterr().out


def test_it_says_what_is_plain_and_what_the_journal_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = answer("degraded", {}, Ledger()) | {
        "endpoints": {"ingest": "tcp://0.0.0.0:5555", "results": "tcp://127.0.0.1:5556"},
        "security": {"keys": False, "plain": ["ingest", "results"]},
        "journal": {
            "oldest": 0,
            "newest": 9,
            "losses": [{"path": "j/0.journal", "byte": 7, "until_byte": 9, "first": 3, "end": 4}],
        },
    }
    monkeypatch.setattr(Control, "status", lambda self: told)
    assert main(["status", "ipc:///tmp/any"]) == 3
    shown = capsys.readouterr().out
    assert "tcp://0.0.0.0:5555, PLAIN: unencrypted, open to whoever reaches it" in shown
    assert "tcp://127.0.0.1:5556, PLAIN: unencrypted, open to every user of the box" in shown
    assert "LOST        offset 3, from byte 7 of j/0.journal" in shown


def test_it_says_what_has_drifted_and_stays_ready(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calm = {"against": "training", "alarms": []}
    moved = {"against": "previous_run", "alarms": [f"feature/{axis}" for axis in range(6)]}
    told = answer("ready", {}, Ledger())
    told["drift"] = {"instruments": {"scope": {"against": [calm, moved]}}}
    monkeypatch.setattr(Control, "status", lambda self: told)
    assert main(["status", "ipc:///tmp/any"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("DRIFT") == 1
    assert (
        "scope: away from its previous run: feature/0, feature/1, feature/2, feature/3 and 2 more"
        in shown
    )


@pytest.mark.parametrize(
    ("took_s", "line"),
    [
        (
            0.004,
            "a frame 4 ms (queue 4, prepare 4, wait 4, infer 4, commit 4); 99 of 100 5 ms or less",
        ),
        (60.0, "99 of 100 more than 10 s"),
    ],
)
def test_it_says_how_long_frames_took(
    took_s: float,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Control, "status", lambda self: status(9.0, 5, took_s))
    assert main(["status", "ipc:///tmp/any"]) == 0
    assert line in capsys.readouterr().out


def test_before_the_first_frame_it_says_nothing_of_times(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Control, "status", lambda self: status(9.0))
    assert main(["status", "ipc:///tmp/any"]) == 0
    assert "times" not in capsys.readouterr().out
