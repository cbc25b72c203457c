"""Real quantitative phase maps of a cell: the archive of a published tomographic series, read as optical path.

Knows that archive's files (`series.h5` in a .tar.lzma, one group a direction) and nothing of optics. The file format's
library is imported when it is needed; sizes are bounded before anything is unpacked.
"""

import io
import lzma
import tarfile
from dataclasses import dataclass
from math import pi
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadInput

F32 = npt.NDArray[np.float32]

_SERIES: Final = "series.h5"
_MOST_ARCHIVE: Final = 64 << 20
_MOST_SERIES: Final = 256 << 20
_MOST_MAPS: Final = 2000
_SIDES_PX: Final = (32, 1024)
_KEYS: Final = {
    "pixel size": (1e-8, 2e-6),
    "wavelength": (3e-7, 1.2e-6),
    "medium index": (1.0, 1.6),
}
"""Attributes of a map, with what is allowed; lengths in metres."""


@dataclass(frozen=True, slots=True)
class PhaseMaps:
    """N maps of one cell from as many directions.

    Attributes:
        path_um: (N, H, W) float32, optical path over the medium, µm.
        pixel_um: At the sample.
        wavelength_um: At which it was measured.
        medium_index: Refractive index around the cell.
    """

    path_um: F32
    pixel_um: float
    wavelength_um: float
    medium_index: float

    def __len__(self) -> int:
        return len(self.path_um)


def read_phase_maps(archive: Path) -> PhaseMaps:
    """The maps of an archive, in the order of their numbers.

    Raises:
        BadInput: It cannot be read, holds no series, or the series is not of this layout.
        ImportError: The library of the format is not installed.
    """
    import h5py

    content = _series(archive)
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read(archive, file)
    except (OSError, KeyError, ValueError, TypeError) as err:
        raise BadInput(f"{archive}: {_SERIES}: not a series of phase maps ({err})") from err


def _series(archive: Path) -> bytes:
    """The bytes of `series.h5`, found without unpacking anything to the disk."""
    try:
        if archive.stat().st_size > _MOST_ARCHIVE:
            raise BadInput(f"{archive}: {archive.stat().st_size} bytes, allowed {_MOST_ARCHIVE}")
        with lzma.open(archive) as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
            for member in tar:
                if member.isfile() and Path(member.name).name == _SERIES:
                    return _content(archive, tar, member)
    except OSError as err:
        raise BadInput(f"{archive}: {err.strerror or err}") from err
    except (lzma.LZMAError, tarfile.TarError, EOFError) as err:
        raise BadInput(f"{archive}: not a .tar.lzma archive ({err})") from err
    raise BadInput(f"{archive}: holds no {_SERIES}")


def _content(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _MOST_SERIES:
        raise BadInput(f"{archive}: {_SERIES} of {member.size} bytes, allowed {_MOST_SERIES}")
    file = tar.extractfile(member)
    return b"" if file is None else file.read(_MOST_SERIES)


def _read(archive: Path, file: Any) -> PhaseMaps:
    names = sorted(
        (name for name in file if name.startswith("qpi_") and name[4:].isdecimal()),
        key=lambda name: int(name[4:]),
    )
    if not 1 <= len(names) <= _MOST_MAPS:
        raise BadInput(f"{archive}: {len(names)} maps, allowed 1 to {_MOST_MAPS}")
    found = {key: _attribute(archive, file[names[0]], key) for key in _KEYS}
    maps = []
    for name in names:
        raw = file[name]["phase"]["raw"]
        if raw.shape != file[names[0]]["phase"]["raw"].shape or not all(
            _SIDES_PX[0] <= side <= _SIDES_PX[1] for side in raw.shape
        ):
            allowed = f"need {_SIDES_PX[0]} to {_SIDES_PX[1]} px, all alike"
            raise BadInput(f"{archive}: {name} of {raw.shape}: {allowed}")
        maps.append(np.asarray(raw, np.float32))
    phase = np.stack(maps)
    if not np.isfinite(phase).all():
        raise BadInput(f"{archive}: a phase is not finite")
    return PhaseMaps(
        path_um=phase * np.float32(found["wavelength"] * 1e6 / (2 * pi)),
        pixel_um=found["pixel size"] * 1e6,
        wavelength_um=found["wavelength"] * 1e6,
        medium_index=found["medium index"],
    )


def _attribute(archive: Path, group: Any, key: str) -> float:
    low, high = _KEYS[key]
    value = float(group.attrs[key])
    if not low <= value <= high:
        raise BadInput(f"{archive}: {key} {value}: allowed {low} to {high}")
    return value
