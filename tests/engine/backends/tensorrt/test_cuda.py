"""How a device is driven through pycuda and cuda-bindings: which calls, in which order, and what their failures become.

Neither does anything on a box without a driver. pycuda is stood in for; of cuda-bindings, which can be imported
anywhere, the very functions are looked up.
"""

import inspect
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from phenostream.engine.backends.tensorrt import cuda as module
from phenostream.engine.backends.tensorrt.cuda import CudaGpu, open_gpu
from phenostream.engine.backends.tensorrt.gpu import OutOfMemory
from phenostream.engine.errors import EngineFault, MissingPackage


class Failure(Exception):
    """pycuda's `Error`."""


class NoMemory(Failure, MemoryError):
    """pycuda's `MemoryError`."""


class StandIn:
    """Writes down what it is asked, and fails where it is told to.

    Attributes:
        calls: In order.
        fails: Names of calls that fail, with what they raise or answer.
    """

    Error = Failure
    MemoryError = NoMemory
    event_flags = SimpleNamespace(BLOCKING_SYNC=1, DISABLE_TIMING=2)

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails: dict[str, Any] = {}
        self.Context = SimpleNamespace(pop=lambda: self.note("pop"))

    def note(self, call: str) -> None:
        self.calls.append(call)
        if call.split()[0] in self.fails:
            raise self.fails[call.split()[0]]

    def mem_alloc(self, nbytes: int) -> Any:
        self.note(f"mem_alloc {nbytes}")
        return Allocation(self)

    def pagelocked_zeros(self, nbytes: int, dtype: str) -> Any:
        self.note(f"pagelocked_zeros {nbytes} {dtype}")
        array = np.zeros(nbytes, dtype).view(Pinned)
        array.allocation = Allocation(self)
        return array

    def Stream(self, flags: int) -> Any:  # noqa: N802  # pycuda's name
        self.note(f"Stream {flags}")
        return SimpleNamespace(
            handle=77,
            synchronize=lambda: self.note("synchronize"),
            wait_for_event=lambda event: self.note(f"wait {event.name}"),
        )

    def Event(self, flags: int) -> Any:  # noqa: N802  # pycuda's name
        self.note(f"Event {flags}")
        return SimpleNamespace(
            name="event",
            record=lambda stream: self.note(f"record {stream.handle}"),
            synchronize=lambda: self.note("synchronize event"),
        )

    def memcpy_htod_async(self, to: int, data: Any, stream: Any) -> None:
        self.note(f"memcpy_htod_async {to:#x} {len(data)} {stream.handle}")

    def memcpy_dtoh_async(self, to: Any, data: int, stream: Any) -> None:
        self.note(f"memcpy_dtoh_async {len(to)} {data:#x} {stream.handle}")

    def mem_get_info(self) -> tuple[int, int]:
        self.note("mem_get_info")
        return 5, 9


class Pinned(np.ndarray[Any, Any]):
    """An array whose base is the allocation, as pycuda's is."""

    allocation: Any

    @property
    def base(self) -> Any:
        return self.allocation


class Allocation:
    def __init__(self, cuda: StandIn) -> None:
        self._cuda = cuda

    def __int__(self) -> int:
        return 0x700

    def free(self) -> None:
        self._cuda.note("free")


class Graphs:
    """The functions of cuda-bindings that are called, with its convention: a status, and then the results."""

    CUresult = SimpleNamespace(CUDA_SUCCESS=0, CUDA_ERROR_OUT_OF_MEMORY=2)
    CUstreamCaptureMode = SimpleNamespace(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL="thread local")

    def __init__(self, cuda: StandIn) -> None:
        self._cuda = cuda
        self.fails: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        results = {"cuStreamEndCapture": ["graph"], "cuGraphInstantiate": ["executable"]}

        def call(*arguments: object) -> tuple[object, ...]:
            self._cuda.calls.append(" ".join(map(str, (name, *arguments))))
            return (self.fails.get(name, 0), *results.get(name, ()))

        return call


@pytest.fixture
def cuda() -> StandIn:
    return StandIn()


@pytest.fixture
def graphs(cuda: StandIn) -> Graphs:
    return Graphs(cuda)


@pytest.fixture
def gpu(cuda: StandIn, graphs: Graphs) -> CudaGpu:
    context = SimpleNamespace(push=lambda: cuda.note("push"), detach=lambda: cuda.note("detach"))
    return CudaGpu(cuda, graphs, "card", context)


def test_the_context_is_current_for_as_long_as_the_block_lasts(gpu: CudaGpu, cuda: StandIn) -> None:
    def failing() -> None:
        with gpu.current():
            assert gpu.free_bytes() == 5
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert cuda.calls == ["push", "mem_get_info", "pop"]


def test_a_batch_goes_in_and_out_by_address_length_and_stream(gpu: CudaGpu, cuda: StandIn) -> None:
    stream, event = gpu.stream(), gpu.event()
    pinned, memory = gpu.pinned(64), gpu.memory(64)
    gpu.copy_in(memory, pinned.array[:48], stream)
    stream.record(event)
    stream.wait(event)
    gpu.copy_out(pinned.array[:16], memory, stream)
    event.synchronize()
    stream.synchronize()
    memory.free()
    pinned.free()
    assert (stream.handle, memory.address, memory.nbytes) == (77, 0x700, 64)
    assert cuda.calls == [
        "Stream 1",
        "Event 3",
        "pagelocked_zeros 64 uint8",
        "mem_alloc 64",
        "memcpy_htod_async 0x700 48 77",
        "record 77",
        "wait event",
        "memcpy_dtoh_async 16 0x700 77",
        "synchronize event",
        "synchronize",
        "free",
        "free",
    ]


def test_a_graph_is_captured_for_this_thread_alone_and_launched_by_handle(
    gpu: CudaGpu, cuda: StandIn
) -> None:
    stream = gpu.stream()
    graph = gpu.captured(stream, lambda: cuda.note("work"))
    graph.launch(stream)
    graph.close()
    assert cuda.calls[1:] == [
        "cuStreamBeginCapture 77 thread local",
        "work",
        "cuStreamEndCapture 77",
        "cuGraphInstantiate graph 0",
        "cuGraphDestroy graph",
        "cuGraphLaunch executable 77",
        "cuGraphExecDestroy executable",
    ]


def test_a_capture_that_fails_ends_and_leaves_no_graph(
    gpu: CudaGpu, cuda: StandIn, graphs: Graphs
) -> None:
    stream = gpu.stream()
    with pytest.raises(ZeroDivisionError):
        gpu.captured(stream, lambda: cuda.note(str(1 / 0)))
    assert cuda.calls[2:] == ["cuStreamEndCapture 77", "cuGraphDestroy graph"]
    cuda.calls.clear()
    graphs.fails["cuGraphInstantiate"] = 2
    with pytest.raises(OutOfMemory, match=r"^CUDA: cuGraphInstantiate failed: out of memory$"):
        gpu.captured(stream, lambda: None)
    assert cuda.calls[-1] == "cuGraphDestroy graph"


def test_what_pycuda_and_the_bindings_report_is_a_fault_or_a_want_of_memory(
    gpu: CudaGpu, cuda: StandIn, graphs: Graphs
) -> None:
    stream = gpu.stream()
    cuda.fails["mem_alloc"] = NoMemory("cuMemAlloc failed: out of memory")
    cuda.fails["synchronize"] = Failure("cuStreamSynchronize failed:\nan illegal address")
    with pytest.raises(OutOfMemory, match=r"^CUDA: cuMemAlloc failed: out of memory$"):
        gpu.memory(1)
    with pytest.raises(
        EngineFault, match=r"^CUDA: cuStreamSynchronize failed: an illegal address$"
    ):
        stream.synchronize()
    graphs.fails["cuStreamBeginCapture"] = SimpleNamespace(name="CUDA_ERROR_LAUNCH_FAILED")
    with pytest.raises(
        EngineFault, match=r"^CUDA: cuStreamBeginCapture failed: CUDA_ERROR_LAUNCH_FAILED$"
    ):
        gpu.captured(stream, lambda: None)


def test_the_context_is_let_go_where_it_is_current_and_taken_off_afterwards(
    gpu: CudaGpu, cuda: StandIn
) -> None:
    gpu.close()
    assert cuda.calls == ["push", "detach", "cuCtxPopCurrent"]


def test_a_context_that_cannot_be_made_current_is_given_up(gpu: CudaGpu, cuda: StandIn) -> None:
    """pycuda ends the process in a destructor that cannot make its context current, unless the context was detached."""
    cuda.fails["push"] = Failure("cuCtxPushCurrent failed: unknown error")
    with pytest.raises(EngineFault, match="cuCtxPushCurrent failed"):
        gpu.close()
    assert cuda.calls == ["push", "detach"]


def test_a_stream_of_another_device_is_refused(gpu: CudaGpu, cuda: StandIn) -> None:
    memory = gpu.memory(4)
    with pytest.raises(EngineFault, match="is of another device"):
        gpu.copy_in(memory, np.zeros(4, np.uint8), SimpleNamespace(handle=1))


def test_without_a_device_nothing_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cuda_devices", lambda: 0)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EngineFault, match=r"^CUDA device 0: the driver offers 0 devices$"):
        open_gpu()


def test_without_pycuda_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cuda_devices", lambda: 1)
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(MissingPackage, match=r"pycuda .*; pip install 'phenostream\[rtx\]'$"):
        open_gpu("rtx")


def test_a_device_is_opened_by_its_primary_context(
    monkeypatch: pytest.MonkeyPatch, cuda: StandIn
) -> None:
    def device(ordinal: int) -> Any:
        cuda.note(f"device {ordinal}")
        return SimpleNamespace(name=lambda: "card", retain_primary_context=lambda: "primary")

    driver = ModuleType("pycuda.driver")
    driver.__dict__.update(
        init=lambda: cuda.note("init"),
        Device=device,
        Error=Failure,
        MemoryError=NoMemory,
    )
    package = ModuleType("pycuda")
    package.__dict__["driver"] = driver
    monkeypatch.setitem(sys.modules, "pycuda", package)
    monkeypatch.setitem(sys.modules, "pycuda.driver", driver)
    bindings = ModuleType("cuda.bindings")
    bindings.__dict__["driver"] = None
    monkeypatch.setitem(sys.modules, "cuda.bindings", bindings)
    monkeypatch.setattr(module, "cuda_devices", lambda: 2)
    opened = open_gpu(ordinal=1)
    assert isinstance(opened, CudaGpu)
    assert (opened.name, opened._context, cuda.calls) == ("card", "primary", ["init", "device 1"])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("cuStreamBeginCapture", ["hStream", "mode"]),
        ("cuStreamEndCapture", ["hStream"]),
        ("cuGraphInstantiate", ["hGraph", "flags"]),
        ("cuGraphLaunch", ["hGraphExec", "hStream"]),
        ("cuGraphDestroy", ["hGraph"]),
        ("cuGraphExecDestroy", ["hGraphExec"]),
        ("cuCtxPopCurrent", []),
    ],
)
def test_the_bindings_have_the_functions_as_they_are_called(
    function: str, arguments: list[str]
) -> None:
    driver = pytest.importorskip("cuda.bindings.driver", reason="cuda-bindings is for x86-64")
    found = getattr(driver, function)
    head = (inspect.getdoc(found) or "()").split("\n")[0]
    named = head[head.index("(") + 1 : head.index(")")]
    assert [part.split(":")[0].split()[-1] for part in named.split(",") if part] == arguments
    assert driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL == 1
    assert driver.CUresult.CUDA_SUCCESS == 0
    assert driver.CUresult.CUDA_ERROR_OUT_OF_MEMORY == 2
