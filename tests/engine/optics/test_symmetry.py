import numpy as np
import numpy.typing as npt
import pytest

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics import symmetry
from phenostream.engine.optics.forward import Optics, dpc_intensity

F64 = npt.NDArray[np.float64]
ALL = range(symmetry.ELEMENTS)


def _object() -> F64:
    """A lopsided phase object on an even periodic grid."""
    rng = np.random.default_rng(4)
    line = (np.arange(150) - 75) * 0.18
    bumps = [
        a * np.exp(-((line[:, None] - y) ** 2 + (line[None] - x) ** 2) / 2)
        for a, y, x in rng.normal(size=(9, 3)) * [1, 3, 3]
    ]
    return np.asarray(np.sum(bumps, axis=0), np.float64)


def _about_first_sample(xp_result: F64) -> F64:
    return xp_result[..., :-1, :-1]


def _wrapped(planes: F64) -> F64:
    """One more row and column, so that turning keeps the first sample of a periodic grid in place."""
    pad = [(0, 0)] * (planes.ndim - 2) + [(0, 1), (0, 1)]
    return np.pad(planes, pad, mode="wrap")


@pytest.mark.parametrize("element", ALL)
def test_mirrors_and_quarter_turns_commute_with_the_simulator(element: int) -> None:
    shown = _object()
    turned = _about_first_sample(symmetry.turn(np, _wrapped(shown), element))
    of_turned = dpc_intensity(np, np.ascontiguousarray(turned), None, 0.18, Optics(), 1.5)
    image = _wrapped(dpc_intensity(np, shown, None, 0.18, Optics(), 1.5))
    right = _about_first_sample(symmetry.apply(np, image, element))
    assert np.abs(of_turned - right).max() < 1e-6 * np.abs(right - 1).max()
    if element != symmetry.IDENTITY:
        unswapped = _about_first_sample(symmetry.turn(np, image, element))
        assert np.abs(of_turned - unswapped).max() > 0.1


def test_a_left_right_mirror_swaps_left_and_right_only() -> None:
    assert symmetry.shot_order(symmetry.MIRROR_COLUMNS) == (1, 0, 2, 3)
    assert symmetry.shot_order(symmetry.MIRROR_ROWS) == (0, 1, 3, 2)


@pytest.mark.parametrize("element", ALL)
def test_an_element_and_its_inverse_leave_the_image(element: int) -> None:
    image = np.random.default_rng(0).random((2, 4, 6, 6))
    back = symmetry.apply(np, symmetry.apply(np, image, element), symmetry.inverse(element))
    assert np.array_equal(back, image)


@pytest.mark.parametrize("element", ALL)
def test_points_move_with_their_pixels(element: int) -> None:
    image = np.zeros((4, 9, 9))
    image[:, 4 - 2, 4 + 1] = 1.0
    y, x = symmetry.move(element, -2, 1)
    assert symmetry.apply(np, image, element)[0, 4 + int(y), 4 + int(x)] == 1.0


@pytest.mark.parametrize("element", ALL)
def test_torch_gives_what_numpy_gives(element: int) -> None:
    torch = pytest.importorskip("torch", reason="needs the trainer extra")
    image = np.random.default_rng(1).random((3, 4, 5, 5))
    got = symmetry.apply(torch, torch.from_numpy(image), element).numpy()
    assert np.array_equal(got, symmetry.apply(np, image, element))


def test_an_unknown_element_and_a_missing_shot_are_refused() -> None:
    with pytest.raises(BadConfig, match=r"0\.\.7"):
        symmetry.apply(np, np.zeros((4, 3, 3)), 8)
    with pytest.raises(BadConfig, match="need"):
        symmetry.apply(np, np.zeros((3, 3, 3)), 1)
