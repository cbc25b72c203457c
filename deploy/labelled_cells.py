"""Labelled cells to judge a model on: a recording's with their truth, simulated ones, or those of a file."""

from pathlib import Path
from typing import Final

import numpy as np

from phenostream.deploy.bench.matching import match_frame
from phenostream.deploy.bench.truth import Truth
from phenostream.deploy.site_cells import SiteCells
from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics.presets import PRESETS
from phenostream.engine.types import I32, MARKERS
from phenostream.trainer.data.cell_set import KINDS, UNLABELLED, CellSet, load_cells
from phenostream.trainer.data.simulated import PartSettings, make_cells

SIMULATED: Final = "simulated:"
_CROPS: Final = 1_500
_OBJECTS: Final = 500
_SEED: Final = 9


def with_truth(cells: SiteCells, truth: Truth) -> CellSet:
    """The cells of a recording of one run, each with the kind of the true cell that it shows.

    A cell that shows none, or a white cell of an unknown class, is left without a label.

    Raises:
        BadInput: The recording holds several runs, or frames or pixels that are not the truth's.
    """
    runs = sorted({run for run, _ in cells.frames})
    if len(runs) != 1:
        raise BadInput(f"{truth.source}: the truth is of one run, the recording holds {len(runs)}")
    pixel_um = cells.pixels_um[0]
    if abs(pixel_um / truth.pixel_size_um - 1) > 1e-3:
        raise BadInput(
            f"{truth.source}: the truth has pixel_size_um {truth.pixel_size_um:g}, the recording {pixel_um:g}"
        )
    known = {frame.frame_seq: frame for frame in truth.frames}
    kind: I32 = np.full(len(cells), UNLABELLED, np.int32)
    for place, (_, seq) in enumerate(cells.frames):
        if seq not in known:
            raise BadInput(f"{truth.source}: frame {seq} of the recording is not in the truth")
        rows = np.flatnonzero(cells.frame == place)
        y, x = (axis[rows].astype(np.float64) for axis in (cells.y_px, cells.x_px))
        for found, true, _ in match_frame(known[seq], y, x, pixel_um).pairs:
            name = known[seq].kind[true]
            kind[rows[found]] = KINDS.index(name) if name in KINDS else UNLABELLED
    return labelled(cells, kind)


def labelled(cells: SiteCells, kind: I32) -> CellSet:
    """A recording's cells with these kinds (N,), one field a frame."""
    nothing = np.zeros((len(cells), len(MARKERS)), np.float32)
    crops = cells.crops
    return CellSet.with_labels(
        crops.images, crops.background, kind, nothing, nothing.astype(np.bool_), cells.frame
    )


def named_cells(name: str, cache: Path) -> tuple[CellSet, str, bool]:
    """The cells that ``simulated:PRESET`` or the path of a file of cells names; in words; whether simulated.

    Raises:
        BadConfig: There is no such preset.
        BadInput: The file cannot be used.
    """
    if not name.startswith(SIMULATED):
        cells = load_cells(Path(name))
        return cells, f"cells of {Path(name).name}", bool(np.isfinite(cells.truth).any())
    preset = name.removeprefix(SIMULATED)
    for known in PRESETS:
        if known == preset:
            part = PartSettings("test", known, _SEED, _OBJECTS, _CROPS)
            return make_cells(part, cache), f"synthetic cells, preset {preset}, held out", True
    raise BadConfig(f"--labelled {name}: allowed a file of cells, or simulated:{'|'.join(PRESETS)}")
