"""Counting a data set: everything that SPEC says to confirm on the real data and that its tables can answer.

Knows counts only; reads no image.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.types import I32, MARKERS
from phenostream.trainer.data.bsccm.dataset import Dataset
from phenostream.trainer.data.bsccm.labels import antibody_in_tube
from phenostream.trainer.data.bsccm.layout import ANTIBODIES, GATES, GROUPS, RED, UNKNOWN
from phenostream.trainer.data.bsccm.neighbours import near_pairs
from phenostream.trainer.data.bsccm.tables import Index
from phenostream.trainer.data.packed import Survey

F64 = npt.NDArray[np.float64]
_KINDS: Final = GROUPS[: RED + 1]


def survey(data: Dataset) -> Survey:
    """Count what the tables of a data set hold."""
    meta, index, groups = data.metadata, data.whole_index, data.kinds.groups
    gated = np.flatnonzero(data.gates.any(axis=1))
    of_gated = data.cells.take(gated)
    within, across = near_pairs(
        of_gated.field_um,
        of_gated.in_field_px,
        of_gated.slide,
        of_gated.field,
        meta.pixel_size_um,
    )
    due = antibody_in_tube(data.cells.condition)
    usable = data.marker_mask.sum(axis=0)
    floored = (data.censored & data.marker_mask).sum(axis=0)
    return Survey(
        source=meta.name,
        variant=meta.variant,
        synthetic=meta.synthetic,
        source_sha256=data.source_sha256,
        pixel_size_um=meta.pixel_size_um,
        pixel_size_stated=meta.pixel_size_stated,
        objective_na=meta.objective_na,
        wavelength_nm=meta.wavelength_nm,
        cells_in_index=len(index),
        cells_in_table=len(data),
        in_index=count_by_table(index.condition, index.batch),
        listings=_listings(data),
        labelled={name: int((data.kinds.kind == kind).sum()) for kind, name in enumerate(_KINDS)},
        in_several_gates=int((data.gates.sum(axis=1) > 1).sum()),
        conflicts=int(data.kinds.conflict.sum()),
        class_and_unknown=int((groups[:, :RED].any(axis=1) & groups[:, UNKNOWN]).sum()),
        slides=int(index.slide.max()) + 1,
        fields=int(index.field.max()) + 1,
        field_pitch_um=_pitch_um(index),
        in_field_px=(float(index.in_field_px.min()), float(index.in_field_px.max())),
        near_in_field=within,
        near_across_fields=across,
        usable=_by_marker(usable),
        missing=_by_marker((due & ~np.isfinite(data.markers)).sum(axis=0)),
        at_floor={
            name: float(floored[place] / max(1, usable[place]))
            for place, name in enumerate(MARKERS)
        },
    )


def count_by_table(condition: I32, batch: I32) -> dict[str, int]:
    """Cells by "antibodies, batch"; only those that occur."""
    counts = {}
    for number, name in enumerate(ANTIBODIES):
        for which in (0, 1):
            cells = int(((condition == number) & (batch == which)).sum())
            if cells:
                counts[f"{name}, {which}"] = cells
    return counts


def _listings(data: Dataset) -> dict[str, int]:
    per_gate = data.gates.sum(axis=0)
    return {
        name: int(sum(per_gate[place] for place, gate in enumerate(GATES) if gate.group == group))
        for group, name in enumerate(GROUPS)
    }


def _by_marker(counts: npt.NDArray[np.intp]) -> dict[str, int]:
    return {name: int(count) for name, count in zip(MARKERS, counts, strict=True)}


def _pitch_um(index: Index) -> float | None:
    """Median distance from a field's centre to the nearest other one of its slide."""
    from sklearn.neighbors import KDTree

    first = np.unique(index.field, return_index=True)[1]
    nearest: list[F64] = []
    for slide in np.unique(index.slide[first]):
        centres = index.field_um[first][index.slide[first] == slide]
        if len(centres) > 1:
            nearest.append(KDTree(centres).query(centres, 2)[0][:, 1])
    return float(np.median(np.concatenate(nearest))) if nearest else None
