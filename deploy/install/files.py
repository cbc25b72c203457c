"""Writing a file or a link of the box whole or not at all, seen on disk before anything relies on it."""

import os
from pathlib import Path


def write_whole(path: Path, content: str, mode: int = 0o644) -> None:
    """Write a text file; who reads it finds the old content or the new."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("x", encoding="utf-8") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync(path.parent)


def point(link: Path, to: str) -> None:
    """Have a symbolic link lead elsewhere; at no instant does it lead nowhere."""
    link.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    partial = link.with_name(f".{link.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    partial.symlink_to(to)
    partial.replace(link)
    _sync(link.parent)


def leads_to(link: Path) -> str | None:
    """Where a symbolic link leads, as it is written; None where there is none."""
    return os.readlink(link) if link.is_symlink() else None


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
