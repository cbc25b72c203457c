"""Processor, memory and GPU are told from what the kernel says, and what to do where it is little."""

import ctypes
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phenostream.deploy.doctor import gpu, memory, processor
from phenostream.deploy.doctor.finding import Finding
from phenostream.deploy.doctor.nvml import GpuState, gpu_state
from phenostream.deploy.doctor.patient import Patient
from phenostream.engine.backends.driver import DeviceFacts
from tests.deploy.doctor.patients import patient, the, tree

_CPU = "sys__devices__system__cpu__cpu0__"


def of_tree(tmp_path: Path, settings: str = "", **files: str) -> Patient:
    return replace(patient(tmp_path / "p", settings), root=tree(tmp_path / "root", **files))


def looked(look: Callable[[Patient], Any], of: Patient) -> list[Finding]:
    return list(look(of))


def test_a_quiet_governor_is_told_with_what_to_do(tmp_path: Path) -> None:
    files = {f"{_CPU}cpufreq__scaling_governor": "powersave\n"}
    governor = the(looked(processor.look, of_tree(tmp_path, **files)), "governor")
    assert (governor.verdict, governor.found) == ("warn", "powersave on 1 cores")
    assert "cpupower frequency-set -g performance" in governor.todo
    files = {f"{_CPU}cpufreq__scaling_governor": "performance\n"}
    assert the(looked(processor.look, of_tree(tmp_path, **files)), "governor").verdict == "ok"


def test_heat_is_told_and_clocks_are_in_ghz(tmp_path: Path) -> None:
    files = {
        f"{_CPU}cpufreq__scaling_cur_freq": "1200000",
        f"{_CPU}cpufreq__cpuinfo_max_freq": "3500000",
        f"{_CPU}thermal_throttle__package_throttle_count": "7",
    }
    clocks = the(looked(processor.look, of_tree(tmp_path, **files)), "clocks")
    assert clocks.verdict == "warn"
    assert clocks.found.startswith("1.2 to 1.2 GHz now, 3.5 at most; slowed down for heat 7 times")
    assert clocks.figures == {"throttled": 7}


def test_a_quota_below_the_cores_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "usable_cores", lambda: 4)
    told = of_tree(tmp_path, **{"sys__fs__cgroup__cpu.max": "150000 100000\n"})
    cores = the(looked(processor.look, told), "cores")
    assert cores.verdict == "warn"
    assert "only 1.5 of them at a time" in cores.found
    assert cores.figures == {"cores": 4, "quota_cores": 1.5}
    (tmp_path / "root/sys/fs/cgroup/cpu.max").write_text("max 100000\n")
    assert the(looked(processor.look, told), "cores").verdict == "ok"


def test_a_processor_without_avx2_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "cpu_flags", lambda: {"sse4_2"})
    assert the(looked(processor.look, of_tree(tmp_path)), "model").verdict == "warn"


@pytest.mark.parametrize(
    ("free_kib", "verdict"), [(100 << 10, "fail"), (900 << 10, "warn"), (9 << 20, "ok")]
)
def test_free_memory_is_judged(tmp_path: Path, free_kib: int, verdict: str) -> None:
    text = f"MemTotal: {16 << 20} kB\nMemAvailable: {free_kib} kB\n"
    found = the(looked(memory.look, of_tree(tmp_path, proc__meminfo=text)), "memory")
    assert found.verdict == verdict
    assert found.figures["free_mib"] == free_kib >> 10


def test_bounds_larger_than_the_box_are_told(tmp_path: Path) -> None:
    small = "MemTotal: 2097152 kB\nMemAvailable: 2000000 kB\n"
    of = of_tree(tmp_path, "[ingest]\nshot_memory_bytes = 4294967296\n", proc__meminfo=small)
    bounds = the(looked(memory.look, of), "bounds")
    assert bounds.verdict == "warn"
    assert "lower ingest.shot_memory_bytes" in bounds.todo
    assert bounds.figures["held_mib"] == 4096 + 128 + 64 + 3 * 128 * 2


def test_memory_that_the_kernel_does_not_tell_is_not_made_up(tmp_path: Path) -> None:
    (found,) = looked(memory.look, of_tree(tmp_path))
    assert found.verdict == "not run"


def test_a_backend_that_needs_a_gpu_fails_without_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "why_no_device", lambda: "no NVIDIA driver is installed")
    monkeypatch.setattr(gpu, "cuda_devices", lambda: 0)
    monkeypatch.setattr(gpu, "runtime_versions", lambda: {"torch": "2.9"})
    found = looked(gpu.look, of_tree(tmp_path, 'backend = "tensorrt"\n'))
    assert {one.what: one.verdict for one in found} == {
        "card": "fail",
        "driver": "fail",
        "TensorRT": "fail",
    }
    assert "pip install 'phenostream[gpu]'" in the(found, "TensorRT").todo
    assert {one.verdict for one in looked(gpu.look, of_tree(tmp_path))} == {"ok"}


def test_a_card_without_a_driver_is_told_although_nothing_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "why_no_device", lambda: "no NVIDIA driver is installed")
    card = "sys__bus__pci__devices__0000:01:00.0__"
    of = of_tree(tmp_path, **{f"{card}vendor": "0x10de\n", f"{card}class": "0x030200\n"})
    found = looked(gpu.look, of)
    assert the(found, "card").found == "1 of NVIDIA at 0000:01:00.0"
    assert the(found, "driver").verdict == "warn"


def test_a_gpu_without_tensorrt_works_and_is_told_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "why_no_device", lambda: None)
    monkeypatch.setattr(gpu, "driver_cuda", lambda: "CUDA 13.2")
    monkeypatch.setattr(gpu, "cuda_devices", lambda: 1)
    monkeypatch.setattr(gpu, "runtime_versions", dict)
    facts = DeviceFacts("H100", "9.0", "580.1", 80 << 30)
    monkeypatch.setattr(gpu, "device_facts", lambda: facts)
    monkeypatch.setattr(
        gpu, "gpu_state", lambda library: GpuState(False, 345, 1980, ("power brake",))
    )
    found = looked(gpu.look, of_tree(tmp_path))
    assert the(found, "driver").found == (
        "580.1, offers 1 devices; the first is H100, compute capability 9.0, 80 GiB"
    )
    assert the(found, "CUDA").found == "the driver speaks CUDA 13.2"
    assert "held down by power brake" in the(found, "clocks").found
    assert the(found, "persistence").verdict == "warn"
    assert the(found, "TensorRT").verdict == "warn"


class FakeManagement:
    """The calls of the management library that are made; each puts one number."""

    ANSWERS = (
        ("nvmlDeviceGetPersistenceMode", 1),
        ("nvmlDeviceGetCurrentClocksThrottleReasons", 0x44),
        ("nvmlDeviceGetClockInfo", 1200),
        ("nvmlDeviceGetMaxClockInfo", 1980),
    )

    def __init__(self, broken: str = "") -> None:
        self.shut_down = 0
        for name, number in self.ANSWERS:
            setattr(self, name, self._answer(name, number, broken))

    def _answer(self, name: str, number: int, broken: str) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            arguments[-1]._obj.value = number
            return 999 if name == broken else 0

        return call

    def nvmlInit_v2(self) -> int:  # noqa: N802  # the library's names
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, ordinal: int, device: Any) -> int:  # noqa: N802
        assert isinstance(device._obj, ctypes.c_void_p)
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.shut_down += 1
        return 0


def test_the_state_of_a_gpu_is_what_its_library_says() -> None:
    library = FakeManagement()
    assert gpu_state(library) == GpuState(True, 1200, 1980, ("heat (hardware)",))
    assert library.shut_down == 1
    silent = gpu_state(FakeManagement("nvmlDeviceGetPersistenceMode"))
    assert silent is not None
    assert silent.persistent is None
    assert gpu_state(None) is None
