"""What the cells of a synthetic mirror look like and how much protein they carry.

Knows one simulated cell at a time: its marker levels, and its four DPC images of 128 x 128 pixels at 0.2 µm in 12-bit
counts, rendered by the simulator in BSCCM's own orientation (left tilts toward +x, top toward -y). Slides and donors
(one a batch) differ in size, index, brightness and staining, fields in focus. Nothing here is evidence about blood.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.bsccm import BSCCM_PX
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.cells import SimulatedObject, WhiteCell, draw_object, marker_row
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import render_object
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.proteins import draw_markers
from phenostream.engine.optics.rendering import seed_sequence
from phenostream.trainer.data.bsccm.layout import ANTIBODIES, ASSUMED_PIXEL_UM, IN_TUBE
from phenostream.trainer.data.bsccm.mirror_census import Census

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U16 = npt.NDArray[np.uint16]

FIELD_PX: Final = 2048
_OBJECTS, _SLIDES, _FIELDS, _NOISE = 40, 41, 42, 43
"""Streams of randomness under the purpose `train`; banks of cells use others."""
_UNIT: Final = 100.0
"""Linear marker level of 1 in the simulator, arbitrary units of the table."""
_AUTOFLUORESCENCE_LOG10: Final = (-0.1, 0.15)
_MEMBERS: Final = {"CD123": 0, "HLA-DR": 0, "CD14": 0, "CD3": 1, "CD19": 1, "CD56": 1}
"""Pool that a single antibody belongs to."""
_MEMBER_SHARE: Final = 1 / 3
_FLOOR_SHARE: Final = 0.005


@dataclass(frozen=True, slots=True)
class Slide:
    """What all cells of one slide share.

    Attributes:
        size: Factor on diameters.
        index: Factor on refractive index differences.
        gains: (4,) counts of the empty field above dark, by shot.
        shading: (4, 5) coefficients of 1, y, x, y² and x² over the field, -1 to 1, by shot.
        stain_log10: (4,) added to the log10 of the marker levels.
    """

    size: float
    index: float
    gains: F64
    shading: F64
    stain_log10: F64


class CellMaker:
    """Cells of one mirror: every one depends on the seed and its own number only."""

    def __init__(self, census: Census, seed: int, preset: Preset) -> None:
        self._census = census
        self._seed = seed
        self._preset = preset
        self._camera = CameraSettings()
        self._optics = Optics()
        self._slides: dict[str, Slide] = {}

    def draw(self, row: int) -> SimulatedObject:
        """The object of one cell, with the offsets of its slide and its field."""
        drawn = draw_object(self._rng(_OBJECTS, row), str(self._census.kind[row]), self._preset)
        slide = self.slide(row)
        cells = tuple(
            replace(
                cell, diameter_um=slide.size * cell.diameter_um, body_dn=slide.index * cell.body_dn
            )
            if isinstance(cell, WhiteCell)
            else cell
            for cell in drawn.cells
        )
        path = [*self._slide_path(row), int(self._census.field[row])]
        focus_um = float(self._rng(_FIELDS, *path).normal(0, 0.4))
        return replace(drawn, cells=cells, defocus_um=drawn.defocus_um + focus_um)

    def shots(self, row: int, shown: SimulatedObject) -> U16:
        """(5, 128, 128) counts: the shots in `SHOTS` order, and a bright field that is their mean."""
        ratio = render_object(shown, ASSUMED_PIXEL_UM, self._optics)
        start = (ratio.shape[-1] - BSCCM_PX) // 2
        middle = slice(start, start + BSCCM_PX)
        slide = self.slide(row)
        light = ratio[:, middle, middle] * slide.gains[:, None, None] * self._shading(row, slide)
        light = np.concatenate([light, light.mean(axis=0, keepdims=True)])
        own = self._camera
        noise = self._rng(_NOISE, row).standard_normal(light.shape, np.float32)
        sd = np.sqrt(light / own.electrons_per_count + own.read_noise_counts**2)
        counts = np.floor(light + sd * noise + own.dark_level + 0.5)
        return np.clip(counts, 0, own.white_level).astype(np.uint16)

    def markers(self, row: int, shown: SimulatedObject) -> F64:
        """(4,) linear levels as the table has them before its floor: only stained pools carry a signal."""
        rng = self._rng(_OBJECTS, row, 1)
        dark = rng.normal(*_AUTOFLUORESCENCE_LOG10, 4)
        signal = self._signal(row, shown)
        signal = np.where(np.isfinite(signal), signal, dark)
        antibodies = ANTIBODIES[self._census.condition[row]]
        stained = np.array(IN_TUBE[antibodies])
        levels = np.where(stained, 10**signal, 10**dark)
        if antibodies in _MEMBERS:
            levels[_MEMBERS[antibodies]] += _MEMBER_SHARE * 10 ** signal[_MEMBERS[antibodies]]
        return np.asarray(_UNIT * levels * 10 ** self.slide(row).stain_log10)

    def _signal(self, row: int, shown: SimulatedObject) -> F64:
        """(4,) log10 levels of what the cell is: which cells are gated wrongly is the census' to say."""
        cell = shown.cells[0]
        if isinstance(cell, WhiteCell) and cell.gate != cell.kind:
            rng = self._rng(_OBJECTS, row, 2)
            levels = draw_markers(rng, cell.kind, cell.diameter_um, cell.maturity)
        else:
            levels = marker_row(cell)
        return levels.astype(np.float64)

    def slide(self, row: int) -> Slide:
        """The slide a cell lies on."""
        name = self._census.data_path(row)
        if name not in self._slides:
            self._slides[name] = self._make_slide(row)
        return self._slides[name]

    def _make_slide(self, row: int) -> Slide:
        rng = self._rng(_SLIDES, *self._slide_path(row))
        donor = self._rng(_SLIDES, int(self._census.batch[row]))
        own = self._camera
        return Slide(
            size=float(1 + donor.normal(0, 0.02) + rng.normal(0, 0.01)),
            index=float(1 + donor.normal(0, 0.02) + rng.normal(0, 0.01)),
            gains=own.background_counts
            * (1 + rng.normal(0, 0.03))
            * (1 + rng.uniform(-own.gain_spread, own.gain_spread, 4)),
            shading=np.column_stack([np.ones(4), rng.normal(0, own.shading_sd, (4, 4))]),
            stain_log10=donor.normal(0, 0.03, 4) + rng.normal(0, 0.03, 4),
        )

    def _shading(self, row: int, slide: Slide) -> F64:
        """(4, 128, 128) at the cell's place in its field."""
        offset = np.arange(BSCCM_PX) - (BSCCM_PX - 1) / 2
        y, x = ((place + offset) / (FIELD_PX / 2) - 1 for place in self._census.in_field_px[row])
        columns, rows = np.meshgrid(x, y)
        terms = np.stack([np.ones_like(rows), rows, columns, rows**2, columns**2])
        return np.tensordot(slide.shading, terms, 1)

    def _slide_path(self, row: int) -> list[int]:
        census = self._census
        return [
            int(census.condition[row]),
            int(census.batch[row]),
            int(census.replicate[row]),
        ]

    def _rng(self, *path: int) -> np.random.Generator:
        return np.random.default_rng(seed_sequence("train", self._seed, *path))


def raise_to_floor(levels: F64, census: Census) -> F64:
    """Marker levels (N, 4) with the low tail of each condition and batch at one value, shared by two cells at least."""
    raised = levels.copy()
    table = census.condition.astype(np.int64) * 2 + census.batch
    for number in np.unique(table):
        rows = np.flatnonzero(table == number)
        if len(rows) > 2:
            lowest = max(2, round(_FLOOR_SHARE * len(rows)))
            floor = np.sort(levels[rows], axis=0)[lowest - 1]
            raised[rows] = np.maximum(levels[rows], floor)
    return raised
