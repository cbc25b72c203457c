"""What a best-effort source says and does not say: the rules of a source that nobody answers, without a socket.

It cannot be asked to send anything again. So nothing is refused silently: every message ends in exactly one counter,
frames that never came are counted as gaps, a run that the journal knows goes on without its START, and a run whose END
was lost is ended when it was quiet for `idle_end_s`. Belongs to the ingest thread; `told` may be asked from any.
"""

import logging
from typing import Final

from phenostream.daemon.ledger import Ledger
from phenostream.daemon.logs import about
from phenostream.daemon.source_config import SourceConfig
from phenostream.daemon.sources.desk import IngestDesk, Speaker, decoded, printable
from phenostream.daemon.sources.peers import NOBODY
from phenostream.daemon.sources.reception import Clock, Letter
from phenostream.daemon.sources.runs import Run, RunBook
from phenostream.daemon.wire.ingest import End, FrameHeader, Hello, Refused, ShotHeader, Start
from phenostream.engine.errors import BadMessage

logger = logging.getLogger(__name__)

OUTCOMES: Final = ("starts", "frames", "ends", "unstarted", "refused", "malformed")
"""Every message ends in one of these. `frames` have their fate, or are duplicates or late, in their run's ledger."""
_MOST_COMPLAINTS: Final = 200


class BestEffortDesk:
    """One per best-effort source."""

    def __init__(
        self, config: SourceConfig, desk: IngestDesk, ledger: Ledger, runs: RunBook
    ) -> None:
        """Speak for the source at `desk`."""
        self.config = config
        self._desk = desk
        self._ledger = ledger
        self._runs = runs
        self._speaker = Speaker(NOBODY, None, config.max_frame_bytes, config.name)
        self._counts = {"messages": 0, **dict.fromkeys(OUTCOMES, 0), "ended_by_timeout": 0}
        self._complaints: set[tuple[str, str]] = set()
        self._quiet: dict[
            str, tuple[float, float]
        ] = {}  # by run: last heard, and listened to since
        self._ticked_s: float | None = None
        self._unheard_s = 0.0

    def told(self) -> dict[str, str | int]:
        """What the status says: how the source is listened to, and what came of its messages.

        `messages` is the sum of all `OUTCOMES`, since this process began.
        """
        return {"socket": self.config.socket, "link": self.config.link, **self._counts}

    def receive(self, parts: list[memoryview], clock: Clock) -> None:
        """One message."""
        self._counts["messages"] += 1
        self._counts[self._outcome(parts, clock)] += 1

    def pause(self, seconds: float) -> None:
        """Nothing was read for so long: no source was quiet because of it."""
        self._unheard_s += seconds

    def tick(self, clock: Clock) -> None:
        """End the runs that were quiet for too long; to be called at least every few seconds."""
        since_s = clock.now_s if self._ticked_s is None else self._ticked_s
        listened_s = max(0.0, clock.now_s - since_s - self._unheard_s)
        self._ticked_s, self._unheard_s = clock.now_s, 0.0
        runs = {run.start.run: run for run in self._runs.sent_by(self.config.name)}
        known, self._quiet = self._quiet, {}
        for name, run in runs.items():
            heard_s, quiet_s = known.get(name, (None, 0.0))
            quiet_s = quiet_s + listened_s if run.heard_s == heard_s else 0.0
            self._quiet[name] = run.heard_s, quiet_s
            if quiet_s >= self.config.idle_end_s and not self._ledger.ended(name):
                self._end_quiet(run, quiet_s)

    def _end_quiet(self, run: Run, quiet_s: float) -> None:
        logger.warning(
            "run %s of %s: no message for %.0f s and no end; it is ended",
            run.start.run,
            run.start.instrument,
            quiet_s,
            extra=about(run.start.run, run.start.instrument),
        )
        self._counts["ended_by_timeout"] += 1
        self._desk.end_unheard(run)

    def _outcome(self, parts: list[memoryview], clock: Clock) -> str:
        if self.config.topic is not None:
            parts = parts[1:]
        try:
            message = decoded(parts)
            if isinstance(message, Hello):
                raise BadMessage("hello: a best-effort source says none, it is not answered")
        except BadMessage as err:
            return self._malformed(parts, printable(str(err)), clock)
        run = self._runs.get(message.run)
        if isinstance(message, Start):
            return self._said("starts", message.run, self._hear(message, parts, clock))
        kind = "ends" if isinstance(message, End) else "frames"
        if run is None:
            self._ledger.count("unstarted")
            self._complain(message.run, f"{message.type} before its start is not kept")
            return "unstarted"
        if run.source == self.config.name and not run.open:
            refusals = self._hear(run.start, [], clock)  # known from the journal, or was parked
            if any(isinstance(letter.message, Refused) for letter in refusals):
                return self._said(kind, message.run, refusals)
        if isinstance(message, End) and run.report is not None and run.ended_by == "timeout":
            self._complain(message.run, "its end came after it was ended; raise idle_end_s")
        return self._said(kind, message.run, self._hear(message, parts, clock))

    def _hear(
        self, message: Start | FrameHeader | ShotHeader | End, parts: list[memoryview], clock: Clock
    ) -> list[Letter]:
        return self._desk.hear(self._speaker, message, parts, clock)

    def _malformed(self, parts: list[memoryview], error: str, clock: Clock) -> str:
        self._desk.malformed(self._speaker, parts, error, clock)
        hint = (
            "" if self.config.topic is not None else ' (topic = "" is for messages led by a topic)'
        )
        self._complain("", f"{error}{hint if len(parts) > 1 else ''}")
        return "malformed"

    def _said(self, kind: str, run: str, letters: list[Letter]) -> str:
        """The outcome of a message by what a lossless source would have been answered."""
        for letter in letters:
            if isinstance(letter.message, Refused):
                reason = letter.message.reason
                self._complain(run, reason)
                if not reason.startswith("late:"):
                    return "refused"
        return kind

    def _complain(self, run: str, text: str) -> None:
        """Log a complaint once per run and kind; a stranger who invents runs cannot fill the log."""
        key = (run, text.partition(":")[0])
        if key in self._complaints or len(self._complaints) > _MOST_COMPLAINTS:
            return
        self._complaints.add(key)
        said = f"run {run}: {text}" if run else text
        if len(self._complaints) > _MOST_COMPLAINTS:
            said = "more than enough to complain about: from now on it is counted, not logged"
        logger.warning(
            "source %s: %s (said once per run and reason)",
            self.config.name,
            said,
            extra=about(run or None),
        )
