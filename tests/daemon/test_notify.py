"""What systemd hears."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenostream.daemon.notify import going_on, notify, starting, status_line, watchdog_s


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_reaches_the_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"phenostream-test-{os.getpid()}" if abstract else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name if abstract else name)
        assert notify("READY=1")
        assert listener.recv(100) == b"READY=1"


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd listens; reading what was not said raises."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_a_start_says_what_it_is_at_and_how_long_that_may_take(systemd: socket.socket) -> None:
    starting("loading the bundle\nREADY=1", 90.5)
    assert systemd.recv(200) == b"STATUS=loading the bundle READY=1\nEXTEND_TIMEOUT_USEC=90500000"


def test_work_in_many_steps_speaks_once_a_second(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    step = going_on("reading", 60)
    for now[0] in (100.0, 100.1, 100.9, 101.0, 101.5):
        step()
    assert [systemd.recv(200) for _ in range(2)] == [
        b"STATUS=reading\nEXTEND_TIMEOUT_USEC=60000000"
    ] * 2
    with pytest.raises(BlockingIOError):
        systemd.recv(200)


def test_a_status_is_one_line_that_ends() -> None:
    assert status_line("a\x1b[2J\tb") == "STATUS=a [2J b"
    assert len(status_line("x" * 10_000)) < 500


def test_a_socket_that_nobody_reads_from_any_more_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    assert not notify("WATCHDOG=1")


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")


@pytest.mark.parametrize(
    ("usec", "pid", "expected"),
    [
        ("3000000", None, 3.0),
        ("3000000", "1", None),
        ("0", None, None),
        ("x", None, None),
        (None, None, None),
    ],
)
def test_the_watchdog_is_ours_or_none(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, expected: float | None
) -> None:
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert watchdog_s() == expected
