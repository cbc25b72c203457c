"""Taking sole possession of a journal directory or an endpoint, before anything is opened.

ZeroMQ unlinks an ipc socket that a living daemon still serves, and two daemons on one journal would interleave their
offsets: an advisory lock beside the path decides who owns it, and dies with its owner.
"""

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.durable import is_full
from phenostream.daemon.security.ipc_folder import make_folder
from phenostream.daemon.surroundings import NoSpace
from phenostream.engine.errors import BadConfig

_LOOK_S: Final = 0.05


@contextmanager
def claimed(lock: Path, what: str, patience_s: float = 0.0) -> Iterator[None]:
    """Hold the lock file while in the block.

    Args:
        lock: The lock file, made if needed; it stays behind, unlocked.
        what: For the message: key and value.
        patience_s: How long to wait for who holds it: `phenostream check` does for a moment.

    Raises:
        BadConfig: Another process holds it (its id is named), or the file cannot be made.
        NoSpace: It cannot be made as the disk is full.
    """
    try:
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as err:
        if is_full(err):
            raise NoSpace(f"{what}: {lock}: {err.strerror}; make room on this disk") from err
        raise BadConfig(f"{what}: {lock}: {err.strerror}") from err
    try:
        try:
            _take(fd, patience_s)
        except OSError as err:
            owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise BadConfig(f"{what}: in use by another daemon (process {owner})") from err
        os.ftruncate(fd, 0)
        _note_owner(fd)
        yield
    finally:
        os.close(fd)


def _take(fd: int, patience_s: float) -> None:
    """Lock it, by looking again and again: a wait of the kernel's own has no end.

    Raises:
        OSError: Somebody held it all the while.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline_s:
                raise
        time.sleep(_LOOK_S)


def holder(lock: Path) -> int | None:
    """The process that holds a lock file of `claimed`; None where nobody does, or it cannot be read.

    Whoever owns the file may write any number into it: a process of another user than its owner's is not believed.
    """
    try:
        fd = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        said = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
        pid = int(said) if said.isascii() and said.isdigit() else None
        return pid if pid is not None and _is_of(pid, os.fstat(fd).st_uid) else None
    except OSError:
        return None
    finally:
        os.close(fd)
    return None


def _is_of(pid: int, uid: int) -> bool:
    """Whether a process is there and a user's; a lock of root's says what root wrote."""
    try:
        return uid == 0 or Path(f"/proc/{pid}").stat().st_uid == uid
    except OSError:
        return False


def _note_owner(fd: int) -> None:
    """Who we are, for whoever comes second; on a full disk he is told of an unknown process."""
    try:
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except OSError as err:
        if not is_full(err):
            raise


@contextmanager
def claimed_endpoint(
    url: str, key: str, group: str | None = None, patience_s: float = 0.0
) -> Iterator[None]:
    """Hold an ipc endpoint while in the block, in a folder of ours; a tcp port is claimed by binding it.

    See `claimed` for `patience_s`.

    Raises:
        BadConfig: The path is served by someone or is no socket, or its folder is not safe (`make_folder`).
    """
    scheme, _, name = url.partition("://")
    if scheme != "ipc":
        yield
        return
    path = Path(name)
    make_folder(path.parent, group, key)
    with claimed(path.with_name(path.name + ".lock"), f"{key}: {url}", patience_s):
        if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
            raise BadConfig(f"{key}: {url}: a file that is no socket is in the way")
        if _is_served(path):
            raise BadConfig(f"{key}: {url}: in use by another program")
        yield


def _is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
