"""Who listens at a tcp port or at a unix socket: told by the kernel, without connecting to it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LISTENING: Final = "0A"
_ACCEPTS: Final = 0x10000
"""Flag of a listening unix socket (__SO_ACCEPTCON)."""
_SOCKET: Final = re.compile(r"socket:\[(\d+)\]")


def listeners(port: int, root: Path = Path("/")) -> set[int]:
    """The processes that listen at a tcp port, as far as we may see into them."""
    inodes = {
        inode
        for name in ("tcp", "tcp6")
        for inode, at in _listening(root / "proc/net" / name)
        if at == port
    }
    return {pid for pid in _processes(root) if inodes & set(_sockets(root / f"proc/{pid}/fd"))}


def tcp_is_bound(port: int, root: Path = Path("/")) -> bool:
    """Whether anybody listens at a tcp port."""
    tables = (root / "proc/net/tcp", root / "proc/net/tcp6")
    return any(at == port for table in tables for _, at in _listening(table))


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


def _listening(table: Path) -> Iterator[tuple[str, int]]:
    """Inode and port of every listening socket of /proc/net/tcp."""
    try:
        rows = table.read_text().splitlines()[1:]
    except OSError:
        return
    for row in rows:
        fields = row.split()
        if len(fields) > 9 and fields[3] == _LISTENING:
            yield fields[9], int(fields[1].rpartition(":")[2], 16)


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
