"""Promise 7, the part of it that needs no systemd: SIGTERM drains, and the next daemon goes on where it ended.

A daemon in mid-stream is told to stop, again and again. Each must end with exit code 0, with a fate for all that it
received; the microscope resends nothing that has one. How long a start takes is told and not judged: a box may be busy.
"""

import signal
import time
from collections import Counter

from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.kills import fates_in
from tests.system.chaos.microscope import Microscope
from tests.system.chaos.promise import Outcome, Setting
from tests.system.small_camera import small_start


def run(setting: Setting) -> Outcome:
    """Drain and start again."""
    outcome, drains = Outcome(), setting.of(2, 10, 100)
    with faulty_daemon(setting) as daemon:
        slowest_s = _start(daemon)
        microscope = Microscope(daemon.ready["ingest"], small_start())
        for number in range(1, drains + 1):
            if not microscope.wait_for_news():
                break
            daemon.send(signal.SIGTERM)
            code = daemon.wait()
            outcome.done["drains"] += 1
            outcome.expect(code == 0, f"drain {number}: exit code {code}")
            slowest_s = max(slowest_s, _start(daemon))
        microscope.finish()
        outcome.expect(microscope.failure is None, f"the microscope: {microscope.failure}")
        daemon.send(signal.SIGTERM)
        outcome.expect(daemon.wait() == 0, "the last drain failed")
        words = daemon.log.read_text().count("every received frame has its fate")
        outcome.expect(words == drains + 1, f"{words} of {drains + 1} drains had a fate for all")
        fates: Counter[int] = fates_in(daemon.journal, outcome).get(
            microscope.start_message.run, Counter()
        )
    sent = microscope.sent or 0
    outcome.done["frames"] = sent
    outcome.found = {
        "frames_without_one_fate": sum(fates.get(seq) != 1 for seq in range(sent)),
        "slowest_start_s": slowest_s,
    }
    outcome.expect(sorted(fates) == list(range(sent)), "not every frame sent has its fate")
    outcome.expect(set(fates.values()) <= {1}, "a frame has two fates")
    outcome.remarks.append(
        "without systemd: watchdog, restart on failure and the sandbox are not shown here yet"
    )
    return outcome


def _start(daemon: FaultyDaemon) -> float:
    """Seconds from the command to the line that says it is ready."""
    began_s = time.monotonic()
    daemon.start()
    return time.monotonic() - began_s
