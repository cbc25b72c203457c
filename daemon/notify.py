"""Telling systemd how we are: READY, STATUS, WATCHDOG, STOPPING (sd_notify's protocol; silent without systemd).

Nothing in here raises: a daemon does not end because nobody takes note of it.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Final

logger = logging.getLogger(__name__)

_LONGEST_STATUS: Final = 400
_PATIENCE_S: Final = 5.0
"""For a systemd whose queue is full."""
_AGAIN_S: Final = 1.0
"""Between two words about the same long work."""


def notify(state: str) -> bool:
    """Send one or more ``KEY=value`` lines; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(_PATIENCE_S)
            sender.connect(address)
            sender.sendall(state.encode(errors="replace"))
    except OSError as err:
        logger.debug("systemd is not told %r: %s", state, err)
        return False
    return True


def status_line(text: str) -> str:
    """The line that makes ``systemctl status`` show a text, which may quote what a stranger wrote."""
    shown = "".join(one if one.isprintable() else " " for one in text)
    return f"STATUS={shown[:_LONGEST_STATUS]}"


def starting(what: str, longest_s: float) -> None:
    """Say what the start is at, and have systemd wait for its end for so long from now.

    Only while starting: in a daemon that is ready it would hold up the watchdog.
    """
    notify(f"{status_line(what)}\nEXTEND_TIMEOUT_USEC={int(1e6 * longest_s)}")


def going_on(what: str, longest_s: float) -> Callable[[], None]:
    """`starting` for work in many steps: to be called at each, it speaks at most once a second.

    Args:
        what: The work.
        longest_s: One step may take.
    """
    next_s = 0.0

    def step() -> None:
        nonlocal next_s
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + _AGAIN_S
            starting(what, longest_s)

    return step


def watchdog_s() -> float | None:
    """Seconds within which systemd expects a sign of life, or None."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if usec.isdigit() and int(usec) and mine else None
