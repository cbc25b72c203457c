import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.forward import (
    Optics,
    dpc_intensity,
    intensity_grid,
    transfer_functions,
    weak_intensity,
)

OPTICS = Optics()
N, PIXEL_UM = 128, 0.2
F64 = npt.NDArray[np.float64]


def _cap(peak: float) -> F64:
    """A smooth cap of 7 µm, radians."""
    line = (np.arange(N) - N // 2) * PIXEL_UM
    r2 = (line[:, None] ** 2 + line[None] ** 2) / 3.5**2
    return np.asarray(peak * np.clip(1 - r2, 0, None) ** 2, np.float64)


def _on_small_grid(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A band-limited image (4, N, N) resampled to the grid of the full sum."""
    grid = intensity_grid(N * PIXEL_UM, OPTICS)
    spectrum = np.fft.fftshift(np.fft.fft2(image), axes=(-2, -1))
    low = N // 2 - grid // 2
    part = spectrum[..., low : low + grid, low : low + grid]
    back = np.fft.ifft2(np.fft.ifftshift(part, axes=(-2, -1))).real * (grid / N) ** 2
    return back.astype(np.float32)


def test_an_empty_field_is_exactly_one() -> None:
    light = dpc_intensity(np, np.zeros((N, N), np.float32), None, PIXEL_UM, OPTICS, 2.0)
    assert light.dtype == np.float32
    assert np.abs(light - 1).max() < 1e-6


@pytest.mark.parametrize("defocus_um", [0.0, 2.5])
def test_a_small_phase_gives_the_weak_limit_within_one_percent(defocus_um: float) -> None:
    phase = _cap(0.02).astype(np.float32)
    full = dpc_intensity(np, phase, None, PIXEL_UM, OPTICS, defocus_um)
    weak = _on_small_grid(weak_intensity(phase, None, PIXEL_UM, OPTICS, defocus_um))
    assert np.abs(full - weak).max() < 0.01 * np.abs(weak - 1).max()


def test_a_small_absorption_gives_the_weak_limit_within_one_percent() -> None:
    loss = _cap(0.005).astype(np.float32)
    full = dpc_intensity(np, np.zeros_like(loss), loss, PIXEL_UM, OPTICS, 1.0)
    weak = _on_small_grid(weak_intensity(np.zeros_like(loss), loss, PIXEL_UM, OPTICS, 1.0))
    assert np.abs(full - weak).max() < 0.01 * np.abs(weak - 1).max()


def test_a_leukocyte_phase_is_beyond_the_weak_limit() -> None:
    phase = _cap(2.5).astype(np.float32)
    full = dpc_intensity(np, phase, None, PIXEL_UM, OPTICS)
    weak = _on_small_grid(weak_intensity(phase, None, PIXEL_UM, OPTICS))
    assert np.abs(full - weak).max() > 0.1 * np.abs(weak - 1).max()


def test_the_phase_transfer_function_is_odd_zero_at_rest_and_ends_at_twice_the_aperture() -> None:
    h_phi, h_mu = transfer_functions(N, PIXEL_UM, OPTICS)
    difference = (h_phi[0] - h_phi[1]) / 2
    freq = np.fft.fftfreq(N, PIXEL_UM)
    axis = np.abs(difference[0])
    assert axis[0] < 1e-6
    assert np.allclose(difference[0, 1 : N // 2], -difference[0, : N // 2 : -1], atol=1e-6)
    assert axis[np.abs(freq) > 2 * OPTICS.cutoff + 0.05].max() < 1e-6
    assert axis.max() > 0.8
    assert np.allclose(h_mu[:, 0, 0], 2, atol=1e-5)


def test_batches_give_what_single_objects_give() -> None:
    objects = np.stack([_cap(1.0), np.roll(_cap(2.0), 9, 0)]).astype(np.float32)
    batch = dpc_intensity(np, objects, None, PIXEL_UM, OPTICS, 1.0)
    for shown, got in zip(objects, batch, strict=True):
        assert np.array_equal(got, dpc_intensity(np, shown, None, PIXEL_UM, OPTICS, 1.0))


def test_torch_gives_what_numpy_gives() -> None:
    torch = pytest.importorskip("torch", reason="needs the trainer extra")
    phase = _cap(1.5).astype(np.float32)
    want = dpc_intensity(np, phase, None, PIXEL_UM, OPTICS, 1.0)
    got = dpc_intensity(torch, torch.from_numpy(phase), None, PIXEL_UM, OPTICS, 1.0)
    assert np.abs(got.numpy() - want).max() < 1e-5


def test_too_coarse_a_grid_is_refused() -> None:
    with pytest.raises(BadConfig, match="pixels <="):
        dpc_intensity(np, np.zeros((64, 64), np.float32), None, 0.4, OPTICS)


def test_an_annulus_outside_the_objective_is_refused() -> None:
    with pytest.raises(BadConfig, match="na_outer"):
        Optics(na=0.45)
