"""The daemon under the rig: `phenostream run`, with a recorder of syncs and what the rig plants.

Started as a process of its own. It dies by its own hand, by SIGKILL, where a kill from outside would hardly hit:
between the write and the sync, or between the sync and the acknowledgement.
"""

import argparse
import os
import signal
from pathlib import Path
from typing import Literal

from phenostream.deploy.cli.main import main
from tests.system.chaos.controls import CONTROLS
from tests.system.chaos.simulated_disk import Places, SyncRecorder


def run() -> int:
    """Plant, then serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", type=Path, help="record what is durable in this directory")
    parser.add_argument("--die", choices=("before", "after"), help="which side of a sync to die at")
    parser.add_argument("--at", type=int, default=0, help="number of that sync")
    parser.add_argument("--break", dest="broken", choices=CONTROLS)
    parser.add_argument("config", type=Path)
    told = parser.parse_args()

    def moment(number: int, side: Literal["before", "after"]) -> None:
        if number == told.at and side == told.die:
            os.kill(os.getpid(), signal.SIGKILL)

    if told.journal is not None:
        SyncRecorder(Places.beside(told.journal), moment).install()
    if told.broken is not None:
        CONTROLS[told.broken].plant()
    return main(["run", "--json", "--config", str(told.config)])


if __name__ == "__main__":
    raise SystemExit(run())
