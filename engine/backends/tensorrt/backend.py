"""TensorRT and TensorRT-RTX on the first CUDA device: the bundle's plan, replayed from captured graphs.

The plan comes from the engine cache or is built now. Two callers share a lane, which computes one's batch while the
other's is copied; there are at most two lanes. Where the device has no room for all of it there are fewer lanes, then
smaller batches, and a warning says so. What an engine is, `program` knows; what a device is, `cuda`.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from phenostream.engine.backends.driver import DeviceFacts, cuda_devices, device_facts
from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.tensorrt.build import BuildSettings, best_precision
from phenostream.engine.backends.tensorrt.cuda import open_gpu
from phenostream.engine.backends.tensorrt.gpu import Gpu, OutOfMemory
from phenostream.engine.backends.tensorrt.kernels import KeptKernels
from phenostream.engine.backends.tensorrt.lane import Lane, Side
from phenostream.engine.backends.tensorrt.library import Library, import_library, one_line
from phenostream.engine.backends.tensorrt.plan import obtained_plan, plan_facts
from phenostream.engine.backends.tensorrt.profile import buckets_for, used_buckets
from phenostream.engine.backends.tensorrt.program import Program, RefusedPlan
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import EngineFault, PhenostreamError
from phenostream.engine.types import F32, Outputs

logger = logging.getLogger(__name__)

_MOST_STREAMS: Final = 4
"""Callers of one GPU: more would only hold memory, each is busy with a batch of its own."""
_SIDES: Final = 2
_RESERVE_BYTES: Final = 64 << 20
"""Device memory that stays free: runtimes load kernels late, and others use the device too."""


def open_tensorrt(name: str, bundle: Bundle, options: BackendOptions) -> "TensorRtBackend":
    """The backend on the first device of this box.

    Raises:
        MissingPackage: The library, pycuda or cuda-bindings is not installed.
        BadConfig: The bundle has no such precision.
        BadBundle: The library does not take the graph.
        EngineFault: There is no device or no driver, or the library or the device refused.
    """
    if not cuda_devices():  # without a driver the library crashes instead of raising
        raise EngineFault(f"{name}: no CUDA device, or no driver for it")
    library = import_library(name)
    device = device_facts()
    gpu = open_gpu("rtx" if library.is_rtx else "gpu")
    return TensorRtBackend(bundle, options, library, gpu, device)


class TensorRtBackend:
    """See `Backend`. Loading raises as `open_tensorrt` says."""

    def __init__(
        self,
        bundle: Bundle,
        options: BackendOptions,
        library: Library,
        gpu: Gpu,
        device: DeviceFacts,
    ) -> None:
        """Obtain the plan, load it and capture every batch size.

        Args:
            bundle: A verified bundle.
            options: `threads` and `compile` mean nothing here.
            library: What builds and runs the plan.
            gpu: Closed with this backend, also where loading fails.
            device: Facts of the same device, which the plan is of.
        """
        self.name = library.name
        self.device = f"CUDA ({gpu.name})"
        self.max_batch = options.max_batch
        self.precision: str = options.precision or best_precision(bundle)
        self._gpu = gpu
        self._closed = self._ended = False
        self._ending = threading.Lock()
        self._idle: queue.SimpleQueue[Side] = queue.SimpleQueue()
        buckets = buckets_for(options.max_batch)
        self._buckets = used_buckets(buckets, options.max_batch)
        settings = BuildSettings(options.precision or best_precision(bundle), buckets)
        cache = options.cache
        with contextlib.ExitStack() as failing:
            failing.callback(_quietly, gpu.close, self.name)
            plan = obtained_plan(bundle, library, settings, device, cache)
            facts = plan_facts(bundle, library, settings, device)
            kernels = KeptKernels.of(cache, facts, device, self._buckets)
            try:
                lanes = self._load(library, plan, kernels, options.streams)
            except RefusedPlan:
                if cache is not None:  # the next start builds another
                    cache.drop(facts)
                raise
            failing.pop_all()
        for side in [side for lane in lanes for side in lane.sides]:
            self._idle.put(side)
        self.streams = self._idle.qsize()

    def infer(self, images: F32, background: F32) -> Outputs:
        """Run the plan on a free side of a lane; see `Backend.infer`."""
        if self._closed:
            raise EngineFault(f"{self.name}: used after close")
        side = self._idle.get()
        try:
            if self._closed:
                raise EngineFault("used after close")
            with self._gpu.current():
                columns = side.run(images, background)
        except EngineFault as err:
            raise EngineFault(f"{self.name}: {err}") from err
        finally:
            self._idle.put(side)
            self._end_if_idle()
        return Outputs(*columns)

    def close(self) -> None:
        """Take no more calls; what the device holds is freed now, or by the last call that is still inside."""
        self._closed = True
        self._end_if_idle()

    def _load(
        self, library: Library, plan: bytes, kernels: KeptKernels, streams: int
    ) -> list[Lane]:
        """The lanes; `_resources` holds what they stand on."""
        try:
            with self._gpu.current(), contextlib.ExitStack() as stack:
                program = Program(library, plan, kernels.content())
                stack.callback(program.close)
                lanes = self._lanes(stack, program, min(streams, _MOST_STREAMS))
                kernels.keep(program)
                self._resources = stack.pop_all()
        except PhenostreamError:
            raise
        except Exception as err:  # the library raises its own unrelated types
            raise EngineFault(f"{library}: cannot load the plan: {one_line(str(err))}") from err
        return lanes

    def _end_if_idle(self) -> None:
        if not self._closed:
            return
        with self._ending:
            if self._ended or self._idle.qsize() < self.streams:
                return
            self._ended = True
            _quietly(self._free, self.name)
            _quietly(self._gpu.close, self.name)

    def _free(self) -> None:
        with self._gpu.current():
            self._resources.close()

    def _lanes(self, stack: contextlib.ExitStack, program: Program, streams: int) -> list[Lane]:
        """Lanes for so many callers, as far as there is room; without room for one, a lane of smaller batches."""
        lanes: list[Lane] = []
        refused: str | None = None
        for sides, sizes in _shrinking(min(streams, _SIDES), self._buckets):
            try:
                lanes.append(self._lane(stack, program, sizes, sides))
                break
            except OutOfMemory as err:
                refused = str(err)
        else:
            raise EngineFault(f"{self.name}: not enough GPU memory for any batch: {refused}")
        while refused is None and len(lanes) * _SIDES < streams:
            sides = min(_SIDES, streams - len(lanes) * _SIDES)
            try:
                lanes.append(self._lane(stack, program, self._buckets, sides))
            except OutOfMemory as err:
                refused = str(err)
        if refused is not None:
            logger.warning(
                "%s: not enough GPU memory for %d streams of batches of %d: %d of %d instead (%s)",
                self.name,
                streams,
                self._buckets[-1],
                sum(len(lane.sides) for lane in lanes),
                max(lanes[0].sides[0].steps),
                refused,
            )
        return lanes

    def _lane(
        self, stack: contextlib.ExitStack, program: Program, buckets: Sequence[int], sides: int
    ) -> Lane:
        """A lane that leaves `_RESERVE_BYTES` free; else raises `OutOfMemory`, and nothing is left of it."""
        with contextlib.ExitStack() as made:
            lane = Lane(self._gpu, program, buckets, sides)
            made.callback(lane.close)
            left = self._gpu.free_bytes()
            if left < _RESERVE_BYTES:
                raise OutOfMemory(
                    f"{left >> 20} MiB would be left free, allowed {_RESERVE_BYTES >> 20} MiB and more"
                )
            stack.push(made.pop_all())
        return lane


def _shrinking(sides: int, buckets: tuple[int, ...]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Ever smaller lanes: all sides, one side, then without the largest batches."""
    if sides > 1:
        yield sides, buckets
    for end in range(len(buckets), 0, -1):
        yield 1, buckets[:end]


def _quietly(close: Callable[[], None], name: str) -> None:
    """Close what may be broken already: a driver that is gone frees everything by itself."""
    try:
        close()
    except EngineFault as err:
        logger.warning("%s: closing: %s", name, err)
