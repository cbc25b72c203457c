"""Smear fields of a folder: each annotation with its picture, one at a time; what cannot be used is named and left out.

Two layouts are read: pictures beside their annotations, and the folders ``Annotations`` and ``JPEGImages``. A picture
goes by the name of its annotation's file. A field is left out, with one line, where its annotation or its picture
cannot be read, the two are not of one size, or the picture has no colour, by which the stain is seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from phenostream.deploy.bench.field_boxes import FieldBoxes, read_boxes
from phenostream.engine.errors import BadInput
from phenostream.engine.types import U8
from phenostream.trainer.data.bccd.pixels import claimed_size

_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
_MOST_BYTES: Final = 32 << 20
_MOST_SIDE: Final = 8192
_LEAST_SIDE: Final = 64
_LEAST_COLOUR: Final = 8
"""A picture whose colours differ by less than this in 99 of 100 pixels has none; stained fields reach 60 and more."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        annotation: Its file; the field goes by its name.
        picture: (H, W, 3) uint8, red, green, blue.
        boxes: What people marked.
        sha256: Of the picture's file.
    """

    annotation: Path
    picture: U8
    boxes: FieldBoxes
    sha256: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A field that could not be used, and why, in one line."""

    name: str
    reason: str


def annotations(folder: Path) -> list[Path]:
    """The annotations of a folder, in the order of their names.

    Raises:
        BadInput: No such folder, or no annotation in it.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder of smear fields")
    inner = folder / "Annotations"
    found = sorted((inner if inner.is_dir() else folder).glob("*.xml"))
    if not found:
        raise BadInput(f"{folder}: no annotations (*.xml, beside their pictures or in Annotations)")
    return found


def read_field(annotation: Path) -> Field | LeftOut:
    """One field, or why it is left out."""
    try:
        boxes = read_boxes(annotation)
        path = _picture_of(annotation)
        content = _content(path)
        picture = _decoded(content, path.name)
    except BadInput as err:
        return LeftOut(annotation.stem, str(err))
    height, width = picture.shape[:2]
    if (boxes.width or width, boxes.height or height) != (width, height):
        said = f"{path.name}: {width} x {height}, its boxes are for {boxes.width} x {boxes.height}"
        return LeftOut(annotation.stem, said)
    if np.quantile(np.ptp(picture, axis=2), 0.99) < _LEAST_COLOUR:
        return LeftOut(annotation.stem, f"{path.name}: a picture without colour")
    return Field(annotation, picture, boxes, sha256(content).hexdigest())


def unannotated(found: list[Path]) -> list[str]:
    """Names of pictures beside the annotations, or in their folder, that no annotation goes with."""
    known = {path.stem for path in found}
    return sorted(
        path.name
        for folder in _picture_folders(found[0])
        for path in _pictures(folder)
        if path.stem not in known
    )


def _picture_folders(annotation: Path) -> list[Path]:
    beside = annotation.parent
    apart = beside.parent / "JPEGImages"
    return [apart, beside] if beside.name == "Annotations" and apart.is_dir() else [beside]


def _pictures(folder: Path) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)


def _picture_of(annotation: Path) -> Path:
    for folder in _picture_folders(annotation):
        for suffix in (*_SUFFIXES, *(suffix.upper() for suffix in _SUFFIXES)):
            path = folder / f"{annotation.stem}{suffix}"
            if path.is_file():
                return path
    raise BadInput(f"{annotation.name}: no picture of that name ({', '.join(_SUFFIXES)})")


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as err:
        raise BadInput(f"{path.name}: {err.strerror}") from err
    if len(content) > _MOST_BYTES:
        raise BadInput(f"{path.name}: more than {_MOST_BYTES} bytes")
    return content


def _decoded(content: bytes, name: str) -> U8:
    """The picture in red, green, blue; a file that is cut short is refused, not filled with grey."""
    try:
        height, width = claimed_size(content)
    except BadInput as err:
        raise BadInput(f"{name}: {err}") from err
    if not all(_LEAST_SIDE <= side <= _MOST_SIDE for side in (width, height)):
        raise BadInput(
            f"{name}: {width} x {height}, allowed {_LEAST_SIDE} to {_MOST_SIDE} pixels a side"
        )
    # As stored: boxes were drawn on what the file holds, whatever a camera said of its own turn.
    how = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    if picture is None:
        raise BadInput(f"{name}: damaged: cannot be decoded")
    return np.ascontiguousarray(picture[..., ::-1])
