"""Promise 5: a subscriber that is stopped costs the daemon no more memory than its budget, and then misses nothing.

Results are made large by frames of many cells. What the stopped subscriber does to the latency of the others is
measured by `phenostream bench latency`, not here: nothing is timed in a check.
"""

import os
from pathlib import Path

import numpy as np

from phenostream.daemon.client import Control
from phenostream.daemon.client.sender import Sender
from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.promise import Outcome, Setting
from tests.system.chaos.subscriber import FollowedSubscriber, lines_in
from tests.system.small_camera import small_frame, small_start

BUDGET_MIB = 1
ALLOWED_MIB = BUDGET_MIB + 6
TILES = 4
"""The small frame so often in each direction: sixteen times its cells."""


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def run(setting: Setting) -> Outcome:
    """Stop one, publish, look at the memory, let it go on, and compare."""
    frames, outcome = setting.of(1000, 2000, 40_000), Outcome()
    budget = (
        f"[results]\nsend_budget_bytes = {BUDGET_MIB << 20}\n[limits]\nmax_cells_per_frame = 100\n"
    )
    with faulty_daemon(setting, "d", budget) as daemon:
        daemon.start()
        _publish(daemon, frames // 4)
        subscriber = FollowedSubscriber(daemon.ready)
        try:
            caught_up = subscriber.wait_until(_newest(daemon))
            subscriber.stop()
            before = resident_mib(daemon.pid)
            _publish(daemon, frames)
            grown = resident_mib(daemon.pid) - before
            subscriber.go_on()
            caught_up &= subscriber.wait_until(_newest(daemon))
        finally:
            subscriber.kill()
        daemon.kill()
        size = sum(path.stat().st_size for path in daemon.journal.glob("*.journal"))
        outcome.done.update(frames=frames, published_mib=size * 4 // 5 >> 20)
        outcome.found = {"memory_grown_mib": grown, "allowed_mib": ALLOWED_MIB}
        outcome.expect(
            grown <= ALLOWED_MIB, f"memory grew by {grown:.1f} MiB, allowed {ALLOWED_MIB}"
        )
        complete = caught_up and subscriber.lines == lines_in(daemon.journal)
        outcome.expect(complete, "the stopped subscriber did not get everything afterwards")
    return outcome


def _publish(daemon: FaultyDaemon, frames: int) -> None:
    image = np.tile(small_frame(), (1, TILES, TILES))
    start = small_start(height=image.shape[1], width=image.shape[2])
    with Sender(daemon.ready["ingest"], start.instrument) as sender:
        sender.start(start)
        for seq in range(frames):
            sender.send(seq, image)
        sender.finish()


def _newest(daemon: FaultyDaemon) -> int:
    with Control(daemon.ready["control"]) as control:
        newest: int = control.status()["journal"]["newest"]
        return newest
