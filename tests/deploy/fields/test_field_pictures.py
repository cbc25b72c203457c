"""Smear fields of a folder: pairs of picture and annotation, and why one is left out."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from phenostream.deploy.bench.field_pictures import (
    Field,
    LeftOut,
    annotations,
    read_field,
    unannotated,
)
from phenostream.engine.errors import BadInput
from tests.deploy.fields.folders import annotation, jpeg, write_field
from tests.engine.test_stained import smear

GREY = np.repeat(smear().mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)


def _png(picture: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    return bytes(cv2.imencode(".png", picture)[1].tobytes())


def test_pictures_lie_beside_their_annotations_or_in_folders_of_their_own(tmp_path: Path) -> None:
    write_field(tmp_path / "flat", "a")
    write_field(tmp_path / "Annotations", "a")
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations" / "a.jpg").rename(tmp_path / "JPEGImages" / "a.JPG")
    for folder in (tmp_path / "flat", tmp_path):
        field = read_field(annotations(folder)[0])
        assert isinstance(field, Field)
        assert field.picture.shape == (480, 640, 3)
        assert len(field.boxes.of("WBC")) == 2


def test_colours_are_in_the_order_red_green_blue(tmp_path: Path) -> None:
    write_field(tmp_path, "a")
    field = read_field(tmp_path / "a.xml")
    assert isinstance(field, Field)
    assert np.abs(field.picture.astype(int) - smear()).mean() < 4


def test_a_picture_that_no_annotation_goes_with_is_named(tmp_path: Path) -> None:
    write_field(tmp_path, "a")
    (tmp_path / "b.jpg").write_bytes(jpeg(smear()))
    (tmp_path / "notes.txt").write_text("of no account")
    assert unannotated(annotations(tmp_path)) == ["b.jpg"]


@pytest.mark.parametrize(
    ("content", "text", "line"),
    [
        (jpeg(GREY), None, "a.jpg: a picture without colour"),
        (jpeg(smear())[:9000], None, "a.jpg: damaged: the JPEG ends before its picture does"),
        (b"", None, "a.jpg: empty file"),
        (b"GIF89a" + b"\xff\xd9", None, "a.jpg: neither JPEG nor PNG"),
        (jpeg(smear())[:400] + b"\xff\xd9", None, "a.jpg: damaged: cannot be decoded"),
        (jpeg(smear()[:32, :32]), None, "a.jpg: 32 x 32, allowed 64 to 8192 pixels a side"),
        (_png(np.zeros((64, 9000, 3), np.uint8)), None, "a.jpg: 9000 x 64, allowed 64 to 8192"),
        (jpeg(smear()), annotation(width=320, height=240), "a.jpg: 640 x 480, its boxes are for 320 x 240"),
        (jpeg(smear()), "<annotation", "a.xml: not XML"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_used_is_left_out_with_one_line(
    tmp_path: Path, content: bytes, text: str | None, line: str
) -> None:
    write_field(tmp_path, "a", text, content)
    field = read_field(tmp_path / "a.xml")
    assert isinstance(field, LeftOut)
    assert field.name == "a"
    assert line in field.reason
    assert "\n" not in field.reason


def test_an_annotation_without_its_picture_is_left_out(tmp_path: Path) -> None:
    write_field(tmp_path, "a")
    (tmp_path / "a.jpg").unlink()
    assert read_field(tmp_path / "a.xml") == LeftOut(
        "a", "a.xml: no picture of that name (.jpg, .jpeg, .png)"
    )


def test_a_folder_without_annotations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder of smear fields"):
        annotations(tmp_path / "nowhere")
    with pytest.raises(BadInput, match=r"no annotations \(\*\.xml"):
        annotations(tmp_path)
