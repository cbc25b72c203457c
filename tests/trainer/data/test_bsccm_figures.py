"""Reading labelled pictures of real cells: layouts, bad rows, orientation."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadInput
from phenostream.engine.types import U8
from phenostream.trainer.data.bsccm_figures import as_left, read_figures, read_shots
from phenostream.trainer.data.cell_set import UNLABELLED

FIGURES = Path(__file__).parents[4] / "shared" / "data" / "bsccm_figures"
HEADER = "name,channel,cls\n"


def picture(seed: int, side: int = 98) -> U8:
    """Noise, so that no two are equal."""
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def folder(root: Path, rows: str, *names: str) -> Path:
    """A folder of this index, with pictures of these names."""
    (root / "png").mkdir(parents=True, exist_ok=True)
    (root / "index.csv").write_text(rows)
    for seed, name in enumerate(names):
        cv2.imwrite(str(root / "png" / f"{name}.png"), picture(seed))
    return root


def test_labels_become_kinds_and_other_columns_and_files_do_not_matter(tmp_path: Path) -> None:
    rows = (
        "split,cls,channel,name\nheld,monocyte,DPC_Left,a\nx,rbc,DPC_Left,b\n,Unknown,DPC_Right,c\n"
    )
    cells = read_figures(folder(tmp_path, rows, "a", "b", "c"))
    assert cells.names == ("a", "b", "c")
    assert cells.kind.tolist() == [2, 3, UNLABELLED]
    assert cells.images.shape == (3, 128, 128)
    assert cells.left_out == ()


def test_labels_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    folder(tmp_path, "name,channel\na,DPC_Left\nb,DPC_Left\n", "a", "b")
    with pytest.raises(BadInput, match=r"no column cls, and no labels\.csv"):
        read_figures(tmp_path)
    (tmp_path / "labels.csv").write_text("name,cls\nb,lymphocyte\n")
    cells = read_figures(tmp_path)
    assert cells.names == ("b",)
    assert cells.left_out == ("a: has no label",)


def test_opposite_shots_are_mirrored_and_the_others_turned(tmp_path: Path) -> None:
    right_half_bright = np.zeros((64, 64), np.uint8)
    right_half_bright[:, 32:] = 200
    for channel, shown in {
        "DPC_Left": right_half_bright,
        "DPC_Right": right_half_bright[:, ::-1],
        "DPC_Top": np.rot90(right_half_bright),
        "DPC_Bottom": np.rot90(right_half_bright, -1),
    }.items():
        assert np.array_equal(as_left(np.ascontiguousarray(shown), channel), right_half_bright)


def _write(array: U8 | npt.NDArray[np.uint16], most: int | None = None) -> Callable[[Path], int]:
    return lambda path: path.write_bytes(cv2.imencode(".png", array)[1].tobytes()[:most])


@pytest.mark.parametrize(
    ("row", "write", "said"),
    [
        ("b,DPC_Left,basophil", _write(picture(1)), "b: label 'basophil' is none of lymphocyte"),
        ("b,DPC_Left,", _write(picture(1)), "b: has no label"),
        ("b,Brightfield,rbc", _write(picture(1)), "b: channel 'Brightfield' is none of DPC_Left"),
        ("../b,DPC_Left,rbc", _write(picture(1)), "../b: is no plain file name"),
        ("a,DPC_Left,monocyte", _write(picture(1)), "a: is there twice"),
        ("b,DPC_Left,rbc", _write(picture(0)), "b: is there twice"),
        ("b,DPC_Left,rbc", lambda path: 0, "b: picture is missing"),
        ("b,DPC_Left,rbc", lambda path: path.write_bytes(b"GIF89a"), "b: picture is no PNG of 64"),
        ("b,DPC_Left,rbc", _write(picture(1, 20)), "b: picture is no PNG of 64 to 1024 px"),
        ("b,DPC_Left,rbc", _write(picture(1)[:, :80]), "b: picture is 98 x 80 px: a square"),
        ("b,DPC_Left,rbc", _write(np.full((98, 98), 7, np.uint8)), "b: picture is empty"),
        ("b,DPC_Left,rbc", _write(picture(1).astype(np.uint16)), "b: picture has not 8 bits"),
        (
            "b,DPC_Left,rbc",
            _write(np.stack([picture(1), picture(2), picture(3)], axis=2)),
            "b: picture is in colour",
        ),
        ("b,DPC_Left,rbc", _write(picture(1), 400), "b: picture is"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_used_is_left_out_and_named(
    tmp_path: Path, row: str, write: Callable[[Path], int], said: str
) -> None:
    folder(tmp_path, f"{HEADER}a,DPC_Left,monocyte\n{row}\n", "a")
    write(tmp_path / "png" / "b.png")
    cells = read_figures(tmp_path)
    assert cells.names == ("a",)
    assert len(cells.left_out) == 1
    assert cells.left_out[0].startswith(said)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        (None, "index.csv: No such file"),
        ("", "index.csv: no rows"),
        (HEADER, "index.csv: no rows"),
        ("name,cls\na,rbc\n", "needs the columns name and channel"),
        ("\xff\xfe", "no rows"),
        (f"{HEADER}a,DPC_Left,rbc\n", "no labelled picture of a cell: a: picture is missing"),
    ],
)
def test_a_folder_without_usable_cells_is_refused_in_one_line(
    tmp_path: Path, index: str | None, said: str
) -> None:
    if index is not None:
        (tmp_path / "index.csv").write_text(index)
    with pytest.raises(BadInput, match=said) as caught:
        read_figures(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not FIGURES.is_dir(), reason="the shared folder of real cells is absent")
def test_the_public_real_cells_are_read() -> None:
    cells = read_figures(FIGURES)
    assert {label: cells.labels.count(label) for label in set(cells.labels)} == {
        "lymphocyte": 12, "granulocyte": 24, "monocyte": 24, "rbc": 5, "unknown": 12,
    }  # fmt: skip
    assert cells.left_out == ("clu_4_03: is there twice",)
    assert read_shots(FIGURES, "quad5").shape == (4, 128, 128)
    with pytest.raises(BadInput, match="quad6_DPC_Left: picture is missing"):
        read_shots(FIGURES, "quad6")
