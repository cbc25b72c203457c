"""Where the pictures of a data set are: folders or zip files, one folder per class, in parts or not.

All that counts of a name is the folder that the picture is in, which is its class, and the nearest part above it
(TRAIN, TEST, TEST_SIMPLE; of a zip file also its own name): ``DIR/CLASS/*``, ``DIR/TRAIN/CLASS/*``,
``DIR/images/TEST/CLASS/*`` and ``DIR/train.zip`` are all read. Nothing is unpacked to disk, and no name is followed.
"""

import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bccd.pixels import LARGEST_FILE, SUFFIXES

PARTS: Final = ("TRAIN", "TEST", "TEST_SIMPLE")
WHOLE: Final = "ALL"
"""Part of pictures that are in none of `PARTS`."""
MOST_PICTURES: Final = 40_000
_MOST_ENTRIES: Final = 400_000
_LARGEST_ZIP: Final = 8 << 30
_DEEPEST: Final = 8
_DAMAGE: Final = (
    OSError,
    RuntimeError,
    NotImplementedError,
    EOFError,
    ValueError,
    zlib.error,
    zipfile.BadZipFile,
)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One picture of a data set, not yet looked at.

    Attributes:
        name: Path within the data set, for a person.
        part: One of `PARTS`, or `WHOLE`.
        label: Of its folder, in capitals; empty where it is in none.
        content: The bytes, or None where they cannot be had.
    """

    name: str
    part: str
    label: str
    content: bytes | None


def picture_files(root: Path) -> Iterator[PictureFile]:
    """Every file under a folder, or in a zip file, that is named like a picture; in order of name.

    Raises:
        BadInput: There is no such folder or zip file, a zip file is damaged, or there are too many files.
    """
    if root.is_file() and root.suffix.lower() == ".zip":
        yield from _limited(_in_zip(root, root.name), root)
    elif root.is_dir():
        yield from _limited(_in_folder(root), root)
    else:
        raise BadInput(f"{root}: no folder and no zip file")


def _limited(files: Iterator[PictureFile], root: Path) -> Iterator[PictureFile]:
    for count, file in enumerate(files):
        if count >= MOST_PICTURES:
            raise BadInput(f"{root}: more than {MOST_PICTURES} pictures")
        yield file


def _in_folder(root: Path) -> Iterator[PictureFile]:
    for folder, below, names in os.walk(root):
        place = Path(folder).relative_to(root)
        below[:] = sorted(below) if len(place.parts) < _DEEPEST else []
        for name in sorted(names):
            path = Path(folder) / name
            suffix = path.suffix.lower()
            if suffix == ".zip" and not place.parts:
                yield from _in_zip(path, name)
            elif suffix in SUFFIXES:
                parts = (root.resolve().name, *place.parts)
                yield _file(str(place / name), parts, _start_of(path))


def _in_zip(path: Path, shown: str) -> Iterator[PictureFile]:
    """Pictures of a zip file; those that are damaged in it have no content."""
    try:
        if path.stat().st_size > _LARGEST_ZIP:
            raise BadInput(f"{path}: larger than {_LARGEST_ZIP >> 30} GiB")
        archive = zipfile.ZipFile(path)
    except _DAMAGE as err:
        raise BadInput(f"{path}: not a zip file that can be read ({err})") from err
    with archive:
        members = archive.infolist()
        if len(members) > _MOST_ENTRIES:
            raise BadInput(f"{path}: {len(members)} files, allowed {_MOST_ENTRIES}")
        for member in sorted(members, key=lambda one: one.filename):
            name = PurePosixPath(member.filename.replace("\\", "/")[-1000:])
            if member.is_dir() or name.suffix.lower() not in SUFFIXES:
                continue
            parts = (path.resolve().parent.name, path.stem, *name.parts[:-1])
            yield _file(f"{shown}/{name}", parts, _unpacked(archive, member))


def _file(name: str, folders: tuple[str, ...], content: bytes | None) -> PictureFile:
    upper = [folder.upper() for folder in folders]
    part = next((one for one in reversed(upper) if one in PARTS), WHOLE)
    label = upper[-1] if upper and upper[-1] not in PARTS else ""
    return PictureFile(name, part, label, content)


def _start_of(path: Path) -> bytes | None:
    """At most one byte more than a picture may have."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except OSError:
        return None


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | None:
    """Likewise, whatever size the table of contents claims."""
    try:
        with archive.open(member) as file:
            return file.read(LARGEST_FILE + 1)
    except _DAMAGE:
        return None
