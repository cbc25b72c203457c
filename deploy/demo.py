"""The whole product in one terminal: a daemon, a simulated microscope or a recording, a subscriber, and what it says.

Composes the parts exactly as a site would, over real sockets and processes; nothing here computes a result.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from phenostream.daemon.client.control import Control
from phenostream.daemon.client.subscriber import Record, Subscriber
from phenostream.daemon.client.swapping import PAUSE_S
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
        summary: The summary of the whole run, with its facts: the template's, in the place of which the language
            model's comes.
        ledger: The daemon's exact account, from the run's END record; empty before.
        gaps: Ranges of offsets that never came.
    """

    frames: list[FrameRecord] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    gaps: list[tuple[int, int]] = field(default_factory=list)

    @property
    def worded(self) -> bool:
        """A language model's words are there, or there is nothing to word."""
        return not self.summary or self.summary.get("of_offset") is not None

    def take(self, record: Record) -> None:
        """Take what came."""
        body = record.body
        if isinstance(body, FrameRecord):
            self.frames.append(body)
        elif record.topic == "summary" and body.get("scope") == "run":
            self.summary = body
        elif body.get("event") == "run_ended":
            self.ledger = body["ledger"]


def await_summariser(control: Control, within_s: float) -> str:
    """Wait until the summariser beside a daemon hears its summaries, and its language model is loaded.

    Returns:
        Nothing, or why it is not so.

    Raises:
        Unreachable: The daemon does not answer.
    """
    pause, give_up_s = threading.Event(), time.monotonic() + within_s
    while (known := control.status()["summariser"])["llm"] is None:
        if time.monotonic() >= give_up_s:
            return str(known["reason"] or "the summariser has not said a word")
        pause.wait(PAUSE_S)
    return ""


def watch_one_run(
    endpoints: dict[str, Any],
    send: Callable[[], Report],
    on_frame: OnFrame,
    worded_within_s: float = 0.0,
) -> tuple[Seen, Report]:
    """Subscribe, then send a run, and follow it to its END, and on to what a language model says of it.

    Args:
        endpoints: ``results`` and ``control`` of a ready daemon.
        send: Sends one whole run and returns its report; called in a thread of its own, once the subscription stands.
        on_frame: Called with every result record as it comes.
        worded_within_s: How long after its END a language model's words are waited for.

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
        for record in until_told(results, seen, worded_within_s):
            if record is None:
                if outcome and isinstance(outcome[0], BaseException):
                    break
                continue
            seen.take(record)
            if isinstance(record.body, FrameRecord):
                on_frame(record.body)
    sender.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return seen, outcome[0]


def until_told(
    results: Subscriber,
    seen: Seen,
    worded_within_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Record | None]:
    """What comes, until the run's END and its words are in `seen`, or their time is over.

    Args:
        results: A subscriber that stands.
        seen: What whoever iterates has taken of it.
        worded_within_s: From the END on.
        clock: Seconds, monotonic.
    """
    give_up_s: float | None = None
    for record in results.events():
        yield record
        if seen.ledger:
            now_s = clock()
            give_up_s = now_s + worded_within_s if give_up_s is None else give_up_s
            if seen.worded or now_s >= give_up_s:
                return
