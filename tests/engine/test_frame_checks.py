import numpy as np
import pytest

from phenostream.engine.frame_checks import (
    LightBalance,
    frame_flags,
    pixel_noise,
    saturated_shares,
)
from phenostream.engine.optics.camera import CameraSettings
from phenostream.engine.optics.presets import Preset
from phenostream.engine.optics.rendering import BankSpec, render_bank
from phenostream.engine.optics.scene import FrameSimulator, SceneSettings
from phenostream.engine.reduce import Reducer
from phenostream.engine.types import Camera, Frame, FrameFlags, PixelType

SHAPE = (512, 512)
PIXELS = [0.0857, 0.1715, 0.2, 0.343, 0.686]


def _camera(pixel_size_um: float, dtype: PixelType = "u16") -> Camera:
    return Camera(pixel_size_um, 30, 4095 if dtype == "u16" else 255, dtype)


def _flags(frame: Frame, pixel_size_um: float = 0.1715, dtype: PixelType = "u16") -> FrameFlags:
    return Reducer(_camera(pixel_size_um, dtype), SHAPE).reduce(frame).flags


def _good(dtype: PixelType = "u16") -> Frame:
    """A plain background with shading of half its level across the field and 4 % (u8: 7 %) noise."""
    level, sd = (1500, 60) if dtype == "u16" else (120, 8)
    shading = np.linspace(0.75, 1.25, SHAPE[1])
    counts = np.random.default_rng(0).normal(level * shading, sd, (4, *SHAPE))
    return counts.astype(np.uint16) if dtype == "u16" else counts.astype(np.uint8)


@pytest.mark.parametrize("pixel_size_um", PIXELS)
@pytest.mark.parametrize("dtype", ["u8", "u16"])
def test_a_plain_frame_has_no_flag(pixel_size_um: float, dtype: PixelType) -> None:
    assert _flags(_good(dtype), pixel_size_um, dtype) == FrameFlags()


@pytest.mark.parametrize("level", [0, 30, 90])
def test_no_light_is_dark_and_nothing_else(level: int) -> None:
    assert _flags(np.full((4, *SHAPE), level, np.uint16)) == FrameFlags(dark=True)


def test_read_noise_of_a_dark_frame_does_not_hide_that_it_is_dark() -> None:
    counts = np.random.default_rng(0).normal(30, 6, (4, *SHAPE)).astype(np.uint16)
    assert _flags(counts) == FrameFlags(dark=True)


def test_one_shot_without_light_is_enough() -> None:
    frame = _good()
    frame[3] = 30
    assert _flags(frame).dark


@pytest.mark.parametrize("pixel_size_um", PIXELS)
def test_a_frame_at_white_is_saturated_and_nothing_else(pixel_size_um: float) -> None:
    frame = np.full((4, *SHAPE), 4095, np.uint16)
    assert _flags(frame, pixel_size_um) == FrameFlags(saturated=True)


@pytest.mark.parametrize(("rows", "saturated"), [(2, False), (24, True)])
def test_a_part_of_one_shot_at_white_counts_from_one_percent(rows: int, saturated: bool) -> None:
    frame = _good()
    frame[1, 100 : 100 + rows] = 4095
    assert _flags(frame).saturated is saturated


@pytest.mark.parametrize("pixel_size_um", PIXELS)
def test_counts_drawn_from_the_full_scale_are_noisy(pixel_size_um: float) -> None:
    counts = np.random.default_rng(0).integers(0, 4096, (4, *SHAPE), np.uint16)
    reduced = Reducer(_camera(pixel_size_um), SHAPE).reduce(counts)
    assert reduced.flags.noisy
    assert not reduced.flags.dark
    assert reduced.four_shot_residual is None


@pytest.mark.parametrize("preset", ["easy", "hard"])
def test_cells_raise_no_flag_and_can_be_measured(preset: Preset) -> None:
    bank = render_bank(BankSpec(seed=11, n=8, preset=preset, pixel_size_um=0.343))
    counts = FrameSimulator(SceneSettings(512, 512, 0.343, preset), bank, seed=3).frame(0).counts
    reduced = Reducer(Camera(0.343, 30, 4095, "u16"), SHAPE).reduce(counts)
    assert reduced.flags == FrameFlags()
    assert reduced.four_shot_residual is not None


def test_steep_shading_is_no_noise() -> None:
    y, x = np.indices((128, 128), dtype=np.float32)
    shots = np.stack([0.4 + 0.3 * np.sin(x / 3) * np.sin(y / 40)] * 4).astype(np.float32)
    none = np.zeros(4, np.float32)
    noise = pixel_noise(shots) * np.float32(4)
    assert not frame_flags(noise, np.full(4, 0.4, np.float32), none).noisy


def test_shares_at_white_are_told_per_shot() -> None:
    shots = np.zeros((4, 64, 64), np.float32)
    shots[2, :16] = 1
    assert saturated_shares(shots) == pytest.approx([0, 0, 0.25, 0])


@pytest.mark.parametrize(
    ("residual", "of_noise", "samples", "high"),
    [
        (0.07, 0.0, 10_000, False),
        (0.09, 0.0, 10_000, True),
        (0.09, 0.05, 10_000, False),
        (0.15, 0.0, 100, False),
        (0.18, 0.0, 100, True),
        (1.0, 0.0, 16, True),
    ],
)
def test_noise_and_few_samples_excuse_a_residual(
    residual: float, of_noise: float, samples: int, high: bool
) -> None:
    assert LightBalance(residual, of_noise, samples).high is high


@pytest.mark.parametrize("preset", ["easy", "hard"])
@pytest.mark.parametrize("counts", [150.0, 1500.0])
def test_light_that_does_not_add_is_flagged_and_light_that_does_is_not(
    preset: Preset, counts: float
) -> None:
    bank = render_bank(BankSpec(seed=12, n=12, preset=preset, pixel_size_um=0.343))
    scene = SceneSettings(512, 512, 0.343, preset, 30, CameraSettings(background_counts=counts))
    good = FrameSimulator(scene, bank, seed=4).frame(0).counts
    copied, moved, dark = good.copy(), good.copy(), good.copy()
    copied[2] = good[0]
    moved[1] = np.roll(good[1], 4, axis=0)
    dark[3] = 30
    reducer = Reducer(_camera(0.343), SHAPE)
    assert not reducer.reduce(good).flags.residual_high
    assert not reducer.reduce(good[[1, 0, 3, 2]]).flags.residual_high
    assert all(reducer.reduce(frame).flags.residual_high for frame in (copied, moved, dark))
