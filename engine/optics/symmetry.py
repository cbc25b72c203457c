"""The eight mirrors and quarter turns of a four-shot image, with the shots re-named as the optics require.

A mirrored cell gives the mirrored frame with the pair swapped that tilts across the mirror line; a quarter turn gives
the turned frame with the shots moved round (SPEC f.5). Anything else done to the shots' geometry (free rotation, a flip
without the swap) is not what a microscope could see. Works on numpy arrays and torch tensors (..., 4, H, W).

Element e of the group: mirror left-right if e >= 4, then e % 4 quarter turns anticlockwise as displayed (y down).
"""

from types import ModuleType
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.illumination import TILT
from phenostream.engine.types import SHOTS

A = TypeVar("A")
ELEMENTS: Final = 8
IDENTITY: Final = 0
MIRROR_COLUMNS: Final = 4
"""Left and right change places."""
MIRROR_ROWS: Final = 6
"""Top and bottom change places: a left-right mirror and a half turn."""


def apply(xp: ModuleType, images: A, element: int) -> A:
    """Images (..., 4, H, W) under one element of the group; a view where the namespace allows one.

    Raises:
        BadConfig: The element is not 0..7, or there are not four shots.
    """
    channels = list(shot_order(element))
    array: Any = images
    if array.ndim < 3 or array.shape[-3] != len(SHOTS):
        raise BadConfig(f"images {tuple(array.shape)}: need (..., {len(SHOTS)}, H, W)")
    turned: A = turn(xp, array, element)[..., channels, :, :]
    return turned


def turn(xp: ModuleType, planes: A, element: int) -> A:
    """Planes (..., H, W) mirrored and turned alone, for what has no shots (an object, a mask)."""
    _check(element)
    array: Any = planes
    if element >= MIRROR_COLUMNS:
        array = xp.flip(array, (-1,))
    turned: A = xp.rot90(array, element % 4, (-2, -1))
    return turned


def shot_order(element: int) -> tuple[int, int, int, int]:
    """For each shot of the result, which shot of the input it is."""
    _check(element)
    return _ORDER[element]


def move(
    element: int, y: npt.ArrayLike, x: npt.ArrayLike
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Where offsets (y, x) from an image's centre go."""
    _check(element)
    new_y, new_x = np.asarray(y, np.float64), np.asarray(x, np.float64)
    if element >= MIRROR_COLUMNS:
        new_x = -new_x
    for _ in range(element % 4):
        new_y, new_x = -new_x, new_y
    return new_y, new_x


def inverse(element: int) -> int:
    """The element that undoes this one: a mirror undoes itself, a turn needs the opposite turn."""
    _check(element)
    return element if element >= MIRROR_COLUMNS else -element % 4


def _check(element: int) -> None:
    if not 0 <= element < ELEMENTS:
        raise BadConfig(f"symmetry element {element}: need 0..{ELEMENTS - 1}")


def _derive_order(element: int) -> tuple[int, int, int, int]:
    """Shots follow their tilt: the result's shot is the input's shot whose tilt lands on it."""
    landed = {}
    for index, shot in enumerate(SHOTS):
        y, x = move(element, *TILT[shot])
        landed[(int(y), int(x))] = index
    a, b, c, d = (landed[TILT[shot]] for shot in SHOTS)
    return a, b, c, d


_ORDER: Final = tuple(_derive_order(element) for element in range(ELEMENTS))
