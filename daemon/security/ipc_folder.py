"""Who can reach an ipc socket: its folder is made for us alone, and the socket file is ours or our group's.

Connecting needs write permission on the socket file, and putting another one in its place needs write permission on
the folder. ipc speaks no keys: whoever may open the socket is trusted like the daemon's own user.
"""

import grp
import os
import stat
from pathlib import Path

from phenostream.engine.errors import BadConfig

_ALONE, _WITH_GROUP = 0o700, 0o750
_SOCKET_ALONE, _SOCKET_WITH_GROUP = 0o600, 0o660


def make_folder(folder: Path, group: str | None, key: str) -> None:
    """Make the folder and those above it that are missing, or check the one that is there.

    Raises:
        BadConfig: It belongs to somebody else, anyone may write in it, the group is none or cannot enter.
    """
    gid = group_id(group)
    try:
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        for one in reversed(missing):
            one.mkdir(_ALONE if gid is None else _WITH_GROUP)
            if gid is not None:
                os.chown(one, -1, gid)
    except OSError as err:
        where = err.filename or folder
        raise BadConfig(f"{key}: {where}: {(err.strerror or str(err)).lower()}") from err
    check_folder(folder, group, key)


def check_folder(folder: Path, group: str | None, key: str) -> None:
    """See that nobody can put a socket in place of ours in a folder that is there, and that the group can enter.

    Raises:
        BadConfig: See `make_folder`.
    """
    gid = group_id(group)
    try:
        facts = folder.stat()
    except OSError as err:
        raise BadConfig(f"{key}: {folder}: {(err.strerror or str(err)).lower()}") from err
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid not in (0, os.geteuid()):
        raise BadConfig(
            f"{key}: {folder}: belongs to user {facts.st_uid}, allowed {os.geteuid()} (us) or root"
        )
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise BadConfig(
            f"{key}: {folder}: mode {mode:04o} lets anyone put a socket in place of ours, "
            "allowed one where others may not write"
        )
    if gid is not None and not mode & stat.S_IXOTH and (facts.st_gid != gid or not mode & 0o010):
        raise BadConfig(
            f"{key}: {folder}: group {group} cannot enter, allowed mode 0750 and its group"
        )


def close_socket_file(url: str, group: str | None, key: str) -> None:
    """Give a socket that was just bound the mode 0600, or with a group 0660; nothing for tcp.

    Raises:
        BadConfig: That cannot be done.
    """
    scheme, _, name = url.partition("://")
    if scheme != "ipc":
        return
    gid = group_id(group)
    try:
        # A sandbox may forbid a chown, also one that changes nothing.
        if gid is not None and os.stat(name).st_gid != gid:
            os.chown(name, -1, gid)
        os.chmod(name, _SOCKET_ALONE if gid is None else _SOCKET_WITH_GROUP)
    except OSError as err:
        raise BadConfig(f"{key}: {url}: {(err.strerror or str(err)).lower()}") from err


def group_id(group: str | None) -> int | None:
    """The number of a group.

    Raises:
        BadConfig: There is none of this name.
    """
    if group is None:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError as err:
        raise BadConfig(f"security.ipc_group: {group!r}: allowed a group of this box") from err
