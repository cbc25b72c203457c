"""Who is allowed what: ``allowed/ROLE/NAME.pub`` in the daemon's key folder, one public key a file.

A source may send frames; a subscriber may subscribe, read the journal and ask; a summariser may do that, and word
summaries; an operator may do all of that, and drain. Read as a whole: a folder with one bad file is refused, so that a
slip never locks out or lets in by silence.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from phenostream.daemon.security.keys import read_public
from phenostream.engine.errors import BadConfig

Role = Literal["source", "subscriber", "summariser", "operator"]
Place = Literal["ingest", "results", "control"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
PLACES: Final[tuple[Place, ...]] = get_args(Place)
FOLDER: Final = "allowed"
SUFFIX: Final = ".pub"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAY: Final[Mapping[Place, tuple[Role, ...]]] = {
    "ingest": ("operator", "source"),
    "results": ("operator", "summariser", "subscriber"),
    "control": ("operator", "summariser", "subscriber"),
}
"""The role that may most comes first: a key that has several speaks in it."""
NEWER_ROLES: Final[tuple[Role, ...]] = ("summariser",)
"""Their folder may be missing: key folders were made before there was such a role."""
_MOST: Final = 10_000
_OTHERS_WRITE: Final = 0o022


@dataclass(frozen=True, slots=True)
class Grant:
    """One entry: who, as what, by which public key (Z85)."""

    name: str
    role: Role
    public: bytes

    @property
    def user(self) -> str:
        """As libzmq attaches it to messages: ``ROLE/NAME/KEY``."""
        return f"{self.role}/{self.name}/{self.public.decode()}"


class AllowList:
    """All entries at one moment; never changed, only replaced.

    Attributes:
        users: See `Grant.user`.
    """

    def __init__(self, grants: Iterator[Grant]) -> None:
        self.grants = tuple(grants)
        self.users = frozenset(grant.user for grant in self.grants)
        self._of_key: dict[bytes, list[Grant]] = {}
        for grant in self.grants:
            self._of_key.setdefault(grant.public, []).append(grant)

    @classmethod
    def read(cls, directory: Path) -> "AllowList":
        """The entries of a key folder.

        Raises:
            BadConfig: A folder is missing or others may write in it, or a file is no public key.
        """
        try:
            return cls(_grants(directory / FOLDER))
        except OSError as err:  # such as a folder that we may not look into, or no free descriptor
            where = err.filename or directory / FOLDER
            raise BadConfig(f"{where}: {(err.strerror or str(err)).lower()}") from err

    def user(self, public: bytes, place: Place) -> str | None:
        """Who a key is at a socket, see `Grant.user`; None for whoever may not speak there."""
        held = {grant.role: grant for grant in self._of_key.get(public, ())}
        for role in _MAY[place]:
            if role in held:
                return held[role].user
        return None


def is_name(text: str) -> bool:
    """Whether somebody can be called so."""
    return NAME.fullmatch(text) is not None


def _grants(folder: Path) -> Iterator[Grant]:
    _check_folder(folder)
    count = 0
    for role in ROLES:
        if role in NEWER_ROLES and not (folder / role).exists():
            continue
        _check_folder(folder / role)
        for path in sorted((folder / role).iterdir()):
            if path.name.startswith("."):
                continue  # an editor's or a copy's, half written
            count += 1
            if count > _MOST:
                raise BadConfig(f"{folder}: more than {_MOST} entries")
            name = path.name.removesuffix(SUFFIX)
            if path.suffix != SUFFIX or not is_name(name):
                raise BadConfig(f"{path}: allowed NAME{SUFFIX}, NAME of letters, digits, . _ -")
            _check_writers(path)
            yield Grant(name, role, read_public(path))


def _check_folder(folder: Path) -> None:
    try:
        is_there = folder.is_dir()
    except OSError as err:  # a folder above it that we may not enter
        raise BadConfig(f"{folder}: {(err.strerror or str(err)).lower()}") from err
    if not is_there:
        raise BadConfig(f"{folder}: no such folder; `phenostream keys server DIR` makes it")
    _check_writers(folder)


def _check_writers(path: Path) -> None:
    """Whoever may write here lets himself in."""
    try:
        facts = path.stat()
    except OSError as err:
        raise BadConfig(f"{path}: {(err.strerror or str(err)).lower()}") from err
    mode = stat.S_IMODE(facts.st_mode)
    if mode & _OTHERS_WRITE:
        raise BadConfig(
            f"{path}: mode {mode:04o} lets others write, allowed 0755 or stricter (chmod go-w {path})"
        )
    if facts.st_uid not in (0, os.geteuid()):
        raise BadConfig(f"{path}: belongs to user {facts.st_uid}, allowed {os.geteuid()} or root")
