"""Disks: which file system a folder is on, what is left of it, and how long a durable write takes."""

import os
from pathlib import Path

import pytest

from phenostream.deploy.doctor import disk, disk_speed
from phenostream.deploy.doctor.disk_speed import DiskSpeed, measured
from phenostream.deploy.doctor.finding import Finding
from phenostream.deploy.doctor.mounts import Mount, mount_of
from tests.deploy.doctor.patients import patient, the


def mountinfo(tmp_path: Path, *mounts: tuple[str, str]) -> Path:
    """A table with file systems of the device that `tmp_path` is on, at places with their kinds."""
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    table = tmp_path / "mountinfo"
    table.write_text(
        "".join(
            f"2{i} 1 {number} / {at} rw - {kind} dev rw\n" for i, (at, kind) in enumerate(mounts)
        )
    )
    return table


def test_the_innermost_mount_of_a_path_is_its_file_system(tmp_path: Path) -> None:
    inner = tmp_path / "a b"
    inner.mkdir()
    escaped = str(inner).replace(" ", "\\040")
    table = mountinfo(tmp_path, ("/", "ext4"), (escaped, "tmpfs"), (f"{tmp_path}/a", "nfs"))
    assert mount_of(inner, table) == Mount(str(inner), "tmpfs", "dev")
    assert mount_of(tmp_path, table) == Mount("/", "ext4", "dev")
    assert mount_of(tmp_path, tmp_path / "nothing") is None


def test_the_real_table_knows_this_folder(tmp_path: Path) -> None:
    mount = mount_of(tmp_path)
    assert mount is not None
    assert str(tmp_path).startswith(mount.at)


def test_writing_is_timed_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_speed, "_MOST_BLOCKS", 1)
    monkeypatch.setattr(disk_speed, "_MOST_SYNCS", 25)
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    speed = measured(tmp_path)
    assert speed.syncs == 25
    assert len(synced) == 26
    assert speed.mb_per_s > 0
    assert 0 < speed.p50_ms <= speed.p99_ms
    assert list(tmp_path.iterdir()) == []


def looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: DiskSpeed) -> list[Finding]:
    monkeypatch.setattr(disk, "measured", lambda folder: speed)
    return list(disk.look(patient(tmp_path / "p")))


@pytest.mark.parametrize(
    ("p50_ms", "p99_ms", "verdict"),
    [(1.0, 8.0, "ok"), (12.0, 20.0, "warn"), (1.0, 150.0, "warn"), (0.001, 0.002, "warn")],
)
def test_a_slow_disk_and_one_that_lies_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, p50_ms: float, p99_ms: float, verdict: str
) -> None:
    monkeypatch.setattr(disk, "mount_of", lambda path: Mount("/", "ext4", "dev"))
    found = the(
        looked(tmp_path, monkeypatch, DiskSpeed(900.0, p50_ms, p99_ms, 200)), "journal speed"
    )
    assert found.verdict == verdict
    assert found.figures["fdatasync_p99_ms"] == p99_ms


@pytest.mark.parametrize(
    ("kind", "says"), [("tmpfs", "gone when the box restarts"), ("nfs4", "over a network")]
)
def test_a_journal_in_memory_or_on_a_network_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, says: str
) -> None:
    monkeypatch.setattr(disk, "mount_of", lambda path: Mount("/", kind, "dev"))
    found = the(looked(tmp_path, monkeypatch, DiskSpeed(900.0, 1.0, 8.0, 200)), "journal.directory")
    assert found.verdict == "warn"
    assert says in found.todo


class Space:
    """What statvfs says of a file system of 4 KiB blocks."""

    def __init__(self, free: int, inodes: int = 10_000, flags: int = 0) -> None:
        self.f_bavail, self.f_frsize, self.f_flag = free // 4096, 4096, flags
        self.f_files, self.f_favail = 20_000, inodes


@pytest.mark.parametrize(
    ("space", "verdict", "says"),
    [
        (Space(1 << 20), "fail", "make room"),
        (Space(100 << 20), "warn", "journal.max_bytes"),
        (Space(100 << 30, inodes=0), "fail", "make room"),
        (Space(100 << 30, inodes=5), "warn", "make room"),
        (Space(100 << 30, flags=os.ST_RDONLY), "fail", "remount,rw"),
        (Space(100 << 30), "ok", ""),
    ],
)
def test_little_space_few_inodes_and_a_read_only_disk_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, space: Space, verdict: str, says: str
) -> None:
    monkeypatch.setattr(disk, "mount_of", lambda path: Mount("/", "ext4", "dev"))
    monkeypatch.setattr(os, "statvfs", lambda path: space)
    told = looked(tmp_path, monkeypatch, DiskSpeed(900.0, 1.0, 8.0, 200))
    found = the(told, "journal.directory")
    assert found.verdict == verdict
    assert says in found.todo
    is_full = space.f_bavail * space.f_frsize < 1 << 28
    assert (the(told, "journal speed").verdict == "not run") == is_full
