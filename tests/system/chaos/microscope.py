"""The rig's end of an `endless_microscope`: starts it, hears what it is told, kills it, starts it again."""

import json
from dataclasses import dataclass, field

from phenostream.daemon.wire.ingest import Start
from tests.system.chaos.line_process import PATIENCE_S, LineProcess


@dataclass
class Microscope:
    """One run.

    Attributes:
        acked: Frames whose acknowledgement it has heard, with the round in which the rig heard of it.
        round: Set by the rig, for its reports.
        sent: Frames it handed over in all; known at the end.
        ledger: The daemon's account of the run; known at the end.
        failure: Why it gave up.
    """

    url: str
    start_message: Start
    single_shots: bool = False
    broken: str | None = None
    acked: dict[int, int] = field(default_factory=dict)
    round: int = 0
    sent: int | None = None
    ledger: dict[str, int] | None = None
    failure: str | None = None

    def __post_init__(self) -> None:
        self.process = LineProcess("endless_microscope", self._take)
        self.start()

    def start(self) -> None:
        """Begin, or go on after a death."""
        self.process.start(
            {
                "url": self.url,
                "start": self.start_message.model_dump(mode="json"),
                "single_shots": self.single_shots,
                "broken": self.broken,
            }
        )

    def kill(self) -> None:
        """kill -9; what it had heard before is known afterwards."""
        self.process.kill()

    def wait_for_news(self) -> bool:
        """Until one more frame is acknowledged; False if the microscope gave up or a minute went by."""
        heard = len(self.acked)
        return self.process.wait_for(lambda: len(self.acked) > heard)

    def finish(self) -> None:
        """Let it end its run, and wait for it; a microscope that hangs has failed."""
        self.process.end_input()
        if not self.process.join():
            self.failure = f"no end of the run within {PATIENCE_S:.0f} s"

    def _take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "ack":
            self.acked.setdefault(int(rest), self.round)
        elif word == "sent":
            self.sent = int(rest)
        elif word == "ledger":
            self.ledger = json.loads(rest)
        elif word == "failed":
            self.failure = rest
