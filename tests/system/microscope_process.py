"""One microscope of `test_many_runs`, as a process of its own: a script of frame numbers, sent in that order.

Reads one JSON map on standard input; a lossless one prints the daemon's ledger. Frames are a 4 x SIZE x SIZE ramp, so
nothing but the numbers is random here.
"""

import json
import sys
import time
from typing import Any

import numpy as np

from phenostream.daemon.client.best_effort_sender import BestEffortSender, BestEffortSettings
from phenostream.daemon.client.sender import Sender
from phenostream.daemon.client.sender_options import SenderSettings
from phenostream.daemon.client.stream import SourceFrame
from phenostream.daemon.wire.ingest import Start


def send_lossless(plan: dict[str, Any], start: Start, image: Any) -> dict[str, Any]:
    """Every number once, each until it has its fate, however often the daemon dies."""
    with Sender(plan["url"], start.instrument, SenderSettings(reconnect_timeout_s=50)) as sender:
        sender.start(start)
        for seq in plan["numbers"]:
            sender.send(seq, image)
            time.sleep(plan["pause_s"])
        return sender.finish(plan["n_frames"]).ledger


def send_best_effort(plan: dict[str, Any], start: Start, image: Any) -> dict[str, Any]:
    """The numbers as they are, with repeats, gaps and swaps; nobody answers."""
    settings = BestEffortSettings(
        plan["way"], high_water=10_000, reach_timeout_s=40.0, start_every_s=0.2, ends=1
    )
    with BestEffortSender(plan["url"], settings) as sender:
        sender.reach()
        sender.start(start)
        for seq in plan["numbers"]:
            sender.send(SourceFrame(seq, image, source_utc_ns=seq))
            time.sleep(plan["pause_s"])
        if plan["n_frames"] is not None:
            sender.finish(plan["n_frames"])
    return {}


def main() -> None:
    """Send one run."""
    plan = json.load(sys.stdin)
    start = Start.model_validate(plan["start"], strict=False)
    dtype = np.uint8 if start.dtype == "u8" else np.dtype("<u2")
    ramp = np.linspace(100, 200, start.height * start.width).astype(dtype)
    image = np.ascontiguousarray(np.broadcast_to(ramp, (4, ramp.size))).reshape(
        4, start.height, start.width
    )
    send = send_lossless if plan["way"] == "lossless" else send_best_effort
    sys.stdout.write(json.dumps(send(plan, start, image)))


if __name__ == "__main__":
    main()
