"""An SQLite index beside a journal, `index.sqlite`: which runs, from which offset to which, in which segments.

A convenience of the command line: the daemon neither reads nor writes it. Everything in it can be found out again from
the segments; when it is missing, damaged, of another version or of segments that were rewritten it is made anew, and
where the folder cannot be written in it is made in memory.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import Record
from phenostream.daemon.journal.runs import RunFacts, RunTable
from phenostream.daemon.journal.segment import Segment, list_segments, walk_segments
from phenostream.daemon.journal.walk import Torn

NAME: Final = "index.sqlite"
_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE segments (first INTEGER PRIMARY KEY, "end" INTEGER, size INTEGER, changed_ns INTEGER, sealed INTEGER);
CREATE TABLE runs (run TEXT PRIMARY KEY, instrument TEXT, first INTEGER, last INTEGER, began_utc_ns INTEGER,
                   last_utc_ns INTEGER, ended INTEGER, counts TEXT);
"""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index says.

    Attributes:
        runs: Oldest first; their records may have been removed since.
        segments: First offset, offset after the last, and bytes of each that is there.
        read_bytes: Read now, because the index did not know them.
        losses: Come upon while reading.
    """

    runs: tuple[RunFacts, ...]
    segments: tuple[tuple[int, int, int], ...]
    read_bytes: int
    losses: tuple[Loss, ...]


def read_index(directory: Path, on_bytes: Callable[[int], None] = lambda count: None) -> Indexed:
    """Bring the index up to date and say what is in it.

    Args:
        directory: Of the journal; a daemon may be writing in it.
        on_bytes: Called with the number of bytes read since the last call.

    Raises:
        BadRecording: Files that are no journal.
    """
    path = directory / NAME
    for _ in range(2):
        try:
            return _read(str(path), directory, on_bytes)
        except sqlite3.Error:
            _discard(path)
    return _read(":memory:", directory, on_bytes)


def _read(name: str, directory: Path, on_bytes: Callable[[int], None]) -> Indexed:
    with closing(sqlite3.connect(name, isolation_level=None)) as database:
        return _brought_up_to_date(database, directory, on_bytes)


def _discard(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        path.with_name(path.name + "-journal").unlink(missing_ok=True)
    except OSError:
        return  # not ours to remove: it is made in memory


def _brought_up_to_date(
    database: sqlite3.Connection, directory: Path, on_bytes: Callable[[int], None]
) -> Indexed:
    if database.execute("PRAGMA user_version").fetchone()[0] != _VERSION:
        _clear(database)
    segments = list_segments(directory)
    if not _agrees(database, segments):
        _clear(database)
    table = RunTable(_runs(database))
    known = {row[0]: row[1:] for row in database.execute('SELECT first, "end", size FROM segments')}
    for segment in segments:
        segment.end, segment.size = known.get(segment.first, (segment.first, 0))
    read, losses = 0, []
    for _, found in walk_segments(segments):
        if isinstance(found, Torn):
            continue
        length = found.until_byte - found.byte if isinstance(found, Loss) else found.length
        read += length
        on_bytes(length)
        if isinstance(found, Loss):
            losses.append(found)
        elif isinstance(found.entry, Record):
            table.take(found.entry)
    _store(database, segments, table)
    places = tuple((segment.first, segment.end, segment.size) for segment in segments)
    return Indexed(tuple(table.runs.values()), places, read, tuple(losses))


def _clear(database: sqlite3.Connection) -> None:
    database.executescript(
        f"DROP TABLE IF EXISTS segments; DROP TABLE IF EXISTS runs; {_SCHEMA} PRAGMA user_version = {_VERSION};"
    )


def _agrees(database: sqlite3.Connection, segments: list[Segment]) -> bool:
    """Whether the segments it knows are as they were, or only grew, or were removed from the old end."""
    there = {segment.first: segment.path.stat() for segment in segments}
    oldest = segments[0].first if segments else 0
    for first, size, changed_ns, sealed in database.execute(
        "SELECT first, size, changed_ns, sealed FROM segments WHERE first >= ?", (oldest,)
    ):
        now = there.get(first)
        if now is None or now.st_size < size or (sealed and now.st_mtime_ns != changed_ns):
            return False
    return True


def _runs(database: sqlite3.Connection) -> list[RunFacts]:
    return [
        RunFacts(
            run, instrument, first, last, began, until, bool(ended), Counter(json.loads(counts))
        )
        for run, instrument, first, last, began, until, ended, counts in database.execute(
            "SELECT * FROM runs ORDER BY first"
        )
    ]


def _store(database: sqlite3.Connection, segments: list[Segment], table: RunTable) -> None:
    database.execute("BEGIN IMMEDIATE")
    database.execute("DELETE FROM segments")
    database.executemany(
        "INSERT INTO segments VALUES (?, ?, ?, ?, ?)",
        [
            (s.first, s.end, s.size, s.path.stat().st_mtime_ns, int(s is not segments[-1]))
            for s in segments
        ],
    )
    database.executemany(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (f.run, f.instrument, f.first, f.last, f.began_utc_ns, f.last_utc_ns, int(f.ended),
             json.dumps(dict(f.counts)))
            for f in table.runs.values()
        ],
    )  # fmt: skip
    database.execute("COMMIT")
