"""The shipped graphs really build, with no GPU; a build can be stopped; what TensorRT itself is told is recorded."""

from pathlib import Path
from typing import Any

import pytest

from phenostream.engine.backends.tensorrt.build import (
    FILES,
    BuildSettings,
    best_precision,
    build_plan,
    configured,
    model_of,
)
from phenostream.engine.backends.tensorrt.library import Library, import_library
from phenostream.engine.backends.tensorrt.profile import BUCKETS, INPUT_SHAPES
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import BadConfig, EngineFault
from phenostream.engine.manifest import Precision
from tests.engine.backends.tensorrt.recorded_tensorrt import (
    LEARNED,
    BuilderFlag,
    HardwareCompatibilityLevel,
    recorded,
)

DEMO = Path(__file__).parents[4] / "deploy" / "demo_bundle"


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture(scope="module")
def rtx() -> Library:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this machine")
    return import_library("tensorrt_rtx")


class Watched:
    """Keeps what it is told; at a share, does something."""

    def __init__(self, act: Any = None, at: float = 0.1) -> None:
        self.shares: list[float] = []
        self._act, self._at = act, at

    def waiting(self) -> None:
        raise AssertionError("nobody to wait for")

    def building(self, phase: str, share: float) -> None:
        assert phase
        self.shares.append(share)
        if self._act is not None and share >= self._at:
            self._act()


@pytest.mark.parametrize(
    "precision", [key for key, name in FILES.items() if (DEMO / name).exists()]
)
def test_every_graph_of_the_shipped_bundle_builds_with_progress(
    precision: Precision, bundle: Bundle, rtx: Library
) -> None:
    watch = Watched()
    built = build_plan(rtx, model_of(bundle, precision), BuildSettings(precision), watch=watch)
    assert len(built.plan) > 1 << 20
    assert built.timings is None
    assert watch.shares == sorted(watch.shares)
    assert (watch.shares[0], watch.shares[-1]) == (0.0, 1.0)
    assert len(set(watch.shares)) > 100


def test_what_a_watch_raises_stops_a_build_and_goes_on_outside(
    bundle: Bundle, rtx: Library
) -> None:
    def enough() -> None:
        raise InterruptedError("enough")

    watch = Watched(enough)
    with pytest.raises(InterruptedError, match="enough"):
        build_plan(rtx, model_of(bundle, "fp16"), BuildSettings(), watch=watch)
    assert watch.shares[-1] < 0.2


def test_a_workspace_that_is_too_small_is_told_in_one_line(bundle: Bundle, rtx: Library) -> None:
    with pytest.raises(
        EngineFault,
        match=r"^tensorrt_rtx \S+: model\.fp16\.onnx: a workspace of 16 MiB is not enough memory for buckets 1,1024; "
        "allow more or smaller ones$",
    ):
        build_plan(
            rtx, model_of(bundle, "fp16"), BuildSettings(buckets=(1, 1024), workspace_mib=16)
        )


def test_float32_is_not_shortened_and_rtx_leaves_its_memory_to_us(rtx: Library) -> None:
    flags = rtx.trt.BuilderFlag
    builder = rtx.trt.Builder(rtx.trt.Logger(rtx.trt.Logger.ERROR))
    config = configured(rtx, builder, BuildSettings(), None)
    assert not config.get_flag(flags.TF32)
    assert config.get_flag(flags.REQUIRE_USER_ALLOCATION)
    assert config.num_optimization_profiles == 1


def test_what_rtx_cannot_do_is_refused_before_it_is_asked(rtx: Library) -> None:
    with pytest.raises(BadConfig, match="tensorrt_rtx: version compatible: not allowed; "):
        build_plan(rtx, b"", BuildSettings(version_compatible=True))
    with pytest.raises(BadConfig, match="tensorrt_rtx: hardware compatible: not allowed; "):
        build_plan(rtx, b"", BuildSettings(hardware_compatible=True))


def test_tensorrt_is_told_of_exact_shapes_and_what_it_may_use() -> None:
    library, module = recorded()
    build_plan(library, b"any", BuildSettings(workspace_mib=256))
    (config,) = module.configs
    assert module.networks == [1 << 1], "strongly typed"
    assert [profile.shapes for profile in config.profiles] == [
        {name: ((bucket, *rest),) * 3 for name, rest in INPUT_SHAPES.items()} for bucket in BUCKETS
    ]
    assert config.flags == set()
    assert config.limits == {"workspace": 256 << 20}
    assert config.hardware_compatibility_level is HardwareCompatibilityLevel.NONE


def test_tensorrt_is_told_of_compatibility() -> None:
    library, module = recorded()
    settings = BuildSettings(version_compatible=True, hardware_compatible=True)
    build_plan(library, b"any", settings)
    (config,) = module.configs
    assert config.flags == {BuilderFlag.VERSION_COMPATIBLE}
    assert config.hardware_compatibility_level is HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY
    assert config.limits == {}


@pytest.mark.parametrize(
    ("stale", "given", "started", "kept"),
    [
        (False, None, [b""], LEARNED),
        (False, b"before ", [b"before "], b"before " + LEARNED),
        (True, b"of another device", [b"of another device", b""], LEARNED),
    ],
)
def test_times_of_kernels_are_taken_up_and_handed_back(
    stale: bool, given: bytes | None, started: list[bytes], kept: bytes
) -> None:
    library, module = recorded(stale=stale)
    built = build_plan(library, b"any", BuildSettings(), timings=given)
    assert module.configs[0].started_from == started
    assert built.timings == kept


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Error Code 2: OutOfMemory (Requested)",
            "not enough memory for buckets 1,8; allow smaller",
        ),
        ("Error Code 10: Internal Error (odd)", "cannot be built: Error Code 10: Internal Error"),
    ],
)
def test_a_failed_build_is_one_line(said: str, told: str) -> None:
    library, _ = recorded(fails_with=said)
    with pytest.raises(EngineFault, match=f"^tensorrt 10.13.2: model.fp16.onnx: {told}"):
        build_plan(library, b"any", BuildSettings(buckets=(1, 8)))


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (MemoryError(), "out of memory"),
        (TypeError("no such\nfunction"), "cannot be built: no such function"),
    ],
)
def test_what_a_library_raises_is_one_line_too(
    raised: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, module = recorded()

    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(module, "_build", fail)
    with pytest.raises(EngineFault, match=f": {told}$"):
        build_plan(library, b"any", BuildSettings())


def test_settings_out_of_range_and_precisions_that_are_not_there_are_refused(
    bundle: Bundle,
) -> None:
    with pytest.raises(BadConfig, match="workspace: 8 MiB is out of range, allowed 16 to 65536"):
        BuildSettings(workspace_mib=8)
    with pytest.raises(BadConfig, match="allowed in rising order"):
        BuildSettings(buckets=(8, 1))
    with pytest.raises(BadConfig, match="precision 'bf16' is not available, allowed fp32, fp16"):
        model_of(bundle, "bf16")
    assert best_precision(bundle) == "fp16"
