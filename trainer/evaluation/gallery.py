"""Which test cells are shown, by rules that leave no room for picking: best, worst, rejected, strangest.

Every rule is an order over the test cells and a number of places; ties go to the lower row. Knows what a model said of
labelled cells; draws no conclusion.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.manifest import Calibration, MarkerTransform
from phenostream.engine.types import CLASSES, F32, I32, MARKERS, Outputs
from phenostream.trainer.data.cell_set import KINDS, UNLABELLED, CellSet
from phenostream.trainer.evaluation.pictures import beside, enlarged, grey, png
from phenostream.trainer.evaluation.schema.comparisons import GalleryCell, Picture

Rows = npt.NDArray[np.intp]

REJECTED: Final = "rejected"
PLACES: Final = 6
"""Cells per reason, at most."""
RULES: Final = {
    "right and sure": "called right with the highest class probability, two of each class",
    "wrong and sure": "white cells called wrong with the highest class probability",
    "rejected": "white cells with the highest reject probability, those that the bundle rejects",
    "most out of distribution": "white cells with the highest out-of-distribution score",
    "passes": "red cells, debris and empty tiles with the lowest reject probability, those that pass",
    "farthest marker": "white cells whose marker lies farthest from its estimate, in z, the two farthest per marker",
}
"""What puts a cell under each reason."""


def gallery_cells(
    cells: CellSet, said: Outputs, calibration: Calibration, transform: MarkerTransform
) -> tuple[GalleryCell, ...]:
    """The cells of every rule that finds any, in the order of `RULES`.

    Args:
        cells: Test cells.
        said: What the model says of each.
        calibration: Its thresholds.
        transform: What its z means.
    """
    shown = []
    for reason, row, note in _chosen(cells, said, calibration, transform):
        true, called = _kind_name(int(cells.kind[row])), _called(said, calibration, row)
        probability = float(np.clip(said.class_probability[row].max(), 0, 1))
        verdict = "rejected, else called" if called == REJECTED else "called"
        likeliest = CLASSES[int(said.class_probability[row].argmax())]
        words = f"{true}, {verdict} {likeliest} at {probability:.2f}"
        picture = Picture(
            png_base64=png(enlarged(beside(grey(cells.images[row], cells.background[row])))),
            alt=f"Test cell {row}, {words}: left, right, top, bottom, left-right and top-bottom difference",
            caption=f"{words}{note}",
        )
        shown.append(
            GalleryCell(
                reason=reason,
                row=int(row),
                true=true,
                called=called,
                probability=probability,
                picture=picture,
            )
        )
    return tuple(shown)


def typical_rows(cells: CellSet, said: Outputs, each: int = 3) -> Rows:
    """Cells of each class called right, those nearest the median probability of their class's right calls."""
    probability, called = _best(said)
    rows: list[Rows] = []
    for index in range(len(CLASSES)):
        right = np.flatnonzero((cells.kind == index) & (called == index))
        if len(right):
            apart = np.abs(probability[right] - np.median(probability[right]))
            rows.append(right[np.argsort(apart, kind="stable")[:each]])
    return np.concatenate([np.zeros(0, np.intp), *rows])


def _chosen(
    cells: CellSet, said: Outputs, calibration: Calibration, transform: MarkerTransform
) -> Iterator[tuple[str, int, str]]:
    """Reason, row and what the caption adds."""
    probability, called = _best(said)
    white, right = cells.white, cells.white & (called == cells.kind)
    for index in range(len(CLASSES)):
        for row in _first(-probability, right & (cells.kind == index), PLACES // len(CLASSES)):
            yield "right and sure", row, ""
    for row in _first(-probability, white & ~right, PLACES):
        yield "wrong and sure", row, ""
    threshold = calibration.reject_threshold
    if threshold is not None:
        refused = said.reject_probability >= threshold
        for row in _first(-said.reject_probability, white & refused, PLACES):
            yield "rejected", row, f"; reject probability {said.reject_probability[row]:.2f}"
    if calibration.ood_threshold is not None:
        for row in _first(-said.ood_score, white, PLACES):
            yield "most out of distribution", row, _ood_note(said, calibration, row)
    if threshold is not None:
        passed = cells.foreign & (said.reject_probability < threshold)
        for row in _first(said.reject_probability, passed, PLACES):
            yield "passes", row, f"; reject probability {said.reject_probability[row]:.2f}"
    yield from _farthest(cells, said, transform)


def _farthest(
    cells: CellSet, said: Outputs, transform: MarkerTransform
) -> Iterator[tuple[str, int, str]]:
    level = cells.marker_log10 if transform.scale == "log10" else np.power(10.0, cells.marker_log10)
    residual = (level - np.array(transform.mean)) / np.array(transform.sd) - said.marker_z
    for marker, name in enumerate(MARKERS):
        usable = cells.white & cells.marker_mask[:, marker]
        for row in _first(-np.abs(residual[:, marker]), usable, 2):
            yield (
                "farthest marker",
                row,
                f"; {name} {residual[row, marker]:+.1f} sd from its estimate",
            )


def _ood_note(said: Outputs, calibration: Calibration, row: int) -> str:
    return f"; score {said.ood_score[row]:.2f}, threshold {calibration.ood_threshold:.2f}"


def _best(said: Outputs) -> tuple[F32, I32]:
    """Probability and class of the most probable one."""
    called: I32 = said.class_probability.argmax(axis=1).astype(np.int32)
    return said.class_probability.max(axis=1), called


def _first(
    order: npt.NDArray[np.floating], chosen: npt.NDArray[np.bool_], places: int
) -> list[int]:
    """The chosen rows with the lowest order, at most so many."""
    rows = np.flatnonzero(chosen)
    return [int(row) for row in rows[np.argsort(order[rows], kind="stable")][:places]]


def _kind_name(kind: int) -> str:
    return "unlabelled" if kind == UNLABELLED else KINDS[kind]


def _called(said: Outputs, calibration: Calibration, row: int) -> str:
    threshold = calibration.reject_threshold
    if threshold is not None and said.reject_probability[row] >= threshold:
        return REJECTED
    return CLASSES[int(said.class_probability[row].argmax())]
