"""What can be learnt of a journal without touching it agrees with what opening it does."""

import os
from pathlib import Path

import pytest

from phenostream.daemon.journal.inspection import JournalFacts, inspect
from phenostream.daemon.journal.log import Journal


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
    assert inspect(tmp_path) == JournalFacts(len(files), 6, 5, (), 0)
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
    assert inspect(directory) == JournalFacts(0, 0, None, (), 0)
    assert directory.exists() is there


def test_it_reads_beside_the_daemon_that_writes(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([("status", b"one")])
    journal.sync()
    assert inspect(tmp_path).newest == 0
    journal.append([("status", b"two")])
    assert inspect(tmp_path).losses == ()
    journal.close()


def test_a_torn_tail_is_told_and_not_cut(tmp_path: Path) -> None:
    path = _fill(tmp_path)[-1]
    size = path.stat().st_size
    os.truncate(path, size - 5)
    facts = inspect(tmp_path)
    assert (facts.records, facts.newest, facts.losses) == (5, 4, ())
    assert facts.torn_bytes > 0
    assert path.stat().st_size == size - 5
    journal = Journal(tmp_path)
    journal.close()
    assert journal.recovery.cut_bytes == facts.torn_bytes


def test_damage_is_what_opening_finds(tmp_path: Path) -> None:
    files = _fill(tmp_path)
    _flip(files[0], 3)
    files[1].unlink()
    facts = inspect(tmp_path)
    assert [loss.first for loss in facts.losses] == [0, 2]
    assert (facts.records, facts.newest) == (3, 5)
    journal = Journal(tmp_path, 200)
    journal.close()
    assert journal.losses == facts.losses
    assert all("\n" not in str(loss) for loss in facts.losses)
