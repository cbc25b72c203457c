"""What `simulate` and `replay` say on standard error while they send."""

from pathlib import Path
from typing import cast

import pytest

from phenostream.daemon.client.errors import TimedOut, Unreachable
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderCounts, SenderSettings, SenderState
from phenostream.daemon.wire.ingest import Ack
from phenostream.deploy.cli.sending import Acknowledged, accounted, ledger_line, reach
from phenostream.engine.errors import BadConfig


class Quiet:
    """A sender of which only the counts matter."""

    def __init__(self, **counts: int) -> None:
        self.counts = SenderCounts(**counts)


def test_a_daemon_that_is_not_there_is_told_with_how_to_start_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"ipc://{tmp_path}/nobody"
    with (
        Sender(url, "scope", SenderSettings(connect_timeout_s=0.1)) as sender,
        pytest.raises(Unreachable, match=r"no daemon within 0.1 s .*phenostream run --config"),
    ):
        reach(sender)
    assert f"connecting to {url}" in capsys.readouterr().err


def test_an_address_that_is_none_names_its_flag() -> None:
    with (
        Sender("nonsense", "scope") as sender,
        pytest.raises(BadConfig, match=r"^--to 'nonsense': allowed ipc://PATH or tcp://HOST:PORT$"),
    ):
        reach(sender)


def test_a_loss_and_the_return_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Sender, "probe", lambda _self: None)
    sender = Sender("ipc://x", "scope")
    reach(sender)
    assert sender.on_state is not None
    for state in (SenderState.STREAMING, SenderState.LOST, SenderState.STREAMING):
        sender.on_state(state)
    _, lost, back = capsys.readouterr().err.splitlines()
    assert lost == "connection lost, retrying for 60 s"
    assert back.startswith("back after 0.0 s")


def test_what_ends_the_sending_early_says_what_was_acknowledged_and_what_was_not_sent() -> None:
    sender = cast(Sender, Quiet(sent=7, unacked=3))
    with (
        pytest.raises(TimedOut, match=r"^no credit; 4 of 20 acknowledged, 13 not sent$"),
        accounted(sender, 20),
    ):
        raise TimedOut("no credit")


def test_ctrl_c_says_how_many_were_acknowledged(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), accounted(cast(Sender, Quiet(sent=2)), 5):
        raise KeyboardInterrupt
    assert capsys.readouterr().err == "2 of 5 acknowledged, 3 not sent\n"


def test_shots_that_came_again_or_too_late_are_said_where_there_are_any() -> None:
    assert "shots" not in ledger_line({"received": 1, "shots_repeated": 0})
    line = ledger_line({"received": 1, "shots_repeated": 2, "shots_late": 1})
    assert line.endswith("; shots: 2 repeated, 1 late")


def test_only_frames_that_were_recorded_count_as_recorded() -> None:
    seen: list[int] = []
    acknowledged = Acknowledged(lambda: seen.append(1))
    run = "01890a5d-ac96-774b-bcce-b302099a8057"
    for reason in ("recorded: kept in a recording, not classified", "queue full"):
        acknowledged.take(Ack(run=run, frame_seq=0, fate="dropped", reason=reason))
    assert (acknowledged.recorded, len(seen)) == (1, 2)
