"""How a thin object becomes four DPC intensities: the full sum over LEDs, and its weak-object limit.

Knows Fourier optics (partially coherent imaging, SPEC f.2); does not know cells, cameras or noise. The array namespace
`xp` (numpy or torch) is an argument, so that the trainer can render on its own device; objects may be batched
(..., H, W) and are taken as periodic. Intensities are ratios to the empty field, which is exactly 1.

The pupil of LED j is moved over the object's spectrum instead of tilting the object; the two differ by a phase ramp of
modulus 1, so the intensity is the same and directions need not fall on the frequency grid. What passes the pupil
is a window 2 NA / wavelength wide, so the inverse transforms run on a small grid that just holds the intensity's band.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.illumination import half_annuli

Array = Any
"""An array of the namespace `xp`: a numpy array or a torch tensor."""
F32 = npt.NDArray[np.float32]
C64 = npt.NDArray[np.complex64]


@dataclass(frozen=True, slots=True)
class Optics:
    """The microscope.

    Attributes:
        wavelength_um: Vacuum wavelength, µm.
        na: Numerical aperture of the objective.
        na_inner: Inner edge of the lit annulus, in NA.
        na_outer: Outer edge; at most ``na`` (bright field).
        medium_index: Refractive index of what surrounds the cells, for defocus.
        rings: Rings of LEDs in the annulus.
        per_ring: LEDs on a ring, a multiple of 8.
    """

    wavelength_um: float = 0.515
    na: float = 0.5
    na_inner: float = 0.4
    na_outer: float = 0.5
    medium_index: float = 1.337
    rings: int = 2
    per_ring: int = 40

    def __post_init__(self) -> None:
        if not 0 < self.na_outer <= self.na < self.medium_index:
            raise BadConfig(f"na {self.na}: need na_outer {self.na_outer} <= na < medium_index")

    @property
    def cutoff(self) -> float:
        """Highest frequency that passes the pupil, cycles/µm; intensities reach twice as far."""
        return self.na / self.wavelength_um


def intensity_grid(extent_um: float, optics: Optics) -> int:
    """Samples per side at which a field of that extent holds its intensity's whole band (an even 7-smooth number)."""
    need = 2 * (_window(extent_um, optics) - 1) + 1
    size = need + need % 2
    while not _is_smooth(size):
        size += 2
    return size


def dpc_intensity(
    xp: ModuleType,
    phase: Array,
    absorption: Array | None,
    pixel_um: float,
    optics: Optics,
    defocus_um: float = 0.0,
) -> Array:
    """Intensities of the four shots by the full LED sum, on the grid of `intensity_grid`.

    Args:
        xp: Array namespace of the inputs, numpy or torch.
        phase: (..., N, N) float32, radians, positive where the object is optically denser.
        absorption: Amplitude absorption, same shape, or None for a clear object.
        pixel_um: Pixel of the object's grid, µm; small enough to hold the object's band.
        optics: The microscope.
        defocus_um: How far the object lies from the focal plane, µm.

    Returns:
        (..., 4, G, G) float32, I / I0 in `SHOTS` order; sample g lies at g·N·pixel/G of the object's grid.

    Raises:
        BadConfig: The object's grid is not square, or too coarse for the optics.
    """
    n = int(phase.shape[-1])
    plan = _plan(n, int(phase.shape[-2]), pixel_um, optics)
    exponent = 1j * phase if absorption is None else 1j * phase - absorption
    spectrum = xp.fft.fft2(xp.exp(exponent)) * (plan.grid / n) ** 2
    rows, columns = _indices(xp, plan, spectrum)
    pupils = _focused(xp, plan, defocus_um, spectrum)
    windows = spectrum[..., rows, columns] * pupils
    fields = xp.fft.ifft2(windows, (plan.grid, plan.grid))
    intensity = fields.real**2 + fields.imag**2
    shape = tuple(intensity.shape[:-3])
    flat = intensity.reshape((*shape, len(plan.weights[0]), plan.grid**2))
    shots = xp.matmul(_to(xp, plan.weights, flat), flat)
    return shots.reshape((*shape, 4, plan.grid, plan.grid))


@lru_cache(maxsize=4)
def transfer_functions(
    n: int, pixel_um: float, optics: Optics, defocus_um: float = 0.0
) -> tuple[C64, C64]:
    """Weak-object transfer functions of phase and absorption, I/I0 ≈ 1 + H_phi∗phase − H_mu∗absorption.

    Formula: H_phi = i·mean_j [P(ν+ν_j) − P*(ν_j−ν)], H_mu with a plus sign, P normalised to P(ν_j) = 1 (SPEC f.2).

    Returns:
        H_phi and H_mu, each (4, n, n) complex64 in FFT order, shots in `SHOTS` order; read only.
    """
    leds = half_annuli(optics.na_inner, optics.na_outer, optics.rings, optics.per_ring)
    freq = np.fft.fftfreq(n, pixel_um)
    step = 1.0 / (n * pixel_um)
    h_phi = np.zeros((4, n, n), np.complex128)
    h_mu = np.zeros((4, n, n), np.complex128)
    for na_y, na_x, lit in zip(leds.na_y, leds.na_x, leds.lit.T, strict=True):
        v_y, v_x = na_y / optics.wavelength_um, na_x / optics.wavelength_um
        centre = _pupil(np.array(v_y), np.array(v_x), step, optics, defocus_um)
        plus = _pupil(freq[:, None] + v_y, freq[None] + v_x, step, optics, defocus_um) / centre
        minus = _pupil(v_y - freq[:, None], v_x - freq[None], step, optics, defocus_um) / centre
        share = (lit / leds.lit.sum(axis=1))[:, None, None]
        h_phi += share * 1j * (plus - minus.conj())
        h_mu += share * (plus + minus.conj())
    both = h_phi.astype(np.complex64), h_mu.astype(np.complex64)
    for function in both:
        function.setflags(write=False)
    return both


def weak_intensity(
    phase: F32,
    absorption: F32 | None,
    pixel_um: float,
    optics: Optics,
    defocus_um: float = 0.0,
) -> F32:
    """The four shots in the weak-object limit, (..., 4, N, N) on the object's own grid."""
    n = phase.shape[-1]
    h_phi, h_mu = transfer_functions(n, pixel_um, optics, defocus_um)
    change = h_phi * np.fft.fft2(phase)[..., None, :, :]
    if absorption is not None:
        change = change - h_mu * np.fft.fft2(absorption)[..., None, :, :]
    return (1.0 + np.fft.ifft2(change).real).astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What depends only on grid and optics: window indices (J, W), pupils (J, W, W), weights (4, J)."""

    grid: int
    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]
    pupil: F32
    axial: F32
    weights: F32


@lru_cache(maxsize=8)
def _plan(n: int, height: int, pixel_um: float, optics: Optics) -> _Plan:
    extent_um = n * pixel_um
    window = _window(extent_um, optics)
    tilt = optics.na_outer / optics.wavelength_um
    if height != n or 2 * (optics.cutoff + tilt) * extent_um + 2 > n:
        raise BadConfig(
            f"object grid {height} x {n} at {pixel_um} um: need a square of pixels <= "
            f"{0.5 / (optics.cutoff + tilt):.3f} um"
        )
    leds = half_annuli(optics.na_inner, optics.na_outer, optics.rings, optics.per_ring)
    v_y, v_x = leds.na_y / optics.wavelength_um, leds.na_x / optics.wavelength_um
    reach = window // 2
    span = np.arange(-reach, reach + 1)
    rows = span - np.rint(v_y * extent_um).astype(np.int64)[:, None]
    columns = span - np.rint(v_x * extent_um).astype(np.int64)[:, None]
    at_y = rows[:, :, None] / extent_um + v_y[:, None, None]
    at_x = columns[:, None, :] / extent_um + v_x[:, None, None]
    amplitude = np.abs(_pupil(at_y, at_x, 1 / extent_um, optics, 0.0))
    centre = np.abs(_pupil(v_y, v_x, 1 / extent_um, optics, 0.0))
    axial = np.sqrt((optics.medium_index / optics.wavelength_um) ** 2 - _inside(at_y, at_x, optics))
    return _Plan(
        grid=intensity_grid(extent_um, optics),
        rows=(rows % n)[:, :, None],
        columns=(columns % n)[:, None, :],
        pupil=(amplitude / centre[:, None, None]).astype(np.float32),
        axial=(2 * pi * axial).astype(np.float32),
        weights=(leds.lit / leds.lit.sum(axis=1, keepdims=True)).astype(np.float32),
    )


def _pupil(at_y: Array, at_x: Array, step: float, optics: Optics, defocus_um: float) -> Array:
    """Complex pupil at frequencies (cycles/µm); its edge falls over one frequency step, as a finite field sees it."""
    radius = np.sqrt(at_y**2 + at_x**2)
    amplitude = np.clip((optics.cutoff - radius) / step + 0.5, 0.0, 1.0)
    axial = np.sqrt((optics.medium_index / optics.wavelength_um) ** 2 - _inside(at_y, at_x, optics))
    return amplitude * np.exp(2j * pi * defocus_um * axial)


def _inside(at_y: Array, at_x: Array, optics: Optics) -> Array:
    """Squared frequency, held below the medium's own limit where the pupil is dark anyway."""
    limit = (0.999 * optics.medium_index / optics.wavelength_um) ** 2
    return np.minimum(at_y**2 + at_x**2, limit)


def _focused(xp: ModuleType, plan: _Plan, defocus_um: float, like: Array) -> Array:
    pupil = _to(xp, plan.pupil, like)
    if defocus_um == 0.0:
        return pupil
    turn = _to(xp, plan.axial, like) * defocus_um
    return pupil * (xp.cos(turn) + 1j * xp.sin(turn))


def _indices(xp: ModuleType, plan: _Plan, like: Array) -> tuple[Array, Array]:
    return _to(xp, plan.rows, like), _to(xp, plan.columns, like)


def _to(xp: ModuleType, array: npt.NDArray[Any], like: Array) -> Array:
    """A plan's array in the namespace, and on the device, of `like`."""
    if xp is np:
        return array
    return xp.asarray(array, device=like.device)


def _window(extent_um: float, optics: Optics) -> int:
    """Width of one LED's pupil window in frequency steps, odd, with the soft edge and the rounding of its centre."""
    return 2 * (ceil(optics.cutoff * extent_um + 0.5) + 1) - 1


def _is_smooth(size: int) -> bool:
    for prime in (2, 3, 5, 7):
        while size % prime == 0:
            size //= prime
    return size == 1
