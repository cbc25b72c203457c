"""Simulated cells that should look foreign though they are white: rendered far out of focus.

Red cells, debris and empty places are in every simulated test set already; what else should be refused is here. Drawn
under the purpose `golden`, from objects that no training sees.
"""

from pathlib import Path

from phenostream.engine.optics.presets import PRESETS, Preset
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.data.simulated import FAR_UM, PartSettings, make_cells


def outlier_sets(seed: int, crops: int, cache: Path) -> dict[str, CellSet]:
    """`far_cells` of each preset, by a name that says what was done, for an evaluation's outliers."""
    low, high = FAR_UM
    return {
        f"defocus {low:g} to {high:g} um (rendered), {preset}": far_cells(
            preset, seed, crops, cache
        )
        for preset in PRESETS
    }


def far_cells(preset: Preset, seed: int, crops: int, cache: Path) -> CellSet:
    """White cells 4 to 8 µm from the focal plane, on either side, by the full forward model.

    Args:
        preset: Of everything else about them.
        seed: As of the training's other parts.
        crops: To collect, at least; one object is rendered for three crops.
        cache: Folder for rendered objects and finished parts.
    """
    cells = make_cells(PartSettings("far", preset, seed, max(50, crops // 3), crops), cache)
    return cells.select(cells.white)
