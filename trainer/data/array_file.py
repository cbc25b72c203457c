"""Arrays by name in one uncompressed file that appears whole or not at all.

Knows files; not what the arrays mean.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.trainer.written_whole import opened_whole


def write_arrays(path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write one uncompressed `.npz`; a file that is there is replaced.

    Raises:
        OSError: It cannot be written; what was there before is there still, and nothing beside it.
    """
    arrays: dict[str, Any] = dict(columns)
    with opened_whole(path) as file:
        np.savez(file, **arrays)


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """The named arrays of a file of `write_arrays`.

    Raises:
        BadInput: It cannot be read, is damaged, or lacks an array.
    """
    try:
        size = path.stat().st_size  # nothing in it is compressed
        with path.open("rb") as file, ArrayArchive(file, size) as stored:
            return {name: stored.read(name) for name in names}
    except OSError as err:
        raise BadInput(err.strerror or str(err)) from err
