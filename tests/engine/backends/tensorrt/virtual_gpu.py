"""A GPU that is nothing but addresses and an order of work; it refuses what a device answers with a crash or a lie.

Work is done as late as it may be: nothing runs before somebody waits for it, and then only what must have run by then.
A copy or a run that is ordered before another only by luck therefore gives wrong numbers here every time. Beyond that,
every two uses of the same bytes of which one writes must be ordered by a stream, an event or a wait of the host (a
happens-before relation, kept with vector clocks); addresses are never used again, so that a dangling one is known for
what it is.

The host counts as one thread here: what two of its threads hand to each other by other means is taken as ordered.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from phenostream.engine.backends.tensorrt.gpu import (
    ALIGNMENT,
    Event,
    Graph,
    Memory,
    OutOfMemory,
    Pinned,
    Stream,
)
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import U8
from tests.engine.backends.tensorrt.virtual_order import (
    Block,
    Clock,
    Use,
    VirtualEvent,
    VirtualGraph,
    VirtualStream,
    Work,
)

FIRST_ADDRESS = 0x7F00_0000_0000
POISON = 0xFF
"""Bytes of memory that nobody wrote: four of them are a NaN."""


class Refused(AssertionError):
    """What the backend did, and why a device would not have stood for it."""


class VirtualGpu:
    """See `Gpu`.

    Attributes:
        refusals: All that was refused, also where the refusal itself was swallowed.
        gone: The driver has vanished: every call fails from now on.
        fails_at: This call fails.
        compiled: Batch sizes that a library compiled kernels for while it loaded.
        together: Where it is set, waits of the host for an event meet here first.
    """

    name = "virtual"

    def __init__(self, capacity: int = 1 << 30) -> None:
        self.capacity = capacity
        self.refusals: list[str] = []
        self.gone = False
        self.fails_at = ""
        self.compiled: list[int] = []
        self.closed = 0
        self.together: threading.Barrier | None = None
        self.blocks: list[Block] = []
        self.streams: dict[int, VirtualStream] = {}
        self.open_things: set[object] = set()
        self.lock = threading.RLock()
        self.host: Clock = {}
        self._next_address = FIRST_ADDRESS
        self._next_stream = 1
        self._thread = threading.local()

    def refuse(self, why: str) -> Refused:
        self.refusals.append(why)
        if self.together is not None:
            self.together.abort()
        return Refused(why)

    def enter(self, call: str) -> None:
        """Before every call: the driver is there, and the context is current."""
        if self.gone or call == self.fails_at:
            raise EngineFault(f"CUDA: {call} failed: CUDA_ERROR_UNKNOWN")
        if self.depth < 1:
            raise self.refuse(f"{call} in a thread without the context")

    def enter_outside_capture(self, call: str) -> None:
        self.enter(call)
        if self.capturing is not None:
            raise self.refuse(f"{call} while this thread captures")

    @property
    def depth(self) -> int:
        """How often the context was made current in this thread."""
        return getattr(self._thread, "depth", 0)

    @property
    def capturing(self) -> VirtualStream | None:
        return getattr(self._thread, "capturing", None)

    @contextmanager
    def current(self) -> Iterator[None]:
        if self.gone:
            raise EngineFault("CUDA: cuCtxPushCurrent failed: CUDA_ERROR_UNKNOWN")
        if self.closed:
            raise self.refuse("the context is made current after it was let go")
        self._thread.depth = self.depth + 1
        try:
            yield
        finally:
            self._thread.depth = self.depth - 1

    def free_bytes(self) -> int:
        self.enter("cuMemGetInfo")
        return self.capacity - sum(
            len(block.data) for block in self.blocks if block.live and block.what == "memory"
        )

    def memory(self, nbytes: int) -> Memory:
        self.enter_outside_capture("cuMemAlloc")
        if nbytes < 1:
            raise self.refuse(f"cuMemAlloc of {nbytes} bytes")
        if nbytes > self.free_bytes():
            raise OutOfMemory("CUDA: cuMemAlloc failed: out of memory")
        block = Block("memory", self._next_address, np.full(nbytes, POISON, np.uint8))
        self._next_address += -(-nbytes // ALIGNMENT) * ALIGNMENT + ALIGNMENT
        self.blocks.append(block)
        return VirtualMemory(self, block)

    def pinned(self, nbytes: int) -> Pinned:
        self.enter_outside_capture("cuMemHostAlloc")
        data = np.zeros(nbytes, np.uint8)
        block = Block("pinned", data.ctypes.data, data)
        self.blocks.append(block)
        return VirtualPinned(self, block)

    def stream(self) -> Stream:
        self.enter_outside_capture("cuStreamCreate")
        stream = VirtualStream(self, self._next_stream)
        self._next_stream += 1
        self.streams[stream.handle] = stream
        self.open_things.add(stream)
        return stream

    def event(self) -> Event:
        self.enter_outside_capture("cuEventCreate")
        event = VirtualEvent(self)
        self.open_things.add(event)
        return event

    def copy_in(self, to: Memory, data: U8, stream: Stream) -> None:
        source, target = self._pinned(data), self.at(to.address, len(data), "a copy in")
        before = data.copy()

        def run() -> None:
            if not np.array_equal(before, data):
                raise self.refuse("pinned memory was written to while a copy of it was under way")
            target.block.data[target.first : target.end] = data

        self._ours(stream).enqueue(Work("copy in", (source, target), run))

    def copy_out(self, to: U8, data: Memory, stream: Stream) -> None:
        target = self._pinned(to, writes=True)
        source = self.at(data.address, len(to), "a copy out", writes=False)
        if self.capturing is None:
            to[:] = POISON

        def run() -> None:
            to[:] = source.block.data[source.first : source.end]

        self._ours(stream).enqueue(Work("copy out", (source, target), run))

    def captured(self, stream: Stream, work: Callable[[], None]) -> Graph:
        ours = self._ours(stream)
        self.enter_outside_capture("cuStreamBeginCapture")
        ours.captured = []
        self._thread.capturing = ours
        try:
            work()
        finally:
            self._thread.capturing = None
            works, ours.captured = ours.captured, None
        if not works:
            raise self.refuse("a capture of nothing")
        graph = VirtualGraph(self, works)
        self.open_things.add(graph)
        return graph

    def close(self) -> None:
        if self.gone:
            raise EngineFault("CUDA: cuDevicePrimaryCtxRelease failed: CUDA_ERROR_UNKNOWN")
        if self.depth:
            raise self.refuse("the context is let go where it is current")
        self.closed += 1
        if self.closed > 1:
            raise self.refuse("the context is let go twice")

    def at(self, address: int, nbytes: int, what: str, *, writes: bool = True) -> Use:
        """Device memory by address; refuses what is not all in one live block."""
        for block in self.blocks:
            end = block.address + len(block.data)
            if block.what == "memory" and block.address <= address <= end - nbytes:
                if not block.live:
                    raise self.refuse(f"{what} at an address that was freed")
                return block.use(address, nbytes, writes=writes)
        raise self.refuse(f"{what} of {nbytes} bytes at {address:#x}, which is no device memory")

    def check_done(self, block: Block, what: str) -> None:
        """Refuse to end something while work that uses it may be under way."""
        for _, stream, tick in block.history:
            if self.host.get(stream, 0) < tick:
                raise self.refuse(f"{what} while it is in use")

    def verify(self) -> None:
        """Nothing was refused, and nothing is left."""
        left = [f"{len(block.data)} bytes of {block.what}" for block in self.blocks if block.live]
        left += sorted(type(thing).__name__ for thing in self.open_things)
        if self.depth:
            left.append("a context that is still current")
        if self.closed != 1:
            left.append("the context")
        if self.refusals or left:
            raise Refused("; ".join([*self.refusals, *(f"left: {thing}" for thing in left)]))

    def _pinned(self, data: U8, *, writes: bool = False) -> Use:
        address = data.ctypes.data
        for block in self.blocks:
            offset = address - block.address
            if block.what == "pinned" and 0 <= offset <= len(block.data) - len(data):
                if not block.live:
                    raise self.refuse("a copy with pinned memory that was freed")
                return block.use(address, len(data), writes=writes)
        raise self.refuse("a copy with memory that is not pinned")

    def _ours(self, stream: Stream) -> VirtualStream:
        return self.streams[stream.handle]


SCRATCH = 1 << 20
"""Contexts of the virtual library work in at least this much, and no other memory of these tests is as large."""


class VirtualMemory:
    def __init__(self, gpu: VirtualGpu, block: Block) -> None:
        self.address = block.address
        self.nbytes = len(block.data)
        self._gpu = gpu
        self._block = block

    def free(self) -> None:
        gpu, block = self._gpu, self._block
        gpu.enter_outside_capture("cuMemFree")
        if not block.live:
            raise gpu.refuse("memory is freed twice")
        gpu.check_done(block, "memory is freed")
        block.live = False
        block.data[:] = POISON
        if block.held_by:
            raise gpu.refuse(f"memory is freed before {', '.join(sorted(block.held_by))}")


class VirtualPinned:
    def __init__(self, gpu: VirtualGpu, block: Block) -> None:
        self.array = block.data
        self._gpu = gpu
        self._block = block

    def free(self) -> None:
        gpu, block = self._gpu, self._block
        gpu.enter_outside_capture("cuMemFreeHost")
        if not block.live:
            raise gpu.refuse("pinned memory is freed twice")
        gpu.check_done(block, "pinned memory is freed")
        block.live = False
        block.data[:] = POISON
