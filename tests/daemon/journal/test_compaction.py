"""Compacting keeps what it should, records what is gone, and may be killed at any step."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.journal.checkpoint import Checkpoint, checkpoints, write_checkpoint
from phenostream.daemon.journal.compaction import compact
from phenostream.daemon.journal.footer import footer_path
from phenostream.daemon.journal.inspection import check_footers, inspect
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.record import Gap, Record
from phenostream.daemon.journal.retention import Limits

SEGMENT = 300
RECORDS = 11
STEPS = ("write", "fsync", "replace", "unlink", "open")


class Killed(BaseException):
    """The process ends here."""


def filled(directory: Path) -> None:
    journal = Journal(directory, SEGMENT)
    for number in range(RECORDS):
        journal.append([("result", bytes([number]) * 90)])
        journal.sync()
    journal.close()


def flip(directory: Path, offset: int) -> None:
    path = sorted(directory.glob("*.journal"))[offset // 3]
    content = bytearray(path.read_bytes())
    content[119 * (offset % 3) + 50] ^= 1
    path.write_bytes(content)


def compacted(
    directory: Path, drops: Callable[[Record], bool], limits: Limits | None = None
) -> Any:
    known = next(checkpoints(directory), None)
    journal = Journal(directory, SEGMENT, known=known)
    end, segments, _ = journal.facts()
    journal.close()
    return compact(directory, Checkpoint(end, segments, (), {"n": 1}), drops, limits or Limits())


def held(directory: Path) -> dict[int, bytes]:
    journal = Journal(directory, SEGMENT, known=next(checkpoints(directory), None))
    journal.close()
    assert journal.losses == ()
    return {record.offset: record.payload for record in journal.read(0)}


def test_damage_that_is_acknowledged_is_a_gap_and_the_journal_whole_again(tmp_path: Path) -> None:
    filled(tmp_path)
    for offset in (0, 4, 5, 9):
        flip(tmp_path, offset)
    done = compacted(tmp_path, lambda record: False)
    assert [(loss.first, loss.end) for loss in done.acknowledged] == [(0, 1), (4, 6), (9, 10)]
    assert sorted(held(tmp_path)) == [1, 2, 3, 6, 7, 8, 10]
    facts = inspect(tmp_path)
    assert facts.losses == ()
    assert facts.gaps == (Gap(0, 1, "damage"), Gap(4, 6, "damage"), Gap(9, 10, "damage"))
    assert check_footers(tmp_path) == (4, [])
    journal = Journal(tmp_path, SEGMENT)
    assert journal.losses == ()
    assert journal.next_offset == RECORDS
    journal.close()


def test_a_missing_segment_is_acknowledged_too(tmp_path: Path) -> None:
    filled(tmp_path)
    sorted(tmp_path.glob("*.journal"))[1].unlink()
    compacted(tmp_path, lambda record: False)
    assert sorted(held(tmp_path)) == [0, 1, 2, 6, 7, 8, 9, 10]
    assert inspect(tmp_path).gaps == (Gap(3, 6, "damage"),)


def test_records_that_are_dropped_leave_gaps_and_oldest_segments_of_nothing_else_go(
    tmp_path: Path,
) -> None:
    filled(tmp_path)
    done = compacted(tmp_path, lambda record: record.offset < 4 or record.offset == 7)
    assert (done.dropped, done.removed) == (5, 1)
    assert done.bytes_after < done.bytes_before
    assert sorted(held(tmp_path)) == [4, 5, 6, 8, 9, 10]
    facts = inspect(tmp_path)
    assert facts.gaps == (Gap(3, 4, "dropped"), Gap(7, 8, "dropped"))
    assert facts.losses == ()


def test_retention_applies_and_a_whole_journal_is_left_as_it_is(tmp_path: Path) -> None:
    filled(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.journal")}
    done = compacted(tmp_path, lambda record: False)
    assert (done.rewritten, done.removed, done.dropped) == (0, 0, 0)
    assert all((tmp_path / name).read_bytes() == data for name, data in before.items())
    done = compacted(tmp_path, lambda record: False, Limits(max_bytes=700))
    assert done.removed == 2
    assert sorted(held(tmp_path)) == [6, 7, 8, 9, 10]


def test_no_older_checkpoint_outlives_the_records_it_relies_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in range(RECORDS):
        journal.append([("result", bytes([number]) * 90)])
        journal.sync()
        if number == 4:
            end, segments, index = journal.facts()
            write_checkpoint(tmp_path, Checkpoint(end, segments, index, {"n": 0}))
    journal.close()
    compacted(tmp_path, lambda record: record.offset in (1, 2, 7))
    max(tmp_path.glob("*.checkpoint")).write_bytes(b"rot")
    known = next(checkpoints(tmp_path), None)
    assert known is not None
    assert (known.end, known.state) == (RECORDS, {"n": 1})
    assert sorted(held(tmp_path)) == [0, 3, 4, 5, 6, 8, 9, 10]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], list[str]]:
    """Count the steps that change the folder; the n-th fails as a kill does."""
    done: list[str] = []
    real: dict[str, Any] = {name: getattr(os, name) for name in STEPS}
    real["fsync"] = lambda fd: None
    kill_at: list[int | None] = [None]

    def stand_in(name: str) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            if name == "open" and not (len(args) > 1 and args[1] & os.O_CREAT):
                return real[name](*args, **more)
            done.append(name)
            if kill_at[0] is not None and len(done) > kill_at[0]:
                if name == "write":
                    real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
                raise Killed
            return real[name](*args, **more)

        return step

    for name in STEPS:
        monkeypatch.setattr(os, name, stand_in(name))

    def begin(at: int | None) -> list[str]:
        done.clear()
        kill_at[0] = at
        return done

    return begin


def test_a_kill_at_every_step_leaves_a_journal_that_is_compacted_again(
    tmp_path_factory: pytest.TempPathFactory, counted: Callable[[int | None], list[str]]
) -> None:
    def prepared() -> Path:
        directory = tmp_path_factory.mktemp("c")
        counted(None)
        filled(directory)
        flip(directory, 4)
        return directory

    def drops(record: Record) -> bool:
        return record.offset in (0, 1, 2, 7)

    stays = {3, 5, 6, 8, 9, 10}
    whole = prepared()
    steps = counted(None)
    compacted(whole, drops)
    total = len(steps)
    assert set(steps) == set(STEPS)
    assert set(held(whole)) == stays
    for at in range(total):
        directory = prepared()
        counted(at)
        with pytest.raises(Killed):
            compacted(directory, drops)
        counted(None)
        journal = Journal(directory, SEGMENT, known=next(checkpoints(directory), None))
        read = {record.offset: record.payload for record in journal.read(0)}
        assert stays <= set(read) <= stays | {0, 1, 2, 7}, at
        assert all(content == bytes([n]) * 90 for n, content in read.items()), at
        assert {n for loss in journal.losses for n in range(loss.first, loss.end)} <= {4}, at
        assert journal.next_offset == RECORDS
        journal.close()
        compacted(directory, drops)
        assert set(held(directory)) == stays
        assert inspect(directory).losses == ()
        assert check_footers(directory)[1] == []
        assert not list(directory.glob("*.partial"))


def test_a_footer_that_lies_is_told(tmp_path: Path) -> None:
    filled(tmp_path)
    compacted(tmp_path, lambda record: False)
    path = footer_path(min(tmp_path.glob("*.journal")))
    other = footer_path(sorted(tmp_path.glob("*.journal"))[1])
    path.write_bytes(other.read_bytes())
    count, wrong = check_footers(tmp_path)
    assert count == 4
    assert len(wrong) == 1
    assert str(path) in wrong[0]
    other.write_bytes(b"")
    assert "damaged" in check_footers(tmp_path)[1][1]
