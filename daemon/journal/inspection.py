"""What a journal holds and what a daemon would make of it, found out without a lock and without changing a byte.

Judges as `log` does when it opens, but reads every byte. A daemon may be writing meanwhile: then what it has not
finished looks like a torn tail, which is no damage, and a segment that its retention removes is as if it had not been.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.checkpoint import checkpoints, removed_before
from phenostream.daemon.journal.footer import footer_path, hash_file, read_footer
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import Gap, Record
from phenostream.daemon.journal.segment import Segment, list_segments, walk_segments
from phenostream.daemon.journal.walk import Torn, Whole

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
        gaps: Offsets that were given up before, and are recorded as such.
    """

    segments: int
    records: int
    newest: int | None
    losses: tuple[Loss, ...]
    torn_bytes: int
    gaps: tuple[Gap, ...] = ()


def inspect(
    directory: Path,
    on_record: Callable[[Record], None] | None = None,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> JournalFacts:
    """Read every record of a journal.

    Args:
        directory: Its folder.
        on_record: Sees every whole record in order.
        on_bytes: Called with the number of bytes read since the last call.

    Raises:
        BadRecording: What a daemon refuses: a ``.journal`` file whose name is no offset, two files that claim the same
            offset; or as `on_record` raises.
    """
    known = next(checkpoints(directory), None)
    segments = list_segments(directory)
    losses = _gone(directory, segments) if known is not None else []
    gaps: list[Gap] = []
    records = torn_bytes = 0
    newest: int | None = None
    for _, found in walk_segments(segments, known.end if known is not None else 0):
        if isinstance(found, Loss):
            losses.append(found)
            on_bytes(found.until_byte - found.byte)
        elif isinstance(found, Torn):
            torn_bytes = found.length
        else:
            on_bytes(found.length)
        entry = found.entry if isinstance(found, Whole) else None
        if isinstance(entry, Gap):
            gaps.append(entry)
        elif entry is not None:
            records, newest = records + 1, entry.offset
            if on_record is not None:
                on_record(entry)
    return JournalFacts(len(segments), records, newest, tuple(losses), torn_bytes, tuple(gaps))


def check_footers(
    directory: Path, on_bytes: Callable[[int], None] = lambda count: None
) -> tuple[int, list[str]]:
    """Compare every footer with the bytes it is about.

    Returns:
        Footers that are there, and one line for each that does not agree.
    """
    count, wrong = 0, []
    for segment in list_segments(directory)[:-1]:
        if not footer_path(segment.path).exists():
            continue
        count += 1
        try:
            reason = _disagreement(segment)
            on_bytes(segment.path.stat().st_size)
        except FileNotFoundError:  # removed while we looked
            continue
        if reason is not None:
            wrong.append(f"{footer_path(segment.path)}: {reason}")
    return count, wrong


def _disagreement(segment: Segment) -> str | None:
    footer, size = read_footer(segment.path), segment.path.stat().st_size
    if footer is None:
        return "damaged"
    if (footer.first, footer.size) != (segment.first, size):
        return f"says {footer.size} bytes from offset {footer.first}, the segment has {size}"
    sha256 = hash_file(segment.path, size)
    return None if sha256 == footer.sha256 else f"says sha256 {footer.sha256}, it is {sha256}"


def _gone(directory: Path, segments: list[Segment]) -> list[Loss]:
    """Segments before all others that the newest checkpoint knew and nobody removed on purpose."""
    known = next(checkpoints(directory), None)
    if known is None:
        return []
    oldest = segments[0].first if segments else known.end
    return [
        Loss(directory / f"{one.first:020d}.journal", 0, 0, one.first, one.end)
        for one in known.segments
        if removed_before(directory) <= one.first < min(oldest, one.end)
    ]
