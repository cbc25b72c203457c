"""Telling systemd how we are: READY, STATUS, WATCHDOG, STOPPING (sd_notify's protocol; silent without systemd)."""

import os
import socket


def notify(state: str) -> bool:
    """Send one or more ``KEY=value`` lines; False where nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
        sender.connect(address)
        sender.sendall(state.encode())
    return True


def watchdog_s() -> float | None:
    """Seconds within which systemd expects a sign of life, or None."""
    usec = os.environ.get("WATCHDOG_USEC", "")
    mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(usec) / 1e6 if usec.isdigit() and int(usec) and mine else None
