"""A power cut, simulated: what no fsync had made durable when the daemon died is taken away before the next start.

A process that is killed loses nothing it has written: the kernel keeps its pages. So kill -9 alone says nothing about
fsync. In the daemon, `SyncRecorder` notes after each fdatasync and fsync of the journal what the disk owes from then
on: so many bytes of a file, or the entries of the directory. In the rig, `cut_power` makes the directory what a disk
may hold that keeps its word and not one byte more. The rules are POSIX's, harsher than ext4's: a file is found again
only if its directory was synced after it was made, renamed or removed. Bytes that are written over in place are not
modelled: the journal only appends.
"""

import itertools
import json
import os
import random
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

Cut = Literal["no cut", "exact", "zeros", "garbage", "pages"]
CUTS: Final[tuple[Cut, ...]] = ("no cut", "exact", "zeros", "garbage", "pages")
"""What becomes of the bytes that were not synced: the machine lives on and keeps them; they are gone; the file has its
length but zeros in it; it has garbage; each page of 4 KiB was written or not."""
_PAGE: Final = 4096


@dataclass(frozen=True)
class Places:
    """The journal, and where the rig keeps what the disk owes.

    Attributes:
        journal: The directory whose power is cut.
        notes: One JSON line after each sync.
        kept: A hard link of every file that a synced directory names: what was removed since can come back.
    """

    journal: Path
    notes: Path
    kept: Path

    @classmethod
    def beside(cls, journal: Path) -> "Places":
        """Notes and links beside the journal, made if needed."""
        places = cls(journal, journal.with_name("disk.notes"), journal.with_name("disk.kept"))
        places.kept.mkdir(exist_ok=True)
        return places


class SyncRecorder:
    """In the daemon: stands in for `os.fsync` and `os.fdatasync`, which still do their work.

    Args:
        places: Where to look and where to note.
        after: Called with the number of syncs of the journal so far, before and after each of them.
    """

    def __init__(
        self, places: Places, after: Callable[[int, Literal["before", "after"]], None]
    ) -> None:
        self._places = places
        self._moment = after
        self._numbers = itertools.count(1)
        self._notes = os.open(
            places.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )

    def install(self) -> None:
        """From now on every sync of this process goes through here."""
        module: Any = os
        module.fsync, module.fdatasync = self._recorded(os.fsync), self._recorded(os.fdatasync)

    def _recorded(self, sync: Callable[[Any], None]) -> Callable[[Any], None]:
        def recorded(fd: Any) -> None:
            number = fd if isinstance(fd, int) else fd.fileno()
            note = self._owed(number)
            if note is None:
                return sync(fd)
            which = next(self._numbers)  # several threads may sync at once
            self._moment(which, "before")
            sync(fd)
            os.write(self._notes, json.dumps(note).encode() + b"\n")
            self._moment(which, "after")
            return None

        return recorded

    def _owed(self, fd: int) -> dict[str, Any] | None:
        """What the disk owes once this sync has returned; None where it is not about the journal."""
        facts, path = os.fstat(fd), Path(os.readlink(f"/proc/self/fd/{fd}"))
        if stat.S_ISDIR(facts.st_mode) and path == self._places.journal:
            return {"entries": self._entries()}
        if path.parent == self._places.journal:
            return {"inode": facts.st_ino, "size": facts.st_size}
        return None

    def _entries(self) -> dict[str, int]:
        entries = {}
        for entry in os.scandir(self._places.journal):
            if entry.is_file(follow_symlinks=False):
                kept = self._places.kept / str(entry.inode())
                try:
                    if not kept.exists():
                        os.link(entry.path, kept)
                except FileNotFoundError:
                    continue  # another thread has renamed it meanwhile: its next sync tells of that
                except FileExistsError:
                    pass  # another thread was faster
                entries[entry.name] = entry.inode()
        return entries


def cut_power(places: Places, how: Cut, chance: random.Random) -> int:
    """Take away what no sync had made durable; the daemon is dead.

    Returns:
        Bytes that were taken away or spoilt.
    """
    if how == "no cut":
        return 0
    entries, sizes = _read(places.notes)
    taken = 0
    for path in places.journal.iterdir():
        if path.is_file() and entries.get(path.name) != path.stat().st_ino:
            taken += path.stat().st_size
            path.unlink()
    for name, inode in entries.items():
        path = places.journal / name
        if not path.exists():
            os.link(places.kept / str(inode), path)
        taken += _spoil(path, sizes.get(inode, 0), how, chance)
    for link in places.kept.iterdir():
        if int(link.name) not in entries.values():
            link.unlink()
    _note_all(places)
    return taken


def _spoil(path: Path, durable: int, how: Cut, chance: random.Random) -> int:
    """Spoil what follows the durable bytes of a file; how many those are."""
    tail = path.stat().st_size - durable
    if tail <= 0:
        return 0
    with path.open("r+b") as file:
        if how == "exact":
            file.truncate(durable)
            return tail
        file.seek(durable)
        rest = bytearray(file.read())
        if how == "zeros":
            rest = bytearray(tail)
        elif how == "garbage":
            rest = bytearray(chance.randbytes(tail))
        else:
            for page in range(0, tail, _PAGE):
                if chance.random() < 0.5:
                    rest[page : page + _PAGE] = bytes(len(rest[page : page + _PAGE]))
        file.seek(durable)
        file.write(rest)
    return tail


def _read(notes: Path) -> tuple[dict[str, int], dict[int, int]]:
    """The entries of the directory and the lengths of the files that are durable."""
    entries: dict[str, int] = {}
    sizes: dict[int, int] = {}
    for line in notes.read_text().splitlines(keepends=True) if notes.exists() else ():
        if not line.endswith("\n"):
            break  # it was being written when the daemon died: that sync had told nobody
        note = json.loads(line)
        if "entries" in note:
            entries = note["entries"]
        else:
            sizes[note["inode"]] = note["size"]
    return entries, sizes


def _note_all(places: Places) -> None:
    """After the cut the disk holds what it holds: that is where the next daemon begins."""
    files = {path.name: path.stat() for path in places.journal.iterdir() if path.is_file()}
    lines = [{"entries": {name: facts.st_ino for name, facts in files.items()}}]
    sizes = [{"inode": facts.st_ino, "size": facts.st_size} for facts in files.values()]
    places.notes.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *sizes]))
