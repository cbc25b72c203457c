"""The journal gives back what it promised, whatever byte is torn or flipped."""

import errno
import os
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phenostream.daemon.journal.log import Journal, JournalFull
from phenostream.daemon.journal.loss import Loss
from phenostream.daemon.journal.record import HEADER, Record, encode_record
from phenostream.daemon.wire.results import Topic
from phenostream.engine.errors import BadRecording

ITEMS: list[tuple[Topic, bytes]] = [
    ("status", b"began"),
    ("result", b"one" * 7),
    ("result", b""),
    ("summary", bytes(range(256))),
    ("result", b"PSJ1 is the magic" * 3),
]


def filled(
    directory: Path, groups: list[list[tuple[Topic, bytes]]], segment: int = 1 << 20
) -> None:
    journal = Journal(directory, segment)
    for group in groups:
        journal.append(group)
        journal.sync()
    journal.close()


def contents(directory: Path) -> tuple[list[Record], Journal]:
    seen: list[Record] = []
    journal = Journal(directory, on_record=seen.append)
    journal.close()
    return seen, journal


def test_what_was_synced_is_read_back_with_gap_free_offsets(tmp_path: Path) -> None:
    filled(tmp_path / "j", [ITEMS[:2], ITEMS[2:]])
    seen, journal = contents(tmp_path / "j")
    assert [(r.topic, r.payload) for r in seen] == ITEMS
    assert [r.offset for r in seen] == list(range(5))
    assert (journal.oldest, journal.newest, journal.next_offset) == (0, 4, 5)
    assert journal.recovery.cut_bytes == 0


def test_the_way_to_a_new_journal_is_on_disk_before_anything_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def note(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    (tmp_path / "made" / "before").mkdir(parents=True)  # by a process that died before it synced
    Journal(tmp_path / "made" / "before" / "journal").close()
    assert {tmp_path, tmp_path / "made", tmp_path / "made" / "before"} <= set(synced)


def test_readers_see_nothing_that_is_not_synced(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.newest is None
    journal.append(ITEMS[:1])
    assert list(journal.read(0)) == []
    journal.sync()
    journal.append(ITEMS[1:])
    assert [r.payload for r in journal.read(0)] == [b"began"]
    assert journal.newest == 0
    journal.close()


@pytest.mark.parametrize("since", range(26))
def test_reading_starts_at_any_offset_across_segments(tmp_path: Path, since: int) -> None:
    journal = Journal(tmp_path, segment_bytes=200)
    for _ in range(5):
        journal.append(ITEMS)
        journal.sync()
    assert len(list(tmp_path.glob("*.journal"))) == 5
    assert [r.offset for r in journal.read(since)] == list(range(since, 25))
    journal.close()


def test_the_index_leads_to_a_record_deep_in_a_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    big = b"x" * (300 << 10)
    journal.append([("result", big)] * 20)
    journal.sync()
    assert len(journal._segments[0].index) > 3
    assert [r.offset for r in journal.read(17)] == [17, 18, 19]
    journal.close()


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 600))
def test_a_tail_torn_at_any_byte_costs_only_what_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    directory = tmp_path_factory.mktemp("j")
    filled(directory, [ITEMS])
    path = next(directory.glob("*.journal"))
    sizes = [HEADER.size + len(payload) for _, payload in ITEMS]
    size = max(0, sum(sizes) - cut)
    os.truncate(path, size)
    whole = sum(sum(sizes[: n + 1]) <= size for n in range(len(sizes)))
    seen, journal = contents(directory)
    assert [(r.topic, r.payload) for r in seen] == ITEMS[:whole]
    assert journal.recovery.cut_bytes == size - sum(sizes[:whole])
    assert path.stat().st_size == sum(sizes[:whole])
    filled(directory, [ITEMS[:1]])
    assert [r.offset for r in contents(directory)[0]] == list(range(whole + 1))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_flipped_bit_costs_the_record_it_is_in_and_that_is_said(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("j")
    witness: tuple[Topic, bytes] = ("status", b"witness")
    filled(directory, [ITEMS[:2], ITEMS[2:], [witness]])
    path = next(directory.glob("*.journal"))
    ends = list(accumulate(HEADER.size + len(payload) for _, payload in ITEMS))
    at = data.draw(st.integers(0, ends[-1] - 1))
    hit = sum(end <= at for end in ends)
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    loss = Loss(path, (0, *ends)[hit], ends[hit], hit, hit + 1)
    seen, journal = contents(directory)
    assert journal.recovery.losses == (loss,)
    assert journal.recovery.cut_bytes == 0
    assert [r.offset for r in seen] == [n for n in range(6) if n != hit]
    assert path.read_bytes() == content
    assert journal.next_offset == 6


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_flips_anywhere_leave_everything_else_readable_and_no_offset_is_given_twice(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Over sealed segments and the active one, whose last group nobody testifies for."""
    directory = tmp_path_factory.mktemp("j")
    filled(directory, [ITEMS] * 5 + [[("status", b"last")]], segment=200)
    ends = list(accumulate(HEADER.size + len(payload) for _, payload in ITEMS))
    files = sorted(directory.glob("*.journal"))
    hits = data.draw(st.sets(st.integers(0, 24), min_size=1, max_size=6))
    for hit in hits:
        low, high = (0, *ends)[hit % 5], ends[hit % 5]
        content = bytearray(files[hit // 5].read_bytes())
        content[data.draw(st.integers(low, high - 1))] ^= 1 << data.draw(st.integers(0, 7))
        files[hit // 5].write_bytes(content)
    journal = Journal(directory, 200)
    assert [r.offset for r in journal.read(0)] == sorted(set(range(26)) - hits)
    lost = {n for loss in journal.losses for n in range(loss.first, loss.end)}
    assert lost == hits
    new = journal.append([("result", b"new")])
    journal.sync()
    assert new[0].offset == 26
    assert [r.offset for r in journal.read(20)] == sorted(set(range(20, 27)) - hits)
    journal.close()


@pytest.mark.parametrize("segment_bytes", [1, 1 << 20])
@pytest.mark.parametrize("claimed", range(6))
def test_what_looks_like_a_record_in_a_damaged_payload_is_not_taken_for_one(
    tmp_path: Path, segment_bytes: int, claimed: int
) -> None:
    within = b"".join(encode_record(Record(claimed, "result", b"not a record"), claimed))
    journal = Journal(tmp_path, segment_bytes)
    for number in range(5):
        journal.append([("result", within * 2 + bytes([number]) * 200)])
        journal.sync()
    journal.close()
    first = min(tmp_path.glob("*.journal"))
    content = bytearray(first.read_bytes())
    content[HEADER.size + len(within) * 2 + 50] ^= 1
    first.write_bytes(content)
    records, journal = contents(tmp_path)
    assert [record.offset for record in records] == [1, 2, 3, 4]
    assert [(loss.first, loss.end) for loss in journal.losses] == [(0, 1)]
    assert all(record.payload[:-200] == within * 2 for record in records)


def test_damage_that_a_reader_comes_upon_is_reported_once(tmp_path: Path) -> None:
    filled(tmp_path, [ITEMS, ITEMS], segment=200)
    journal = Journal(tmp_path, 200)
    heard: list[str] = []
    journal.on_loss = heard.append
    path = min(tmp_path.glob("*.journal"))
    content = bytearray(path.read_bytes())
    content[2] ^= 1
    path.write_bytes(content)
    for _ in range(2):
        assert [r.offset for r in journal.read(0)] == list(range(1, 10))
    (line,) = heard
    assert f"{path}: damaged at byte 0" in line
    assert "offset 0 is lost" in line
    assert "journal compact" in line
    journal.close()


def test_a_torn_group_that_was_never_synced_is_cut_even_if_its_end_is_whole(tmp_path: Path) -> None:
    filled(tmp_path, [ITEMS[:1]])
    journal = Journal(tmp_path)
    journal.append(ITEMS[1:3])
    journal.close()
    path = next(tmp_path.glob("*.journal"))
    content = bytearray(path.read_bytes())
    content[HEADER.size + len(ITEMS[0][1]) + HEADER.size + 1] ^= 255
    path.write_bytes(content)
    seen, again = contents(tmp_path)
    assert [r.payload for r in seen] == [b"began"]
    assert again.recovery.cut_bytes > 0


def test_damage_in_a_sealed_segment_is_never_cut(tmp_path: Path) -> None:
    filled(tmp_path, [ITEMS, ITEMS], segment=200)
    first = min(tmp_path.glob("*.journal"))
    os.truncate(first, first.stat().st_size - 1)
    seen, journal = contents(tmp_path)
    assert [r.offset for r in seen] == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    ((loss),) = journal.losses
    assert (loss.path, loss.first, loss.end) == (first, 4, 5)
    assert journal.recovery.cut_bytes == 0


def test_a_segment_that_is_gone_is_lost_between_its_neighbours(tmp_path: Path) -> None:
    filled(tmp_path, [ITEMS, ITEMS, ITEMS], segment=200)
    files = sorted(tmp_path.glob("*.journal"))
    files[1].unlink()
    seen, journal = contents(tmp_path)
    assert [r.offset for r in seen] == [*range(5), *range(10, 15)]
    size = files[0].stat().st_size
    assert journal.losses == (Loss(files[0], size, size, 5, 10),)
    assert "offsets 5 to 9 are lost" in str(journal.losses[0])


def test_without_its_oldest_segment_a_journal_begins_later(tmp_path: Path) -> None:
    filled(tmp_path, [ITEMS, ITEMS], segment=200)
    min(tmp_path.glob("*.journal")).unlink()
    assert contents(tmp_path)[1].oldest == 5


def test_two_files_that_claim_the_same_offset_are_refused(tmp_path: Path) -> None:
    filled(tmp_path, [ITEMS, ITEMS], segment=200)
    first = min(tmp_path.glob("*.journal"))
    (tmp_path / f"{3:020d}.journal").write_bytes(first.read_bytes())
    with pytest.raises(BadRecording, match=f"{first}: goes on with offset 3"):
        Journal(tmp_path)


def test_a_foreign_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.journal").write_text("")
    with pytest.raises(BadRecording, match="not a journal segment name"):
        Journal(tmp_path)


def test_a_full_disk_keeps_the_journal_whole_and_the_call_may_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    journal.append(ITEMS[:1])
    journal.sync()
    write = cast(Callable[[int, bytes], int], os.write)
    calls: list[int] = []

    def full(fd: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) == 1:
            return write(fd, bytes(data[:10]))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(JournalFull, match="No space left"):
            journal.append(ITEMS[1:])
    journal.append(ITEMS[1:])
    journal.sync()
    journal.close()
    seen, again = contents(tmp_path)
    assert [(r.topic, r.payload) for r in seen] == ITEMS
    assert again.recovery.cut_bytes == 0


def test_a_new_segment_that_could_not_be_made_durable_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, segment_bytes=50)
    journal.append(ITEMS[:2])

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for _ in range(2):
            with pytest.raises(JournalFull, match="No space left"):
                journal.append(ITEMS[2:])
    assert len(list(tmp_path.glob("*.journal"))) == 1
    journal.append(ITEMS[2:])
    journal.sync()
    journal.close()
    assert [(r.topic, r.payload) for r in contents(tmp_path)[0]] == ITEMS
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_a_disk_error_is_not_taken_for_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)

    def broken(fd: int, data: bytes) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", broken)
        with pytest.raises(OSError, match="Input/output error"):
            journal.append(ITEMS)
    journal.close()
