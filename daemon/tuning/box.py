"""What a measured speed depends on: the model's files, the box's CPU and GPU, and the runtimes' versions."""

import hashlib
import platform
from importlib import metadata
from pathlib import Path
from typing import Final

from phenostream.engine.backends.driver import cuda_devices, device_facts
from phenostream.engine.backends.options import usable_cores
from phenostream.engine.bundle import Bundle
from phenostream.engine.engine_cache import Facts

_RUNTIMES: Final = (
    "openvino",
    "onnxruntime",
    "torch",
    "tensorrt",
    "tensorrt-cu13",
    "tensorrt-cu12",
    "tensorrt-rtx-cu13",
)
"""Distributions whose version makes a speed another one."""


def speed_facts(bundle: Bundle) -> Facts:
    """All that must be as it was for a measured speed of this bundle to be believed.

    Raises:
        EngineFault: There is a CUDA device whose driver does not say what it is.
    """
    return {
        "graphs": _graphs(bundle),
        "phenostream": own_version(),
        "runtimes": ", ".join(f"{name} {version}" for name, version in runtime_versions().items()),
        "cpu": cpu_model(),
        "cores": usable_cores(),
        "gpu": gpu(),
    }


def own_version() -> str:
    """Ours: how a runtime is used is as much part of its speed."""
    return metadata.version("phenostream")


def runtime_versions() -> dict[str, str]:
    """Version of every runtime that is installed."""
    found = {}
    for name in _RUNTIMES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def cpu_model() -> str:
    """What the kernel calls the CPU; the machine's name where it does not say."""
    return _cpuinfo().get("model name", platform.machine())


def cpu_flags() -> set[str]:
    """What the kernel says the CPU can do, such as ``amx_bf16``."""
    return set(_cpuinfo().get("flags", "").split())


def gpu() -> str:
    """The first CUDA device and its driver; empty where there is none."""
    if not cuda_devices():
        return ""
    facts = device_facts()
    return f"{facts.name} {facts.compute_capability}, driver {facts.driver_version}"


def _cpuinfo() -> dict[str, str]:
    """What the kernel says of the first core."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text().partition("\n\n")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _graphs(bundle: Bundle) -> str:
    """One digest of every graph of the bundle: a runtime is given one of them and nothing else."""
    entries = bundle.manifest.files
    told = [f"{name} {entries[name].sha256}" for name in sorted(entries) if name.endswith(".onnx")]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
