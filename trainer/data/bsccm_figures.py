"""Real one-channel cells from published figures of BSCCM: pictures, what they are said to show, and what was left out.

A folder holds `index.csv` (`name`, `channel`, and `cls`, which may stand in `labels.csv` instead) and `png/NAME.png`.
A picture shows 128 camera pixels of 0.2 µm whatever its own size, stretched to 8 bit, so that level and gain are lost.
All are mirrored or turned until they look like DPC_Left: bright edge on the right. A row that cannot be used is left
out and named, never guessed. Knows files; nothing of models.
"""

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from phenostream.engine.bsccm import BSCCM_PX
from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, I32, U8
from phenostream.trainer.data.cell_set import KINDS, UNLABELLED

INDEX: Final = "index.csv"
LABELS: Final = "labels.csv"
PICTURES: Final = "png"
RED_NAME: Final = "rbc"
UNKNOWN: Final = "unknown"
"""A gate whose cells have no agreed class."""
LABEL_KIND: Final = {
    **{name: index for index, name in enumerate(CLASSES)},
    RED_NAME: KINDS.index("red"),
    UNKNOWN: UNLABELLED,
}
"""Labels of the published gates, and the kind of each."""
CHANNELS: Final = ("DPC_Left", "DPC_Right", "DPC_Top", "DPC_Bottom")
SIZES_PX: Final = (64, 1024)
"""Least and greatest side of a picture."""
_LARGEST_TEXT: Final = 16 << 20
_LARGEST_PICTURE: Final = 16 << 20
_ROUGHLY_SQUARE: Final = 1.06
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")


@dataclass(frozen=True, slots=True)
class FigureCells:
    """N labelled real cells, one picture each.

    Attributes:
        names: (N,) as in the index.
        labels: (N,) keys of `LABEL_KIND`.
        images: (N, 128, 128) uint8, 0.2 µm a pixel, all as DPC_Left.
        kind: (N,) int32, index in `KINDS`; `UNLABELLED` for a gate without an agreed class.
        left_out: One line for each reason that rows were not used, with their number and the first name.
        sha256: Of the pictures' pixels and labels.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    images: U8
    kind: I32
    left_out: tuple[str, ...]
    sha256: str

    def __len__(self) -> int:
        return len(self.names)


def read_figures(root: Path) -> FigureCells:
    """The labelled one-channel cells of a folder, in the order of the index.

    Raises:
        BadInput: There is no readable index, or no row of it is a usable cell.
    """
    cells: list[tuple[str, str, U8]] = []
    trouble: dict[str, list[str]] = {}
    seen: set[str] = set()
    for name, channel, label in _rows(root):
        if not label and name.endswith(f"_{channel}"):
            continue  # one of the channels of a cell that nobody gave a class
        found = _cell(root, name, channel, label)
        if isinstance(found, str):
            trouble.setdefault(found, []).append(name)
            continue
        content = hashlib.sha256(found.tobytes()).hexdigest()
        if {name, content} & seen:
            trouble.setdefault("is there twice", []).append(name)
            continue
        seen |= {name, content}
        cells.append((name, label, found))
    left_out = tuple(_told(reason, names) for reason, names in trouble.items())
    if not cells:
        reason = f": {left_out[0]}" if left_out else ""
        raise BadInput(f"{root}: no labelled picture of a cell{reason}")
    names, labels, images = zip(*cells, strict=True)
    stack = np.stack(images)
    digest = hashlib.sha256(stack.tobytes() + "\n".join(labels).encode()).hexdigest()
    kind = np.array([LABEL_KIND[label] for label in labels], np.int32)
    return FigureCells(names, labels, stack, kind, left_out, digest)


def read_shots(root: Path, cell: str) -> U8:
    """The four shots (4, 128, 128) uint8 of a cell of which the folder has all, each as it was taken.

    Args:
        root: As `read_figures`.
        cell: What the names of its pictures begin with, as `quad5`.

    Raises:
        BadInput: A shot is missing or cannot be used.
    """
    shots = []
    for channel in CHANNELS:
        found = _picture(root / PICTURES / f"{cell}_{channel}.png")
        if isinstance(found, str):
            raise BadInput(f"{root}: {cell}_{channel}: {found}")
        shots.append(found)
    return np.stack(shots)


def as_left(image: U8, channel: str) -> U8:
    """A picture (H, W) of any shot, mirrored or turned until its bright edge is on the right, as DPC_Left's is."""
    if channel == "DPC_Right":
        turned = image[:, ::-1]
    elif channel == "DPC_Top":
        turned = np.rot90(image, -1)
    elif channel == "DPC_Bottom":
        turned = np.rot90(image)
    else:
        turned = image
    return np.ascontiguousarray(turned)


def scaled(image: U8) -> U8:
    """A picture of any size as (128, 128): shrunk by areas, enlarged linearly."""
    how = cv2.INTER_AREA if min(image.shape) >= BSCCM_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (BSCCM_PX, BSCCM_PX), interpolation=how), np.uint8)


def _rows(root: Path) -> Iterator[tuple[str, str, str]]:
    """Name, channel and label of every row; an empty label where none is given."""
    index = _table(root / INDEX)
    if "name" not in index[0] or "channel" not in index[0]:
        raise BadInput(f"{root / INDEX}: needs the columns name and channel, found {', '.join(index[0])}")  # fmt: skip
    told: dict[str, str] = {}
    if "cls" not in index[0]:
        if not (root / LABELS).is_file():
            raise BadInput(f"{root / INDEX}: no column cls, and no {LABELS} beside it")
        labels = _table(root / LABELS)
        if not {"name", "cls"} <= set(labels[0]):
            raise BadInput(f"{root / LABELS}: needs the columns name and cls")
        told = {row["name"]: row["cls"] for row in labels}
    for row in index:
        label = row.get("cls", told.get(row["name"], ""))
        yield row["name"].strip(), row["channel"].strip(), label.strip().lower()


def _table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, at least one; columns that a row lacks are empty."""
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_TEXT + 1)
    except OSError as err:
        raise BadInput(f"{path}: {err.strerror or err}; expected the table of the figures") from err
    if len(content) > _LARGEST_TEXT:
        raise BadInput(f"{path}: more than {_LARGEST_TEXT >> 20} MiB")
    try:
        lines = content.decode("utf-8-sig").splitlines()
        reader = csv.DictReader(lines, restval="", strict=True)
        rows = [{key: row[key] or "" for key in reader.fieldnames or ()} for row in reader]
    except (UnicodeDecodeError, csv.Error) as err:
        raise BadInput(f"{path}: not a CSV table: {err}") from err
    if not rows:
        raise BadInput(f"{path}: no rows")
    return rows


def _cell(root: Path, name: str, channel: str, label: str) -> U8 | str:
    """The picture of a row, or why it cannot be used."""
    if not label:
        return "has no label"
    if label not in LABEL_KIND:
        return f"label {label!r} is none of {', '.join(LABEL_KIND)}"[:200]
    if channel not in CHANNELS:
        return f"channel {channel!r} is none of {', '.join(CHANNELS)}"[:200]
    if not _NAME.fullmatch(name):
        return "is no plain file name"
    found = _picture(root / PICTURES / f"{name}.png")
    return found if isinstance(found, str) else as_left(found, channel)


def _picture(path: Path) -> U8 | str:
    """A file as (128, 128), or why it is none."""
    try:
        if path.stat().st_size > _LARGEST_PICTURE:
            return "picture is too large a file"
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return "picture is missing"
    if not _plausible_size(content):
        return f"picture is no PNG of {SIZES_PX[0]} to {SIZES_PX[1]} px"
    plane = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if plane is None:
        return "picture is damaged"
    if plane.dtype != np.uint8:
        return "picture has not 8 bits a pixel"
    if plane.ndim == 3:
        if np.ptp(plane[..., :3], axis=2).any():
            return "picture is in colour: one channel is due"
        plane = plane[..., 0]
    height, width = plane.shape
    if max(height, width) > _ROUGHLY_SQUARE * min(height, width):
        return f"picture is {height} x {width} px: a square is due"
    if not np.ptp(plane):
        return "picture is empty: one grey level"
    return scaled(np.asarray(plane, np.uint8))


def _plausible_size(content: U8) -> bool:
    """A PNG whose header claims a side that is allowed: judged before anything is unpacked."""
    head = content[:24].tobytes()
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n" or head[12:16] != b"IHDR":
        return False
    sides = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    return all(SIZES_PX[0] <= side <= SIZES_PX[1] for side in sides)


def _told(reason: str, names: list[str]) -> str:
    count = Counter(names).total()
    first = names[0][:60]
    return f"{count} left out, {first} first: {reason}" if count > 1 else f"{first}: {reason}"
