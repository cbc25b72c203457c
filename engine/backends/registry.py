"""The one visible table of backends, and how one is chosen.

A row's module is imported when the row is chosen, never before. `auto` tries what was measured on this box, the fastest
first, then the other rows in the table's order, and takes the first that loads and gives the golden outputs.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from phenostream.engine.backends.checked import CheckedBackend, self_test
from phenostream.engine.backends.driver import cuda_devices
from phenostream.engine.backends.measured import Measured, ranked
from phenostream.engine.backends.options import BackendOptions, Pace, Wishes, full_speed
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import (
    BadBundle,
    BadConfig,
    EngineFault,
    MissingPackage,
    PhenostreamError,
)
from phenostream.engine.manifest import Precision

logger = logging.getLogger(__name__)

Factory = Callable[[Bundle, BackendOptions], Backend]


def _openvino(bundle: Bundle, options: BackendOptions) -> Backend:
    from phenostream.engine.backends.openvino.backend import OpenVinoBackend

    return OpenVinoBackend(bundle, options)


def _onnxruntime(bundle: Bundle, options: BackendOptions) -> Backend:
    from phenostream.engine.backends.onnxruntime import OnnxRuntimeBackend

    return OnnxRuntimeBackend(bundle, options)


def _torch(bundle: Bundle, options: BackendOptions) -> Backend:
    try:
        from phenostream.engine.backends.torch.backend import TorchBackend
    except ImportError as err:
        raise MissingPackage(
            "torch is not installed: pip install 'phenostream[trainer]' for the torch backend"
        ) from err
    return TorchBackend(bundle, options)


def _fake(bundle: Bundle, options: BackendOptions) -> Backend:
    from phenostream.engine.backends.fake import FakeBackend

    return FakeBackend(streams=options.streams, max_batch=options.max_batch)


def _tensorrt(name: str) -> Factory:
    def open_it(bundle: Bundle, options: BackendOptions) -> Backend:
        from phenostream.engine.backends.tensorrt.backend import open_tensorrt

        return open_tensorrt(name, bundle, options)

    return open_it


BACKENDS: Final[dict[str, Factory]] = {
    "tensorrt": _tensorrt("tensorrt"),
    "tensorrt_rtx": _tensorrt("tensorrt_rtx"),
    "torch": _torch,
    "openvino": _openvino,
    "onnxruntime": _onnxruntime,
    "fake": _fake,
}
AUTO_ORDER: Final = ("tensorrt", "tensorrt_rtx", "torch", "openvino", "onnxruntime")
"""What `auto` tries, best first; `fake` is never chosen by itself."""
NEED_CUDA: Final = ("tensorrt", "tensorrt_rtx", "torch")
"""Rows that `auto` does not even import where there is no CUDA device."""
PRECISIONS: Final[dict[str, tuple[Precision, ...]]] = {
    "tensorrt": ("int8", "fp16", "fp32"),
    "tensorrt_rtx": ("int8", "fp16", "fp32"),
    "torch": ("fp16", "bf16", "fp32"),
    "openvino": ("int8", "bf16", "fp32"),
    "onnxruntime": ("int8", "fp32"),
    "fake": ("fp32",),
}
"""What each row is worth measuring in; a bundle or a device may have less."""


def open_backend(
    bundle: Bundle,
    name: str = "auto",
    *,
    threads: int | None = None,
    streams: int | None = None,
    max_batch: int | None = None,
    precision: Precision | None = None,
    compile: bool = False,
    cache: EngineCache | None = None,
    measured: Sequence[Measured] = (),
    pace: Pace = full_speed,
) -> Backend:
    """Load a bundle into a backend that has passed the golden self-test.

    A precision that the backend chose and that does not give the golden outputs gives way to float32, with a warning:
    the weights of others were not made for narrow arithmetic. A precision that was asked for is never replaced.

    Args:
        bundle: A verified bundle.
        name: A row of `BACKENDS`, or ``auto``.
        threads: Threads of all streams together; default: as measured, or one per stream.
        streams: Calls that run at the same time; default: as measured, or the cores this process may use.
        max_batch: Most crops a call may hold; default: as measured, or 256.
        precision: What to compute in; default: as measured, or the best the device has.
        compile: See `BackendOptions`.
        cache: See `BackendOptions`.
        measured: What this box was measured to do with this bundle. What the caller fixed wins over it.
        pace: See `BackendOptions`.

    Returns:
        A warm backend that raises `EngineFault` for outputs that are not finite.

    Raises:
        BadConfig: Unknown name, or an option out of range.
        MissingPackage: The chosen backend needs a package that is not installed.
        BadBundle: The golden outputs were not reproduced.
        EngineFault: The runtime could not load or run the model.
    """
    wishes = Wishes(streams, threads, max_batch, precision, compile, cache, pace)
    if name == "auto":
        return _first_that_works(bundle, _ways(AUTO_ORDER, wishes, measured), wishes)
    if name not in BACKENDS:
        allowed = ", ".join(("auto", *BACKENDS))
        raise BadConfig(f"backend: {name!r} is not known, allowed {allowed}")
    *better, usual = _ways((name,), wishes, measured)
    for way in better:
        try:
            return _open(bundle, *way)
        except BadBundle as err:
            if precision is not None:
                raise
            logger.warning("backend %s as measured passed over: %s", name, err)
    return _open(bundle, *usual)


def fallbacks(backend: str, choice: str = "auto") -> tuple[str, ...]:
    """Rows that may take over from a backend that fails, best first.

    Args:
        backend: The row that serves.
        choice: ``none``, a row, or ``auto``: the rows of `AUTO_ORDER` behind it, then those before it.
    """
    if choice != "auto":
        return () if choice == "none" else (choice,)
    if backend not in AUTO_ORDER:
        return ()
    place = AUTO_ORDER.index(backend)
    rows = (*AUTO_ORDER[place + 1 :], *AUTO_ORDER[:place])
    on_gpu = cuda_devices() > 0
    return tuple(row for row in rows if on_gpu or row not in NEED_CUDA)


def golden_test(backend: Backend, bundle: Bundle) -> float:
    """`self_test` of a backend that has a model; `fake` must only answer with finite numbers.

    On a GPU every batch size that is captured has kernels of its own, so there each size must give the golden outputs.

    Raises:
        BadBundle: Other outputs than the golden ones.
        EngineFault: The backend failed.
    """
    if backend.name != "fake":
        on_gpu = backend.device.startswith("CUDA")
        return self_test(backend, bundle, _captured_sizes(backend.max_batch) if on_gpu else ())
    crops = bundle.golden.crops
    backend.infer(crops.images[: backend.max_batch], crops.background[: backend.max_batch])
    return 0.0


def _captured_sizes(max_batch: int) -> list[int]:
    """Powers of two, all that any backend of a GPU captures below its largest batch, and that."""
    return [*(1 << power for power in range((max_batch - 1).bit_length())), max_batch]


def _open(bundle: Bundle, name: str, options: BackendOptions) -> Backend:
    backend: Backend = CheckedBackend(BACKENDS[name](bundle, options))
    try:
        worst = 0.0 if name == "fake" else golden_test(backend, bundle)
    except BadBundle as err:
        backend.close()
        if options.precision is not None or backend.precision == "fp32":
            raise
        logger.warning("backend %s: %s; fp32 instead", name, err)
        return _open(bundle, name, replace(options, precision="fp32"))
    except PhenostreamError:
        backend.close()
        raise
    logger.info(
        "backend %s on %s, %s, %d streams: golden difference %.1e",
        name,
        backend.device,
        backend.precision,
        backend.streams,
        worst,
    )
    return backend


def _ways(
    names: Iterable[str], wishes: Wishes, measured: Sequence[Measured]
) -> Iterator[tuple[str, BackendOptions]]:
    """What to try of some rows, best first: as measured, then each row as usual."""
    names = tuple(names)
    for row in ranked(row for row in measured if row.backend in names and wishes.allow(row)):
        yield row.backend, wishes.options(row)
    for name in names:
        yield name, wishes.options()


def _first_that_works(
    bundle: Bundle, ways: Iterable[tuple[str, BackendOptions]], wishes: Wishes
) -> Backend:
    passable = (BadBundle, EngineFault, MissingPackage)
    failures: list[PhenostreamError] = []
    on_gpu = cuda_devices() > 0
    for name, options in ways:
        if name in NEED_CUDA and not on_gpu:
            continue
        try:
            return _open(bundle, name, options)
        except PhenostreamError as err:
            # A row that has no such precision is no mistake of who asked `auto` for it.
            if not isinstance(err, passable) and wishes.precision is None:
                raise
            logger.warning("backend %s passed over: %s", name, err)
            failures.append(err)
    reasons = "; ".join(map(str, failures))
    if any(isinstance(err, BadBundle) for err in failures):
        raise BadBundle(f"no backend gives the golden outputs: {reasons}") from failures[0]
    raise EngineFault(f"no backend could be loaded: {reasons}") from failures[0]
