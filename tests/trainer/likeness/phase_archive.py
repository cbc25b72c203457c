"""An archive of phase maps in the layout of the published one."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

BALL_UM, BALL_DN = 9.0, 0.03
PIXEL_UM, WAVELENGTH_UM = 0.139, 0.647


def ball_phase() -> npt.NDArray[np.float32]:
    """Phase (120, 120) of a ball, radians."""
    line = (np.arange(120) - 59.5) * PIXEL_UM
    chord = 2 * np.sqrt(np.clip(BALL_UM**2 / 4 - line[:, None] ** 2 - line**2, 0, None))
    return np.asarray(2 * np.pi / WAVELENGTH_UM * BALL_DN * chord, np.float32)


def write_archive(
    path: Path,
    phase: npt.NDArray[Any],
    name: str = "series.h5",
    attributes: dict[str, float] | None = None,
) -> Path:
    """Two maps of that phase; `attributes` replace the right ones."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for number in (0, 1):
            group = file.create_group(f"qpi_{number}")
            group.create_dataset("phase/raw", data=phase)
            group.attrs["pixel size"] = PIXEL_UM * 1e-6
            group.attrs["wavelength"] = WAVELENGTH_UM * 1e-6
            group.attrs["medium index"] = 1.335
            group.attrs.update(attributes or {})
    with tarfile.open(path, "w:xz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content.getvalue())
        content.seek(0)
        tar.addfile(member, content)
    return path
