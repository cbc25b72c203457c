"""Every command of docs/security.md, in its order, against a daemon with its configuration."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
RECORDING = ROOT / "tests/data/real_quads.phenorec"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in held]
    for one in held:
        one.close()
    return ports


class Terminal:
    """A shell in the daemon's folder; `box` is this one, and the page's ports are free ones."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = dict(zip(("5555", "5556", "5557"), map(str, free_ports(3)), strict=True))

    def localised(self, text: str) -> str:
        for shown, port in self._ports.items():
            text = text.replace(f":{shown}", f":{port}")
        return text.replace("//box:", "//127.0.0.1:").replace("//*:", "//127.0.0.1:")

    def run(self, block: str) -> "subprocess.CompletedProcess[str]":
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-ec", self.localised(block)],
            cwd=self._folder,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )


@pytest.mark.timeout(180)
def test_the_page_does_what_it_says(make_daemon: Callable[..., Any]) -> None:
    make, use, revoke, renew = blocks("sh")
    daemon = make_daemon()
    terminal = Terminal(daemon.folder)
    shutil.copy(RECORDING, daemon.folder / "cells.phenorec")
    made = terminal.run(make)
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1].split()[:2] == ["operator", "ops"]
    daemon.extra = terminal.localised(blocks("toml")[0])
    daemon.start()
    used = terminal.run(use)
    assert used.returncode == 0, used.stderr
    assert "ended" in used.stdout
    replay, watch = use.splitlines()
    gone = terminal.run(revoke)
    assert gone.returncode == 0, gone.stderr
    while "allow-list reloaded: 2 entries" not in daemon.log.read_text():
        os.kill(daemon.pid, 0)  # it lives
    refused = terminal.run(f"{replay} --json")
    assert refused.returncode == 1
    assert "does not let our key" in json.loads(refused.stdout.splitlines()[-1])["reason"]
    assert terminal.run(renew).returncode == 0
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    daemon.start()
    stale = terminal.run(watch)
    assert stale.returncode == 1
    assert "not the one whose key is in server.pub" in stale.stderr
    assert terminal.run("cp keys/server.pub anna.keys/server.pub").returncode == 0
    assert terminal.run(watch).returncode == 0
