"""The order of work on a virtual GPU: streams, events and captured graphs, and who has waited for whom.

Work is done as late as it may be, and only what must be; see `virtual_gpu`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phenostream.engine.backends.tensorrt.gpu import Event, Stream
from phenostream.engine.types import U8

if TYPE_CHECKING:
    from tests.engine.backends.tensorrt.virtual_gpu import VirtualGpu

Clock = dict[int, int]
"""For each stream, by handle, how much of its work is known to be done before."""


@dataclass(frozen=True)
class Use:
    """Bytes that a piece of work reads or writes."""

    block: Block
    first: int
    end: int
    writes: bool


@dataclass(eq=False)
class Block:
    """Device memory, pinned memory, or something that only one piece of work may use at a time."""

    what: str
    address: int
    data: U8
    live: bool = True
    history: list[tuple[Use, int, int]] = field(default_factory=list)
    held_by: set[str] = field(default_factory=set)

    def use(self, address: int, nbytes: int, *, writes: bool) -> Use:
        first = address - self.address
        return Use(self, first, first + nbytes, writes)


@dataclass(frozen=True)
class Work:
    """One thing to do, and the bytes it touches."""

    name: str
    uses: tuple[Use, ...]
    run: Callable[[], None]


class VirtualEvent:
    def __init__(self, gpu: VirtualGpu) -> None:
        self._gpu = gpu
        self.clock: Clock | None = None

    def synchronize(self) -> None:
        gpu = self._gpu
        gpu.enter_outside_capture("cuEventSynchronize")
        if gpu.together is not None:
            gpu.together.wait(10)
        with gpu.lock:
            if self.clock is None:
                raise gpu.refuse("a wait for an event that nobody recorded")
            _reach(gpu, self.clock)

    def close(self) -> None:
        self._gpu.enter_outside_capture("cuEventDestroy")
        self._gpu.open_things.discard(self)


class VirtualStream:
    """A queue of work, each piece with its tick; `captured` is a list while a capture is under way."""

    def __init__(self, gpu: VirtualGpu, handle: int) -> None:
        self.handle = handle
        self.clock: Clock = {}
        self.captured: list[Work] | None = None
        self._gpu = gpu
        self._pending: deque[tuple[int, Clock, Work]] = deque()

    def enqueue(self, work: Work) -> None:
        gpu = self._gpu
        gpu.enter(work.name)
        if self not in gpu.open_things:
            raise gpu.refuse(f"{work.name} on a stream that was destroyed")
        if gpu.capturing is not None:
            if gpu.capturing is not self or self.captured is None:
                raise gpu.refuse(f"{work.name} on another stream while this thread captures")
            self.captured.append(work)
            return
        with gpu.lock:
            _merge(self.clock, gpu.host)
            tick = self.clock[self.handle] = self.clock.get(self.handle, 0) + 1
            for use in work.uses:
                self._order(work, use, tick)
            self._pending.append((tick, dict(self.clock), work))

    def record(self, event: Event) -> None:
        self._gpu.enter("cuEventRecord")
        assert isinstance(event, VirtualEvent)
        with self._gpu.lock:
            event.clock = dict(self.clock)

    def wait(self, event: Event) -> None:
        gpu = self._gpu
        gpu.enter("cuStreamWaitEvent")
        assert isinstance(event, VirtualEvent)
        if event.clock is None:
            raise gpu.refuse("a stream waits for an event that nobody recorded")
        with gpu.lock:
            _merge(self.clock, event.clock)

    def synchronize(self) -> None:
        self._gpu.enter_outside_capture("cuStreamSynchronize")
        with self._gpu.lock:
            _reach(self._gpu, self.clock)

    def close(self) -> None:
        self._gpu.enter_outside_capture("cuStreamDestroy")
        if self._pending:
            raise self._gpu.refuse("a stream is destroyed with work under way")
        self._gpu.open_things.discard(self)

    def reach(self, tick: int) -> None:
        """Do what is due up to a tick, and whatever had to be done before."""
        while self._pending and self._pending[0][0] <= tick:
            _, clock, work = self._pending.popleft()
            _run(self._gpu, {**clock, self.handle: 0})
            work.run()

    def _order(self, work: Work, use: Use, tick: int) -> None:
        """Refuse a use of bytes that is not ordered with an earlier one; remember it."""
        gpu, block = self._gpu, use.block
        if not block.live:
            raise gpu.refuse(f"{work.name} with {block.what} that was freed")
        kept = []
        for earlier, stream, when in block.history:
            if gpu.host.get(stream, 0) < when:
                kept.append((earlier, stream, when))
                meets = earlier.first < use.end and use.first < earlier.end
                if meets and (earlier.writes or use.writes) and self.clock.get(stream, 0) < when:
                    raise gpu.refuse(f"{work.name} uses {block.what} while other work does")
        block.history = [*kept, (use, self.handle, tick)]


class VirtualGraph:
    def __init__(self, gpu: VirtualGpu, works: Iterable[Work]) -> None:
        self._gpu = gpu
        self._works = tuple(works)
        self._name = f"the graph {id(self)}"
        for block in self._blocks():
            block.held_by.add(self._name)

    def launch(self, stream: Stream) -> None:
        gpu = self._gpu
        gpu.enter_outside_capture("cuGraphLaunch")
        if self not in gpu.open_things:
            raise gpu.refuse("a graph is launched that was destroyed")
        for work in self._works:
            gpu.streams[stream.handle].enqueue(work)

    def close(self) -> None:
        gpu = self._gpu
        gpu.enter_outside_capture("cuGraphExecDestroy")
        if self not in gpu.open_things:
            raise gpu.refuse("a graph is destroyed twice")
        for block in self._blocks():
            block.held_by.discard(self._name)
            gpu.check_done(block, "a graph is destroyed")
        self._works = ()
        gpu.open_things.discard(self)

    def _blocks(self) -> set[Block]:
        return {use.block for work in self._works for use in work.uses}


def _merge(clock: Clock, other: Mapping[int, int]) -> None:
    for stream, tick in other.items():
        clock[stream] = max(clock.get(stream, 0), tick)


def _reach(gpu: VirtualGpu, clock: Clock) -> None:
    """The host has waited for all that a clock knows of."""
    _run(gpu, clock)
    _merge(gpu.host, clock)


def _run(gpu: VirtualGpu, clock: Clock) -> None:
    for handle, tick in clock.items():
        gpu.streams[handle].reach(tick)
