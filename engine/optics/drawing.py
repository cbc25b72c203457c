"""Cells drawn as projected phase and absorption on a square grid.

Knows geometry (outlines, profiles, nuclei, granules, texture); does not know why a cell has its parameters, nor light
beyond phase = 2π/λ · ∫Δn dz. Overlapping cells add, as projections of thin objects do.
"""

from dataclasses import dataclass
from math import cos, pi, sin, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.optics.cells import Cell, Debris, RedCell, SimulatedObject, WhiteCell

F32 = npt.NDArray[np.float32]
_COARSEST: Final = 4.0
"""Coarsest scale of a cell's texture over its finest."""
_FOOT_WIDER: Final = 1.45
"""Radius of a cell's foot over that of its body."""


@dataclass(frozen=True, slots=True)
class ObjectGrid:
    """A square of n x n pixels; its centre is the sample n // 2, so that a mirror maps samples to samples."""

    n: int
    pixel_um: float

    @property
    def extent_um(self) -> float:
        """Side of the square, µm."""
        return self.n * self.pixel_um

    def axes(self, y_um: float, x_um: float) -> tuple[F32, F32]:
        """Coordinates (n, 1) and (1, n) about a point given by its offset from the centre, µm."""
        line = ((np.arange(self.n) - self.n // 2) * self.pixel_um).astype(np.float32)
        return (line - np.float32(y_um))[:, None], (line - np.float32(x_um))[None, :]


def draw(shown: SimulatedObject, grid: ObjectGrid, wavelength_um: float) -> tuple[F32, F32 | None]:
    """Phase (radians) and amplitude absorption of an object, each (n, n) float32; no absorption is None."""
    path = np.zeros((grid.n, grid.n), np.float32)
    absorption: F32 | None = None
    for cell in shown.cells:
        own = _path_length(cell, grid)
        path += own
        if not isinstance(cell, Debris) and cell.loss_per_um:
            loss = np.float32(cell.loss_per_um / cell.body_dn) * own
            absorption = loss if absorption is None else absorption + loss
    return np.float32(2 * pi / wavelength_um) * path, absorption


def _path_length(cell: Cell, grid: ObjectGrid) -> F32:
    """Optical path over the medium, µm."""
    if isinstance(cell, WhiteCell):
        return _white(cell, grid)
    return _red(cell, grid) if isinstance(cell, RedCell) else _debris(cell, grid)


def _white(cell: WhiteCell, grid: ObjectGrid) -> F32:
    rng = np.random.default_rng(cell.seed)
    y, x = _turned(*grid.axes(cell.y_um, cell.x_um), cell.angle, cell.aspect)
    rho2 = _outline(rng, y, x, cell.footprint_um / 2, cell.harmonics)
    body = np.float32(1 - cell.foot) * np.clip(1 - rho2, 0, None) ** np.float32(cell.edge)
    body += np.float32(cell.foot) * np.clip(1 - rho2 / np.float32(_FOOT_WIDER**2), 0, None) ** 2
    body *= np.float32((1 - cell.skirt) * cell.height * cell.diameter_um)
    nucleus = _nucleus(rng, cell, y, x)
    texture = _texture(rng, grid, cell.fine_um)
    path = np.float32(cell.body_dn) * body * (1 + np.float32(cell.body_texture) * texture[0])
    path += (
        np.float32(cell.nucleus_dn)
        * nucleus
        * (1 + np.float32(2 * cell.nucleus_texture) * texture[1])
    )
    path += _granules(rng, cell, grid)
    if cell.ghost:
        path += _attached_ghost(rng, cell, grid)
    return path


def _turned(y: F32, x: F32, angle: float, aspect: float) -> tuple[F32, F32]:
    """Coordinates (across, along) an ellipse's axes, in which it is a circle of the same area."""
    c, s = np.float32(cos(angle)), np.float32(sin(angle))
    stretch = np.float32(sqrt(aspect))
    along = np.asarray((x * c + y * s) / stretch, np.float32)
    across = np.asarray((y * c - x * s) * stretch, np.float32)
    return across, along


def _outline(rng: np.random.Generator, y: F32, x: F32, radius_um: float, sd: float) -> F32:
    """Squared radius over the outline's, whose harmonics 2..6 fall off with the square of their order."""
    angle = np.arctan2(y, x)
    edge = np.ones_like(angle)
    for order in range(2, 7):
        size, phase = sd * rng.standard_normal() * 4 / order**2, rng.uniform(0, 2 * pi)
        edge += np.float32(size) * np.cos(np.float32(order) * angle + np.float32(phase))
    result: F32 = (y**2 + x**2) / (np.float32(radius_um) * np.clip(edge, 0.5, 1.6)) ** 2
    return result


def _nucleus(rng: np.random.Generator, cell: WhiteCell, y: F32, x: F32) -> F32:
    """Thickness of the nucleus, µm: one ball, a kidney of fused balls, or lobes on an arc; the middle's is kept."""
    squash = sqrt(cell.height)
    scale = cell.footprint_um
    turn = rng.uniform(0, 2 * pi)
    balls: list[tuple[float, float, float]] = []
    if cell.kind == "lymphocyte":
        radius = cell.nucleus_size * scale / 2
        shift = rng.uniform(0, 0.8) * (scale / 2 - radius)
        balls.append((shift * sin(turn), shift * cos(turn), radius))
    elif cell.kind == "monocyte":
        span = rng.uniform(1.6, 3.4)
        radius = cell.nucleus_size * scale / 2
        arc = radius * rng.uniform(0.25, 0.5)
        off = rng.uniform(0, 0.9) * max(scale * 0.46 - radius, 0.0)
        towards = rng.uniform(0, 2 * pi)
        for step in np.linspace(-0.5, 0.5, 4):
            a = turn + step * span
            at = (off * sin(towards) + arc * sin(a), off * cos(towards) + arc * cos(a))
            balls.append((*at, radius - 0.85 * arc))
    else:
        radius = scale / 2 * (cell.nucleus_size / cell.lobes) ** (1 / 3)
        arc = min(scale / 2 * 0.52, scale / 2 - radius) if cell.lobes > 1 else 0.1 * scale
        pitch = min(2.0 * radius / max(arc, 1e-3), 2 * pi / max(cell.lobes, 3))
        for index in range(cell.lobes):
            a = turn + (index - (cell.lobes - 1) / 2) * pitch + rng.normal(0, 0.08)
            r = radius * rng.uniform(0.88, 1.12)
            balls.append((arc * sin(a), arc * cos(a), r))
    depth = np.zeros(np.broadcast_shapes(y.shape, x.shape), np.float32)
    for at_y, at_x, r in balls:
        depth2 = np.float32(r * r) - (y - np.float32(at_y)) ** 2 - (x - np.float32(at_x)) ** 2
        np.maximum(depth, np.clip(depth2, 0, None), out=depth)
    unit = radius ** (1 - 2 * cell.nucleus_edge)
    result: F32 = np.float32(2 * squash**3 * unit) * depth**cell.nucleus_edge
    return result


def _granules(rng: np.random.Generator, cell: WhiteCell, grid: ObjectGrid) -> F32:
    """Balls small beside the resolution: their volumes spread over the four nearest pixels."""
    count = cell.granules
    reach = np.sqrt(rng.random(count)) * 0.44 * cell.footprint_um
    angle = rng.uniform(0, 2 * pi, count)
    radius = rng.uniform(*cell.granule_um, count)
    amount = cell.granule_dn * 4 / 3 * pi * radius**3 / grid.pixel_um**2
    stretch = sqrt(cell.aspect)
    along, across = reach * np.cos(angle) * stretch, reach * np.sin(angle) / stretch
    c, s = cos(cell.angle), sin(cell.angle)
    return _spread(
        cell.y_um + along * s + across * c, cell.x_um + along * c - across * s, amount, grid
    )


def _spread(
    y_um: npt.NDArray[np.float64],
    x_um: npt.NDArray[np.float64],
    amount: npt.NDArray[np.float64],
    grid: ObjectGrid,
) -> F32:
    at_y, at_x = y_um / grid.pixel_um + grid.n // 2, x_um / grid.pixel_um + grid.n // 2
    row, column = np.floor(at_y).astype(int), np.floor(at_x).astype(int)
    part_y, part_x = at_y - row, at_x - column
    out = np.zeros((grid.n, grid.n), np.float64)
    for dy, wy in ((0, 1 - part_y), (1, part_y)):
        for dx, wx in ((0, 1 - part_x), (1, part_x)):
            np.add.at(out, ((row + dy) % grid.n, (column + dx) % grid.n), amount * wy * wx)
    return out.astype(np.float32)


def _texture(rng: np.random.Generator, grid: ObjectGrid, fine_um: float) -> tuple[F32, F32]:
    """Two independent fields of zero mean and unit sd with structure from the finest to the coarsest scale."""
    freq = np.fft.fftfreq(grid.n, grid.pixel_um).astype(np.float32)
    f2 = freq[:, None] ** 2 + freq[None] ** 2
    fine, coarse = (np.float32(2 * (pi * s / 2.355) ** 2) for s in (fine_um, _COARSEST * fine_um))
    band = np.exp(-fine * f2) - np.exp(-coarse * f2)
    white = rng.standard_normal((2, grid.n, grid.n), np.float32)
    field = np.fft.ifft2(np.fft.fft2(white[0] + 1j * white[1]) * band)
    field /= np.sqrt(np.mean(np.abs(field) ** 2) / 2)
    return field.real.astype(np.float32), field.imag.astype(np.float32)


def _attached_ghost(rng: np.random.Generator, cell: WhiteCell, grid: ObjectGrid) -> F32:
    angle = rng.uniform(0, 2 * pi)
    diameter_um = rng.uniform(0.45, 0.75) * cell.footprint_um
    away = (cell.footprint_um + diameter_um) / 2 * rng.uniform(0.6, 0.9)
    y, x = grid.axes(cell.y_um + away * sin(angle), cell.x_um + away * cos(angle))
    rho2 = _outline(rng, y, x, diameter_um / 2, 0.08)
    return np.float32(rng.uniform(0.012, 0.035)) * np.clip(1 - rho2, 0, None) ** np.float32(0.3)


def _red(cell: RedCell, grid: ObjectGrid) -> F32:
    """Dome and biconcave disc mixed; the disc is sqrt(1-r²)·(c0 + c1 r² + c2 r⁴), Evans and Fung 1972."""
    rng = np.random.default_rng(cell.seed)
    across, along = _turned(*grid.axes(cell.y_um, cell.x_um), cell.angle, cell.aspect)
    rho2 = _outline(rng, along, across, cell.diameter_um / 2, cell.harmonics)
    rim = np.sqrt(np.clip(1 - rho2, 0, None))
    disc = rim * (0.81 + 7.83 * rho2 - 4.39 * rho2**2) / 2.57
    dome = rim
    mixed = np.float32(cell.hollow) * disc + np.float32(1 - cell.hollow) * dome
    result: F32 = (np.float32(cell.body_dn * cell.thickness_um) * mixed).astype(np.float32)
    return result


def _debris(cell: Debris, grid: ObjectGrid) -> F32:
    rng = np.random.default_rng(cell.seed)
    if cell.parts == 0:
        y, x = grid.axes(cell.y_um, cell.x_um)
        rho2 = _outline(rng, y, x, cell.diameter_um / 2, 0.12)
        profile = np.clip(1 - rho2, 0, None) ** np.float32(0.4)
        return (np.float32(cell.body_dn * rng.uniform(1.2, 2.5)) * profile).astype(np.float32)
    path = np.zeros((grid.n, grid.n), np.float32)
    for _ in range(cell.parts):
        radius = cell.diameter_um / 2 * rng.uniform(0.3, 0.75) / sqrt(cell.parts) * 1.3
        at_y, at_x = rng.normal(0, cell.diameter_um / 5, 2) if cell.parts > 1 else (0.0, 0.0)
        y, x = grid.axes(cell.y_um + at_y, cell.x_um + at_x)
        depth2 = np.clip(np.float32(radius**2) - y**2 - x**2, 0, None)
        path += np.float32(2 * cell.body_dn) * np.sqrt(depth2)
    return path
