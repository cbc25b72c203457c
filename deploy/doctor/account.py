"""Who the daemon is on this box, and looking at files as he does.

The doctor is often run by root, who may read everything, and a check that root passes says nothing about the daemon's
user. So what depends on who looks is looked at with his effective user and groups, in the only thread there is.
"""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from phenostream.engine.errors import BadConfig, PhenostreamError


class NotThatUser(PhenostreamError):
    """We are neither the daemon's user nor root, so nobody can look as he would."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this box with all groups that he is in."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def ours(cls) -> Self:
        """Whoever runs this process."""
        uid = os.geteuid()
        return cls(user_name(uid), uid, os.getegid(), tuple(os.getgroups()))

    @classmethod
    def named(cls, name: str) -> Self:
        """A user by his name.

        Raises:
            BadConfig: There is none of this name.
        """
        try:
            entry = pwd.getpwnam(name)
        except KeyError as err:
            raise BadConfig(f"user {name!r}: not on this box") from err
        return cls(name, entry.pw_uid, entry.pw_gid, tuple(os.getgrouplist(name, entry.pw_gid)))

    @property
    def is_us(self) -> bool:
        """Whether this process is that user already."""
        return self.uid == os.geteuid()


@contextmanager
def acting_as(account: Account) -> Iterator[None]:
    """See and be seen as a user while in the block; only root can become another.

    Raises:
        NotThatUser: We are neither that user nor root.
    """
    if account.is_us:
        yield
        return
    if not may_look(account):
        us = user_name(os.geteuid())
        raise NotThatUser(f"we are {us}, the daemon is {account.name}: sudo phenostream doctor")
    gid, groups = os.getegid(), os.getgroups()
    os.setgroups(list(account.groups))
    try:
        os.setegid(account.gid)
        os.seteuid(account.uid)
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


def may_look(account: Account) -> bool:
    """Whether we can see what a user sees: we are he, or root."""
    return account.is_us or os.geteuid() == 0


def may_open(path: Path) -> bool:
    """Whether we, as we act now, may read and write a file; nothing is opened."""
    return os.access(path, os.R_OK | os.W_OK, effective_ids=True)


def may_write_in(folder: Path) -> bool:
    """Whether we, as we act now, may make files in a folder; none is made."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=True)


def user_name(uid: int) -> str:
    """The name of a user; his number where he has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
