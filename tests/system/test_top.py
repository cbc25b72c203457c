"""`phenostream top` on a real daemon: one frame for a pipe, a live view on a terminal that one key ends."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.wire.ingest import Start
from phenostream.deploy.child import PROGRAM
from phenostream.deploy.cli.main import main

pytestmark = pytest.mark.system


@pytest.fixture
def control(
    make_daemon: Callable[..., Any], small_start: Callable[..., Start], small_frame: Any
) -> str:
    """Of a daemon that has published three frames of a run that stays open."""
    ready = make_daemon().start()
    start = small_start(n_expected=4)
    with Sender(ready["ingest"], start.instrument) as sender:
        sender.start(start)
        for seq in range(3):
            sender.send(seq, small_frame)
        while sender.counts.unacked:
            sender.wait(0.01)
    url: str = ready["control"]
    return url


def test_one_frame_for_a_pipe_and_a_picture_without_fonts_from_elsewhere(
    control: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing = tmp_path / "top.svg"
    arguments = ["top", control, "--once", "--every", "0.2", "--svg", str(drawing)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "READY" in shown
    assert "3 received  3 published" in shown
    assert "scope" in shown
    assert max(map(len, shown.splitlines())) <= 80
    svg = drawing.read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert svg.count("http") == 1  # the name space
    assert "READY" in svg


def test_a_live_view_needs_a_terminal(control: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", control]) == 2
    assert "allowed with --once" in capsys.readouterr().err


def test_q_ends_the_live_view_and_the_terminal_is_as_it_was(control: str) -> None:
    ours, theirs = pty.openpty()
    before = os.ttyname(theirs), pty_modes(theirs)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
    command = [*PROGRAM, "top", control, "--every", "0.2"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as top:
        shown = read_until(ours, b"fdatasync")
        assert b"READY" in shown
        assert b"\x1b[?1049h" in shown  # a screen of its own
        os.write(ours, b"q")
        shown = read_until(ours, b"\x1b[?1049l")
        assert top.wait(20) == 0
    assert (os.ttyname(theirs), pty_modes(theirs)) == before
    os.close(ours)
    os.close(theirs)


def pty_modes(terminal: int) -> list[Any]:
    return termios.tcgetattr(terminal)


def read_until(terminal: int, wanted: bytes) -> bytes:
    """What is shown, until `wanted` is."""
    shown, end_s = b"", time.monotonic() + 30
    while wanted not in shown:
        assert select.select([terminal], [], [], max(0.0, end_s - time.monotonic()))[0], shown
        shown += os.read(terminal, 1 << 16)
    return shown
