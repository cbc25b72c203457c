"""One measure for real and simulated pictures: it knows neither gain nor level, and finds what was drawn."""

import numpy as np
import numpy.typing as npt
import pytest

from phenostream.trainer.likeness.statistics import (
    FREQUENCIES,
    PIXEL_UM,
    RADII_UM,
    SCALARS,
    PictureStatistics,
    measure_pictures,
)

F32 = npt.NDArray[np.float32]
_Y, _X = np.mgrid[:128, :128].astype(np.float32) - 63.5


def disc(radius_um: float, depth: float = -60.0, tilt: float = 15.0, noise: float = 1.0) -> F32:
    """A dark disc, brighter on its right edge, on grey with noise."""
    far = np.hypot(_Y, _X) * PIXEL_UM
    body = 1 / (1 + np.exp((far - radius_um) / 0.15))
    plane = 150 + depth * body + tilt * body * _X * PIXEL_UM / radius_um
    plane += noise * np.random.default_rng(3).standard_normal(plane.shape)
    return np.asarray(plane, np.float32)


def scalar(found: PictureStatistics, name: str) -> float:
    return float(found.scalars[0, SCALARS.index(name)])


def test_nothing_changes_with_gain_and_level() -> None:
    one = measure_pictures([disc(6.0)])
    other = measure_pictures([disc(6.0) * 0.3 + 700])
    np.testing.assert_allclose(one.features, other.features, rtol=0.01, atol=0.02)


def test_profile_and_diameter_follow_the_disc() -> None:
    found = measure_pictures([disc(6.0, tilt=0.0)])
    assert scalar(found, "diameter_um") == pytest.approx(12.0, abs=0.8)
    inside, outside = found.profile[0, RADII_UM < 5], found.profile[0, RADII_UM > 7]
    assert inside.max() < 0.9 * inside.min() < -100
    assert np.abs(outside).max() < 5


def test_a_mirrored_picture_has_the_opposite_dipole() -> None:
    right = scalar(measure_pictures([disc(6.0)]), "dipole")
    left = scalar(measure_pictures([disc(6.0)[:, ::-1]]), "dipole")
    assert right > 10
    assert left == pytest.approx(-right, rel=0.1)


def test_noise_is_seen_in_the_background_and_a_slope_in_its_plane() -> None:
    quiet, noisy = (measure_pictures([disc(6.0, noise=sd)]) for sd in (0.5, 4.0))
    assert scalar(noisy, "background_fine_sd") > 5 * scalar(quiet, "background_fine_sd")
    assert noisy.background_spectrum[0, -1] > quiet.background_spectrum[0, -1] + 1
    sloped = measure_pictures([disc(6.0) + 0.3 * _X])
    assert scalar(sloped, "background_slope") > 4 * scalar(quiet, "background_slope")


def test_a_grating_is_found_at_its_frequency_and_only_inside_the_cell() -> None:
    grating = 20 * np.sin(2 * np.pi * 0.8 * _Y * PIXEL_UM) * (np.hypot(_Y, _X) * PIXEL_UM < 5)
    plain, lined = measure_pictures([disc(6.0)]), measure_pictures([disc(6.0) + grating])
    rise = lined.spectrum[0] - plain.spectrum[0]
    assert FREQUENCIES[int(rise.argmax())] == pytest.approx(0.8)
    assert np.abs(lined.background_spectrum - plain.background_spectrum).max() < 0.2
    assert scalar(lined, "fine_contrast") > 2 * scalar(plain, "fine_contrast")


def test_a_picture_of_nothing_is_measured_too() -> None:
    found = measure_pictures([np.full((128, 128), 7, np.uint8)])
    assert np.isfinite(found.features).all()
    assert scalar(found, "diameter_um") == 0
