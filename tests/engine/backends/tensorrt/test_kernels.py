"""Kernels that TensorRT-RTX compiled at one start are there at the next one, on the same box."""

from dataclasses import replace
from pathlib import Path

import pytest

from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.tensorrt import backend as module
from phenostream.engine.backends.tensorrt.kernels import KeptKernels
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import KEY_BYTES, EngineCache
from tests.engine.backends.tensorrt.virtual_box import (
    DEVICE,
    VirtualBox,
    assert_same,
    expected,
    some_crops,
)
from tests.engine.backends.tensorrt.virtual_trt import VirtualKernels

OTHER_BOX = "kept kernels are of another box; compiled anew"


def start(
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    cache: EngineCache | None,
    name: str = "tensorrt_rtx",
    max_batch: int = 32,
) -> list[int]:
    """The batch sizes for which a start compiled kernels."""
    box = VirtualBox(name=name).install(monkeypatch)
    backend = module.open_tensorrt(name, bundle, BackendOptions(4, 4, max_batch, cache=cache))
    assert_same(backend.infer(*some_crops(9)), expected(*some_crops(9)))
    backend.close()
    box.gpu.verify()
    return box.gpu.compiled


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache", bytes(KEY_BYTES))


def test_a_second_start_compiles_nothing(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cache: EngineCache
) -> None:
    assert start(bundle, monkeypatch, cache) == [1, 8, 32]
    with monkeypatch.context() as again:
        again.setattr(VirtualKernels, "serialize", lambda _: pytest.fail("kept a second time"))
        assert start(bundle, monkeypatch, cache) == []


def test_without_a_cache_every_start_compiles_each_size_once_for_all_lanes(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert start(bundle, monkeypatch, None) == [1, 8, 32]


def test_other_batch_sizes_are_another_matter(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cache: EngineCache
) -> None:
    start(bundle, monkeypatch, cache)
    assert start(bundle, monkeypatch, cache, max_batch=100) == [1, 8, 32, 128]
    assert start(bundle, monkeypatch, cache) == []


def test_kernels_that_the_library_does_not_take_are_compiled_anew_and_kept(
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    cache: EngineCache,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    with monkeypatch.context() as other:
        other.setattr(VirtualKernels, "serialize", lambda _: b"of another box")
        start(bundle, monkeypatch, cache)
    assert start(bundle, monkeypatch, cache) == [1, 8, 32]
    assert caplog.text.count(OTHER_BOX) == 1
    assert start(bundle, monkeypatch, cache) == []


def test_kernels_are_of_one_plan_on_one_device_with_one_driver() -> None:
    plan = {"model": "a", "library": "tensorrt_rtx 1.7.1"}
    one = KeptKernels.of(None, plan, DEVICE, (1, 8)).facts
    others = [
        KeptKernels.of(None, {**plan, "model": "b"}, DEVICE, (1, 8)).facts,
        KeptKernels.of(None, plan, replace(DEVICE, name="other"), (1, 8)).facts,
        KeptKernels.of(None, plan, replace(DEVICE, driver_version="581"), (1, 8)).facts,
        KeptKernels.of(None, plan, DEVICE, (1, 8, 32)).facts,
        plan,
    ]
    assert one not in others
    assert KeptKernels.of(None, plan, DEVICE, (1, 8)).facts == one


def test_tensorrt_itself_keeps_none(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cache: EngineCache
) -> None:
    assert start(bundle, monkeypatch, cache, name="tensorrt") == []
    assert not list(cache.directory.glob("*.engine"))
