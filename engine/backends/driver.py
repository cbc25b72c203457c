"""What CUDA devices this box has, asked of the driver itself.

Some runtimes crash instead of raising where there is no driver, and importing one takes seconds: this asks first, in a
millisecond, and imports nothing.
"""

import ctypes
from dataclasses import dataclass
from typing import Any, Final

from phenostream.engine.errors import EngineFault

_MAJOR: Final = 75
_MINOR: Final = 76
"""Attributes of a device: the two halves of its compute capability."""
_NAME_BYTES: Final = 256
_REFUSALS: Final = {
    100: "the driver finds no device",
    802: "the driver is still starting the device",
    803: "the driver library and the kernel's module are of different versions (after an update: reboot)",
    999: "the kernel's module is not loaded, or its device nodes may not be opened",
}
"""What `cuInit` answers where there is no device, in words."""


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A CUDA device and its driver: what a compiled engine is tied to.

    Attributes:
        name: As its maker calls it.
        compute_capability: Such as ``9.0``.
        driver_version: Such as ``580.159.04``; where only the driver library can be asked, ``CUDA 13.0``.
        memory_bytes: All of it, used or not.
    """

    name: str
    compute_capability: str
    driver_version: str
    memory_bytes: int


def cuda_devices() -> int:
    """How many CUDA devices the driver offers this process; 0 where there is no driver."""
    driver = _driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def why_no_device() -> str | None:
    """Why this process is offered no CUDA device, for a person; None where it is offered one."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver is installed (libcuda.so.1)"
    status = driver.cuInit(0)
    if status != 0:
        return _REFUSALS.get(status, f"the driver gave error {status}")
    return None if cuda_devices() else _REFUSALS[100]


def device_facts(ordinal: int = 0) -> DeviceFacts:
    """Facts of one device; makes no context on it.

    Raises:
        EngineFault: There is no such device, or the driver does not answer.
    """
    devices = cuda_devices()
    if ordinal >= devices:
        raise EngineFault(f"CUDA device {ordinal}: the driver offers {devices} devices")
    driver = _driver()
    device, name = ctypes.c_int(0), ctypes.create_string_buffer(_NAME_BYTES)
    major, minor, memory = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_size_t(0)
    _ask(driver, "cuDeviceGet", ctypes.byref(device), ordinal)
    _ask(driver, "cuDeviceGetName", name, _NAME_BYTES, device)
    _ask(driver, "cuDeviceGetAttribute", ctypes.byref(major), _MAJOR, device)
    _ask(driver, "cuDeviceGetAttribute", ctypes.byref(minor), _MINOR, device)
    _ask(driver, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    return DeviceFacts(
        name.value.decode(errors="replace"),
        f"{major.value}.{minor.value}",
        _release() or driver_cuda(),
        memory.value,
    )


def driver_cuda() -> str:
    """The CUDA version that the driver speaks, ``CUDA 13.0``.

    Raises:
        EngineFault: There is no driver, or it does not answer.
    """
    version = ctypes.c_int(0)
    driver = _driver()
    if driver is None:
        raise EngineFault(f"CUDA driver: {why_no_device()}")
    _ask(driver, "cuDriverGetVersion", ctypes.byref(version))
    return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"


def _driver() -> Any:
    """The driver library, initialised; None where there is none that can be."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None


def _ask(driver: Any, function: str, *arguments: object) -> None:
    status = getattr(driver, function)(*arguments)
    if status != 0:
        raise EngineFault(f"CUDA driver: {function} gave error {status}")


def _release() -> str | None:
    """The driver's own version, which only its management library knows; None where that is not installed."""
    try:
        management = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None
    if management.nvmlInit_v2() != 0:
        return None
    version = ctypes.create_string_buffer(_NAME_BYTES)
    status = management.nvmlSystemGetDriverVersion(version, _NAME_BYTES)
    management.nvmlShutdown()
    return version.value.decode(errors="replace") if status == 0 else None
