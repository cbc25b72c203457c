"""Faults of a backend, planted where its calls arrive: each drops or alters one, as if it had not been made so."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from phenostream.engine.backends.tensorrt.gpu import Event, Graph, Memory, Pinned, Stream
from phenostream.engine.types import U8
from tests.engine.backends.tensorrt.virtual_gpu import (
    SCRATCH,
    VirtualGpu,
    VirtualMemory,
    VirtualPinned,
)
from tests.engine.backends.tensorrt.virtual_order import VirtualEvent
from tests.engine.backends.tensorrt.virtual_plan import DataType
from tests.engine.backends.tensorrt.virtual_trt import (
    AllocationStrategy,
    Faulty,
    VirtualContext,
    VirtualEngine,
)


class FaultyGpu(VirtualGpu):
    """A virtual GPU that does not hear some of what it is told."""

    def __init__(self, plant: str) -> None:
        super().__init__()
        self.plant = plant
        self._graphs: list[Graph] = []

    @contextmanager
    def current(self) -> Iterator[None]:
        with nullcontext() if self.plant == "the context is not pushed" else super().current():
            yield
        if self.plant == "the context is not popped":
            self._thread.depth = self.depth + 1

    def memory(self, nbytes: int) -> Memory:
        shared = {"lanes share their scratch": SCRATCH, "sides share their buffers": 1}
        if nbytes >= shared.get(self.plant, self.capacity):
            for block in self.blocks:
                if block.what == "memory" and len(block.data) == nbytes:
                    return VirtualMemory(self, block)
        made = super().memory(nbytes)
        if self.plant == "memory leaks":
            made.free = lambda: None  # type: ignore[method-assign]  # the fault
        return made

    def pinned(self, nbytes: int) -> Pinned:
        made = super().pinned(nbytes)
        assert isinstance(made, VirtualPinned)
        if self.plant == "pinned memory is freed at once":
            self.blocks[-1].live = False
        return made

    def stream(self) -> Stream:
        made = super().stream()
        if self.plant == f"stream {made.handle} does not wait":
            made.wait = lambda event: None  # type: ignore[method-assign]  # the fault
        return made

    def event(self) -> Event:
        made = super().event()
        assert isinstance(made, VirtualEvent)
        if self.plant == "a result is read before it is there":
            made.synchronize = lambda: None  # type: ignore[method-assign]  # the fault
        return made

    def copy_in(self, to: Memory, data: U8, stream: Stream) -> None:
        if self.plant == "a copy in is short":
            data = data[:-4]
        if self.plant == "a copy is of pageable memory":
            data = data.copy()
        super().copy_in(to, data, stream)

    def copy_out(self, to: U8, data: Memory, stream: Stream) -> None:
        super().copy_out(to[:-4] if self.plant == "a copy out is short" else to, data, stream)

    def captured(self, stream: Stream, work: Callable[[], None]) -> Graph:
        graph = super().captured(stream, work)
        self._graphs.append(graph)
        if self.plant == "a graph is destroyed at once":
            graph.close()
        if self.plant == "scratch is freed once it was captured":
            scratch = [
                block for block in self.blocks if len(block.data) >= SCRATCH and block.address
            ]
            VirtualMemory(self, scratch[-1]).free()
        if self.plant == "a graph of another batch size is launched":
            first = self._graphs[0]
            launch = type(first).launch
            graph.launch = lambda stream: launch(first, stream)  # type: ignore[method-assign]  # the fault
        return graph


def faulty_library(plant: str) -> Faulty:
    """Engines and contexts that do not hear some of what they are told."""

    class Engine(VirtualEngine):
        _one: "VirtualContext | None" = None

        def get_tensor_dtype(self, name: str) -> DataType:
            if plant == "a cast is forgotten":
                return DataType.FLOAT
            return super().get_tensor_dtype(name)

        def create_execution_context(self, how: Any) -> VirtualContext | None:
            if plant == "a context takes memory of its own":
                how = AllocationStrategy["STATIC"]
            if plant == "a context is captured twice" and self._one is not None:
                return self._one
            made = super().create_execution_context(how)
            if plant == "a context is captured twice":
                self._one = made
            return made

    class Context(VirtualContext):
        def set_optimization_profile_async(self, index: int, stream: int) -> bool:
            index = 0 if plant == "the profile is the first" else index
            return super().set_optimization_profile_async(index, stream)

        def set_tensor_address(self, name: str, address: int) -> bool:
            if plant == "an address is not aligned":
                address += 4
            if plant == "two outputs change places" and name.startswith("class_"):
                name = {"class_logits": "class_probability"}.get(name, "class_logits")
            if plant == "an address is forgotten" and name == "ood_score":
                return True
            return super().set_tensor_address(name, address)

        def set_device_memory(self, address: int, size: int) -> None:
            super().set_device_memory(address, SCRATCH if plant == "scratch is too small" else size)

        def execute_async_v3(self, stream: int) -> bool:
            if plant == "a capture without a run before it" and self.box.gpu.capturing is None:
                return True
            return super().execute_async_v3(stream)

    return Engine, Context
