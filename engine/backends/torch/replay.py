"""One CUDA stream with a captured graph per batch size: copy in, compute, copy out, all in one launch.

A batch is padded to the next captured size; the rows behind it hold whatever an earlier batch left there, and no row
reads another. All sizes share one memory pool and the same pinned host buffers, so that a lane holds what its largest
batch needs and no more. A lane serves one caller at a time; waiting releases the GIL.
"""

import math
from contextlib import AbstractContextManager
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from phenostream.engine.types import CROP_PX, F32, OUTPUT_SHAPES

_WIDTHS: Final = [math.prod(shape) for shape in OUTPUT_SHAPES.values()]
_WARM_UP_RUNS: Final = 3
"""Eager runs before a capture: the libraries choose their kernels and take their workspaces in these."""


def batch_sizes(max_batch: int) -> list[int]:
    """The captured sizes: powers of two below `max_batch`, and `max_batch` itself.

    At most half of a batch is padding, and a graph's launch costs so little that small batches need not be exact.
    """
    return [1 << power for power in range(max_batch.bit_length()) if 1 << power < max_batch] + [
        max_batch
    ]


class Replay:
    """The module on its own stream of the current CUDA device."""

    def __init__(self, module: torch.nn.Module, max_batch: int) -> None:
        """Capture every size, the largest first so that the others fit in its memory.

        Args:
            module: On the device, in evaluation mode; shared between lanes, never written.
            max_batch: Largest batch.
        """
        self._module = module
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch gives it no types
        self._done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]  # likewise
        self._images = _pinned(max_batch, 4, CROP_PX, CROP_PX)
        self._background = _pinned(max_batch, 4)
        self._columns = _pinned(max_batch, sum(_WIDTHS))
        self._images_view: F32 = self._images.numpy()
        self._background_view: F32 = self._background.numpy()
        self._columns_view: F32 = self._columns.numpy()
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._sizes = batch_sizes(max_batch)
        pool = torch.cuda.graph_pool_handle()
        with torch.inference_mode(), _libraries():
            for size in reversed(self._sizes):
                self._graphs[size] = self._capture(size, pool)

    def run(self, images: F32, background: F32) -> list[F32]:
        """The eight outputs, owned by the caller, in the order of `OUTPUT_SHAPES`."""
        count = len(images)
        size = next(size for size in self._sizes if size >= count)
        self._images_view[:count] = images
        self._background_view[:count] = background
        with torch.cuda.stream(self._stream):
            self._graphs[size].replay()
            self._done.record(self._stream)
        self._done.synchronize()
        ends = np.cumsum(_WIDTHS)[:-1]
        parts = np.split(self._columns_view[:count], ends, axis=1)
        return [
            part.reshape(count, *shape).copy()
            for part, shape in zip(parts, OUTPUT_SHAPES.values(), strict=True)
        ]

    def _capture(self, size: int, pool: Any) -> torch.cuda.CUDAGraph:
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_RUNS):
                self._step(size)
        self._stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool, stream=self._stream):
            self._step(size)
        return graph

    def _step(self, size: int) -> None:
        """What one launch does: every call here only enqueues."""
        images = self._images[:size].to("cuda", non_blocking=True)
        background = self._background[:size].to("cuda", non_blocking=True)
        images = images.contiguous(memory_format=torch.channels_last)
        outputs: tuple[Tensor, ...] = self._module(images, background)
        packed = torch.cat([output.float().reshape(size, -1) for output in outputs], dim=1)
        self._columns[:size].copy_(packed, non_blocking=True)


def _libraries() -> AbstractContextManager[None]:
    """The convolution library chooses its fastest kernels, but no TF32: float32 has to give float32's digits."""
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=True, allow_tf32=False
    )
    return context


def _pinned(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.float32, pin_memory=True)
