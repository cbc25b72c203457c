"""The rig's end of a `following_subscriber`: what it was given so far, across its deaths."""

import signal
from pathlib import Path
from typing import Any

from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from tests.system.chaos.following_subscriber import line_of
from tests.system.chaos.line_process import LineProcess


class FollowedSubscriber:
    """One subscriber from offset 0 on.

    Attributes:
        lines: What it told, in order.
        gaps: Ranges it was told are lost.
    """

    def __init__(self, ready: dict[str, Any]) -> None:
        self.lines: list[str] = []
        self.gaps: list[str] = []
        self._urls = {key: ready[key] for key in ("results", "control")}
        self._process = LineProcess("following_subscriber", self._take)
        self.start()

    @property
    def next(self) -> int:
        """The offset it has to be given next."""
        return int(self.lines[-1].split()[0]) + 1 if self.lines else 0

    def start(self) -> None:
        """Begin, or go on behind the last record after a death."""
        self._process.start({**self._urls, "since": self.next})

    def stop(self) -> None:
        """SIGSTOP: it reads nothing, and its connection stays."""
        self._process.send(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        self._process.send(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()

    def wait_until(self, offset: int) -> bool:
        """Until it was given this record; False if it ended before, or a minute went by."""
        return self._process.wait_for(lambda: self.next > offset)

    def _take(self, line: str) -> None:
        if line.startswith("gap "):
            self.gaps.append(line)
        else:
            self.lines.append(line)


def lines_in(journal: Path) -> list[str]:
    """What a subscriber that misses nothing tells of this journal; opens it as a daemon would."""
    lines: list[str] = []

    def look(record: Record) -> None:
        lines.append(line_of(record.offset, record.topic, record.payload))

    Journal(journal, on_record=look).close()
    return lines
