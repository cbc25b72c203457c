"""Simulated cells that should look foreign though they are white: rendered far out of focus.

Red cells, debris and empty places are in every simulated test set already; what else should be refused is here. Drawn
under the purpose `golden`, from objects that no training sees.
"""

from pathlib import Path

from phenostream.engine.optics.presets import PRESETS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.data.simulated import FAR_UM, PartSettings, make_cells


def outlier_sets(seed: int, crops: int, cache: Path) -> dict[str, CellSet]:
    """White cells 4 to 8 µm from the focal plane, on either side, by the full forward model; one set per preset.

    Args:
        seed: As of the training's other parts.
        crops: Crops per preset, at least; about two objects are rendered for three crops.
        cache: Folder for rendered objects and finished parts.

    Returns:
        By a name that says what was done, for the evaluation's outliers.
    """
    low, high = FAR_UM
    sets = {}
    for preset in PRESETS:
        part = PartSettings("far", preset, seed, max(50, crops * 2 // 3), crops)
        cells = make_cells(part, cache)
        sets[f"defocus {low:g} to {high:g} um (rendered), {preset}"] = cells.select(cells.white)
    return sets
