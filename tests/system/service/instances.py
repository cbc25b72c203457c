"""Checks of more than one daemon on a box, and of who may come in over tcp, which a reload changes."""

from typing import Final

from tests.system.service.box import COMMAND, PORTS, Box
from tests.system.service.check import Check
from tests.system.service.microscope import Microscope, refusal
from tests.system.service.unit import Unit

_FRAMES: Final = 40
_SCOPE: Final = "phenostream@scope1"
_LAN: Final = "phenostream@lan"
_KEYS: Final = f"/etc/{_LAN}/keys"
_HANDED_OVER: Final = "/home/hole/scope-1.keys"
_MAKE_KEYS: Final = f"""
set -e
{COMMAND} keys server {_KEYS}
{COMMAND} keys client {_KEYS} --name scope-1 --role source --out {_HANDED_OVER}
{COMMAND} keys client {_KEYS} --name ops --role operator --out /root/ops.keys
chown -R microscope: {_HANDED_OVER}
"""


def _two_at_once(box: Box) -> str:
    second = Unit(box.machine, f"{_SCOPE}.service")
    box.configure(_SCOPE)
    second.must("start")
    try:
        scopes = [box.microscope(), box.microscope(_SCOPE)]
        for scope in scopes:
            scope.wait_for(_FRAMES)
        counts = [scope.finish()["received"] for scope in scopes]
        pids = {box.daemon.pid, second.pid}
        assert len(pids) == 2, f"one process for both: {pids}"
    finally:
        second.tell("stop")
    assert box.daemon.fact("ActiveState") == "active", "stopping one stopped the other"
    return f"{counts[0]} and {counts[1]} frames, none missing; stopping one left the other"


def _allow_list(box: Box) -> str:
    unit, where = Unit(box.machine, f"{_LAN}.service"), f"tcp://127.0.0.1:{PORTS['ingest']}"
    box.configure(_LAN, keys=True)
    box.machine.must("sh", "-c", _MAKE_KEYS)
    unit.must("start")
    try:
        pid = unit.pid
        scope = Microscope(box.machine, where, keys=_HANDED_OVER)
        scope.wait_for(_FRAMES)
        sent = scope.finish()["received"]
        box.machine.must("rm", f"{_KEYS}/allowed/source/scope-1.pub")
        unit.must("reload")
        reason = refusal(box.machine, where, "microscope", _HANDED_OVER)
        assert "does not let our key" in reason, f"after the reload: {reason}"
        assert unit.pid == pid, f"process {pid} became {unit.pid}"
        unit.until_said("allow-list reloaded", 5.0)
    finally:
        unit.tell("stop")
    return (
        f"{sent} frames, none missing, and after a reload: {reason}; process {pid} before and after"
    )


CHECKS: Final = (
    Check("instances", "two instances at once, each with its own account", _two_at_once),
    Check("allow-list", "a reload swaps who may come in, in the same process", _allow_list),
)
