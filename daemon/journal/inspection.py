"""What a journal holds and what a daemon would make of it, found out without a lock and without changing a byte.

Judges as `log` does when it opens. A daemon may be writing meanwhile: then what it has not finished looks like a torn
tail, which is no damage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import Record
from phenostream.daemon.journal.segment import list_segments, walk_segments
from phenostream.daemon.journal.walk import Torn

REMEDY: Final = "move the folder aside to begin a new one"
"""What lets a daemon start again where its journal is refused."""


@dataclass(frozen=True, slots=True)
class JournalFacts:
    """What is in a journal folder; a folder that is not there is an empty journal.

    Attributes:
        segments: Files.
        records: Whole records.
        newest: Offset of the last of them; None without any.
        losses: What was promised and is damaged or gone, in order; a daemon would serve the rest as degraded.
        torn_bytes: A tail that was never promised and that a daemon would cut.
    """

    segments: int
    records: int
    newest: int | None
    losses: tuple[Loss, ...]
    torn_bytes: int


def inspect(directory: Path, on_record: Callable[[Record], None] | None = None) -> JournalFacts:
    """Read every record of a journal.

    Args:
        directory: Its folder.
        on_record: Sees every whole record in order.

    Raises:
        BadRecording: What a daemon refuses: a ``.journal`` file whose name is no offset, two files that claim the same
            offset; or as `on_record` raises.
    """
    segments = list_segments(directory)
    losses: list[Loss] = []
    records = torn_bytes = 0
    newest: int | None = None
    for _, found in walk_segments(segments):
        if isinstance(found, Loss):
            losses.append(found)
        elif isinstance(found, Torn):
            torn_bytes = found.length
        elif isinstance(found.entry, Record):
            records, newest = records + 1, found.entry.offset
            if on_record is not None:
                on_record(found.entry)
    return JournalFacts(len(segments), records, newest, tuple(losses), torn_bytes)
