"""Promise 10: a full disk, clocks that jump and missing descriptors give no wrong data, and the daemon recovers.

The disk is a tmpfs of 1 MiB (needs root). The clock of the daemon is set a day forward or back every few readings: what
it measures must come from the clock that cannot be set. Descriptors are taken away with prlimit while frames stream.
"""

import os
import resource
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from phenostream.daemon.client import Control
from phenostream.daemon.client.errors import Unreachable
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.codec import unpack_meta
from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.microscope import Microscope
from tests.system.chaos.promise import Outcome, Setting
from tests.system.small_camera import small_frame, small_start

LONGEST_MS = 60_000.0
LOOKS = 400


def run(setting: Setting) -> Outcome:
    """One after the other."""
    outcome = Outcome()
    if can_mount():
        _full_disk(setting, outcome)
    else:
        outcome.remarks.append("full disk not run: needs the right to mount a tmpfs")
    _jumping_clock(setting, outcome)
    _no_descriptors(setting, outcome)
    return outcome


def can_mount() -> bool:
    """Whether a tmpfs of our own can be mounted."""
    unshare = shutil.which("unshare")
    if unshare is None or os.geteuid() != 0:
        return False
    trial = [unshare, "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


def _full_disk(setting: Setting, outcome: Outcome) -> None:
    with faulty_daemon(setting, "full") as daemon:
        ballast = f"{daemon.journal}/ballast"
        script = (
            f"mount -t tmpfs -o size=1m none {daemon.journal} && "
            f'head -c 900000 /dev/zero > {ballast} && exec "$@"'
        )
        daemon.prefix = ("unshare", "-m", "sh", "-c", script, "sh")
        daemon.command = daemon.unrecorded
        daemon.start()
        microscope = Microscope(daemon.ready["ingest"], small_start())
        with Control(daemon.ready["control"]) as control:
            full = becomes(lambda: control.status()["state"] == "degraded")
            outcome.expect(full, "full disk: never degraded")
            total = control.status()["ledger"]["total"]
            acked_early = len(microscope.acked) - total["published"]
            Path(f"/proc/{daemon.pid}/root{ballast}").unlink()
            microscope.wait_for_news()
            microscope.finish()
            healed = becomes(lambda: control.status()["state"] == "ready")
        outcome.expect(acked_early <= 0, f"full disk: {acked_early} acknowledged and not published")
        outcome.expect(healed, "full disk: still degraded although there is space")
        _judge("full disk", microscope, outcome)


def _jumping_clock(setting: Setting, outcome: Outcome) -> None:
    with faulty_daemon(setting, "clock") as daemon:
        daemon.command = (*daemon.unrecorded, "--jump-clock")
        daemon.start()
        wanted, microscope = (
            setting.of(200, 1000, 20_000),
            Microscope(daemon.ready["ingest"], small_start()),
        )
        microscope.process.wait_for(lambda: len(microscope.acked) >= wanted)
        microscope.finish()
        daemon.kill()
        _judge("jumping clock", microscope, outcome)
        wrong = durations_that_are_wrong(daemon.journal)
        outcome.found["wrong_durations"] = len(wrong)
        outcome.expect(not wrong, f"jumping clock: wrong durations: {wrong[:3]}")


def durations_that_are_wrong(journal: Path) -> list[str]:
    """Durations in results that are negative or beyond a minute."""
    wrong: list[str] = []

    def look(record: Record) -> None:
        if record.topic == "result":
            for name, value in (unpack_meta(record.payload).get("timing_ms") or {}).items():
                if not 0 <= value <= LONGEST_MS:
                    wrong.append(f"{name} {value} ms at offset {record.offset}")

    Journal(journal, on_record=look).close()
    return wrong


def _no_descriptors(setting: Setting, outcome: Outcome) -> None:
    """New connections find no descriptor; the one that is there is served, and strangers again afterwards.

    Over tcp: when accept finds none over ipc, libzmq 4.3.5 aborts the process (an assertion in its ipc_listener).
    """
    with faulty_daemon(setting, "fds", '[ingest]\nendpoint = "tcp://127.0.0.1:*"\n') as daemon:
        daemon.start()
        microscope = Microscope(daemon.ready["ingest"], small_start())
        microscope.wait_for_news()
        before = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
        used = len(os.listdir(f"/proc/{daemon.pid}/fd"))
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used, before[1]))
        late = threading.Thread(target=_short_run, args=(daemon, outcome))
        late.start()
        goal = len(microscope.acked) + setting.of(50, 200, 2000)
        served = microscope.process.wait_for(lambda: len(microscope.acked) >= goal)
        outcome.expect(served, "no descriptors: the source that was there is not served")
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, before)
        late.join()
        microscope.finish()
        _judge("no descriptors", microscope, outcome)
    outcome.remarks.append(
        "descriptors over tcp: over ipc libzmq 4.3.5 aborts when there is none for a new connection, and the "
        "daemon must be started again"
    )


def _short_run(daemon: FaultyDaemon, outcome: Outcome) -> None:
    start = small_start()
    try:
        with Sender(daemon.ready["ingest"], "scope", SenderSettings(60.0)) as sender:
            sender.start(start)
            sender.send(0, small_frame())
            sender.finish()
    except Unreachable as err:
        outcome.expect(False, f"no descriptors: a source that came amid is never served: {err}")


def _judge(name: str, microscope: Microscope, outcome: Outcome) -> None:
    """Every frame that was sent is published, once."""
    outcome.done["faults"] += 1
    outcome.done["frames"] += microscope.sent or 0
    ledger = microscope.ledger or {}
    whole = ledger.get("received") == ledger.get("published") == microscope.sent
    outcome.expect(microscope.failure is None, f"{name}: {microscope.failure}")
    outcome.expect(whole, f"{name}: sent {microscope.sent}, the ledger says {ledger}")


def becomes(true: Callable[[], bool]) -> bool:
    """Ask until it is true, for at most twenty seconds."""
    pause = threading.Event()
    return any(true() or pause.wait(0.05) for _ in range(LOOKS))
