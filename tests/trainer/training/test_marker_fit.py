"""The marker branch goes on alone: it gets nearer to its targets, and nothing but it moves."""

import numpy as np
import torch

from phenostream.engine.types import CROP_PX
from phenostream.trainer.data.cell_set import CellSet
from phenostream.trainer.network.graph import BundleGraph
from phenostream.trainer.predict import predict
from phenostream.trainer.training.marker_fit import fit_marker_branch

_COUNT = 48
_MOVES = ("regressor", "task_gating.reg_gate", "task_gating.reg_mix", "task_gating.reg_norm")


def test_it_learns_the_targets_and_leaves_classes_and_feature_alone() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0.3, 0.5, (_COUNT, 4, CROP_PX, CROP_PX)).astype(np.float32)
    cells = CellSet.with_labels(
        images,
        np.full((_COUNT, 4), 0.4, np.float32),
        np.arange(_COUNT, dtype=np.int32) % 3,
        rng.normal(0, 1, (_COUNT, 4)).astype(np.float32),
        np.ones((_COUNT, 4), np.bool_),
        np.zeros(_COUNT, np.int32),
    )
    torch.manual_seed(0)
    graph = BundleGraph().eval()
    before = predict(graph, cells)
    state = {name: value.clone() for name, value in graph.state_dict().items()}
    fit_marker_branch(graph, cells, seed=1, steps=40)
    after = predict(graph, cells)
    moved = {
        name.removeprefix("phenotyper.network.")
        for name, value in graph.state_dict().items()
        if not torch.equal(value, state[name])
    }
    assert moved
    assert all(name.startswith(_MOVES) for name in moved)
    np.testing.assert_array_equal(after.class_logits, before.class_logits)
    np.testing.assert_array_equal(after.feature, before.feature)
    error = [np.abs(said.marker_z - cells.marker_log10).mean() for said in (before, after)]
    assert error[1] < error[0]
