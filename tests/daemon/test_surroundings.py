"""What must be so around a daemon: its folders are its own, on a disk with room, under a clock that can be right."""

import logging
import os
import time
from pathlib import Path

import pytest

from phenostream.daemon.clock import clock_fault, is_possible, utc_text
from phenostream.daemon.config import Config, parse_config
from phenostream.daemon.journal.log import Journal
from phenostream.daemon.surroundings import (
    check_surroundings,
    say_what_is_scarce,
    space_fault,
)
from phenostream.engine.errors import BadConfig

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return parse_config({"journal": {"directory": "journal"}, "model": {"bundle": "b"}}, tmp_path)


def test_folders_that_are_not_there_yet_and_a_used_journal_are_fine(config: Config) -> None:
    check_surroundings(config)
    assert not config.journal.directory.exists()
    Journal(config.journal.directory).close()
    check_surroundings(config)


@pytest.mark.parametrize("key", ["journal", "quarantine"])
def test_a_folder_that_anyone_may_write_in_is_refused_with_what_mends_it(
    config: Config, key: str
) -> None:
    folder: Path = getattr(config, key).directory
    folder.mkdir()
    folder.chmod(0o1777)
    check_surroundings(config)  # nobody can replace what is ours
    folder.chmod(0o777)
    with pytest.raises(BadConfig) as refused:
        check_surroundings(config)
    assert str(refused.value) == (
        f"{key}.directory: {folder}: mode 0777 lets anyone write in it, allowed 0755 or stricter "
        f"(chmod o-w {folder})"
    )


@needs_root
def test_root_does_not_write_among_the_files_of_another_user(config: Config) -> None:
    Journal(config.journal.directory).close()
    (segment,) = config.journal.directory.glob("*.journal")
    os.chown(segment, 1234, 1234)
    with pytest.raises(BadConfig, match=rf"{segment} belongs to user 1234, mode 0600, allowed"):
        check_surroundings(config)
    os.chown(config.journal.directory, 1234, 1234)
    with pytest.raises(BadConfig, match=r"allowed one of user 0 \(us\), or run it as the user"):
        check_surroundings(config)


def test_a_file_in_the_place_of_a_folder_is_refused(config: Config) -> None:
    config.quarantine.directory.touch()
    with pytest.raises(BadConfig, match=r"quarantine.directory: .*: not a folder"):
        check_surroundings(config)


class Space:
    """What statvfs says."""

    f_flag, f_frsize = 0, 1

    def __init__(self, free: int) -> None:
        self.f_bavail = free


def test_no_space_is_a_fault_and_little_a_warning(
    config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    monkeypatch.setattr(os, "statvfs", lambda path: Space(4096))
    assert space_fault(config) == (
        f"journal.directory: {config.journal.directory}: no space left: 4096 bytes free, allowed 65536 or more; "
        "until then frames stay with their source"
    )
    say_what_is_scarce(config)
    assert caplog.messages == []  # that is the fault's line
    monkeypatch.setattr(os, "statvfs", lambda path: Space(300 << 20))
    assert space_fault(config) is None
    say_what_is_scarce(config)
    assert "300 MiB free" in caplog.messages[0]


def test_a_disk_that_does_not_answer_is_a_fault_and_no_crash(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path) -> None:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(os, "statvfs", broken)
    assert "input/output error" in (space_fault(config) or "")
    with pytest.raises(BadConfig, match="input/output error, allowed a folder that user"):
        check_surroundings(config)


@pytest.mark.parametrize("now_s", [0.0, 1.7e9, 5e9, 1e18])
def test_a_clock_that_cannot_be_right_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, now_s: float
) -> None:
    monkeypatch.setattr(time, "time", lambda: now_s)
    told = clock_fault()
    assert told is not None
    assert told.startswith(
        f"clock: it says {utc_text(now_s)}, allowed 2026-01-01T00:00:00Z to 2100"
    )
    assert not is_possible(now_s)


def test_a_clock_that_can_be_right_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.8e9)
    assert clock_fault() is None
    assert utc_text(1.8e9) == "2027-01-15T08:00:00Z"
