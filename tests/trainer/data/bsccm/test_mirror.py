import csv
import json
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.errors import BadConfig, BadInput
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.types import SHOTS
from phenostream.trainer.data.bsccm.chunk_files import read_layout
from phenostream.trainer.data.bsccm.dataset import open_dataset
from phenostream.trainer.data.bsccm.images import read_shots
from phenostream.trainer.data.bsccm.layout import (
    ANTIBODIES,
    IMAGES_FOLDER,
    INDEX_COLUMNS,
    INDEX_FILE,
    MARKERS_FILE,
    METADATA_FILE,
)
from phenostream.trainer.data.bsccm.mirror import MirrorSettings, write_mirror
from phenostream.trainer.data.bsccm.mirror_census import take_census

pytestmark = pytest.mark.trainer


def test_equal_settings_give_equal_bytes(small_mirror: Path, tmp_path: Path) -> None:
    write_mirror(tmp_path / "again", MirrorSettings(cells=60))
    for path in sorted(small_mirror.rglob("*")):
        if path.is_file():
            twin = tmp_path / "again" / path.relative_to(small_mirror)
            assert twin.read_bytes() == path.read_bytes(), path


def test_both_variants_hold_the_same_cells(small_mirror: Path, large_mirror: Path) -> None:
    for name in (INDEX_FILE, MARKERS_FILE):
        assert (small_mirror / name).read_bytes() == (large_mirror / name).read_bytes()


@pytest.mark.parametrize(
    ("mirror", "led", "fluor", "dpc"),
    [
        ("small_mirror", ("<u2", 28, 96), ("|u1", 28, 96), ("<f4", 28, 96)),
        ("large_mirror", ("<u2", 128, 128), ("<u2", 128, 128), ("<f4", 128, 128)),
    ],
)
def test_arrays_are_laid_out_as_published(
    mirror: str,
    led: tuple[str, int, int],
    fluor: tuple[str, int, int],
    dpc: tuple[str, int, int],
    request: pytest.FixtureRequest,
) -> None:
    root: Path = request.getfixturevalue(mirror)
    data = open_dataset(root)
    cell = root / IMAGES_FOLDER / str(data.cells.data_path[0])
    name = f"cell_{data.cells.global_index[0]}"
    for kind, planes, (dtype, side, held) in (
        ("led_array", (23,), led),
        ("fluor", (6,), fluor),
        ("dpc", (), dpc),
    ):
        layout = read_layout(cell / kind / name)
        assert (layout.dtype, layout.shape) == (dtype, (*planes, side, side))
        assert layout.chunks == (*(1 for _ in planes), held, held)
    stated = json.loads((cell / "led_array" / name / ".zarray").read_text())["compressor"]
    assert stated == {"id": "blosc", "cname": "zstd", "clevel": 9, "shuffle": 1, "blocksize": 0}


def test_tables_have_the_published_columns(small_mirror: Path) -> None:
    with (small_mirror / INDEX_FILE).open() as file:
        assert tuple(next(csv.reader(file))) == INDEX_COLUMNS
    with (small_mirror / MARKERS_FILE).open() as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    assert len(names) == 30  # the number of the cell, and 29 columns
    ends = ("_shading_corrected", "_full_model_unmixed", "_single_antibody_model_unmixed")
    assert [sum(name.endswith(end) for name in names) for end in ends] == [6, 4, 9]
    assert sum(name.startswith("selection_gated_") for name in names) == 10
    assert all(row[name] for row in rows for name in names if name.endswith(ends[1]))


def test_60_cells_hold_every_case(small_mirror: Path) -> None:
    data = open_dataset(small_mirror)
    index = data.cells
    assert set(zip(index.condition.tolist(), index.batch.tolist(), strict=True)) == {
        (condition, batch) for condition in range(len(ANTIBODIES)) for batch in (0, 1)
    }
    labelled = (index.condition == 0) & (index.batch == 0)
    assert len(np.unique(index.slide[labelled])) == 2
    assert len(np.unique(index.field[labelled])) > 5
    assert not data.gates[~labelled].any()
    assert (~data.gates[labelled].any(axis=1)).any()
    assert {-1, 0, 1, 2, 3} == set(data.kinds.kind.tolist())
    assert np.diff(index.global_index).max() > 1
    assert data.censored[data.marker_mask].any()


@pytest.mark.parametrize("cells", [60, 61, 97, 500])
@pytest.mark.parametrize("seed", range(4))
def test_a_census_of_any_size_has_every_class_and_both_kinds_of_overlap(
    cells: int, seed: int
) -> None:
    census = take_census(cells, np.random.default_rng(seed))
    assert len(census) == cells == len(np.unique(census.global_index))
    assert census.gates[:, 0].any()
    assert census.gates[:, 1:4].any()
    assert census.gates[:, 7:].any()
    assert (census.gates[:, 1:4].sum(axis=1) > 1).any()
    assert (census.gates[:, 0] & census.gates[:, 7]).any()
    for slide in {census.data_path(row) for row in range(cells)}:
        rows = [row for row in range(cells) if census.data_path(row) == slide]
        places = census.field_um[rows] + 0.2 * census.in_field_px[rows]
        apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
        assert (apart[np.triu_indices(len(rows), 1)] >= 11.9).all()


def test_a_cell_is_bright_on_the_side_of_the_tilt(small_mirror: Path) -> None:
    data = open_dataset(small_mirror)
    white = np.flatnonzero((data.kinds.kind >= 0) & (data.kinds.kind < 3))
    images = np.stack(
        [
            read_shots(
                small_mirror,
                data.metadata,
                str(data.cells.data_path[row]),
                int(data.cells.global_index[row]),
            )
            for row in white
        ]
    ).astype(np.float64)
    contrast = images / np.median(images, axis=(2, 3), keepdims=True) - 1
    offset = np.arange(28) - 13.5
    for place, shot in enumerate(SHOTS):
        dipole = np.array(
            [(contrast[:, place] * offset[:, None]).sum(), (contrast[:, place] * offset).sum()]
        )
        dipole /= np.abs(contrast[:, place] * np.hypot(offset[:, None], offset)).sum()
        assert dipole @ np.array(TILT[shot]) > 0.1
        assert abs(dipole @ np.array(TILT[shot])[::-1]) < 0.05


def test_a_mirror_says_that_it_is_synthetic_and_what_is_empty(small_mirror: Path) -> None:
    stated = json.loads((small_mirror / METADATA_FILE).read_text())
    assert "synthetic" in stated["name"]
    assert "no evidence about blood" in stated["synthetic"]["note"]
    assert stated["synthetic"]["with_pixels"] == [
        "Brightfield",
        "DPC_Left",
        "DPC_Right",
        "DPC_Top",
        "DPC_Bottom",
    ]


def test_an_interrupted_mirror_is_no_data_set_and_its_folder_not_written_into(
    tmp_path: Path,
) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_mirror(tmp_path / "mirror", MirrorSettings(cells=60), stop)
    with pytest.raises(BadInput, match="the copy was cut short"):
        open_dataset(tmp_path / "mirror")
    with pytest.raises(BadInput, match="mirror: is not an empty folder"):
        write_mirror(tmp_path / "mirror", MirrorSettings(cells=60))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cells": 59}, "cells: 59 is out of range, allowed 60 to 100000"),
        ({"seed": -1}, "seed: -1 is out of range"),
        ({"variant": "BSCCM-coherent"}, "variant 'BSCCM-coherent'"),
        ({"variant": "BSCCM", "dtype": "|u1"}, "dtype: '|u1' is not allowed in BSCCM"),
    ],
)
def test_impossible_settings_are_named(change: dict[str, object], told: str) -> None:
    settings: dict[str, object] = {"cells": 60} | change
    with pytest.raises(BadConfig) as refused:
        MirrorSettings(**settings)  # type: ignore[arg-type]  # that is the point
    assert told in str(refused.value)
