"""A plan is built once, by one process at a time; whatever it depends on makes another; nothing damaged is believed."""

import logging
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phenostream.engine.backends.driver import DeviceFacts
from phenostream.engine.backends.tensorrt import plan as plan_module
from phenostream.engine.backends.tensorrt.build import BuildSettings, Built
from phenostream.engine.backends.tensorrt.library import Library, import_library
from phenostream.engine.backends.tensorrt.plan import obtained_plan, plan_facts, timing_facts
from phenostream.engine.bundle import Bundle, load_bundle
from phenostream.engine.engine_cache import EngineCache
from phenostream.engine.errors import BadConfig, EngineFault
from tests.engine.backends.tensorrt.recorded_tensorrt import LEARNED, recorded

DEMO = Path(__file__).parents[4] / "deploy" / "demo_bundle"
KEY = bytes(range(32))
CARD = DeviceFacts("Card", "9.0", "580.159.04", 80 << 30)
SETTINGS = BuildSettings()


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(DEMO)


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache", KEY)


class Watched:
    def __init__(self) -> None:
        self.waited = threading.Event()
        self.phases: list[str] = []

    def waiting(self) -> None:
        self.waited.set()

    def building(self, phase: str, share: float) -> None:
        self.phases.append(phase)


def test_a_plan_is_built_once_and_kept(bundle: Bundle, cache: EngineCache) -> None:
    library, module = recorded()
    first, second = Watched(), Watched()
    assert obtained_plan(bundle, library, SETTINGS, CARD, cache, first) == b"plan 1"
    assert obtained_plan(bundle, library, SETTINGS, CARD, cache, second) == b"plan 1"
    assert len(module.configs) == 1
    assert (first.phases, second.phases) == (["parsing", "built"], [])
    assert not first.waited.is_set()


def test_without_a_cache_it_is_built_every_time(bundle: Bundle) -> None:
    library, _ = recorded()
    assert obtained_plan(bundle, library, SETTINGS, CARD, None) == b"plan 1"
    assert obtained_plan(bundle, library, SETTINGS, CARD, None) == b"plan 2"


def with_file(bundle: Bundle, name: str, content: bytes) -> Bundle:
    return replace(bundle, files={**bundle.files, name: content})


OTHERS: Mapping[str, dict[str, Any]] = {
    "library": {"library": Library("tensorrt", None, "10.13.3")},
    "gpu": {"device": replace(CARD, name="Other card")},
    "compute capability": {"device": replace(CARD, compute_capability="8.9")},
    "memory": {"device": replace(CARD, memory_bytes=40 << 30)},
    "driver": {"device": replace(CARD, driver_version="580.200")},
    "precision": {"settings": BuildSettings("fp32")},
    "buckets": {"settings": BuildSettings(buckets=(1, 8))},
    "workspace": {"settings": BuildSettings(workspace_mib=1024)},
    "version flag": {"settings": BuildSettings(version_compatible=True)},
    "hardware flag": {"settings": BuildSettings(hardware_compatible=True)},
}


@pytest.mark.parametrize("what", OTHERS)
def test_whatever_a_plan_depends_on_makes_another(what: str, bundle: Bundle) -> None:
    usual: dict[str, Any] = {
        "bundle": bundle,
        "library": Library("tensorrt", None, "10.13.2"),
        "settings": SETTINGS,
        "device": CARD,
    }
    assert plan_facts(**usual) == plan_facts(**usual)
    assert plan_facts(**usual | OTHERS[what]) != plan_facts(**usual)


def test_another_graph_is_another_plan_and_other_files_are_not(bundle: Bundle) -> None:
    library = Library("tensorrt", None, "10.13.2")
    before = plan_facts(bundle, library, SETTINGS, CARD)
    changed = with_file(bundle, "model.fp16.onnx", b"another")
    assert plan_facts(changed, library, SETTINGS, CARD) != before
    assert plan_facts(with_file(bundle, "model.onnx", b"a"), library, SETTINGS, CARD) == before


def test_a_plan_of_rtx_is_of_no_particular_gpu(bundle: Bundle) -> None:
    library = Library("tensorrt_rtx", None, "1.7")
    assert plan_facts(bundle, library, SETTINGS, CARD) == plan_facts(
        bundle, library, SETTINGS, None
    )


def test_a_hardware_compatible_plan_is_of_a_compute_capability(bundle: Bundle) -> None:
    library = Library("tensorrt", None, "10.13.2")
    settings = BuildSettings(hardware_compatible=True)
    other = replace(CARD, name="Sister card", memory_bytes=1 << 30)
    mine = plan_facts(bundle, library, settings, CARD)
    assert plan_facts(bundle, library, settings, other) == mine
    newer = replace(other, compute_capability="12.0")
    assert plan_facts(bundle, library, settings, newer) != mine


def test_tensorrt_without_a_device_never_gets_as_far_as_the_library(bundle: Bundle) -> None:
    library, module = recorded()
    with pytest.raises(EngineFault, match=r"^tensorrt 10\.13\.2: builds only for the GPU at hand"):
        obtained_plan(bundle, library, SETTINGS, None, None)
    assert module.networks == []


def test_a_precision_that_the_bundle_has_not_is_refused(bundle: Bundle) -> None:
    lean = replace(bundle, files={"model.onnx": b"x"})
    with pytest.raises(BadConfig, match="precision 'fp16' is not available, allowed fp32"):
        obtained_plan(lean, recorded()[0], SETTINGS, CARD, None)


def test_times_of_kernels_go_from_one_build_to_the_next(bundle: Bundle, cache: EngineCache) -> None:
    library, module = recorded()
    obtained_plan(bundle, library, SETTINGS, CARD, cache)
    obtained_plan(bundle, library, BuildSettings(buckets=(1,)), CARD, cache)
    assert [config.started_from for config in module.configs] == [[b""], [LEARNED]]
    assert cache.get(timing_facts(library, CARD)) == (LEARNED * 2,)
    other = replace(CARD, driver_version="600")
    obtained_plan(bundle, library, SETTINGS, other, cache)
    assert module.configs[-1].started_from == [b""]


@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_a_damaged_plan_is_built_again_with_a_warning(
    damage: str, bundle: Bundle, cache: EngineCache, caplog: pytest.LogCaptureFixture
) -> None:
    library, module = recorded()
    obtained_plan(bundle, library, SETTINGS, CARD, cache)
    for path in cache.directory.glob("*.engine"):
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content if damage == "altered" else content[:-1])
    with caplog.at_level(logging.WARNING):
        assert obtained_plan(bundle, library, SETTINGS, CARD, cache) == b"plan 2"
    assert "not what this daemon wrote; removed" in caplog.text
    assert len(module.configs) == 2


def test_a_failed_build_leaves_nothing_and_lets_the_next_one_in(
    bundle: Bundle, cache: EngineCache
) -> None:
    failing, _ = recorded(fails_with="odd")
    with pytest.raises(EngineFault, match="odd"):
        obtained_plan(bundle, failing, SETTINGS, CARD, cache)
    assert not list(cache.directory.glob("*.engine"))
    assert obtained_plan(bundle, recorded()[0], SETTINGS, CARD, cache) == b"plan 1"


def test_of_two_builders_at_once_one_builds_and_the_other_takes_its_plan(
    bundle: Bundle, cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, second = recorded()[0], Watched()
    plans: list[bytes] = []
    other = threading.Thread(
        target=lambda: plans.append(obtained_plan(bundle, library, SETTINGS, CARD, cache, second))
    )
    builds: list[int] = []

    def build_slowly(*_: object, **__: object) -> Built:
        builds.append(1)
        other.start()
        assert second.waited.wait(30)
        return Built(b"the plan", None)

    monkeypatch.setattr(plan_module, "build_plan", build_slowly)
    plans.append(obtained_plan(bundle, library, SETTINGS, CARD, cache))
    other.join(30)
    assert plans == [b"the plan", b"the plan"]
    assert builds == [1]


BUILDER = """
import sys
from pathlib import Path
from phenostream.engine.backends.tensorrt.build import BuildSettings
from phenostream.engine.backends.tensorrt.library import import_library
from phenostream.engine.backends.tensorrt.plan import obtained_plan
from phenostream.engine.bundle import load_bundle
from phenostream.engine.engine_cache import EngineCache

class Halting:
    def waiting(self): pass
    def building(self, phase, share):
        if share > 0.5:
            print("halfway", flush=True)
            sys.stdin.read()

cache = EngineCache(Path(sys.argv[2]), bytes(range(32)))
bundle = load_bundle(Path(sys.argv[1]))
obtained_plan(bundle, import_library("tensorrt_rtx"), BuildSettings(), None, cache, Halting())
"""


def test_a_builder_that_is_killed_halfway_leaves_nothing_and_keeps_nobody_out(
    bundle: Bundle, cache: EngineCache
) -> None:
    pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx has no wheel for this machine")
    library, watch = import_library("tensorrt_rtx"), Watched()
    plans: list[bytes] = []
    child = subprocess.Popen(
        [sys.executable, "-c", BUILDER, DEMO, cache.directory],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    other = threading.Thread(
        target=lambda: plans.append(obtained_plan(bundle, library, SETTINGS, None, cache, watch))
    )
    with child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == b"halfway\n"
            other.start()
            assert watch.waited.wait(30)
            assert not list(cache.directory.glob("*.engine"))
        finally:
            child.kill()
    other.join(50)
    assert cache.get(plan_facts(bundle, library, SETTINGS, None)) == (plans[0],)
