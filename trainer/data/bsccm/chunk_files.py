"""Single chunks of a zarr v2 directory store, read strictly: what is not there is an error, never zeros.

zarr gives the fill value for a missing chunk, which would be a black image. Here a chunk that is missing, cut short or
of another size is named. Knows the v2 format as BSCCM uses it (one .zarray beside flat chunk files, Blosc or nothing);
does not know what the arrays mean. Blosc keeps no checksum of its content: a byte altered inside a chunk is found only
if the decompressor stumbles over it.
"""

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput

_LARGEST_METADATA: Final = 1 << 16
_LARGEST_CHUNK: Final = 64 << 20
_DTYPES: Final = ("<u2", "|u1", "<f4")
_BLOSC_HEADER: Final = 16


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """What `.zarray` says.

    Attributes:
        shape: Of the array.
        chunks: Of a chunk; may exceed the shape, a chunk is stored whole.
        dtype: Of a number.
        compressed: Blosc, or not at all.
        separator: Between the numbers in a chunk's name.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str
    compressed: bool
    separator: str

    @property
    def chunk_bytes(self) -> int:
        """Size of a chunk, decompressed."""
        return math.prod(self.chunks) * np.dtype(self.dtype).itemsize


def read_layout(folder: Path) -> ArrayLayout:
    """The layout of the array in a folder.

    Raises:
        BadInput: There is no array, or it is stored in a way that BSCCM does not use.
    """
    path = folder / ".zarray"
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_METADATA)
    except FileNotFoundError as err:
        raise BadInput(f"{folder}: no array there (.zarray is missing)") from err
    try:
        return _parse(text)
    except (ValueError, KeyError, TypeError, RecursionError, BadInput) as err:
        raise BadInput(f"{path}: {' '.join(str(err).split())[:120]}") from err


def read_plane(folder: Path, layout: ArrayLayout, plane: int) -> npt.NDArray[Any]:
    """One plane along the first axis, the part of its chunk that the array has.

    Args:
        folder: Of the array.
        layout: Of the array; chunks are one plane deep and hold the whole plane.
        plane: Which one.

    Returns:
        (H, W) of the array's own type.

    Raises:
        BadInput: The chunk is missing, cut short, or does not hold what the layout says.
    """
    height, width = layout.shape[-2:]
    name = layout.separator.join(str(part) for part in (plane, *(0,) * (len(layout.shape) - 1)))
    path = folder / name
    try:
        stored = path.read_bytes()
    except FileNotFoundError as err:
        raise BadInput(f"{path}: the chunk is missing") from err
    content = _unpacked(stored, layout, path)
    chunk = np.frombuffer(content, layout.dtype).reshape(layout.chunks[-2:])
    return chunk[:height, :width]


def check_planes(layout: ArrayLayout, folder: Path, planes: int) -> None:
    """Check that an array has planes in chunks of one whole plane each.

    Raises:
        BadInput: It has not.
    """
    deep = len(layout.shape) == 3 and layout.shape[0] == planes and layout.chunks[0] == 1
    if not deep or any(
        part < whole for part, whole in zip(layout.chunks[1:], layout.shape[1:], strict=True)
    ):
        raise BadInput(
            f"{folder}: shape {layout.shape} in chunks of {layout.chunks}, allowed {planes} planes, one a chunk"
        )


@lru_cache(maxsize=64)
def _parse(text: bytes) -> ArrayLayout:
    """Almost all arrays of a store have the same text."""
    stated = json.loads(text)
    compressor, separator = stated["compressor"], stated.get("dimension_separator", ".")
    _allow("zarr_format", stated["zarr_format"], (2,))
    _allow("order", stated["order"], ("C",))
    _allow("dtype", stated["dtype"], _DTYPES)
    _allow("filters", stated.get("filters"), (None,))
    _allow("dimension_separator", separator, (".", "/"))
    _allow("compressor", None if compressor is None else compressor["id"], (None, "blosc"))
    shape = tuple(int(part) for part in stated["shape"])
    chunks = tuple(int(part) for part in stated["chunks"])
    layout = ArrayLayout(shape, chunks, stated["dtype"], compressor is not None, separator)
    if len(shape) != len(chunks) or min(shape + chunks, default=0) < 1:
        raise BadInput(f"shape {shape} in chunks of {chunks}")
    if layout.chunk_bytes > _LARGEST_CHUNK:
        raise BadInput(f"chunks of {layout.chunk_bytes} bytes, allowed {_LARGEST_CHUNK}")
    return layout


def _allow(key: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise BadInput(f"{key} {value!r}, allowed {', '.join(map(repr, allowed))}")


def _unpacked(stored: bytes, layout: ArrayLayout, path: Path) -> bytes:
    """The chunk's bytes, as many as the layout says."""
    if layout.compressed:
        stored = _decompressed(stored, layout.chunk_bytes, path)
    _check_size(len(stored), layout.chunk_bytes, path)
    return stored


def _decompressed(stored: bytes, expected: int, path: Path) -> bytes:
    """What Blosc makes of a chunk; what its header claims is judged before anything of that size is taken."""
    from numcodecs import Blosc

    if len(stored) < _BLOSC_HEADER:
        raise BadInput(f"{path}: the chunk is cut short ({len(stored)} bytes)")
    claimed, length = (int.from_bytes(stored[at : at + 4], "little") for at in (4, 12))
    if len(stored) != length:
        raise BadInput(
            f"{path}: the chunk is damaged: {len(stored)} bytes where it claims {length}"
        )
    _check_size(claimed, expected, path)
    try:
        return bytes(Blosc().decode(stored))
    except (RuntimeError, ValueError) as err:
        raise BadInput(f"{path}: the chunk is damaged ({err})") from err


def _check_size(found: int, expected: int, path: Path) -> None:
    if found != expected:
        raise BadInput(f"{path}: the chunk holds {found} bytes, expected {expected}")
