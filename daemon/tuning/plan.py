"""What is worth measuring: which backends and precisions, in how many streams and threads, in batches of which size.

Pure, but that it asks how many cores and CUDA devices there are.
"""

from dataclasses import dataclass, field
from typing import Final

from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.options import usable_cores
from phenostream.engine.backends.registry import AUTO_ORDER, NEED_CUDA, PRECISIONS
from phenostream.engine.manifest import Precision

CPU_BATCHES: Final = (16, 32, 64)
GPU_BATCHES: Final = (128, 512, 1024)
"""Sizes that TensorRT pads to anyway."""
UNMEASURED_BATCH: Final = 32
"""Cells of a batch where neither the configuration nor a measurement says."""
_GPU_STREAMS: Final = (2, 4)
_MOST_LAYOUTS: Final = 4
_MOST_CPU_STREAMS: Final = 64
KEEP_PLANS: Final = ("tensorrt", "tensorrt_rtx")
"""Rows that build an engine for minutes, once."""


def auto_backends() -> tuple[str, ...]:
    """Rows that `auto` may take on this box."""
    on_gpu = cuda_devices() > 0
    return tuple(name for name in AUTO_ORDER if on_gpu or name not in NEED_CUDA)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure of a bundle.

    Attributes:
        backends: Rows of the visible table.
        streams: The only number to try; None: several.
        max_batch: Likewise.
        precision: Likewise.
        compile: See `BackendOptions`.
        cores: Cores this process may use.
    """

    backends: tuple[str, ...]
    streams: int | None = None
    max_batch: int | None = None
    precision: Precision | None = None
    compile: bool = False
    cores: int = field(default_factory=usable_cores)

    def rows(self) -> list[tuple[str, Precision]]:
        """Every backend in every precision that it may have."""
        return [
            (name, precision)
            for name in self.backends
            for precision in PRECISIONS[name]
            if self.precision in (None, precision)
        ]

    def layouts(self, backend: str) -> list[tuple[int, int]]:
        """Streams, and threads of all together: all cores busy, in ever fewer calls at once."""
        if self.streams is not None:
            return [(self.streams, max(self.streams, min(self.cores, 256)))]
        if backend in NEED_CUDA:
            return [(streams, streams) for streams in _GPU_STREAMS]
        layouts: list[tuple[int, int]] = []
        streams = min(self.cores, _MOST_CPU_STREAMS)
        while streams > 1 and len(layouts) < _MOST_LAYOUTS - 1:
            layouts.append((streams, min(self.cores - self.cores % streams, 256)))
            streams //= 2
        return [*layouts, (1, min(self.cores, 256))]

    def usual(self, backend: str) -> tuple[int, int] | None:
        """Streams and batch of a daemon that knows nothing of its box, on a CPU."""
        if backend in NEED_CUDA:
            return None
        return self.layouts(backend)[0][0], self.max_batch or UNMEASURED_BATCH

    def batches(self, backend: str) -> tuple[int, ...]:
        """Crops of a call, the smallest first."""
        if self.max_batch is not None:
            return (self.max_batch,)
        return GPU_BATCHES if backend in NEED_CUDA else CPU_BATCHES
