"""The record of what was installed here: which instances, and which files are ours, by their hashes.

It is written before a file is and after: a kill in between leaves a record that knows both, the file as it was and as
it was to become. A file that is neither is somebody's work, and is never overwritten.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

from phenostream.deploy.install.files import write_whole
from phenostream.deploy.install.places import LOCK, RECORD, Places
from phenostream.engine.errors import BadConfig

Backend = Literal["cpu", "gpu"]
Network = Literal["local", "box", "lan"]
"""Who can reach the daemon: ipc only; tcp from this box; tcp from other machines."""
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen for an instance, as drop-ins of its unit say it.

    Attributes:
        backend: Whether its unit may use the graphics processor.
        network: From where it may be reached.
    """

    backend: Backend
    network: Network


@dataclass(frozen=True, slots=True)
class Record:
    """What was installed.

    Attributes:
        instances: By name, empty for the one without.
        files: Path on the box → SHA-256 of every content that it may have and be ours.
        pending: Paths that changed, or were about to, and that no service was started with yet: what a kill leaves.
    """

    instances: dict[str, Choice] = field(default_factory=dict)
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    pending: tuple[str, ...] = ()


def read_record(places: Places) -> Record:
    """What was installed here so far; nothing, where there is no record.

    Raises:
        BadConfig: The record is damaged or of a newer format.
    """
    path = places.at(RECORD)
    try:
        found = json.loads(path.read_text())
        if found["format"] > FORMAT:
            raise BadConfig(f"{path}: format {found['format']}: allowed 1 to {FORMAT}")
        instances = {name: Choice(**one) for name, one in found["instances"].items()}
        files = {name: tuple(sums) for name, sums in found["files"].items()}
        return Record(instances, files, tuple(found["pending"]))
    except FileNotFoundError:
        return Record()
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise BadConfig(f"{path}: not a record of `phenostream install`: {err}") from err


def keep_record(places: Places, record: Record) -> None:
    """Write it, whole or not at all, unless it says so already."""
    if record == read_record(places):
        return
    content = json.dumps({"format": FORMAT} | asdict(record), indent=1, sort_keys=True) + "\n"
    write_whole(places.at(RECORD), content)


def sha256(text: str) -> str:
    """Hash of a file's content."""
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def only_one(places: Places) -> Iterator[None]:
    """Be the only one who installs here while in the block, together with the programs that we `run` in it.

    They have the lock too: where we are killed, one that goes on writing keeps others out until its own end.

    Raises:
        BadConfig: Somebody else is at it.
    """
    lock: Path = places.at(LOCK)
    lock.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            owner = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            who = f"process {owner}, or a program that it started,"
            raise BadConfig(f"{lock}: {who} is installing here: wait for it") from err
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        os.set_inheritable(fd, True)
        yield
    finally:
        os.close(fd)
