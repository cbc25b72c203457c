"""A camera of 128 x 128 pixels of 8 bits, and what it sees."""

from typing import Any

import numpy as np

from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.ingest import Start
from phenostream.engine.types import REDUCED_PIXEL_UM, SHOTS

Image = np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]


def small_start(**changes: Any) -> Start:
    """Its START, with a new run."""
    fields: dict[str, Any] = {
        "run": new_run_id(),
        "instrument": "scope",
        "pixel_size_um": REDUCED_PIXEL_UM,
        "dark_level": 0.0,
        "white_level": 255.0,
        "bit_depth": 8,
        "dtype": "u8",
        "height": 128,
        "width": 128,
        "shots": SHOTS,
        "wavelength_um": 0.53,
        "numerical_aperture": 0.5,
        "synthetic": True,
        "source_utc_ns": 1,
    }
    return Start.model_validate(fields | changes)


def small_frame() -> Image:
    """A grey frame with four small discs that are bright toward the light."""
    y, x = np.mgrid[0:128, 0:128].astype(np.float32)
    slope_x, slope_y = np.zeros_like(x), np.zeros_like(y)
    for cy, cx in ((30, 30), (30, 90), (70, 30), (100, 90)):
        bell = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 30)
        slope_x, slope_y = slope_x + (x - cx) * bell, slope_y + (y - cy) * bell
    noise = np.random.default_rng(1).normal(0, 0.5, (4, 128, 128))
    shots = np.stack([slope_x, -slope_x, -slope_y, slope_y]) * 6 + 120 + noise
    return np.clip(shots, 0, 255).astype(np.uint8)
