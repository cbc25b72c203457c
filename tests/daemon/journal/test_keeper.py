"""Footers, checkpoints and retention: what is kept, what is removed, and a crash or a full disk at every step."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phenostream.daemon.clock import EARLIEST_S
from phenostream.daemon.health import Health
from phenostream.daemon.journal.checkpoint import Checkpoint, checkpoints
from phenostream.daemon.journal.footer import footer_path, hash_file, read_footer
from phenostream.daemon.journal.keeper import FAULT, Keeper, Snapshot
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.journal.retention import Limits

SEGMENT = 300
STEPS = ("write", "fsync", "fdatasync", "replace", "unlink", "ftruncate")


class Killed(BaseException):
    """The process ends here."""


class Life:
    """One process with a journal and its keeper, whose work is done in the caller's thread."""

    def __init__(self, directory: Path, max_bytes: int | None = None) -> None:
        self.directory = directory
        known = next(checkpoints(directory), None)
        self.journal = Journal(directory, SEGMENT, known=known)
        self.health = Health()
        self.keeper = Keeper(directory, self.journal, Limits(max_bytes), self.health)
        self.beats = 0

    def write(self, payload: bytes, acked: dict[int, bytes]) -> None:
        (record,) = self.journal.append([("result", payload)])
        self.journal.sync()
        acked[record.offset] = payload

    def keep(self) -> bool:
        end, segments, index = self.journal.facts()
        snapshot = Snapshot(Checkpoint(end, segments, index, {}), lambda: {"upto": end})
        return self.keeper._tried(snapshot, self._beat)

    def _beat(self) -> None:
        self.beats += 1


def payload(number: int) -> bytes:
    return bytes([number % 251]) * 90


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], list[str]]:
    """Count the steps that make something last, and have the n-th fail as a kill does; no step waits for a disk."""
    done: list[str] = []
    real: dict[str, Any] = {name: getattr(os, name) for name in STEPS}
    real["fsync"] = real["fdatasync"] = lambda fd: None
    kill_at: list[int | None] = [None]

    def stand_in(name: str) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            done.append(name)
            if kill_at[0] is not None and len(done) > kill_at[0]:
                if name == "write":  # half of it
                    real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
                raise Killed
            return real[name](*args)

        return step

    for name in STEPS:
        monkeypatch.setattr(os, name, stand_in(name))

    def begin(at: int | None) -> list[str]:
        done.clear()
        kill_at[0] = at
        return done

    return begin


def test_a_sealed_segment_gets_a_footer_that_is_true(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(8):
        life.write(payload(number), {})
    assert life.keep()
    sealed = life.journal.sealed()
    assert [segment.first for segment in sealed] == [0, 3]
    for segment in sealed:
        footer = read_footer(segment.path)
        assert footer is not None
        assert (footer.first, footer.end) == (segment.first, segment.first + 3)
        assert footer.size == segment.path.stat().st_size
        assert footer.sha256 == hash_file(segment.path, footer.size)
    assert not footer_path(tmp_path / f"{6:020d}.journal").exists()


def test_a_footer_is_also_made_for_what_another_process_wrote(tmp_path: Path) -> None:
    acked: dict[int, bytes] = {}
    first = Life(tmp_path)
    first.write(payload(0), acked)
    first.journal.close()
    second = Life(tmp_path)
    for number in range(1, 5):
        second.write(payload(number), acked)
    assert second.keep()
    path = second.journal.sealed()[0].path
    footer = read_footer(path)
    assert footer is not None
    assert footer.sha256 == hash_file(path, footer.size)


def test_a_checkpoint_spares_reading_what_is_before_it(tmp_path: Path) -> None:
    acked: dict[int, bytes] = {}
    life = Life(tmp_path)
    for number in range(10):
        life.write(payload(number), acked)
    life.keep()
    life.write(payload(10), acked)
    life.journal.close()
    again = Life(tmp_path)
    assert again.journal.recovery.records == 1
    assert {r.offset: r.payload for r in again.journal.read(0)} == acked
    assert [r.offset for r in again.journal.read(7)] == [7, 8, 9, 10]


@pytest.mark.parametrize("at", [10, 500, 900])
def test_damage_that_a_start_did_not_read_is_found_afterwards(tmp_path: Path, at: int) -> None:
    """In a segment with a footer, and in the newest."""
    life = Life(tmp_path)
    for number in range(8):
        life.write(payload(number), {})
    life.keep()
    life.journal.close()
    path = sorted(tmp_path.glob("*.journal"))[at // 357]
    content = bytearray(path.read_bytes())
    content[at % 357] ^= 1
    path.write_bytes(content)
    again = Life(tmp_path)
    heard: list[str] = []
    again.journal.on_loss = heard.append
    assert again.journal.recovery.losses == ()
    assert list(again.journal.look_over())
    (loss,) = again.journal.losses
    assert loss.first == at // 119
    assert len(heard) == 1


def test_two_checkpoints_are_kept_and_a_damaged_one_costs_only_time(tmp_path: Path) -> None:
    acked: dict[int, bytes] = {}
    life = Life(tmp_path)
    for number in range(9):
        life.write(payload(number), acked)
        life.keep()
    life.journal.close()
    newest, older = sorted(tmp_path.glob("*.checkpoint"), reverse=True)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert [one.end for one in checkpoints(tmp_path)] == [8]
    again = Life(tmp_path)
    assert again.journal.recovery.records == 1
    again.journal.close()
    older.write_bytes(b"")
    last = Life(tmp_path)
    assert last.journal.recovery.records == 9
    assert {r.offset: r.payload for r in last.journal.read(0)} == acked


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_segment_that_is_gone_is_noticed_though_nobody_reads_it(
    tmp_path: Path, gone: int
) -> None:
    life = Life(tmp_path)
    for number in range(9):
        life.write(payload(number), {})
    life.keep()
    life.journal.close()
    sorted(tmp_path.glob("*.journal"))[gone].unlink()
    again = Life(tmp_path)
    (loss,) = again.journal.losses
    assert (loss.first, loss.end) == (3 * gone, 3 * gone + 3)
    assert again.journal.next_offset == 9
    assert len(list(again.journal.read(0))) == 6


def test_what_a_checkpoint_promised_is_never_cut_nor_its_offset_given_again(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(2):
        life.write(payload(number), {})
    life.keep()
    life.journal.close()
    path = next(tmp_path.glob("*.journal"))
    os.truncate(path, path.stat().st_size - 5)  # without the checkpoint, a torn tail
    again = Life(tmp_path)
    assert [(loss.first, loss.end) for loss in again.journal.losses] == [(1, 2)]
    assert again.journal.recovery.cut_bytes == 0
    acked: dict[int, bytes] = {}
    again.write(b"new", acked)
    assert list(acked) == [2]
    assert [r.offset for r in again.journal.read(0)] == [0, 2]


def test_retention_removes_the_oldest_sealed_segments_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acked: dict[int, bytes] = {}
    life = Life(tmp_path, max_bytes=1000)
    with caplog.at_level(logging.WARNING):
        for number in range(20):
            life.write(payload(number), acked)
            life.keep()
    oldest = life.journal.oldest
    assert oldest == 12
    assert sum(path.stat().st_size for path in tmp_path.glob("*.journal")) <= 1000 + SEGMENT
    removed = [line for line in caplog.messages if "retention removed" in line]
    assert len(removed) == 4
    assert "offsets 0 to 2 " in removed[0]
    assert {r.offset: r.payload for r in life.journal.read(0)} == {
        offset: content for offset, content in acked.items() if offset >= oldest
    }
    assert len(list(tmp_path.glob("*.footer"))) == len(life.journal.sealed())
    life.journal.close()
    again = Life(tmp_path, max_bytes=1000)
    assert (again.journal.oldest, again.journal.losses) == (12, ())


def test_long_work_of_the_keeper_shows_life_for_each_file_and_each_mib(tmp_path: Path) -> None:
    acked: dict[int, bytes] = {}
    life = Life(tmp_path)
    for number in range(20):
        life.write(payload(number), acked)
        if number in (17, 19):
            life.keep()
    life.journal.close()
    again = Life(tmp_path, max_bytes=1000)
    files = len(again.journal.sealed())
    again.keep()
    removed = files - len(again.journal.sealed())
    assert removed >= 4
    assert again.beats >= removed
    long = tmp_path / "long"
    long.write_bytes(bytes(3 << 20))
    steps: list[None] = []
    hash_file(long, 3 << 20, lambda: steps.append(None))
    assert len(steps) == 3


def test_age_removes_but_never_the_newest_and_never_when_the_clock_jumped(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(7):
        life.write(payload(number), {})
    for path in tmp_path.glob("*.journal"):
        os.utime(path, (EARLIEST_S, EARLIEST_S))
    life.keeper._limits = Limits(None, 1.0, clock_s=0.0)
    life.keep()
    life.write(payload(7), {})
    life.keep()
    assert life.journal.oldest == 0
    life.keeper._limits = Limits(None, 1.0)
    life.keep()
    assert (life.journal.oldest, life.journal.next_offset) == (6, 8)


def test_what_was_written_in_1970_has_no_age(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(7):
        life.write(payload(number), {})
    for path in tmp_path.glob("*.journal"):
        os.utime(path, (61, 61))
    life.keeper._limits = Limits(None, 1.0)
    life.keep()
    assert life.journal.oldest == 0


def test_nothing_is_removed_that_not_both_checkpoints_remember(tmp_path: Path) -> None:
    life = Life(tmp_path, max_bytes=1)
    for number in range(7):
        life.write(payload(number), {})
    assert life.keeper._tried(None, lambda: None)
    assert life.journal.oldest == 0
    life.keep()
    assert life.journal.oldest == 0
    life.write(payload(7), {})
    life.keep()
    assert life.journal.oldest == 6
    assert min(one.end for one in checkpoints(tmp_path)) == 7


def scenario(directory: Path, acked: dict[int, bytes]) -> None:
    life = Life(directory, max_bytes=900)
    try:
        for number in range(len(acked), len(acked) + 12):
            life.write(payload(number), acked)
            if number % 2:
                life.keep()
    finally:
        life.journal.close()


def test_a_kill_at_every_step_loses_nothing_that_was_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, counted: Callable[[int | None], list[str]]
) -> None:
    whole = tmp_path_factory.mktemp("whole")
    steps = counted(None)
    scenario(whole, {})
    total = len(steps)
    assert {"write", "fsync", "fdatasync", "replace", "unlink"} <= set(steps)
    for at in range(total):
        directory = tmp_path_factory.mktemp("k")
        acked: dict[int, bytes] = {}
        counted(at)
        with pytest.raises(Killed):
            scenario(directory, acked)
        counted(None)
        life = Life(directory, max_bytes=900)
        held = {record.offset: record.payload for record in life.journal.read(0)}
        oldest = life.journal.oldest
        assert life.journal.losses == (), at
        assert all(held.get(n) == content for n, content in acked.items() if n >= oldest), at
        assert life.journal.next_offset >= len(acked)
        assert sorted(held) == list(range(oldest, life.journal.next_offset))
        life.keep()
        life.journal.close()


def test_a_full_disk_at_every_step_is_told_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("write", "fsync"):
        for at in range(12):
            directory = tmp_path / f"{name}{at}"
            life = Life(directory, max_bytes=900)
            for number in range(14):
                life.write(payload(number), {})
            calls: list[int] = []
            real = getattr(os, name)

            def full(*args: Any, real: Any = real, calls: Any = calls, at: int = at) -> Any:
                calls.append(1)
                if len(calls) > at:
                    raise OSError(errno.ENOSPC, "No space left on device")
                return real(*args)

            with monkeypatch.context() as patch:
                patch.setattr(os, name, full)
                good = life.keep()
            assert good == (len(calls) <= at)
            assert (FAULT in life.health.faults()) == (not good)
            assert not list(directory.glob("*.partial"))
            assert life.keep()
            assert FAULT not in life.health.faults()
            assert {r.offset for r in life.journal.read(0)} == set(range(life.journal.oldest, 14))
            life.journal.close()
