"""What the library made of a plan: an engine that keeps the graph's contract, and contexts that run it.

A plan was compiled at another time. Names, shapes, types and places of its tensors, and the batch sizes it takes, are
therefore compared with what the graph must have before anything is run. The library raises almost nothing itself: every
answer of it is looked at here.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from phenostream.engine.backends.tensorrt.gpu import Memory, OutOfMemory, Stream
from phenostream.engine.backends.tensorrt.layout import Layout, Tensor, laid_out
from phenostream.engine.backends.tensorrt.library import Library, Messages, listening
from phenostream.engine.backends.tensorrt.profile import INPUT_SHAPES
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import OUTPUT_SHAPES

logger = logging.getLogger(__name__)

_MUST_READ: Final = "images"
"""The input without which a graph says nothing; an affine graph has no use for the other, and a library may drop it."""


class RefusedPlan(EngineFault):
    """The library does not take the plan, or its tensors are not the graph's: another has to be built."""


class Program:
    """A deserialised engine, and the runtime that holds it.

    Attributes:
        inputs: Tensors the engine reads.
        outputs: Tensors it writes.
    """

    def __init__(self, library: Library, plan: bytes, kernels: bytes | None = None) -> None:
        """Deserialise a plan, in the context that is current.

        Args:
            library: Of the very version that built the plan.
            plan: As built, verified.
            kernels: What `compiled` gave in an earlier process; the library looks whether it can use it here.

        Raises:
            RefusedPlan: The library does not take it, or its tensors are not the graph's.
            OutOfMemory: The weights do not fit on the device.
        """
        self._library = library
        self._messages = Messages()
        self._listener = listening(
            library, self._messages
        )  # outlives the runtime, which keeps none
        self._kept = kernels
        self._kernels: Any = None
        self._runtime: Any = library.trt.Runtime(self._listener)
        self._engine: Any = self._runtime.deserialize_cuda_engine(plan)
        try:
            if self._engine is None:
                raise _refusal(library, self._messages, "the plan is refused", RefusedPlan)
            self.inputs, self.outputs = self._tensors()
        except BaseException:
            self.close()
            raise

    def profile(self, bucket: int) -> int:
        """The profile for batches of `bucket` crops: the one that was made for exactly them, else the narrowest.

        Raises:
            EngineFault: The plan takes no such batch.
        """
        fitting = []
        for index in range(self._engine.num_optimization_profiles):
            least, best, most = (
                shape[0] for shape in self._engine.get_tensor_profile_shape(_MUST_READ, index)
            )
            if least <= bucket <= most:
                fitting.append((best != bucket, most - least, index))
        if not fitting:
            raise EngineFault(f"{self._library}: the plan takes no batch of {bucket} crops")
        return min(fitting)[2]

    def context(self, bucket: int, stream: Stream) -> "Context":
        """A context for batches of exactly `bucket` crops; it has no memory to work in yet.

        Args:
            bucket: Crops.
            stream: Where the library may do what a change of profile needs; done when this returns.

        Raises:
            EngineFault: The plan takes no such batch.
            OutOfMemory: What a context needs for itself does not fit.
        """
        profile = self.profile(bucket)
        self._messages.errors.clear()  # a refusal is explained by what was said since
        made = Context(self._library, self._messages, self._new_context(), bucket)
        try:
            made.shape(profile, stream, self.inputs, self.outputs)
        except BaseException:
            made.close()
            raise
        return made

    def compiled(self) -> bytes | None:
        """Kernels that were compiled for the contexts made so far; None: none, or all were there from the beginning."""
        if self._kernels is None or self._kept is not None:
            return None
        return bytes(self._kernels.serialize())

    def input_layout(self, bucket: int) -> Layout:
        """Where the inputs of a batch lie."""
        return laid_out(self.inputs, bucket)

    def output_layout(self, bucket: int) -> Layout:
        """Where its outputs lie."""
        return laid_out(self.outputs, bucket)

    def close(self) -> None:
        """Let go of kernels, engine and runtime, in this order; all its contexts are closed already."""
        self._kernels = None
        self._engine = None
        self._runtime = None

    def _new_context(self) -> Any:
        """A context whose memory is ours to give, as a stream that is captured needs.

        TensorRT-RTX compiles kernels for the shapes it meets, by default some time after it met them: a captured graph
        would keep the makeshift ones for good. It is told to compile them at once, for all contexts together, and to
        leave capturing to us.
        """
        trt = self._library.trt
        ours = trt.ExecutionContextAllocationStrategy.USER_MANAGED
        if not self._library.is_rtx:
            return self._engine.create_execution_context(ours)
        config = self._engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(ours)
        config.dynamic_shapes_kernel_specialization_strategy = (
            trt.DynamicShapesKernelSpecializationStrategy.EAGER
        )
        config.cuda_graph_strategy = trt.CudaGraphStrategy.DISABLED
        if self._kernels is None:
            self._kernels = config.create_runtime_cache()
            if self._kept is not None and not self._kernels.deserialize(self._kept):
                logger.info("%s: kept kernels are of another box; compiled anew", self._library)
                self._kept = None
        config.set_runtime_cache(self._kernels)
        return self._engine.create_execution_context(config)

    def _tensors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """The engine's inputs and outputs, compared with the graph's.

        No name but `self` may hold the engine here: what raises keeps its names alive, beyond the context's end.
        """
        modes = self._library.trt.TensorIOMode
        found: dict[str, Any] = {}
        for number in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(number)
            found[name] = self._engine.get_tensor_mode(name)
        inputs = [name for name in INPUT_SHAPES if found.get(name) == modes.INPUT]
        outputs = [name for name in OUTPUT_SHAPES if found.get(name) == modes.OUTPUT]
        missing = {_MUST_READ, *OUTPUT_SHAPES} - {*inputs, *outputs}
        unknown = found.keys() - {*inputs, *outputs}
        for names, what in ((missing, "lacks"), (unknown, "has, beside the graph's tensors,")):
            if names:
                raise RefusedPlan(f"{self._library}: the plan {what} {', '.join(sorted(names))}")
        return (
            tuple(self._tensor(name, INPUT_SHAPES[name]) for name in inputs),
            tuple(self._tensor(name, OUTPUT_SHAPES[name]) for name in outputs),
        )

    def _tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        trt = self._library.trt
        said = tuple(self._engine.get_tensor_shape(name))
        if said[1:] != shape:
            expected = ", ".join(map(str, ("N", *shape)))
            raise RefusedPlan(f"{self._library}: {name} has shape {said}, expected ({expected})")
        if self._engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
            raise RefusedPlan(f"{self._library}: {name} is not in device memory")
        dtypes: dict[Any, np.dtype[Any]] = {
            trt.float32: np.dtype(np.float32),
            trt.float16: np.dtype(np.float16),
        }
        dtype = self._engine.get_tensor_dtype(name)
        if dtype not in dtypes:
            raise RefusedPlan(f"{self._library}: {name} is {dtype}, allowed float32, float16")
        return Tensor(name, shape, dtypes[dtype])


class Context:
    """One execution context for one batch size; runs one batch at a time.

    Attributes:
        bucket: Crops.
        scratch_bytes: Device memory it works in, which contexts that never run at the same time may share.
    """

    def __init__(self, library: Library, messages: Messages, context: Any, bucket: int) -> None:
        self.bucket = bucket
        self.scratch_bytes = 0
        self._library = library
        self._messages = messages
        self._context = context

    def shape(
        self, profile: int, stream: Stream, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
    ) -> None:
        """Fix the profile and the batch size; raises `EngineFault` where an output would have another shape."""
        self._must(self._context is not None, "a context")
        done = self._context.set_optimization_profile_async(profile, stream.handle)
        self._must(done, "the profile")
        stream.synchronize()
        for tensor in inputs:
            done = self._context.set_input_shape(tensor.name, (self.bucket, *tensor.shape))
            self._must(done, f"the shape of {tensor.name}")
        lacking = self._context.infer_shapes()
        self._must(not lacking, f"shapes without {', '.join(lacking)}")
        for tensor in outputs:
            said = tuple(self._context.get_tensor_shape(tensor.name))
            if said != (self.bucket, *tensor.shape):
                raise EngineFault(
                    f"{self._library}: {tensor.name} has shape {said} for {self.bucket} crops"
                )
        self.scratch_bytes = int(self._context.update_device_memory_size_for_shapes())

    def bind(self, scratch: Memory, addresses: Mapping[str, int]) -> None:
        """Give it memory to work in and the address of every tensor, all of which must outlive it."""
        self._context.set_device_memory(scratch.address, scratch.nbytes)
        for name, address in addresses.items():
            self._must(self._context.set_tensor_address(name, address), f"the address of {name}")

    def enqueue(self, stream: Stream) -> None:
        """Enqueue one run."""
        self._must(self._context.execute_async_v3(stream.handle), "to run")

    def check_capturable(self, stream: Stream) -> None:
        """Raises `EngineFault` where the library says that what it enqueues cannot be captured; TensorRT itself can."""
        if self._library.is_rtx and not self._context.is_stream_capturable(stream.handle):
            raise self._refusal("runs of the plan cannot be captured")

    def close(self) -> None:
        """Let go of it; it is not running, and the graph that was captured from it is closed."""
        self._context = None

    def _must(self, done: bool, what: str) -> None:
        if not done:
            raise self._refusal(f"refused {what} for {self.bucket} crops")

    def _refusal(self, what: str) -> EngineFault:
        return _refusal(self._library, self._messages, what)


def _refusal(
    library: Library, messages: Messages, what: str, kind: type[EngineFault] = EngineFault
) -> EngineFault:
    """The fault, in the library's own words."""
    reason = messages.reason()
    if any(words in reason.lower() for words in ("out of memory", "outofmemory")):
        kind = OutOfMemory
    return kind(f"{library}: {what}: {reason}")
