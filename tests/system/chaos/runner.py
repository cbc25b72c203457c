"""The daemon under the rig: `phenostream run`, with a recorder of syncs and what the rig plants.

Started as a process of its own. It dies by its own hand, by SIGKILL, where a kill from outside would hardly hit:
between the write and the sync, or between the sync and the acknowledgement.
"""

import argparse
import itertools
import os
import signal
import time
from pathlib import Path
from typing import Literal

from phenostream.deploy.cli.main import main
from tests.system.chaos.controls import CONTROLS
from tests.system.chaos.simulated_disk import Places, SyncRecorder

DAY_NS = 86_400 * 10**9
READINGS = 20
"""Of the clock between two jumps."""


def jump_clock() -> None:
    """Whoever reads the time of day finds it a day ahead, a day behind, or right, in turn."""
    read, readings = time.time_ns, itertools.count()

    def jumped_ns() -> int:
        return read() + (next(readings) // READINGS % 3 - 1) * DAY_NS

    names: dict[str, object] = vars(time)
    names["time_ns"], names["time"] = jumped_ns, lambda: jumped_ns() / 1e9


def run() -> int:
    """Plant, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", type=Path, help="record what is durable in this directory")
    parser.add_argument("--die", choices=("before", "after"), help="which side of a sync to die at")
    parser.add_argument("--at", type=int, default=0, help="number of that sync")
    parser.add_argument("--break", dest="broken", choices=CONTROLS)
    parser.add_argument("--jump-clock", action="store_true", help="set the clock again and again")
    parser.add_argument("config", type=Path)
    told = parser.parse_args()

    def moment(number: int, side: Literal["before", "after"]) -> None:
        if number == told.at and side == told.die:
            os.kill(os.getpid(), signal.SIGKILL)

    if told.journal is not None:
        SyncRecorder(Places.beside(told.journal), moment).install()
    if told.jump_clock:
        jump_clock()
    if told.broken is not None:
        CONTROLS[told.broken].plant()
    return main(["run", "--json", "--config", str(told.config)])


if __name__ == "__main__":
    raise SystemExit(run())
