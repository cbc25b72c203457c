"""OpenVINO on the CPU: the default there; bf16 where the CPU computes it natively (AMX), else float32.

In bf16 the plugin would also narrow the division by the background, whose rounding alone moves logits by 0.1. The
graph is therefore cut at the value named `normalised`: what is before runs in float32, what is after in bf16. One infer
request per stream and part; a caller takes a free stream or waits for one. Streams share no state, and a cell's outputs
do not depend on the batch it travels in.

The plugin keeps prepared code and buffers for every batch size it has seen, some 5 MiB a size and stream. Batches are
therefore padded to a few sizes, and the usual ones are run once while loading: memory is flat from the first frame, and
no frame pays for a new size.
"""

import hashlib
import io
import logging
import queue
import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage
from phenostream.engine.types import CROP_PX, F32, OUTPUT_SHAPES, Outputs

logger = logging.getLogger(__name__)

NORMALISED: Final = "normalised"
"""Name, inside the graph, of the network's input after preprocessing."""
_STEP: Final = 4
_WIDE: Final = 32
"""Batches up to this are padded to a multiple of `_STEP`, larger ones to a multiple of this."""
_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}


class OpenVinoBackend:
    """See `Backend`. Loading raises `MissingPackage`, `BadConfig` or `EngineFault`."""

    name = "openvino"

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        self.streams = options.streams
        self.max_batch = options.max_batch
        openvino = import_openvino()
        core = openvino.Core()
        native = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precision: str = options.precision or ("bf16" if native else "fp32")
        if self.precision not in _HINTS:
            raise BadConfig(
                f"openvino: precision {self.precision!r} is not available, allowed fp32, bf16"
            )
        self.device = f"CPU ({core.get_property('CPU', 'FULL_DEVICE_NAME')})"
        self._tensor: Any = openvino.Tensor
        try:
            parts = self._parts(openvino, core, bundle.files["model.onnx"], options)
        except Exception as err:  # the runtime raises its own unrelated types
            raise EngineFault(f"openvino: cannot load the model: {_line(err)}") from err
        self._closed = False
        self._idle: queue.SimpleQueue[_Stream] = queue.SimpleQueue()
        for _ in range(options.streams):
            self._idle.put(_Stream([part.create_infer_request() for part in parts]))
        self._warm_up()

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the graph in a free stream; see `Backend.infer`."""
        if self._closed:
            raise EngineFault("openvino: used after close")
        stream = self._idle.get()
        try:
            columns = self._run(stream, images, background)
        finally:
            self._idle.put(stream)
        return Outputs(*columns)

    def close(self) -> None:
        """Drop the compiled model's idle streams."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get()

    def _parts(
        self, openvino: Any, core: Any, content: bytes, options: BackendOptions
    ) -> list[Any]:
        """The compiled model, from the cache where it has it."""
        cache = options.cache
        if cache is None:
            return _compile(openvino, core, content, self.precision, options)
        facts: dict[str, str | int] = {
            "model": hashlib.sha256(content).hexdigest(),
            "library": f"openvino {openvino.get_version()}",
            "device": self.device,
            "precision": self.precision,
            "streams": options.streams,
            "threads": options.threads,
        }
        kept = cache.get(facts)
        if kept is not None:
            try:
                return _imported(core, kept, self.precision, options)
            except Exception as err:  # the runtime raises its own unrelated types
                logger.warning("openvino: a kept engine is not taken: %s", _line(err))
                cache.drop(facts)
        parts = _compile(openvino, core, content, self.precision, options)
        cache.put(facts, [part.export_model().getvalue() for part in parts])
        return parts

    def _run(self, stream: "_Stream", images: F32, background: F32) -> list[F32]:
        count = len(images)
        # Tensors share these arrays' memory without owning it: they must outlive the call. Copied only where needed.
        lent = [
            np.require(_padded(array, batch_size(count)), np.float32, ("C", "W"))
            for array in (images, background)
        ]
        try:
            columns = stream.run(*(self._tensor(array, shared_memory=True) for array in lent))
        except Exception as err:  # the runtime raises its own unrelated types
            raise EngineFault(f"openvino: {_line(err)}") from err
        return [column[:count] for column in columns]

    def _warm_up(self) -> None:
        """Run every usual size once in every stream."""
        sizes = {batch_size(count) for count in range(1, min(self.max_batch, _WIDE) + 1)}
        for _ in range(self.streams):
            stream = self._idle.get()
            for size in sizes:
                dark = np.zeros((size, 4, CROP_PX, CROP_PX), np.float32)
                self._run(stream, dark, np.ones((size, 4), np.float32))
            self._idle.put(stream)


def batch_size(count: int) -> int:
    """The size a batch of `count` crops is padded to: 1, 2, multiples of 4 up to 32, then multiples of 32."""
    step = 1 if count <= 2 else _STEP if count <= _WIDE else _WIDE
    return -(-count // step) * step


def _padded(array: F32, size: int) -> F32:
    """The array itself where it has `size` rows, else with rows of zeros after its own."""
    if len(array) == size:
        return array
    padded = np.zeros((size, *array.shape[1:]), np.float32)
    padded[: len(array)] = array
    return padded


def import_openvino() -> Any:
    """The openvino module, kept from reporting its use over the network.

    Importing it sends an event to its makers and writes into the home directory, unless `openvino_telemetry` cannot be
    imported; a service beside a microscope does neither.

    Raises:
        MissingPackage: It is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None blocks an import
    try:
        import openvino
    except ImportError as err:
        raise MissingPackage("openvino is not installed: pip install phenostream") from err
    return openvino


class _Stream:
    """One request for the whole graph, or two that hand the normalised crops on."""

    def __init__(self, requests: list[Any]) -> None:
        self._first, self._last = requests[0], requests[-1]
        self._is_cut = len(requests) > 1
        self._inputs = {
            name for port in self._first.get_compiled_model().inputs for name in port.get_names()
        }

    def run(self, images: Any, background: Any) -> list[F32]:
        """Tensors in, owned float32 columns out."""
        self._first.set_tensor("images", images)
        if "background" in self._inputs:  # the plugin drops what an affine graph has no use for
            self._first.set_tensor("background", background)
        self._first.infer()
        if self._is_cut:
            self._last.set_tensor(NORMALISED, self._first.get_output_tensor(0))
            self._last.infer()
        return [
            np.array(self._last.get_tensor(name).data, dtype=np.float32) for name in OUTPUT_SHAPES
        ]


def _compile(
    openvino: Any, core: Any, content: bytes, precision: str, options: BackendOptions
) -> list[Any]:
    """The whole graph, or in bf16 its float32 part and its bf16 part."""

    def build(model: Any, hint: str) -> Any:
        return core.compile_model(model, "CPU", _settings(options, hint))

    model = core.read_model(content)
    cut = _find(model, NORMALISED) if precision == "bf16" else None
    if cut is None:
        return [build(model, _HINTS[precision])]
    before = build(openvino.Model([cut], model.get_parameters(), "before"), _HINTS["fp32"])
    entry = openvino.opset13.parameter(cut.get_partial_shape(), np.float32, NORMALISED)
    entry.output(0).set_names({NORMALISED})
    shapes = [
        reader
        for reader in model.input("images").get_target_inputs()
        if reader.get_node().get_type_name() == "ShapeOf"  # the batch size, the same on both sides
    ]
    for reader in (*shapes, *cut.get_target_inputs()):
        if reader.get_node().get_type_name() != "Result":
            reader.replace_source_output(entry.output(0))
    after = openvino.Model(model.get_results(), [entry], "after")
    return [before, build(after, _HINTS["bf16"])]


def _imported(
    core: Any, parts: Sequence[bytes], precision: str, options: BackendOptions
) -> list[Any]:
    """What `_compile` gave in another process; two parts are of a graph that was cut for bf16."""
    hints = [_HINTS["fp32"], _HINTS["bf16"]] if len(parts) == 2 else [_HINTS[precision]]
    return [
        core.import_model(io.BytesIO(part), "CPU", _settings(options, hint))
        for part, hint in zip(parts, hints, strict=True)
    ]


def _settings(options: BackendOptions, hint: str) -> dict[str, Any]:
    return {
        "NUM_STREAMS": options.streams,
        "INFERENCE_NUM_THREADS": options.threads,
        "PERFORMANCE_HINT": "THROUGHPUT" if options.streams > 1 else "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": hint,
    }


def _find(model: Any, name: str) -> Any:
    """The output port that carries a value of this name, or None."""
    for node in model.get_ordered_ops():
        for port in node.outputs():
            if name in port.get_names():
                return port
    return None


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
