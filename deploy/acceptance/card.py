"""The GPU as the driver's management library sees it: an account of memory that no runtime keeps itself."""

import ctypes
from typing import Any, Protocol

from phenostream.engine.backends.driver import DeviceFacts, device_facts
from phenostream.engine.errors import EngineFault


class Card(Protocol):
    """One GPU."""

    facts: DeviceFacts

    def used_bytes(self) -> int:
        """Device memory in use, by whomever.

        Raises:
            EngineFault: The driver does not answer.
        """
        ...


class _Memory(ctypes.Structure):
    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


class ManagedCard:
    """The first CUDA device; it is found in the management library by its place on the bus."""

    def __init__(self) -> None:
        """Find it.

        Raises:
            EngineFault: There is no device, or a library of the driver is missing.
        """
        self.facts = device_facts()
        try:
            self._management: Any = ctypes.CDLL("libnvidia-ml.so.1")
            driver: Any = ctypes.CDLL("libcuda.so.1")
        except OSError as err:
            raise EngineFault(f"the driver's libraries cannot be loaded: {err}") from err
        place = ctypes.create_string_buffer(64)
        device = ctypes.c_int(0)
        self._handle = ctypes.c_void_p()
        _ask(driver, "cuDeviceGet", ctypes.byref(device), 0)
        _ask(driver, "cuDeviceGetPCIBusId", place, 64, device)
        _ask(self._management, "nvmlInit_v2")
        _ask(
            self._management, "nvmlDeviceGetHandleByPciBusId_v2", place, ctypes.byref(self._handle)
        )

    def used_bytes(self) -> int:
        """See `Card.used_bytes`."""
        memory = _Memory()
        _ask(self._management, "nvmlDeviceGetMemoryInfo", self._handle, ctypes.byref(memory))
        return int(memory.used)


def _ask(library: Any, function: str, *arguments: object) -> None:
    status = getattr(library, function)(*arguments)
    if status != 0:
        raise EngineFault(f"GPU driver: {function} gave error {status}")
