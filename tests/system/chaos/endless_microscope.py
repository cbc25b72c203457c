"""A microscope as a process that may be killed: one run, as fast as the credit allows, until its input ends.

Reads one JSON line with `url`, `start`, `single_shots`, `broken`. Writes a line a fact: ``ack N`` as soon as it hears
it, at the end ``sent N`` and ``ledger {...}``, or ``failed WHY``. Started again after its death it says the same START
and goes on behind what the daemon says is settled.
"""

import json
import sys
import threading
from typing import Any

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.wire.ingest import Ack, Start
from phenostream.engine.errors import PhenostreamError
from tests.system.chaos.controls import CONTROLS
from tests.system.small_camera import small_frame

MOST_UNACKED = 64
"""Frames ahead of the acknowledgements: single shots have no credit to wait for while a frame lacks some."""


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _note(ack: Ack) -> None:
    _tell(f"ack {ack.frame_seq}")


def _stream(sender: Sender, start: Start, enough: threading.Event, *, single_shots: bool) -> int:
    """Frames until it is enough; with single shots the last two of a frame go out amid the next one's first two."""
    frame = small_frame()
    last_acked = sender.start(start).last_acked
    first = seq = 0 if last_acked is None else last_acked + 1

    def send_shots(number: int, which: slice) -> None:
        if number >= first:
            for shot, counts in list(zip(start.shots, frame, strict=True))[which]:
                sender.send_shot(number, shot, counts)

    while not enough.is_set():
        while sender.counts.unacked > MOST_UNACKED and not enough.is_set():
            sender.wait(0.005)
        if single_shots:
            send_shots(seq, slice(0, 2))
            send_shots(seq - 1, slice(2, 4))
        else:
            sender.send(seq, frame)
        seq += 1
    if single_shots:
        send_shots(seq - 1, slice(2, 4))
    return seq


def _wait_for_end_of_input(enough: threading.Event) -> None:
    sys.stdin.read()
    enough.set()


def main() -> None:
    """Send until told."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    if plan["broken"]:
        CONTROLS[plan["broken"]].plant()
    start, enough = Start.model_validate(plan["start"], strict=False), threading.Event()
    threading.Thread(target=_wait_for_end_of_input, args=(enough,), daemon=True).start()
    settings = SenderSettings(connect_timeout_s=50, reconnect_timeout_s=50)
    try:
        with Sender(plan["url"], start.instrument, settings) as sender:
            sender.on_ack = _note
            sent = _stream(sender, start, enough, single_shots=plan["single_shots"])
            _tell(f"sent {sent}")
            _tell(f"ledger {json.dumps(sender.finish().ledger)}")
    except PhenostreamError as err:
        _tell(f"failed {err}")


if __name__ == "__main__":
    main()
