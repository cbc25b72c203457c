"""Packed cells of random numbers, for tests of what reads them."""

import numpy as np

from phenostream.trainer.data.bsccm.layout import GATES
from phenostream.trainer.data.packed import PackedCells, PackFacts


def facts(**changes: object) -> PackFacts:
    plain = PackFacts(
        source="random",
        variant="BSCCMNIST",
        synthetic=True,
        source_sha256={},
        pixel_size_um=0.2,
        pixel_size_stated=True,
        objective_na=0.5,
        wavelength_nm=515,
        cells_in_index=0,
        in_index={},
        packed={},
        listings={},
        labelled={},
        in_several_gates=0,
        conflicts=0,
        class_and_unknown=0,
        slides=1,
        fields=1,
        near_in_field=0,
        near_across_fields={},
        same_images=0,
        usable={},
        missing={},
        at_floor={},
    )
    return plain.model_copy(update=changes)


def random_packed(count: int, seed: int = 0) -> PackedCells:
    """Labelled cells of one condition, four to a field; markers follow the class."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count).astype(np.int32)
    gates = np.zeros((count, len(GATES)), np.bool_)
    gates[np.arange(count), np.array([0, 1, 7])[kind]] = True
    return PackedCells(
        images=rng.integers(0, 256, (count, 4, 28, 28), np.uint8),
        global_index=np.arange(count) * 7 + 3,
        gates=gates,
        kind=kind,
        conflict=np.zeros(count, np.bool_),
        markers=10 ** (rng.normal(0, 0.2, (count, 4)) + kind[:, None]),
        marker_mask=np.ones((count, 4), np.bool_),
        censored=np.zeros((count, 4), np.bool_),
        condition=np.zeros(count, np.int32),
        batch=np.zeros(count, np.int32),
        slide=np.zeros(count, np.int32),
        field=(np.arange(count) // 4).astype(np.int32),
        field_um=np.repeat((np.arange(count) // 4 * 320.0)[:, None], 2, axis=1),
        in_field_px=rng.uniform(344, 1722, (count, 2)).astype(np.float32),
        facts=facts(cells_in_index=count),
    )
