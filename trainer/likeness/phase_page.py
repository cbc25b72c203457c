"""The page's section on phase: a real cell's path beside drawn ones, in numbers and as the light that both give."""

from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import GRID, image_planes
from phenostream.engine.types import CLASSES, U8
from phenostream.trainer.evaluation.pictures import png
from phenostream.trainer.likeness.comparison import spread
from phenostream.trainer.likeness.figures import curve, grid
from phenostream.trainer.likeness.phase_statistics import QUANTITIES, SHARES
from phenostream.trainer.likeness.simulated_figures import picture_of
from phenostream.trainer.likeness.statistics import PIXEL_UM, SIDE_PX
from phenostream.trainer.likeness.study import LikenessPlan, PhaseStudy

F32 = npt.NDArray[np.float32]

_SHOWN: Final = 6
_DEFOCUS_UM: Final = 1.0
_WHITE_UM: Final = 0.4
"""Path that is drawn white."""
_WORDS: Final = {
    "diameter_um": ("diameter, µm", 1),
    "peak_um": ("highest path, µm", 3),
    "integrated_um3": ("path over the area, µm³", 1),
    "mean_dn": ("path over a ball of that diameter, index difference", 4),
    "edge_share": ("edge from 80 to 20 %, share of the radius", 2),
    "fine_share": ("fine structure (0.35 to 0.7 µm) over the peak", 4),
    "coarse_share": ("coarse structure (0.7 to 1.4 µm) over the peak", 4),
}


def phase_section(study: PhaseStudy, plan: LikenessPlan) -> dict[str, Any]:
    """What the template's section on phase needs."""
    columns = list(study.statistics.values())
    rows = [
        (*_WORDS[name], [spread(one.scalars[:, index]) for one in columns])
        for index, name in enumerate(QUANTITIES)
    ]
    names = ["real HL60", *(f"{name}, synthetic" for name in CLASSES)]
    profiles = {
        name: tuple(spread(column) for column in one.profile.T)
        for name, one in zip(names, columns, strict=True)
    }
    labels = ("phase-profile", "share of the radius", "path over the peak")
    return {
        "maps": len(study.paths),
        "wavelength_um": study.wavelength_um,
        "names": names,
        "rows": rows,
        "profile": curve(tuple(float(x) for x in SHARES), profiles, labels),
        "png": png(_picture(study, plan)),
    }


def phase_numbers(study: PhaseStudy) -> dict[str, Any]:
    """Medians by pool and quantity, plain values for JSON and the terminal."""
    return {
        pool: {
            name: float(np.median(found.scalars[:, index])) for index, name in enumerate(QUANTITIES)
        }
        for pool, found in study.statistics.items()
    }


def words(quantity: str) -> str:
    """What one of `QUANTITIES` is."""
    return _WORDS[quantity][0]


def _picture(study: PhaseStudy, plan: LikenessPlan) -> U8:
    """Paths above, the light of each below, real ones left; paths on one scale of grey, 0 to 0.4 µm."""
    chosen = np.linspace(0, len(study.paths) - 1, _SHOWN).astype(int)
    each = _SHOWN // len(CLASSES)
    drawn = [own[index] for own in study.drawn.values() for index in range(each)]
    paths = [*study.paths[chosen], *drawn]
    light = [_light(path, plan, index) for index, path in enumerate(paths)]
    return grid([*map(_grey, paths), *light], columns=len(paths))


def _light(path: F32, plan: LikenessPlan, index: int) -> U8:
    optics = Optics()
    phase = np.asarray(path * (2 * np.pi / optics.wavelength_um), np.float32)
    patch = image_planes((phase, None), _DEFOCUS_UM, PIXEL_UM, optics)
    return picture_of(patch, plan.preset, np.random.default_rng([plan.seed, 8, index]), smooth=True)


def _grey(path: F32) -> U8:
    """A path (n, n) on the objects' grid as a picture of the size and pixel of its light's."""
    side = round(GRID.extent_um / PIXEL_UM)
    scaled = cv2.resize(path, (side, side), interpolation=cv2.INTER_AREA)
    low = (side - SIDE_PX) // 2
    middle = scaled[low : low + SIDE_PX, low : low + SIDE_PX]
    return np.asarray(np.clip(middle / _WHITE_UM * 255, 0, 255), np.uint8)
