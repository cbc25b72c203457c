"""White cells of drawn stained smears: found whole at any scale and lamp colour, and nothing else found."""

import cv2
import numpy as np
import pytest

from phenostream.engine.boxes import overlap
from phenostream.engine.errors import BadConfig, BadFrame
from phenostream.engine.stained import StainSettings, find_white_cells
from phenostream.engine.types import F32, U8

CLEAR, RED, BODY, NUCLEUS = (205, 206, 201), (180, 160, 165), (180, 160, 200), (110, 80, 180)
CELL_PX = 200
WHITE = ((200, 220), (470, 240))
"""Centres (x, y) of the white cells of `smear`."""
BOXES = np.array([[x - 100, y - 100, x + 100, y + 100] for x, y in WHITE], np.float32)


def smear(white: tuple[tuple[int, int], ...] = WHITE) -> U8:
    """A field of 640 x 480 with red cells, platelets and white cells 200 px wide."""
    picture = np.full((480, 640, 3), CLEAR, np.uint8)
    for x, y in ((60, 60), (330, 80), (580, 60), (60, 420), (330, 400), (590, 420), (335, 240)):
        cv2.circle(picture, (x, y), 45, RED, -1)
    for x, y in ((200, 60), (450, 440)):
        cv2.circle(picture, (x, y), 12, NUCLEUS, -1)
    for x, y in white:
        cv2.circle(picture, (x, y), 100, BODY, -1)
        for dx, dy in ((-30, -20), (30, -20), (0, 30)):
            cv2.circle(picture, (x + dx, y + dy), 36, NUCLEUS, -1)
    noise = np.random.default_rng(0).normal(0, 4, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def _matched(boxes: F32, truth: F32) -> F32:
    """Best overlap of each true box."""
    return np.asarray(overlap(truth, boxes).max(axis=1, initial=0), np.float32)


def test_white_cells_are_found_whole_and_red_cells_and_platelets_are_not() -> None:
    found = find_white_cells(smear())
    assert len(found) == len(WHITE)
    assert (_matched(found.box, BOXES) > 0.8).all()
    assert (found.score > StainSettings().least_stain).all()


@pytest.mark.parametrize(("width", "height"), [(128, 128), (320, 240), (1280, 960)])
def test_the_same_cells_are_found_at_every_stated_scale(width: int, height: int) -> None:
    scale = np.array([width / 640, height / 480] * 2, np.float32)
    picture = cv2.resize(smear(), (width, height), interpolation=cv2.INTER_AREA)
    found = find_white_cells(picture, (CELL_PX * height / 480, CELL_PX * width / 640))
    assert len(found) == len(WHITE)
    assert (_matched(found.box, BOXES * scale) > 0.75).all()


@pytest.mark.parametrize("gains", [(1.2, 1.0, 0.8), (0.8, 1.0, 1.1), (0.5, 0.5, 0.5)])
def test_the_colour_of_the_lamp_drops_out(gains: tuple[float, float, float]) -> None:
    found = find_white_cells(np.clip(smear() * np.array(gains), 0, 255).astype(np.uint8))
    assert len(found) == len(WHITE)
    assert (_matched(found.box, BOXES) > 0.75).all()


def test_black_corners_of_a_turned_picture_are_no_cells() -> None:
    turn = cv2.getRotationMatrix2D((320, 240), 20, 1.0)
    found = find_white_cells(np.asarray(cv2.warpAffine(smear(), turn, (640, 480)), np.uint8))
    assert len(found) == len(WHITE)


def test_a_cell_cut_by_the_border_has_a_box_within_the_picture() -> None:
    found = find_white_cells(smear(((620, 240),)))
    assert len(found) == 1
    assert _matched(found.box, np.array([[520, 140, 640, 340]], np.float32))[0] > 0.7
    assert found.box[0, 2] <= 640


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [(BODY, NUCLEUS, 170), (NUCLEUS, (150, 130, 190), 190)],
    ids=["they touch", "the second is faint, and hides in the smoothing of the first"],
)
def test_a_small_cell_beside_a_large_one_is_found_too(
    first: tuple[int, int, int], second: tuple[int, int, int], apart: int
) -> None:
    picture = smear(((300, 200),))
    if first is not BODY:
        cv2.circle(picture, (300, 200), 100, first, -1)
    cv2.circle(picture, (300, 200 + apart), 65, BODY, -1)
    cv2.circle(picture, (300, 200 + apart), 45, second, -1)
    truth = np.array([[200, 100, 400, 300], [235, 135 + apart, 365, 265 + apart]], np.float32)
    found = find_white_cells(picture)
    assert len(found) == 2
    assert (_matched(found.box, truth) > 0.6).all()


@pytest.mark.parametrize(
    "picture",
    [
        smear(()),
        np.repeat(smear().mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2),
        np.zeros((480, 640, 3), np.uint8),
        np.full((480, 640, 3), 255, np.uint8),
    ],
    ids=["no white cell", "without colour", "black", "white"],
)
def test_nothing_is_found_where_no_stained_nucleus_is(picture: U8) -> None:
    found = find_white_cells(picture)
    assert len(found) == 0
    assert found.box.shape == (0, 4)


def test_the_strongest_stain_comes_first() -> None:
    picture = smear()
    picture[:, 330:] = 255 - (255 - picture[:, 330:].astype(int)) * 4 // 5
    found = find_white_cells(picture)
    assert found.score[0] > found.score[1]
    assert found.box[0, 0] < found.box[1, 0]


@pytest.mark.parametrize(
    ("picture", "cell_px", "line"),
    [
        (np.zeros((480, 640), np.uint8), (200, 200), r"shape \(480, 640\) uint8: expected \(H, W, 3\)"),
        (np.zeros((480, 640, 3), np.float32), (200, 200), r"float32: expected \(H, W, 3\) uint8"),
        (np.zeros((4, 640, 3), np.uint8), (8, 200), "height 4 px: allowed 8 to 8192"),
        (np.zeros((480, 9000, 3), np.uint8), (200, 300), "width 9000 px: allowed 8 to 8192"),
        (np.zeros((480, 640, 3), np.uint8), (200, 10), "width 10 px in a picture of 640: allowed 20 to 1280"),
        (np.zeros((480, 640, 3), np.uint8), (float("nan"), 200), "height nan px in a picture of 480"),
    ],
)  # fmt: skip
def test_a_picture_or_a_scale_that_makes_no_sense_is_refused(
    picture: U8, cell_px: tuple[float, float], line: str
) -> None:
    with pytest.raises(BadFrame, match=line):
        find_white_cells(picture, cell_px)


def test_an_impossible_setting_is_named_with_its_range() -> None:
    with pytest.raises(BadConfig, match=r"stained.reach 3: allowed 0.0 to 2.0"):
        StainSettings(reach=3)
