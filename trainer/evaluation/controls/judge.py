"""Judging an answer that is only classes and marker levels: a baseline's, a control's, an ablation's.

The same figures on the same draws for all of them, so that they can be read side by side. Knows test cells; does not
know who answered.
"""

from dataclasses import dataclass

import numpy as np

from phenostream.engine.types import F32, I32, MARKERS
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings, Resamples
from phenostream.trainer.evaluation.figures.classification import class_table, f1s, macro, recalls
from phenostream.trainer.evaluation.figures.moments import PairSums, pearson
from phenostream.trainer.evaluation.schema.figure import Figure

_LEAST_ROWS = 3


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Figures of called classes over the white test cells; each None where they cannot give it."""

    accuracy: Figure | None = None
    balanced_accuracy: Figure | None = None
    macro_f1: Figure | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Test cells and the draws of their fields.

    Attributes:
        test: N cells.
        resamples: Of all of them.
    """

    test: CellSet
    resamples: Resamples

    @classmethod
    def of(cls, test: CellSet, settings: BootstrapSettings) -> "Judge":
        """The same draws as any other judge of the same cells and settings has."""
        return cls(test, Resamples.of(test.group, settings))

    def classes(self, called: I32 | None) -> ClassScores:
        """Figures of called classes (N,); nothing of None."""
        white = self.test.white
        if called is None or not white.any():
            return ClassScores()
        resamples, truth = self.resamples.select(white), self.test.kind[white]
        table = class_table(resamples, truth, called[white])
        return ClassScores(
            accuracy=resamples.share(called[white] == truth),
            balanced_accuracy=resamples.figure(macro(recalls(table), table)),
            macro_f1=resamples.figure(macro(f1s(table), table)),
        )

    def marker_r(self, said: F32) -> dict[str, Figure | None]:
        """Pearson per marker between (N, 4) levels, z or log10, and the log targets; empty where none was said."""
        out: dict[str, Figure | None] = {}
        for marker, name in enumerate(MARKERS):
            valid = self.test.marker_mask[:, marker] & ~self.test.foreign
            predicted = said[valid, marker].astype(np.float64)
            if not np.isfinite(predicted).all() or len(predicted) < _LEAST_ROWS:
                continue
            resamples = self.resamples.select(valid)
            measured = self.test.marker_log10[valid, marker].astype(np.float64)
            out[name] = resamples.figure(pearson(PairSums.of(resamples, predicted, measured)))
        return out

    def change(self, before: I32, after: I32) -> Figure | None:
        """Accuracy of the second call of each white cell minus that of the first, paired."""
        white = self.test.white
        truth = self.test.kind[white]
        gained = (after[white] == truth).astype(np.int8) - (before[white] == truth)
        return self.resamples.select(white).mean(gained)

    def same(self, before: I32, after: I32) -> Figure | None:
        """Share of the white cells whose called class is the same both times."""
        white = self.test.white
        return self.resamples.select(white).share(before[white] == after[white])
