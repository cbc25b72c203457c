"""Bytes that stay: writing a file whole or not at all, and making names in a directory last.

Every step that makes something last is a call of `os.write`, `os.fsync`, `os.fdatasync` or `os.replace`, looked up in
`os` at the moment of the call, so that a test can see each of them and stop at any.
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
_NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL})
"""Of a folder above that we cannot have made, or of a file system that keeps no names."""
PARTIAL: Final = ".partial"
"""Suffix of a file that is being written; one that is left behind belongs to nobody."""


def is_full(err: OSError) -> bool:
    """Whether the disk, the owner's share of it, or the table of open files is full: it may pass."""
    return err.errno in _FULL


def write_all(fd: int, data: bytes) -> None:
    """Write everything; raises OSError after a part of it, perhaps."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path) -> None:
    """Make the names in a directory last."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_way_to(path: Path) -> None:
    """Make the names of a folder and of all folders above it last, whoever made them and when."""
    for folder in path.resolve().parents:
        try:
            sync_directory(folder)
        except OSError as err:
            if err.errno not in _NOT_OURS:
                raise


def replace_file(path: Path, data: bytes) -> None:
    """Put a file of mode 0600 in its place: whole and lasting on return, or as it was if this raises OSError."""
    partial = path.with_name(path.name + PARTIAL)
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()  # on a full disk it would take the space it was refused
        raise
    sync_directory(path.parent)


def remove_partial(directory: Path) -> None:
    """Remove what a process that was killed while it wrote has left."""
    for path in directory.glob(f"*{PARTIAL}"):
        path.unlink(missing_ok=True)
