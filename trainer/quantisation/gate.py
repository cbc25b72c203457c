"""May an int8 graph go into a bundle? Judged by what a daemon would serve, on cells it was not calibrated on."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from phenostream.engine.errors import EngineFault
from phenostream.engine.manifest import Calibration, JudgedInt8
from phenostream.engine.types import F32, I32, MARKERS, Bool, Outputs
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.served import serve

AGREEMENT: Final = 0.995
"""Share of cells whose class, rejection and flag must stay."""
MARKER_R_LOSS: Final = 0.005
"""How much less a marker's estimate may correlate with its level."""
LEAST_LEVELS: Final = 100
"""Cells with a level of a marker, fewer of which tell nothing of its correlation."""

_PER_MARKER = tuple[float | None, float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Judge:
    """The float32 graph's word on the cells.

    Attributes:
        cells: None of which int8 was calibrated on.
        truth: What the float32 graph says of them.
        calibration: The model's thresholds.
    """

    cells: CellSet
    truth: Outputs
    calibration: Calibration

    def figures(self, runtime: str, found: Outputs) -> JudgedInt8:
        """How far the int8 graph is from the float32 one.

        Args:
            runtime: That said it, with the precision of what is not int8.
            found: What it says of the cells.
        """
        before, after = serve(self.truth, self.calibration), serve(found, self.calibration)
        white = self.cells.white
        return JudgedInt8(
            runtime=runtime,
            class_agreement=_same(before.called[white], after.called[white]),
            rejection_agreement=_same(before.rejected, after.rejected),
            flag_agreement=_same(before.flagged, after.flagged),
            marker_r_loss=self._r_loss(found),
        )

    def _r_loss(self, found: Outputs) -> _PER_MARKER:
        levels, usable = self.cells.marker_log10, self.cells.marker_mask & self.cells.white[:, None]
        one, two, three, four = (
            _less(
                self.truth.marker_z[rows, place], found.marker_z[rows, place], levels[rows, place]
            )
            for place, rows in enumerate(usable.T)
        )
        return one, two, three, four


def refuse(figures: JudgedInt8) -> None:
    """Let pass or raise.

    Raises:
        EngineFault: One line that names every figure outside its limit, and by how much.
    """
    agreements = {
        "class": figures.class_agreement,
        "rejection": figures.rejection_agreement,
        "out-of-distribution flag": figures.flag_agreement,
    }
    faults = [
        f"keeps the {name} of {share:.2%} of the cells, allowed {AGREEMENT:.1%} or more"
        for name, share in agreements.items()
        if not share >= AGREEMENT
    ]
    faults += [
        f"loses {loss:.4f} of the r of {marker}, allowed at most {MARKER_R_LOSS}"
        for marker, loss in zip(MARKERS, figures.marker_r_loss, strict=True)
        if loss is not None and not loss <= MARKER_R_LOSS
    ]
    if faults:
        raise EngineFault(f"int8 is not written: on {figures.runtime} it {'; it '.join(faults)}")


def _same(before: I32 | Bool | None, after: I32 | Bool | None) -> float:
    """Share of equal decisions; all of those that the model does not make."""
    if before is None or after is None or not len(before):
        return 1.0
    return float((before == after).mean())


def _less(truth: F32, found: F32, level: F32) -> float | None:
    """How much lower the second correlation is; None of too few cells, or where one side never varies."""
    if len(level) < LEAST_LEVELS or min(level.std(), truth.std()) == 0:
        return None
    if found.std() == 0:
        return float(np.corrcoef(truth, level)[0, 1])
    return float(np.corrcoef(truth, level)[0, 1] - np.corrcoef(found, level)[0, 1])
