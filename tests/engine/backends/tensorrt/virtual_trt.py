"""A library that runs plans on the virtual GPU: the calls of TensorRT 10 and 11 and of TensorRT-RTX, with their rules.

A virtual plan is a few facts; what it computes is a function of the test. Like the real ones it raises almost nothing:
it answers False or None and writes to its logger. What the real ones leave undefined is refused here: running without
memory, shapes or addresses, changing a context that was captured, destroying things in the wrong order or without the
context.
"""

import enum
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.tensorrt.gpu import ALIGNMENT
from phenostream.engine.backends.tensorrt.library import Library
from phenostream.engine.types import F32, OUTPUT_SHAPES
from tests.engine.backends.tensorrt.virtual_gpu import SCRATCH, VirtualGpu
from tests.engine.backends.tensorrt.virtual_order import Block, Use, Work
from tests.engine.backends.tensorrt.virtual_plan import INPUTS, DataType, VirtualPlan

Faulty = tuple["type[VirtualEngine]", "type[VirtualContext]"]
Compute = Callable[[F32, F32], Mapping[str, F32]]
"""Crops and background of a batch to its outputs, by name."""
VERSION = "11.4.0.106"
ROW_SCRATCH = 4096
WEIGHTS = 1 << 22
_KERNELS = b"kernels of virtual "


class Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class Logger:
    """Base of the logger that the backend gives."""

    Severity = Severity

    def log(self, severity: Any, message: str) -> None:
        raise NotImplementedError


TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
TensorLocation = enum.Enum("TensorLocation", ["DEVICE", "HOST"])
AllocationStrategy = enum.Enum(
    "AllocationStrategy", ["STATIC", "ON_PROFILE_CHANGE", "USER_MANAGED"]
)
Specialization = enum.Enum("Specialization", ["LAZY", "EAGER", "NONE"])
CudaGraphStrategy = enum.Enum("CudaGraphStrategy", ["DISABLED", "WHOLE_GRAPH_CAPTURE"])


def virtual_library(
    gpu: VirtualGpu, compute: Compute, name: str = "tensorrt", faulty: "Faulty | None" = None
) -> Library:
    """A library by either name, on a virtual GPU; `faulty` takes the place of its engines and contexts."""
    box = Box(gpu, compute, name, *(faulty or (VirtualEngine, VirtualContext)))

    class Runtime(VirtualRuntime):
        def __init__(self, logger: Logger) -> None:
            super().__init__(box, logger)

    common = {
        "ILogger": Logger,
        "Runtime": Runtime,
        "ExecutionContextAllocationStrategy": AllocationStrategy,
        "TensorIOMode": TensorIOMode,
        "TensorLocation": TensorLocation,
        "float32": DataType.FLOAT,
        "float16": DataType.HALF,
    }
    rtx = {
        "DynamicShapesKernelSpecializationStrategy": Specialization,
        "CudaGraphStrategy": CudaGraphStrategy,
    }
    trt = SimpleNamespace(**common, **(rtx if box.is_rtx else {}))
    return Library(name, trt, VERSION)


@dataclass
class Box:
    gpu: VirtualGpu
    compute: Compute
    name: str
    engine: "type[VirtualEngine]"
    context: "type[VirtualContext]"
    made: dict[str, int] = field(default_factory=dict)

    @property
    def is_rtx(self) -> bool:
        return self.name == "tensorrt_rtx"


class _Thing:
    """Something of the library that must be destroyed after what was made from it, with the context current."""

    def __init__(self, box: Box, what: str, maker: "_Thing | None" = None) -> None:
        self.box = box
        self.token = f"{what} {id(self)}"
        self._what = what
        self._maker = maker.token if maker is not None else ""
        box.gpu.enter_outside_capture(f"making {what}")
        for token in (self._maker, self.token):
            box.made[token] = box.made.get(token, 0) + 1
        box.gpu.open_things.add(self.token)

    def __del__(self) -> None:
        gpu = self.box.gpu
        if self.token not in gpu.open_things:
            return
        gpu.open_things.discard(self.token)
        for token in (self._maker, self.token):
            self.box.made[token] -= 1
        if gpu.gone:
            return
        if gpu.depth < 1:
            gpu.refuse(f"{self._what} is destroyed in a thread without the context")
        if self.box.made[self.token]:
            gpu.refuse(f"{self._what} is destroyed before what was made from it")


class VirtualRuntime(_Thing):
    def __init__(self, box: Box, logger: Logger) -> None:
        super().__init__(box, "a runtime")
        self._logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> "VirtualEngine | None":
        self.box.gpu.enter_outside_capture("deserialize_cuda_engine")
        plan = VirtualPlan.of(content)
        if plan is None:
            self._logger.log(
                Severity.ERROR, "IRuntime::deserializeCudaEngine: Error Code 1: magicTag mismatch"
            )
            return None
        if self.box.gpu.free_bytes() < WEIGHTS:
            self._logger.log(Severity.ERROR, "Error Code 2: OutOfMemory (no further information)")
            return None
        return self.box.engine(self.box, plan, self._logger, self)


class VirtualKernels(_Thing):
    """What RTX compiled for the batch sizes it met; must outlive the contexts that use it."""

    def __init__(self, box: Box) -> None:
        super().__init__(box, "a cache of kernels")
        self.known: set[int] = set()

    def deserialize(self, content: bytes) -> bool:
        self.box.gpu.enter_outside_capture("deserialize of kernels")
        if not content.startswith(_KERNELS):
            return False
        self.known |= set(json.loads(content.removeprefix(_KERNELS)))
        return True

    def serialize(self) -> bytes:
        return _KERNELS + json.dumps(sorted(self.known)).encode()


class _RuntimeConfig:
    def __init__(self, box: Box | None = None) -> None:
        self.kernels: VirtualKernels | None = None
        self._box = box
        self.dynamic_shapes_kernel_specialization_strategy = Specialization.LAZY
        self.cuda_graph_strategy = CudaGraphStrategy.DISABLED
        self.strategy = AllocationStrategy.STATIC

    def set_execution_context_allocation_strategy(self, strategy: AllocationStrategy) -> None:
        self.strategy = strategy

    def create_runtime_cache(self) -> VirtualKernels:
        assert self._box is not None
        return VirtualKernels(self._box)

    def set_runtime_cache(self, kernels: VirtualKernels) -> None:
        self.kernels = kernels


class VirtualEngine(_Thing):
    def __init__(self, box: Box, plan: VirtualPlan, logger: Logger, maker: VirtualRuntime) -> None:
        super().__init__(box, "an engine", maker)
        self.plan = plan
        self.logger = logger
        self._weights = Block("memory", 0, np.zeros(WEIGHTS, np.uint8))
        box.gpu.blocks.append(self._weights)

    def __del__(self) -> None:
        self._weights.live = False
        super().__del__()

    @property
    def num_io_tensors(self) -> int:
        return len(self.plan.tensors())

    @property
    def num_optimization_profiles(self) -> int:
        return len(self.plan.profiles)

    def get_tensor_name(self, number: int) -> str:
        return list(self.plan.tensors())[number]

    def get_tensor_mode(self, name: str) -> Any:
        return TensorIOMode.INPUT if name in INPUTS else TensorIOMode.OUTPUT

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (-1, *self.plan.tensors()[name])

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.plan.dtype(name)

    def get_tensor_location(self, name: str) -> Any:
        return TensorLocation.HOST if name in self.plan.on_host else TensorLocation.DEVICE

    def get_tensor_profile_shape(self, name: str, index: int) -> list[tuple[int, ...]]:
        return [(count, *self.plan.tensors()[name]) for count in self.plan.profiles[index]]

    def create_runtime_config(self) -> _RuntimeConfig:
        if not self.box.is_rtx:
            raise AttributeError("create_runtime_config")
        return _RuntimeConfig(self.box)

    def create_execution_context(self, how: Any) -> "VirtualContext | None":
        gpu, kernels = self.box.gpu, None
        if self.box.is_rtx:
            assert isinstance(how, _RuntimeConfig)
            if how.dynamic_shapes_kernel_specialization_strategy is not Specialization.EAGER:
                raise gpu.refuse("kernels that are made later would not be in the graph")
            if how.cuda_graph_strategy is not CudaGraphStrategy.DISABLED:
                raise gpu.refuse("two that capture")
            kernels, how = how.kernels, how.strategy
        if how is not AllocationStrategy.USER_MANAGED:
            raise gpu.refuse("a context that takes memory of its own")
        made = self.box.context(self.box, self)
        if self.box.is_rtx:
            assert kernels is not None
            made.use(kernels)
        return made


class VirtualContext(_Thing):
    def __init__(self, box: Box, engine: VirtualEngine) -> None:
        super().__init__(box, "a context", engine)
        self._plan = engine.plan
        self._logger = engine.logger
        self._profile: tuple[int, int, int] | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._scratch: Use | None = None
        self._block = Block("context", 0, np.zeros(1, np.uint8))
        self._runs = 0
        self._kernels = ""
        self._known: set[int] | None = None

    def use(self, kernels: VirtualKernels) -> None:
        self._kernels, self._known = kernels.token, kernels.known
        self.box.made[self._kernels] += 1

    def __del__(self) -> None:
        if self._kernels:
            self.box.made[self._kernels] -= 1
        if self._block.held_by:
            self.box.gpu.refuse("a context is destroyed before the graph that was captured from it")
        if self._scratch is not None:
            self._scratch.block.held_by.discard(self.token)
        super().__del__()

    def set_optimization_profile_async(self, index: int, stream: int) -> bool:
        self._change("set_optimization_profile_async")
        assert stream in self.box.gpu.streams
        if index >= len(self._plan.profiles):
            return self._no(f"profile {index} is not there")
        self._profile = self._plan.profiles[index]
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._change("set_input_shape")
        if name not in INPUTS or self._profile is None:
            return self._no(f"setInputShape: {name}")
        least, _, most = self._profile
        if tuple(shape[1:]) != self._plan.tensors()[name] or not least <= shape[0] <= most:
            return self._no(f"setInputShape: {name}: {shape} is not in the profile {self._profile}")
        self._shapes[name] = tuple(shape)
        return True

    def infer_shapes(self) -> list[str]:
        inputs = [name for name in INPUTS if name in self._plan.tensors()]
        return [name for name in inputs if name not in self._shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (self._rows, *self._plan.tensors()[name])

    def update_device_memory_size_for_shapes(self) -> int:
        if self.infer_shapes():
            raise self.box.gpu.refuse("a size is asked for before the shapes are set")
        return SCRATCH + self._rows * ROW_SCRATCH

    def set_device_memory(self, address: int, size: int) -> None:
        self._change("set_device_memory")
        needed = self.update_device_memory_size_for_shapes()
        if address % ALIGNMENT or size < needed:
            raise self.box.gpu.refuse(f"scratch of {size} bytes at {address:#x}, needs {needed}")
        self._scratch = self.box.gpu.at(address, size, "scratch")
        self._scratch.block.held_by.add(self.token)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self._change("set_tensor_address")
        if name not in self._plan.tensors():
            return self._no(f"setTensorAddress: {name}")
        if address % ALIGNMENT:
            raise self.box.gpu.refuse(f"{name} at {address:#x}, which is not aligned")
        self._addresses[name] = address
        return True

    def is_stream_capturable(self, stream: int) -> bool:
        assert stream in self.box.gpu.streams
        return self._plan.capturable

    def execute_async_v3(self, stream: int) -> bool:
        gpu = self.box.gpu
        gpu.enter("execute_async_v3")
        if gpu.capturing is not None and not self._runs:
            raise gpu.refuse("a context is captured before it ran once")
        if self._scratch is None or self._addresses.keys() != self._plan.tensors().keys():
            raise gpu.refuse("a run without memory, or without an address of every tensor")
        self._runs += 1
        if self._known is not None and self._rows not in self._known:
            self._known.add(self._rows)
            gpu.compiled.append(self._rows)
        uses = {name: self._used(name) for name in self._addresses}
        work = Work(
            "a run",
            (*uses.values(), self._scratch, self._block.use(0, 1, writes=True)),
            lambda: self._run(uses),
        )
        gpu.streams[stream].enqueue(work)
        return True

    @property
    def _rows(self) -> int:
        return self._shapes["images"][0] if "images" in self._shapes else -1

    def _used(self, name: str) -> Use:
        shape = self._plan.tensors()[name]
        nbytes = self._rows * math.prod(shape) * self._plan.numpy_dtype(name).itemsize
        return self.box.gpu.at(self._addresses[name], nbytes, name, writes=name not in INPUTS)

    def _run(self, uses: Mapping[str, Use]) -> None:
        given = {name: np.ones((self._rows, *shape), np.float32) for name, shape in INPUTS.items()}
        for name in INPUTS.keys() & uses.keys():
            given[name] = self._view(name, uses[name]).astype(np.float32)
        outputs = self.box.compute(given["images"], given["background"])
        for name in OUTPUT_SHAPES:
            self._view(name, uses[name])[:] = outputs[name]

    def _view(self, name: str, use: Use) -> npt.NDArray[Any]:
        data = use.block.data[use.first : use.end].view(self._plan.numpy_dtype(name))
        return data.reshape(self._rows, *self._plan.tensors()[name])

    def _change(self, call: str) -> None:
        self.box.gpu.enter_outside_capture(call)
        if self._block.held_by:
            raise self.box.gpu.refuse(f"{call} of a context that was captured")

    def _no(self, why: str) -> bool:
        self._logger.log(Severity.ERROR, f"IExecutionContext::{why}")
        return False
