"""Rendered cells without noise, a few dozen: what controls, size and perturbations are tried on."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.crop import ring_background
from phenostream.engine.optics.cells import SimulatedObject, WhiteCell, kind_index, marker_row
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import render_object
from phenostream.engine.optics.rendering import BankSpec, draw_spec_object
from phenostream.engine.types import CROP_PX, F32, REDUCED_PIXEL_UM
from phenostream.trainer.data.cell_set import CellSet

_SPEC = BankSpec(
    seed=3, n=64, preset="easy", pixel_size_um=REDUCED_PIXEL_UM, kind_mix=(1.0, 0.0, 0.0)
)


@pytest.fixture(scope="session")
def white_objects() -> list[SimulatedObject]:
    """Single white cells of all classes, parameters only, in focus."""
    drawn = [draw_spec_object(_SPEC, index) for index in range(_SPEC.n)]
    single = [replace(one, defocus_um=0.0) for one in drawn if len(one.cells) == 1]
    return [one for one in single if isinstance(one.cells[0], WhiteCell)]


@pytest.fixture(scope="session")
def white_cells(white_objects: list[SimulatedObject]) -> CellSet:
    """The same, rendered, with a background of 0.4 and their markers; ten cells to a field."""
    images = np.stack([_crop(one) for one in white_objects])
    cells = [one.cells[0] for one in white_objects]
    return CellSet.with_labels(
        images,
        ring_background(images),
        np.array([kind_index(cell) for cell in cells], np.int32),
        np.stack([marker_row(cell) for cell in cells]),
        np.ones((len(cells), 4), np.bool_),
        (np.arange(len(cells)) // 10).astype(np.int32),
    )


@pytest.fixture(scope="session")
def rendered() -> Callable[[SimulatedObject, float], F32]:
    """One object as a crop, at a distance from focus in µm."""
    return _crop


def _crop(one: SimulatedObject, defocus_um: float = 0.0) -> F32:
    """One object as a crop (4, 28, 28) at the reduced pixel, background 0.4."""
    patch = render_object(replace(one, defocus_um=defocus_um), REDUCED_PIXEL_UM, Optics())
    margin = (patch.shape[-1] - CROP_PX) // 2
    crop: F32 = 0.4 * patch[:, margin : margin + CROP_PX, margin : margin + CROP_PX]
    return crop.astype(np.float32)


@pytest.fixture(scope="session")
def cells_by_size() -> CellSet:
    """180 balls of weak phase: size tells the class and marker 0, nothing tells the others; six to a field."""
    rng = np.random.default_rng(11)
    count = 180
    kind = (np.arange(count) % 3).astype(np.int32)
    radius = np.array([3.5, 5.0, 6.5])[kind] + 0.25 * rng.standard_normal(count)
    y, x = np.indices((CROP_PX, CROP_PX)) - (CROP_PX - 1) / 2
    inside = np.maximum(radius[:, None, None] ** 2 - y**2 - x**2, 0)
    slope_y, slope_x = np.gradient(0.5 * np.sqrt(inside), axis=(1, 2))
    contrast = 0.4 * np.stack([-slope_x, slope_x, slope_y, -slope_y], axis=1)
    images = 0.4 * (1 + contrast) + 0.002 * rng.standard_normal((count, 4, CROP_PX, CROP_PX))
    markers = rng.standard_normal((count, 4)).astype(np.float32)
    markers[:, 0] = np.log10(radius)
    return CellSet.with_labels(
        images.astype(np.float32),
        ring_background(images.astype(np.float32)),
        kind,
        markers,
        np.ones((count, 4), np.bool_),
        (np.arange(count) // 6).astype(np.int32),
    )
