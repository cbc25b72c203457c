"""Where an export gets its results: a journal directory, also of a running daemon, or a file of ``watch --json``.

A journal is read beside its owner: no lock is taken and nothing is changed; reading ends at the last whole record.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from phenostream.daemon.exports.jsonl import frame_of
from phenostream.daemon.journal.segment import Segment, list_segments, scan, was_promised
from phenostream.daemon.wire.results import FrameRecord, decode_frame
from phenostream.engine.errors import BadInput, BadMessage, BadRecording


def results(source: Path) -> Iterator[tuple[int, FrameRecord]]:
    """Every result with its offset, in order.

    Raises:
        BadInput: The source is not there, or is neither a journal nor JSON lines.
        BadRecording: A record that was promised is damaged: names the file and the position.
    """
    if source.is_dir():
        return _from_journal(source)
    if not source.exists():
        raise BadInput(f"{source}: no such file or directory")
    return _from_lines(source)


def _from_journal(directory: Path) -> Iterator[tuple[int, FrameRecord]]:
    segments = list_segments(directory)
    if not segments:
        raise BadInput(f"{directory}: no journal in it")
    for segment, follower in zip(segments, [*segments[1:], None], strict=True):
        yield from _from_segment(segment, follower)


def _from_segment(segment: Segment, follower: Segment | None) -> Iterator[tuple[int, FrameRecord]]:
    suspect = False
    while True:
        came_from = segment.end
        for record, length in scan(segment, (segment.end, segment.size)):
            segment.grow(length)
            if record.topic == "result":
                yield record.offset, _decoded(segment, record.offset, record.payload)
        if follower is not None:
            if segment.end != follower.first:
                raise _damage(segment)
            return
        if was_promised(segment) is None:
            return
        # The owner may have finished and promised this record between our two looks: look once more.
        if suspect and segment.end == came_from:
            raise _damage(segment)
        suspect = True


def _damage(segment: Segment) -> BadRecording:
    return BadRecording(f"{segment.path}: damaged at byte {segment.size} (offset {segment.end})")


def _decoded(segment: Segment, offset: int, payload: bytes) -> FrameRecord:
    try:
        return decode_frame(payload)
    except BadMessage as err:
        raise BadRecording(f"{segment.path}: offset {offset}: {err}") from err


def _from_lines(path: Path) -> Iterator[tuple[int, FrameRecord]]:
    number = 0
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if not line.endswith("\n") and not _is_whole(line):
                    return  # still being written
                if not line.isspace():
                    yield from _of_line(line)
    except OSError as err:
        raise BadInput(f"{path}: {(err.strerror or str(err)).lower()}") from err
    except (ValueError, BadInput) as err:
        raise BadInput(f"{path}: line {number}: {err}") from err


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
    except ValueError:
        return False
    return True
