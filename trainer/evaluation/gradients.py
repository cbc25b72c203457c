"""Where in a crop the called class comes from: integrated gradients from the empty field to the cell.

The attributed number is the lead of the called class: its logit minus the mean of the others', which no common shift of
the logits changes. Attributions of all pixels and shots add up to what the cell has gained over the empty field, and
`Attribution.gap` says how far they fail to: a map that does not add up is not to be believed. Knows the torch graph.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from phenostream.engine.types import CLASSES, CROP_PX, F32
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.evaluation.pictures import beside, enlarged, grey, heat, png
from phenostream.trainer.evaluation.schema.comparisons import Picture
from phenostream.trainer.network.graph import BundleGraph

_STEPS: Final = 32
_MIDDLE_PX: Final = 8.0
"""Radius of the disc in which a centred white cell lies, 5.5 µm."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What moved the lead of the called class in K cells.

    Attributes:
        called: (K,) index of the called class.
        maps: (K, 28, 28) float32, sum over the shots of the absolute attribution, logits per pixel.
        gained: (K,) lead over that of the empty field.
        gap: (K,) what the attributions' sum lacks of `gained`.
    """

    called: npt.NDArray[np.int64]
    maps: F32
    gained: F32
    gap: F32

    def middle_share(self) -> F32:
        """(K,) share of the attribution within 8 pixels of the crop's middle; an even map has 0.26."""
        inside = (self.maps * _MIDDLE).sum(axis=(1, 2))
        return np.asarray(inside / np.maximum(self.maps.sum(axis=(1, 2)), 1e-12), np.float32)


def attribute(graph: BundleGraph, cells: CellSet) -> Attribution:
    """Integrated gradients along the straight way from the empty field to each cell, 32 midpoints.

    Args:
        graph: Put into evaluation mode; its weights and their gradients are left alone.
        cells: A few.
    """
    graph.eval()
    background = torch.from_numpy(cells.background)
    shown = graph.preprocess(torch.from_numpy(cells.images), background)
    flat = background[:, :, None, None].expand(-1, -1, CROP_PX, CROP_PX)
    empty = graph.preprocess(flat, background)
    with torch.no_grad():
        called = graph.phenotyper(shown).class_logits.argmax(dim=1)
        gained = _lead(graph, shown, called) - _lead(graph, empty, called)
    slope = torch.zeros_like(shown)
    for step in range(_STEPS):
        at = torch.lerp(empty, shown, (step + 0.5) / _STEPS).requires_grad_()
        (gradient,) = torch.autograd.grad(_lead(graph, at, called).sum(), at)
        slope += gradient / _STEPS
    parts = slope * (shown - empty)
    return Attribution(
        called=called.numpy(),
        maps=parts.abs().sum(dim=1).numpy(),
        gained=gained.numpy(),
        gap=(gained - parts.sum(dim=(1, 2, 3))).numpy(),
    )


def gradient_pictures(
    graph: BundleGraph, cells: CellSet, rows: npt.NDArray[np.intp]
) -> tuple[Picture, ...]:
    """One picture per row: the cell's left-right and top-bottom difference, and its map beside them."""
    if not len(rows):
        return ()
    chosen = cells.select(rows)
    found = attribute(graph, chosen)
    share = found.middle_share()
    pictures = []
    for index, row in enumerate(rows):
        true, called = CLASSES[chosen.kind[index]], CLASSES[found.called[index]]
        panel = beside(
            [*grey(chosen.images[index], chosen.background[index])[4:], heat(found.maps[index])]
        )
        pictures.append(
            Picture(
                png_base64=png(enlarged(panel)),
                alt=(
                    f"Test cell {row}, a {true} called {called}: left-right and top-bottom difference, and which "
                    "pixels moved the called class"
                ),
                caption=(
                    f"{true}, called {called}; {share[index]:.0%} within 5.5 µm of the middle; the map explains "
                    f"{found.gained[index] - found.gap[index]:.2f} of {found.gained[index]:.2f}"
                ),
            )
        )
    return tuple(pictures)


def _lead(graph: BundleGraph, normalised: Tensor, called: Tensor) -> Tensor:
    """(B,) logit of the called class minus the mean of the others."""
    logits: Tensor = graph.phenotyper(normalised).class_logits
    own = logits.gather(1, called[:, None])[:, 0]
    others = len(CLASSES) - 1
    return own - (logits.sum(dim=1) - own) / others


_Y, _X = np.indices((CROP_PX, CROP_PX)) - (CROP_PX - 1) / 2
_MIDDLE: Final = np.hypot(_Y, _X) < _MIDDLE_PX
