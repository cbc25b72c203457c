"""What each CPU runtime says with a graph: the two that every install has, through the daemon's own backends."""

from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from phenostream.engine.backends.checked import CheckedBackend
from phenostream.engine.backends.onnxruntime import OnnxRuntimeBackend
from phenostream.engine.backends.openvino.backend import OpenVinoBackend
from phenostream.engine.backends.openvino.compiling import computes_bf16
from phenostream.engine.backends.openvino.library import openvino_core
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.bundle import Bundle
from phenostream.engine.types import OUTPUT_SHAPES, Crops, Outputs

RuntimeName = Literal["onnxruntime", "openvino"]
RUNTIMES: Final[dict[RuntimeName, Any]] = {
    "onnxruntime": OnnxRuntimeBackend,
    "openvino": OpenVinoBackend,
}
_BATCH: Final = 64


def answers(name: RuntimeName, bundle: Bundle, graph: bytes, crops: Crops) -> tuple[str, Outputs]:
    """Run a graph on crops, read and computed just as an int8 graph is that serves.

    Args:
        name: The runtime. What the graph leaves float, onnxruntime computes in float32 and openvino as narrow as the
            box does by itself.
        bundle: It is of; says how to feed it.
        graph: Run in place of its int8 one.
        crops: At least one.

    Returns:
        The runtime with that precision, and the outputs in order.

    Raises:
        EngineFault: The runtime does not take the graph, or gives something that is not finite.
    """
    stand_in = replace(bundle, files={**bundle.files, "model.int8.onnx": graph})
    options = BackendOptions(streams=1, threads=1, max_batch=_BATCH, precision="int8")
    backend = CheckedBackend(RUNTIMES[name](stand_in, options))
    try:
        parts = [
            backend.infer(
                crops.images[start : start + _BATCH], crops.background[start : start + _BATCH]
            )
            for start in range(0, len(crops), _BATCH)
        ]
    finally:
        backend.close()
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in OUTPUT_SHAPES)
    narrow = name == "openvino" and computes_bf16(openvino_core())
    return f"{name} {'bf16' if narrow else 'fp32'}", Outputs(*columns)
