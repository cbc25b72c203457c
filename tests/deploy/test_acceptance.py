"""The acceptance on a GPU, step by step against the fake backend and a scripted card: each fault is found and told."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenostream.deploy.acceptance import __main__ as command
from phenostream.deploy.acceptance import card as card_module
from phenostream.deploy.acceptance.card import Card
from phenostream.deploy.acceptance.examination import Effort, Outcome, Place, examine
from phenostream.deploy.acceptance.report import Report, write_report
from phenostream.deploy.bundles import demo_bundle
from phenostream.engine.backends.checked import PoisonedRows
from phenostream.engine.backends.driver import DeviceFacts, cuda_devices
from phenostream.engine.backends.fake import FakeBackend, FakeScript
from phenostream.engine.backends.protocol import Backend
from phenostream.engine.bundle import load_bundle
from phenostream.engine.errors import (
    BadBundle,
    BadConfig,
    BadInput,
    EngineFault,
    MissingPackage,
    PhenostreamError,
)
from phenostream.engine.manifest import Precision
from phenostream.engine.types import F32, Crops, Outputs

FACTS = DeviceFacts("Fake H100", "9.0", "580.0", 80 << 30)
QUICK = Effort(batches=(1, 8), streams=1, seconds=0.01, lone_calls=4, memory_calls=4)
ROOT = Path(__file__).parents[2]
NONE = np.zeros(1, np.bool_)


class ScriptedCard:
    """Says one figure after the other, then the last one for ever."""

    def __init__(self, *mib: int) -> None:
        self.facts = FACTS
        self._mib = list(mib) or [100]

    def used_bytes(self) -> int:
        mib = self._mib.pop(0) if len(self._mib) > 1 else self._mib[0]
        return mib << 20


class Drifting(FakeBackend):
    """Says something else of a crop in a small batch."""

    def infer(self, images: F32, background: F32) -> Outputs:
        outputs = super().infer(images, background)
        return replace(outputs, class_logits=outputs.class_logits + np.float32(len(images) < 4))


def crops() -> Crops:
    random = np.random.default_rng(3)
    images = random.uniform(0.2, 0.6, (40, 4, 28, 28)).astype(np.float32)
    return Crops(images, np.full((40, 4), 0.4, np.float32))


def place(
    *backends: Backend | PhenostreamError, card: Card | None = None, cache: Path | None = None
) -> Place:
    """Opens these in turn, the last one again and again."""
    left = list(backends)

    def open_way(name: str, precision: Precision, streams: int, largest: int) -> Backend:
        one = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(one, PhenostreamError):
            raise one
        return one

    return Place(open_way, lambda backend: 1e-3, crops(), card or ScriptedCard(), cache)


def test_a_good_backend_passes_and_is_closed_every_time() -> None:
    first, second = FakeBackend(), FakeBackend()
    outcome = examine("torch", "fp16", place(first, second), QUICK)
    assert (outcome.verdict, outcome.reasons) == ("passed", [])
    assert (first.closed, second.closed) == (True, True)
    assert set(outcome.cells_per_s) == {1, 8}
    assert (outcome.golden, outcome.odd_batches, outcome.spoilt) == (1e-3, 0.0, None)
    assert (outcome.memory_bytes, outcome.grown_bytes, outcome.kept_bytes) == (0, 0, 0)
    assert None not in (outcome.first_load_s, outcome.next_load_s, outcome.lone_p99_ms)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (MissingPackage("tensorrt is not installed"), "not possible"),
        (BadConfig("precision 'int8' is not available"), "not possible"),
        (EngineFault("the engine cannot run on this GPU"), "refused"),
        (BadBundle("golden class_logits differs by 0.3"), "failed"),
        (
            PoisonedRows("marker_z is not finite", Outputs(*[np.zeros(1, np.float32)] * 8), NONE),
            "failed",
        ),
    ],
)
def test_what_does_not_load_says_why(error: PhenostreamError, verdict: str) -> None:
    outcome = examine("tensorrt", "fp16", place(error), QUICK)
    assert (outcome.verdict, outcome.reasons) == (verdict, [str(error)])
    assert (outcome.first_load_s, outcome.cells_per_s) == (None, {})


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (place(Drifting()), "batches of other sizes differ by 1"),
        (place(FakeBackend(FakeScript(fail_at=frozenset([60])))), "told to fail at call 60"),
        (place(FakeBackend(), EngineFault("no kept engine")), "no kept engine"),
        (place(FakeBackend(), card=ScriptedCard(100, 900, 990, 100)), "calls took 90 MiB"),
        (place(FakeBackend(), card=ScriptedCard(100, 900, 900, 300)), "a second load took 200 MiB"),
    ],
    ids=["batches", "call", "second load", "growth", "kept"],
)
def test_each_fault_is_found(found: Place, reason: str) -> None:
    outcome = examine("torch", "fp16", found, QUICK)
    assert outcome.verdict == "failed"
    assert any(reason in one for one in outcome.reasons), outcome.reasons


def test_an_edited_plan_must_be_found(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    built = b"a plan as it was built"
    good = FakeBackend()
    blind = place(good, cache=tmp_path)

    def open_way(*_: object) -> Backend:
        if not plan.exists() or plan.read_bytes() != built:
            plan.write_bytes(built)
        return good

    outcome = examine("tensorrt", "fp16", replace(blind, open_way=open_way), QUICK)
    assert (outcome.verdict, outcome.spoilt, plan.read_bytes()) == ("passed", True, built)
    outcome = examine("tensorrt", "fp16", blind, QUICK)
    assert (outcome.verdict, outcome.spoilt) == ("failed", False)
    assert outcome.reasons == ["an edited engine was left where it is kept: nobody found the edit"]
    assert plan.read_bytes() != built
    wrong = place(good, good, BadBundle("golden marker_z differs"), cache=tmp_path)
    outcome = examine("tensorrt", "fp16", wrong, QUICK)
    assert (outcome.verdict, outcome.reasons) == ("failed", ["golden marker_z differs"])


def report(*outcomes: Outcome) -> Report:
    box = {"cpu": "Fake CPU", "cores": 2, "load_1min": 0.1, "versions": {"torch": "2.13"}}
    return Report("2026-11-26T00:00:00+00:00", "0.1.0", FACTS, box, "demo 0.1.0 (abc)", outcomes)


def test_a_report_passes_only_where_something_passed_and_nothing_failed(tmp_path: Path) -> None:
    good = examine("torch", "fp16", place(FakeBackend()), QUICK)
    bad = Outcome("tensorrt", "fp16", "failed", ["golden class_logits differs by 0.3"])
    gone = Outcome("tensorrt_rtx", "fp16", "refused", ["the engine cannot run on this GPU"])
    assert report(good, gone).passed
    assert not report(good, bad).passed
    assert not report(gone).passed
    page, data = write_report(tmp_path / "out", report(good, bad, gone))
    text, told = page.read_text(), json.loads(data.read_text())
    assert text.startswith("# GPU acceptance: NOT PASSED")
    assert all(word in text for word in ("Fake H100", "580.0", "differs by 0.3", "refused"))
    assert (told["passed"], len(told["outcomes"])) == (False, 3)
    with pytest.raises(BadInput, match=f"^{page}: "):
        write_report(page, report(good))


def test_every_gpu_backend_in_every_precision_is_tried_with_a_cache_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[str, str | None, bool]] = []

    def opened(bundle: object, name: str, **options: object) -> Backend:
        seen.append((name, str(options["precision"]), options["cache"] is not None))
        raise RuntimeError("a runtime\nthat is not ours")

    monkeypatch.setattr(command, "open_backend", opened)
    bundle = load_bundle(demo_bundle())
    found = command.accept(bundle, command.GPU_BACKENDS, ScriptedCard(), QUICK)
    assert {name for name, _, _ in seen} == set(command.GPU_BACKENDS)
    assert ("torch", "bf16", True) in seen
    assert {one.verdict for one in found.outcomes} == {"refused"}
    assert found.outcomes[0].reasons[0].startswith("tensorrt: RuntimeError: ")
    assert not found.passed


def test_the_command_writes_its_report(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "cuda_devices", lambda: 1)
    monkeypatch.setattr(command, "ManagedCard", ScriptedCard)
    monkeypatch.setattr(command, "open_backend", lambda *args, **options: FakeBackend())
    monkeypatch.setattr(command, "golden_test", lambda backend, bundle: 0.0)
    words = ["--backend", "torch", "--out", str(tmp_path)]
    assert command.main(words, QUICK) == command.GOOD
    assert "# GPU acceptance: passed" in capsys.readouterr().out
    assert (tmp_path / "gpu-acceptance.json").exists()
    assert command.main([*words, "--bundle", "/nowhere"], QUICK) == command.NO_GPU


@pytest.mark.skipif(cuda_devices() > 0, reason="this box has a CUDA device")
def test_without_a_gpu_it_says_so_in_one_line_and_exits_with_2() -> None:
    done = subprocess.run(
        [ROOT / "deploy" / "gpu-acceptance"],
        capture_output=True, text=True, timeout=50, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "gpu-acceptance: no CUDA device, or no driver for it: nothing was run"
    ]


class ScriptedDriver:
    """Both of the driver's libraries; writes what the real ones would, or gives an error."""

    def __init__(self, broken: str = "") -> None:
        self._broken = broken
        self.asked: list[str] = []

    def __getattr__(self, function: str) -> Callable[..., int]:
        def answer(*arguments: Any) -> int:
            self.asked.append(function)
            if function == "cuDeviceGetPCIBusId":
                arguments[0].value = b"0000:65:00.0"
            if function == "nvmlDeviceGetHandleByPciBusId_v2":
                assert arguments[0].value == b"0000:65:00.0"
            if function == "nvmlDeviceGetMemoryInfo":
                arguments[1]._obj.used = 5 << 30
            return 999 if function == self._broken else 0

        return answer


def test_the_card_is_found_by_its_place_on_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = ScriptedDriver()
    monkeypatch.setattr(card_module, "device_facts", lambda: FACTS)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    card = card_module.ManagedCard()
    assert (card.facts, card.used_bytes()) == (FACTS, 5 << 30)
    assert driver.asked.index("nvmlInit_v2") < driver.asked.index("nvmlDeviceGetMemoryInfo")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: ScriptedDriver("nvmlInit_v2"))
    with pytest.raises(EngineFault, match=r"^GPU driver: nvmlInit_v2 gave error 999$"):
        card_module.ManagedCard()


def test_without_the_management_library_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(card_module, "device_facts", lambda: FACTS)
    monkeypatch.setattr(ctypes, "CDLL", absent)
    with pytest.raises(EngineFault, match=r"libnvidia-ml\.so\.1: cannot open"):
        card_module.ManagedCard()


def test_the_command_says_where_it_is_not_installed(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text("#!/bin/sh\nexit 1\n")
    bare.chmod(0o755)
    done = subprocess.run(
        [ROOT / "deploy" / "gpu-acceptance"],
        env={**os.environ, "PYTHON": str(bare)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert (
        done.stderr == f"gpu-acceptance: phenostream is not installed for {bare}: "
        "activate its environment, or set PYTHON\n"
    )
