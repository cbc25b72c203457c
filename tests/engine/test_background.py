"""Backgrounds from frames: exact where the field is empty, blind to cells that move, and to dust never."""

import numpy as np
import pytest

from phenostream.engine.background import (
    LEAST_FRAMES,
    Background,
    BackgroundStack,
    frames_that_fit,
    of_cells,
    of_empty_field,
    smooth_surface,
)
from phenostream.engine.errors import BadInput
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import F32, Camera

SHAPE = (4, 160, 200)
DUST = (slice(None), slice(50, 54), slice(80, 84))


def _shading() -> F32:
    y, x = np.indices(SHAPE[1:]) / np.array(SHAPE[1:])[:, None, None] * 2 - 1
    tilts = np.array([0.05, -0.05, 0.04, -0.03])
    return np.asarray(1 + tilts[:, None, None] * x + 0.03 * y * x, np.float32)


def _field() -> F32:
    field = _shading()
    field[DUST] *= 0.8
    return field


def _frame(seq: int, *, cells: int = 0, noise: float = 0.003, still: bool = False) -> F32:
    """Light of one frame: dipoles, opposite in opposite shots, on the shaded and dusty field; brighter with `seq`."""
    rng = np.random.default_rng(1 if still else seq)
    y, x = np.indices((19, 19)) - 9
    bell = np.exp(-(y**2 + x**2) / 18) / 3
    light = (0.4 + 0.01 * seq) * _field()
    for top, left in zip(rng.integers(0, 140, cells), rng.integers(0, 180, cells), strict=True):
        for shot, tilt in zip(light, (x, -x, -y, y), strict=True):
            shot[top : top + 19, left : left + 19] *= (1 + bell * tilt).astype(np.float32)
    return (light * (1 + np.random.default_rng(seq).normal(0, noise, SHAPE))).astype(np.float32)


def _median(count: int = 16, **how: float) -> F32:
    stack = BackgroundStack(SHAPE, count)
    for seq in range(count):
        assert stack.add(_frame(seq, **how))  # type: ignore[arg-type]  # all are plain numbers
    return stack.median()


def _departure(background: Background) -> F32:
    true = _field() / _field().mean(axis=(1, 2), keepdims=True)
    departure = background.relative / true
    return np.asarray(departure / np.median(departure, axis=(1, 2), keepdims=True) - 1, np.float32)


def test_an_empty_field_is_kept_pixel_by_pixel() -> None:
    departure = _departure(of_empty_field(_median()))
    assert departure.std() < 0.0012  # the median of 16 frames of 0.3 % noise
    assert abs(departure[DUST]).max() < 0.005


def test_cells_that_move_leave_a_smooth_surface_and_the_dust() -> None:
    background = of_cells(_median(cells=12))
    departure = _departure(background)
    assert abs(departure[DUST]).max() < 0.01
    clean = np.ones(SHAPE, bool)
    clean[:, 48:56, 78:86] = False
    assert departure[clean].std() < 0.002
    surface = _departure(smooth_surface(_median(cells=12)))
    assert surface[DUST].min() > 0.2  # a surface alone does not see it


def test_the_order_of_frames_does_not_matter() -> None:
    forth, back = BackgroundStack(SHAPE, 9), BackgroundStack(SHAPE, 9)
    for seq in range(9):
        forth.add(_frame(seq, cells=5))
        back.add(_frame(8 - seq, cells=5))
    assert of_cells(forth.median()).identity == of_cells(back.median()).identity


def test_a_frame_without_light_or_too_many_are_not_taken() -> None:
    stack = BackgroundStack(SHAPE, LEAST_FRAMES)
    dark = _frame(0)
    dark[2] = 0.001
    assert not stack.add(dark)
    for seq in range(LEAST_FRAMES):
        assert not stack.full
        assert stack.add(_frame(seq))
    assert stack.full
    assert not stack.add(_frame(0))
    assert len(stack) == LEAST_FRAMES


def test_too_few_frames_give_no_median() -> None:
    stack = BackgroundStack(SHAPE, 16)
    stack.add(_frame(0))
    with pytest.raises(BadInput, match="1 frames with light, at least 8"):
        stack.median()


@pytest.mark.parametrize(
    ("shape", "frames"), [((4, 512, 512), 16), ((4, 1024, 1024), 16), ((4, 2048, 1792), 9)]
)
def test_large_frames_are_gathered_in_smaller_numbers(
    shape: tuple[int, int, int], frames: int
) -> None:
    assert frames_that_fit(shape, 16) == frames


def test_frames_that_are_too_large_are_refused() -> None:
    with pytest.raises(BadInput, match="need 1073741824 bytes, allowed 268435456"):
        frames_that_fit((4, 4096, 4096), 16)


def test_a_frame_divided_by_its_background_and_dark_is_flat() -> None:
    camera = Camera(0.343, 30, 4095, "u16")
    rng = np.random.default_rng(0)
    warm = 40 * (rng.random((320, 400)) < 0.02)
    relative = np.repeat(np.repeat(_field(), 2, axis=1), 2, axis=2)
    frame = (30 + warm + 1500 * relative).astype(np.uint16)
    reducer = Reducer(camera, (320, 400))
    covered = reducer.light(np.broadcast_to(30 + warm, frame.shape).astype(np.uint16).copy())[0]
    light = reducer.light(frame) - covered
    background = Background(light / light.mean(axis=(1, 2), keepdims=True), covered)
    reduced = reducer.reduce(frame, background)
    level = reduced.shots.mean(axis=(1, 2), keepdims=True)
    assert abs(reduced.shots / level - 1).max() < 1e-4
    assert reduced.four_shot_residual is None
    own = reducer.reduce(frame).shots
    assert abs(own / np.median(own, axis=(1, 2), keepdims=True) - 1).max() > 0.15  # the dust


def test_light_that_is_flattened_by_its_own_surface_is_what_reduce_gives() -> None:
    camera = Camera(0.343, 30, 4095, "u16")
    frame = np.random.default_rng(0).integers(900, 1100, (4, 320, 400)).astype(np.uint16)
    reducer = Reducer(camera, (320, 400))
    assert np.array_equal(reducer.reduce(frame).shots, reducer.flatten(reducer.light(frame)).shots)
