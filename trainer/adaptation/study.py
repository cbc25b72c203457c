"""How well ways of fitting do at planted sites, by the mix of classes that the site happens to have.

For each site and mix a fresh copy of a network is fitted to some cells by each method, and judged on other cells of the
same site, always the same ones and evenly mixed, so that a mix can only harm through the fit. Simulated cells; knows no
site.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch

from phenostream.engine.errors import BadInput
from phenostream.engine.types import CLASSES, Crops, Outputs
from phenostream.trainer.adaptation.before_after import compare_answers
from phenostream.trainer.adaptation.rivals import METHODS, Method, fit_by
from phenostream.trainer.checkpoint import Checkpoint
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.schema.figure import Closed, Figure
from phenostream.trainer.evaluation.subject import graph_subject
from phenostream.trainer.training.precision import multiplies_bfloat16

FIGURE: Final = "balanced accuracy"
_JUDGED: Final = 150
Mix = tuple[float, float, float]


class StudyRow(Closed):
    """One method at one site with one mix of classes.

    Attributes:
        site: In words.
        mix: Shares of the classes among the white cells that it was fitted to.
        method: Of `rivals`.
        before: Balanced accuracy of the model as it was, rejected white cells counted wrong.
        after: Of the fitted one.
        difference: After minus before, on the same cells.
        failed: Why there is no fit; None where there is one.
    """

    site: str
    mix: Mix
    method: Method
    before: Figure | None
    after: Figure | None = None
    difference: Figure | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class SiteParts:
    """A site's cells in two parts that share no object.

    Attributes:
        name: Of the site.
        fit: Some of these are fitted to.
        judge: Evenly many of each class of these are judged on, and some others.
    """

    name: str
    fit: CellSet
    judge: CellSet


def study_site(
    checkpoint: Checkpoint,
    parts: SiteParts,
    mixes: Sequence[Mix],
    cells: int,
    on_row: Callable[[], object] = lambda: None,
) -> list[StudyRow]:
    """Every method with every mix.

    Args:
        checkpoint: With a reference; left as it is.
        parts: The site.
        mixes: Shares of the classes.
        cells: White cells to fit to; a quarter as many others are among them.
        on_row: Called after each fit.
    """
    judge = _evenly(parts.judge)
    rows = []
    with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
        before = _answers(checkpoint, judge)
        for mix in mixes:
            crops = _drawn(parts.fit, mix, cells)
            for method in METHODS:
                rows.append(
                    _row(checkpoint, replace(parts, judge=judge), mix, method, crops, before)
                )
                on_row()
    return rows


def _row(
    checkpoint: Checkpoint,
    parts: SiteParts,
    mix: Mix,
    method: Method,
    crops: Crops,
    before: Outputs,
) -> StudyRow:
    own = checkpoint.card.calibration
    fresh = Checkpoint(copy.deepcopy(checkpoint.graph), checkpoint.card, checkpoint.golden)
    failed = None
    if checkpoint.reference is None:
        raise BadInput("the model does not tell what its batch normalisations saw in training")
    try:
        fit_by(method, fresh.graph, checkpoint.reference, own, crops)
    except BadInput as err:
        failed = str(err)
    after = _answers(fresh, parts.judge)
    (change,) = (
        one
        for one in compare_answers(parts.judge, (before, own), (after, own))
        if one.name == FIGURE
    )
    return StudyRow(
        site=parts.name,
        mix=mix,
        method=method,
        before=change.before,
        after=None if failed else change.after,
        difference=None if failed else change.difference,
        failed=failed,
    )


def _drawn(pool: CellSet, mix: Mix, count: int) -> Crops:
    """White cells in these shares, none twice unless there are too few, and a quarter as many others."""
    rng = np.random.default_rng(11)
    rows = []
    for index in range(len(CLASSES)):
        own, wanted = np.flatnonzero(pool.kind == index), round(count * mix[index])
        rows.append(rng.choice(own, wanted, replace=wanted > len(own)))
    others = np.flatnonzero(pool.foreign)
    rows.append(rng.choice(others, min(len(others), count // 4), replace=False))
    chosen = np.concatenate(rows)
    return Crops(pool.images[chosen], pool.background[chosen])


def _evenly(cells: CellSet) -> CellSet:
    """As many of each class as there are of the rarest, `_JUDGED` at most, and as many other objects."""
    groups = [np.flatnonzero(cells.kind == index) for index in range(len(CLASSES))]
    count = min(_JUDGED, *map(len, groups))
    groups.append(np.flatnonzero(cells.foreign))
    rows = [
        own[np.linspace(0, len(own) - 1, min(count, len(own))).astype(np.intp)] for own in groups
    ]
    return cells.select(np.sort(np.concatenate(rows)))


def _answers(checkpoint: Checkpoint, cells: CellSet) -> Outputs:
    return graph_subject(checkpoint.graph, checkpoint.card, "").outputs(cells)
