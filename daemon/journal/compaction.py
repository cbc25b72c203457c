"""Rewriting a journal that nobody has open: damage acknowledged as gaps, runs dropped, the oldest removed.

Crash-safe at every step: what a segment becomes is written beside it, made to last, and put in its place in one step;
before that a checkpoint is written that remembers every frame whatever becomes of its record. A compaction that was cut
short is simply done again.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.checkpoint import (
    Checkpoint,
    KnownSegment,
    mark_removed,
    write_only_checkpoint,
)
from phenostream.daemon.journal.durable import PARTIAL, remove_partial, sync_directory, write_all
from phenostream.daemon.journal.footer import (
    Footer,
    footer_path,
    hash_file,
    remove_segment,
    write_footer,
)
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import Gap, Record, encode_gap
from phenostream.daemon.journal.retention import Limits, removable
from phenostream.daemon.journal.segment import (
    Segment,
    list_segments,
    segment_path,
)
from phenostream.daemon.journal.walk import Limit, Place, Torn, Whole, walk

Drops = Callable[[Record], bool]
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Compacted:
    """What was done.

    Attributes:
        rewritten: Segments.
        removed: Segments of which nothing was left to keep.
        acknowledged: What was lost, and is a recorded gap now.
        dropped: Records that were whole and are gone now.
        bytes_before: Of all segments.
        bytes_after: Likewise.
    """

    rewritten: int
    removed: int
    acknowledged: tuple[Loss, ...]
    dropped: int
    bytes_before: int
    bytes_after: int


def compact(
    directory: Path,
    checkpoint: Checkpoint,
    drops: Drops,
    limits: Limits,
    on_bytes: Callable[[int], None] = lambda count: None,
) -> Compacted:
    """Rewrite what has to be; the caller holds the journal's lock, and nobody has it open.

    Args:
        directory: Of the journal; its torn tail has been cut.
        checkpoint: What all records before `checkpoint.end`, the end of the journal, amount to.
        drops: Whether a record is to go; never one of a run that goes on.
        limits: How much of the rest is kept.
        on_bytes: Called with the number of bytes read since the last call.

    Raises:
        BadRecording: Files that are no journal.
        OSError: The disk failed or is full; the journal can be used as it is then.
    """
    remove_partial(directory)
    suspects = tuple(replace(segment, damaged=True) for segment in checkpoint.segments)
    write_only_checkpoint(directory, replace(checkpoint, segments=suspects, index=()))
    _begin_anew(directory, checkpoint.end)
    segments = list_segments(directory)
    before = _bytes(segments)
    losses: list[Loss] = []
    dropped = rewritten = 0
    for segment, entries in _by_segment(segments):
        kept, lost, gone = _kept(entries, drops, on_bytes)
        losses += lost
        dropped += gone
        if lost or gone:
            _rewrite(segment, kept)
            rewritten += 1
    removed = _remove_empty(directory, list_segments(directory))
    segments = list_segments(directory)
    known = [_sealed(*pair) for pair in pairwise(segments)]
    known.append(KnownSegment(checkpoint.end, checkpoint.end, 0, damaged=False))
    write_only_checkpoint(directory, replace(checkpoint, segments=tuple(known), index=()))
    oldest = removable(known, directory, limits, checkpoint.end)
    if oldest is not None:
        removed += _remove(directory, [one for one in segments if one.first < oldest], oldest)
    after = _bytes(list_segments(directory))
    return Compacted(rewritten, removed, tuple(losses), dropped, before, after)


def _begin_anew(directory: Path, end: int) -> None:
    """Make every segment with a record in it a sealed one, so that each can be rewritten."""
    path = segment_path(directory, end)
    if not path.exists():
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sync_directory(directory)


def _by_segment(segments: list[Segment]) -> Iterator[tuple[Segment, Iterator[Whole | Loss]]]:
    """Every sealed segment with what is in it; the entries must be used before the next segment is asked for."""
    for segment, follower in pairwise(segments):
        found = walk(segment.path, Place(segment.first, 0), Limit(follower.first))
        yield segment, (one for one in found if not isinstance(one, Torn))


def _kept(
    entries: Iterator[Whole | Loss], drops: Drops, on_bytes: Callable[[int], None]
) -> tuple[list[tuple[int, int] | Gap], list[Loss], int]:
    """Byte ranges of what stays and the gaps between, in order; what is lost; how many records go."""
    kept: list[tuple[int, int] | Gap] = []
    losses: list[Loss] = []
    gone = 0
    for found in entries:
        if isinstance(found, Loss):
            losses.append(found)
            _add_gap(kept, Gap(found.first, found.end, "damage"))
            on_bytes(found.until_byte - found.byte)
            continue
        on_bytes(found.length)
        if isinstance(found.entry, Gap):
            _add_gap(kept, found.entry)
        elif drops(found.entry):
            gone += 1
            _add_gap(kept, Gap(found.entry.offset, found.entry.offset + 1, "dropped"))
        else:
            _add_range(kept, found.byte, found.byte + found.length)
    return kept, losses, gone


def _add_gap(kept: list[tuple[int, int] | Gap], gap: Gap) -> None:
    if gap.end == gap.offset:
        return
    last = kept[-1] if kept else None
    if isinstance(last, Gap) and last.end == gap.offset and last.why == gap.why:
        kept[-1] = replace(last, end=gap.end)
    else:
        kept.append(gap)


def _add_range(kept: list[tuple[int, int] | Gap], begin: int, end: int) -> None:
    last = kept[-1] if kept else None
    if isinstance(last, tuple) and last[1] == begin:
        kept[-1] = (last[0], end)
    else:
        kept.append((begin, end))


def _rewrite(segment: Segment, kept: list[tuple[int, int] | Gap]) -> None:
    """Put a file with what is kept in the place of a segment; its footer, which it outlived, goes first."""
    partial = segment.path.with_name(segment.path.name + PARTIAL)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with segment.path.open("rb") as source:
            for part in kept:
                if isinstance(part, Gap):
                    write_all(fd, encode_gap(part))
                else:
                    _copy(source.fileno(), fd, *part)
        os.fsync(fd)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    footer_path(segment.path).unlink(missing_ok=True)
    sync_directory(segment.path.parent)
    os.replace(partial, segment.path)
    sync_directory(segment.path.parent)


def _copy(source: int, target: int, begin: int, end: int) -> None:
    while begin < end:
        block = os.pread(source, min(_BLOCK, end - begin), begin)
        if not block:
            raise OSError(5, "the segment became shorter while it was copied")
        write_all(target, block)
        begin += len(block)


def _remove_empty(directory: Path, segments: list[Segment]) -> int:
    """Remove the oldest segments of which only gaps are left."""
    empty = []
    for segment, entries in _by_segment(segments):
        if any(not (isinstance(one, Whole) and isinstance(one.entry, Gap)) for one in entries):
            break
        empty.append(segment)
    return _remove(directory, empty, segments[len(empty)].first) if empty else 0


def _remove(directory: Path, oldest: list[Segment], before: int) -> int:
    mark_removed(directory, before)
    for segment in oldest:
        remove_segment(segment.path)
    sync_directory(directory)
    return len(oldest)


def _sealed(segment: Segment, follower: Segment) -> KnownSegment:
    """A whole segment, with the footer that it may lack."""
    first, end, size = segment.first, follower.first, segment.path.stat().st_size
    if not footer_path(segment.path).exists():
        write_footer(segment.path, Footer(first, end, size, hash_file(segment.path, size)))
    return KnownSegment(first, end, size, damaged=False)


def _bytes(segments: list[Segment]) -> int:
    return sum(segment.path.stat().st_size for segment in segments)
