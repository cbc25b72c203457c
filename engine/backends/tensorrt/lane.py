"""A lane computes on one stream, and its sides bring crops there and fetch results while it does.

A side is one half of the double buffers: pinned memory and device memory for one batch, and a stream for its copies. It
serves one caller at a time. While the lane computes one side's batch, the other side copies. All batches of a lane are
computed one after the other, so that its contexts share one scratch memory.

    copy stream of a side     copy in ─┐ arrived              ┌─ copy out ─ left
    compute stream of lane             └─ graph ─ computed ───┘
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from phenostream.engine.backends.tensorrt.capture import captured
from phenostream.engine.backends.tensorrt.gpu import Gpu, Graph, Memory, Pinned, Stream
from phenostream.engine.backends.tensorrt.layout import Layout
from phenostream.engine.backends.tensorrt.program import Context, Program
from phenostream.engine.errors import EngineFault
from phenostream.engine.types import F32, OUTPUT_SHAPES

_Freed = TypeVar("_Freed", Memory, Pinned)


@dataclass(frozen=True, slots=True)
class Step:
    """One batch size of one side: its graph, and where its tensors lie in the side's buffers.

    Attributes:
        given: Inputs by name, (bucket, ...) views of the pinned memory.
        found: Outputs by name, likewise.
    """

    graph: Graph
    inputs: Layout
    outputs: Layout
    given: Mapping[str, npt.NDArray[Any]]
    found: Mapping[str, npt.NDArray[Any]]


class Lane:
    """One compute stream; made, used and closed with the GPU's context current."""

    def __init__(self, gpu: Gpu, program: Program, buckets: Sequence[int], sides: int) -> None:
        """Capture every batch size for every side.

        Args:
            gpu: The device.
            program: Must outlive the lane.
            buckets: Batch sizes, in rising order.
            sides: 1 or 2.

        Raises:
            EngineFault: The library or the device refused; nothing is left of the lane then.
            OutOfMemory: Likewise, for want of memory.
        """
        self._gpu = gpu
        self._enqueuing = threading.Lock()
        with contextlib.ExitStack() as stack:
            self._compute = gpu.stream()
            stack.callback(self._compute.close)
            memory = stack.enter_context(contextlib.ExitStack())  # outlives all that uses it
            contexts = [self._contexts(stack, program, buckets) for _ in range(sides)]
            needed = max(context.scratch_bytes for side in contexts for context in side)
            scratch = gpu.memory(max(needed, 1))
            memory.callback(scratch.free)
            self.sides = [self._side(stack, memory, program, side, scratch) for side in contexts]
            self._resources = stack.pop_all()

    def compute(self, side: "Side", step: Step) -> None:
        """Enqueue one batch between the side's copies."""
        with self._enqueuing:  # else one side's graph could be made to wait for the other's copy
            self._compute.wait(side.arrived)
            step.graph.launch(self._compute)
            self._compute.record(side.computed)

    def settle(self) -> None:
        """Wait for all that was enqueued, as far as the device still answers."""
        with contextlib.suppress(EngineFault):
            self._compute.synchronize()

    def close(self) -> None:
        """Free graphs, contexts, memory and streams, in this order; none of its sides is in use."""
        self._resources.close()

    def _contexts(
        self, stack: contextlib.ExitStack, program: Program, buckets: Sequence[int]
    ) -> list[Context]:
        contexts = []
        for bucket in buckets:
            contexts.append(program.context(bucket, self._compute))
            stack.callback(contexts[-1].close)
        return contexts

    def _side(
        self,
        stack: contextlib.ExitStack,
        memory: contextlib.ExitStack,
        program: Program,
        contexts: Sequence[Context],
        scratch: Memory,
    ) -> "Side":
        """Buffers for the largest batch, and a graph for every size."""
        largest = contexts[-1].bucket
        side = Side(self, self._gpu, program, largest, memory)
        for context in contexts:
            inputs = program.input_layout(context.bucket)
            outputs = program.output_layout(context.bucket)
            addresses = {
                **_addresses(inputs, side.device_in),
                **_addresses(outputs, side.device_out),
            }
            graph = captured(self._gpu, context, self._compute, scratch, addresses)
            stack.callback(graph.close)
            side.add(context.bucket, graph, inputs, outputs)
        return side


class Side:
    """One caller's buffers.

    Attributes:
        steps: By batch size, in rising order.
        device_in: Inputs on the device.
        device_out: Outputs on the device.
        arrived: The inputs are on the device.
        computed: The outputs are there.
    """

    def __init__(
        self, lane: Lane, gpu: Gpu, program: Program, largest: int, memory: contextlib.ExitStack
    ) -> None:
        """Take buffers for batches of up to `largest` crops; `memory` gives them back."""
        self.steps: dict[int, Step] = {}
        self._lane = lane
        self._gpu = gpu
        inputs, outputs = program.input_layout(largest), program.output_layout(largest)
        self._copies: Stream = gpu.stream()
        memory.callback(self._copies.close)
        self._host_in = _kept(gpu.pinned(inputs.nbytes), memory)
        self._host_out = _kept(gpu.pinned(outputs.nbytes), memory)
        self.device_in = _kept(gpu.memory(inputs.nbytes), memory)
        self.device_out = _kept(gpu.memory(outputs.nbytes), memory)
        self.arrived, self.computed, self._left = gpu.event(), gpu.event(), gpu.event()
        for event in (self.arrived, self.computed, self._left):
            memory.callback(event.close)
        # What no batch has filled yet is computed too, as padding: let it be finite.
        gpu.copy_in(self.device_in, self._host_in.array, self._copies)
        self._copies.synchronize()

    def add(self, bucket: int, graph: Graph, inputs: Layout, outputs: Layout) -> None:
        """Have batches of up to `bucket` crops run by a graph; larger ones come later."""
        given, found = inputs.views(self._host_in.array), outputs.views(self._host_out.array)
        self.steps[bucket] = Step(graph, inputs, outputs, given, found)

    def run(self, images: F32, background: F32) -> list[F32]:
        """The eight outputs of a batch of any size, owned by the caller, in the order of `OUTPUT_SHAPES`.

        A batch that is larger than the largest step is run in parts.

        Raises:
            EngineFault: The device or its driver failed; nothing of the batch is still under way.
        """
        count, most = len(images), max(self.steps)
        columns = {
            name: np.empty((count, *shape), np.float32) for name, shape in OUTPUT_SHAPES.items()
        }
        try:
            for first in range(0, count, most):
                part = slice(first, first + most)
                given = {"images": images[part], "background": background[part]}
                self._run_part(given, {name: column[part] for name, column in columns.items()})
        except BaseException:
            self._settle()
            raise
        return list(columns.values())

    def _run_part(self, given: Mapping[str, F32], columns: Mapping[str, F32]) -> None:
        """One batch that fits a step, padded to it; the rows behind it hold what an earlier batch left there."""
        count = len(given["images"])
        step = next(self.steps[bucket] for bucket in self.steps if bucket >= count)
        for name, view in step.given.items():
            view[:count] = given[name]
        self._gpu.copy_in(
            self.device_in, self._host_in.array[: step.inputs.used(count)], self._copies
        )
        self._copies.record(self.arrived)
        self._lane.compute(self, step)
        self._copies.wait(self.computed)
        self._gpu.copy_out(
            self._host_out.array[: step.outputs.used(count)], self.device_out, self._copies
        )
        self._copies.record(self._left)
        self._left.synchronize()
        for name, view in step.found.items():
            columns[name][:] = view[:count]

    def _settle(self) -> None:
        """After a failure: no copy may still read or write the buffers when the next caller has them."""
        self._lane.settle()
        with contextlib.suppress(EngineFault):
            self._copies.synchronize()


def _addresses(layout: Layout, memory: Memory) -> dict[str, int]:
    return {name: memory.address + offset for name, offset in layout.offsets.items()}


def _kept(made: _Freed, memory: contextlib.ExitStack) -> _Freed:
    memory.callback(made.free)
    return made
