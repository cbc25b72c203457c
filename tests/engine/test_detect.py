"""What the detector promises: on the simulator, on hand-made cells, and on frames that hold none."""

from dataclasses import replace
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.detect import Detector, DetectorSettings, detect
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics import symmetry
from phenostream.engine.optics.cells import KINDS
from phenostream.engine.optics.forward import Optics, dpc_intensity
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec, CellBank, render_bank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings, SimulatedFrame
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import SHOTS, Camera, Detections, Reduced

U16 = npt.NDArray[np.uint16]
F64 = npt.NDArray[np.float64]
PIXEL, FINE = 0.343, 0.1715
CAMERA = Camera(PIXEL, 30, 4095, "u16")


@cache
def _bank(preset: Preset) -> CellBank:
    return render_bank(BankSpec(seed=11, n=24, preset=preset, pixel_size_um=PIXEL))


@cache
def _frame(preset: Preset, seq: int = 0) -> SimulatedFrame:
    settings = SceneSettings(1024, 1024, PIXEL, preset)
    return FrameSimulator(settings, _bank(preset), seed=3).frame(seq)


def _reduce(counts: U16, camera: Camera = CAMERA) -> Reduced:
    height, width = counts.shape[1:]
    return Reducer(camera, (height, width)).reduce(counts)


def _matches(found: Detections, frame: SimulatedFrame, reach: float = 6.0) -> tuple[F64, F64]:
    """Distance from each true cell to the nearest found one, and from each found one to the nearest true one."""
    y, x = (frame.y_px + 0.5) / 2 - 0.5, (frame.x_px + 0.5) / 2 - 0.5
    distance = np.hypot(found.y[:, None] - y, found.x[:, None] - x).astype(np.float64)
    return distance.min(axis=0), distance.min(axis=1)


@pytest.mark.parametrize("seq", [0, 1])
def test_easy_frames_are_found_completely_and_nothing_is_invented(seq: int) -> None:
    frame = _frame("easy", seq)
    found = detect(_reduce(frame.counts))
    to_found, to_true = _matches(found, frame)
    cells = frame.kind != KINDS.index("debris")
    assert np.mean(to_found[cells] < 4) >= 0.99
    assert np.mean(to_true < 4) >= 0.99
    assert np.median(to_found[cells]) <= 0.3


@pytest.mark.parametrize(
    ("shots", "least", "centre"),
    [
        (("left", "right"), 0.98, 0.5),
        (("bottom", "top"), 0.98, 0.5),
        (("left", "top"), 0.90, 2.5),
        (("bottom",), 0.80, 3.5),
    ],
)
def test_a_pair_finds_what_four_shots_find_and_one_shot_most_of_it(
    shots: tuple[str, ...], least: float, centre: float
) -> None:
    frame = _frame("easy")
    reducer = Reducer(CAMERA, (1024, 1024), shots=shots)
    found = detect(reducer.reduce([frame.counts[SHOTS.index(shot)] for shot in shots]))
    to_found, to_true = _matches(found, frame)
    cells = frame.kind != KINDS.index("debris")
    assert np.mean(to_found[cells] < 4) >= least
    assert np.mean(to_true < 4) >= least
    assert np.median(to_found[cells]) <= centre


@pytest.mark.parametrize("shots", [SHOTS, ("left", "right"), ("top",)])
def test_absent_shots_do_not_dilute_the_noise(shots: tuple[str, ...]) -> None:
    counts = np.random.default_rng(0).poisson(200, (4, 1024, 1024)).astype(np.uint16)
    reducer = Reducer(CAMERA, (1024, 1024), shots=shots)
    weak = DetectorSettings(least_divergence_per_um=0.0, least_contrast=1.0)
    found = detect(reducer.reduce([counts[SHOTS.index(shot)] for shot in shots]), weak)
    # Of pure noise the contrasts are standard scores: the largest of some ten thousand independent ones.
    assert 3.0 < found.contrast.max() < 5.5


def test_hard_frames_lose_few_cells_where_they_touch() -> None:
    frame = _frame("hard")
    found = detect(_reduce(frame.counts))
    to_found, to_true = _matches(found, frame)
    cells = (frame.kind != KINDS.index("debris")) & ~frame.edge
    assert np.mean(to_found[cells] < 5) >= 0.95
    assert np.mean(to_true < 6) >= 0.97
    assert np.median(to_found[cells]) <= 0.5


def test_the_apparent_diameter_follows_the_true_one() -> None:
    frame = _frame("easy")
    found = detect(_reduce(frame.counts))
    y, x = (frame.y_px + 0.5) / 2 - 0.5, (frame.x_px + 0.5) / 2 - 0.5
    nearest = np.hypot(found.y[:, None] - y, found.x[:, None] - x).argmin(axis=1)
    white = frame.class_index[nearest] >= 0
    ratio = (found.diameter_um / frame.diameter_um[nearest])[white]
    assert 0.98 < np.median(ratio) < 1.15
    assert ratio.std() < 0.1


@pytest.mark.parametrize("element", range(symmetry.ELEMENTS))
def test_a_turned_frame_gives_the_turned_cells(element: int) -> None:
    counts = _frame("easy").counts
    upright = detect(_reduce(counts))
    turned = detect(_reduce(np.ascontiguousarray(symmetry.apply(np, counts, element))))
    side = counts.shape[1] // 2
    y, x = symmetry.move(element, upright.y - (side - 1) / 2, upright.x - (side - 1) / 2)
    assert len(turned) == len(upright)
    distance = np.hypot(
        turned.y[:, None] - (y + (side - 1) / 2), turned.x[:, None] - (x + (side - 1) / 2)
    )
    assert np.percentile(distance.min(axis=0), 98) < 0.2


def _cap(diameter_um: float, peak_rad: float, x_um: float = 0.0) -> F64:
    """Phase of a settled cell in a field of 44 µm, 256 pixels of 0.1715 µm."""
    y, x = (np.indices((256, 256)) - 127.5) * FINE
    r2 = (y**2 + (x - x_um) ** 2) / (diameter_um / 2) ** 2
    phase: F64 = peak_rad * np.sqrt(np.clip(1 - r2, 0, None))
    return phase


def _expose(phase: F64, defocus_um: float = 0.0, noise: float = 0.01) -> Reduced:
    """The reduced frame of an object: full LED sum, interpolated to the object's pixels, noise."""
    light = dpc_intensity(np, phase, None, FINE, Optics(), defocus_um)
    grid, side = light.shape[-1], len(phase)
    low = (side - grid) // 2
    spectrum = np.zeros((4, side, side), np.complex128)
    spectrum[:, low : low + grid, low : low + grid] = np.fft.fftshift(np.fft.fft2(light), (1, 2))
    fine = np.fft.ifft2(np.fft.ifftshift(spectrum, (1, 2))).real * (side / grid) ** 2
    counts = 30 + 1500 * fine * np.random.default_rng(1).normal(1, noise, fine.shape)
    frame = np.clip(counts, 0, 4095).astype(np.uint16)
    return _reduce(frame, replace(CAMERA, pixel_size_um=FINE))


@pytest.mark.parametrize("defocus_um", [-4.0, -2.0, 0.0, 2.0, 4.0])
@pytest.mark.parametrize(("diameter_um", "peak_rad"), [(6.0, 0.8), (8.0, 1.8), (12.0, 2.6)])
def test_one_cell_is_found_once_at_any_focus(
    diameter_um: float, peak_rad: float, defocus_um: float
) -> None:
    found = detect(_expose(_cap(diameter_um, peak_rad), defocus_um))
    assert len(found) == 1
    assert np.hypot(found.y[0] - 31.5, found.x[0] - 31.5) < 0.5


@pytest.mark.parametrize("gap_um", [0.0, 1.0, 3.0])
def test_touching_cells_are_two(gap_um: float) -> None:
    half = (8.0 + gap_um) / 2
    found = detect(_expose(_cap(8, 1.8, -half) + _cap(8, 1.8, half)))
    assert len(found) == 2
    assert found.x[1] - found.x[0] == pytest.approx(2 * half / 0.686, abs=1.5)


@pytest.mark.parametrize("gains", [(1.0, 1.0, 1.0, 1.0), (0.7, 1.2, 1.0, 0.9)])
def test_unequal_lamps_change_nothing(gains: tuple[float, ...]) -> None:
    counts = _frame("easy").counts
    uneven = (30 + (counts - 30.0) * np.array(gains)[:, None, None]).astype(np.uint16)
    assert len(detect(_reduce(uneven))) == len(detect(_reduce(counts)))


@pytest.mark.parametrize(
    "counts",
    [
        np.full((4, 512, 512), 0, np.uint16),
        np.full((4, 512, 512), 30, np.uint16),
        np.full((4, 512, 512), 4095, np.uint16),
        np.random.default_rng(0).normal(1500, 20, (4, 512, 512)).astype(np.uint16),
        np.random.default_rng(0).normal(200, 60, (4, 512, 512)).clip(0).astype(np.uint16),
        np.random.default_rng(0).integers(0, 4096, (4, 512, 512)).astype(np.uint16),
    ],
    ids=["zero", "dark", "saturated", "noise", "strong noise", "random"],
)
def test_nothing_is_invented_in_a_frame_without_cells(counts: U16) -> None:
    assert len(detect(_reduce(counts))) == 0


@pytest.mark.parametrize("shot", range(4))
def test_a_missing_shot_is_not_an_error(shot: int) -> None:
    counts = _frame("easy").counts.copy()
    counts[shot] = 30
    found = detect(_reduce(counts))
    assert all(np.isfinite(a).all() for a in (found.y, found.x, found.diameter_um, found.contrast))


def test_a_dust_grain_in_one_shot_is_no_cell() -> None:
    counts = np.random.default_rng(0).normal(1500, 15, (4, 512, 512)).astype(np.uint16)
    counts[1, 200:206, 300:306] = 400
    assert len(detect(_reduce(counts))) == 0


def test_a_frame_of_odd_size_gives_the_same_cells_where_it_overlaps() -> None:
    counts = _frame("easy").counts
    whole = detect(_reduce(counts))
    part = detect(_reduce(np.ascontiguousarray(counts[:, :999, :751])))
    height, width = 499, 375
    inside = (whole.y < height - 20) & (whole.x < width - 20)
    distance = np.hypot(part.y[:, None] - whole.y[inside], part.x[:, None] - whole.x[inside]).min(
        axis=0
    )
    assert inside.sum() > 50
    assert distance.max() < 0.2


def test_cells_come_in_order_of_y_then_x_and_the_same_each_time() -> None:
    reduced = _reduce(_frame("hard").counts)
    detector = Detector((512, 512))
    first, second = detector.detect(reduced), detector.detect(reduced)
    assert np.array_equal(np.lexsort((first.x, first.y)), np.arange(len(first)))
    for a, b in zip(
        (first.y, first.x, first.diameter_um, first.contrast),
        (second.y, second.x, second.diameter_um, second.contrast),
        strict=True,
    ):
        assert np.array_equal(a, b)
        assert a.dtype == np.float32


def test_a_strict_detector_finds_fewer_cells() -> None:
    reduced = _reduce(_frame("easy").counts)
    strict = replace(DetectorSettings(), least_divergence_per_um=0.06)
    assert 0 < len(detect(reduced, strict)) < len(detect(reduced))


@pytest.mark.parametrize(
    ("key", "value"),
    [("scale_um", 0.1), ("separation_um", 99.0), ("least_contrast", float("nan"))],
)
def test_an_impossible_setting_is_refused_by_name(key: str, value: float) -> None:
    with pytest.raises(BadConfig, match=rf"detect\.{key} .*allowed"):
        replace(DetectorSettings(), **{key: value})
