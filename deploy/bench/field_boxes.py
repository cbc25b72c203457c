"""Reads the boxes of one smear field from its annotation: Pascal VOC, one XML file a picture.

A file may come from anywhere: its size and the number of its boxes are bounded, and a document type, which is where
entities that grow or fetch are declared, is refused before anything of it is used. Corners count pixels from 1 and
belong to the box; here they become borders of pixels from 0, as of the detector's boxes.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import F32

WHITE: Final = "WBC"
"""How the annotation names white cells."""
_MOST_BYTES: Final = 1 << 20
_MOST_BOXES: Final = 2000
_CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class FieldBoxes:
    """The boxes of one field.

    Attributes:
        width: Of the picture that was annotated, pixels; None where the file does not say.
        height: Likewise.
        boxes: By name, (N, 4) float32: left, top, right, bottom as borders of pixels, within the picture.
        dropped: What was left out or cut, one line each.
    """

    width: int | None
    height: int | None
    boxes: dict[str, F32]
    dropped: tuple[str, ...]

    def of(self, name: str) -> F32:
        """Boxes of one name, (N, 4); N may be 0."""
        return self.boxes.get(name, np.zeros((0, 4), np.float32))


def read_boxes(path: Path) -> FieldBoxes:
    """Read one annotation.

    Raises:
        BadInput: Unreadable, too large, not XML, with a document type, not an annotation, or a box without numbers.
    """
    root = _parsed(path)
    if root.tag != "annotation":
        raise BadInput(f"{path.name}: root {root.tag[:40]!r}, expected 'annotation'")
    width, height = (_side(root, name, path) for name in ("width", "height"))
    found: dict[str, list[list[float]]] = {}
    dropped: list[str] = []
    for name, corners in _objects(root, path):
        inside = _inside(corners, width, height)
        said = f"{name} box {', '.join(f'{corner:g}' for corner in corners)}"
        if inside is None:
            dropped.append(f"{said}: no area within the picture, left out")
            continue
        if min(corners) < 0 or inside[2:] != corners[2:]:
            dropped.append(f"{said}: cut at the picture's border")
        found.setdefault(name, []).append(inside)
    boxes = {name: np.array(of_name, np.float32) for name, of_name in sorted(found.items())}
    return FieldBoxes(width, height, boxes, tuple(dropped))


class _NoDocumentType(ElementTree.TreeBuilder):
    """Builds the tree, and stops at a document type before its first declaration."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse."""
        raise BadInput(f"document type {name[:40]!r}: not allowed in an annotation")


def _parsed(path: Path) -> ElementTree.Element:
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except OSError as err:
        raise BadInput(f"{path.name}: {err.strerror}") from err
    if len(text) > _MOST_BYTES:
        raise BadInput(f"{path.name}: more than {_MOST_BYTES} bytes")
    parser = ElementTree.XMLParser(target=_NoDocumentType())  # noqa: S314 - see above
    try:
        parser.feed(text)
        root: ElementTree.Element = parser.close()
    except BadInput as err:
        raise BadInput(f"{path.name}: {err}") from err
    except (ElementTree.ParseError, ValueError, LookupError) as err:
        raise BadInput(f"{path.name}: not XML ({err})") from err
    return root


def _objects(root: ElementTree.Element, path: Path) -> Iterator[tuple[str, list[float]]]:
    """Name and corners of each box, as written."""
    objects = root.findall("object")
    if len(objects) > _MOST_BOXES:
        raise BadInput(f"{path.name}: {len(objects)} boxes, allowed {_MOST_BOXES}")
    for number, one in enumerate(objects):
        name = (one.findtext("name") or "").strip()
        if not name:
            raise BadInput(f"{path.name}: object {number} has no name")
        yield name, [_number(one, f"bndbox/{corner}", path) for corner in _CORNERS]


def _number(element: ElementTree.Element, where: str, path: Path) -> float:
    text = (element.findtext(where) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= 1e6:
        raise BadInput(f"{path.name}: {where} {text[:40]!r}, expected a number of pixels")
    return value


def _side(root: ElementTree.Element, name: str, path: Path) -> int | None:
    """A side of the annotated picture; None where it is not said, or said to be 0 as some tools write."""
    if root.find(f"size/{name}") is None:
        return None
    return int(_number(root, f"size/{name}", path)) or None


def _inside(corners: list[float], width: int | None, height: int | None) -> list[float] | None:
    """The box as borders of pixels, cut at the picture's; None where nothing of it is left."""
    left, top = max(corners[0] - 1, 0.0), max(corners[1] - 1, 0.0)
    right = corners[2] if width is None else min(corners[2], width)
    bottom = corners[3] if height is None else min(corners[3], height)
    # A corner repeated is no cell of one pixel but a slip of the hand: such boxes are in the public set.
    real = right - left > 1 and bottom - top > 1
    return [left, top, right, bottom] if real else None
