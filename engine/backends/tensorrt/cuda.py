"""A CUDA device through pycuda; only the capture of graphs goes through cuda-bindings, for pycuda knows none.

Both are imported when a device is opened, never before: neither loads on a box without a driver. Both call the driver
library itself, so that a context, a stream or an address means the same to either, and to torch in the same process.

pycuda frees what it made only in a thread where the very context object that it was made in is current. All of it is
therefore made and freed under one object, which is what `CudaGpu.current` makes current.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.tensorrt.gpu import (
    Event,
    Gpu,
    Graph,
    Memory,
    OutOfMemory,
    Pinned,
    Stream,
)
from phenostream.engine.errors import EngineFault, MissingPackage
from phenostream.engine.types import U8

_NON_BLOCKING: Final = 1
"""CU_STREAM_NON_BLOCKING, which pycuda passes on but does not name."""


def open_gpu(extra: str = "gpu", ordinal: int = 0) -> Gpu:
    """The primary context of a device.

    Args:
        extra: Which of our extras brings the packages, for the message where they are missing.
        ordinal: Of the device, as the driver counts them.

    Raises:
        EngineFault: There is no driver, or no such device; or it does not answer.
        MissingPackage: pycuda or cuda-bindings is missing or does not load.
    """
    devices = cuda_devices()
    if ordinal >= devices:
        raise EngineFault(f"CUDA device {ordinal}: the driver offers {devices} devices")
    try:
        import pycuda.driver as cuda
        from cuda.bindings import driver as graphs
    except (ImportError, OSError) as err:
        raise MissingPackage(
            f"pycuda and cuda-bindings are needed: {_line(err)}; pip install 'phenostream[{extra}]'"
        ) from err
    with _translated(cuda):
        cuda.init()
        device = cuda.Device(ordinal)
        return CudaGpu(cuda, graphs, device.name(), device.retain_primary_context())


class CudaGpu:
    """See `Gpu`."""

    def __init__(self, cuda: Any, graphs: Any, name: str, context: Any) -> None:
        self.name = name
        self._cuda = cuda
        self._graphs = graphs
        self._context = context

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """See `Gpu.current`."""
        with _translated(self._cuda):
            self._context.push()
        try:
            yield
        finally:
            with _translated(self._cuda):
                self._cuda.Context.pop()

    def free_bytes(self) -> int:
        """See `Gpu.free_bytes`."""
        with _translated(self._cuda):
            return int(self._cuda.mem_get_info()[0])

    def memory(self, nbytes: int) -> Memory:
        """See `Gpu.memory`."""
        with _translated(self._cuda):
            return _Memory(self._cuda, self._cuda.mem_alloc(nbytes), nbytes)

    def pinned(self, nbytes: int) -> Pinned:
        """See `Gpu.pinned`."""
        with _translated(self._cuda):
            return _Pinned(self._cuda, self._cuda.pagelocked_zeros(nbytes, "uint8"))

    def stream(self) -> Stream:
        """See `Gpu.stream`."""
        with _translated(self._cuda):
            return _Stream(self._cuda, self._cuda.Stream(_NON_BLOCKING))

    def event(self) -> Event:
        """See `Gpu.event`."""
        flags = self._cuda.event_flags
        with _translated(self._cuda):
            return _Event(self._cuda, self._cuda.Event(flags.BLOCKING_SYNC | flags.DISABLE_TIMING))

    def copy_in(self, to: Memory, data: U8, stream: Stream) -> None:
        """See `Gpu.copy_in`."""
        with _translated(self._cuda):
            self._cuda.memcpy_htod_async(to.address, data, _of(stream))

    def copy_out(self, to: U8, data: Memory, stream: Stream) -> None:
        """See `Gpu.copy_out`."""
        with _translated(self._cuda):
            self._cuda.memcpy_dtoh_async(to, data.address, _of(stream))

    def captured(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """See `Gpu.captured`."""
        graphs = self._graphs
        mode = graphs.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        _ask(graphs, "cuStreamBeginCapture", stream.handle, mode)
        try:
            work()
        except BaseException:
            _, begun = graphs.cuStreamEndCapture(stream.handle)  # it must not stay in capture
            if begun is not None:
                graphs.cuGraphDestroy(begun)
            raise
        graph = _ask(graphs, "cuStreamEndCapture", stream.handle)
        try:
            return _Graph(graphs, _ask(graphs, "cuGraphInstantiate", graph, 0))
        finally:
            _ask(graphs, "cuGraphDestroy", graph)

    def close(self) -> None:
        """See `Gpu.close`."""
        try:
            with _translated(self._cuda):
                self._context.push()  # only then does pycuda let go of it in any thread
        except EngineFault:
            self._context.detach()  # pycuda now leaves alone what it made, where it would else end the process
            raise
        with _translated(self._cuda):
            self._context.detach()
        _ask(self._graphs, "cuCtxPopCurrent")  # the driver never takes a released one off by itself


class _Memory:
    def __init__(self, cuda: Any, allocation: Any, nbytes: int) -> None:
        self.address = int(allocation)
        self.nbytes = nbytes
        self._cuda = cuda
        self._allocation = allocation

    def free(self) -> None:
        with _translated(self._cuda):
            self._allocation.free()


class _Pinned:
    def __init__(self, cuda: Any, array: Any) -> None:
        self.array: U8 = array
        self._cuda = cuda

    def free(self) -> None:
        with _translated(self._cuda):
            self.array.base.free()  # type: ignore[union-attr]  # the allocation, which pycuda puts there


class _Stream:
    def __init__(self, cuda: Any, stream: Any) -> None:
        self.handle = int(stream.handle)
        self.stream = stream
        self._cuda = cuda

    def record(self, event: Event) -> None:
        with _translated(self._cuda):
            _of(event).record(self.stream)

    def wait(self, event: Event) -> None:
        with _translated(self._cuda):
            self.stream.wait_for_event(_of(event))

    def synchronize(self) -> None:
        with _translated(self._cuda):
            self.stream.synchronize()

    def close(self) -> None:
        self.stream = None  # pycuda destroys it with its last reference


class _Event:
    def __init__(self, cuda: Any, event: Any) -> None:
        self.event = event
        self._cuda = cuda

    def synchronize(self) -> None:
        with _translated(self._cuda):
            self.event.synchronize()

    def close(self) -> None:
        self.event = None  # likewise


class _Graph:
    def __init__(self, graphs: Any, executable: Any) -> None:
        self._graphs = graphs
        self._executable = executable

    def launch(self, stream: Stream) -> None:
        _ask(self._graphs, "cuGraphLaunch", self._executable, stream.handle)

    def close(self) -> None:
        _ask(self._graphs, "cuGraphExecDestroy", self._executable)


def _of(ours: Stream | Event) -> Any:
    """What pycuda calls a stream or an event of ours."""
    if isinstance(ours, _Stream):
        return ours.stream
    if isinstance(ours, _Event):
        return ours.event
    raise EngineFault(f"CUDA: {type(ours).__name__} is of another device")


@contextlib.contextmanager
def _translated(cuda: Any) -> Iterator[None]:
    """Raise what pycuda raises as ours."""
    try:
        yield
    except cuda.MemoryError as err:
        raise OutOfMemory(f"CUDA: {_line(err)}") from err
    except cuda.Error as err:
        raise EngineFault(f"CUDA: {_line(err)}") from err


def _ask(graphs: Any, function: str, *arguments: object) -> Any:
    """What a function of the driver gives; it answers with a status, and with a result where it has one."""
    status, *result = getattr(graphs, function)(*arguments)
    if status == graphs.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
        raise OutOfMemory(f"CUDA: {function} failed: out of memory")
    if status != graphs.CUresult.CUDA_SUCCESS:
        raise EngineFault(f"CUDA: {function} failed: {status.name}")
    return result[0] if result else None


def _line(err: Exception) -> str:
    return " ".join(str(err).split())[:200]
