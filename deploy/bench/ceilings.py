"""What the box itself can do: operations per second of large matrix products, bytes per second of its memory.

The matrix ceiling of a precision is a chain of large products or convolutions, whichever is faster, run by the runtime
that also runs the model; the memory ceiling is a triad (a = b + s * c) over arrays far larger than any cache. Both are
timed in the same rounds as the backends: a share of a ceiling then stands on a busy box too. None is the hardware's own
limit, which no library reaches; they are what a program on this box has been seen to reach.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np

from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.openvino.library import import_openvino
from phenostream.engine.backends.options import usable_cores
from phenostream.engine.errors import EngineFault, MissingPackage, PhenostreamError

MEMORY: Final = "memory"
_CHAIN: Final = 8
"""Steps in a row: what goes in and comes out is then a small part of the time."""
_HINTS: Final = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
_CAPABILITIES: Final = {"bf16": "BF16", "int8": "INT8"}
"""What the CPU must say of itself for a precision to be worth measuring."""
_SCOUT_S: Final = 0.1
_LOOKS: Final = 2
_TRIAD_BYTES: Final = 192 << 20
"""Of each of the three arrays, split among the cores."""
_CHUNK: Final = 1 << 15
"""Values at a time: their intermediate product stays in a core's cache."""


@dataclass(frozen=True, slots=True)
class _Shape:
    """One step of a chain, which gives what it takes: a matrix product, or a convolution that keeps its image.

    Attributes:
        words: For a person.
        entry: Shape of the values.
        weights: Shape of the weights, results first.
    """

    words: str
    entry: tuple[int, ...]
    weights: tuple[int, ...]

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * math.prod(self.entry) * math.prod(self.weights[1:])


_SHAPES: Final = (
    _Shape("products (512, 512) x (512, 512)", (512, 512), (512, 512)),
    _Shape("products (1024, 512) x (512, 512)", (1024, 512), (512, 512)),
    _Shape("convolutions 3 x 3 of (8, 128, 28, 28)", (8, 128, 28, 28), (128, 128, 3, 3)),
    _Shape("convolutions 3 x 3 of (8, 256, 14, 14)", (8, 256, 14, 14), (256, 256, 3, 3)),
)


class Ceiling:
    """One limit of the box; see `Probe`.

    Attributes:
        label: Such as ``CPU bf16`` or ``CPU memory``.
        how: What was run, for a person.
        unit: ``operations`` or ``bytes``, per second.
    """

    def __init__(
        self, label: str, how: str, unit: str, run: Callable[[], object], amount: float
    ) -> None:
        """A ceiling from a function that does `amount` of the unit a call; `run` blocks until it is done."""
        self.label, self.how, self.unit = label, how, unit
        self._run, self._amount = run, amount

    def rate(self, seconds: float) -> float:
        """Of the unit per second, measured for about so long."""
        began, calls = time.perf_counter(), 0
        while True:
            self._run()
            calls += 1
            took = time.perf_counter() - began
            if took >= seconds:
                return self._amount * calls / took


def measurable_ceilings(precisions: Sequence[str]) -> tuple[list[Ceiling], dict[str, str]]:
    """The ceilings of CPU, and of the GPU where torch can be asked.

    Args:
        precisions: Of the backends that are there.

    Returns:
        The ceilings, and by label why another one cannot be measured.
    """
    found: list[Ceiling] = [_cpu_memory()]
    absent: dict[str, str] = {}
    for precision in dict.fromkeys(precisions):
        if precision not in _HINTS:
            absent[f"CPU {precision}"] = "CPUs compute it in float32"
            continue
        try:
            found.append(_cpu_products(precision))
        except PhenostreamError as err:
            absent[f"CPU {precision}"] = str(err)
    if cuda_devices():
        try:
            found += _of_the_gpu(precisions)
        except PhenostreamError as err:
            absent["CUDA"] = str(err)
    return found, absent


def _cpu_products(precision: str) -> Ceiling:
    """The best of several shapes and layouts.

    Raises:
        MissingPackage: OpenVINO is not installed.
        EngineFault: The CPU has no units for the precision.
    """
    openvino = import_openvino()
    core = openvino.Core()
    needed = _CAPABILITIES.get(precision)
    if needed and needed not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise EngineFault(f"this CPU has no units for {precision}")
    cores = usable_cores()
    ceilings = []
    for shape, streams in product(_SHAPES, sorted({1, cores})):
        graph = _chain(openvino, shape, precision)
        compiled = core.compile_model(graph, "CPU", _settings(precision, streams, cores))
        how = f"OpenVINO, {_CHAIN} {shape.words} in a row, {streams} streams"
        run = _all_at_once(openvino, compiled, shape.entry, streams)
        amount = float(shape.operations * _CHAIN * streams)
        ceilings.append(Ceiling(f"CPU {precision}", how, "operations", run, amount))
    looks = [[ceiling.rate(_SCOUT_S) for ceiling in ceilings] for _ in range(_LOOKS)]
    return ceilings[int(np.max(looks, axis=0).argmax())]


def _settings(precision: str, streams: int, threads: int) -> dict[str, Any]:
    return {
        "NUM_STREAMS": streams,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "THROUGHPUT" if streams > 1 else "LATENCY",
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
    }


def _chain(openvino: Any, shape: "_Shape", precision: str) -> Any:
    """The same step in a row, reduced to one value at the end; in int8 both factors are quantised as a bundle's are."""
    ops = openvino.opset13
    end = 4.0 / math.prod(shape.weights[1:]) ** 0.5
    random = np.random.default_rng(0)
    factor = ops.constant(random.normal(scale=end / 4, size=shape.weights).astype(np.float32))
    if precision == "int8":
        factor = _quantised(ops, factor, end, 255)
    entry = value = ops.parameter(list(shape.entry), np.float32, "x")
    for _ in range(_CHAIN):
        if precision == "int8":
            value = _quantised(ops, value, 4.0, 256)
        if len(shape.entry) == 2:
            value = ops.matmul(value, factor, False, True)
        else:
            value = ops.convolution(value, factor, [1, 1], [1, 1], [1, 1], [1, 1])
    axes = ops.constant(np.arange(len(shape.entry)))
    return openvino.Model([ops.reduce_max(value, axes, False)], [entry], "products")


def _quantised(ops: Any, value: Any, end: float, levels: int) -> Any:
    low, high = (ops.constant(np.float32(side * end)) for side in (-1, 1))
    return ops.fake_quantize(value, low, high, low, high, levels)


def _all_at_once(
    openvino: Any, model: Any, entry: tuple[int, ...], streams: int
) -> Callable[[], object]:
    """A function that starts a request in every stream and waits for all of them."""
    values = np.random.default_rng(1).normal(size=entry).astype(np.float32)
    requests = [model.create_infer_request() for _ in range(streams)]
    for request in requests:
        request.set_input_tensor(openvino.Tensor(values))

    def run() -> None:
        for request in requests:
            request.start_async()
        for request in requests:
            request.wait()

    run()
    return run


def _cpu_memory() -> Ceiling:
    """A triad in as many threads as there are cores, each over arrays of its own."""
    cores = usable_cores()
    size = _TRIAD_BYTES // 8 // cores // _CHUNK * _CHUNK
    arrays = [tuple(np.full(size, value) for value in (0.0, 1.0, 2.0)) for _ in range(cores)]
    kept = threading.local()

    def triad(which: int) -> None:
        scratch = getattr(kept, "scratch", None)
        if scratch is None:
            scratch = kept.scratch = np.empty(_CHUNK)
        a, b, c = arrays[which]
        for start in range(0, size, _CHUNK):
            part = slice(start, start + _CHUNK)
            np.multiply(c[part], 3.0, out=scratch)
            np.add(b[part], scratch, out=a[part])

    pool = ThreadPoolExecutor(cores)

    def run() -> None:
        list(pool.map(triad, range(cores)))

    run()
    how = f"NumPy triad, {cores} threads, {_TRIAD_BYTES >> 20} MiB an array"
    return Ceiling(f"CPU {MEMORY}", how, "bytes", run, 3.0 * 8 * size * cores)


def _of_the_gpu(precisions: Sequence[str]) -> list[Ceiling]:
    """Products and a triad by torch on the first CUDA device.

    Raises:
        MissingPackage: torch is not installed, or cannot use the device.
    """
    try:
        from phenostream.engine.backends.torch.yardsticks import TYPES, products, triad
    except ImportError as err:
        raise MissingPackage(
            "torch is not installed: pip install 'phenostream[trainer]' to measure a GPU's ceilings"
        ) from err
    ceilings = []
    for precision in dict.fromkeys(precisions):
        if precision in TYPES:
            run, amount = products(precision)
            how = f"torch, products {precision} on the device"
            ceilings.append(Ceiling(f"CUDA {precision}", how, "operations", run, amount))
    run, amount = triad()
    how = "torch triad on the device"
    return [*ceilings, Ceiling(f"CUDA {MEMORY}", how, "bytes", run, amount)]
