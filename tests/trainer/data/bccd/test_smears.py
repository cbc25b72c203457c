"""Reading data sets of stained pictures, whole and broken."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from phenostream.engine.errors import BadInput
from phenostream.trainer.data.bccd.cell_crop import BACKGROUND, cell_centre, cell_crop
from phenostream.trainer.data.bccd.pixels import claimed_size, decode
from phenostream.trainer.data.bccd.smears import read_smears
from tests.trainer.data.bccd.toy_smears import changed, field, jpeg


def picture(seed: int) -> bytes:
    return jpeg(changed(field(seed % 3, seed), np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("below", "part"),
    [
        ("LYMPHOCYTE", "ALL"),
        ("TRAIN/LYMPHOCYTE", "TRAIN"),
        ("images/TEST_SIMPLE/Lymphocyte", "TEST_SIMPLE"),
        ("a/b/images/test/lymphocyte", "TEST"),
    ],
)
def test_every_layout_of_folders_is_read(below: str, part: str, tmp_path: Path) -> None:
    folder = tmp_path / below
    folder.mkdir(parents=True)
    (folder / "1.jpeg").write_bytes(picture(1))
    (folder / "notes.txt").write_text("not a picture")
    smears = read_smears(tmp_path)
    assert (len(smears), smears.part[0], smears.label[0]) == (1, part, "LYMPHOCYTE")
    assert smears.kind.tolist() == [0]


def test_a_part_is_known_by_the_name_of_its_own_folder_or_zip_file(tmp_path: Path) -> None:
    root = tmp_path / "TEST"
    (root / "MONOCYTE").mkdir(parents=True)
    (root / "MONOCYTE" / "1.jpg").write_bytes(picture(1))
    assert read_smears(root).part == ("TEST",)
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        archive.writestr("EOSINOPHIL/_0_1.jpeg", picture(2))
    assert read_smears(tmp_path / "train.zip").part == ("TRAIN",)
    both = read_smears(tmp_path)
    assert sorted(zip(both.part, both.label, strict=True)) == [
        ("TEST", "MONOCYTE"),
        ("TRAIN", "EOSINOPHIL"),
    ]


def test_what_cannot_be_judged_is_left_out_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "LYMPHOCYTE"
    folder.mkdir()
    good = picture(1)
    grey = cv2.cvtColor(changed(field(0, 5), np.random.default_rng(5)), cv2.COLOR_RGB2GRAY)
    files = {
        "good.jpeg": good,
        "again.jpeg": good,
        "cut.jpeg": good[: len(good) // 2],
        "noise.jpeg": b"\xff\xd8\xff" + b"no picture" * 20,
        "empty.jpeg": b"",
        "text.png": b"hello",
        "grey.jpeg": cv2.imencode(".jpg", grey)[1].tobytes(),
        "tiny.png": cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1].tobytes(),
        "large.jpeg": jpeg(field(0, 9, side=400)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (tmp_path / "PLATELETS").mkdir()
    (tmp_path / "PLATELETS" / "1.jpeg").write_bytes(picture(3))
    (tmp_path / "loose.jpeg").write_bytes(picture(4))
    (tmp_path / "MONOCYTE").mkdir()
    smears = read_smears(tmp_path)
    assert sorted(smears.names) == ["LYMPHOCYTE/again.jpeg", "LYMPHOCYTE/large.jpeg"]
    assert smears.resampled == 1
    lines = "\n".join(one.line() for one in smears.left_out)
    for told in (
        "1 left out: one file twice in one part (LYMPHOCYTE/good.jpeg)",
        "the JPEG ends before its picture does (LYMPHOCYTE/cut.jpeg)",
        "empty file (LYMPHOCYTE/empty.jpeg)",
        "neither JPEG nor PNG (LYMPHOCYTE/text.png)",
        "grey: no colour",
        "height 20 px, allowed 48 to 4096 (LYMPHOCYTE/tiny.png)",
        "folder 'PLATELETS'; known are BASOPHIL, EOSINOPHIL",
        "(loose.jpeg)",
    ):
        assert told in lines
    assert len(smears.left_out) == 9


def test_one_file_under_two_classes_is_left_out_twice(tmp_path: Path) -> None:
    for label, seeds in (("LYMPHOCYTE", (1, 2)), ("MONOCYTE", (1,))):
        (tmp_path / label).mkdir()
        for seed in seeds:
            (tmp_path / label / f"{seed}.jpeg").write_bytes(picture(seed))
    smears = read_smears(tmp_path)
    assert smears.names == ("LYMPHOCYTE/2.jpeg",)
    assert [(one.reason, one.count) for one in smears.left_out] == [
        ("one file under two classes of one part", 2)
    ]


def test_nothing_to_judge_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder and no zip file"):
        read_smears(tmp_path / "none")
    with pytest.raises(BadInput, match="no file named like a picture"):
        read_smears(tmp_path)
    (tmp_path / "x.zip").write_bytes(b"PK not really")
    with pytest.raises(BadInput, match="not a zip file that can be read"):
        read_smears(tmp_path)


def test_a_zip_file_with_hostile_members_is_read_without_them(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "test.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../MONOCYTE/../MONOCYTE/1.jpeg", picture(1))
        archive.writestr("MONOCYTE/bomb.jpeg", b"\xff\xd8\xff" + bytes(64 << 20))
        archive.writestr("MONOCYTE/" + "x" * 5000 + ".jpeg", picture(2))
    smears = read_smears(tmp_path)
    assert len(smears) + sum(one.count for one in smears.left_out) == 3
    assert "more than 8 MiB" in "\n".join(one.reason for one in smears.left_out)
    assert list(tmp_path.iterdir()) == [tmp_path / "test.zip"]


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_made() -> None:
    content = bytearray(picture(1))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = b"\xff\xf0\xff\xf0"
    assert claimed_size(bytes(content)) == (0xFFF0, 0xFFF0)
    with pytest.raises(BadInput, match="height 65520 px, allowed 48 to 4096"):
        decode(bytes(content), 128)


@pytest.mark.parametrize("kind", [0, 1, 2])
def test_the_cell_is_in_the_middle_of_its_crop_on_a_grey_background(kind: int) -> None:
    rng = np.random.default_rng(kind)
    for seed in range(5):
        shown = changed(field(kind, 70 + seed), rng)
        crop = cell_crop(shown, 48)
        assert crop.shape == (3, 48, 48)
        red, _, blue = crop.astype(int)
        stain = np.clip(blue - red - 25, 0, None)
        row, column = np.indices(stain.shape)
        middle = (stain * row).sum() / stain.sum(), (stain * column).sum() / stain.sum()
        assert np.abs(np.array(middle) - 23.5).max() < 6
        light = np.quantile(crop.reshape(3, -1), 0.9, axis=1)
        assert light == pytest.approx([BACKGROUND] * 3, abs=10)
        assert crop.max(axis=0).min() > 40


def test_a_picture_without_stain_or_light_gives_its_middle() -> None:
    for level in (0, 200):
        flat = np.full((128, 128, 3), level, np.uint8)
        assert cell_centre(flat) == (64, 64)
        assert (cell_crop(flat, 48) == BACKGROUND).all()
