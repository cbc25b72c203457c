"""Files that hold a secret: read only where nobody else can, written so that nobody else could.

A secret is a regular file of ours with mode 0600 or stricter, or a systemd credential, which systemd guards itself.
Nothing in here ever shows a secret.
"""

import os
import stat
from pathlib import Path
from typing import Final

from phenostream.engine.errors import BadConfig

LONGEST_BYTES: Final = 16 << 10
_OTHERS: Final = 0o077


def secret_path(directory: Path, name: str) -> Path:
    """Where a key file lies: the systemd credential of that name where there is one, else the file in the folder.

    A blank credential is none: a unit grants one, a newline, where the file it would load is not there.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    if credentials and _is_granted(Path(credentials) / name):
        return Path(credentials) / name
    return directory / name


def read_secret(path: Path) -> bytes:
    """The content of a secret file; its mode is that of the very file that is read.

    Raises:
        BadConfig: It is not there, is no plain file, is longer than 16 KiB, or others may read or change it.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as err:
        raise BadConfig(f"{path}: {(err.strerror or str(err)).lower()}") from err
    try:
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            raise BadConfig(f"{path}: not a plain file")
        if not _is_credential(path):
            _check_owner(path, facts)
        content = os.read(fd, LONGEST_BYTES + 1)
    finally:
        os.close(fd)
    if len(content) > LONGEST_BYTES:
        raise BadConfig(f"{path}: longer than {LONGEST_BYTES} bytes")
    return content


def write_secret(path: Path, content: bytes) -> None:
    """Write a new secret file, mode 0600 from its first moment, and see it on disk.

    Raises:
        BadConfig: It is there already, or cannot be made.
    """
    write_new(path, content, 0o600)


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that was not there, whole or not at all: a reader never finds half a key; see `write_secret`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        fd = os.open(partial, flags, mode)
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, mode)
                file.write(content)
                file.flush()
                os.fsync(fd)
            os.link(partial, path)
        finally:
            partial.unlink()
    except FileExistsError as err:
        raise BadConfig(f"{path}: there already; a key is never overwritten") from err
    except OSError as err:
        raise BadConfig(f"{path}: {(err.strerror or str(err)).lower()}") from err


def _is_granted(credential: Path) -> bool:
    try:
        return credential.stat().st_size > len("\n")
    except OSError:
        return False


def _is_credential(path: Path) -> bool:
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return bool(credentials) and path.parent == Path(credentials or "")


def _check_owner(path: Path, facts: os.stat_result) -> None:
    mode = stat.S_IMODE(facts.st_mode)
    if mode & _OTHERS:
        raise BadConfig(
            f"{path}: mode {mode:04o} lets others at a secret, allowed 0600 or stricter (chmod 600 {path})"
        )
    if facts.st_uid != os.geteuid():
        raise BadConfig(f"{path}: belongs to user {facts.st_uid}, allowed {os.geteuid()} (us)")
