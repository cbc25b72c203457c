"""`make chaos`: put every promise to the test and print the table; exits 1 on any breach, 2 on bad usage.

A negative control (`--break NAME`) plants a fault and runs the promise that must then be BROKEN.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from dataclasses import replace
from pathlib import Path

from tests.system.chaos.controls import CONTROLS
from tests.system.chaos.promise import Outcome, Promise, Setting
from tests.system.chaos.promises import PROMISES
from tests.system.chaos.table import as_json, line_of
from tests.system.toy_bundle import write_toy_bundle

HELD, BROKEN = 0, 1


def main() -> int:
    """Run what was asked for."""
    told = _arguments()
    seed = told.seed if told.seed is not None else random.SystemRandom().randrange(10**6)
    chosen = told.only or [promise.number for promise in PROMISES]
    if told.broken is not None:
        chosen = told.only or [CONTROLS[told.broken].breaks]
        _say(told, f"BROKEN ON PURPOSE: {CONTROLS[told.broken].what}")
    _say(told, f"the promises, size {told.size}, seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        bundle = Path(folder) / "bundle"
        bundle.mkdir()
        write_toy_bundle(bundle)
        setting = Setting(told.size, seed, Path(folder), bundle, told.broken)
        outcomes = [
            _told(promise, setting, told) for promise in PROMISES if promise.number in chosen
        ]
    verdicts = [outcome.verdict for outcome in outcomes]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in ("held", "BROKEN", "not run"))
    _say(told, counts)
    return BROKEN if "BROKEN" in verdicts else HELD


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.system.chaos", description=__doc__)
    parser.add_argument("--size", choices=("small", "ci", "nightly"), default="ci")
    parser.add_argument("--seed", type=int, help="default: a new one, which is printed")
    known = [promise.number for promise in PROMISES]
    parser.add_argument(
        "--only", type=int, nargs="+", choices=known, metavar="N", help="these promises alone"
    )
    parser.add_argument("--break", dest="broken", choices=CONTROLS, help="a negative control")
    parser.add_argument("--json", action="store_true", help="one JSON line a promise")
    return parser.parse_args()


def _told(promise: Promise, setting: Setting, told: argparse.Namespace) -> Outcome:
    """Run one promise and print its line."""
    began_s, own = time.monotonic(), setting.folder / f"p{promise.number}"
    own.mkdir()
    outcome = _run(promise, replace(setting, folder=own))
    seconds = time.monotonic() - began_s
    broken = f" --break {told.broken}" if told.broken else ""
    repeat = (
        f"python -m tests.system.chaos --size {told.size} --only {promise.number} "
        f"--seed {setting.seed}{broken}"
    )
    if told.json:
        sys.stdout.write(json.dumps(as_json(promise, outcome, seconds, repeat)) + "\n")
    else:
        sys.stdout.write(line_of(promise, outcome, seconds, repeat) + "\n")
    sys.stdout.flush()
    return outcome


def _run(promise: Promise, setting: Setting) -> Outcome:
    """A rig that stumbles has shown nothing: that is a breach too, with where it stumbled."""
    try:
        return promise.run(setting)
    except Exception as err:
        where = traceback.extract_tb(err.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return Outcome(breaches=[f"the rig stumbled at {place}: {type(err).__name__}: {err}"])


def _say(told: argparse.Namespace, line: str) -> None:
    if not told.json:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
