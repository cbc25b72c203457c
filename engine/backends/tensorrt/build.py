"""An ONNX graph made into a plan: parsed, compared with the bundle's contract, compiled for a set of batch buckets.

Networks are strongly typed: the types in the file are the types that are computed in. Float32 means float32, not the
shortened TF32 that the library would take by itself. Knows the library's builder; does not know files or caches.
"""

from dataclasses import dataclass
from typing import Any, Final

from phenostream.engine.backends.tensorrt.library import Library, Messages, listening, one_line
from phenostream.engine.backends.tensorrt.network import parsed_network
from phenostream.engine.backends.tensorrt.profile import (
    BUCKETS,
    INPUT_SHAPES,
    checked_buckets,
    profiles_of,
)
from phenostream.engine.backends.tensorrt.progress import Progress, Watch, monitor
from phenostream.engine.bundle import Bundle
from phenostream.engine.errors import BadConfig, EngineFault, PhenostreamError
from phenostream.engine.manifest import Precision

FILES: Final[dict[Precision, str]] = {
    "fp32": "model.onnx",
    "fp16": "model.fp16.onnx",
    "int8": "model.int8.onnx",
}
"""The file of a bundle that a plan of each precision is made of."""
LEAST_WORKSPACE_MIB: Final = 16
MOST_WORKSPACE_MIB: Final = 1 << 16
_MIB: Final = 1 << 20
_NO_MEMORY: Final = ("OutOfMemory", "out of memory", "workspace limit", "MEM_ALLOC_FAILED")
"""What the library writes where a build needs more memory than it may have."""


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """What a plan is made of and for.

    Attributes:
        precision: Which file of the bundle.
        buckets: Batch sizes that it serves, in rising order; see `profile`.
        workspace_mib: Most device memory that one layer of it may use beside the weights, MiB; 16 to 65536; None: the
            library decides.
        version_compatible: Later versions of the library can run it too; it is slower and carries a runtime.
        hardware_compatible: Every GPU of the same compute capability can run it; it may be slower.
    """

    precision: Precision = "fp16"
    buckets: tuple[int, ...] = BUCKETS
    workspace_mib: int | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False

    def __post_init__(self) -> None:
        checked_buckets(self.buckets)
        limit = self.workspace_mib
        if limit is not None and not LEAST_WORKSPACE_MIB <= limit <= MOST_WORKSPACE_MIB:
            raise BadConfig(
                f"workspace: {limit} MiB is out of range, "
                f"allowed {LEAST_WORKSPACE_MIB} to {MOST_WORKSPACE_MIB}"
            )

    @property
    def file(self) -> str:
        """The bundle's file that the plan is made of."""
        return FILES[self.precision]


@dataclass(frozen=True, slots=True)
class Built:
    """A plan, and what was learned of kernels while it was built; None: the library keeps no such thing."""

    plan: bytes
    timings: bytes | None


def best_precision(bundle: Bundle) -> Precision:
    """What to compute in where nobody said: float16 where the bundle has it; imported weights may not."""
    return "fp16" if FILES["fp16"] in bundle.files else "fp32"


def model_of(bundle: Bundle, precision: str) -> bytes:
    """The bundle's file for a precision.

    Raises:
        BadConfig: The bundle has none.
    """
    allowed = [key for key, name in FILES.items() if name in bundle.files]
    for key in allowed:
        if key == precision:
            return bundle.files[FILES[key]]
    raise BadConfig(
        f"tensorrt: precision {precision!r} is not available, allowed {', '.join(allowed)}"
    )


def build_plan(
    library: Library,
    onnx: bytes,
    settings: BuildSettings,
    *,
    timings: bytes | None = None,
    watch: Watch | None = None,
) -> Built:
    """Make a plan; takes seconds (RTX) to minutes, in the caller's thread, without the GIL.

    TensorRT itself needs the device that the plan is for, and crashes without: see that there is one. RTX needs none.
    Not for the main thread of a program whose signals' handlers raise, see `progress`.

    Args:
        library: What builds.
        onnx: Verified content of the bundle's file.
        settings: What for.
        timings: `Built.timings` of an earlier build with the same library on the same device: a quicker build.
        watch: Is told of progress; what it raises cancels the build and is raised here.

    Raises:
        BadBundle: An operator is not supported, or inputs or outputs are not those of a bundle.
        BadConfig: A setting is not one of this library's.
        EngineFault: The library failed; the text says where memory was short.
    """
    _check_settings(library, settings)
    messages = Messages()
    log = listening(library, messages)  # must outlive all that is made with it
    progress = Progress(watch.building) if watch is not None else None
    what = f"{library}: {settings.file}"
    if watch is not None:
        watch.building("parsing", 0.0)
    try:
        builder = library.trt.Builder(log)
        network, _parser = parsed_network(library, builder, log, onnx, settings.file)
        config = configured(library, builder, settings, timings)
        if progress is not None and hasattr(library.trt, "IProgressMonitor"):
            config.progress_monitor = monitor(library, progress)
        plan = builder.build_serialized_network(network, config)
    except PhenostreamError:
        raise
    except MemoryError as err:
        raise EngineFault(f"{what}: out of memory") from err
    except Exception as err:  # the library raises its own unrelated types
        raise EngineFault(f"{what}: cannot be built: {one_line(str(err))}") from err
    raised = messages.raised or (progress.raised if progress is not None else None)
    if raised is not None:
        raise raised
    if plan is None:
        raise EngineFault(_failed(what, settings, messages))
    if watch is not None:
        watch.building("built", 1.0)
    return Built(bytes(plan), _timings(library, config))


def _check_settings(library: Library, settings: BuildSettings) -> None:
    if not library.is_rtx:
        return
    for name, wanted, why in (
        ("version compatible", settings.version_compatible, "it has no lean runtime"),
        (
            "hardware compatible",
            settings.hardware_compatible,
            "its plans run on every GPU it knows",
        ),
    ):
        if wanted:
            raise BadConfig(f"{library.name}: {name}: not allowed; {why}")


def configured(
    library: Library, builder: Any, settings: BuildSettings, timings: bytes | None
) -> Any:
    """The builder's configuration: what may be used, for which shapes, and what is known of kernels already."""
    trt = library.trt
    config = builder.create_builder_config()
    if settings.workspace_mib is not None:
        limit = settings.workspace_mib * _MIB
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, limit)
    config.clear_flag(trt.BuilderFlag.TF32)
    if settings.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if settings.hardware_compatible:
        levels = trt.HardwareCompatibilityLevel
        config.hardware_compatibility_level = levels.SAME_COMPUTE_CAPABILITY
    if library.is_rtx:  # else it could not be captured into a graph, see `backend`
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    else:
        _use_timings(config, timings)
    for profile in profiles_of(library, settings.buckets):
        shapes = builder.create_optimization_profile()
        for name in INPUT_SHAPES:
            shapes.set_shape(name, *profile.shapes(name))
        config.add_optimization_profile(shapes)
    return config


def _use_timings(config: Any, timings: bytes | None) -> None:
    """Start from what was measured before, where the library takes it; RTX would look for a device."""
    for kept in (timings, b"") if timings else (b"",):
        cache = config.create_timing_cache(kept)
        if cache is not None and config.set_timing_cache(cache, False):
            return


def _timings(library: Library, config: Any) -> bytes | None:
    """What was measured of kernels in this build."""
    if library.is_rtx:
        return None
    cache = config.get_timing_cache()
    return None if cache is None else bytes(cache.serialize())


def _failed(what: str, settings: BuildSettings, messages: Messages) -> str:
    """Why there is no plan, in one line."""
    if not any(words in text for text in messages.errors for words in _NO_MEMORY):
        return f"{what}: cannot be built: {messages.reason()}"
    buckets = ",".join(map(str, settings.buckets))
    if settings.workspace_mib is None:
        return f"{what}: not enough memory for buckets {buckets}; allow smaller ones"
    return (
        f"{what}: a workspace of {settings.workspace_mib} MiB is not enough memory for buckets {buckets}; "
        "allow more or smaller ones"
    )
