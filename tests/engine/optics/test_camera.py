from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.optics.camera import CameraSettings, SimulatedCamera
from phenostream.engine.optics.presets import RunRanges

QUIET = CameraSettings(shading_sd=0.0, gain_spread=0.0, roughness_um=0.0)


def _camera(settings: CameraSettings, shape: tuple[int, int] = (300, 520)) -> SimulatedCamera:
    return SimulatedCamera(settings, shape, 0.343, np.random.default_rng(1))


def test_the_empty_field_has_the_stated_level_and_shot_noise() -> None:
    camera = _camera(QUIET)
    counts = camera.expose(camera.base, np.random.default_rng(2)).astype(np.float64)
    assert counts.mean() == pytest.approx(30 + 1500, abs=1)
    assert counts.std() == pytest.approx(np.sqrt(1500 / 5 + 4), rel=0.03)


def test_darkness_has_read_noise_only() -> None:
    camera = _camera(QUIET)
    counts = camera.expose(np.zeros_like(camera.base), np.random.default_rng(2))
    assert counts.mean() == pytest.approx(30, abs=0.1)
    assert counts.std() == pytest.approx(2, rel=0.05)


def test_counts_stay_within_12_bits() -> None:
    camera = _camera(QUIET)
    counts = camera.expose(camera.base * 10, np.random.default_rng(2))
    assert counts.dtype == np.uint16
    assert counts.max() == 4095


def test_shading_is_smooth_and_of_the_stated_size() -> None:
    base = _camera(replace(QUIET, shading_sd=0.012)).base
    assert base.std(axis=(1, 2)) / base.mean(axis=(1, 2)) == pytest.approx([0.012] * 4, rel=0.05)
    assert np.abs(np.diff(base, axis=-1)).max() < 2
    assert np.abs(base / base.mean(axis=(1, 2), keepdims=True) - 1).max() < 0.08


def test_gains_differ_between_shots_within_their_spread() -> None:
    level = _camera(replace(QUIET, gain_spread=0.03)).base.mean(axis=(1, 2)) / 1500
    assert len(set(level)) == 4
    assert np.abs(level - 1).max() <= 0.03 + 1e-6


def test_noise_is_new_in_every_exposure_and_repeats_with_its_seed() -> None:
    camera = _camera(CameraSettings())
    one, two, again = (
        camera.expose(camera.base, np.random.default_rng(seed)).astype(float) for seed in (1, 2, 1)
    )
    assert np.array_equal(one, again)
    assert abs(np.corrcoef((one - camera.base).ravel(), (two - camera.base).ravel())[0, 1]) < 0.1


def test_an_exposure_does_not_change_the_light_it_was_given() -> None:
    camera = _camera(CameraSettings())
    light = camera.base.copy()
    camera.expose(light, np.random.default_rng(0))
    assert np.array_equal(light, camera.base)


def test_the_slides_roughness_is_seen_with_opposite_sign_by_opposite_shots() -> None:
    camera = _camera(replace(QUIET, roughness_um=0.01, electrons_per_count=1e6))
    left, right, top, bottom = camera.expose(camera.base, np.random.default_rng(0)).astype(float)
    assert np.corrcoef(left.ravel(), right.ravel())[0, 1] < -0.9
    assert np.corrcoef(top.ravel(), bottom.ravel())[0, 1] < -0.9


STILL = RunRanges((1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))


def _varied(ranges: RunRanges, seed: int = 1) -> SimulatedCamera:
    settings = replace(QUIET, shading_sd=0.012, roughness_um=0.001)
    return SimulatedCamera(settings, (300, 520), 0.343, np.random.default_rng(seed), ranges)


def test_a_run_draws_its_own_noise_and_shading_within_the_ranges() -> None:
    ranges = replace(STILL, noise=(0.5, 2.0), shading=(0.5, 2.0))
    own = [_varied(ranges, seed).settings for seed in range(12)]
    noise = np.array([one.read_noise_counts for one in own]) / 2
    np.testing.assert_allclose([5 / one.electrons_per_count for one in own], noise**2)
    for factor in (noise, np.array([one.shading_sd for one in own]) / 0.012):
        assert 0.5 <= factor.min() < 1 < factor.max() <= 2.0


def test_haze_and_roughness_differ_between_the_frames_of_a_run() -> None:
    quiet = replace(STILL, noise=(1e-3, 1e-3))
    for ranges in (replace(quiet, haze_um=(0.0, 0.02)), replace(quiet, roughness=(0.0, 8.0))):
        camera = _varied(ranges)
        spread = [
            (camera.expose(camera.base, np.random.default_rng(seed)) / camera.base).std()
            for seed in range(6)
        ]
        assert max(spread) > 1.5 * min(spread)


def test_haze_is_coarse_and_darkens_one_side_of_what_it_brightens_on_the_other() -> None:
    ranges = replace(STILL, noise=(1e-3, 1e-3), roughness=(0.0, 0.0), haze_um=(0.02, 0.02))
    camera = _varied(replace(ranges, shading=(0.0, 0.0)))
    ratio = (camera.expose(camera.base, np.random.default_rng(1)) - 30.0) / camera.base - 1
    left, right = ratio[0] - ratio[0].mean(), ratio[1] - ratio[1].mean()
    assert np.corrcoef(left.ravel(), right.ravel())[0, 1] < -0.9
    neighbour = np.corrcoef(left[:, 1:].ravel(), left[:, :-1].ravel())[0, 1]
    assert neighbour > 0.8
