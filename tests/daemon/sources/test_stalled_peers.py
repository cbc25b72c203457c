"""A source that dies while the daemon does not read must not take the daemon's process along (libzmq issue 4364)."""

import subprocess
import sys
from pathlib import Path

import pytest

STALL_S = 1.5
"""Longer than the heartbeat interval a socket would have if it had one: the abort came with the first beat."""
SCRIPT = """
import os, sys, time, zmq
from pathlib import Path
from phenostream.daemon.config import IngestConfig
from phenostream.daemon.source_config import SourceConfig
from phenostream.daemon.sources.best_effort import opened_socket
from phenostream.daemon.sources.lossless import bound_router

kind, url, stall_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
if kind == "lossless":
    open_socket = lambda context: bound_router(context, IngestConfig(endpoint=url))[0]
else:
    config = SourceConfig(name="s", socket=kind, endpoint=url)
    open_socket = lambda context: opened_socket(context, config)[0]
child = os.fork()
if child == 0:
    context = zmq.Context()
    socket = context.socket({"lossless": zmq.DEALER, "pull": zmq.PUSH, "sub": zmq.XPUB}[kind])
    socket.connect(url)
    if kind == "sub":
        socket.recv()
    for _ in range(200):
        socket.send(b"x" * 100)
    time.sleep(0.3)
    os._exit(0)
context = zmq.Context()
socket = open_socket(context)
assert socket.poll(20_000)  # attaches the peer, reads nothing
os.waitpid(child, 0)
time.sleep(stall_s)
read = 0
while socket.poll(200):
    socket.recv_multipart()
    read += 1
print(read)
"""


@pytest.mark.parametrize("kind", ["lossless", "pull", "sub"])
def test_a_peer_that_died_at_the_high_water_mark_is_survived(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, kind, f"ipc://{tmp_path}/s", str(STALL_S)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 4
