"""What the TensorRT backend wants of a GPU: a context, memory, streams, events, copies and captured graphs.

Small on purpose. `cuda.py` does it on a device; the tests do it in a virtual address space that refuses whatever a
device would answer with a crash or a wrong number. Every call but `Gpu.current` needs the context to be current in the
calling thread, and raises `EngineFault` where the driver refuses, now or since an earlier call.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

from phenostream.engine.errors import EngineFault
from phenostream.engine.types import U8

ALIGNMENT: Final = 256
"""Bytes; every address that a runtime is given is a multiple, as those of whole allocations are."""


class OutOfMemory(EngineFault):
    """The device, or the memory that may be pinned for it, is used up; less may still fit."""


class Memory(Protocol):
    """Device memory.

    Attributes:
        address: A multiple of `ALIGNMENT`.
        nbytes: Its length.
    """

    address: int
    nbytes: int

    def free(self) -> None:
        """Give it back; nothing on the device may still use it."""
        ...


class Pinned(Protocol):
    """Page-locked host memory, which alone can be copied while other work goes on.

    Attributes:
        array: (nbytes,) the memory; views of it die with it.
    """

    array: U8

    def free(self) -> None:
        """Give it back; no copy may still use it."""
        ...


class Event(Protocol):
    """A place in a stream's order of work."""

    def synchronize(self) -> None:
        """Wait until the work before the last `Stream.record` of it is done; releases the GIL, burns no core."""
        ...

    def close(self) -> None:
        """Destroy it."""
        ...


class Stream(Protocol):
    """Work that is done in order; different streams overlap.

    Attributes:
        handle: What a runtime calls it by; never the default stream.
    """

    handle: int

    def record(self, event: Event) -> None:
        """Have `event` mean: all that was enqueued here so far."""
        ...

    def wait(self, event: Event) -> None:
        """Have all that is enqueued here from now on wait for the event as last recorded."""
        ...

    def synchronize(self) -> None:
        """Wait until all that was enqueued is done; releases the GIL."""
        ...

    def close(self) -> None:
        """Destroy it; nothing may be enqueued any more."""
        ...


class Graph(Protocol):
    """Work that was captured once, with its addresses, and is launched as one."""

    def launch(self, stream: Stream) -> None:
        """Enqueue all of it."""
        ...

    def close(self) -> None:
        """Destroy it; it may not be running."""
        ...


class Gpu(Protocol):
    """One device through its primary context, which it shares with every other user in the process.

    Attributes:
        name: Of the device.
    """

    name: str

    def current(self) -> AbstractContextManager[None]:
        """The context, current in this thread for as long as the block lasts; may be nested."""
        ...

    def free_bytes(self) -> int:
        """Device memory that nobody has."""
        ...

    def memory(self, nbytes: int) -> Memory:
        """Device memory with whatever is in it; raises `OutOfMemory`."""
        ...

    def pinned(self, nbytes: int) -> Pinned:
        """Page-locked host memory, zeroed; raises `OutOfMemory`."""
        ...

    def stream(self) -> Stream:
        """A stream that does not wait for the default stream."""
        ...

    def event(self) -> Event:
        """An event that keeps no time."""
        ...

    def copy_in(self, to: Memory, data: U8, stream: Stream) -> None:
        """Enqueue a copy of pinned memory, or of a view of it, to the start of device memory."""
        ...

    def copy_out(self, to: U8, data: Memory, stream: Stream) -> None:
        """Enqueue a copy of the start of device memory that fills pinned memory, or a view of it."""
        ...

    def captured(self, stream: Stream, work: Callable[[], None]) -> Graph:
        """What `work` enqueues on the stream, not run but kept; other threads may use the device meanwhile."""
        ...

    def close(self) -> None:
        """Let go of the context; all that was made in it is closed already."""
        ...
