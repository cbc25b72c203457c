"""OpenVINO: batches are padded to a few sizes, and nobody can tell from the outputs."""

from pathlib import Path

import numpy as np

from phenostream.engine.backends.openvino import batch_size
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.bundle import load_bundle
from phenostream.engine.types import OUTPUT_SHAPES

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"


def test_a_batch_is_padded_to_the_next_of_a_few_sizes() -> None:
    sizes = [batch_size(count) for count in range(1, 97)]
    assert all(size >= count for count, size in enumerate(sizes, start=1))
    assert sorted(set(sizes)) == [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 64, 96]


def test_a_padded_batch_gives_its_own_rows_and_no_more() -> None:
    bundle = load_bundle(DEMO)
    backend = open_backend(bundle, "openvino", streams=1, max_batch=24)
    crops = bundle.golden.crops
    whole = backend.infer(crops.images[:8], crops.background[:8])
    part = backend.infer(crops.images[:5], crops.background[:5])
    backend.close()
    for name in OUTPUT_SHAPES:
        assert np.array_equal(getattr(part, name), getattr(whole, name)[:5]), name
