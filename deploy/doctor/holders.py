"""Who listens at a tcp port or at a unix socket: told by the kernel, without connecting to it."""

import ipaddress
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"
_ACCEPTS: Final = 0x10000
"""Flag of a listening unix socket (__SO_ACCEPTCON)."""
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")
_WORD: Final = 8
"""Digits of the 32-bit words, in this machine's order of bytes, that the kernel writes an address in."""

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def listeners(address: str, root: Path = Path("/")) -> set[int]:
    """The processes that listen where ``HOST:PORT`` would, as far as we may see into them."""
    inodes = set(_in_the_way(address, root))
    return {pid for pid in _processes(root) if inodes & set(_sockets(root / f"proc/{pid}/fd"))}


def tcp_is_bound(address: str, root: Path = Path("/")) -> bool:
    """Whether anybody listens where ``HOST:PORT`` would."""
    return any(_in_the_way(address, root))


def is_bound(path: Path, table: Path = Path("/proc/net/unix")) -> bool:
    """Whether anybody listens at a unix socket; it is not connected to, which a daemon would have to accept."""
    try:
        rows = table.read_text(errors="replace").splitlines()[1:]
    except OSError:
        return False
    return any(
        fields[7:8] == [str(path)] and int(fields[3], 16) & _ACCEPTS
        for fields in (row.split(maxsplit=7) for row in rows)
    )


def command_of(pid: int, root: Path = Path("/")) -> str:
    """The command line of a process in short; its number alone where it does not tell."""
    try:
        words = (root / f"proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return f"process {pid}"
    text = " ".join(word.decode(errors="replace") for word in words if word)
    shown = "".join(c if c.isprintable() else "?" for c in text)[:80]
    return f"process {pid}" + (f", {shown}" if shown else "")


def _in_the_way(address: str, root: Path) -> Iterator[str]:
    """Inodes of the listening sockets that keep another one from listening at ``HOST:PORT``."""
    host, _, port = address.rpartition(":")
    wanted = _address(host.strip("[]"))
    for name in ("tcp", "tcp6"):
        for inode, at, taken in _listening(root / "proc/net" / name):
            if str(at) == port and (wanted is None or _clash(wanted, taken)):
                yield inode


def _address(host: str) -> _Address | None:
    """What the host of an endpoint stands for; None: unknown, and so any of this box."""
    try:
        return ipaddress.ip_address({"*": "0.0.0.0", "localhost": "127.0.0.1"}.get(host, host))  # noqa: S104 - read
    except ValueError:
        return None  # the name of a network interface


def _clash(one: _Address, other: _Address) -> bool:
    """Whether two sockets cannot both listen at one port; all addresses of IPv6 are taken to be all of IPv4 too."""
    if one == other or ipaddress.IPv6Address(0) in (one, other):
        return True
    return ipaddress.IPv4Address(0) in (one, other) and one.version == other.version


def _listening(table: Path) -> Iterator[tuple[str, int, _Address]]:
    """Inode, port and address of every listening socket of /proc/net/tcp."""
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return
    for row in rows:
        fields = row.split()
        if len(fields) > 9 and fields[3] == _LISTENING:
            address, _, port = fields[1].rpartition(":")
            yield fields[9], int(port, 16), _read(address)


def _read(text: str) -> _Address:
    """An address as the kernel writes it; one of IPv4 that a socket of IPv6 listens at is one of IPv4."""
    words = (int(text[at : at + _WORD], 16) for at in range(0, len(text), _WORD))
    raw = b"".join(word.to_bytes(4, sys.byteorder) for word in words)
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if address.version == 6 else None
    return address if mapped is None else mapped


def _processes(root: Path) -> Iterator[int]:
    yield from (int(one.name) for one in (root / "proc").glob("[0-9]*"))


def _sockets(folder: Path) -> Iterator[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return  # another user's, or gone
    for name in names:
        try:
            match = _SOCKET.fullmatch(os.readlink(folder / name))
        except OSError:
            continue
        if match is not None:
            yield match[1]
