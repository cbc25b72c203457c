from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.cell_set import CellSet, concatenate, load_cells, save_cells


def cells(count: int, seed: int = 0) -> CellSet:
    rng = np.random.default_rng(seed)
    kind = (np.arange(count) % 6).astype(np.int32)
    return CellSet.with_labels(
        rng.random((count, 4, 28, 28), np.float32),
        rng.random((count, 4), np.float32),
        kind,
        rng.random((count, 4), np.float32),
        np.repeat((kind < 3)[:, None], 4, axis=1),
        (np.arange(count) // 4).astype(np.int32),
    )


def test_cells_come_back_from_a_file_as_they_went_in(tmp_path: Path) -> None:
    one = cells(12)
    save_cells(one, tmp_path / "deep" / "cells.npz")
    assert load_cells(tmp_path / "deep" / "cells.npz").sha256() == one.sha256()
    assert one.counts() == dict.fromkeys(
        ("lymphocyte", "granulocyte", "monocyte", "red", "debris", "empty"), 2
    )


def test_the_hash_sees_every_column() -> None:
    one = cells(6)
    assert one.sha256() == cells(6).sha256()
    mask = one.marker_mask.copy()
    mask[0, 0] = False
    other = CellSet.with_labels(
        one.images, one.background, one.kind, one.marker_log10, mask, one.group
    )
    assert other.sha256() != one.sha256()


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    one = cells(6)
    np.savez(
        path,
        images=one.images,
        background=one.background,
        kind=one.kind,
        marker_log10=one.marker_log10,
        marker_mask=one.marker_mask,
        censored=one.censored,
        group=one.group,
        position=one.position,
        truth=one.truth,
        sha256=np.array("0" * 64),
    )
    with pytest.raises(BadInput, match="expected content hash 0000000000000000, found"):
        load_cells(path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadInput, match="not a cell file"):
        load_cells(path)


def test_parts_keep_their_frames_apart() -> None:
    both = concatenate([cells(8), cells(8, 1)])
    assert both.group.tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4


def test_columns_of_different_lengths_are_refused() -> None:
    one = cells(6)
    with pytest.raises(BadInput, match=r"background: expected shape \(6, 4\), found \(5, 4\)"):
        CellSet.with_labels(
            one.images, one.background[:5], one.kind, one.marker_log10, one.marker_mask, one.group
        )
