"""Annotations of smear fields: what is read, and what is refused with one line."""

from pathlib import Path

import pytest

from phenostream.deploy.bench.field_boxes import read_boxes
from phenostream.engine.errors import BadInput
from tests.deploy.fields.folders import Box, annotation

ENTITIES = '<!DOCTYPE a [<!ENTITY x "xxxx"><!ENTITY y "&x;&x;&x;&x;">]>'


def _written(path: Path, text: str | bytes) -> Path:
    file = path / "field.xml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_corners_that_count_from_one_become_borders_from_zero(tmp_path: Path) -> None:
    boxes: tuple[Box, ...] = (("WBC", 1, 1, 640, 480), ("RBC", 11, 21, 30, 40))
    read = read_boxes(_written(tmp_path, annotation(boxes)))
    assert read.of("WBC").tolist() == [[0, 0, 640, 480]]
    assert read.of("RBC").tolist() == [[10, 20, 30, 40]]
    assert read.of("Platelets").shape == (0, 4)
    assert (read.width, read.height, read.dropped) == (640, 480, ())


@pytest.mark.parametrize(
    ("box", "left", "line"),
    [
        (("WBC", -20, 5, 50, 60), [[0, 4, 50, 60]], "WBC box -20, 5, 50, 60: cut at the picture's border"),
        (("WBC", 600, 5, 700, 60), [[599, 4, 640, 60]], "cut at the picture's border"),
        (("WBC", 0, 0, 50, 60), [[0, 0, 50, 60]], None),
        (("RBC", 504, 337, 504, 337), [], "RBC box 504, 337, 504, 337: no area within the picture, left out"),
        (("WBC", 700, 5, 800, 60), [], "no area within the picture"),
        (("WBC", 60, 5, 20, 60), [], "no area within the picture"),
    ],
)  # fmt: skip
def test_a_box_outside_the_picture_is_cut_or_left_out_and_named(
    tmp_path: Path, box: Box, left: list[list[float]], line: str | None
) -> None:
    read = read_boxes(_written(tmp_path, annotation((box,))))
    assert read.of(box[0]).tolist() == left
    assert len(read.dropped) == (line is not None)
    assert line is None or line in read.dropped[0]


def test_an_annotation_without_a_size_is_read(tmp_path: Path) -> None:
    text = "<annotation><object><name> WBC </name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>30.5</xmax>"
    read = read_boxes(_written(tmp_path, text + "<ymax>40</ymax></bndbox></object></annotation>"))
    assert (read.width, read.height) == (None, None)
    assert read.of("WBC").tolist() == [[10, 20, 30.5, 40]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "field.xml: not XML"),
        ("<annotation><object>", "field.xml: not XML"),
        ("<html></html>", "field.xml: root 'html', expected 'annotation'"),
        (annotation(head=ENTITIES), "field.xml: document type 'a': not allowed"),
        (annotation(head=ENTITIES).encode("utf-16"), "field.xml: document type 'a': not allowed"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>', "document type 'a': not allowed"),
        ("<annotation>" + " " * (1 << 20), "more than 1048576 bytes"),
        (b'<?xml version="1.0" encoding="never"?><annotation/>', "field.xml: not XML"),
        (annotation((("", 1, 2, 3, 4),)), "field.xml: object 0 has no name"),
        (annotation((("WBC", float("nan"), 2, 3, 4),)), "bndbox/xmin 'nan', expected a number of pixels"),
        (annotation((("WBC", 1, 2, 3, 1e9),)), "bndbox/ymax '1000000000.0', expected a number"),
        (annotation().replace("<ymin>121</ymin>", ""), "field.xml: bndbox/ymin '', expected a number"),
        (annotation((("RBC", 1, 2, 9, 9),) * 2001), "field.xml: 2001 boxes, allowed 2000"),
    ],
)  # fmt: skip
def test_what_is_no_annotation_is_refused_with_one_line(
    tmp_path: Path, text: str | bytes, line: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read_boxes(_written(tmp_path, text))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)
