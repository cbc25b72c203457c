"""How well what is no white cell is told from white cells, per kind, by the score and by the reject head (SPEC g.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from phenostream.engine.manifest import Calibration
from phenostream.engine.types import CLASSES, F32, I32, Bool, Outputs
from phenostream.trainer.evaluation.figures import ranks
from phenostream.trainer.evaluation.figures.bootstrap import Resamples
from phenostream.trainer.evaluation.schema.performance import OutlierKind, Outliers, ScoreFigures
from phenostream.trainer.evaluation.served import serve


@dataclass(frozen=True, slots=True)
class Scored:
    """One score of N cells, and what the bundle's own threshold makes of it."""

    score: F32
    beyond: Bool

    def select(self, chosen: Bool) -> "Scored":
        """Of some of the cells."""
        return Scored(self.score[chosen], self.beyond[chosen])


@dataclass(frozen=True, slots=True)
class ScoredCells:
    """N cells with what the model says against them.

    Attributes:
        resamples: Of them.
        ood: By `ood_score`; None of a model without one.
        reject: By `reject_probability`; None of a model without a reject head.
    """

    resamples: Resamples
    ood: Scored | None
    reject: Scored | None

    @classmethod
    def of(cls, resamples: Resamples, outputs: Outputs, calibration: Calibration) -> "ScoredCells":
        """From a model's outputs."""
        served = serve(outputs, calibration)
        return cls(
            resamples,
            None if served.flagged is None else Scored(outputs.ood_score, served.flagged),
            None
            if served.rejected is None
            else Scored(outputs.reject_probability, served.rejected),
        )

    def __len__(self) -> int:
        return len(self.resamples)

    def select(self, chosen: Bool) -> "ScoredCells":
        """Some of the cells."""
        return ScoredCells(
            self.resamples.select(chosen),
            None if self.ood is None else self.ood.select(chosen),
            None if self.reject is None else self.reject.select(chosen),
        )


def judge_outliers(
    white: ScoredCells,
    label: I32,
    kinds: Mapping[str, ScoredCells],
    together: ScoredCells,
) -> Outliers:
    """The section.

    Args:
        white: White test cells.
        label: (N,) their class.
        kinds: What should be refused, by kind.
        together: All of the test that should be refused; may be none.
    """
    rejected = None if white.reject is None else white.reject.beyond
    by_class = (
        {}
        if rejected is None
        else {
            name: white.resamples.select(label == index).share(rejected[label == index])
            for index, name in enumerate(CLASSES)
        }
    )
    return Outliers(
        white_flagged=None if white.ood is None else white.resamples.share(white.ood.beyond),
        white_rejected=None if rejected is None else white.resamples.share(rejected),
        rejected_by_class=by_class,
        kinds=tuple(_judge(name, white, cells) for name, cells in kinds.items() if len(cells)),
        together=_judge("red, debris, empty", white, together) if len(together) else None,
    )


def _judge(name: str, white: ScoredCells, cells: ScoredCells) -> OutlierKind:
    beyond = [score.beyond for score in (cells.ood, cells.reject) if score is not None]
    return OutlierKind(
        name=name,
        n=len(cells),
        ood=_judge_score(white.resamples, white.ood, cells.resamples, cells.ood),
        reject=_judge_score(white.resamples, white.reject, cells.resamples, cells.reject),
        caught=cells.resamples.share(np.logical_or.reduce(beyond)) if beyond else None,
    )


def _judge_score(
    white: Resamples, negative: Scored | None, cells: Resamples, positive: Scored | None
) -> ScoreFigures | None:
    if negative is None or positive is None:
        return None
    pair = (white, negative.score), (cells, positive.score)
    area = cells.figure(ranks.auroc(*pair))
    passing = cells.figure(ranks.false_pass_rate(*pair), share=True)
    above = cells.share(positive.beyond)
    curve = ranks.roc(
        np.concatenate([negative.score, positive.score]),
        np.arange(len(negative.score) + len(positive.score)) >= len(negative.score),
    )
    if area is None or passing is None or above is None or curve is None:
        return None
    return ScoreFigures(auroc=area, fpr95=passing, above_threshold=above, roc=curve)
