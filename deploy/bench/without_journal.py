"""The daemon with a journal that keeps nothing: the other side of `bench journal`, and of no other use.

Nothing is written, hashed or synced, and no checkpoint is taken; offsets count on. What it acknowledges is not kept.
"""

import sys
from collections.abc import Sequence

from phenostream.daemon import recovery
from phenostream.daemon.checkpointing import Checkpointing
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Record
from phenostream.daemon.wire.results import Topic


class KeepsNothing(Journal):
    """A journal in name."""

    def append(self, items: Sequence[tuple[Topic, bytes]]) -> list[Record]:
        """Give out offsets."""
        segment = self._segments[-1]
        first = segment.end
        segment.end += len(items)
        return [Record(first + n, topic, payload) for n, (topic, payload) in enumerate(items)]

    def sync(self) -> None:
        """Call everything durable."""
        self._durable = self._segments[-1].end


def _committed(checkpointing: Checkpointing) -> None:
    """Take no checkpoint."""


def main() -> int:
    """Run the command line with the journal off."""
    from phenostream.deploy.cli.main import main as command_line

    recovery.Journal = KeepsNothing  # type: ignore[attr-defined]  # this program's whole purpose
    Checkpointing.committed = _committed  # type: ignore[method-assign,assignment]  # likewise
    return command_line()


if __name__ == "__main__":
    sys.exit(main())
