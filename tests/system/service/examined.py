"""The doctor on an installed box: he infers in the unit's own sandbox, and disturbs nobody."""

import json
from typing import Any, Final

from tests.system.service.box import COMMAND, Box
from tests.system.service.check import Check

_SOCKETS: Final = "ls /run/phenostream"
_MINUTES_S: Final = 180.0


def findings(box: Box) -> list[dict[str, Any]]:
    """All that he finds, as root."""
    done = box.machine.run(COMMAND, "doctor", "--json", timeout_s=_MINUTES_S)
    assert done.returncode in (0, 1), done.stderr
    told: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    return told


def _examined(box: Box) -> str:
    pid, sockets = box.daemon.pid, box.machine.must("sh", "-c", _SOCKETS)
    found = findings(box)
    assert box.daemon.pid == pid, "the daemon was started again"
    assert box.machine.must("sh", "-c", _SOCKETS) == sockets, "sockets of the daemon are gone"
    wrong = [one for one in found if one["verdict"] == "fail"]
    assert not wrong, wrong
    (inside,) = (one for one in found if one["what"] == "inside the unit")
    assert inside["verdict"] == "ok", inside
    (ingest,) = (one for one in found if one["what"] == "ingest.endpoint")
    assert "served by it" in ingest["found"], ingest
    return f"{len(found)} findings, none fails; inside: {inside['found']}"


CHECKS: Final = (
    Check(
        "doctor", "the doctor infers in the unit's sandbox, beside a daemon that works", _examined
    ),
)
