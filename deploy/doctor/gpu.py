"""The GPU: the card, its driver, the CUDA that the driver speaks, and the libraries that would use it."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.tuning.box import runtime_versions
from phenostream.deploy.doctor.account import acting_as, may_open
from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok, warn
from phenostream.deploy.doctor.nvml import GpuState, gpu_state, management_library
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.tree import words
from phenostream.engine.backends.driver import (
    cuda_devices,
    device_facts,
    driver_cuda,
    why_no_device,
)
from phenostream.engine.backends.registry import NEED_CUDA

_NVIDIA: Final = "0x10de"
_DISPLAY: Final = "0x03"
"""How the PCI class of a GPU begins."""
_LIBRARIES: Final = ("tensorrt", "tensorrt_rtx")
_INSTALL: Final = "install the driver of the card's maker, then reboot: docs/install.md"


def look(patient: Patient) -> Iterator[Finding]:
    """Card, driver, CUDA, clocks and libraries."""
    cards, needed = _cards(patient.root), _needed(patient)
    why = why_no_device()
    yield _card(cards, needed)
    yield _driver(patient.root, cards, needed, why)
    if why is None:
        yield ok("CUDA", f"the driver speaks {driver_cuda()}")
        yield from _clocks(gpu_state(management_library()))
    yield from _nodes(patient)
    yield _tensorrt(needed, why is None)


def _needed(patient: Patient) -> str | None:
    """The configured backend where it cannot do without a GPU."""
    backend = None if patient.config is None else patient.config.model.backend
    return backend if backend in NEED_CUDA else None


def _cards(root: Path) -> list[str]:
    """PCI addresses of NVIDIA's GPUs in this box, whether a driver knows them or not."""
    return [
        folder.name
        for folder in sorted((root / "sys/bus/pci/devices").glob("*"))
        if words(folder / "vendor") == _NVIDIA and words(folder / "class").startswith(_DISPLAY)
    ]


def _card(cards: list[str], needed: str | None) -> Finding:
    if cards:
        return ok("card", f"{len(cards)} of NVIDIA at {', '.join(cards)}", cards=len(cards))
    if needed is not None and not cuda_devices():
        return fail(
            "card",
            f"none of NVIDIA, and model.backend = {needed!r} needs one",
            'put one in, or set model.backend = "auto"',
        )
    return ok("card", "none of NVIDIA on the PCI bus")


def _driver(root: Path, cards: list[str], needed: str | None, why: str | None) -> Finding:
    if why is None:
        facts = device_facts()
        return ok(
            "driver",
            f"{facts.driver_version}, offers {cuda_devices()} devices; the first is {facts.name}, compute "
            f"capability {facts.compute_capability}, {facts.memory_bytes / 2**30:.0f} GiB",
        )
    loaded = (root / "proc/driver/nvidia/version").exists()
    told = f"{why}{'; the kernel has its module loaded' if loaded else ''}"
    if needed is not None:
        return fail("driver", f"{told}; model.backend = {needed!r} needs it", _INSTALL)
    if cards:
        return warn("driver", f"{told}: the card is not used", _INSTALL)
    return ok("driver", f"{told}; nothing here needs it")


def _clocks(state: GpuState | None) -> Iterator[Finding]:
    if state is None:
        yield not_run("clocks", "the driver's management library (libnvidia-ml) does not answer")
        return
    told = f"{state.clock_mhz or '?'} MHz now, {state.top_clock_mhz or '?'} MHz at most"
    if state.slowed:
        yield warn(
            "clocks",
            f"{told}; held down by {', '.join(state.slowed)}",
            "see to cooling and power: nvidia-smi -q -d PERFORMANCE",
        )
    else:
        yield ok("clocks", told)
    if state.persistent is False:
        yield warn(
            "persistence",
            "off: the driver lets go of an unused GPU, and a start waits for it",
            "sudo systemctl enable --now nvidia-persistenced",
        )
    elif state.persistent:
        yield ok("persistence", "on")


def _nodes(patient: Patient) -> Iterator[Finding]:
    """Whether the daemon's user may open the device nodes."""
    nodes = [
        path
        for path in sorted((patient.root / "dev").glob("nvidia*"))
        if stat.S_ISCHR(path.stat().st_mode)
    ]
    if not nodes:
        return
    with acting_as(patient.account):
        closed = [str(path) for path in nodes if not may_open(path)]
    if closed:
        yield fail(
            "nodes",
            f"user {patient.account.name} may not open {', '.join(closed)}",
            f"mode 0666, or the group that may: ls -l {closed[0]}",
        )
    else:
        yield ok("nodes", f"user {patient.account.name} may open all {len(nodes)} of /dev/nvidia*")


def _tensorrt(needed: str | None, device: bool) -> Finding:
    there = {
        name: text
        for name, text in runtime_versions().items()
        if name.startswith("tensorrt") or name == "torch"
    }
    told = ", ".join(f"{name} {text}" for name, text in there.items())
    has = {
        "tensorrt": any(name.startswith("tensorrt") and "rtx" not in name for name in there),
        "tensorrt_rtx": any("rtx" in name for name in there),
        "torch": "torch" in there,
    }
    if needed is not None and not has[needed]:
        extra = {"tensorrt": "gpu", "tensorrt_rtx": "rtx", "torch": "trainer"}[needed]
        return fail(
            "TensorRT",
            f"model.backend = {needed!r} is not installed (there: {told or 'none'})",
            f"pip install 'phenostream[{extra}]' where the daemon runs from",
        )
    if device and not any(has[name] for name in _LIBRARIES):
        return warn(
            "TensorRT",
            f"not installed (there: {told or 'none'}), although there is a GPU",
            "pip install 'phenostream[gpu]': the daemon infers on the CPU, or by torch, until then",
        )
    return ok("TensorRT", told or "not installed; nothing here needs it")
