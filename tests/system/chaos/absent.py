"""Promise 4: a subscriber that was away, stopped or killed is given every record, once, in order, byte for byte.

Three subscribers follow a stream from the first record. Again and again one is stopped or killed and comes back later;
now and then the daemon itself dies, with a power cut. At the end each must hold what the journal holds.
"""

import random

from phenostream.daemon.client import Control
from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.microscope import Microscope
from tests.system.chaos.promise import Outcome, Setting
from tests.system.chaos.simulated_disk import CUTS, cut_power
from tests.system.chaos.subscriber import FollowedSubscriber, lines_in
from tests.system.small_camera import small_start

SUBSCRIBERS = 3
DAEMON_DIES = 0.2
LONGEST_ABSENCE = 60
"""Acknowledgements that pass while a subscriber is away, at most."""


def run(setting: Setting) -> Outcome:
    """Stop, kill, and compare."""
    rounds, outcome, chance = setting.of(4, 30, 200), Outcome(), setting.chance()
    with faulty_daemon(setting) as daemon:
        daemon.start()
        microscope = Microscope(daemon.ready["ingest"], small_start())
        subscribers = [FollowedSubscriber(daemon.ready) for _ in range(SUBSCRIBERS)]
        try:
            for _ in range(rounds):
                _send_away(chance.choice(subscribers), microscope, outcome, chance)
                if chance.random() < DAEMON_DIES:
                    _die(daemon, outcome, chance)
            microscope.finish()
            outcome.expect(microscope.failure is None, f"the microscope: {microscope.failure}")
            with Control(daemon.ready["control"]) as control:
                newest = control.status()["journal"]["newest"]
            reached = [subscriber.wait_until(newest) for subscriber in subscribers]
        finally:
            for subscriber in subscribers:
                subscriber.kill()
        daemon.kill()
        _compare(subscribers, reached, lines_in(daemon.journal), outcome)
    return outcome


def _send_away(
    subscriber: FollowedSubscriber,
    microscope: Microscope,
    outcome: Outcome,
    chance: random.Random,
) -> None:
    """One absence, as long as it takes for some more frames to be acknowledged."""
    killed = chance.random() < 0.5
    if killed:
        subscriber.kill()
    else:
        subscriber.stop()
    outcome.done["killed" if killed else "stopped"] += 1
    back = len(microscope.acked) + chance.randint(1, LONGEST_ABSENCE)
    microscope.process.wait_for(lambda: len(microscope.acked) >= back)
    if killed:
        subscriber.start()
    else:
        subscriber.go_on()


def _die(daemon: FaultyDaemon, outcome: Outcome, chance: random.Random) -> None:
    daemon.kill()
    outcome.done["daemon_killed"] += 1
    cut_power(daemon.places, chance.choice(CUTS), chance)
    daemon.start()


def _compare(
    subscribers: list[FollowedSubscriber], reached: list[bool], journal: list[str], outcome: Outcome
) -> None:
    outcome.done["records"] = len(journal)
    missed = differing = 0
    for number, subscriber in enumerate(subscribers):
        name = f"subscriber {number}"
        outcome.expect(reached[number], f"{name} never reached the newest record")
        outcome.expect(not subscriber.gaps, f"{name} was told of {subscriber.gaps[:3]}")
        missed += len(set(journal) - set(subscriber.lines))
        if subscriber.lines != journal:
            differing += 1
            place = next(
                (
                    i
                    for i, pair in enumerate(zip(subscriber.lines, journal, strict=False))
                    if pair[0] != pair[1]
                ),
                min(len(subscriber.lines), len(journal)),
            )
            outcome.expect(
                False,
                f"{name}: differs from the journal at its record {place}: {subscriber.lines[place : place + 1]}, "
                f"the journal has {journal[place : place + 1]}",
            )
    outcome.found = {"subscribers_that_differ": differing, "records_missed": missed}
