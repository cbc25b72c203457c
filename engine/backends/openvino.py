"""OpenVINO on the CPU: the default there; bf16 where the CPU computes it natively (AMX), else float32.

One compiled model, one infer request per stream; a caller takes a free request or waits for one. Requests share no
state, and a cell's outputs do not depend on the batch it travels in.
"""

import queue
import sys
from typing import Any

import numpy as np

from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

_HINTS = {"fp32": "f32", "bf16": "bf16"}


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
        self._compiled: Any = _compile(core, bundle.files["model.onnx"], self.precision, options)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(options.streams):
            self._idle.put(self._compiled.create_infer_request())

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the graph in a free stream; see `Backend.infer`."""
        if self._compiled is None:
            raise EngineFault("openvino: used after close")
        # Tensors share these arrays' memory without owning it: they must outlive the call. Copied only where needed.
        lent = [np.require(array, np.float32, ("C", "W")) for array in (images, background)]
        request = self._idle.get()
        try:
            request.set_tensor("images", self._tensor(lent[0], shared_memory=True))
            request.set_tensor("background", self._tensor(lent[1], shared_memory=True))
            request.infer()
            columns = [request.get_tensor(name).data.copy() for name in OUTPUT_SHAPES]
        except Exception as err:  # the runtime raises its own unrelated types
            raise EngineFault(f"openvino: {_line(err)}") from err
        finally:
            self._idle.put(request)
        return Outputs(*(np.asarray(column, dtype=np.float32) for column in columns))

    def close(self) -> None:
        """Drop the compiled model and its idle requests."""
        self._compiled = None
        while not self._idle.empty():
            self._idle.get()


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


def _compile(core: Any, model: bytes, precision: str, options: BackendOptions) -> Any:
    settings = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "NUM_STREAMS": options.streams,
        "INFERENCE_NUM_THREADS": options.threads,
        "PERFORMANCE_HINT": "THROUGHPUT" if options.streams > 1 else "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }
    try:
        return core.compile_model(core.read_model(model), "CPU", settings)
    except Exception as err:  # the runtime raises its own unrelated types
        raise EngineFault(f"openvino: cannot load the model: {_line(err)}") from err


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
