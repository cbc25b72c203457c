"""The index says what the journal says, reads only what is new, and may be damaged or deleted at any time."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.journal.index import NAME, read_index
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.run_id import new_run_id
from phenostream.daemon.wire.codec import pack
from phenostream.daemon.wire.results import Topic

RUNS = [new_run_id(), new_run_id()]


def result(run: str, seq: int) -> tuple[Topic, bytes]:
    fate = "published" if seq % 2 else "dropped"
    counts = {"found": seq}
    meta = {"run": run, "instrument": "scope", "frame_seq": seq, "fate": fate, "counts": counts}
    return "result", pack({"v": 1, **meta, "received_utc_ns": 1000 + seq, "columns": {}})


def ended(run: str) -> tuple[Topic, bytes]:
    return "status", pack({"v": 1, "event": "run_ended", "run": run, "instrument": "scope"})


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path, 300)
    for seq in range(6):
        journal.append([result(RUNS[seq % 2], seq)])
        journal.sync()
    return journal


def facts(directory: Path) -> list[tuple[object, ...]]:
    return [
        (f.run, f.first, f.last, f.ended, dict(f.counts), f.began_utc_ns, f.last_utc_ns)
        for f in read_index(directory).runs
    ]


def test_runs_and_segments_are_told(journal: Journal, tmp_path: Path) -> None:
    found = read_index(tmp_path)
    assert facts(tmp_path) == [
        (RUNS[0], 0, 4, False, {"dropped": 3, "cells": 6}, 1000, 1004),
        (RUNS[1], 1, 5, False, {"published": 3, "cells": 9}, 1001, 1005),
    ]
    assert [first for first, _, _ in found.segments] == [s.first for s in journal._segments]
    assert found.segments[-1][1] == 6


def test_only_what_is_new_is_read(journal: Journal, tmp_path: Path) -> None:
    assert read_index(tmp_path).read_bytes > 600
    assert read_index(tmp_path).read_bytes == 0
    journal.append([ended(RUNS[0])])
    journal.sync()
    again = read_index(tmp_path)
    assert 0 < again.read_bytes < 300
    assert [f.ended for f in again.runs] == [True, False]


def deleted(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def nonsense(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


@pytest.mark.parametrize("harm", [deleted, cut, nonsense])
def test_a_damaged_or_deleted_index_is_made_anew(
    journal: Journal, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    before = facts(tmp_path)
    harm(tmp_path / NAME)
    assert facts(tmp_path) == before


def test_segments_that_were_rewritten_are_read_again(journal: Journal, tmp_path: Path) -> None:
    before = facts(tmp_path)
    path = min(tmp_path.glob("*.journal"))
    os.utime(path, (1, 1))
    assert read_index(tmp_path).read_bytes > 600
    assert facts(tmp_path) == before


def test_a_folder_that_cannot_be_written_in_is_indexed_in_memory(
    journal: Journal, tmp_path: Path
) -> None:
    (tmp_path / NAME).mkdir()  # in the way, for root too
    assert len(facts(tmp_path)) == 2
