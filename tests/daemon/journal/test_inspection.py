"""What can be learnt of a journal without touching it agrees with what opening it does."""

import os
from pathlib import Path

import pytest

from phenostream.daemon.exports.sources import results
from phenostream.daemon.journal.inspection import REMEDY, JournalFacts, inspect
from phenostream.daemon.journal.log import Journal
from phenostream.engine.errors import BadRecording


def _fill(directory: Path, records: int = 6, segment_bytes: int = 200) -> list[Path]:
    journal = Journal(directory, segment_bytes)
    for number in range(records):
        journal.append([("result", bytes([number]) * 90)])
        journal.sync()
    journal.close()
    return sorted(directory.glob("*.journal"))


def _image(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


def _flip(path: Path, byte: int) -> None:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(data)


def test_a_whole_journal_is_counted_and_left_as_it_is(tmp_path: Path) -> None:
    files = _fill(tmp_path)
    before = _image(tmp_path)
    assert inspect(tmp_path) == JournalFacts(len(files), 6, 5, None, 0)
    assert len(files) > 1
    assert _image(tmp_path) == before


def test_every_whole_record_is_shown_in_order(tmp_path: Path) -> None:
    _fill(tmp_path)
    seen: list[int] = []
    inspect(tmp_path, lambda record: seen.append(record.offset))
    assert seen == list(range(6))


@pytest.mark.parametrize("there", [True, False])
def test_no_journal_is_an_empty_one_and_none_is_made(tmp_path: Path, there: bool) -> None:
    directory = tmp_path / "j"
    if there:
        directory.mkdir()
    assert inspect(directory) == JournalFacts(0, 0, None, None, 0)
    assert directory.exists() is there


def test_it_reads_beside_the_daemon_that_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([("status", b"one")])
    journal.sync()
    assert inspect(tmp_path).newest == 0
    journal.append([("status", b"two")])
    assert inspect(tmp_path).damage is None
    journal.close()


def test_a_torn_tail_is_told_and_not_cut(tmp_path: Path) -> None:
    path = _fill(tmp_path)[-1]
    size = path.stat().st_size
    os.truncate(path, size - 5)
    facts = inspect(tmp_path)
    assert (facts.records, facts.newest, facts.damage) == (5, 4, None)
    assert facts.torn_bytes > 0
    assert path.stat().st_size == size - 5
    journal = Journal(tmp_path)
    journal.close()
    assert journal.recovery.cut_bytes == facts.torn_bytes


def test_damage_is_located_and_is_what_opening_refuses_with_the_remedy(tmp_path: Path) -> None:
    path = _fill(tmp_path)[0]
    _flip(path, 3)
    facts = inspect(tmp_path)
    assert facts.damage is not None
    assert (facts.damage.path, facts.damage.byte, facts.damage.offset) == (path, 0, 0)
    assert (facts.records, facts.newest) == (0, None)
    with pytest.raises(BadRecording) as refused:
        Journal(tmp_path)
    assert str(refused.value) == facts.damage.what
    assert REMEDY in facts.damage.what
    assert "\n" not in facts.damage.what


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    files = _fill(tmp_path)
    files[1].unlink()
    facts = inspect(tmp_path)
    assert facts.damage is not None
    assert facts.damage.path == files[2]
    assert facts.newest == facts.damage.offset - 1
    with pytest.raises(BadRecording, match="expected"):
        Journal(tmp_path)


def test_the_remedy_that_is_named_works(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 200)
    for _ in range(9):
        journal.append([("summary", b"x" * 90)])
        journal.sync()
    journal.close()
    files = sorted(tmp_path.glob("*.journal"))
    _flip(files[1], 3)
    with pytest.raises(BadRecording, match="damaged"):
        list(results(tmp_path))
    for path in files[1:]:
        path.unlink()
    assert list(results(tmp_path)) == []
    assert inspect(tmp_path).records > 0
