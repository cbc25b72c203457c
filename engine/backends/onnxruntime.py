"""ONNX Runtime on the CPU: the parity reference, float32, or the bundle's float16 or int8 file.

One session serves all callers: `run` is thread-safe, and each caller's thread does its own arithmetic. Its settings are
the defaults, because nothing else was faster: `docs/measurements/cpu.md` has what was tried.
"""

import os
import threading
from typing import Any

import numpy as np

from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadConfig, EngineFault, MissingPackage
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

_FILES = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "int8": "model.int8.onnx"}


class OnnxRuntimeBackend:
    """See `Backend`. Loading raises `MissingPackage`, `BadConfig` or `EngineFault`."""

    name = "onnxruntime"
    device = "CPU"

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        self.precision: str = options.precision or "fp32"
        self.streams = options.streams
        self.max_batch = options.max_batch
        file = _FILES.get(self.precision)
        if file is None or file not in bundle.files:
            raise BadConfig(
                f"onnxruntime: precision {self.precision!r} is not available, allowed "
                f"{', '.join(key for key, name in _FILES.items() if name in bundle.files)}"
            )
        self._slots = threading.BoundedSemaphore(options.streams)
        self._session: Any = _session(
            bundle.files[file], max(1, options.threads // options.streams)
        )

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the graph in the caller's thread; see `Backend.infer`."""
        session = self._session
        if session is None:
            raise EngineFault("onnxruntime: used after close")
        feeds = {"images": images, "background": background}
        with self._slots:
            try:
                columns = session.run(list(OUTPUT_SHAPES), feeds)
            except Exception as err:  # the runtime raises its own unrelated types
                raise EngineFault(f"onnxruntime: {_line(err)}") from err
        return Outputs(*(np.asarray(column, dtype=np.float32) for column in columns))

    def close(self) -> None:
        """Release the session."""
        self._session = None


def import_onnxruntime() -> Any:
    """The onnxruntime module, kept from reporting its use over the network.

    Importing it starts an uploader and writes a device identifier into the home directory, unless the environment
    said no before; disabling it afterwards is too late.

    Raises:
        MissingPackage: It is not installed.
    """
    for variable in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):  # newer and older name
        os.environ[variable] = "1"
    try:
        import onnxruntime
    except ImportError as err:
        raise MissingPackage("onnxruntime is not installed: pip install phenostream") from err
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _session(model: bytes, threads: int) -> Any:
    onnxruntime = import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as err:  # the runtime raises its own unrelated types
        raise EngineFault(f"onnxruntime: cannot load the model: {_line(err)}") from err


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
