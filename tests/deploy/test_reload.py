"""`phenostream reload`: asked over control, or by a signal where that is the only way; each says what it did."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.claims import claimed
from phenostream.daemon.client.control import Control
from phenostream.daemon.client.errors import Refusal, Rejected
from phenostream.deploy.cli.main import main

ANSWER = {"keys": True, "allowed": 3, "reloads": 1}


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Every signal that was sent."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def answers(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any] | Exception) -> list[str]:
    """Have every daemon answer so; the endpoints that were asked."""
    asked: list[str] = []

    def reload(control: Control) -> dict[str, Any]:
        asked.append(control.url)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Control, "reload", reload)
    return asked


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A configuration whose control endpoint asks for keys."""
    path = tmp_path / "config.toml"
    path.write_text(
        '[journal]\ndirectory = "journal"\n[model]\nbundle = "demo"\n[security]\nkeys = "keys"\n'
        '[control]\nendpoint = "tcp://127.0.0.1:5557"\n'
    )
    return path


def test_the_answer_is_waited_for_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answers(monkeypatch, ANSWER) == []
    assert main(["reload", "ipc:///x"]) == 0
    assert capsys.readouterr().out == "ipc:///x: the allow-list was read again: 3 entries\n"
    assert main(["reload", "ipc:///x", "--json"]) == 0
    assert '"waited":true' in capsys.readouterr().out
    answers(monkeypatch, {"keys": False, "allowed": 0, "reloads": 0})
    assert main(["reload", "ipc:///x"]) == 0
    assert "has no allow-list" in capsys.readouterr().out


def test_a_list_that_is_refused_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, Refusal("ipc:///x: reload: the allow-list stays as it was: stray.txt"))
    assert main(["reload", "ipc:///x"]) == 1
    assert "stays as it was: stray.txt" in capsys.readouterr().err


def test_a_daemon_that_wants_keys_is_told_by_a_signal_and_not_waited_for(
    site: Path, signals: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reload", "--config", str(site), "--pid", "4711"]) == 0
    assert signals == [(4711, signal.SIGHUP)]
    assert "process 4711 was told by SIGHUP, and not waited for" in capsys.readouterr().out


def test_who_holds_the_journal_is_the_daemon(
    site: Path, tmp_path: Path, signals: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reload", "--config", str(site)]) == 2
    assert "no daemon is known to hold the journal" in capsys.readouterr().err
    with claimed(tmp_path / "journal" / "lock", "journal.directory"):
        assert main(["reload", "--config", str(site), "--json"]) == 0
    assert signals == [(os.getpid(), signal.SIGHUP)]
    assert '"waited":false' in capsys.readouterr().out


def test_a_daemon_that_turns_us_away_is_told_by_a_signal_only_if_its_process_is_known(
    monkeypatch: pytest.MonkeyPatch, signals: list[tuple[int, int]]
) -> None:
    answers(monkeypatch, Rejected("tcp://box:1: the daemon there wants keys"))
    assert main(["reload", "tcp://127.0.0.1:1"]) == 1
    assert signals == []
    assert main(["reload", "tcp://127.0.0.1:1", "--pid", "4711"]) == 0
    assert signals == [(4711, signal.SIGHUP)]


@pytest.mark.parametrize("pid", ["0", "-1", "1"])
def test_a_signal_for_more_than_one_process_is_refused(
    pid: str, signals: list[tuple[int, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["reload", "ipc:///x", "--pid", pid]) == 2
    assert "allowed a process id from 2" in capsys.readouterr().err
    assert signals == []
