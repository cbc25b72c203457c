"""Which file system a folder lies on, as the kernel tells in /proc/self/mountinfo."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VOLATILE: Final = ("tmpfs", "ramfs")
NETWORKED: Final = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "9p",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "lustre",
)
_ESCAPED: Final = (("\\040", " "), ("\\011", "\t"), ("\\134", "\\"))


@dataclass(frozen=True, slots=True)
class Mount:
    """One file system as it is mounted.

    Attributes:
        at: Where.
        kind: ``ext4``, ``tmpfs``, ...
        source: What is mounted.
    """

    at: str
    kind: str
    source: str

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


def mount_of(path: Path, table: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """The mount that a path which is there lies on; None where the kernel does not tell."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    whole = str(path.resolve())
    best = None
    try:
        lines = table.read_text(errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        left, _, right = line.partition(" - ")
        fields, (kind, source, *_) = left.split(), [*right.split(), "", ""]
        at = _plain(fields[4])
        holds = whole == at or whole.startswith(at.rstrip("/") + "/")
        if fields[2] == number and holds and (best is None or len(at) >= len(best.at)):
            best = Mount(at, kind, source)
    return best


def _plain(text: str) -> str:
    for escaped, character in _ESCAPED:
        text = text.replace(escaped, character)
    return text
