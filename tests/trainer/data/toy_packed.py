"""A few packed cells made by hand: random pixels, known gates, slides of fields on a grid."""

from dataclasses import replace

import numpy as np

from phenostream.trainer.data.bsccm.layout import ANTIBODIES, GATES, MARKERS_FILE
from phenostream.trainer.data.packed import PackedCells, PackFacts

STEP_UM = 320.0
_FIRST_GATE = (0, 1, 7, 4)  # of lymphocytes, granulocytes, monocytes, red cells


def toy_packed(
    kinds: tuple[int, int, int, int] = (60, 100, 40, 20),
    slides: int = 1,
    grid: tuple[int, int] = (9, 5),
    seed: int = 1,
) -> PackedCells:
    """So many cells of each of the four gated kinds, scattered over slides of (rows, columns) fields."""
    rng = np.random.default_rng(seed)
    count = sum(kinds)
    kind = rng.permutation(np.repeat(np.arange(4, dtype=np.int32), kinds))
    gates = np.zeros((count, len(GATES)), np.bool_)
    gates[np.arange(count), np.array(_FIRST_GATE)[kind]] = True
    per_slide = grid[0] * grid[1]
    field = rng.integers(slides * per_slide, size=count).astype(np.int32)
    place = field % per_slide
    return PackedCells(
        images=rng.integers(0, 256, (count, 4, 28, 28)).astype(np.uint8),
        global_index=np.arange(count, dtype=np.int64) * 3 + 100,
        gates=gates,
        kind=kind,
        conflict=np.zeros(count, np.bool_),
        markers=rng.lognormal(1, 1, (count, 4)),
        marker_mask=np.ones((count, 4), np.bool_),
        censored=np.zeros((count, 4), np.bool_),
        condition=np.zeros(count, np.int32),
        batch=np.zeros(count, np.int32),
        slide=(field // per_slide).astype(np.int32),
        field=field,
        field_um=np.stack([place // grid[1], place % grid[1]], axis=1).astype(np.float64) * STEP_UM,
        in_field_px=rng.uniform(344, 1722, (count, 2)).astype(np.float32),
        facts=_facts(count),
    )


def with_rows(cells: PackedCells, rows: list[int], **columns: object) -> PackedCells:
    """The same cells with other values in these rows of some columns."""
    changed = {}
    for name, value in columns.items():
        column = getattr(cells, name).copy()
        column[rows] = value
        changed[name] = column
    return replace(cells, **changed)


def single_stained(cells: PackedCells, rows: list[int], antibody: str) -> PackedCells:
    """The same cells, of which these were stained with one antibody alone: in no gate, of no kind."""
    marker = {"CD45": 2, "CD16": 3}[antibody]
    cells = with_rows(
        cells, rows, condition=ANTIBODIES.index(antibody), kind=-1, gates=False, marker_mask=False
    )
    mask = cells.marker_mask.copy()
    mask[rows, marker] = True
    return replace(cells, marker_mask=mask)


def _facts(count: int) -> PackFacts:
    return PackFacts(
        source="toy",
        variant="BSCCMNIST",
        synthetic=True,
        source_sha256={MARKERS_FILE: "0" * 64},
        pixel_size_um=0.2,
        pixel_size_stated=True,
        objective_na=0.5,
        wavelength_nm=515.0,
        cells_in_index=count,
        cells_in_table=count,
        in_index={"all, 0": count},
        listings={},
        labelled={},
        in_several_gates=0,
        conflicts=0,
        class_and_unknown=0,
        slides=1,
        fields=1,
        field_pitch_um=STEP_UM,
        in_field_px=(344, 1722),
        near_in_field=0,
        near_across_fields={},
        usable={},
        missing={},
        at_floor={},
        plan="toy",
        packed={"all, 0": count},
        same_images=0,
    )
