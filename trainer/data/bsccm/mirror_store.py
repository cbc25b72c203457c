"""Writing a zarr v2 directory store as BSCCM has it: groups, one small array a cell, Blosc-compressed chunks.

Knows files; not what is in them. Chunks that are not written stay at the fill value, 0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_COMPRESSOR: Final = {"id": "blosc", "cname": "zstd", "clevel": 9, "shuffle": 1, "blocksize": 0}
_GROUP: Final = json.dumps({"zarr_format": 2}) + "\n"


@dataclass(frozen=True, slots=True)
class StoredArray:
    """Shape, chunks and type of an array in the store."""

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: str


def write_group(folder: Path) -> None:
    """Make a folder a group, unless it is one."""
    path = folder / ".zgroup"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(_GROUP)


def write_array(folder: Path, array: StoredArray, planes: Mapping[int, npt.NDArray[Any]]) -> None:
    """Write an array and some of its planes.

    Args:
        folder: Of the array.
        array: Its layout; a chunk is one plane deep and may be larger than a plane, then the rest of it is 0.
        planes: Planes by their number along the first axis, each (H, W).
    """
    from numcodecs import Blosc

    folder.mkdir(parents=True)
    (folder / ".zarray").write_text(json.dumps(_described(array), indent=4) + "\n")
    codec = Blosc(cname="zstd", clevel=9, shuffle=Blosc.SHUFFLE)
    for number, plane in planes.items():
        chunk = np.zeros(array.chunks, array.dtype)
        height, width = array.shape[-2:]
        chunk[0, :height, :width] = plane
        name = ".".join(str(part) for part in (number, *(0,) * (len(array.shape) - 1)))
        (folder / name).write_bytes(codec.encode(chunk))


def _described(array: StoredArray) -> dict[str, Any]:
    return {
        "chunks": list(array.chunks),
        "compressor": _COMPRESSOR,
        "dtype": array.dtype,
        "fill_value": 0 if array.dtype != "<f4" else 0.0,
        "filters": None,
        "order": "C",
        "shape": list(array.shape),
        "zarr_format": 2,
    }
