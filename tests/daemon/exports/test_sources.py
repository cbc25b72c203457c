from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phenostream.daemon.exports.jsonl import json_line
from phenostream.daemon.exports.sources import results
from phenostream.daemon.journal import walk
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.walk import Whole
from phenostream.daemon.wire.results import FrameRecord, encode_frame
from phenostream.engine.errors import BadInput

RecordMaker = Callable[..., FrameRecord]


def a_journal(directory: Path, payloads: list[bytes], segment_bytes: int = 1 << 20) -> Path:
    journal = Journal(directory, segment_bytes)
    for payload in payloads:
        journal.append([("result", payload)])
        journal.sync()
    journal.close()
    return sorted(directory.iterdir())[-1]


def payloads(make_record: RecordMaker, count: int) -> list[bytes]:
    return [encode_frame(make_record(n)) for n in range(count)]


def numbers(directory: Path) -> list[int]:
    return [offset for offset, _ in results(directory)]


def test_a_growing_journal_is_read_up_to_its_last_whole_record_and_not_touched(
    tmp_path: Path, make_record: RecordMaker
) -> None:
    journal = Journal(tmp_path)
    held = results(tmp_path)
    payload = encode_frame(make_record())
    journal.append([("result", payload)] * 3)
    assert next(held)[0] == 0
    journal.append([("result", payload)] * 2)  # while it is being read
    assert [offset for offset, _ in held] == [1, 2, 3, 4]
    path = next(iter(tmp_path.iterdir()))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:100])  # a record half written
    assert numbers(tmp_path) == [0, 1, 2, 3, 4]
    assert path.read_bytes() == whole + whole[:100]
    journal.close()


def test_every_cut_of_the_last_segment_gives_the_whole_records_before_it(
    tmp_path: Path, make_record: RecordMaker
) -> None:
    path = a_journal(tmp_path / "j", payloads(make_record, 3))
    whole = path.read_bytes()
    size = len(whole) // 3
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert numbers(tmp_path / "j") == list(range(length // size))


def test_damage_is_told_and_stepped_over(tmp_path: Path, make_record: RecordMaker) -> None:
    path = a_journal(tmp_path / "j", payloads(make_record, 3))
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 3 + 50] ^= 1
    path.write_bytes(whole)
    losses: list[Loss] = []
    assert [offset for offset, _ in results(tmp_path / "j", losses.append)] == [0, 2]
    assert losses == [Loss(path, len(whole) // 3, 2 * len(whole) // 3, 1, 2)]


def test_damage_in_an_earlier_segment_is_told(tmp_path: Path, make_record: RecordMaker) -> None:
    a_journal(tmp_path / "j", payloads(make_record, 4), segment_bytes=100)
    first = sorted((tmp_path / "j").iterdir())[0]
    first.write_bytes(first.read_bytes()[:-1])
    losses: list[Loss] = []
    assert [offset for offset, _ in results(tmp_path / "j", losses.append)] == [1, 2, 3]
    assert [(loss.first, loss.end) for loss in losses] == [(0, 1)]


def test_a_record_finished_between_two_looks_is_no_damage(
    tmp_path: Path, make_record: RecordMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner writes the rest of a half-written record, syncs, and writes another, while we look away."""
    path = a_journal(tmp_path / "j", payloads(make_record, 3))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3 + 40])

    def later(fd: int, byte: int, end: int) -> Iterator[Whole]:
        path.write_bytes(whole)
        return search(fd, byte, len(whole))

    search = walk._later
    monkeypatch.setattr(walk, "_later", later)
    losses: list[Loss] = []
    assert [offset for offset, _ in results(tmp_path / "j", losses.append)] == [0, 1, 2]
    assert losses == []


def test_a_line_being_written_ends_the_file(tmp_path: Path, make_record: RecordMaker) -> None:
    path = tmp_path / "got.jsonl"
    line = json_line("result", 0, make_record())
    path.write_text(line + "\n" + line[:200])
    assert numbers(path) == [0]
    path.write_text(line + "\n" + line)  # whole, without its line end
    assert numbers(path) == [0, 0]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense\n", "line 1: "),
        ("[1]\n", "line 1: not an object with a topic"),
        ('\n{"topic": "result"}\n', "line 2: offset None: expected a number"),
        ('{"topic": "result", "offset": 0, "columns": {"y_px": ["a"]}}\n', "line 1: column y_px"),
        ("\udcff\n", "line 1: "),
    ],
)
def test_other_files_are_one_line_with_the_place(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(BadInput, match=f"{path}: {why}"):
        numbers(path)


def test_a_folder_without_a_journal_and_a_missing_source_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no journal in it"):
        numbers(tmp_path)
    with pytest.raises(BadInput, match="no such file or directory"):
        numbers(tmp_path / "x")
