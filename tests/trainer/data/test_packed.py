from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.packed import (
    PackedCells,
    fraction_of_full_scale,
    load_packed,
    save_packed,
)
from tests.trainer.data.toy_packed import toy_packed


def few(count: int, seed: int = 0) -> PackedCells:
    """Lymphocytes and granulocytes."""
    return toy_packed((1, count - 1, 0, 0), seed=seed)


def test_cells_come_back_from_a_file_as_they_went_in(tmp_path: Path) -> None:
    cells = few(12)
    save_packed(cells, tmp_path / "deep" / "cells.npz")
    back = load_packed(tmp_path / "deep" / "cells.npz")
    assert back.sha256() == cells.sha256()
    assert back.facts == cells.facts
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["cells.npz"]


def test_the_hash_sees_columns_and_facts() -> None:
    cells = few(6)
    assert cells.sha256() == few(6).sha256()
    kind = cells.kind.copy()
    kind[0] = -1
    assert replace(cells, kind=kind).sha256() != cells.sha256()
    assert (
        replace(cells, facts=cells.facts.model_copy(update={"synthetic": False})).sha256()
        != cells.sha256()
    )


def test_an_altered_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    save_packed(few(6), path)
    content = bytearray(path.read_bytes())
    middle = content.index(few(6).images.tobytes()[:64])
    content[middle] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="not a file of packed cells \\(images: Bad CRC"):
        load_packed(path)
    path.write_bytes(content[:100])
    with pytest.raises(BadInput, match="not a file of packed cells"):
        load_packed(path)


def test_a_column_of_another_cell_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    save_packed(few(6), path)
    with np.load(path) as stored:
        columns = dict(stored) | {"kind": few(6, seed=1).kind}
    np.savez(path, **columns)
    with pytest.raises(BadInput, match="expected content hash"):
        load_packed(path)


def test_facts_of_another_version_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cells.npz"
    save_packed(few(2), path)
    with np.load(path) as stored:
        columns = dict(stored)
    newer = columns["facts"].tobytes().replace(b'"format_version":1', b'"format_version":2')
    columns["facts"] = np.frombuffer(newer, np.uint8)
    np.savez(path, **columns)
    with pytest.raises(BadInput, match="facts: format_version"):
        load_packed(path)


def test_a_cell_cannot_be_there_twice() -> None:
    with pytest.raises(BadInput, match="global_index: a cell is there twice"):
        replace(few(3), global_index=np.array([1, 2, 1]))
    with pytest.raises(BadInput, match=r"kind: expected .*int32.* \(3,\), found float64 \(3,\)"):
        replace(few(3), kind=np.zeros(3))  # type: ignore[arg-type]  # that is the point


def test_an_8_bit_count_stands_for_sixteen_of_the_camera() -> None:
    pixels = np.array([[0, 1], [128, 255]], np.uint8)
    expected = (np.array([[8, 24], [2056, 4088]]) - 30) / 4065
    np.testing.assert_allclose(fraction_of_full_scale(pixels), expected, rtol=1e-6)
