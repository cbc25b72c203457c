"""The torch backend: the bundle's ONNX graph run by PyTorch, on the first CUDA device or on the CPU.

On a GPU: the float16 graph (or its products in bfloat16, which rounds eight times as coarsely but cannot overflow), its
channels aligned and last, one captured CUDA graph per batch size and stream (`replay`), compiled first where that is
asked for. On a CPU it is the reference, in the graph's own order and precision; it is never chosen by itself there.
"""

import queue
from typing import Final, Protocol

import torch
from torch import fx

from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.torch.alignment import align_channels
from phenostream.engine.backends.torch.graph import read_graph
from phenostream.engine.backends.torch.narrowing import to_bfloat16
from phenostream.engine.backends.torch.replay import Replay
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.manifest import Precision
from phenostream.engine.types import F32, OUTPUT_SHAPES, Outputs

_FILES: Final = {"fp32": "model.onnx", "fp16": "model.fp16.onnx", "bf16": "model.fp16.onnx"}
"""The file whose graph is run; bf16 takes from the float16 one what is narrow, and the weights from the float32 one."""

_MOST_LANES: Final = 4
"""Streams of one GPU: more only hold memory, each is busy with a batch of its own."""


class Lane(Protocol):
    """What runs one batch at a time."""

    def run(self, images: F32, background: F32) -> list[F32]:
        """The eight outputs, owned by the caller, in the order of `OUTPUT_SHAPES`."""
        ...


def best_precision(bundle: Bundle, *, on_gpu: bool) -> Precision:
    """What to compute in where nobody said: float16 on a GPU, if the bundle has it; imported weights may not."""
    return "fp16" if on_gpu and _FILES["fp16"] in bundle.files else "fp32"


class TorchBackend:
    """See `Backend`. Loading raises `MissingPackage`, `BadConfig` or `EngineFault`."""

    name = "torch"

    def __init__(self, bundle: Bundle, options: BackendOptions) -> None:
        on_gpu = torch.cuda.is_available()
        if not on_gpu and cuda_devices():
            raise EngineFault(
                "torch: this build of torch cannot use the box's CUDA device; "
                "set CUDA_VISIBLE_DEVICES= to run on the CPU"
            )
        self.streams = options.streams
        self.max_batch = options.max_batch
        self.precision: str = options.precision or best_precision(bundle, on_gpu=on_gpu)
        file = _FILES.get(self.precision)
        if file is None or file not in bundle.files:
            raise BadConfig(
                f"torch: precision {self.precision!r} is not available, allowed "
                f"{', '.join(key for key, name in _FILES.items() if name in bundle.files)}"
            )
        graph = read_graph(bundle.files[file])
        if self.precision == "bf16":
            graph = to_bfloat16(graph, read_graph(bundle.files[_FILES["fp32"]]))
        self._closed = False
        self._idle: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        try:
            if on_gpu:
                self.device = f"CUDA ({torch.cuda.get_device_name()})"
                self.streams = min(options.streams, _MOST_LANES)
                module = _on_device(graph, compiled=options.compile)
                for _ in range(self.streams):
                    self._idle.put(Replay(module, options.max_batch))
            else:
                self.device = "CPU"
                for _ in range(options.streams):
                    self._idle.put(_Eager(graph, max(1, options.threads // options.streams)))
        except RuntimeError as err:
            raise EngineFault(f"torch: cannot load the model: {_line(err)}") from err

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the graph in a free stream; see `Backend.infer`."""
        if self._closed:
            raise EngineFault("torch: used after close")
        lane = self._idle.get()
        try:
            columns = lane.run(images, background)
        except RuntimeError as err:
            raise EngineFault(f"torch: {_line(err)}") from err
        finally:
            self._idle.put(lane)
        return Outputs(*columns)

    def close(self) -> None:
        """Drop the idle streams with their buffers and graphs."""
        self._closed = True
        while not self._idle.empty():
            self._idle.get()


def _on_device(graph: fx.GraphModule, *, compiled: bool) -> torch.nn.Module:
    module: torch.nn.Module = align_channels(graph).to("cuda", memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not compiled:
        return module
    compiled_module: torch.nn.Module = torch.compile(module, dynamic=True)  # type: ignore[assignment]  # of a module
    return compiled_module


class _Eager:
    """Op by op in the caller's thread."""

    def __init__(self, module: torch.nn.Module, threads: int) -> None:
        self._module = module
        self._threads = threads

    def run(self, images: F32, background: F32) -> list[F32]:
        torch.set_num_threads(self._threads)  # of the caller's thread, which may serve others too
        with torch.inference_mode():
            outputs = self._module(torch.from_numpy(images), torch.from_numpy(background))
        return [
            output.float().reshape(len(images), *shape).numpy()
            for output, shape in zip(outputs, OUTPUT_SHAPES.values(), strict=True)
        ]


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
