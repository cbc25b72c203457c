"""One study of likeness: real figures read, as many simulated ones made several times over, all measured.

Composes; measures nothing itself. Cells of gates without an agreed class are left out, because no simulated pool could
have their composition.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics.presets import PRESETS, Preset
from phenostream.engine.types import CLASSES, U8
from phenostream.trainer.data.bsccm_figures import read_figures
from phenostream.trainer.data.cell_set import KINDS
from phenostream.trainer.likeness.comparison import Comparison, Spread, compare, spread
from phenostream.trainer.likeness.phase_maps import read_phase_maps
from phenostream.trainer.likeness.phase_statistics import (
    PhaseStatistics,
    drawn_paths,
    measure_paths,
    on_grid,
)
from phenostream.trainer.likeness.simulated_figures import PoolSettings, simulate_figures
from phenostream.trainer.likeness.statistics import PIXEL_UM, SCALARS, measure_pictures

_SHOWN: Final = (*CLASSES, "red")
_LEAST_CELLS: Final = 10
_SMOOTH_SHARE: Final = 18 / 78
"""Of the published figures, the share drawn large and smoothly."""
_DRAWN: Final = 60
"""Drawn cells of each class whose phase is measured."""


@dataclass(frozen=True, slots=True)
class LikenessPlan:
    """What is compared.

    Attributes:
        preset: Of the simulator.
        times: Simulated pictures for each real one, 1 to 50.
        seed: Of everything random.
    """

    preset: Preset = "hard"
    times: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.times <= 50:
            raise BadConfig(f"--times {self.times}: allowed 1 to 50")
        if not 0 <= self.seed < 2**31:
            raise BadConfig(f"--seed {self.seed}: allowed 0 to 2^31 - 1")
        if self.preset not in PRESETS:
            raise BadConfig(f"--preset {self.preset}: allowed {', '.join(PRESETS)}")


@dataclass(frozen=True, slots=True)
class SizeRow:
    """Apparent diameters of one kind, pixels of 0.2 µm."""

    name: str
    cells: int
    real: Spread
    synthetic: Spread


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What was found.

    Attributes:
        plan: What was asked.
        left_out: Rows of the real folder that could not be used, one line for each reason, and cells without a class.
        comparison: Of the pools.
        sizes: By kind.
        real: Pictures, each (128, 128).
        synthetic: Likewise, simulated.
    """

    plan: LikenessPlan
    left_out: tuple[str, ...]
    comparison: Comparison
    sizes: tuple[SizeRow, ...]
    real: list[U8]
    synthetic: list[U8]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, without the pictures."""
        return {
            **asdict(self.plan),
            "left_out": list(self.left_out),
            **self.comparison.as_dict(),
            "apparent_diameter_px": [asdict(row) for row in self.sizes],
        }


@dataclass(frozen=True, slots=True, eq=False)
class PhaseStudy:
    """Measured phase beside drawn phase.

    Attributes:
        wavelength_um: At which the real one was measured.
        paths: Real maps on the objects' grid, (N, n, n) µm.
        drawn: By class, of as many drawn cells each.
        statistics: By column of the table: `real`, then the classes.
    """

    wavelength_um: float
    paths: Any
    drawn: dict[str, Any]
    statistics: dict[str, PhaseStatistics]


def real_cells(root: Path) -> tuple[list[U8], list[str], tuple[str, ...]]:
    """Pictures of the cells whose kind is known, the kinds, and what was left out.

    Raises:
        BadInput: The folder cannot be read, or holds too few such cells to compare.
    """
    found = read_figures(root)
    chosen = [index for index, kind in enumerate(found.kind) if kind >= 0]
    kinds = [KINDS[found.kind[index]] for index in chosen]
    if min(len(chosen), len([kind for kind in kinds if kind in CLASSES])) < _LEAST_CELLS:
        raise BadInput(f"{root}: {len(chosen)} cells of known kind, need {_LEAST_CELLS} white ones")  # fmt: skip
    without = len(found) - len(chosen)
    left_out = (*found.left_out, *([f"{without} cells of gates without a class"] * bool(without)))
    return [found.images[index] for index in chosen], kinds, left_out


def study_likeness(
    root: Path, plan: LikenessPlan, on_object: Callable[[], object] = lambda: None
) -> Likeness:
    """Read, simulate, measure and compare.

    Args:
        root: Folder of real figures.
        plan: What to compare.
        on_object: Called after each simulated object.

    Raises:
        BadInput: As `real_cells`.
    """
    real, kinds, left_out = real_cells(root)
    settings = PoolSettings(plan.preset, plan.seed, composition(kinds, plan.times), _SMOOTH_SHARE)
    synthetic, simulated_kinds = simulate_figures(settings, on_object)
    measured = measure_pictures(real), measure_pictures(synthetic)
    size = SCALARS.index("diameter_um")
    across = [one.scalars[:, size] / np.float32(PIXEL_UM) for one in measured]
    names = [np.array(kinds), np.array(simulated_kinds)]
    sizes = tuple(
        SizeRow(name, kinds.count(name), *(spread(a[n == name]) for a, n in zip(across, names, strict=True)))
        for name in _SHOWN
        if name in kinds
    )  # fmt: skip
    return Likeness(plan, left_out, compare(*measured, plan.seed), sizes, real, synthetic)


def composition(kinds: list[str], times: int) -> tuple[tuple[str, int], ...]:
    """Number of simulated cells of each kind: that of the real ones, so many times over."""
    return tuple((name, times * kinds.count(name)) for name in _SHOWN if name in kinds)


def study_phase(archive: Path, plan: LikenessPlan) -> PhaseStudy:
    """Read the maps and measure them and drawn white cells alike.

    Raises:
        BadInput: As `read_phase_maps`.
        ImportError: Likewise.
    """
    maps = read_phase_maps(archive)
    paths = on_grid(maps)
    drawn = {name: drawn_paths(plan.preset, name, _DRAWN, plan.seed) for name in CLASSES}
    columns = {"real": measure_paths(paths)}
    columns |= {name: measure_paths(own) for name, own in drawn.items()}
    return PhaseStudy(maps.wavelength_um, paths, drawn, columns)
