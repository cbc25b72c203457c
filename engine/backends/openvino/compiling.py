"""From the bundle's bytes to a compiled model: read, rewritten, and told which arithmetic to use.

In bf16 the plugin would also narrow the division by the background, whose rounding alone moves logits by 0.3. It leaves
in float32 what only leads to an output of the model; so the value named `normalised` is made one.
"""

import io
from typing import Any, Final

from phenostream.engine.backends.openvino.early_means import pool_early
from phenostream.engine.backends.openvino.unread_rows import drop_unread_rows
from phenostream.engine.backends.options import BackendOptions

NORMALISED: Final = "normalised"
"""Name, inside the graph, of the network's input after preprocessing."""
REWRITES: Final = 2
"""Raised whenever what is done to a graph changes: an engine of other rewrites is not this one."""
FILES: Final = {"fp32": "model.onnx", "bf16": "model.onnx", "int8": "model.int8.onnx"}
"""Of the bundle, the graph of each precision."""


def read_model(openvino: Any, core: Any, content: bytes, precision: str) -> Any:
    """An `openvino.Model` of an ONNX file that gives the same outputs with less work."""
    model = core.read_model(content)
    if precision != "fp32" and _has(model, NORMALISED):
        model.add_outputs(NORMALISED)
    drop_unread_rows(openvino, model)
    if precision != "int8":  # several streams of the plugin then give wrong outputs, mostly
        pool_early(openvino, model)
    return model


def compile_model(
    openvino: Any, core: Any, content: bytes, precision: str, options: BackendOptions
) -> Any:
    """The compiled model."""
    model = read_model(openvino, core, content, precision)
    return core.compile_model(model, "CPU", _settings(core, precision, options))


def import_model(core: Any, kept: bytes, precision: str, options: BackendOptions) -> Any:
    """What `compile_model` gave in another process and `export_model` wrote."""
    return core.import_model(io.BytesIO(kept), "CPU", _settings(core, precision, options))


def computes_bf16(core: Any) -> bool:
    """Whether the CPU has instructions for it."""
    return "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _has(model: Any, name: str) -> bool:
    """Whether a value inside the graph has this name; a graph that was made elsewhere need not."""
    ports = (port for node in model.get_ordered_ops() for port in node.outputs())
    return any(name in port.get_names() for port in ports)


def _settings(core: Any, precision: str, options: BackendOptions) -> dict[str, Any]:
    """An int8 graph says itself what is int8; the hint is for the rest."""
    narrow = precision == "bf16" or (precision == "int8" and computes_bf16(core))
    return {
        "NUM_STREAMS": options.streams,
        "INFERENCE_NUM_THREADS": options.threads,
        "PERFORMANCE_HINT": "THROUGHPUT" if options.streams > 1 else "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": "bf16" if narrow else "f32",
    }
