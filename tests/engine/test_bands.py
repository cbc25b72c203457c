"""Resampling of one axis: every kernel keeps a constant, knows the contract's positions, and blurs as BSCCMNIST did."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phenostream.engine.bands import (
    BSCCM_FACTOR,
    BSCCM_SIGMA_PX,
    Band,
    area_bands,
    bsccm_sigma_px,
    gaussian_bands,
)

F64 = npt.NDArray[np.float64]
FACTOR = st.floats(0.762, 13.72)
LENGTH = st.integers(128, 1500)


def _bands(kernel: str, length: int, factor: float) -> list[Band]:
    reduced = int(length / factor + 1e-9)
    if kernel == "area":
        return area_bands(length, reduced, factor, 8)
    return gaussian_bands(length, reduced, factor, bsccm_sigma_px(factor), 8)


def _apply(bands: list[Band], values: F64) -> F64:
    return np.concatenate([band.weights @ values[band.first : band.last] for band in bands])


@given(length=LENGTH, factor=FACTOR)
def test_every_output_is_a_weighted_mean_of_inputs(length: int, factor: float) -> None:
    for kernel in ("area", "gaussian") if factor >= 1 else ("gaussian",):
        bands = _bands(kernel, length, factor)
        assert [band.start for band in bands[1:]] == [band.stop for band in bands[:-1]]
        assert (bands[0].start, bands[-1].stop) == (0, int(length / factor + 1e-9))
        for band in bands:
            assert band.first >= 0
            assert band.last <= length
            assert band.weights.min() >= 0
            assert band.weights.sum(axis=1) == pytest.approx(1, abs=1e-12)


@given(length=LENGTH, factor=FACTOR)
def test_an_output_is_centred_where_the_contract_says(length: int, factor: float) -> None:
    """A ramp reads the position of each output: x_full = (x_red + 1/2) f - 1/2."""
    for kernel in ("area", "gaussian") if factor >= 1 else ("gaussian",):
        got = _apply(_bands(kernel, length, factor), np.arange(length, dtype=np.float64))
        expected = (np.arange(len(got)) + 0.5) * factor - 0.5
        reach = 0.0 if kernel == "area" else 5 * bsccm_sigma_px(factor) + 2
        exact = 0.13 if kernel == "area" else 1e-9 * length  # a cut pixel counts as if it were even
        inside = (expected >= reach) & (expected <= length - 1 - reach)
        assert got[inside] == pytest.approx(expected[inside], abs=exact)


def test_at_bsccms_own_factor_the_gaussian_is_scikit_images() -> None:
    assert pytest.approx(BSCCM_SIGMA_PX, abs=1e-12) == bsccm_sigma_px(BSCCM_FACTOR)
    assert pytest.approx(1.2143, abs=1e-4) == BSCCM_SIGMA_PX


@pytest.mark.parametrize(
    ("pixel_size_um", "tolerance"),
    [
        (0.05, 0.005),
        (0.1, 0.005),
        (0.1715, 0.005),
        (0.2, 0.01),
        (0.265, 0.01),
        (0.343, 0.03),
        (0.45, 0.13),
    ],
)
def test_whatever_the_camera_the_reduced_pixel_is_blurred_alike(
    pixel_size_um: float, tolerance: float
) -> None:
    """Variance of the whole response, in µm: camera pixel, Gaussian and interpolation together."""
    factor = 0.686 / pixel_size_um
    length = int(60 * factor)
    variances = []
    for band in _bands("gaussian", length, factor)[2:5]:
        at = np.arange(band.first, band.last)
        mean = band.weights @ at
        variances.append(band.weights @ at**2 - mean**2 + 1 / 12)
    got_um = np.sqrt(np.mean(np.concatenate(variances))) * pixel_size_um
    assert got_um == pytest.approx(0.263, rel=tolerance)


@pytest.mark.parametrize("pixel_size_um", [0.55, 0.8, 0.9])
def test_large_pixels_are_not_blurred_further(pixel_size_um: float) -> None:
    assert bsccm_sigma_px(0.686 / pixel_size_um) == 0.0
