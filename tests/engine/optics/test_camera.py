from dataclasses import replace

import numpy as np
import pytest

from phenostream.engine.optics.camera import CameraSettings, SimulatedCamera

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
