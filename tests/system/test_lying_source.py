"""What a lying source did is in END's report, in the status and in the journal, to the unit, as its script says."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
import zmq

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.codec import unpack_result
from phenostream.daemon.wire.ingest import Start
from tests.system import lying_push
from tests.system.lying_source import CELLS, NEW, WRONG, Liar, expected, script, told

N_FRAMES = 60
CONFIG = "[ingest]\nshot_timeout_s = 0.5\n"


def fate_of(what: str) -> str | None:
    return "quarantined" if what in (*WRONG, "incomplete") else "published" if what in NEW else None


def journaled(daemon: Any, run: str) -> tuple[dict[int, str], dict[str, int]]:
    """Every frame's fate, each told once, and the ledger of the run's end."""
    fates: dict[int, str] = {}
    ledgers: list[dict[str, int]] = []

    def look(record: Record) -> None:
        body = unpack_result(record.payload)
        if record.topic == "result" and body["run"] == run:
            assert body["frame_seq"] not in fates
            fates[body["frame_seq"]] = body["fate"]
        elif body.get("event") == "run_ended" and body["run"] == run:
            ledgers.append(body["ledger"])

    Journal(daemon.folder / "journal", on_record=look).close()
    (ledger,) = ledgers
    return fates, ledger


@pytest.mark.system
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("seed", "kills"), [(1, 0), (2, 3), (3, 3)])
def test_every_account_is_the_one_of_the_script(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Any,
    seed: int,
    kills: int,
) -> None:
    daemon = make_daemon(CONFIG)

    def restart() -> str:
        daemon.kill()
        url: str = daemon.start()["ingest"]
        return url

    acts = script(seed, N_FRAMES, kills)
    start = small_start(n_expected=N_FRAMES)
    with zmq.Context() as context:
        liar = Liar(context, start, small_frame, restart)
        report = liar.play(acts, N_FRAMES)
        wanted = expected(acts, N_FRAMES)
        assert told(report.ledger) == wanted
        with Control(daemon.ready["control"]) as control:
            assert told(control.status()["ledger"]["runs"][start.run]) == wanted
            seen = next(act.number for act in acts if act.what == "frame")
            liar.again(seen)  # after END: in the status, not in what is final
            after = told(control.status()["ledger"]["runs"][start.run])
            assert after == wanted | {"duplicates": wanted.get("duplicates", 0) + 1}
        assert liar.end(N_FRAMES).ledger == report.ledger
        liar.close()
    daemon.kill()
    fates, ledger = journaled(daemon, start.run)
    assert ledger == report.ledger
    fated = {act.number: fate_of(act.what) for act in acts if act.what in NEW}
    assert fates == fated == {number: fate for number, (fate, _) in liar.acked.items()}


def test_a_script_is_added_up_by_hand() -> None:
    acts = script(7, 200, 2)
    wanted = expected(acts, 200)
    assert wanted["received"] + wanted["missing"] == 200
    assert wanted["published"] + wanted["quarantined"] == wanted["received"]
    assert wanted["cells_found"] == CELLS * wanted["published"]
    last = max(at for at, act in enumerate(acts) if act.what == "kill")
    assert wanted["late"] == sum(act.what == "late" for act in acts[last:])
    assert {act.what for act in acts} >= {*NEW, "again", "drop", "late", "stranger", "kill"}


@pytest.mark.system
@pytest.mark.parametrize("seed", [1, 2])
def test_a_lying_source_that_nobody_answers_is_accounted_for_as_its_script_says(
    make_daemon: Callable[..., Any],
    small_start: Callable[..., Start],
    small_frame: Any,
    seed: int,
) -> None:
    daemon = make_daemon('[[sources]]\nname = "cam"\nsocket = "pull"\nendpoint = "ipc://cam"\n')
    daemon.start()
    acts = lying_push.script(seed, N_FRAMES)
    start, victim = small_start(), small_start()
    with zmq.Context() as context, Control(daemon.ready["control"]) as control:
        with Sender(daemon.ready["ingest"], victim.instrument) as sender:
            sender.start(victim)
            with context.socket(zmq.PUSH) as push:
                push.connect(daemon.ready["sources"]["cam"])
                lying_push.play(acts, push, start, victim.run, small_frame)
                while (status := control.status())["sources"]["cam"]["messages"] < len(acts):
                    pass
            refused = sum(act.what == "foreign" for act in acts)
            assert told(status["ledger"]["runs"][victim.run]) == {"refused": refused}
            assert sender.finish().ledger["refused"] == refused
        while not (status := control.status())["ledger"]["runs"][start.run]["missing"]:
            pass
        while control.status()["ledger"]["runs"][start.run]["in_flight"]:
            pass
        status = control.status()
    ledger, port = lying_push.expected(acts)
    assert told(status["ledger"]["runs"][start.run]) == ledger
    said = status["sources"]["cam"]
    assert {key: n for key, n in said.items() if n and isinstance(n, int)} == port
    daemon.send(signal.SIGTERM)
    assert daemon.wait() == 0
    fates, final = journaled(daemon, start.run)
    assert told(final) == ledger
    wrong = {act.number: fate_of(act.what) for act in acts if act.what in ("frame", *WRONG)}
    assert fates == wrong
