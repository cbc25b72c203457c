"""Kernels that TensorRT-RTX compiled at one start are there at the next one, on the same box."""

from pathlib import Path

import pytest

from phenostream.engine.backends.options import BackendOptions
from phenostream.engine.backends.tensorrt import backend as module
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import KEY_BYTES, EngineCache
from tests.engine.backends.tensorrt.virtual_box import VirtualBox, assert_same, expected, some_crops
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
    start(bundle, monkeypatch, cache)
    with monkeypatch.context() as other:
        other.setattr(VirtualKernels, "deserialize", lambda *_: False)
        assert start(bundle, monkeypatch, cache) == [1, 8, 32]
    assert caplog.text.count(OTHER_BOX) == 1
    assert start(bundle, monkeypatch, cache) == []


def test_tensorrt_itself_keeps_none(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, cache: EngineCache
) -> None:
    assert start(bundle, monkeypatch, cache, name="tensorrt") == []
    assert not list(cache.directory.glob("*.engine"))
