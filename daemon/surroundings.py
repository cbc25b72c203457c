"""What must be so around a daemon before it opens anything: folders that are ours, on a disk that can be written.

Every refusal is one line with key, path, what is there and what is allowed. `run` and `check` ask here first, so that
neither leaves files behind which the right user cannot read, nor ends in the middle of opening a journal.
"""

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.config import Config
from phenostream.engine.errors import BadConfig, PhenostreamError

logger = logging.getLogger(__name__)

COMFORT_BYTES: Final = 1 << 30
"""Less free space is worth a warning."""
LEAST_BYTES: Final = 64 << 10
"""Less is as good as none: not one frame's record and the checkpoint would find room."""
_MOST_FILES: Final = 10_000


class NoSpace(PhenostreamError):
    """The disk is full; nothing is wrong with the configuration, and it may pass."""


def check_surroundings(config: Config) -> None:
    """See that journal and quarantine can be written by us and by nobody else.

    Raises:
        BadConfig: A folder, or a file in it, is another user's, open to anyone, or on a read-only file system.
    """
    check_folder("journal.directory", config.journal.directory)
    check_folder("quarantine.directory", config.quarantine.directory, contents=False)


def check_folder(key: str, folder: Path, *, contents: bool = True) -> None:
    """See that a folder is ours to write in, or can be made; nothing is made.

    Args:
        key: For messages.
        folder: Absolute.
        contents: Look at the files in it too.

    Raises:
        BadConfig: See `check_surroundings`.
    """
    try:
        there = nearest(folder)
        if os.statvfs(there).f_flag & os.ST_RDONLY:
            raise BadConfig(
                f"{key}: {folder}: on a read-only file system, allowed one that can be written (mount -o remount,rw)"
            )
        if there == folder:
            _check_owner(key, folder)
            for path in _files(folder) if contents else ():
                _check_file(key, path)
        elif not _writable(there):
            raise BadConfig(
                f"{key}: {folder}: cannot be made: {_whose(there)}, allowed a folder that user {os.geteuid()} (us) "
                "may write in"
            )
    except OSError as err:
        raise BadConfig(
            f"{key}: {err.filename or folder}: {(err.strerror or str(err)).lower()}, allowed a folder that user "
            f"{os.geteuid()} (us) may read and write"
        ) from err


def free_bytes(folder: Path) -> int:
    """Space that we may use on the disk of a folder that may not be there yet."""
    space = os.statvfs(nearest(folder))
    return space.f_bavail * space.f_frsize


def nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())


def space_fault(config: Config) -> str | None:
    """A line while the journal's disk is as good as full."""
    folder = config.journal.directory
    try:
        free = free_bytes(folder)
    except OSError as err:
        return f"journal.directory: {folder}: {(err.strerror or str(err)).lower()}"
    if free >= LEAST_BYTES:
        return None
    return (
        f"journal.directory: {folder}: no space left: {free} bytes free, allowed {LEAST_BYTES} or more; until then "
        "frames stay with their source"
    )


def say_what_is_scarce(config: Config) -> None:
    """A warning where little space is left for results."""
    folder = config.journal.directory
    if LEAST_BYTES <= (free := free_bytes(folder)) < COMFORT_BYTES:
        logger.warning(
            "journal.directory: %s: %d MiB free; when there is none, frames stay with their source",
            folder,
            free >> 20,
        )


def _check_owner(key: str, folder: Path) -> None:
    facts = folder.stat()
    if not stat.S_ISDIR(facts.st_mode):
        raise BadConfig(f"{key}: {folder}: not a folder")
    mode = stat.S_IMODE(facts.st_mode)
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise BadConfig(
            f"{key}: {folder}: mode {mode:04o} lets anyone write in it, allowed 0755 or stricter (chmod o-w {folder})"
        )
    if _is_others(facts) or not _writable(folder):
        raise BadConfig(
            f"{key}: {folder}: {_whose(folder)}, allowed one of user {os.geteuid()} (us), "
            "or run it as the user whose it is"
        )


def _check_file(key: str, path: Path) -> None:
    if _is_others(path.stat()) or not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        raise BadConfig(
            f"{key}: {path}: {_whose(path)}, allowed one that user {os.geteuid()} (us) may read and write "
            f"(chown {os.geteuid()} {path})"
        )


def _is_others(facts: os.stat_result) -> bool:
    """Whether root is about to write among the files of somebody else, who could not read them afterwards."""
    return os.geteuid() == 0 and facts.st_uid != 0


def _whose(path: Path) -> str:
    facts = path.stat()
    return f"{path} belongs to user {facts.st_uid}, mode {stat.S_IMODE(facts.st_mode):04o}"


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def _files(folder: Path) -> Iterator[Path]:
    """The plain files of a folder; of very many, some."""
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_FILES:
                return
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
