"""Where an export gets its results: a journal directory, also of a running daemon, or a file of ``watch --json``.

A journal is read beside its owner: no lock is taken and nothing is changed; reading ends at the last whole record. What
is damaged is told and stepped over. `records` gives any topic, `results` the frames alone.
"""

import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from phenostream.daemon.client.control import Stored
from phenostream.daemon.client.records import Record, decode_record
from phenostream.daemon.exports.jsonl import frame_of
from phenostream.daemon.exports.lines import text_lines
from phenostream.daemon.journal.checkpoint import removed_before
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import HEADER, Gap
from phenostream.daemon.journal.segment import Segment, list_segments, walk_segments
from phenostream.daemon.journal.walk import Torn
from phenostream.daemon.wire.results import FrameRecord
from phenostream.engine.errors import BadInput, BadMessage, BadRecording

OnLoss = Callable[[Loss], None]
OnGone = Callable[[int, int, str], None]
OnBytes = Callable[[int], object]


def results(
    source: Path,
    on_loss: OnLoss = lambda loss: None,
    on_gone: OnGone = lambda first, end, why: None,
) -> Iterator[tuple[int, FrameRecord]]:
    """Every result with its offset, in order; see `records`."""
    return (
        (record.offset, record.frame) for record in records(source, ("result",), on_loss, on_gone)
    )


def records(
    source: Path,
    topics: Collection[str],
    on_loss: OnLoss = lambda loss: None,
    on_gone: OnGone = lambda first, end, why: None,
    on_bytes: OnBytes = lambda count: None,
) -> Iterator[Record]:
    """Every record of these topics, in order of offsets.

    Args:
        source: A directory or a file.
        topics: Of ``result``, ``summary``, ``status``.
        on_loss: Called with what a journal has lost for good.
        on_gone: Called with the first offset, the one after the last, and why (see `Gone`), of what it holds no more.
        on_bytes: Called with the length of all that is read, piece by piece.

    Raises:
        BadInput: The source is not there, or is neither a journal nor JSON lines.
        BadRecording: Files that are no journal, or a whole record that is none of this version.
    """
    if source.is_dir():
        return _from_journal(source, topics, on_loss, on_gone, on_bytes)
    if not source.exists():
        raise BadInput(f"{source}: no such file or directory")
    return _from_lines(source, topics, on_bytes)


def _from_journal(
    directory: Path,
    topics: Collection[str],
    on_loss: OnLoss,
    on_gone: OnGone,
    on_bytes: OnBytes,
) -> Iterator[Record]:
    segments = list_segments(directory)
    if not segments:
        raise BadInput(f"{directory}: no journal in it")
    on_gone(0, min(removed_before(directory), segments[0].first), "removed")
    for segment, found in walk_segments(segments):
        if isinstance(found, Loss):
            on_loss(found)
        elif isinstance(found, Torn):
            continue
        elif isinstance(found.entry, Gap):
            on_gone(found.entry.offset, found.entry.end, found.entry.why)
        else:
            entry = found.entry
            on_bytes(HEADER.size + len(entry.payload))
            if entry.topic in topics:
                yield _decoded(segment, Stored(entry.topic, entry.offset, entry.payload))


def _decoded(segment: Segment, stored: Stored) -> Record:
    try:
        return decode_record(stored)
    except BadMessage as err:
        raise BadRecording(f"{segment.path}: offset {stored.offset}: {err}") from err


def _from_lines(path: Path, topics: Collection[str], on_bytes: OnBytes) -> Iterator[Record]:
    for number, line in text_lines(path):
        on_bytes(len(line))
        if not line.endswith("\n") and not _is_whole(line):
            return  # still being written
        if line.isspace():
            continue
        try:
            yield from _of_line(line, topics)
        except (ValueError, RecursionError, BadInput) as err:
            raise BadInput(f"{path}: line {number}: {str(err)[:200]}") from err


def _of_line(line: str, topics: Collection[str]) -> Iterator[Record]:
    value = json.loads(line)
    if not isinstance(value, dict) or not isinstance(value.get("topic"), str):
        raise BadInput("not an object with a topic")
    topic: str = value["topic"]
    if topic in topics:
        offset = value.get("offset")
        if type(offset) is not int or not 0 <= offset < 2**64:
            raise BadInput(f"offset {str(offset)[:40]}: expected a number from 0")
        yield Record(topic, offset, frame_of(value) if topic == "result" else value)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
