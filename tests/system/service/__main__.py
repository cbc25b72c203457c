"""`make service-test`: phenostream under a real systemd; one line a check, exit 1 on any FAIL, 2 where it cannot run.

    python -m tests.system.service [--only NAME ...] [--without SETTING] [--json]

`--without WatchdogSec` takes a setting out of the installed unit: some line must then say FAIL.
"""

import argparse
import json
import sys
import time

from tests.system.service import examined, instances, lifecycle, sandbox, watching
from tests.system.service.box import Box, installed_box
from tests.system.service.check import Check
from tests.system.service.container import lacking
from tests.system.service.software import release

CHECKS = (
    *lifecycle.CHECKS,
    *sandbox.CHECKS,
    lifecycle.READY,
    *examined.CHECKS,
    *instances.CHECKS,
    *watching.CHECKS,
)
GOOD, FAILED, NOT_HERE = 0, 1, 2


def main() -> int:
    """Boot, install, check."""
    told = _arguments()
    missing = lacking()
    if missing is not None:
        _say(f"NOT RUN: {missing}")
        return NOT_HERE
    _say("== the wheel, and a release of it for the system's own Python")
    release()
    began_s = time.monotonic()
    with installed_box(told.without) as box:
        version = box.machine.must("systemctl", "--version").split("\n", 1)[0]
        _say(
            f"== {version} is PID 1, phenostream is installed, after {time.monotonic() - began_s:.1f} s"
        )
        wanted = [one for one in CHECKS if not told.only or one.name in told.only]
        box.daemon.must("start")  # fills the engine cache
        good = [_held(box, one, as_json=told.json) for one in wanted]
    _say(f"== {sum(good)} ok, {len(good) - sum(good)} FAIL, {time.monotonic() - began_s:.1f} s")
    return GOOD if all(good) else FAILED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.system.service", description=__doc__)
    names = [one.name for one in CHECKS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--without", metavar="SETTING", help="taken out of the installed unit")
    parser.add_argument("--json", action="store_true", help="one JSON line a check")
    return parser.parse_args()


def _held(box: Box, check: Check, *, as_json: bool) -> bool:
    """Run one check and print its line; what it left stopped or broke is mended for the next."""
    began_s, good = time.monotonic(), True
    box.daemon.tell("reset-failed")  # systemd counts starts, and ours are many
    try:
        if not check.starts:
            box.daemon.must("start")
        figure = check.run(box)
    except Exception as err:  # a rig that stumbles has shown nothing
        figure, good = (
            f"{'' if isinstance(err, AssertionError) else type(err).__name__ + ': '}{err}",
            False,
        )
        box.machine.run("systemctl", "kill", "--signal=KILL", box.daemon.name)
        box.daemon.tell("restart")
    seconds = time.monotonic() - began_s
    if as_json:
        line = {"check": check.name, "claim": check.claim, "ok": good, "figure": figure}
        sys.stdout.write(json.dumps({**line, "seconds": round(seconds, 1)}) + "\n")
        sys.stdout.flush()
    else:
        _say(
            f"{'ok  ' if good else 'FAIL'}  {check.name:<10} {check.claim}: {figure}  [{seconds:.1f} s]"
        )
    return good


def _say(line: str) -> None:
    sys.stderr.write(line + "\n") if "--json" in sys.argv else sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
