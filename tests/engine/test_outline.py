import numpy as np
import pytest

from phenostream.engine.outline import Outline
from phenostream.engine.types import F32


def _disc(shape: tuple[int, int], y: float, x: float, radius: float) -> tuple[F32, F32]:
    """Contrast of a dome: the outward slope, largest at the rim."""
    rows, columns = np.indices(shape)
    dy, dx = rows - y, columns - x
    r = np.hypot(dy, dx)
    slope = 0.4 * np.exp(-((r - 0.85 * radius) ** 2) / (2 * (0.2 * radius) ** 2)) / np.maximum(r, 1)
    return (slope * dx).astype(np.float32), (slope * dy).astype(np.float32)


@pytest.mark.parametrize("radius", [2.5, 3.5, 5.0, 6.0])
@pytest.mark.parametrize(("dy", "dx"), [(0.0, 0.0), (0.4, -0.3), (-0.5, 0.5)])
def test_centre_is_found_between_pixels_and_diameter_grows_with_the_cell(
    radius: float, dy: float, dx: float
) -> None:
    dpc_x, dpc_y = _disc((48, 64), 22 + dy, 30 + dx, radius)
    y, x, diameter = Outline((48, 64)).measure(dpc_x, dpc_y, np.array([22]), np.array([30]))
    assert y[0] == pytest.approx(22 + dy, abs=0.1)
    assert x[0] == pytest.approx(30 + dx, abs=0.1)
    assert diameter[0] == pytest.approx(2.15 * radius + 0.2, rel=0.12)


def test_a_centre_found_off_the_middle_is_moved_to_it() -> None:
    dpc_x, dpc_y = _disc((48, 64), 22, 30, 5.0)
    y, x, _ = Outline((48, 64)).measure(dpc_x, dpc_y, np.array([23]), np.array([28]))
    assert np.hypot(y[0] - 22, x[0] - 30) < 0.6


def test_a_touching_neighbour_hardly_moves_centre_or_diameter() -> None:
    alone = _disc((48, 64), 22, 25, 4.0)
    other = _disc((48, 64), 22, 33.5, 4.0)
    outline, at = Outline((48, 64)), (np.array([22]), np.array([25]))
    y, x, diameter = outline.measure(alone[0] + other[0], alone[1] + other[1], *at)
    y0, x0, diameter0 = outline.measure(*alone, *at)
    assert np.hypot(y[0] - y0[0], x[0] - x0[0]) < 0.6
    assert diameter[0] == pytest.approx(diameter0[0], rel=0.15)


def test_a_cell_cut_by_the_border_keeps_its_maximum() -> None:
    dpc_x, dpc_y = _disc((48, 64), 1.0, 30.4, 5.0)
    y, x, _ = Outline((48, 64)).measure(dpc_x, dpc_y, np.array([1]), np.array([30]))
    assert (y[0], x[0]) == (1, 30)


def test_no_cells_give_empty_arrays() -> None:
    none = np.array([], np.intp)
    empty = np.zeros((40, 40), np.float32)
    assert [len(a) for a in Outline((40, 40)).measure(empty, empty, none, none)] == [0, 0, 0]
