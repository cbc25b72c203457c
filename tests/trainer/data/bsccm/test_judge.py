"""The data set's own package reads our mirror as we read it: the judge of the layout."""

import contextlib
import csv
import io
import warnings
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine.bsccm import bsccmnist_pixels
from phenostream.trainer.data.bsccm.dataset import open_dataset
from phenostream.trainer.data.bsccm.images import read_shots
from phenostream.trainer.data.bsccm.layout import (
    GATES,
    LED_CHANNELS,
    MARKERS_FILE,
    SHOT_CHANNELS,
    UNKNOWN,
)
from phenostream.trainer.data.bsccm.packer import pack

pytestmark = pytest.mark.trainer


def judge(root: Path) -> Any:
    from bsccm import BSCCM

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its metadata file open
        return BSCCM(str(root))


@pytest.mark.parametrize("mirror", ["small_mirror", "large_mirror"])
def test_the_package_sees_the_same_pixels(
    mirror: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    root = request.getfixturevalue(mirror)
    data, theirs = open_dataset(root), judge(root)
    packed = pack(root, tmp_path / "cells.npz", others=None)
    for row in range(0, len(data), 6):
        number = int(data.cells.global_index[row])
        image = np.stack([theirs.read_image(number, name, copy=True) for name in SHOT_CHANNELS])
        ours = read_shots(root, data.metadata, str(data.cells.data_path[row]), number)
        np.testing.assert_array_equal(ours, image)
        small = image if mirror == "small_mirror" else bsccmnist_pixels(image)
        np.testing.assert_array_equal(packed.images[row], small)


def test_the_package_sees_the_same_cells_labels_and_targets(
    small_mirror: Path, tmp_path: Path
) -> None:
    cells = pack(small_mirror, tmp_path / "cells.npz", others=None)
    theirs = judge(small_mirror)
    assert theirs.index_dataframe.index.tolist() == cells.global_index.tolist()
    _, _, _, markers = theirs.get_surface_marker_data(cells.global_index)
    np.testing.assert_array_equal(cells.markers, markers)
    listed = np.nonzero(cells.gates.T)  # gate by gate, as the package concatenates them
    numbers, gates = theirs.get_cell_type_classification_data(ten_class_version=True)
    assert cells.global_index[listed[1]].tolist() == numbers.tolist()
    assert listed[0].tolist() == gates.tolist()
    numbers, classes = theirs.get_cell_type_classification_data()
    of_gate = np.array([gate.group for gate in GATES])[listed[0]]
    white = (of_gate < UNKNOWN) & (of_gate != 3)
    assert cells.global_index[listed[1]][white].tolist() == numbers.tolist()
    assert of_gate[white].tolist() == classes.tolist()
    assert theirs.get_indices(batch=0, antibodies="CD16").tolist() == [
        number
        for number, condition, batch in zip(
            cells.global_index, cells.condition, cells.batch, strict=True
        )
        if (condition, batch) == (9, 0)
    ]


def test_what_has_no_pixels_reads_as_zero(small_mirror: Path) -> None:
    theirs = judge(small_mirror)
    number = int(theirs.index_dataframe.index[0])
    written = {"Brightfield", *SHOT_CHANNELS}
    for name in LED_CHANNELS:
        assert theirs.read_image(number, name, copy=True).any() == (name in written)
    assert theirs.read_image(number, "Fluor_690-", copy=True).shape == (28, 28)
    assert not theirs.read_image(number, "dpc", copy=True).any()


def test_columns_in_another_order_change_nothing(
    small_mirror: Path, copied: Path, tmp_path: Path
) -> None:
    for name in (MARKERS_FILE, "BSCCM_index.csv"):
        _shuffle_columns(copied / name)
    before = pack(small_mirror, tmp_path / "before.npz")
    after = pack(copied, tmp_path / "after.npz")
    for column in fields(before):
        if column.name != "facts":
            np.testing.assert_array_equal(getattr(before, column.name), getattr(after, column.name))
    by_file = {"source_sha256", "plan"}
    assert before.facts.model_dump(exclude=by_file) == after.facts.model_dump(exclude=by_file)


def _shuffle_columns(path: Path) -> None:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    order = np.random.default_rng(3).permutation(len(rows[0]))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[row[place] for place in order] for row in rows])
