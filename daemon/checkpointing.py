"""When a checkpoint is taken and what is in it: the books as they stand when everything in them is on disk.

Belongs to the commit thread, which alone knows such a moment; what costs time is done in the keeper's thread.
"""

from typing import Any, Final

from phenostream.daemon.drift_history import DriftHistory
from phenostream.daemon.journal.checkpoint import Checkpoint
from phenostream.daemon.journal.keeper import Keeper, Snapshot
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.ledger import Ledger
from phenostream.daemon.narration import Narration, Remembered
from phenostream.daemon.register import Register
from phenostream.daemon.summaries import SummaryBook

EVERY_RECORDS: Final = 4096
"""Records between two checkpoints, at most; one is taken with every new segment too."""


class Checkpointing:
    """One per daemon."""

    def __init__(
        self,
        journal: Journal,
        ledger: Ledger,
        register: Register,
        summaries: SummaryBook,
        keeper: Keeper,
        drift: DriftHistory | None = None,
        narration: Narration | None = None,
    ) -> None:
        """Take the first one as soon as anything is committed: the one of the last process may be old."""
        self.register = register
        self._journal = journal
        self._ledger = ledger
        self._summaries = summaries
        self._keeper = keeper
        self._drift = DriftHistory() if drift is None else drift
        self._narration = narration
        self._due = 0
        self._segment = -1

    def committed(self) -> None:
        """Everything in the books is on disk: take a checkpoint if one is due."""
        segment = self._journal.newest_segment
        if self._journal.next_offset >= self._due or segment != self._segment:
            self._keeper.offer(self._taken())
            self._segment, self._due = segment, self._journal.next_offset + EVERY_RECORDS

    def finish(self) -> None:
        """The last one, of everything."""
        self._keeper.offer(self._taken())
        self._keeper.finish()

    def _taken(self) -> Snapshot:
        end, segments, index = self._journal.facts()
        register = self.register.state()
        ledger = self._ledger.state(self.register.forgotten)
        counted = self._summaries.state(end)
        drift = self._drift.state()
        narrated = self._narration.remembered() if self._narration is not None else Remembered()

        def plain() -> dict[str, Any]:
            tallies = [
                [
                    one.run,
                    one.since,
                    one.tally if isinstance(one.tally, bytes) else one.tally.as_bytes(),
                    one.sha256,
                    one.elsewhere,
                ]
                for one in counted
            ]
            return {
                "register": register,
                "ledger": ledger,
                "summaries": tallies,
                "drift": drift,
                "narration": [list(narrated.templates), list(narrated.worded)],
            }

        return Snapshot(Checkpoint(end, segments, index, {}), plain)
