"""Where an export gets its results: a journal directory, also of a running daemon, or a file of ``watch --json``.

A journal is read beside its owner: no lock is taken and nothing is changed; reading ends at the last whole record. What
is damaged is told and stepped over.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from phenostream.daemon.exports.jsonl import frame_of
from phenostream.daemon.exports.lines import text_lines
from phenostream.daemon.journal.checkpoint import removed_before
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import Gap
from phenostream.daemon.journal.segment import Segment, list_segments, walk_segments
from phenostream.daemon.journal.walk import Torn
from phenostream.daemon.wire.results import FrameRecord, decode_frame
from phenostream.engine.errors import BadInput, BadMessage, BadRecording

OnLoss = Callable[[Loss], None]
OnGone = Callable[[int, int, str], None]


def results(
    source: Path,
    on_loss: OnLoss = lambda loss: None,
    on_gone: OnGone = lambda first, end, why: None,
) -> Iterator[tuple[int, FrameRecord]]:
    """Every result with its offset, in order.

    Args:
        source: A directory or a file.
        on_loss: Called with what a journal has lost for good.
        on_gone: Called with the first offset, the one after the last, and why (see `Gone`), of what it holds no more.

    Raises:
        BadInput: The source is not there, or is neither a journal nor JSON lines.
        BadRecording: Files that are no journal, or a whole record that is no result of this version.
    """
    if source.is_dir():
        return _from_journal(source, on_loss, on_gone)
    if not source.exists():
        raise BadInput(f"{source}: no such file or directory")
    return _from_lines(source)


def _from_journal(
    directory: Path, on_loss: OnLoss, on_gone: OnGone
) -> Iterator[tuple[int, FrameRecord]]:
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
        elif found.entry.topic == "result":
            yield found.entry.offset, _decoded(segment, found.entry.offset, found.entry.payload)


def _decoded(segment: Segment, offset: int, payload: bytes) -> FrameRecord:
    try:
        return decode_frame(payload)
    except BadMessage as err:
        raise BadRecording(f"{segment.path}: offset {offset}: {err}") from err


def _from_lines(path: Path) -> Iterator[tuple[int, FrameRecord]]:
    for number, line in text_lines(path):
        if not line.endswith("\n") and not _is_whole(line):
            return  # still being written
        if line.isspace():
            continue
        try:
            yield from _of_line(line)
        except (ValueError, RecursionError, BadInput) as err:
            raise BadInput(f"{path}: line {number}: {str(err)[:200]}") from err


def _of_line(line: str) -> Iterator[tuple[int, FrameRecord]]:
    value = json.loads(line)
    if not isinstance(value, dict) or not isinstance(value.get("topic"), str):
        raise BadInput("not an object with a topic")
    if value["topic"] == "result":
        offset = value.get("offset")
        if type(offset) is not int or not 0 <= offset < 2**64:
            raise BadInput(f"offset {str(offset)[:40]}: expected a number from 0")
        yield offset, frame_of(value)


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
