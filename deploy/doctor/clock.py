"""The wall clock: that it can be right, and whether the kernel says that something keeps it so."""

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from phenostream.daemon.clock import clock_fault
from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok, warn
from phenostream.deploy.doctor.patient import Patient

_UNSYNCHRONISED: Final = 0x0040
"""STA_UNSYNC of the kernel's clock status."""
_SET_NTP: Final = "sudo timedatectl set-ntp true (or chrony, or the host's clock)"


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), as far as it is read here; the rest is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("room", ctypes.c_byte * 256),
    )


@dataclass(frozen=True, slots=True)
class Discipline:
    """What the kernel knows of its clock.

    Attributes:
        synchronised: Something sets it right from time to time.
        most_error_s: Largest error that it reckons with.
    """

    synchronised: bool
    most_error_s: float


def look(patient: Patient) -> Iterator[Finding]:
    """The year, and who keeps the clock right."""
    yield from looked(discipline)


def looked(ask: Callable[[], Discipline | None]) -> Iterator[Finding]:
    """See `look`.

    Args:
        ask: Returns what the kernel knows, or None.
    """
    if (fault := clock_fault()) is not None:
        yield fail("time", fault.removeprefix("clock: "), "sudo timedatectl set-time; then NTP")
    else:
        yield ok("time", "within the years that can be")
    known = ask()
    if known is None:
        yield not_run("NTP", "the kernel does not say (adjtimex)")
    elif known.synchronised:
        yield ok("NTP", f"synchronised, off by at most {known.most_error_s * 1e3:,.0f} ms")
    else:
        yield warn("NTP", "the kernel says that nothing keeps the clock right", _SET_NTP)


def discipline() -> Discipline | None:
    """Ask the kernel, changing nothing; None where it does not answer."""
    try:
        adjtimex: Any = ctypes.CDLL(None).adjtimex
    except (OSError, AttributeError):
        return None
    told = _Timex()
    if adjtimex(ctypes.byref(told)) < 0:
        return None
    return Discipline(not told.status & _UNSYNCHRONISED, told.maxerror / 1e6)
