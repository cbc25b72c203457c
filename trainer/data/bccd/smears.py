"""The readable pictures of a data set with their classes, and an account of what was left out and why."""

import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import I32, U8
from phenostream.trainer.data.bccd.cell_crop import PICTURE_PX
from phenostream.trainer.data.bccd.layouts import PictureFile, picture_files
from phenostream.trainer.data.bccd.pixels import decode

CLASS_OF: Final = {
    "LYMPHOCYTE": 0,
    "NEUTROPHIL": 1,
    "EOSINOPHIL": 1,
    "BASOPHIL": 1,
    "GRANULOCYTE": 1,
    "MONOCYTE": 2,
}
"""Class of each folder that is understood, in the order of `CLASSES`."""
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Pictures that are not judged, for one reason.

    Attributes:
        reason: For a person.
        count: How many.
        examples: Names of the first few.
    """

    reason: str
    count: int
    examples: tuple[str, ...]

    def line(self) -> str:
        """One line: how many, why, and which."""
        more = ", ..." if self.count > len(self.examples) else ""
        return f"{self.count} left out: {self.reason} ({', '.join(self.examples)}{more})"


@dataclass(frozen=True, slots=True)
class Smears:
    """N readable pictures, N at least 1.

    Attributes:
        images: (N, 128, 128, 3) uint8 RGB.
        kind: (N,) int32 class.
        part: (N,) one of `layouts.PARTS` or `layouts.WHOLE`.
        label: (N,) name of the folder.
        names: (N,) for a person.
        sha256: (N,) of each file.
        resampled: How many were of another size.
        left_out: The others.
    """

    images: U8
    kind: I32
    part: tuple[str, ...]
    label: tuple[str, ...]
    names: tuple[str, ...]
    sha256: tuple[str, ...]
    resampled: int
    left_out: tuple[LeftOut, ...]

    def __len__(self) -> int:
        return len(self.images)


def read_smears(root: Path, on_picture: Callable[[], None] = lambda: None) -> Smears:
    """Read a data set.

    Args:
        root: A folder or a zip file, see `layouts`.
        on_picture: Called for each file, for a progress bar.

    Raises:
        BadInput: Nothing there can be judged.
    """
    reading = _Reading()
    for file in picture_files(root):
        reading.take(file)
        on_picture()
    return reading.smears(root)


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    pictures: dict[tuple[str, str], tuple[U8, PictureFile]] = field(default_factory=dict)
    contradicted: set[tuple[str, str]] = field(default_factory=set)
    odd: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    resampled: int = 0

    def take(self, file: PictureFile) -> None:
        if file.label not in CLASS_OF:
            known = ", ".join(sorted(CLASS_OF))
            folder = f"folder {file.label[:40]!r}" if file.label else "in no folder of a class"
            return self._leave(file.name, f"{folder}; known are {known}")
        if file.content is None:
            return self._leave(file.name, "cannot be read")
        digest = hashlib.sha256(file.content).hexdigest()
        key = (file.part, digest)
        if key in self.pictures:
            return self._again(file, key)
        try:
            picture, resampled = decode(file.content, PICTURE_PX)
        except BadInput as err:
            return self._leave(file.name, str(err))
        self.resampled += resampled
        lean = PictureFile(file.name, file.part, file.label, None)
        self.pictures[key] = (picture, lean)

    def _again(self, file: PictureFile, key: tuple[str, str]) -> None:
        earlier = self.pictures[key][1]
        if CLASS_OF[earlier.label] != CLASS_OF[file.label]:
            self.contradicted.add(key)
            self._leave(file.name, "one file under two classes of one part")
        else:
            self._leave(file.name, "one file twice in one part")

    def _leave(self, name: str, reason: str) -> None:
        self.counts[reason] += 1
        shown = self.odd.setdefault(reason, [])
        if len(shown) < _SHOWN:
            shown.append(name)

    def smears(self, root: Path) -> Smears:
        for key in sorted(self.contradicted):
            self._leave(self.pictures.pop(key)[1].name, "one file under two classes of one part")
        left_out = tuple(
            LeftOut(reason, self.counts[reason], tuple(self.odd[reason])) for reason in self.odd
        )
        if not self.pictures:
            why = left_out[0].line() if left_out else "no file named like a picture"
            raise BadInput(f"{root}: no picture to judge: {why}")
        images, files = zip(*self.pictures.values(), strict=True)
        return Smears(
            np.stack(images),
            np.array([CLASS_OF[file.label] for file in files], np.int32),
            tuple(file.part for file in files),
            tuple(file.label for file in files),
            tuple(file.name for file in files),
            tuple(digest for _, digest in self.pictures),
            self.resampled,
            left_out,
        )
