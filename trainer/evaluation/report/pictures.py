"""The curves and clouds of the page: reliability, ROC, predicted against measured.

Each says its numbers in its alternative text, and takes a name that no other drawing on the page has.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from markupsafe import Markup

from phenostream.engine.types import CLASSES
from phenostream.trainer.evaluation.report.drawing import (
    CLASS_COLOURS,
    CLASS_DASHES,
    CLASS_SHAPES,
    FAINT,
    GREY,
    INK,
    as_svg,
    canvas,
)
from phenostream.trainer.evaluation.report.wording import NOTHING, number
from phenostream.trainer.evaluation.schema.performance import (
    CalibrationFigures,
    ClassFigures,
    MarkerFigures,
    OutlierKind,
    ProbabilityFigures,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CURVE_POINTS: Final = 120
"""A curve is drawn with so many points: more cannot be seen at this size."""


def reliability(figures: CalibrationFigures, name: str) -> Markup:
    """Share right against claimed probability, before and after calibration, the count of cells below."""
    from matplotlib.ticker import PercentFormatter

    with canvas(380, 340) as (figure, axes):
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (2, 2)))
        _bins(axes, figures.before, GREY, "s", "before")
        _bins(axes, figures.after, INK, "o", "after")
        axes.set(xlim=(0.3, 1.01), ylim=(0, 1.02), aspect="auto")
        axes.set(xlabel="probability of the called class, %", ylabel="share called right, %")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
        axes.legend(loc="lower right")
        alt = (
            "Reliability diagram. Expected calibration error before calibration "
            f"{number(figures.before.ece.value)}, after {number(figures.after.ece.value)}. After: "
            + "; ".join(
                f"claimed {number(one.confidence, 2)}, right {number(one.accuracy, 2)} of {one.n} cells"
                for one in figures.after.bins
            )
        )
        return as_svg(figure, name, alt)


def _bins(axes: "Axes", figures: ProbabilityFigures, colour: str, shape: str, name: str) -> None:
    """One line; the area of a marker is the share of cells in its bin."""
    x = [one.confidence for one in figures.bins]
    y = [one.accuracy for one in figures.bins]
    counts = np.array([one.n for one in figures.bins], float)
    sizes = 8 + 160 * counts / max(counts.sum(), 1)
    axes.plot(x, y, color=colour, lw=1.2)
    label = f"{name} calibration, ECE {number(figures.ece.value)}"
    axes.scatter(x, y, s=sizes, color=colour, marker=shape, label=label, zorder=3, alpha=0.85)


def class_roc(classes: tuple[ClassFigures, ...], name: str) -> Markup:
    """One class against the rest, a line each."""
    with canvas(380, 340) as (figure, axes):
        _roc_axes(axes)
        for index, one in enumerate(classes):
            if one.roc is None or one.auroc is None:
                continue
            x, y = _thinned(one.roc.x, one.roc.y)
            axes.plot(
                x, y, lw=1.8, label=f"{_shortened(one.name)}, {number(one.auroc.value)}",
                color=_of_class(CLASS_COLOURS, index), ls=_of_class(CLASS_DASHES, index),
            )  # fmt: skip
        axes.set(xlabel="share of other cells called this", ylabel="share of its cells found")
        axes.legend(loc="lower right", title="area under the curve", title_fontsize=11)
        values = [f"{one.name} {number(one.auroc.value if one.auroc else None)}" for one in classes]
        return as_svg(
            figure,
            name,
            f"ROC curves, one class against the rest. Areas under them: {'; '.join(values)}",
        )


def outlier_roc(kind: OutlierKind, name: str) -> Markup:
    """Both scores of one kind of outlier, small."""
    with canvas(170, 150, margin=24) as (figure, axes):
        _roc_axes(axes)
        axes.set(xticks=[0, 1], yticks=[0, 1])
        said = []
        for score_name, score, colour, dash in (
            ("distance", kind.ood, INK, "-"),
            ("reject head", kind.reject, CLASS_COLOURS[1], "--"),
        ):
            if score is None:
                continue
            x, y = _thinned(score.roc.x, score.roc.y)
            axes.plot(x, y, lw=1.6, color=colour, ls=dash)
            said.append(f"{score_name} {number(score.auroc.value)}")
        alt = f"ROC curves of {kind.name} against white cells. Areas: {'; '.join(said) or NOTHING}"
        return as_svg(figure, name, alt)


def _roc_axes(axes: "Axes") -> None:
    axes.plot([0, 1], [0, 1], color=GREY, lw=1, ls=(0, (2, 2)))
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.02))


def measured_and_predicted(marker: MarkerFigures, name: str) -> Markup:
    """One cloud per class, with the level that a mere classifier would predict for each of them."""
    points = marker.points
    predicted, measured = np.array(points.predicted), np.array(points.measured)
    kind = np.array(points.kind, int)
    with canvas(330, 320) as (figure, axes):
        for index, class_name in enumerate(CLASSES):
            inside = kind == index
            if not inside.any():
                continue
            colour = _of_class(CLASS_COLOURS, index)
            axes.scatter(
                measured[inside], predicted[inside], s=9, alpha=0.45, lw=0, color=colour,
                marker=_of_class(CLASS_SHAPES, index), label=class_name,
            )  # fmt: skip
            reach = np.quantile(measured[inside], [0.02, 0.98])
            axes.plot(reach, [measured[inside].mean()] * 2, color=INK, lw=2.6)
            axes.plot(reach, [measured[inside].mean()] * 2, color=colour, lw=1.4)
        if len(measured):
            ends = [min(measured.min(), predicted.min()), max(measured.max(), predicted.max())]
            axes.plot(ends, ends, color=FAINT, lw=1, zorder=0)
        axes.set(xlabel="measured, z of log10", ylabel="predicted, z of log10")
        legend = axes.legend(loc="upper left", handletextpad=0.1, markerscale=2)
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_alpha(1)
        log = marker.log
        alt = (
            f"Predicted against measured {marker.name}, {len(measured)} of {marker.n} cells. "
            f"r {number(log.r.value if log.r else None)}; class means alone reach "
            f"{number(log.class_mean_r.value if log.class_mean_r else None)}. Within classes: "
            + "; ".join(f"{w.name} {number(w.r.value if w.r else None)}" for w in log.within)
        )
        return as_svg(figure, name, alt)


def _thinned(x: tuple[float, ...], y: tuple[float, ...]) -> tuple[list[float], list[float]]:
    """Fewer points of a monotonous curve, its ends kept."""
    if len(x) <= _CURVE_POINTS:
        return list(x), list(y)
    rows = np.unique(np.linspace(0, len(x) - 1, _CURVE_POINTS).round().astype(int))
    return [x[row] for row in rows], [y[row] for row in rows]


def _shortened(name: str) -> str:
    """What fits into a legend."""
    return name if len(name) <= 24 else f"{name[:23]}…"


def _of_class(choices: tuple[str, ...], index: int) -> str:
    return choices[index % len(choices)]
