"""Small OpenVINO models of which a test knows what they give."""

from collections.abc import Callable
from typing import Any

import numpy as np

from phenostream.engine.backends.openvino.library import import_openvino
from phenostream.engine.types import F32

OPENVINO = import_openvino()
OPS = OPENVINO.opset13
RANDOM = np.random.default_rng(3)


def draw(*shape: int) -> Any:
    """A constant."""
    return OPS.constant(RANDOM.normal(size=shape).astype(np.float32))


def model_of(shape: list[int], body: Callable[[Any], Any]) -> Any:
    """A model of one input and what `body` makes of it, one output or several."""
    entry = OPS.parameter(shape, np.float32)
    made = body(entry)
    return OPENVINO.Model([*made] if isinstance(made, list) else [made], [entry], "test")


def outputs(model: Any, value: F32) -> list[F32]:
    """What a model gives in float32."""
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    found = OPENVINO.Core().compile_model(model, "CPU", settings)([value])
    return [np.array(found[port]) for port in range(len(model.outputs))]


def lengths(model: Any, kind: str, axis: int) -> list[int]:
    """The length along an axis of what each operator of a kind gives."""
    return [
        node.output(0).get_partial_shape()[axis].get_length()
        for node in model.get_ordered_ops()
        if node.get_type_name() == kind
    ]
