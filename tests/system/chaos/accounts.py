"""Promise 3: every frame is accounted for, exactly, whatever a source does and however often the daemon dies.

A source that drops, repeats, reorders and lies by a script (`tests/system/lying_source.py`), which says beforehand what
the ledger must be. Equal means equal: in END's report, in the status and, frame by frame, in the journal.
"""

from collections import Counter

import zmq

from phenostream.daemon.client import Control
from tests.system.chaos.faulty_daemon import FaultyDaemon, faulty_daemon
from tests.system.chaos.kills import fates_in
from tests.system.chaos.promise import Outcome, Setting
from tests.system.lying_source import NEW, Liar, expected, script, told
from tests.system.small_camera import small_frame, small_start

FRAMES = 60
KILLS = 2


def run(setting: Setting) -> Outcome:
    """Play scripts, each to a daemon of its own."""
    outcome = Outcome()
    for number in range(setting.of(1, 6, 60)):
        with faulty_daemon(setting, f"d{number}", "[ingest]\nshot_timeout_s = 0.5\n") as daemon:
            _play(daemon, setting.seed + number, outcome)
    outcome.found = {"ledgers_that_differ": len(outcome.breaches)}
    return outcome


def _play(daemon: FaultyDaemon, seed: int, outcome: Outcome) -> None:
    acts, start = script(seed, FRAMES, KILLS), small_start(n_expected=FRAMES)
    wanted = expected(acts, FRAMES)

    def restart() -> str:
        daemon.kill()
        url: str = daemon.start()["ingest"]
        return url

    with zmq.Context() as context:
        liar = Liar(context, start, small_frame(), restart)
        try:
            report = told(liar.play(acts, FRAMES).ledger)
            with Control(daemon.ready["control"]) as control:
                status = told(control.status()["ledger"]["runs"][start.run])
        except AssertionError as err:  # of the liar: a frame with two fates, or no answer
            outcome.expect(False, f"script {seed}: {err}")
            return
        finally:
            liar.close()
    daemon.kill()
    journaled: Counter[int] = fates_in(daemon.journal, outcome).get(start.run, Counter())
    outcome.done.update(scripts=1, acts=len(acts), kills=KILLS)
    outcome.done["lies"] += sum(act.what != "frame" for act in acts)
    for name, ledger in (("report", report), ("status", status)):
        differing = {key for key in wanted | ledger if wanted.get(key) != ledger.get(key)}
        said = ", ".join(
            f"{key} {ledger.get(key, 0)} not {wanted.get(key, 0)}" for key in differing
        )
        outcome.expect(not differing, f"script {seed}: {name}: {said}")
    numbers = sorted(act.number for act in acts if act.what in NEW)
    outcome.expect(
        sorted(journaled) == numbers and set(journaled.values()) <= {1},
        f"script {seed}: the journal does not hold each received frame once",
    )
