"""The spread head learns how far measured levels lie from what the network says, and nothing else moves."""

import numpy as np
import torch

from phenostream.engine.types import CROP_PX
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.predict import predict
from phenostream.trainer.training.spread_fit import fit_spread

_COUNT = 64


def _cells(noise_sd: float) -> CellSet:
    """White cells that look alike, with levels that scatter."""
    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.5, (_COUNT, 4, CROP_PX, CROP_PX)).astype(np.float32)
    return CellSet.with_labels(
        images,
        np.full((_COUNT, 4), 0.4, np.float32),
        np.arange(_COUNT, dtype=np.int32) % 3,
        rng.normal(0, noise_sd, (_COUNT, 4)).astype(np.float32),
        np.ones((_COUNT, 4), np.bool_),
        np.zeros(_COUNT, np.int32),
    )


def test_it_finds_the_residuals_size_and_moves_nothing_else() -> None:
    torch.manual_seed(0)
    graph = BundleGraph().eval()
    before = {name: value.clone() for name, value in graph.state_dict().items()}
    fit_spread(graph, _cells(3.0), seed=1, steps=300)
    moved = {
        name for name, value in graph.state_dict().items() if not torch.equal(value, before[name])
    }
    assert moved
    assert all(name.startswith("phenotyper.spread.") for name in moved)
    log_sd = predict(graph, _cells(3.0)).marker_log_sd
    assert abs(float(np.mean(log_sd)) - np.log(3.0)) < 0.3
