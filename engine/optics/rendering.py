"""A bank of rendered cells: small four-shot ratio images with their truth, made once and pasted many times.

Knows which objects a bank holds and what it is keyed by; knows neither frames nor files. Randomness is split by purpose
before anything else, so a bank for training and a bank for `simulate` share no object even at the same seed.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import lru_cache
from types import ModuleType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics.cells import (
    SimulatedObject,
    draw_object,
    gate_index,
    kind_index,
    marker_row,
    truth_row,
)
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.patch import GRID, patch_shape, render_object
from phenostream.engine.optics.presets import KIND_MIX, PRESETS, RANGES, Preset
from phenostream.engine.types import CLASSES

F32 = npt.NDArray[np.float32]
Purpose = Literal["train", "simulate", "golden"]
PURPOSES: Final[tuple[Purpose, ...]] = ("train", "simulate", "golden")
CODE_VERSION: Final = 8
"""Raise it whenever equal parameters would give other pixels or columns: cached banks of other versions are ignored."""


def _quietly() -> None:
    """What happens after each object when nobody watches."""


@dataclass(frozen=True, slots=True)
class BankSpec:
    """What a bank holds; two equal specs give the same bytes.

    Attributes:
        seed: Any number from 0.
        n: Objects (a pair is one object with two cells).
        preset: Ranges of the cells.
        purpose: Splits the seeds: `train`, `simulate` or `golden`.
        pixel_size_um: Camera pixel at the sample, 0.05 to 2 µm.
        kind_mix: Shares of white cells, red cells and debris.
        white_mix: Shares of the classes among white cells; None takes the preset's.
        far_um: Least and greatest distance from the focal plane, µm, on either side; None takes the preset's range.
        optics: The microscope.
    """

    seed: int
    n: int
    preset: Preset = "hard"
    purpose: Purpose = "simulate"
    pixel_size_um: float = 0.1715
    kind_mix: tuple[float, float, float] = (
        KIND_MIX["white"],
        KIND_MIX["red"],
        KIND_MIX["debris"],
    )
    white_mix: tuple[float, float, float] | None = None
    far_um: tuple[float, float] | None = None
    optics: Optics = field(default_factory=Optics)

    def __post_init__(self) -> None:
        if self.seed < 0 or self.n < 1:
            raise BadConfig(f"bank seed {self.seed}, n {self.n}: need seed >= 0 and n >= 1")
        if self.preset not in PRESETS:
            raise BadConfig(f"preset {self.preset!r}: need one of {', '.join(PRESETS)}")
        if self.purpose not in PURPOSES:
            raise BadConfig(f"purpose {self.purpose!r}: need one of {', '.join(PURPOSES)}")
        if not 0.05 <= self.pixel_size_um <= 2.0:
            raise BadConfig(f"pixel_size_um {self.pixel_size_um}: need 0.05..2")
        if self.far_um is not None and not 0 <= self.far_um[0] <= self.far_um[1] <= 50:
            raise BadConfig(f"far_um {self.far_um}: need 0 <= least <= greatest <= 50")

    @property
    def key(self) -> str:
        """Name of the bank in a cache: a digest of every parameter and of the code's version."""
        text = json.dumps([CODE_VERSION, asdict(self), asdict(GRID)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class CellBank:
    """Rendered objects and the truth of their cells; K objects, M >= K cells.

    Attributes:
        spec: What it was made from.
        patches: (K, 4, P, P) float32, I / I0, exactly 1 at the border.
        object_kind: (K,) int8, kind of the object's first cell (index in `cells.KINDS`).
        cell_object: (M,) int32, which object a cell is in, ascending.
        kind: (M,) int8, index in `cells.KINDS`; below 3 it is the class.
        gate: (M,) int8, likewise, what the gates call the cell.
        y_um: (M,) float32, the cell's centre from the patch's, down.
        x_um: (M,) float32, to the right.
        diameter_um: (M,) float32, of the settled outline.
        markers: (M, 4) float32, log10, NaN for what is no white cell.
        truth: (M, 2) float32, ln(diameter² / µm²) in suspension and maturity, as `cells.truth_row` has them.
        defocus_um: (K,) float32.
    """

    spec: BankSpec
    patches: F32
    object_kind: npt.NDArray[np.int8]
    cell_object: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int8]
    gate: npt.NDArray[np.int8]
    y_um: F32
    x_um: F32
    diameter_um: F32
    markers: F32
    truth: F32
    defocus_um: F32

    def __len__(self) -> int:
        return len(self.patches)


def render_bank(
    spec: BankSpec, on_object: Callable[[], object] = _quietly, xp: ModuleType = np
) -> CellBank:
    """Draw and image every object of a spec (about 20 ms each on one core at 0.1715 µm/px).

    Args:
        spec: What the bank holds.
        on_object: Called after each object, for a progress bar.
        xp: Array namespace that renders, numpy or torch: patches differ by rounding, nothing else does.
    """
    shown = [draw_spec_object(spec, index) for index in range(spec.n)]
    patches = np.empty((spec.n, *patch_shape(spec.pixel_size_um)), np.float32)
    for patch, one in zip(patches, shown, strict=True):
        patch[:] = _at_half_precision(render_object(one, spec.pixel_size_um, spec.optics, xp))
        on_object()
    cells = [(index, cell) for index, s in enumerate(shown) for cell in s.cells]
    return CellBank(
        spec=spec,
        patches=patches,
        object_kind=np.array([kind_index(s.cells[0]) for s in shown], np.int8),
        cell_object=np.array([index for index, _ in cells], np.int32),
        kind=np.array([kind_index(cell) for _, cell in cells], np.int8),
        gate=np.array([gate_index(cell) for _, cell in cells], np.int8),
        y_um=np.array([cell.y_um for _, cell in cells], np.float32),
        x_um=np.array([cell.x_um for _, cell in cells], np.float32),
        diameter_um=np.array([cell.footprint_um for _, cell in cells], np.float32),
        markers=np.stack([marker_row(cell) for _, cell in cells]),
        truth=np.stack([truth_row(cell) for _, cell in cells]),
        defocus_um=np.array([s.defocus_um for s in shown], np.float32),
    )


def pack_bank(bank: CellBank) -> dict[str, npt.NDArray[Any]]:
    """The columns of a bank as they are kept: patches as float16 departures from 1, by which nothing is lost."""
    columns = {f.name: getattr(bank, f.name) for f in fields(bank) if f.name != "spec"}
    columns["patches"] = (bank.patches - 1).astype(np.float16)
    return columns


def unpack_bank(spec: BankSpec, columns: Mapping[str, npt.NDArray[Any]]) -> CellBank:
    """The bank that `pack_bank` was given.

    Raises:
        BadInput: A column is missing, or they are not of this spec.
    """
    missing = {f.name for f in fields(CellBank)} - {"spec"} - set(columns)
    if missing:
        raise BadInput(f"bank: column {min(missing)} is missing")
    patches: F32 = columns["patches"].astype(np.float32) + np.float32(1)
    if len(patches) != spec.n or len(columns["kind"]) != len(columns["cell_object"]):
        raise BadInput(f"bank: {len(patches)} objects, expected {spec.n}")
    rest = {name: column for name, column in columns.items() if name != "patches"}
    return CellBank(spec=spec, patches=patches, **rest)


def draw_spec_object(spec: BankSpec, index: int) -> SimulatedObject:
    """Parameters of one object of a bank, without rendering it."""
    kinds = _kinds(spec)
    rng = _rng(spec, 1, index)
    partner = None
    if kinds[index] in CLASSES and rng.random() < _pair_share(spec):
        names, shares = zip(*_shares(spec).items(), strict=True)
        partner = str(rng.choice(names[:4], p=np.array(shares[:4]) / sum(shares[:4])))
    shown = draw_object(rng, kinds[index], spec.preset, partner)
    if spec.far_um is None:
        return shown
    side = _rng(spec, 2, index)
    return replace(shown, defocus_um=float(side.choice((-1, 1)) * side.uniform(*spec.far_um)))


def seed_sequence(purpose: Purpose, seed: int, *path: int) -> np.random.SeedSequence:
    """Entropy of one use: the purpose comes first, so that no two purposes ever share a stream."""
    return np.random.SeedSequence([PURPOSES.index(purpose) + 1, seed, *path])


def _rng(spec: BankSpec, *path: int) -> np.random.Generator:
    return np.random.default_rng(seed_sequence(spec.purpose, spec.seed, *path))


def _shares(spec: BankSpec) -> dict[str, float]:
    white, red, debris = spec.kind_mix
    mix = RANGES[spec.preset].white_mix if spec.white_mix is None else spec.white_mix
    shares = {name: white * part for name, part in zip(CLASSES, mix, strict=True)}
    return {**shares, "red": red, "debris": debris}


def _pair_share(spec: BankSpec) -> float:
    white = spec.kind_mix[0]
    return min(1.0, RANGES[spec.preset].doublet_share / white) if white else 0.0


@lru_cache(maxsize=8)
def _kinds(spec: BankSpec) -> tuple[str, ...]:
    """Kind of every object: shares rounded to whole objects (largest remainder), in random order."""
    shares = _shares(spec)
    exact = np.array(list(shares.values())) / sum(shares.values()) * spec.n
    counts = np.floor(exact).astype(int)
    for index in np.argsort(counts - exact, kind="stable")[: spec.n - counts.sum()]:
        counts[index] += 1
    kinds = np.repeat(list(shares), counts)
    return tuple(str(kind) for kind in _rng(spec, 0).permutation(kinds))


def _at_half_precision(patches: F32) -> F32:
    """Patches as the cache keeps them (float16 departures from 1), so that a cached bank equals a fresh one."""
    result: F32 = (patches - 1).astype(np.float16).astype(np.float32) + np.float32(1)
    return result
