"""The cells an int8 graph is calibrated on, and others it is judged on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from phenostream.engine.array_archive import ArrayArchive
from phenostream.engine.errors import BadInput
from phenostream.trainer.data.cell_set import CellSet, concatenate, load_cells
from phenostream.trainer.data.packed import load_packed
from phenostream.trainer.data.simulated import Part, PartSettings, make_cells
from phenostream.trainer.data.splits import cell_set

SIMULATED: Final = "simulated"
"""Stands for cells made here, where others give a file."""
CALIBRATED: Final = 1024
"""Most cells to fit scales to."""
LEAST_CALIBRATED: Final = 100
LEAST_WHITE: Final = 200
"""Fewer white cells to judge on cannot tell an agreement of 99.5 %."""
_SIMULATED_SEED: Final = 8
"""Of the cells made here. Nothing may be chosen on these; of 6 and 7 something was (docs/measurements/int8.md)."""
_SEED: Final = 6
"""Of how a file's fields are dealt."""
_OBJECTS_PER_CROP: Final = 1 / 3


@dataclass(frozen=True, slots=True)
class QuantisationCells:
    """Cells in two parts that share no field.

    Attributes:
        calibrate: Scales are fitted to these.
        judge: The graph is judged on these.
        calibrated_on: The first, in words.
        judged_on: The second, in words.
        synthetic: Simulated; None where the file does not say.
    """

    calibrate: CellSet
    judge: CellSet
    calibrated_on: str
    judged_on: str
    synthetic: bool | None

    def __post_init__(self) -> None:
        white = int(self.judge.white.sum())
        for what, count, least in (
            ("cells to calibrate int8 on", len(self.calibrate), LEAST_CALIBRATED),
            ("white cells to judge int8 on", white, LEAST_WHITE),
        ):
            if count < least:
                raise BadInput(f"{what}: {count} in {self.calibrated_on}, allowed {least} or more")


def quantisation_cells(data: str, crops: int, cache: Path) -> QuantisationCells:
    """The cells named on the command line.

    Args:
        data: ``simulated``, or a file of `save_cells` or of `phenostream bsccm pack`.
        crops: Simulated crops to judge on, half of either preset; a fifth as many to calibrate on.
        cache: Folder for simulated cells.

    Raises:
        BadInput: The file cannot be used, or holds too few cells.
        BadConfig: `crops` is out of range.
    """
    if data == SIMULATED:
        return _simulated(crops, cache)
    path = Path(data)
    if _is_packed(path):
        packed = load_packed(path)
        whole = cell_set(packed, np.flatnonzero(~packed.conflict).astype(np.int64))
        return _parted(whole, packed.facts.source, packed.facts.synthetic)
    whole = load_cells(path)
    return _parted(whole, f"cells {whole.sha256()[:12]}", None)


def _simulated(crops: int, cache: Path) -> QuantisationCells:
    def part(name: Part, count: int) -> CellSet:
        objects = max(50, round(count * _OBJECTS_PER_CROP))
        return concatenate(
            [
                make_cells(PartSettings(name, preset, _SIMULATED_SEED, objects, count), cache)
                for preset in ("easy", "hard")
            ]
        )

    return QuantisationCells(
        calibrate=_at_most(part("calibrate", max(50, crops // 10)), _SIMULATED_SEED),
        judge=part("test", max(50, crops // 2)),
        calibrated_on="synthetic cells, presets easy and hard",
        judged_on="other synthetic cells, presets easy and hard, held out",
        synthetic=True,
    )


def _parted(whole: CellSet, name: str, synthetic: bool | None) -> QuantisationCells:
    """A fifth of the fields to calibrate on, the rest to judge on; no field in both."""
    said = "synthetic " if synthetic else ""
    fields = np.unique(whole.group)
    drawn = np.random.default_rng(_SEED).permutation(fields)
    few = np.isin(whole.group, drawn[: max(1, len(fields) // 5)])
    return QuantisationCells(
        calibrate=_at_most(whole.select(few), _SEED),
        judge=whole.select(~few),
        calibrated_on=f"{said}{name}, a fifth of its fields",
        judged_on=f"{said}{name}, its other fields",
        synthetic=synthetic,
    )


def _at_most(cells: CellSet, seed: int) -> CellSet:
    order = np.random.default_rng(seed).permutation(len(cells))[:CALIBRATED]
    return cells.select(np.sort(order))


def _is_packed(path: Path) -> bool:
    """Whether a file is one of packed cells, by the names of its arrays.

    Raises:
        BadInput: It is no array file.
    """
    try:
        with path.open("rb") as file, ArrayArchive(file, path.stat().st_size) as stored:
            return "global_index" in stored.sizes
    except (OSError, BadInput) as err:
        raise BadInput(f"{path}: neither a file of cells nor of packed cells ({err})") from err
