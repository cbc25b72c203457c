"""The whole product in one terminal: a daemon, a simulated microscope or a recording, a subscriber, and what it says.

Composes the parts exactly as a site would, over real sockets and processes; nothing here computes a result.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from phenostream.daemon.client.subscriber import Subscriber
from phenostream.daemon.wire.ingest import Report
from phenostream.daemon.wire.results import FrameRecord

OnFrame = Callable[[FrameRecord], None]
_SILENCE_S: Final = 10.0
"""A living daemon speaks every second."""


@dataclass(slots=True)
class Seen:
    """What a subscriber saw of one run.

    Attributes:
        frames: Result records, in the order of their offsets.
        summary: The summary of the whole run, with its facts.
        ledger: The daemon's exact account, from the run's END record.
        gaps: Ranges of offsets that never came.
    """

    frames: list[FrameRecord] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)


def watch_one_run(
    endpoints: dict[str, Any], send: Callable[[], Report], on_frame: OnFrame
) -> tuple[Seen, Report]:
    """Subscribe, then send a run, and follow it to its END.

    Args:
        endpoints: ``results`` and ``control`` of a ready daemon.
        send: Sends one whole run and returns its report; called in a thread of its own, once the subscription stands.
        on_frame: Called with every result record as it comes.

    Returns:
        What the subscriber saw, and what the sender was told.

    Raises:
        BaseException: What `send` raised; nothing is waited for then.
        TimedOut: The daemon fell silent.
    """
    outcome: list[Report | BaseException] = []

    def work() -> None:
        try:
            outcome.append(send())
        except BaseException as err:  # handed to the owner of this thread, below
            outcome.append(err)

    seen = Seen()
    with Subscriber(
        endpoints["results"], endpoints["control"], silence_timeout_s=_SILENCE_S
    ) as results:
        results.on_gap = lambda first, last: seen.gaps.append((first, last))
        results.wait_subscribed()
        sender = threading.Thread(target=work, name="demo-sender", daemon=True)
        sender.start()
        for record in results.events():
            if record is None:
                if outcome and isinstance(outcome[0], BaseException):
                    break
                continue
            body = record.body
            if isinstance(body, FrameRecord):
                seen.frames.append(body)
                on_frame(body)
            elif record.topic == "summary" and body.get("scope") == "run":
                seen.summary = body
            elif body.get("event") == "run_ended":
                seen.ledger = body["ledger"]
                break
    sender.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return seen, outcome[0]
