"""The backend on a virtual GPU: its own cells for every caller, less where memory is short, and an orderly end."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from phenostream.engine.backends import registry
from phenostream.engine.backends.options import BackendOptions, usable_cores
from phenostream.engine.backends.registry import open_backend
from phenostream.engine.backends.tensorrt import backend as module
from phenostream.engine.backends.tensorrt.build import BuildSettings
from phenostream.engine.backends.tensorrt.plan import plan_facts
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import KEY_BYTES, EngineCache
from phenostream.engine.errors import BadBundle, EngineFault, MissingPackage
from phenostream.engine.types import F32, OUTPUT_SHAPES
from tests.engine.backends.tensorrt.virtual_box import (
    DEVICE,
    VirtualBox,
    assert_same,
    expected,
    fake_outputs,
    golden_or_fake,
    some_crops,
)
from tests.engine.backends.tensorrt.virtual_gpu import SCRATCH, VirtualGpu
from tests.engine.backends.tensorrt.virtual_plan import VirtualPlan
from tests.engine.backends.tensorrt.virtual_trt import (
    WEIGHTS,
    Severity,
    VirtualContext,
    VirtualEngine,
    virtual_library,
)

WIDE = ((1, 8, 32),)
LIBRARIES = ["tensorrt", "tensorrt_rtx"]


@pytest.mark.parametrize("name", LIBRARIES)
def test_either_library_passes_the_golden_test_in_float16(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    box = VirtualBox(name=name, compute=golden_or_fake(bundle)).install(monkeypatch)
    backend = open_backend(bundle, name, streams=4, max_batch=64)
    assert (backend.name, backend.precision, backend.device) == (name, "fp16", "CUDA (virtual)")
    assert (backend.streams, backend.max_batch) == (4, 64)
    backend.close()
    box.gpu.verify()


def test_auto_takes_tensorrt_first_where_there_is_a_gpu(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "cuda_devices", lambda: 1)
    box = VirtualBox(compute=golden_or_fake(bundle)).install(monkeypatch)
    backend = open_backend(bundle, max_batch=64)
    assert (backend.name, backend.streams) == ("tensorrt", min(4, usable_cores()))
    backend.close()
    box.gpu.verify()


def test_auto_goes_on_where_the_card_is_none_for_the_library(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(registry, "cuda_devices", lambda: 1)
    monkeypatch.setitem(registry.BACKENDS, "torch", registry.BACKENDS["onnxruntime"])
    box = VirtualBox(name="tensorrt_rtx", plan=b"for another card").install(monkeypatch)
    backend = open_backend(bundle, streams=1, max_batch=64)
    assert backend.name == "onnxruntime"
    assert "backend tensorrt passed over: tensorrt is not installed: pip install" in caplog.text
    assert "backend tensorrt_rtx passed over: tensorrt_rtx 11.4.0.106: the plan is" in caplog.text
    backend.close()
    box.gpu.verify()


def test_a_plan_that_computes_something_else_fails_the_golden_test(
    bundle: Bundle, box: VirtualBox
) -> None:
    with pytest.raises(BadBundle, match=r"golden class_logits differs by .* on tensorrt fp16"):
        open_backend(bundle, "tensorrt", streams=1, max_batch=64, precision="fp16")


@pytest.mark.parametrize("bucket", [1, 8, 32, 128])
def test_a_plan_that_is_wrong_in_one_bucket_fails_the_golden_test(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, bucket: int
) -> None:
    right = golden_or_fake(bundle)

    def compute(images: F32, background: F32) -> Mapping[str, F32]:
        columns = right(images, background)
        columns["class_logits"][:] += np.float32(len(images) == bucket)
        return columns

    box = VirtualBox(compute=compute).install(monkeypatch)
    with pytest.raises(BadBundle, match="golden class_logits differs by 1 on tensorrt fp16"):
        open_backend(bundle, "tensorrt", streams=1, max_batch=128, precision="fp16")
    box.gpu.verify()


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_batch_gets_its_own_outputs_whatever_was_there_before(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    box = VirtualBox(name=name).install(monkeypatch)
    backend = box.open(bundle, streams=3)
    for count in (32, 1, 31, 2, 8, 9, 20, 7):
        images, background = some_crops(count, count)
        assert_same(backend.infer(images, background), expected(images, background))
    backend.close()
    box.gpu.verify()


def test_outputs_are_not_overwritten_by_the_next_call(bundle: Bundle, box: VirtualBox) -> None:
    backend = box.open(bundle, streams=1)
    first, later = some_crops(5, 1), some_crops(5, 2)
    found = backend.infer(*first)
    backend.infer(*later)
    assert_same(found, expected(*first))
    backend.close()


def test_crops_may_be_a_view_that_cannot_be_written_to(bundle: Bundle, box: VirtualBox) -> None:
    backend = box.open(bundle)
    images, background = (array[::2] for array in some_crops(10))
    images.setflags(write=False)
    background.setflags(write=False)
    assert_same(backend.infer(images, background), expected(images, background))
    backend.close()


def test_more_callers_than_streams_all_get_their_own_cells(bundle: Bundle, box: VirtualBox) -> None:
    backend = box.open(bundle, streams=4)

    def call(number: int) -> None:
        images, background = some_crops(1 + number % 32, number)
        assert_same(backend.infer(images, background), expected(images, background))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(60)))
    backend.close()


def test_two_lanes_with_two_sides_each_may_all_be_busy_at_once(
    bundle: Bundle, box: VirtualBox
) -> None:
    backend = box.open(bundle, streams=4)
    box.gpu.together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        crops = [some_crops(20, seed) for seed in range(4)]
        found = list(pool.map(lambda pair: backend.infer(*pair), crops))
    for outputs, pair in zip(found, crops, strict=True):
        assert_same(outputs, expected(*pair))
    backend.close()


@pytest.mark.parametrize(
    ("max_batch", "asked", "used"),
    [
        (32, (1, 8, 32, 128, 512, 1024), [1, 8, 32]),
        (40, (1, 8, 32, 128, 512, 1024), [1, 8, 32, 128]),
        (2000, (1, 8, 32, 128, 512, 1024, 2000), [1, 8, 32, 128, 512, 1024, 2000]),
    ],
)
def test_the_plan_is_the_usual_one_and_only_batches_that_come_are_captured(
    bundle: Bundle, box: VirtualBox, max_batch: int, asked: tuple[int, ...], used: list[int]
) -> None:
    backend = box.open(bundle, streams=1, max_batch=max_batch)
    assert [settings.buckets for settings in box.settings] == [asked]
    assert box.settings[0].precision == "fp16"
    assert list(backend._idle.get().steps) == used
    backend._ended = True
    with box.gpu.current():
        backend._resources.close()
    box.gpu.close()


def test_tensors_of_half_precision_are_cast_at_the_door(bundle: Bundle, box: VirtualBox) -> None:
    halves = ("images", "background", "class_logits", "feature")
    box.plan = VirtualPlan(WIDE, dtypes=dict.fromkeys(halves, "HALF"))
    backend = box.open(bundle)
    images, background = some_crops(9)
    found = backend.infer(images, background)
    assert_same(found, expected(images, background), tolerance=5e-3)
    assert all(getattr(found, name).dtype == np.float32 for name in OUTPUT_SHAPES)
    backend.close()


def test_a_plan_without_the_background_does_without_it(bundle: Bundle, box: VirtualBox) -> None:
    box.plan = VirtualPlan(WIDE, shapes={"background": None})
    backend = box.open(bundle)
    images, background = some_crops(6)
    assert_same(backend.infer(images, background), expected(images, np.ones_like(background)))
    backend.close()


def test_a_kept_plan_that_is_refused_is_not_kept_any_longer(
    bundle: Bundle, box: VirtualBox, tmp_path: Path
) -> None:
    cache = EngineCache(tmp_path / "cache", bytes(KEY_BYTES))
    settings = BuildSettings("fp16")
    library = virtual_library(box.gpu, fake_outputs)
    facts = plan_facts(bundle, library, settings, DEVICE)
    cache.put(facts, [b"a plan"])
    box.plan = b"a plan"
    options = BackendOptions(1, 1, 32, cache=cache)
    with pytest.raises(EngineFault, match="the plan is refused"):
        module.open_tensorrt("tensorrt", bundle, options)
    assert cache.get(facts) is None


def test_a_context_that_finds_no_memory_means_fewer_lanes(
    bundle: Bundle,
    box: VirtualBox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first lane has a context for each of three batch sizes and two sides."""
    create, made = VirtualEngine.create_execution_context, iter(range(100))

    def limited(engine: VirtualEngine, how: object) -> VirtualContext | None:
        if next(made) >= 6:
            engine.logger.log(Severity.ERROR, "Error Code 2: OutOfMemory (no further information)")
            return None
        return create(engine, how)

    monkeypatch.setattr(VirtualEngine, "create_execution_context", limited)
    backend = box.open(bundle, streams=4)
    assert backend.streams == 2
    assert "refused a context for 1 crops: Error Code 2: OutOfMemory" in caplog.text
    backend.close()


def memory_of(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, streams: int, max_batch: int = 32
) -> int:
    """Device memory that a backend takes with what it leaves free, bytes."""
    box = VirtualBox(gpu=VirtualGpu(capacity=1 << 40)).install(monkeypatch)
    backend = box.open(bundle, streams=streams, max_batch=max_batch)
    with box.gpu.current():
        taken = box.gpu.capacity - box.gpu.free_bytes()
    backend.close()
    return taken + module._RESERVE_BYTES


@pytest.mark.parametrize(
    ("streams", "fits", "instead"),
    [(4, 2, "2 of 32"), (3, 2, "2 of 32"), (2, 1, "1 of 32"), (4, 1, "1 of 32")],
)
def test_where_memory_is_short_there_are_fewer_lanes(
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    streams: int,
    fits: int,
    instead: str,
) -> None:
    box = VirtualBox(gpu=VirtualGpu(memory_of(bundle, monkeypatch, fits))).install(monkeypatch)
    backend = box.open(bundle, streams=streams)
    assert backend.streams == fits
    assert caplog.text.count("not enough GPU memory") == 1
    assert f"for {streams} streams of batches of 32: {instead} instead" in caplog.text
    images, background = some_crops(32)
    assert_same(backend.infer(images, background), expected(images, background))
    backend.close()
    box.gpu.verify()


@pytest.mark.parametrize(("just_short_of", "parts"), [(32, 8), (8, 1)])
def test_where_memory_is_shorter_still_a_batch_runs_in_parts(
    bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    just_short_of: int,
    parts: int,
) -> None:
    capacity = memory_of(bundle, monkeypatch, 1, just_short_of) - 1
    box = VirtualBox(gpu=VirtualGpu(capacity)).install(monkeypatch)
    backend = box.open(bundle, streams=1)
    assert (backend.streams, backend.max_batch) == (1, 32)
    assert f"for 1 streams of batches of 32: 1 of {parts} instead" in caplog.text
    for count in (32, 27, 8, 3):
        images, background = some_crops(count)
        assert_same(backend.infer(images, background), expected(images, background))
    backend.close()
    box.gpu.verify()


@pytest.mark.parametrize(
    ("capacity", "says"),
    [
        (
            WEIGHTS + SCRATCH,
            r"^tensorrt: not enough GPU memory for any batch: CUDA: cuMemAlloc failed",
        ),
        (
            WEIGHTS + 2 * SCRATCH,
            r"^tensorrt: not enough GPU memory for any batch: 0 MiB would be left free, allowed 64",
        ),
        (WEIGHTS - 1, r"the plan is refused: Error Code 2: OutOfMemory"),
    ],
)
def test_without_room_for_one_crop_it_is_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, capacity: int, says: str
) -> None:
    box = VirtualBox(gpu=VirtualGpu(capacity)).install(monkeypatch)
    with pytest.raises(EngineFault, match=says):
        box.open(bundle)
    box.gpu.verify()


def test_a_driver_that_vanishes_is_a_fault_at_every_call_and_at_the_end_a_warning(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box = VirtualBox().install(monkeypatch)
    backend = box.open(bundle)
    box.gpu.gone = True
    for _ in range(3):
        with pytest.raises(EngineFault, match=r"^tensorrt: CUDA: cuCtxPushCurrent failed: "):
            backend.infer(*some_crops(4))
    backend.close()
    backend.close()
    assert caplog.text.count("tensorrt: closing: CUDA: ") == 2


def test_after_a_fault_in_the_middle_of_a_batch_the_next_one_is_right(
    bundle: Bundle, box: VirtualBox
) -> None:
    """Had nobody waited, the copy of the first batch would still be under way while the second is written."""
    backend = box.open(bundle, streams=1)
    box.gpu.fails_at = "cuGraphLaunch"
    with pytest.raises(EngineFault, match="cuGraphLaunch failed"):
        backend.infer(*some_crops(20, 1))
    box.gpu.fails_at = ""
    images, background = some_crops(20, 2)
    assert_same(backend.infer(images, background), expected(images, background))
    backend.close()


def test_a_close_waits_for_nobody_and_the_last_caller_frees_the_device(
    bundle: Bundle, box: VirtualBox
) -> None:
    backend = box.open(bundle, streams=2)
    box.gpu.together = threading.Barrier(2)
    crops = some_crops(6)
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(backend.infer, *crops)
        while not box.gpu.together.n_waiting:
            assert not inside.done()
        backend.close()
        assert box.gpu.closed == 0
        with pytest.raises(EngineFault, match=r"^tensorrt: used after close$"):
            backend.infer(*crops)
        box.gpu.together.wait(10)
        assert_same(inside.result(10), expected(*crops))
    assert box.gpu.closed == 1
    backend.close()


def test_a_caller_that_waited_for_a_stream_learns_of_the_close(
    bundle: Bundle, box: VirtualBox
) -> None:
    backend = box.open(bundle, streams=1)
    side = backend._idle.get()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(backend.infer, *some_crops(2))
        backend._closed = True
        backend._idle.put(side)
        with pytest.raises(EngineFault, match="used after close"):
            waiting.result(10)
    assert box.gpu.closed == 1


def test_loading_that_fails_leaves_nothing_on_the_device(bundle: Bundle, box: VirtualBox) -> None:
    box.gpu.fails_at = "cuGraphLaunch"
    with pytest.raises(EngineFault, match="cuGraphLaunch failed"):
        box.open(bundle, streams=4)
    box.gpu.fails_at = ""


def test_without_a_driver_no_library_is_touched(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def touched(name: str) -> None:
        raise AssertionError(f"{name} was imported on a box without a driver")

    monkeypatch.setattr(module, "cuda_devices", lambda: 0)
    monkeypatch.setattr(module, "import_library", touched)
    for name in LIBRARIES:
        with pytest.raises(EngineFault, match=rf"^{name}: no CUDA device, or no driver for it$"):
            open_backend(bundle, name)


def test_with_a_driver_and_without_the_library_the_extra_is_named(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "cuda_devices", lambda: 1)
    with pytest.raises(MissingPackage, match=r"^tensorrt .*pip install 'phenostream\[gpu\]'$"):
        module.open_tensorrt("tensorrt", bundle, BackendOptions(1, 1))


def test_a_precision_that_the_bundle_has_not_is_refused(bundle: Bundle, box: VirtualBox) -> None:
    bare = replace(bundle, files={"model.onnx": bundle.files["model.onnx"]})
    backend = module.open_tensorrt("tensorrt", bare, BackendOptions(1, 1, 8))
    assert backend.precision == "fp32"
    assert box.settings[-1].precision == "fp32"
    backend.close()
