"""Cells as no good microscope would show them: shots swapped, turned without their shots, out of focus.

Each is a test of the out-of-distribution score (SPEC g.2) or a control of what the model looks at. Knows labelled crops
and the optics; no model. A mirror or a quarter turn that moves the shots along is no perturbation (SPEC f.5): it is in
`kept`, and a model should not notice it.
"""

from dataclasses import replace
from itertools import combinations
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from phenostream.engine.crop import ring_background
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics import symmetry
from phenostream.engine.optics.forward import Optics
from phenostream.engine.optics.illumination import half_annuli
from phenostream.engine.types import CROP_PX, REDUCED_PIXEL_UM, SHOTS
from phenostream.trainer.data.cell_set import CellSet

DEFOCUS_UM: Final = 4.0
SWAPS: Final = tuple(combinations(range(len(SHOTS)), 2))
"""The six pairs of shots that can be mixed up."""
_QUARTER_TURNS: Final = {1: "quarter turn", 2: "half turn", 3: "three-quarter turn"}
_MIRRORS: Final = {symmetry.MIRROR_COLUMNS: "left-right", symmetry.MIRROR_ROWS: "top-bottom"}
_CHUNK: Final = 1_024


def perturbed(cells: CellSet, most: int = 500) -> dict[str, CellSet]:
    """Every perturbation of the same cells, by a name that says what was done.

    Six swaps of two shots; the three turns and two mirrors of the pixels with the shots left where they were; and
    a defocus of 4 µm either way by geometric optics.

    Args:
        cells: White test cells.
        most: An even choice of at most so many is perturbed; AUROC against all white cells needs no more.
    """
    if len(cells) > most:
        cells = cells.select(np.linspace(0, len(cells) - 1, most).round().astype(np.intp))
    sets = {swap_name(*pair): swapped(cells, *pair) for pair in SWAPS}
    for turns, name in _QUARTER_TURNS.items():
        sets[f"{name} without its shots"] = turned_alone(cells, turns)
    for element, name in _MIRRORS.items():
        sets[f"{name} mirror without its shots"] = turned_alone(cells, element)
    for sign, side in ((1, "above"), (-1, "below")):
        name = f"defocus {DEFOCUS_UM:g} µm {side} (geometric blur)"
        sets[name] = defocused(cells, sign * DEFOCUS_UM)
    return sets


def kept(cells: CellSet) -> dict[str, CellSet]:
    """Cells under the seven symmetries, shots moved along: what a model should answer the same for."""
    return {
        f"symmetry {element}": turned(cells, element) for element in range(1, symmetry.ELEMENTS)
    }


def swap_name(first: int, second: int) -> str:
    """Name of the perturbation that exchanges two shots."""
    return f"swap {SHOTS[first]}-{SHOTS[second]}"


def swapped(cells: CellSet, first: int, second: int) -> CellSet:
    """The same cells with two shots, and their backgrounds, exchanged.

    Raises:
        BadConfig: These are not two of the four shots.
    """
    if not {first, second} <= set(range(len(SHOTS))) or first == second:
        raise BadConfig(f"swap of shots {first} and {second}: need two of 0..{len(SHOTS) - 1}")
    order = list(range(len(SHOTS)))
    order[first], order[second] = second, first
    return replace(cells, images=cells.images[:, order], background=cells.background[:, order])


def turned(cells: CellSet, element: int) -> CellSet:
    """Cells under one element of the symmetry group, shots and backgrounds moved along: still what optics allows."""
    return replace(
        cells,
        images=np.ascontiguousarray(symmetry.apply(np, cells.images, element)),
        background=cells.background[:, list(symmetry.shot_order(element))],
    )


def turned_alone(cells: CellSet, element: int) -> CellSet:
    """Pixels under one element of the symmetry group, shots left in place: what no microscope could see."""
    return replace(cells, images=np.ascontiguousarray(symmetry.turn(np, cells.images, element)))


def shots_shuffled(cells: CellSet, seed: int) -> CellSet:
    """Each cell with its four shots in an order of its own."""
    rng = np.random.default_rng([seed, 41])
    order = rng.permuted(np.tile(np.arange(len(SHOTS)), (len(cells), 1)), axis=1)
    images = np.take_along_axis(cells.images, order[:, :, None, None], axis=1)
    return replace(cells, images=images, background=np.take_along_axis(cells.background, order, 1))


def defocused(cells: CellSet, defocus_um: float, optics: Optics | None = None) -> CellSet:
    """The same cells as if they lay so far from the focal plane, by geometric optics.

    Out of focus, the image that each LED makes is moved along its tilt by defocus · NA / sqrt(n² - NA²); a shot is the
    mean over its LEDs. What a single LED's image loses besides is left out, so that this is the milder half of a
    true defocus, and the only one that measured images allow. Pixels beyond the crop repeat its border.

    Args:
        cells: Crops at 0.686 µm/px.
        defocus_um: Positive in the direction of `forward.dpc_intensity`.
        optics: The microscope; None takes the default one.
    """
    transfer = _geometric_transfer(defocus_um, optics or Optics())
    pad = CROP_PX // 2
    images = np.empty_like(cells.images)
    for start in range(0, len(cells), _CHUNK):
        part = cells.images[start : start + _CHUNK]
        wide = np.pad(part, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode="edge")
        moved = np.fft.irfft2(np.fft.rfft2(wide) * transfer, s=wide.shape[-2:])
        images[start : start + _CHUNK] = moved[..., pad:-pad, pad:-pad]
    return replace(cells, images=images, background=ring_background(images))


def _geometric_transfer(defocus_um: float, optics: Optics) -> npt.NDArray[np.complex64]:
    """(4, 56, 29) mean over a shot's LEDs of the phase ramp that moves its image."""
    leds = half_annuli(optics.na_inner, optics.na_outer, optics.rings, optics.per_ring)
    per_um = defocus_um / REDUCED_PIXEL_UM
    down, right = (
        per_um * na / np.sqrt(optics.medium_index**2 - leds.na_y**2 - leds.na_x**2)
        for na in (leds.na_y, leds.na_x)
    )
    side = 2 * CROP_PX
    ramp_y = np.exp(-2j * np.pi * np.fft.fftfreq(side)[:, None] * down)
    ramp_x = np.exp(-2j * np.pi * np.fft.rfftfreq(side)[:, None] * right)
    share = leds.lit / leds.lit.sum(axis=1, keepdims=True)
    transfer: npt.NDArray[np.complex64] = np.einsum("sj,yj,xj->syx", share, ramp_y, ramp_x).astype(
        np.complex64
    )
    return transfer


def displacement_um(defocus_um: float, optics: Optics | None = None) -> float:
    """How far the image of a shot's middle LED moves, µm: what makes left and right disagree."""
    own = optics or Optics()
    tilt = (own.na_inner + own.na_outer) / 2
    return defocus_um * tilt / sqrt(own.medium_index**2 - tilt**2)
