"""Every fault that can be planted between the backend and its device is found: what the tests guard against.

A fault is planted at the seam: the virtual GPU or library drops or alters a call, which is what it would have seen had
the backend been written wrongly. The test is that somebody notices, and says what is wrong.
"""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from phenostream.engine.backends.tensorrt.program import Program
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.errors import PhenostreamError
from tests.engine.backends.tensorrt.planted import FaultyGpu, faulty_library
from tests.engine.backends.tensorrt.virtual_box import (
    VirtualBox,
    assert_same,
    expected,
    fake_outputs,
    some_crops,
)
from tests.engine.backends.tensorrt.virtual_gpu import VirtualGpu
from tests.engine.backends.tensorrt.virtual_plan import VirtualPlan
from tests.engine.backends.tensorrt.virtual_trt import virtual_library

DEMO = Path(__file__).parents[4] / "deploy" / "demo_bundle"
WRONG = "Mismatched elements|nan location mismatch"
FAULTS = [
    ("a copy in is short", WRONG),
    ("a copy out is short", WRONG),
    ("a copy is of pageable memory", "a copy with memory that is not pinned"),
    ("stream 1 does not wait", "a run uses memory while other work does"),
    ("stream 2 does not wait", "copy out uses memory while other work does"),
    ("a result is read before it is there", WRONG),
    ("lanes share their scratch", "a run uses memory while other work does"),
    ("sides share their buffers", "copy in uses memory while other work does|written to while"),
    ("two outputs change places", WRONG),
    ("an address is not aligned", "which is not aligned"),
    ("a capture without a run before it", "captured before it ran once"),
    ("a context is captured twice", "of a context that was captured"),
    ("an address is forgotten", "a run without memory, or without an address of every tensor"),
    ("scratch is too small", "scratch of .* bytes at"),
    ("the context is not pushed", "in a thread without the context"),
    ("the context is not popped", "the context is let go where it is current"),
    ("memory leaks", "left: .* bytes of memory"),
    ("scratch is freed once it was captured", "memory is freed before"),
    ("pinned memory is freed at once", "a copy with pinned memory that was freed"),
    ("a graph is destroyed at once", "a graph is launched that was destroyed"),
    ("a graph of another batch size is launched", WRONG),
    ("the profile is the first", "refused the shape of images for 8 crops"),
    ("a cast is forgotten", WRONG + "|which is no device memory"),
    ("a context takes memory of its own", "a context that takes memory of its own"),
]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


def play(box: VirtualBox, bundle: Bundle) -> None:
    """Load, infer batches of all sizes alone and four at a time, close, and look what is left."""
    backend = box.open(bundle, streams=4)
    for count in (32, 3, 9, 1, 8, 30):
        images, background = some_crops(count, count)
        assert_same(backend.infer(images, background), expected(images, background), 5e-3)
    with ThreadPoolExecutor(4) as pool, met(box.gpu, 4):
        crops = [some_crops(20, seed) for seed in range(4)]
        found = list(pool.map(lambda pair: backend.infer(*pair), crops))
    for outputs, pair in zip(found, crops, strict=True):
        assert_same(outputs, expected(*pair), 5e-3)
    backend.close()
    box.gpu.verify()


@contextmanager
def met(gpu: VirtualGpu, callers: int) -> Iterator[None]:
    """All callers have enqueued their batch before one of them waits for it."""
    gpu.together = threading.Barrier(callers)
    try:
        yield
    finally:
        gpu.together = None


def halves(plant: str) -> VirtualBox:
    """A box in which both casts happen, and every batch size has a profile of its own."""
    plan = VirtualPlan(
        ((1, 1, 1), (8, 8, 8), (32, 32, 32)), dtypes={"images": "HALF", "feature": "HALF"}
    )
    return VirtualBox(gpu=FaultyGpu(plant), plan=plan, faulty=faulty_library(plant))


def test_without_a_fault_nobody_complains(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    play(halves("").install(monkeypatch), bundle)


@pytest.mark.parametrize(("plant", "says"), FAULTS, ids=[plant for plant, _ in FAULTS])
def test_a_planted_fault_is_found(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, plant: str, says: str
) -> None:
    box = halves(plant).install(monkeypatch)
    with pytest.raises((AssertionError, PhenostreamError, threading.BrokenBarrierError)) as raised:
        play(box, bundle)
    first = (*box.gpu.refusals, str(raised.value))[0]
    assert re.search(says, first), first


def test_an_end_in_the_wrong_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes with its last reference can raise nothing; it is written down."""
    gpu = VirtualGpu()
    library = virtual_library(gpu, fake_outputs)
    plan = VirtualPlan(((1, 8, 32),)).content
    with gpu.current():
        program = Program(library, plan)
        stream = gpu.stream()
        context = program.context(8, stream)
        program._runtime = None
        program._engine = None
        context.close()
    assert gpu.refusals == [
        "a runtime is destroyed before what was made from it",
        "an engine is destroyed before what was made from it",
    ]
    gpu.refusals.clear()
    with gpu.current():
        program = Program(library, plan)
    program.close()
    assert gpu.refusals == [
        "an engine is destroyed in a thread without the context",
        "a runtime is destroyed in a thread without the context",
    ]
