"""The few sentences a person reads first, or why there are none (SPEC g.4.1, g.4.3).

A marker is said to be known "beyond class" only where the correlation inside a stated class excludes 0; otherwise the
sentence says that nothing beyond class was shown. No headline from fewer than 30 cells of any class.
"""

from collections.abc import Iterable
from typing import Final

from phenostream.trainer.evaluation.schema.document import Headline
from phenostream.trainer.evaluation.schema.figure import Figure
from phenostream.trainer.evaluation.schema.performance import (
    CalibrationFigures,
    Classification,
    MarkerFigures,
    Outliers,
)

LEAST_CELLS: Final = 30
_SYNTHETIC: Final = (
    "SYNTHETIC: simulated cells or weights; a check of the pipeline, not evidence about blood."
)


def headline(
    classification: Classification | None,
    calibration: CalibrationFigures | None,
    markers: Iterable[MarkerFigures],
    outliers: Outliers | None,
    *,
    synthetic: bool,
) -> Headline:
    """Sentences with figures and intervals.

    Args:
        classification: Decides whether there may be any.
        calibration: Of its probabilities.
        markers: Those that could be measured.
        outliers: What should be refused.
        synthetic: The model or the cells are simulated; the first line says so.
    """
    refusal = refused(classification)
    if refusal is not None or classification is None or calibration is None:
        return Headline(refusal=refusal, lines=())
    return Headline(
        refusal=None,
        lines=(
            *([_SYNTHETIC] if synthetic else []),
            _accuracy(classification),
            f"Calibration error {calibration.after.ece.text()} after, "
            f"{calibration.before.ece.text()} before calibration.",
            *(_marker(marker) for marker in markers),
            *([] if outliers is None else _outliers(outliers)),
        ),
    )


def refused(classification: Classification | None) -> str | None:
    """Why there may be no headline; None where there may."""
    if classification is None:
        return "no test cell has a class: no headline"
    few = [f"{one.name} {one.n}" for one in classification.classes if one.n < LEAST_CELLS]
    if not few:
        return None
    return f"test classes with fewer than {LEAST_CELLS} cells: {', '.join(few)}: no headline"


def _accuracy(found: Classification) -> str:
    commonest = max(found.classes, key=lambda one: one.n)
    return (
        f"Class accuracy {_text(found.accuracy)}, balanced {_text(found.balanced_accuracy)}, on {found.n} white test "
        f"cells; calling every one a {commonest.name} gives {commonest.n / found.n:.3f}."
    )


def _marker(found: MarkerFigures) -> str:
    log = found.log
    known = [one for one in log.within if one.beyond_class and one.r is not None]
    looked_at = [one for one in log.within if one.r is not None]
    inside = (
        "marker information beyond class: "
        + ", ".join(f"within {one.name} r {_text(one.r)}" for one in known)
        + f" ({len(known)} of {len(looked_at)} classes)"
        if known
        else f"no marker information beyond class was shown in the {len(looked_at)} classes with enough cells"
    )
    return (
        f"{found.name}: r {_text(log.r)} on log z, {_text(found.linear.r)} on linear z; the true class alone gives "
        f"{_text(log.class_mean_r)} and {_text(found.linear.class_mean_r)}; {inside}."
    )


def _outliers(found: Outliers) -> list[str]:
    kinds = [f"{kind.name} {_text(kind.ood.auroc)}" for kind in found.kinds if kind.ood is not None]
    return [f"Out-of-distribution AUROC: {', '.join(kinds)}."] if kinds else []


def _text(figure: Figure | None) -> str:
    return "not measurable" if figure is None else figure.text()
