"""Means over an image are taken before what commutes with them, and before nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.engine.backends.openvino.early_means import pool_early
from phenostream.engine.bundle import load_bundle
from tests.engine.backends.openvino_graphs import OPENVINO, OPS, draw, lengths, model_of, outputs

DEMO = Path(__file__).parents[3] / "deploy" / "demo_bundle"
SIDE, CHANNELS = 6, 4


def conv(x: Any, side: int = 1, stride: int = 1, channels: int = 5) -> Any:
    pad = [side // 2] * 2
    return OPS.convolution(x, draw(channels, CHANNELS, side, side), [stride] * 2, pad, pad, [1, 1])


def flat_mean(x: Any) -> Any:
    """As an exporter writes it."""
    channels, pixels = (x.output(0).get_partial_shape()[at].get_length() for at in (1, 2))
    flat = OPS.reshape(x, OPS.constant(np.array([-1, channels, pixels**2])), False)
    return OPS.reduce_mean(OPS.transpose(flat, OPS.constant(np.array([0, 2, 1]))), [1], False)


EARLIER: dict[str, Callable[[Any], Any]] = {
    "a shortcut with a bias": lambda x: OPS.reduce_mean(
        OPS.add(conv(x), draw(1, 5, 1, 1)), [2, 3], True
    ),
    "beside a concatenation, flattened": lambda x: flat_mean(
        OPS.add(OPS.concat([OPS.relu(x), OPS.gelu(x, "erf")], 1), conv(x, channels=8))
    ),
    "two in a row": lambda x: OPS.reduce_mean(
        OPS.add(conv(conv(x, channels=CHANNELS)), draw(1, 5, 1, 1)), [2, 3], False
    ),
}
AS_THEY_ARE: dict[str, Callable[[Any], Any]] = {
    "a convolution of nine pixels": lambda x: OPS.reduce_mean(conv(x, 3), [2, 3], True),
    "one that skips pixels": lambda x: OPS.reduce_mean(conv(x, 1, 2), [2, 3], True),
    "a bend after it": lambda x: OPS.reduce_mean(OPS.relu(conv(x)), [2, 3], True),
    "a mean over columns only": lambda x: OPS.reduce_mean(conv(x), [3], True),
    "a mean over channels": lambda x: OPS.reduce_mean(conv(x), [1], True),
}


@pytest.mark.parametrize("case", EARLIER)
def test_a_mean_of_pixels_comes_before_a_matrix_for_all_pixels(case: str) -> None:
    model = model_of([-1, CHANNELS, SIDE, SIDE], EARLIER[case])
    value = np.random.default_rng(1).normal(size=(3, CHANNELS, SIDE, SIDE)).astype(np.float32)
    before = outputs(model, value)
    assert pool_early(OPENVINO, model) == 1
    assert set(lengths(model, "Convolution", 2)) == {1}
    np.testing.assert_allclose(outputs(model, value)[0], before[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", AS_THEY_ARE)
def test_a_mean_waits_for_what_does_not_commute_with_it(case: str) -> None:
    model = model_of([-1, CHANNELS, SIDE, SIDE], AS_THEY_ARE[case])
    before = lengths(model, "Convolution", 2)
    assert pool_early(OPENVINO, model) == 0
    assert lengths(model, "Convolution", 2) == before


def test_the_demo_bundles_last_shortcut_sees_one_pixel() -> None:
    model = OPENVINO.Core().read_model(load_bundle(DEMO).files["model.onnx"])
    assert pool_early(OPENVINO, model) == 1
    (alive,) = [
        node.output(0).get_partial_shape()[2].get_length()
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution"
        and node.input_value(1).get_partial_shape()[0].get_length() == 192
        and all(r.get_node().get_type_name() == "Add" for r in node.output(0).get_target_inputs())
    ]
    assert alive == 1
