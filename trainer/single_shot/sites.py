"""How one simulated microscope, slide and blood differ from the next: what a model must not go by.

A site moves the cells of the simulator's preset: its focal plane, textures, indices and sizes are its own; within it,
cells differ as the preset has them, and a little more. Ranges are wide beside what one real microscope would show.
"""

from dataclasses import dataclass, replace

import numpy as np

from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.cells import SimulatedObject, WhiteCell

_FARTHEST_UM = 6.0
_MOST_TEXTURE = 0.4


@dataclass(frozen=True, slots=True)
class SiteRanges:
    """Between which sites differ; a pair is the ends of a uniform range, or mean and sd of a natural logarithm.

    Attributes:
        focus_um: Mean distance of the cells from the focal plane, ends.
        focus_sd_um: Of cells about that mean, ends.
        texture: Factor on the density's texture in nucleus and cytoplasm, logarithm.
        granules: Factor on the index of granules, logarithm.
        index: Factor on the index of all else, logarithm.
        size: Factor on the diameter, logarithm.
        background_counts: Light of the empty field, ends.
        off_centre_px: Sd of a cell's place in its picture, ends.
        crowding: Share of pictures with another cell in the margin, ends.
    """

    focus_um: tuple[float, float] = (-3.5, 3.5)
    focus_sd_um: tuple[float, float] = (0.3, 1.3)
    texture: tuple[float, float] = (0.0, 0.25)
    granules: tuple[float, float] = (0.0, 0.25)
    index: tuple[float, float] = (0.0, 0.1)
    size: tuple[float, float] = (0.0, 0.03)
    background_counts: tuple[float, float] = (900.0, 2200.0)
    off_centre_px: tuple[float, float] = (0.0, 1.6)
    crowding: tuple[float, float] = (0.0, 0.05)


@dataclass(frozen=True, slots=True)
class Site:
    """One draw of the ranges; fields of the same names are explained there.

    Attributes:
        camera: Light of the empty field; what else is wrong with it, the preset draws.
        coarse: Its pictures were published at fewer pixels than the camera's, taken without interpolation.
    """

    focus_um: float
    focus_sd_um: float
    texture: float
    granules: float
    index: float
    size: float
    camera: CameraSettings
    off_centre_px: float
    crowding: float
    coarse: bool


def draw_site(rng: np.random.Generator, ranges: SiteRanges) -> Site:
    """One site."""

    def factor(of: tuple[float, float]) -> float:
        return float(np.exp(rng.normal(*of)))

    return Site(
        focus_um=float(rng.uniform(*ranges.focus_um)),
        focus_sd_um=float(rng.uniform(*ranges.focus_sd_um)),
        texture=factor(ranges.texture),
        granules=factor(ranges.granules),
        index=factor(ranges.index),
        size=factor(ranges.size),
        camera=CameraSettings(
            background_counts=float(rng.uniform(*ranges.background_counts)),
        ),
        off_centre_px=float(rng.uniform(*ranges.off_centre_px)),
        crowding=float(rng.uniform(*ranges.crowding)),
        coarse=bool(rng.random() < 0.5),
    )


def at_site(shown: SimulatedObject, site: Site, rng: np.random.Generator) -> SimulatedObject:
    """The object as that site has it."""
    cells = tuple(
        _moved(cell, site) if isinstance(cell, WhiteCell) else cell for cell in shown.cells
    )
    focus_um = site.focus_um + site.focus_sd_um * rng.standard_normal()
    focus_um = float(np.clip(focus_um, -_FARTHEST_UM, _FARTHEST_UM))
    return replace(shown, cells=cells, defocus_um=focus_um)


def _moved(cell: WhiteCell, site: Site) -> WhiteCell:
    """A white cell under the site's factors."""
    return replace(
        cell,
        diameter_um=cell.diameter_um * site.size,
        body_dn=cell.body_dn * site.index,
        nucleus_dn=cell.nucleus_dn * site.index,
        nucleus_texture=min(_MOST_TEXTURE, cell.nucleus_texture * site.texture),
        body_texture=min(_MOST_TEXTURE, cell.body_texture * site.texture),
        granule_dn=cell.granule_dn * site.granules,
    )
