"""A microscope inside the container: one lossless run, with a rest after each frame, until its input ends.

Reads one JSON line with `url`, `start`, `pause_s`, `patience_s` and `keys`, a folder or null. Writes ``ack N AT_S``
(seconds of the monotonic clock, which all of this machine shares), at the end ``sent N`` and ``ledger {...}``, or
``failed WHY``. Run by the Python of the installed release: it is the product's own client.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.security.keys import ClientKeys
from phenostream.daemon.wire.ingest import Ack, Start
from phenostream.engine.errors import PhenostreamError
from tests.system.small_camera import small_frame

MOST_UNACKED: Final = 16
"""Frames ahead of the acknowledgements: the end of a run waits for all of them."""
_LOOK_S: Final = 0.005


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _note(ack: Ack) -> None:
    _tell(f"ack {ack.frame_seq} {time.monotonic():.6f}")


def _wait_for_end_of_input(enough: threading.Event) -> None:
    sys.stdin.read()
    enough.set()


def main() -> None:
    """Send until told."""
    plan: dict[str, Any] = json.loads(sys.stdin.readline())
    start, enough, frame = (
        Start.model_validate(plan["start"], strict=False),
        threading.Event(),
        small_frame(),
    )
    threading.Thread(target=_wait_for_end_of_input, args=(enough,), daemon=True).start()
    try:
        keys = None if plan["keys"] is None else ClientKeys.read(Path(plan["keys"]))
        settings = SenderSettings(
            connect_timeout_s=plan["patience_s"], reconnect_timeout_s=60, keys=keys
        )
        with Sender(plan["url"], start.instrument, settings) as sender:
            sender.on_ack = _note
            sender.start(start)
            seq = 0
            while not enough.is_set():
                while sender.counts.unacked >= MOST_UNACKED and not enough.is_set():
                    sender.wait(_LOOK_S)
                sender.send(seq, frame)
                seq += 1
                sender.wait(plan["pause_s"])
            _tell(f"sent {seq}")
            _tell(f"ledger {json.dumps(sender.finish().ledger)}")
    except PhenostreamError as err:
        _tell(f"failed {err}")


if __name__ == "__main__":
    main()
