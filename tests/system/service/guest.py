"""What stands in for the daemon in the virtual machine: it is READY, feeds the watchdog, and misbehaves on a signal.

Standard library only: the guest has nothing else. It writes to its state directory what it could open and reach, and
takes memory at SIGUSR1, threads at SIGUSR2, until somebody stops it.
"""

import errno
import json
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

NODES = ("/dev/null", "/dev/nvidia0", "/dev/not-named")
ADDRESSES = ("127.0.0.1", "10.11.12.13", "192.0.2.1")
"""This box, a private network, the world; the guest has given all of them to its loopback."""
PORT = 9
_STEP_BYTES = 16 << 20
_BEAT_S = 0.5
_ANSWER_S = 1.0


def _outcome(action: Callable[[], None]) -> str:
    try:
        action()
    except OSError as err:
        return errno.errorcode.get(err.errno or 0, type(err).__name__)
    return "through"


def _open(node: str) -> str:
    return _outcome(lambda: os.close(os.open(node, os.O_RDWR)))


def _reach(address: str) -> str:
    """A refused connection has been there and back."""
    told = _outcome(lambda: socket.create_connection((address, PORT), _ANSWER_S).close())
    return "through" if told == "ECONNREFUSED" else told


def _notify(words: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.connect(os.environ["NOTIFY_SOCKET"])
        sender.sendall(words.encode())


def _tell(name: str, value: object) -> None:
    folder = Path(os.environ["STATE_DIRECTORY"].split(":")[0])
    (folder / name).write_text(json.dumps(value))


def _take_memory(_number: int, _frame: FrameType | None) -> None:
    held = []
    while True:
        held.append(bytearray(_STEP_BYTES))
        held[-1][::4096] = b"x" * len(held[-1][::4096])


def _take_tasks(_number: int, _frame: FrameType | None) -> None:
    """As many threads as may be."""
    enough, started = threading.Event(), 1
    try:
        while True:
            threading.Thread(target=enough.wait).start()
            started += 1
    except RuntimeError:
        _tell("tasks", started)
    enough.set()


def main() -> None:
    """Tell, then serve nothing."""
    _tell("nodes", {node: _open(node) for node in NODES})
    _tell("addresses", {address: _reach(address) for address in ADDRESSES})
    signal.signal(signal.SIGUSR1, _take_memory)
    signal.signal(signal.SIGUSR2, _take_tasks)
    _notify("READY=1\nSTATUS=a stand-in")
    never = threading.Event()
    while not never.wait(_BEAT_S):
        _notify("WATCHDOG=1")


if __name__ == "__main__":
    main()
