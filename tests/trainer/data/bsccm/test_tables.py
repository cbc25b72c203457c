import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bsccm.dataset import open_dataset
from phenostream.trainer.data.bsccm.layout import INDEX_FILE, MARKER_COLUMNS, MARKERS_FILE
from phenostream.trainer.data.bsccm.tables import read_index, read_markers

pytestmark = pytest.mark.trainer
Edit = Callable[[str, str, str], None]


def test_a_part_of_the_cells_keeps_its_numbers(copied: Path) -> None:
    whole = read_index(copied)
    rows = (copied / INDEX_FILE).read_text().splitlines()
    (copied / INDEX_FILE).write_text("\n".join([rows[0], *rows[5:9]]) + "\n")
    rows = (copied / MARKERS_FILE).read_text().splitlines()
    (copied / MARKERS_FILE).write_text("\n".join([rows[0], rows[8], rows[6]]) + "\n")
    index = read_index(copied)
    table = read_markers(copied, index)
    assert index.global_index.tolist() == whole.global_index[4:8].tolist()
    assert table.row.tolist() == [3, 1]
    assert len(open_dataset(copied)) == 2


@pytest.mark.parametrize("name", [INDEX_FILE, MARKERS_FILE])
def test_a_missing_table_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BadInput, match=f"{name}: is not there"):
        open_dataset(copied)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        (INDEX_FILE, "fov_center_y"),
        (INDEX_FILE, "antibodies"),
        (MARKERS_FILE, "CD16_full_model_unmixed"),
        (MARKERS_FILE, "selection_gated_CD45_hi_CD_16_hi"),
        (MARKERS_FILE, "global_index"),
    ],
)
def test_a_missing_column_is_named(edit: Edit, copied: Path, name: str, column: str) -> None:
    edit(name, column, "something")
    with pytest.raises(BadInput, match=f"{name}: column {column} is not there"):
        open_dataset(copied)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        (INDEX_FILE, ",fov_center_z,", ",fov_center_y,", "column fov_center_y is there twice"),
        (INDEX_FILE, ",unstained,", ",CD4,", "antibodies: 'CD4', allowed all, unstained, CD123"),
        (INDEX_FILE, ",0,unstained,", ",2,unstained,", "batch: 2, allowed whole numbers 0 to 1"),
        (INDEX_FILE, ",0,unstained,", ",,unstained,", "batch: nan, allowed whole numbers"),
        (INDEX_FILE, "antibodies_unstained", "../antibodies", "data_path: '../antibodies/batch_"),
        (INDEX_FILE, "antibodies_CD45/", "/antibodies_CD45/", "data_path: '/antibodies_CD45"),
        (INDEX_FILE, "global_index,", "global_index,,", "cannot be read"),
        (MARKERS_FILE, "False\n", "\n", "selection_gated_CD45_hi_CD_16_hi: .* without a value"),
        (MARKERS_FILE, "False\n", "maybe\n", "cannot be read .*maybe"),
        (MARKERS_FILE, "CD16_hi_CD45_lomid", "CD16_hi", "column selection_gated_CD16_hi_CD45"),
    ],
)
def test_what_may_not_stand_there_is_named(
    edit: Edit, copied: Path, name: str, old: str, new: str, told: str
) -> None:
    edit(name, old, new)
    with pytest.raises(BadInput, match=f"{name}: {told}"):
        open_dataset(copied)


def test_an_unknown_gate_is_refused_rather_than_counted_by_place(edit: Edit, copied: Path) -> None:
    edit(MARKERS_FILE, "Fluor_690-_shading_corrected", "selection_gated_new")
    with pytest.raises(BadInput, match="column selection_gated_new is no gate of BSCCM"):
        open_dataset(copied)


def test_a_cell_twice_or_of_another_set_is_named(copied: Path) -> None:
    path = copied / MARKERS_FILE
    text = path.read_text()
    rows = text.splitlines()
    number = rows[1].split(",")[0]
    path.write_text(text + rows[1] + "\n")
    with pytest.raises(BadInput, match=f"{MARKERS_FILE}: global_index {number} is there twice"):
        open_dataset(copied)
    path.write_text(text.replace(f"\n{number},", "\n999999,"))
    with pytest.raises(BadInput, match=f"global_index 999999 is not in {INDEX_FILE}"):
        open_dataset(copied)


def test_an_empty_table_is_named(copied: Path) -> None:
    path = copied / INDEX_FILE
    path.write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(BadInput, match=f"{INDEX_FILE}: no rows"):
        open_dataset(copied)


def test_a_target_that_is_no_number_is_masked_out_and_counted(copied: Path) -> None:
    from phenostream.trainer.data.bsccm.survey import survey

    path = copied / MARKERS_FILE
    before = survey(open_dataset(copied))
    lines = path.read_text().splitlines()
    place = lines[0].split(",").index(MARKER_COLUMNS[3])
    row = int(np.flatnonzero(open_dataset(copied).marker_mask.all(axis=1))[0])
    for value in ("", "nan", "NaN", "inf"):
        cells = lines[1 + row].split(",")
        cells[place] = value
        path.write_text("\n".join([*lines[: 1 + row], ",".join(cells), *lines[2 + row :]]) + "\n")
        data = open_dataset(copied)
        assert data.marker_mask[row].tolist() == [True, True, True, False]
        found = survey(data)
        assert found.missing["CD16"] == 1
        assert found.usable["CD16"] == before.usable["CD16"] - 1


def test_a_header_that_is_no_text_is_one_line(copied: Path) -> None:
    (copied / INDEX_FILE).write_bytes(b"\xff\xfe\x00" * 50)
    with pytest.raises(BadInput, match=re.escape(f"{INDEX_FILE}: cannot be read (")):
        open_dataset(copied)
