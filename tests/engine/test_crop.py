import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenostream.engine.crop import crop_starts, cut_crops, leaves_frame, ring_background, select
from phenostream.engine.types import CROP_PX, Detections, Reduced

H, W = 60, 75


def _reduced() -> Reduced:
    y, x = np.indices((H, W), np.float32)
    shots = np.stack([y, x, y + 100, x + 200]).astype(np.float32)
    return Reduced(shots, 4.0, 0.0)


def _detections(y: list[float], x: list[float]) -> Detections:
    ys, xs = np.array(y, np.float32), np.array(x, np.float32)
    return Detections(ys, xs, ys, xs, leaves_frame(ys, xs, (H, W)))


def test_a_crop_is_the_frame_around_the_cell_to_half_a_pixel() -> None:
    detections = _detections([20.2, 30.9], [40.6, 25.0])
    crops = cut_crops(_reduced(), detections)
    centre_y = crops.images[:, 0].mean(axis=(1, 2))
    centre_x = crops.images[:, 1].mean(axis=(1, 2))
    assert abs(centre_y - detections.y).max() <= 0.5
    assert abs(centre_x - detections.x).max() <= 0.5
    assert crops.images.dtype == np.float32
    assert crops.images.flags.c_contiguous


def test_edge_cells_are_not_cut_and_the_others_keep_their_order() -> None:
    detections = _detections([5.0, 20.0, 30.0, 59.0], [30.0, 40.0, 20.0, 40.0])
    assert detections.edge.tolist() == [True, False, False, True]
    crops = cut_crops(_reduced(), detections)
    assert len(crops) == 2
    assert crops.images[0, 0].mean() < crops.images[1, 0].mean()


@given(y=st.floats(0, H - 1, width=32), x=st.floats(0, W - 1, width=32))
def test_edge_is_true_exactly_when_the_crop_leaves_the_frame(y: float, x: float) -> None:
    one = _detections([y], [x])
    top, left = crop_starts(one.y)[0], crop_starts(one.x)[0]
    fits = 0 <= top <= H - CROP_PX and 0 <= left <= W - CROP_PX
    assert one.edge[0] == (not fits)
    assert len(cut_crops(_reduced(), one)) == int(fits)


def test_no_cells_give_empty_crops() -> None:
    crops = cut_crops(_reduced(), _detections([], []))
    assert crops.images.shape == (0, 4, 28, 28)
    assert crops.background.shape == (0, 4)


def test_crops_do_not_share_memory_with_the_frame() -> None:
    reduced = _reduced()
    crops = cut_crops(reduced, _detections([30.0], [30.0]))
    assert not np.shares_memory(crops.images, reduced.shots)


@pytest.mark.parametrize("n", [0, 1, 7])
def test_background_is_the_median_of_the_two_pixel_ring(n: int) -> None:
    images = np.random.default_rng(n).normal(size=(n, 4, 28, 28)).astype(np.float32)
    ring = np.ones((28, 28), bool)
    ring[2:-2, 2:-2] = False
    expected = np.median(images[:, :, ring], axis=-1) if n else np.zeros((0, 4))
    before = images.copy()
    assert ring_background(images) == pytest.approx(expected, abs=1e-7)
    assert np.array_equal(images, before)


def test_background_ignores_the_cell() -> None:
    images = np.full((1, 4, 28, 28), 0.4, np.float32)
    images[:, :, 2:-2, 2:-2] = 0.9
    assert ring_background(images) == pytest.approx(np.full((1, 4), 0.4))


def test_select_keeps_chosen_cells_in_order() -> None:
    detections = _detections([20.0, 21.0, 22.0], [30.0, 31.0, 32.0])
    chosen = select(detections, np.array([True, False, True]))
    assert chosen.y.tolist() == [20.0, 22.0]
    assert chosen.x.tolist() == [30.0, 32.0]
