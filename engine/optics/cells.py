"""Random cells as frozen parameters: white cells with protein levels, red cells, debris, and pairs that touch.

Knows what a cell is (sizes, indices, nucleus, granules, protein levels); does not know grids or light. A cell's fine
structure (texture, places of granules) is drawn from its own `seed`, so that the parameters say everything.
"""

from dataclasses import dataclass, replace
from math import cos, log, pi, sin, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.presets import RANGES, Preset, PresetRanges, Range
from phenostream.engine.optics.proteins import draw_markers
from phenostream.engine.types import CLASSES

KINDS: Final = (*CLASSES, "red", "debris")
"""Kinds of objects; the first three are the classes, with the same index."""
_SIDE, _LIGHT, _GATED = 1, 2, 3
"""Further streams from a cell's own seed: what was added later moves no earlier draw."""
JITTER_UM: Final = 0.343
"""Half width of a cell's random offset from the middle of its patch: half a reduced pixel."""


@dataclass(frozen=True, slots=True)
class WhiteCell:
    """A white cell; ranges and units of the same names are explained in `presets.WhiteRanges`.

    `maturity` is standard normal: it sets a granulocyte's lobes and granules and has a share in its CD16, and means
    nothing in the other classes. `gate` is the class that the gates would name, mostly but not always `kind`: gates are
    drawn on the measured levels (SPEC a.5), so that `markers` are those of a cell of the class `gate`.
    """

    kind: str
    y_um: float
    x_um: float
    seed: int
    diameter_um: float
    height: float
    edge: float
    body_dn: float
    nucleus_dn: float
    nucleus_size: float
    nucleus_texture: float
    body_texture: float
    granules: int
    granule_um: Range
    granule_dn: float
    harmonics: float
    skirt: float
    lobes: int
    maturity: float
    ghost: bool
    markers: tuple[float, float, float, float]
    gate: str
    aspect: float
    angle: float
    foot: float
    nucleus_edge: float
    fine_um: float
    loss_per_um: float

    @property
    def footprint_um(self) -> float:
        """Diameter of the settled cell's outline: volume is kept, height times diameter is the thickness."""
        return self.diameter_um / sqrt(self.height)


@dataclass(frozen=True, slots=True)
class RedCell:
    """A red cell.

    Attributes:
        y_um: Offset of its centre from the object's, down.
        x_um: Likewise to the right.
        seed: Of its outline.
        diameter_um: Diameter of the disc.
        thickness_um: Thickness of its rim.
        hollow: 0 for a dome (a swollen cell), 1 for the full biconcave disc.
        aspect: Length over width of the outline.
        angle: Direction of the longer axis, radians.
        body_dn: Index over the medium.
        loss_per_um: Amplitude absorption of haemoglobin per µm.
        harmonics: Relative sd of the outline's harmonics.
    """

    y_um: float
    x_um: float
    seed: int
    diameter_um: float
    thickness_um: float
    hollow: float
    aspect: float
    angle: float
    body_dn: float
    loss_per_um: float
    harmonics: float

    @property
    def footprint_um(self) -> float:
        """Diameter of the disc of equal area."""
        return self.diameter_um


@dataclass(frozen=True, slots=True)
class Debris:
    """Something that is no whole cell: a fleck, a few of them, or a thin ghost.

    Attributes:
        y_um: Offset of its centre from the object's, down.
        x_um: Likewise to the right.
        seed: Of its parts.
        diameter_um: Overall diameter.
        parts: Number of balls; 0 is a ghost.
        body_dn: Index over the medium.
    """

    y_um: float
    x_um: float
    seed: int
    diameter_um: float
    parts: int
    body_dn: float

    @property
    def footprint_um(self) -> float:
        """Overall diameter."""
        return self.diameter_um


Cell = WhiteCell | RedCell | Debris


@dataclass(frozen=True, slots=True)
class SimulatedObject:
    """What fills one patch: one cell, or two that touch, at one distance from focus.

    Attributes:
        cells: One or two.
        defocus_um: Distance from the focal plane.
        na_inner: Inner edge of the lit annulus of the usual microscope (`Optics`), of which another's follows in
            proportion; None: the microscope's own.
    """

    cells: tuple[Cell, ...]
    defocus_um: float
    na_inner: float | None = None


def kind_index(cell: Cell) -> int:
    """Index of the cell's kind in `KINDS`."""
    if isinstance(cell, WhiteCell):
        return KINDS.index(cell.kind)
    return KINDS.index("red" if isinstance(cell, RedCell) else "debris")


def gate_index(cell: Cell) -> int:
    """Index in `KINDS` of what the gates call the cell; the kind itself where it is no white cell."""
    return KINDS.index(cell.gate) if isinstance(cell, WhiteCell) else kind_index(cell)


def draw_object(
    rng: np.random.Generator, kind: str, preset: Preset, partner: str | None = None
) -> SimulatedObject:
    """One object of a kind; with a partner's kind, a pair that touches, centred between the two."""
    ranges = RANGES[preset]
    defocus_um = _between(rng, ranges.defocus_um)
    dy, dx = rng.uniform(-JITTER_UM, JITTER_UM, 2)
    first = _draw(rng, kind, ranges)
    na_inner = _choice(np.random.default_rng([first.seed, _LIGHT]), ranges.na_inner)
    if partner is None:
        return SimulatedObject((replace(first, y_um=dy, x_um=dx),), defocus_um, na_inner)
    second = _draw(rng, partner, ranges)
    reach = (first.footprint_um + second.footprint_um) / 2 * rng.uniform(0.88, 1.02) / 2
    angle = rng.uniform(0, 2 * pi)
    ay, ax = reach * sin(angle), reach * cos(angle)
    pair = (replace(first, y_um=dy + ay, x_um=dx + ax), replace(second, y_um=dy - ay, x_um=dx - ax))
    return SimulatedObject(pair, defocus_um, na_inner)


def marker_row(cell: Cell) -> npt.NDArray[np.float32]:
    """Protein levels, log10, in `MARKERS` order; NaN where the cell is no white cell."""
    values = cell.markers if isinstance(cell, WhiteCell) else (np.nan,) * 4
    return np.array(values, np.float32)


def truth_row(cell: Cell) -> npt.NDArray[np.float32]:
    """What ties levels to shape: ln(diameter² / µm²) in suspension, and maturity where the levels are a granulocyte's.

    NaN elsewhere.
    """
    if not isinstance(cell, WhiteCell):
        return np.full(2, np.nan, np.float32)
    maturity = cell.maturity if cell.gate == "granulocyte" else np.nan
    return np.array((2 * log(cell.diameter_um), maturity), np.float32)


def _draw(rng: np.random.Generator, kind: str, ranges: PresetRanges) -> Cell:
    if kind == "red":
        return _draw_red(rng, ranges)
    return _draw_debris(rng) if kind == "debris" else _draw_white(rng, kind, ranges)


def _draw_white(rng: np.random.Generator, kind: str, ranges: PresetRanges) -> WhiteCell:
    own = ranges.white[kind]
    mean, sd = own.diameter_um
    diameter_um = mean + sd * float(np.clip(rng.standard_normal(), -2.2, 2.2))
    maturity = float(rng.standard_normal())
    granules = _between(rng, own.granules)
    lobes = 1
    if kind == "granulocyte":
        granules *= 1 + 0.15 * float(np.clip(maturity, -2, 2))
        lobes = int(np.clip(round(3 + 0.9 * maturity), *ranges.lobes))
    levels = draw_markers(rng, kind, diameter_um, maturity)
    seed = int(rng.integers(2**63))
    side = np.random.default_rng([seed, _SIDE])
    gate = _draw_gate(side, kind, ranges.gate_noise)
    if gate != kind:
        levels = draw_markers(np.random.default_rng([seed, _GATED]), gate, diameter_um, maturity)
    a, b, c, d = (float(level) for level in levels)
    return WhiteCell(
        kind=kind,
        y_um=0.0,
        x_um=0.0,
        seed=seed,
        diameter_um=diameter_um,
        height=_between(rng, own.height),
        edge=_between(rng, own.edge),
        body_dn=_between(rng, own.body_dn),
        nucleus_dn=_between(rng, own.nucleus_dn),
        nucleus_size=_between(rng, own.nucleus_size),
        nucleus_texture=_between(rng, own.nucleus_texture),
        body_texture=_between(rng, own.body_texture),
        granules=round(granules),
        granule_um=own.granule_um,
        granule_dn=_between(rng, own.granule_dn),
        harmonics=own.harmonics,
        skirt=_between(rng, own.skirt),
        lobes=lobes,
        maturity=maturity,
        ghost=bool(rng.random() < ranges.ghost_share),
        markers=(a, b, c, d),
        gate=gate,
        aspect=1 + own.aspect * float(side.gamma(1.5, 1 / 1.5)),
        angle=float(side.uniform(0, pi)) if own.aspect else 0.0,
        foot=_between(side, own.foot),
        nucleus_edge=_between(side, own.nucleus_edge),
        fine_um=_between(side, own.fine_um),
        loss_per_um=_between(side, own.loss_per_um),
    )


def _draw_gate(rng: np.random.Generator, kind: str, noise: float) -> str:
    """The class that the gates name: with a chance of `noise` one of the others, either as likely."""
    wrong = rng.random() < noise
    other = str(rng.choice([name for name in CLASSES if name != kind]))
    return other if wrong else kind


def _draw_red(rng: np.random.Generator, ranges: PresetRanges) -> RedCell:
    mean, sd = ranges.red_diameter_um
    return RedCell(
        y_um=0.0,
        x_um=0.0,
        seed=int(rng.integers(2**63)),
        diameter_um=mean + sd * float(np.clip(rng.standard_normal(), -2.2, 2.2)),
        thickness_um=float(rng.uniform(2.0, 2.8)),
        hollow=_between(rng, ranges.red_hollow),
        aspect=float(1 + rng.gamma(1.2, 0.12)),
        angle=float(rng.uniform(0, pi)),
        body_dn=float(rng.uniform(0.045, 0.065)),
        loss_per_um=float(rng.uniform(0.008, 0.016)),
        harmonics=0.03,
    )


def _draw_debris(rng: np.random.Generator) -> Debris:
    is_ghost = rng.random() < 0.25
    return Debris(
        y_um=0.0,
        x_um=0.0,
        seed=int(rng.integers(2**63)),
        diameter_um=float(rng.uniform(4.0, 8.0) if is_ghost else rng.uniform(1.2, 3.6)),
        parts=0 if is_ghost else int(rng.integers(1, 6)),
        body_dn=float(rng.uniform(0.006, 0.014) if is_ghost else rng.uniform(0.02, 0.06)),
    )


def _between(rng: np.random.Generator, ends: Range) -> float:
    return float(rng.uniform(*ends))


def _choice(rng: np.random.Generator, among: tuple[float, ...]) -> float | None:
    return float(rng.choice(among)) if among else None
