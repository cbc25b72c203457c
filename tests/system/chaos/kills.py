"""Promise 1: whatever dies whenever, no acknowledged frame is lost and none has two fates.

Two microscopes (whole frames; single shots) stream without pause. The daemon is killed with SIGKILL: at random
instants, between a write and its sync, and between a sync and the acknowledgement. With most kills the power fails too
(`simulated_disk`): what was not synced is gone, zeros, garbage or torn. Now and then a microscope is killed with it.
"""

import random
import time
from collections import Counter
from pathlib import Path

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.codec import unpack_meta
from phenostream.engine.errors import BadRecording
from tests.system.chaos.controls import CONTROLS
from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.microscope import Microscope
from tests.system.chaos.promise import Outcome, Setting
from tests.system.chaos.simulated_disk import CUTS, cut_power
from tests.system.daemon_process import NotReady
from tests.system.small_camera import small_start

LATEST_S = 0.25
"""A random instant lies within so long after an acknowledgement."""
MICROSCOPE_DIES = 0.2
LAST_SYNC = 16
"""A daemon that kills itself does so beside one of its first so many syncs; the first of all open the journal."""
SIDES = ("random", "before", "after")
Fates = dict[str, Counter[int]]


def run(setting: Setting) -> Outcome:
    """Kill, cut, start, and hold the journal against what the microscopes were told."""
    kills, outcome, chance = setting.of(6, 100, 1000), Outcome(), setting.chance()
    control = CONTROLS.get(setting.broken or "")
    broken = setting.broken if control and control.where == "microscope" else None
    with faulty_daemon(setting, "d", "[ingest]\nshot_timeout_s = 60\n") as daemon:
        daemon.journal_extra = "segment_bytes = 65536\n"  # many segments: also their births are cut
        url = daemon.start()["ingest"]
        microscopes = [Microscope(url, small_start(), shots, broken) for shots in (False, True)]
        daemon.kill()
        while outcome.done["kills"] < kills:
            if not _one_kill(daemon, microscopes, outcome, chance):
                break
        if not outcome.breaches:
            daemon.start()
        for microscope in microscopes:
            if outcome.breaches:
                microscope.kill()  # there is no daemon to end the run with
            else:
                microscope.finish()
        daemon.kill()
        _judge(microscopes, fates_in(daemon.journal, outcome), outcome)
    return outcome


def _one_kill(
    daemon: FaultyDaemon,
    microscopes: list[Microscope],
    outcome: Outcome,
    chance: random.Random,
) -> bool:
    """One life, one kill, perhaps a cut; False when a microscope gave up, or the daemon refuses its journal."""
    number = outcome.done["kills"] + 1
    for microscope in microscopes:
        microscope.round = number
    side, at = SIDES[number % len(SIDES)], chance.randint(1, LAST_SYNC)  # in turn with the cuts
    try:
        if side == "random":
            daemon.start()
        else:
            daemon.start_to_die(side, at)
    except NotReady as err:
        outcome.breaches.append(f"kill {number}: the daemon does not start again: {err}")
        return False
    if side == "random":
        if not all(microscope.wait_for_news() for microscope in microscopes):
            return False
        time.sleep(chance.uniform(0.0, LATEST_S))  # the instant is what is tested
        daemon.kill()
    else:
        daemon.wait()
    outcome.done["kills"] += 1
    outcome.done["killed_beside_a_sync"] += side != "random"
    _fail_around(daemon, microscopes, outcome, chance)
    return True


def _fail_around(
    daemon: FaultyDaemon,
    microscopes: list[Microscope],
    outcome: Outcome,
    chance: random.Random,
) -> None:
    """What dies with the daemon: the disk's unsynced pages, a microscope."""
    if chance.random() < MICROSCOPE_DIES:
        dead = chance.choice(microscopes)
        dead.kill()
        outcome.done["microscopes_killed"] += 1
        dead.start()
    how = CUTS[outcome.done["kills"] % len(CUTS)]
    outcome.done["power_cuts"] += how != "no cut"
    outcome.done["bytes_spoilt"] += cut_power(daemon.places, how, chance)


def fates_in(journal: Path, outcome: Outcome) -> Fates:
    """How many result records each frame of each run has; opens the journal as a daemon would."""
    fates: Fates = {}

    def look(record: Record) -> None:
        if record.topic == "result":
            body = unpack_meta(record.payload)
            fates.setdefault(body["run"], Counter())[body["frame_seq"]] += 1

    try:
        Journal(journal, on_record=look).close()
    except BadRecording as err:
        outcome.breaches.append(f"no daemon opens this journal: {err}")
    return fates


def _judge(microscopes: list[Microscope], fates: Fates, outcome: Outcome) -> None:
    lost: list[str] = []
    doubled: list[str] = []
    for microscope in microscopes:
        name = "single shots" if microscope.single_shots else "whole frames"
        journaled = fates.get(microscope.start_message.run, Counter())
        outcome.done["acknowledged"] += len(microscope.acked)
        outcome.done["frames"] += microscope.sent or 0
        lost += [
            f"{name}: frame {seq}, acknowledged about kill {kill}, is not in the journal"
            for seq, kill in sorted(microscope.acked.items())
            if seq not in journaled
        ]
        doubled += [
            f"{name}: frame {seq} has {count} records"
            for seq, count in sorted(journaled.items())
            if count > 1
        ]
        _judge_end(name, microscope, journaled, outcome)
    outcome.found |= {"acknowledged_lost": len(lost), "duplicates": len(doubled)}
    outcome.breaches = [*lost[:3], *doubled[:3], *outcome.breaches]


def _judge_end(
    name: str, microscope: Microscope, journaled: Counter[int], outcome: Outcome
) -> None:
    """The run came to its end, and every frame that was ever sent is there."""
    outcome.expect(microscope.failure is None, f"{name}: {microscope.failure}")
    if microscope.sent is None:
        outcome.expect(bool(outcome.breaches), f"{name}: the run never ended")
        return
    never = set(range(microscope.sent)) - set(journaled)
    outcome.found["sent_never_settled"] = outcome.found.get("sent_never_settled", 0) + len(never)
    outcome.expect(not never, f"{name}: {len(never)} frames sent have no fate: {sorted(never)[:3]}")
    ledger = microscope.ledger or {}
    exact = ledger.get("received") == ledger.get("announced") == microscope.sent
    outcome.expect(exact and not ledger.get("missing"), f"{name}: the ledger says {ledger}")
