"""Simulated single shots as published figures would show them: drawn, lit, exposed, stretched and cut the same way.

Of each object all four shots are taken; mirrored or turned until they look like DPC_Left they are four pictures of the
same cell lying differently, and one group. Everything is drawn from a seed, and kept in a folder, since each object
takes about 20 ms.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from phenostream.engine.bsccm import BSCCM_PX
from phenostream.engine.errors import BadInput
from phenostream.engine.optics import camera, rendering
from phenostream.engine.optics.camera import SimulatedCamera
from phenostream.engine.optics.cells import KINDS, WhiteCell, draw_object
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import render_object
from phenostream.engine.optics.presets import RANGES, Preset
from phenostream.engine.types import CLASSES, F32, I32, U8
from phenostream.trainer.data.array_file import read_arrays, write_arrays
from phenostream.trainer.data.bsccm_figures import CHANNELS, as_left
from phenostream.trainer.single_shot import cells, sites
from phenostream.trainer.single_shot.cells import SCHOOLS, redrawn
from phenostream.trainer.single_shot.sites import Site, SiteRanges, at_site, draw_site

PIXEL_UM: Final = 0.2
CELLS_PER_SITE: Final = 40
Part = Literal["train", "temperature", "test"]
PARTS: Final[tuple[Part, ...]] = ("train", "temperature", "test")
_FIELD_PX: Final = 512
_COARSE_PX: Final = 98
"""Side of a published picture that was taken without interpolation."""
_FINE_PX: Final = 224
_FAR_PX: Final = (50.0, 80.0)
"""How far the middle of another cell lies from the picture's."""
_PIXEL_SD: Final = 0.02
"""Relative, of the pixel size from picture to picture."""
_OPTICS: Final = Optics(rings=1, per_ring=16)
"""Fewer LEDs than the microscope has: three times as quick, and less different than two defocused cells are."""


@dataclass(frozen=True, slots=True)
class SimulatedShots:
    """4 N pictures of N objects, four in a row for each.

    Attributes:
        planes: (4 N, 128, 128) uint8, as `FigureCells.images`.
        kind: (4 N,) int32, index in `KINDS`: of the cell in the middle.
        group: (4 N,) int32, the object.
        site: (4 N,) int32, which site it was at.
    """

    planes: U8
    kind: I32
    group: I32
    site: I32

    def __len__(self) -> int:
        return len(self.planes)


@dataclass(frozen=True, slots=True)
class ShotSettings:
    """What to draw.

    Attributes:
        part: Its use; no two parts share an object or a site.
        seed: Of everything.
        objects: 5 to 100,000.
        preset: Of the simulator, for the cells.
        mix: Shares of lymphocytes, granulocytes, monocytes, red cells and debris.
        pairs: Share of cells that touch another one.
        schools: Of `SCHOOLS`; each site draws its white cells in one of them, each as often.
        sites: Ranges of the sites.
    """

    part: Part
    seed: int
    objects: int
    preset: Preset = "hard"
    mix: tuple[float, float, float, float, float] = (0.27, 0.27, 0.27, 0.12, 0.07)
    pairs: float = 0.03
    schools: tuple[str, ...] = tuple(SCHOOLS)
    sites: SiteRanges = field(default_factory=SiteRanges)

    def __post_init__(self) -> None:
        if not 5 <= self.objects <= 100_000:
            raise BadInput(f"objects: {self.objects}, allowed 5 to 100000")
        if not self.schools or not set(self.schools) <= set(SCHOOLS):
            raise BadInput(f"schools: {self.schools}, allowed some of {', '.join(SCHOOLS)}")

    @property
    def key(self) -> str:
        """Name in a cache: every parameter, and the code that draws."""
        text = json.dumps([asdict(self), rendering.CODE_VERSION, _code_digest()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """Changes with these files and the preset, so that a cache never outlives the code that made it."""
    files = [Path(str(module.__file__)) for module in (camera, cells, sites)] + [Path(__file__)]
    content = b"".join(file.read_bytes() for file in files) + repr(RANGES).encode()
    return hashlib.sha256(content).hexdigest()


def simulated_shots(
    settings: ShotSettings, cache: Path, on_object: Callable[[], object] = lambda: None
) -> SimulatedShots:
    """The pictures of these settings, from the folder or drawn and put there; a damaged file is drawn again.

    Raises:
        OSError: The folder cannot be written.
    """
    path = cache / f"single-shots-{settings.part}-{settings.key}.npz"
    names = tuple(SimulatedShots.__dataclass_fields__)
    try:
        return SimulatedShots(**read_arrays(path, names))
    except BadInput:
        made = _draw(settings, on_object)
        cache.mkdir(parents=True, exist_ok=True)
        write_arrays(path, {name: getattr(made, name) for name in names})
        return made


def _draw(settings: ShotSettings, on_object: Callable[[], object]) -> SimulatedShots:
    count = settings.objects
    planes = np.empty((count, len(CHANNELS), BSCCM_PX, BSCCM_PX), np.uint8)
    kind, site = np.empty(count, np.int32), np.arange(count, dtype=np.int32) // CELLS_PER_SITE
    for number in range(int(site[-1]) + 1):
        rng = np.random.default_rng([PARTS.index(settings.part) + 1, settings.seed, number])
        photographer = _Photographer(draw_site(rng, settings.sites), settings, rng)
        for row in np.flatnonzero(site == number):
            kind[row] = rng.choice(len(KINDS), p=np.array(settings.mix) / sum(settings.mix))
            planes[row] = photographer.take(KINDS[kind[row]])
            on_object()
    shots = len(CHANNELS)
    return SimulatedShots(
        planes.reshape(-1, BSCCM_PX, BSCCM_PX),
        np.repeat(kind, shots),
        np.repeat(np.arange(count, dtype=np.int32), shots),
        np.repeat(site, shots),
    )


class _Photographer:
    """Takes the pictures of one site."""

    def __init__(self, site: Site, settings: ShotSettings, rng: np.random.Generator) -> None:
        self._site, self._settings, self._rng = site, settings, rng
        run = RANGES[settings.preset].run
        self._camera = SimulatedCamera(site.camera, (_FIELD_PX, _FIELD_PX), PIXEL_UM, rng, run)
        self._school = SCHOOLS[str(rng.choice(settings.schools))]
        self._before: F32 | None = None

    def take(self, kind: str) -> U8:
        """Four pictures (4, 128, 128) of a new object, each as DPC_Left."""
        rng = self._rng
        partner = str(rng.choice(KINDS[:4])) if self._is_paired(kind) else None
        shown = draw_object(rng, kind, self._settings.preset, partner)
        school = self._school
        if school is not None:
            own = [redrawn(c, school, rng) if isinstance(c, WhiteCell) else c for c in shown.cells]
            shown = replace(shown, cells=tuple(own))
        shown = at_site(shown, self._site, rng)
        light = render_object(shown, PIXEL_UM, _OPTICS)
        alone = light
        if self._before is not None and rng.random() < self._site.crowding:
            light = light * _far_off(self._before, rng)
        self._before = alone
        counts = self._expose(_cut(light, self._site.off_centre_px, rng))
        pictures = [
            self._publish(as_left(_stretched(shot), channel))
            for shot, channel in zip(counts, CHANNELS, strict=True)
        ]
        return np.stack(pictures)

    def _is_paired(self, kind: str) -> bool:
        return kind in CLASSES and self._rng.random() < self._settings.pairs

    def _expose(self, light: F32) -> npt.NDArray[np.uint16]:
        y, x = self._rng.integers(0, _FIELD_PX - BSCCM_PX, 2)
        base = self._camera.base[:, y : y + BSCCM_PX, x : x + BSCCM_PX]
        return self._camera.expose((base * light).astype(np.float32), self._rng)

    def _publish(self, plane: U8) -> U8:
        """At a pixel a little off, and as large as the site's figures are."""
        size = 1 + _PIXEL_SD * np.clip(self._rng.standard_normal(), -2.5, 2.5)
        kept = min(BSCCM_PX, round(BSCCM_PX * size))
        margin = (BSCCM_PX - kept) // 2
        plane = plane[margin : margin + kept, margin : margin + kept]
        if self._site.coarse:
            there = _resized(plane, _COARSE_PX, cv2.INTER_NEAREST)
            return _resized(there, BSCCM_PX, cv2.INTER_LINEAR)
        return _resized(_resized(plane, _FINE_PX, cv2.INTER_LINEAR), BSCCM_PX, cv2.INTER_AREA)


def _far_off(patch: F32, rng: np.random.Generator) -> F32:
    """A patch moved until it stands in the margin of a picture; 1 beyond its border."""
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(*_FAR_PX)
    move = np.array([[1, 0, reach * np.cos(angle)], [0, 1, reach * np.sin(angle)]], np.float32)
    size = patch.shape[:0:-1]
    return np.stack([cv2.warpAffine(shot, move, size, borderValue=1.0) for shot in patch])


def _cut(light: F32, off_centre_px: float, rng: np.random.Generator) -> F32:
    """The middle 128 px of a patch, a little off."""
    spare = light.shape[-1] - BSCCM_PX
    y, x = np.clip(np.rint(spare / 2 + off_centre_px * rng.standard_normal(2)), 0, spare)
    return light[:, int(y) : int(y) + BSCCM_PX, int(x) : int(x) + BSCCM_PX]


def _stretched(counts: npt.NDArray[np.uint16]) -> U8:
    """The least count black, the greatest white."""
    least, most = float(counts.min()), float(counts.max())
    return ((counts - least) * (255 / max(most - least, 1.0))).astype(np.uint8)


def _resized(plane: U8, side_px: int, how: int) -> U8:
    return np.asarray(cv2.resize(plane, (side_px, side_px), interpolation=how), np.uint8)
