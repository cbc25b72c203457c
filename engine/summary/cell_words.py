"""One cell's facts as a few plain sentences, one a line; English only.

Every number comes from the facts. What the cell might be is never said without what speaks against it: the class that
comes next, those that cannot be excluded, what is uncalibrated, and what the frame was flagged for.
"""

from collections.abc import Iterator
from typing import Final

from phenostream.engine.summary.cell import CellFacts, CellMarker
from phenostream.engine.summary.wording.english.words import NOUNS, quoted, unit
from phenostream.engine.summary.wording.english.words import marker as marker_words
from phenostream.engine.summary.wording.lists import listed
from phenostream.engine.summary.wording.names import shown, shown_marker

_FATES: Final = {
    "edge": "Found at the frame's edge: its crop would leave the frame, so the model did not see it.",
    "over_limit": "Found, but beyond the limit of cells per frame: the model did not see it.",
    "failed": "The engine gave no finite numbers for it, in its batch and alone.",
}
_FLAGS: Final = {
    "residual_high": "light does not add",
    "misoriented": "shots are not what they are called",
}


def explained(cell: CellFacts) -> tuple[str, ...]:
    """The explanation, most important first."""
    return tuple(_lines(cell))


def _lines(cell: CellFacts) -> Iterator[str]:
    yield (
        f"Cell {shown(cell.run)}/{cell.frame_seq}/{cell.index} of {quoted(shown(cell.instrument))}: "
        f"at x {cell.x_px:.1f}, y {cell.y_px:.1f} px, {cell.diameter_um:.1f} µm across."
    )
    if cell.status in _FATES:
        yield _FATES[cell.status]
    elif cell.status == "rejected":
        yield f"Rejected as not a white cell: {_rejection(cell)}."
        yield from _were_it_white(cell)
    else:
        yield _classified(cell)
        yield from _not_rejected(cell)
    yield from _doubts(cell)
    if cell.markers:
        yield _markers(cell)
    yield _caveat(cell)


def _classified(cell: CellFacts) -> str:
    best, other = cell.probabilities[0], cell.nearest_other
    text = f"Classified as {_class(best.name)}, {_percent(best.probability)}"
    text += "" if cell.calibrated else " (uncalibrated)"
    if other is not None:
        text += f"; the nearest other class is {_class(other.name)}, {_percent(other.probability)}"
    if cell.possible is None:
        return f"{text}."
    if len(cell.possible) == 1:
        return f"{text}. No other class is in its prediction set{_promise(cell)}."
    told = listed([_class(name) for name in cell.possible], "and")
    return f"{text}. Its prediction set holds {told}{_promise(cell)}: these cannot be told apart."


def _promise(cell: CellFacts) -> str:
    if cell.class_coverage is None:
        return ""
    return f" (such sets hold the true class for at least {_percent(cell.class_coverage)} of each class, nominally)"


def _rejection(cell: CellFacts) -> str:
    if cell.reject_probability is None or cell.reject_threshold is None:
        return "the result does not say how probable that is"
    probability, threshold = _apart(cell.reject_probability, cell.reject_threshold)
    return f"probability {probability}, uncalibrated, at or above the threshold of {threshold}"


def _were_it_white(cell: CellFacts) -> Iterator[str]:
    if cell.probabilities:
        best = cell.probabilities[0]
        told = f"{_class(best.name)}, {_percent(best.probability)}"
        unsure = "" if cell.calibrated else " (uncalibrated)"
        yield f"Were it a white cell, its nearest class would be {told}{unsure}."


def _not_rejected(cell: CellFacts) -> Iterator[str]:
    if cell.reject_threshold is None:
        yield "This model does not tell whether a cell is a white cell at all."
    elif cell.reject_probability is not None:
        probability, threshold = _apart(cell.reject_probability, cell.reject_threshold)
        yield (
            f"Not rejected: the probability that it is no white cell, {probability} (uncalibrated), is below the "
            f"threshold of {threshold}."
        )


def _doubts(cell: CellFacts) -> Iterator[str]:
    if cell.unusual and cell.ood_score is not None and cell.ood_threshold is not None:
        yield (
            f"Flagged as unlike the training cells: its score {_value(cell.ood_score)} is above the threshold of "
            f"{_value(cell.ood_threshold)}."
        )
    elif cell.ood_threshold is None:
        yield "This model does not tell whether a cell is like the training cells."
    if cell.frame_flags:
        told = [_FLAGS.get(name, shown(name)) for name in cell.frame_flags]
        yield f"Its whole frame is flagged: {listed(told, 'and')}."


def _markers(cell: CellFacts) -> str:
    values = "; ".join(_marker(marker) for marker in cell.markers)
    if cell.interval_coverage is None:
        interval = "without an interval, for this model has none"
    else:
        sure = "" if cell.calibrated else ", uncalibrated"
        interval = f"with this cell's own nominal {100 * cell.interval_coverage:g} % interval{sure}"
    rejected = ", were it a white cell" if cell.status == "rejected" else ""
    return (
        f"Estimated signal{rejected}, {interval} (unit: {unit(shown(cell.marker_unit))}): {values}."
    )


def _marker(marker: CellMarker) -> str:
    name = marker_words(shown_marker(marker.name))
    if marker.low is None or marker.high is None:
        return f"{name} {_value(marker.estimate)}"
    return f"{name} {_value(marker.estimate)} ({_value(marker.low)} to {_value(marker.high)})"


def _caveat(cell: CellFacts) -> str:
    synthetic = cell.model_synthetic or cell.source_synthetic
    told = "Synthetic: from simulated cells or a model trained on them. " if synthetic else ""
    return f"{told}Research use only, not a diagnosis."


def _class(name: str) -> str:
    """A class in the singular; in quotation marks unless the language knows it as its own word."""
    return name if name in NOUNS else quoted(shown(name))


def _percent(share: float) -> str:
    """Never a whole that is not one, nor nothing that is something."""
    if 0 < share < 0.0005:
        return "under 0.1 %"
    return "over 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def _apart(share: float, threshold: float) -> tuple[str, str]:
    """Both as percentages, with as many digits as it takes to see which is larger."""
    digits = next((n for n in range(1, 12) if round(share, n + 2) != round(threshold, n + 2)), 1)
    if digits == 1:
        return _percent(share), _percent(threshold)
    return f"{100 * share:.{digits}f} %", f"{100 * threshold:.{digits}f} %"


def _value(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
