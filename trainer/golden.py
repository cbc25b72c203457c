"""Which crops a bundle's self-test is made of: of every kind, and those last that ask a runtime for digits it has not.

What is rejected as no white cell has class logits too, and they may hang on less than the last digits of a pixel: of
some empty places, pixels rounded to float16 move a logit further than a right float16 graph may be off. Such a crop
tells a wrong runtime from a right one no better than a coin, so that it is passed over.
"""

from typing import Final

import numpy as np
import torch

from phenostream.engine.types import Crops
from phenostream.trainer.data.cell_set import KINDS, CellSet
from phenostream.trainer.network.graph import BundleGraph

GOLDEN_CROPS: Final = 24
STEADY: Final = 2.5e-3
"""How far rounding the pixels to float16 may move a class logit or a marker's z: half of what a float16 graph may."""
_CANDIDATES: Final = 32
"""Of each kind."""


def golden_crops(cells: CellSet, graph: BundleGraph | None = None) -> Crops:
    """Crops for the self-test: as many of each kind as there are, in turn.

    Args:
        cells: To choose from, in their order.
        graph: Crops that it does not judge steadily come last; None: nothing is passed over.
    """
    by_kind = [np.flatnonzero(cells.kind == index)[:_CANDIDATES] for index in range(len(KINDS))]
    in_turn = [rows[place] for place in range(_CANDIDATES) for rows in by_kind if place < len(rows)]
    order = np.array(in_turn)
    if graph is not None:
        steady = _moved(graph, Crops(cells.images[order], cells.background[order])) < STEADY
        order = np.concatenate([order[steady], order[~steady]])
    chosen = order[:GOLDEN_CROPS]
    return Crops(cells.images[chosen], cells.background[chosen])


def _moved(graph: BundleGraph, crops: Crops) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """(N,) how far rounding its pixels to float16 moves each crop's logits and z, at most."""
    coarse = crops.images.astype(np.float16).astype(np.float32)
    graph.eval()
    with torch.inference_mode():
        background = torch.from_numpy(crops.background)
        fine, rounded = (
            graph.raw(torch.from_numpy(images), background) for images in (crops.images, coarse)
        )
    moved = [
        (one - other).abs().amax(dim=1)
        for one, other in (
            (fine.class_logits, rounded.class_logits),
            (fine.marker_z, rounded.marker_z),
        )
    ]
    return np.asarray(torch.stack(moved).amax(dim=0).numpy(), np.float32)
