"""What box a figure was measured on, and how disturbed it was: printed beside every benchmark."""

import os
import platform
from collections.abc import Iterator
from importlib import metadata
from typing import Any

from phenostream.daemon.tuning.box import cpu_flags, cpu_model

_PACKAGES = ("numpy", "opencv-python-headless", "openvino", "onnxruntime", "pyzmq", "torch")


def describe_box() -> dict[str, Any]:
    """CPU, cores, matrix extensions, memory, load, versions; no name that would identify the site."""
    flags = cpu_flags()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "extensions": [
            flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags
        ],
        "memory_gib": round(memory, 1),
        "load_1min": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


def describe_in_a_line(box: dict[str, Any]) -> str:
    """The box for the head of a table."""
    extensions = " ".join(box["extensions"]) or "no AVX"
    return (
        f"{box['cpu']}, {box['cores']} cores ({extensions}), {box['memory_gib']} GiB, "
        f"load {box['load_1min']}; "
        + ", ".join(f"{name} {version}" for name, version in box["versions"].items())
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in _PACKAGES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
