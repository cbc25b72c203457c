"""A stand-in for the module `tensorrt`, which cannot be installed without its maker's index: it records how it is used.

It takes any bytes for the bundle's graph and gives a plan that says how it was configured. It knows just the names that
TensorRT 10 and 11 share.
"""

from enum import Enum, IntEnum
from types import SimpleNamespace
from typing import Any, Final

from phenostream.engine.backends.tensorrt.library import Library
from phenostream.engine.backends.tensorrt.profile import INPUT_SHAPES
from phenostream.engine.types import OUTPUT_SHAPES

LEARNED: Final = b"times of kernels"


class Severity(IntEnum):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2


class DataType(Enum):
    FLOAT = 0
    HALF = 1


class BuilderFlag(Enum):
    TF32 = 0
    VERSION_COMPATIBLE = 1


class HardwareCompatibilityLevel(Enum):
    NONE = 0
    SAME_COMPUTE_CAPABILITY = 1


class Profile:
    def __init__(self) -> None:
        self.shapes: dict[str, tuple[Any, ...]] = {}

    def set_shape(self, name: str, *shapes: Any) -> None:
        self.shapes[name] = shapes


class Config:
    """Attributes as of `IBuilderConfig`; `stale`: timings of another device are not taken."""

    def __init__(self, stale: bool) -> None:
        self.flags = {BuilderFlag.TF32}
        self.hardware_compatibility_level = HardwareCompatibilityLevel.NONE
        self.progress_monitor: Any = None
        self.profiles: list[Profile] = []
        self.limits: dict[str, int] = {}
        self.started_from: list[bytes] = []
        self._stale = stale

    def set_flag(self, flag: BuilderFlag) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool: str, limit: int) -> None:
        self.limits[pool] = limit

    def create_timing_cache(self, content: bytes) -> Any:
        return SimpleNamespace(content=content, serialize=lambda: content + LEARNED)

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        self.started_from.append(cache.content)
        return not (self._stale and cache.content)

    def get_timing_cache(self) -> Any:
        return self.create_timing_cache(self.started_from[-1])

    def add_optimization_profile(self, profile: Profile) -> None:
        self.profiles.append(profile)


class RecordedTensorRT:
    """The module.

    Attributes:
        configs: Of every build, in order.
        fails_with: What a build logs as an error before it gives nothing; None: it succeeds.
        stale: Whether timings that are handed in are refused.
    """

    ILogger = type("ILogger", (), {"Severity": Severity})
    IProgressMonitor = type("IProgressMonitor", (), {})
    BuilderFlag = BuilderFlag
    HardwareCompatibilityLevel = HardwareCompatibilityLevel
    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    float32 = DataType.FLOAT

    def __init__(self, fails_with: str | None = None, stale: bool = False) -> None:
        self.configs: list[Config] = []
        self.networks: list[int] = []
        self.fails_with = fails_with
        self.stale = stale

    def Builder(self, log: Any) -> Any:  # noqa: N802  # as the library has it
        return SimpleNamespace(
            create_network=self._network,
            create_builder_config=lambda: Config(self.stale),
            create_optimization_profile=Profile,
            build_serialized_network=lambda _network, config: self._build(log, config),
        )

    def OnnxParser(self, _network: Any, _log: Any) -> Any:  # noqa: N802  # as the library has it
        return SimpleNamespace(parse=lambda _content: True)

    def _network(self, flags: int) -> Any:
        self.networks.append(flags)
        inputs = [_tensor(name, rest) for name, rest in INPUT_SHAPES.items()]
        outputs = [_tensor(name, rest) for name, rest in OUTPUT_SHAPES.items()]
        return SimpleNamespace(
            num_inputs=len(inputs),
            num_outputs=len(outputs),
            get_input=inputs.__getitem__,
            get_output=outputs.__getitem__,
        )

    def _build(self, log: Any, config: Config) -> bytes | None:
        self.configs.append(config)
        if self.fails_with is not None:
            log.log(Severity.ERROR, self.fails_with)
            return None
        return b"plan %d" % len(self.configs)


def recorded(**kwargs: Any) -> tuple[Library, RecordedTensorRT]:
    """TensorRT 10 that records, as a library."""
    module = RecordedTensorRT(**kwargs)
    return Library("tensorrt", module, "10.13.2"), module


def _tensor(name: str, rest: tuple[int, ...]) -> Any:
    return SimpleNamespace(name=name, dtype=DataType.FLOAT, shape=(-1, *rest))
