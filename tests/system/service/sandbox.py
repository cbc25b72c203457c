"""Checks of the sandbox, by a probe that runs in it: what must not work does not, what a daemon needs does."""

import json
import time
from dataclasses import dataclass
from typing import Final

from tests.system.service.box import Box
from tests.system.service.check import Check
from tests.system.service.microscope import TESTS
from tests.system.service.unit import Unit

COMPANIONS: Final = ("phenostream-summariser.service", "phenostream-monitor.service")
_LONG_S: Final = 60.0
_PROBE: Final = f"{TESTS}/tests/system/service/probe.py"
_DENIALS: Final = ("EPERM", "EACCES", "EROFS", "ENOENT", "ENOSYS", "EAFNOSUPPORT", "ESRCH")
_NOT_IN_A_CONTAINER: Final = (
    "clock",
    "kernel log",
    "write /proc/sys",
    "bpf",
    "keyctl",
    "io_uring",
    "userfaultfd",
    "realtime",
)
"""What the container itself may keep from root: there the probe shows nothing, and says so."""


@dataclass(frozen=True)
class Caught:
    """What became of the probes, by name: ``through``, or the error's name."""

    denied: dict[str, str]
    allowed: dict[str, str]


def outside(box: Box) -> dict[str, str]:
    """What root can do of what a sandbox must deny: a probe that gets through nowhere shows nothing."""
    told: dict[str, dict[str, str]] = json.loads(box.machine.must("/usr/bin/python3", _PROBE))
    return told["denied"]


def inside(unit: Unit) -> Caught:
    """The same in the place of a service, with all that its unit says, and before it; it is stopped afterwards."""
    unit.tell("stop")
    unit.tell("reset-failed")
    began_s = time.monotonic()
    with unit.overridden(f"[Service]\nExecStartPre=/usr/bin/python3 {_PROBE}\n"):
        unit.begin()
        _, record = unit.until_said('{"denied"', _LONG_S, began_s)
        unit.tell("stop")
    unit.tell("reset-failed")
    return Caught(**json.loads(record["MESSAGE"]))


def leaks(denied: dict[str, str]) -> list[str]:
    """Probes that a sandbox should have denied and did not."""
    return [name for name, outcome in denied.items() if outcome not in _DENIALS]


def unmet(allowed: dict[str, str]) -> list[str]:
    """Probes of what a daemon needs and does not have."""
    return [name for name, outcome in allowed.items() if outcome != "through"]


def _denied(box: Box) -> str:
    free = outside(box)
    blind = [name for name, outcome in free.items() if outcome != "through"]
    unexpected = [name for name in blind if name not in _NOT_IN_A_CONTAINER]
    assert not unexpected, f"outside of the sandbox too: {_told(free, unexpected)}"
    caught = inside(box.daemon)
    through = leaks(caught.denied)
    assert not through, f"from inside: {_told(caught.denied, through)}"
    needed = unmet(caught.allowed)
    assert not needed, f"a daemon needs: {_told(caught.allowed, needed)}"
    unseen = f" ({', '.join(blind)}: outside of it neither, in a container)" if blind else ""
    return (
        f"{len(free)} probes denied, {len(free) - len(blind)} of which get through outside of it{unseen}; "
        f"{len(caught.allowed)} that it needs work"
    )


def _told(outcome: dict[str, str], names: list[str]) -> str:
    return ", ".join(f"{name}: {outcome[name]}" for name in names)


def _companions(box: Box) -> str:
    told = []
    for name in COMPANIONS:
        unit = Unit(box.machine, name)
        caught = inside(unit)
        through = leaks(caught.denied)
        assert not through, f"from inside {name}: {_told(caught.denied, through)}"
        told.append(f"{name}: {len(caught.denied)} denied")
    return "; ".join(told)


CHECKS: Final = (
    Check("sandbox", "the daemon's sandbox lets nothing out", _denied, starts=True),
    Check("companions", "nor do those of the processes beside it", _companions, starts=True),
)
