"""Models that should know nothing (SPEC g.4.4): of shuffled targets, of position, of brightness.

Each says beforehand what chance is and what anything better would mean. Those about the shots of the model under
judgement are in `shot_controls`.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from phenostream.engine.errors import BadInput
from phenostream.engine.types import F32, I32, Bool
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.controls.brief_fit import BriefAnswer, Budget, fit_briefly
from phenostream.trainer.evaluation.controls.chance import BALANCED, above_chance, against_chance
from phenostream.trainer.evaluation.controls.judge import Judge
from phenostream.trainer.evaluation.controls.simple_models import F64, Strength, fit_simple
from phenostream.trainer.evaluation.schema.comparisons import Control
from phenostream.trainer.evaluation.schema.figure import Figure

_LEAK_MODEL: Final = Strength(penalty=1e-3, balanced=True)
_LEAST_LEVEL: Final = 1e-3
_TRUE_TARGETS: Final = f"{BALANCED}, true targets"


@dataclass(frozen=True, slots=True)
class _Question:
    """A control before it is run; `otherwise` says what better than chance would mean."""

    name: str
    what: str
    otherwise: str

    def answered(
        self, figures: dict[str, Figure], as_expected: bool | None, verdict: str
    ) -> Control:
        return Control(
            name=self.name,
            what=self.what,
            expected=(
                f"Chance, balanced accuracy 1/3 and r 0; anything better would mean that {self.otherwise}."
            ),
            figures=figures,
            as_expected=as_expected,
            verdict=verdict,
        )


_POSITION: Final = _Question(
    "position only",
    "A cubic of the cell's place in its field; logistic and ridge regression on the training cells.",
    "shading, stage or gating goes with the place, and the model may read the place instead of the cell",
)
_BRIGHTNESS: Final = _Question(
    "brightness only",
    "Logarithms of the four background levels up to the second degree; logistic and ridge regression.",
    "illumination goes with the class, and the model may read the lamp instead of the cell",
)


def shuffled_targets(
    train: CellSet, budget: Budget, judge: Judge, honest: BriefAnswer | None
) -> Control:
    """The network trained as briefly as the ablations, on targets dealt out to other cells.

    Args:
        train: What there is to learn from.
        budget: As of the ablations.
        judge: Of the test cells, whose targets are left alone.
        honest: What the same network learns from the true targets on the same budget; None if it cannot be trained.
    """
    question = _Question(
        "shuffled targets",
        f"Classes and markers dealt out to other training cells, then trained anew: {budget.text()}.",
        "split, labels or code let the answer through, and no other figure here may be believed",
    )
    if honest is None:
        return question.answered({}, None, "Not run: nothing can be learnt from these cells.")
    try:
        answer = fit_briefly(with_shuffled_targets(train, budget.seed), judge.test, budget)
    except BadInput as err:
        return question.answered({}, None, f"Not run: {err}.")
    figures = _figures(judge, answer.called, answer.marker_z)
    as_expected, verdict = against_chance(figures, question.otherwise)
    reference = judge.classes(honest.called).balanced_accuracy
    if reference is not None:
        figures[_TRUE_TARGETS] = reference
        if as_expected and not above_chance(reference):
            as_expected = None
            verdict = "The same training does no better than chance on the true targets either: too short to tell."
    return question.answered(figures, as_expected, verdict)


def position_only(train: CellSet, judge: Judge) -> Control:
    """Class and markers from the cell's place in its field; not run where that is unknown."""
    return _leak(_POSITION, _cubic(train.position), _cubic(judge.test.position), train, judge)


def brightness_only(train: CellSet, judge: Judge) -> Control:
    """Class and markers from the four background levels."""
    features = _levels(train.background), _levels(judge.test.background)
    return _leak(_BRIGHTNESS, *features, train, judge)


def with_shuffled_targets(cells: CellSet, seed: int) -> CellSet:
    """The same crops with kind, markers, masks, floors and truth, as one piece, dealt out to other rows."""
    order = np.random.default_rng([seed, 53]).permutation(len(cells))
    return replace(
        cells,
        kind=cells.kind[order],
        marker_log10=cells.marker_log10[order],
        marker_mask=cells.marker_mask[order],
        censored=cells.censored[order],
        truth=cells.truth[order],
    )


def _leak(question: _Question, learnt: F64, asked: F64, train: CellSet, judge: Judge) -> Control:
    known: Bool = np.asarray(np.isfinite(learnt).all(axis=1))
    if not known.any() or not len(asked) or not np.isfinite(asked).all():
        return question.answered({}, None, "Not run: unknown for these cells.")
    model = fit_simple(learnt[known], train.select(known), _LEAK_MODEL)
    figures = _figures(judge, model.kind(asked), model.marker_log10(asked))
    return question.answered(figures, *against_chance(figures, question.otherwise))


def _figures(judge: Judge, called: I32 | None, levels: F32) -> dict[str, Figure]:
    """Balanced accuracy, and r per marker, as far as they can be given."""
    balanced = judge.classes(called).balanced_accuracy
    figures = {} if balanced is None else {BALANCED: balanced}
    for name, figure in judge.marker_r(levels).items():
        if figure is not None:
            figures[f"r {name}"] = figure
    return figures


def _cubic(position: F32) -> F64:
    y, x = position.astype(np.float64).T / 100
    return np.column_stack([y**i * x**j for i in range(4) for j in range(4 - i) if i + j])


def _levels(background: F32) -> F64:
    logs = np.log(np.maximum(background.astype(np.float64), _LEAST_LEVEL))
    return np.column_stack(
        [logs, *(logs[:, i] * logs[:, j] for i in range(4) for j in range(i, 4))]
    )
