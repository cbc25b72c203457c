"""What NVIDIA's management library tells of the first GPU: clocks, what slows it down, and whether it stays awake."""

import ctypes
from dataclasses import dataclass
from typing import Any, Final

_SM_CLOCK: Final = 1
_SLOWED: Final = {
    0x08: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}
"""Bits of the reasons for a lower clock that a person should see to; idling and its power limit are none."""


@dataclass(frozen=True, slots=True)
class GpuState:
    """One moment of a GPU; None where the library does not tell.

    Attributes:
        persistent: The driver stays loaded while nobody uses the GPU.
        clock_mhz: Of its multiprocessors, now.
        top_clock_mhz: At most.
        slowed: What holds the clock down, in words.
    """

    persistent: bool | None
    clock_mhz: int | None
    top_clock_mhz: int | None
    slowed: tuple[str, ...]


def management_library() -> Any:
    """The library, not yet initialised; None where it is not installed."""
    try:
        return ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return None


def gpu_state(library: Any) -> GpuState | None:
    """Ask for the first GPU; None where the library does not answer.

    Args:
        library: See `management_library`.
    """
    if library is None or library.nvmlInit_v2() != 0:
        return None
    try:
        device = ctypes.c_void_p()
        if library.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)) != 0:
            return None
        persistent = _asked(library.nvmlDeviceGetPersistenceMode, ctypes.c_uint(), device)
        reasons = _asked(
            library.nvmlDeviceGetCurrentClocksThrottleReasons, ctypes.c_ulonglong(), device
        )
        return GpuState(
            None if persistent is None else bool(persistent),
            _asked(library.nvmlDeviceGetClockInfo, ctypes.c_uint(), device, _SM_CLOCK),
            _asked(library.nvmlDeviceGetMaxClockInfo, ctypes.c_uint(), device, _SM_CLOCK),
            tuple(text for bit, text in _SLOWED.items() if (reasons or 0) & bit),
        )
    finally:
        library.nvmlShutdown()


def _asked(function: Any, value: Any, *arguments: object) -> int | None:
    """What a function puts into `value`; None where it gives an error."""
    return int(value.value) if function(*arguments, ctypes.byref(value)) == 0 else None
