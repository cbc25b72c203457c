"""Checks of what a facility engineer looks at: records in journald by their run, metrics and health over HTTP."""

import time
from typing import Any, Final

from tests.system.service.box import MONITOR, Box
from tests.system.service.check import Check
from tests.system.service.unit import Unit

_FRAMES: Final = 10
_LONG_S: Final = 60.0
_GET: Final = """
import sys, time, urllib.error, urllib.request
began = time.monotonic()
try:
    with urllib.request.urlopen(sys.argv[1], timeout=10) as answer:
        code, text = answer.status, answer.read().decode()
except urllib.error.HTTPError as err:
    code, text = err.code, ""
except OSError as err:
    code, text = 0, str(err)
print(code, time.monotonic() - began)
print(text)
"""


def _searchable(box: Box) -> str:
    scope = box.microscope()
    scope.wait_for(_FRAMES)
    scope.finish()
    found: list[dict[str, Any]] = []
    deadline_s = time.monotonic() + _LONG_S
    while not found and time.monotonic() < deadline_s:  # the journal lags, and tells nobody
        found = box.daemon.said(f"PHENOSTREAM_RUN={scope.run}")
    assert found, f"no record has PHENOSTREAM_RUN={scope.run}"
    fields = {"PHENOSTREAM_INSTRUMENT": "scope", "PRIORITY": "6"}
    for name, value in fields.items():
        assert found[0].get(name) == value, f"{name}: {found[0].get(name)!r}, expected {value!r}"
    assert "CODE_FILE" in found[0], f"no CODE_FILE in {sorted(found[0])}"
    other = box.daemon.said("PHENOSTREAM_RUN=none")
    assert not other, f"a run that never was has {len(other)} records"
    return f"{len(found)} records of the run by PHENOSTREAM_RUN, of instrument scope"


def _monitored(box: Box) -> str:
    monitor = Unit(box.machine, "phenostream-monitor.service")
    monitor.must("start")
    try:
        _until(box, "/v2/health/ready", 200)
        _, metrics, seconds = _get(box, "/metrics")
        assert "\nphenostream_up 1" in metrics, "phenostream_up is not 1"
        box.daemon.must("stop")
        _until(box, "/v2/health/ready", 503)
        _, down, _ = _get(box, "/metrics")
        assert "\nphenostream_up 0" in down, "phenostream_up is not 0 while it is down"
        box.daemon.must("start")
        _until(box, "/v2/health/ready", 200)
    finally:
        monitor.tell("stop")
    names = {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE ")}
    return (
        f"ready 200, down 503, up again 200; a scrape {1000 * seconds:.0f} ms, {len(names)} metrics"
    )


def _get(box: Box, path: str) -> tuple[int, str, float]:
    """Status, text and seconds of one request from inside; status 0: nobody answers."""
    said = box.machine.must("/usr/bin/python3", "-c", _GET, f"http://{MONITOR}{path}")
    first, _, text = said.partition("\n")
    code, seconds = first.split()
    return int(code), "\n" + text, float(seconds)


def _until(box: Box, path: str, wanted: int) -> None:
    deadline_s = time.monotonic() + _LONG_S
    while (code := _get(box, path)[0]) != wanted:
        assert time.monotonic() < deadline_s, f"{path}: {code}, expected {wanted}"


CHECKS: Final = (
    Check("journald", "records are found by their run", _searchable),
    Check("monitor", "metrics and health, also while the daemon is down", _monitored),
)
