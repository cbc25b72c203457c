import itertools
import tracemalloc

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.engine.downsampling import Halving
from phenostream.engine.errors import BadFrame, BadInput
from phenostream.engine.reduce import (
    Reducer,
    full_from_reduced,
    reduced_from_full,
    reduced_shape,
)
from phenostream.engine.types import F32, SHOTS, Camera, Counts, Frame, PixelType, ReductionKernel

PIXELS = [0.1715, 0.2, 0.265, 0.343, 0.0857, 0.5, 0.686]
LARGE = [0.7, 0.8, 0.9]


def _camera(pixel_size_um: float, dtype: PixelType = "u16") -> Camera:
    return Camera(pixel_size_um, 30, 4095 if dtype == "u16" else 255, dtype)


def _noise(shape: tuple[int, int], dtype: PixelType = "u16", seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    level, sd = (1500, 60) if dtype == "u16" else (120, 8)
    counts = rng.normal(level, sd, (4, *shape))
    return counts.astype(np.uint16) if dtype == "u16" else counts.astype(np.uint8)


def _dipoles(shape: tuple[int, int]) -> Frame:
    """A few cells: each shot brighter on its side, darker on the other."""
    y, x = np.indices((101, 101)) - 50
    bell = np.exp(-(y**2 + x**2) / 800) / 30
    frame = _noise(shape).astype(np.float64)
    for top, left in [(100, 150), (500, 700), (800, 300)]:
        for shot, tilt in zip(frame, (x, -x, -y, y), strict=True):
            shot[top : top + 101, left : left + 101] += 1500 * bell * tilt
    return frame.astype(np.uint16)


def _area_mean(counts: npt.NDArray[np.generic], factor: float, out: tuple[int, int]) -> F32:
    """Area means by the definition, one axis after the other, in float64."""
    values = counts.astype(np.float64)
    for axis, n in enumerate(out):
        integral = np.insert(np.cumsum(np.moveaxis(values, axis, 0), axis=0), 0, 0, axis=0)
        at = np.arange(n + 1) * factor
        whole = np.minimum(at.astype(int), len(integral) - 1)
        rest = np.minimum(whole + 1, len(integral) - 1)
        edge = integral[whole] + (at - whole)[:, None] * (integral[rest] - integral[whole])
        values = np.moveaxis(np.diff(edge, axis=0) / factor, 0, axis)
    return values.astype(np.float32)


@pytest.mark.parametrize("pixel_size_um", PIXELS)
@pytest.mark.parametrize("dtype", ["u8", "u16"])
def test_a_reduced_pixel_is_the_mean_under_its_area(pixel_size_um: float, dtype: PixelType) -> None:
    reducer = Reducer(_camera(pixel_size_um, dtype), (451, 367))
    assert reducer.factor == pytest.approx(0.686 / pixel_size_um)
    frame = _noise((451, 367), dtype)
    expected = _area_mean(frame[1], reducer.factor, reducer.reduced_shape)
    got = np.empty(reducer.reduced_shape, np.float32)
    reducer._downsampler.reduce(frame[1], got)
    rounding = 1.0 if isinstance(reducer._downsampler, Halving) else 0.002
    assert abs(got - expected).max() <= rounding


def test_values_are_fractions_of_full_scale() -> None:
    frame = np.empty((4, 256, 256), np.uint16)
    frame[:] = np.array([30, 1000, 2062, 4095])[:, None, None]
    shots = Reducer(_camera(0.1715), (256, 256)).reduce(frame).shots
    assert shots.mean(axis=(1, 2)) == pytest.approx([0, 970 / 4065, 2032 / 4065, 1], abs=1e-5)
    assert shots.std(axis=(1, 2)).max() < 1e-5


def test_halving_rounds_by_at_most_one_count() -> None:
    frame = _noise((2048, 256))
    reducer = Reducer(_camera(0.1715), (2048, 256))
    expected = _area_mean(frame[0], 4.0, reducer.reduced_shape)
    got = np.empty(reducer.reduced_shape, np.float32)
    reducer._downsampler.reduce(frame[0], got)
    assert abs(got - expected).max() <= 1.0
    assert abs((got - expected).mean()) < 0.3


@pytest.mark.parametrize("kernel", ["area", "bsccm-gaussian"])
@pytest.mark.parametrize("pixel_size_um", PIXELS + LARGE)
def test_positions_follow_the_contract(pixel_size_um: float, kernel: ReductionKernel) -> None:
    factor = 0.686 / pixel_size_um
    side = int(64 * factor) + 1
    spot = np.array([20.3, 41.7]) * factor
    y, x = np.indices((side, side))
    sigma = 3 * factor
    bright = 1500 * np.exp(-((y - spot[0]) ** 2 + (x - spot[1]) ** 2) / (2 * sigma**2))
    frame = np.broadcast_to(500 + bright, (4, side, side)).astype(np.uint16)
    reducer = Reducer(_camera(pixel_size_um), (side, side), kernel=kernel)
    shot = np.empty(reducer.reduced_shape, np.float32)
    reducer._downsampler.reduce(frame[0], shot)
    weight = shot - 500
    y_red, x_red = np.indices(shot.shape, np.float32)
    centroid = np.array([(weight * y_red).sum(), (weight * x_red).sum()]) / weight.sum()
    back = full_from_reduced(centroid.astype(np.float32), reducer.factor)
    assert back == pytest.approx(spot, abs=0.02 * factor)


@given(position=st.floats(0, 4000, width=32), factor=st.floats(1, 14))
def test_positions_there_and_back_are_the_same(position: float, factor: float) -> None:
    there = reduced_from_full(np.array([position], np.float32), factor)
    assert full_from_reduced(there, factor)[0] == pytest.approx(position, abs=2e-3)


def test_the_first_camera_pixel_is_where_the_contract_says() -> None:
    assert full_from_reduced(np.zeros(1, np.float32), 4.0)[0] == 1.5


@pytest.mark.parametrize(("level", "value"), [(0, -30 / 4065), (30, 0.0), (4095, 1.0)])
def test_dark_and_saturated_frames_stay_finite(level: int, value: float) -> None:
    frame = np.full((4, 256, 256), level, np.uint16)
    reduced = Reducer(_camera(0.1715), (256, 256)).reduce(frame)
    assert reduced.shots == pytest.approx(np.full((4, 64, 64), value), abs=1e-5)
    assert reduced.four_shot_residual is None


def test_a_read_only_view_is_enough_and_nothing_of_it_is_kept() -> None:
    frame = _noise((256, 256))
    message = frame.tobytes()
    view = np.frombuffer(message, "<u2").reshape(4, 256, 256)
    reducer = Reducer(_camera(0.1715), (256, 256))
    first, second = reducer.reduce(view), reducer.reduce(view)
    assert np.array_equal(first.shots, second.shots)
    assert not np.shares_memory(first.shots, second.shots)


@pytest.mark.parametrize(
    ("order", "least", "most"),
    [
        ([0, 1, 2, 3], 0.0, 0.05),
        ([1, 0, 2, 3], 0.0, 0.05),
        ([0, 1, 0, 3], 0.2, 2.0),
        ([0, 0, 2, 3], 0.2, 2.0),
        ([0, 2, 1, 3], 0.2, 2.0),
    ],
    ids=[
        "good",
        "swapped within a pair",
        "top repeats left",
        "right repeats left",
        "swapped across",
    ],
)
def test_the_residual_finds_repeated_and_cross_swapped_shots_of_few_cells(
    order: list[int], least: float, most: float
) -> None:
    frame = _dipoles((1024, 1024))[order]
    residual = Reducer(_camera(0.1715), (1024, 1024)).reduce(frame).four_shot_residual
    assert residual is not None
    assert least <= residual <= most


def test_the_residual_is_one_when_a_shot_is_missing_and_not_measured_without_cells() -> None:
    reducer = Reducer(_camera(0.1715), (256, 256))
    frame = _noise((256, 256))
    assert reducer.reduce(frame).four_shot_residual is None
    frame[2] = 30
    assert reducer.reduce(frame).four_shot_residual == 1.0


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (np.zeros((4, 256, 255), np.uint16), "announced"),
        (np.zeros((3, 256, 256), np.uint16), "announced"),
        (np.zeros((4, 256, 256), np.uint8), "announced"),
        (np.zeros((4, 256, 256), ">u2"), "announced"),
        (np.zeros((4, 256, 512), np.uint16)[:, :, ::2], "C order"),
        ([np.zeros((256, 256), np.uint16)] * 3, "frame of 3 shots: announced left, right, top"),
        ([np.zeros((256, 256), np.uint16)] * 3 + [np.zeros((256, 255), np.uint16)], "shot bottom"),
    ],
)
def test_a_frame_that_breaks_its_start_is_refused(frame: Frame | list[Counts], match: str) -> None:
    with pytest.raises(BadFrame, match=match):
        Reducer(_camera(0.1715), (256, 256)).reduce(frame)


@pytest.mark.parametrize(
    ("camera", "shape", "match"),
    [
        (Camera(1.1, 0, 4095, "u16"), (2048, 2048), "pixel_size_um 1.1: allowed 0.05 to 0.9"),
        (Camera(0.2, 100, 100, "u16"), (2048, 2048), "white_level"),
        (Camera(0.1715, 0, 4095, "u16"), (111, 2048), "at least 112"),
    ],
)
def test_an_impossible_camera_is_refused(
    camera: Camera, shape: tuple[int, int], match: str
) -> None:
    with pytest.raises(BadInput, match=match):
        Reducer(camera, shape)
    with pytest.raises(BadInput, match=match):
        reduced_shape(camera, shape)


def test_a_camera_is_judged_without_its_buffers() -> None:
    tracemalloc.start()
    try:
        assert reduced_shape(_camera(0.2), (16384, 16384)) == (4776, 4776)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(56, 400),
    width=st.integers(56, 400),
    pixel=st.floats(0.05, 0.9),
    kernel=st.sampled_from(["area", "bsccm-gaussian"]),
)
def test_any_frame_at_least_one_crop_large_is_reduced_and_keeps_a_constant(
    height: int, width: int, pixel: float, kernel: ReductionKernel
) -> None:
    camera = _camera(pixel)
    factor = 0.686 / pixel
    if min(height, width) < 28 * factor + 1:
        return
    reducer = Reducer(camera, (height, width), kernel=kernel)
    reduced = reducer.reduce(_noise((height, width)))
    assert reduced.shots.shape[1:] == (
        int(height / factor + 1e-9), int(width / factor + 1e-9),
    )  # fmt: skip
    assert np.isfinite(reduced.shots).all()
    assert reduced.flags.undersampled == (factor < 1)
    even = np.full((height, width), 1500, np.uint16)
    out = np.empty(reducer.reduced_shape, np.float32)
    reducer._downsampler.reduce(even, out)
    assert out == pytest.approx(np.full(out.shape, 1500), rel=1e-6)


@pytest.mark.parametrize("kernel", ["area", "bsccm-gaussian"])
@pytest.mark.parametrize("pixel_size_um", [0.1, 0.1715, 0.2, 0.343, 0.5, 0.8])
def test_noise_is_judged_per_camera_pixel_whatever_the_kernel(
    pixel_size_um: float, kernel: ReductionKernel
) -> None:
    rng = np.random.default_rng(3)
    reducer = Reducer(_camera(pixel_size_um), (1024, 1024), kernel=kernel)
    for sd, noisy in [(0.24, False), (0.36, True)]:
        frame = rng.normal(1030, 1000 * sd, (4, 1024, 1024)).clip(0, 4095).astype(np.uint16)
        assert reducer.reduce(frame).flags.noisy == noisy


def test_a_long_thin_frame_needs_memory_in_proportion_to_its_size() -> None:
    camera = _camera(0.686, "u8")
    tracemalloc.start()
    try:
        Reducer(camera, (16384, 128))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 4 * 16384 * 128  # the square of its length would be 2 GiB


@pytest.mark.parametrize("order", list(itertools.permutations(SHOTS))[::5])
def test_shots_in_any_order_give_the_same_reduced_frame(order: tuple[str, ...]) -> None:
    frame = _dipoles((1024, 1024))
    expected = Reducer(_camera(0.1715), (1024, 1024)).reduce(frame)
    sent = [frame[SHOTS.index(shot)] for shot in order]
    got = Reducer(_camera(0.1715), (1024, 1024), shots=order).reduce(sent)
    assert np.array_equal(got.shots, expected.shots)
    assert got.four_shot_residual == expected.four_shot_residual
    assert got.present == (True, True, True, True)


@pytest.mark.parametrize(
    "shots", [("left",), ("bottom",), ("right", "left"), ("top", "bottom"), ("bottom", "left")]
)
def test_shots_that_were_not_taken_say_nothing_and_the_others_say_the_same(
    shots: tuple[str, ...],
) -> None:
    frame = _dipoles((1024, 1024))
    whole = Reducer(_camera(0.2), (1024, 1024)).reduce(frame)
    sent: list[Counts] = [frame[SHOTS.index(shot)] for shot in shots]
    part = Reducer(_camera(0.2), (1024, 1024), shots=shots).reduce(sent)
    assert part.present == tuple(shot in shots for shot in SHOTS)
    assert part.four_shot_residual is None
    assert part.flags == whole.flags
    taken = np.array(part.present)
    assert np.array_equal(part.shots[taken], whole.shots[taken])
    assert np.ptp(part.shots[~taken]) == 0
    assert part.shots[~taken].mean() == pytest.approx(np.median(part.shots[taken]), rel=0.01)


@pytest.mark.parametrize(
    "shots", [(), ("left", "left"), ("left", "up"), ("left", "right", "top"), ("left",) * 4]
)
def test_impossible_sets_of_shots_are_refused(shots: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="allowed 1, 2 or 4 of left, right, top, bottom, each once"):
        Reducer(_camera(0.2), (1024, 1024), shots=shots)


def test_two_dark_shots_flag_the_frame_and_stay_finite() -> None:
    frame = [np.full((256, 256), 30, np.uint16)] * 2
    reduced = Reducer(_camera(0.1715), (256, 256), shots=("top", "bottom")).reduce(frame)
    assert reduced.flags.dark
    assert np.isfinite(reduced.shots).all()
