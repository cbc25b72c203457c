"""Making the daemon's key folder, and a client's folder with its entry in the allow-list."""

import shutil
from pathlib import Path
from typing import Final

from phenostream.daemon.security.allow_list import (
    FOLDER,
    NEWER_ROLES,
    ROLES,
    SUFFIX,
    Role,
    is_name,
)
from phenostream.daemon.security.keys import (
    CLIENT_PAIR,
    SERVER_PAIR,
    SERVER_PUBLIC,
    KeyPair,
    read_public,
    write_public,
)
from phenostream.engine.errors import BadConfig

_PRIVATE: Final = 0o700
_READABLE: Final = 0o755


def make_server(directory: Path) -> bytes:
    """Make the daemon's pair and empty allow-lists; its public key.

    Raises:
        BadConfig: There is a pair already, or the folder cannot be made.
    """
    pair = KeyPair.new()
    try:
        directory.mkdir(mode=_READABLE, parents=True, exist_ok=True)
        pair.write(directory / SERVER_PAIR)
        write_public(directory / SERVER_PUBLIC, pair.public)
        for folder in (directory / FOLDER, *(directory / FOLDER / role for role in ROLES)):
            _make_list(folder)
    except OSError as err:
        raise BadConfig(
            f"{err.filename or directory}: {(err.strerror or str(err)).lower()}"
        ) from err
    return pair.public


def make_client(directory: Path, name: str, role: Role, out: Path) -> bytes:
    """Make a client's pair in a folder to hand over, and let it in; its public key.

    The entry is written last: whoever is in the list has a folder that is whole.

    Args:
        directory: The daemon's key folder.
        name: Of the client, not yet taken in this role.
        role: What it may do.
        out: Folder to make, with mode 0700.

    Raises:
        BadConfig: The name is none or taken, the daemon has no keys, or `out` is there already.
    """
    if not is_name(name):
        raise BadConfig(f"name {name!r}: allowed 1 to 64 letters, digits, . _ -")
    entry = directory / FOLDER / role / f"{name}{SUFFIX}"
    if entry.exists():
        raise BadConfig(f"{entry}: there already; a key is never overwritten")
    if role in NEWER_ROLES and entry.parent.parent.is_dir():
        _make_list(entry.parent)
    if not entry.parent.is_dir():
        raise BadConfig(f"{entry.parent}: no such folder; `phenostream keys server DIR` makes it")
    server = read_public(directory / SERVER_PUBLIC)
    try:
        out.mkdir(mode=_PRIVATE, parents=True)
    except OSError as err:
        raise BadConfig(f"{out}: {(err.strerror or str(err)).lower()}") from err
    pair = KeyPair.new()
    try:
        pair.write(out / CLIENT_PAIR)
        write_public(out / SERVER_PUBLIC, server)
        write_public(entry, pair.public)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return pair.public


def _make_list(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    folder.chmod(_READABLE)
