"""The disks of journal, quarantine and engine cache: kind, space, and how long a result waits until it is durable."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.config import Config
from phenostream.daemon.surroundings import nearest
from phenostream.deploy.doctor.account import Account, acting_as, may_write_in
from phenostream.deploy.doctor.disk_speed import DiskSpeed, measured
from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok, refused, warn
from phenostream.deploy.doctor.mounts import NETWORKED, VOLATILE, Mount, mount_of
from phenostream.deploy.doctor.patient import Patient

_LEAST_FREE: Final = 16 << 20
"""Less is as good as full: a few seconds of results."""
_COMFORT_FREE: Final = 1 << 30
_LEAST_TRIED: Final = 256 << 20
"""What is tried takes 66 MiB for a moment, and a daemon that works here must not find its disk full."""
_FEW_INODES: Final = 1000
_SLOW_P50_MS: Final = 10.0
_SLOW_P99_MS: Final = 100.0
_TOO_FAST_P50_MS: Final = 0.005
"""No disk is: whoever answers so has made nothing durable."""


def folders(config: Config) -> dict[str, Path]:
    """The folders that the daemon writes in, by their keys."""
    named = {
        "journal.directory": config.journal.directory,
        "quarantine.directory": config.quarantine.directory,
    }
    if config.model.engine_cache is not None:
        named["model.engine_cache"] = config.model.engine_cache
    return named


def look(patient: Patient) -> Iterator[Finding]:
    """Each folder's disk, and the speed of the journal's."""
    if patient.config is None:
        return
    for key, folder in folders(patient.config).items():
        yield _disk(key, folder)
    yield _speed(patient.config.journal.directory, patient.account)


def _disk(key: str, folder: Path) -> Finding:
    there = nearest(folder)
    mount, facts = mount_of(there), os.statvfs(there)
    free = facts.f_bavail * facts.f_frsize
    told = f"{folder} on {mount or 'an unknown file system'}, {_size(free)} free"
    figures = {"free_bytes": float(free), "free_inodes": float(facts.f_favail)}
    if facts.f_flag & os.ST_RDONLY:
        return fail(
            key,
            f"{told}, READ ONLY",
            f"mount it for writing (mount -o remount,rw {mount.at if mount else there}); dmesg says whether the "
            "disk failed",
            **figures,
        )
    if free < _LEAST_FREE or (facts.f_files and facts.f_favail == 0):
        short = "" if free < _LEAST_FREE else ", but no inode"
        return fail(key, f"{told}{short}", _make_room(key), **figures)
    if (caveat := _caveat(key, mount)) is not None:
        return warn(key, told, caveat, **figures)
    if free < _COMFORT_FREE or (facts.f_files > 0 and facts.f_favail < _FEW_INODES):
        return warn(key, f"{told}, {facts.f_favail:,} inodes", _make_room(key), **figures)
    return ok(key, told, **figures)


def _make_room(key: str) -> str:
    if key == "journal.directory":
        return "make room, or let the oldest results go: journal.max_bytes, `phenostream journal compact`"
    return "make room on this disk"


def _caveat(key: str, mount: Mount | None) -> str | None:
    """What is wrong with the kind of file system, as something to do; None where nothing is."""
    if mount is None or key == "model.engine_cache":
        return None
    if mount.kind in VOLATILE:
        return "put it on a disk: all of it is gone when the box restarts"
    if mount.kind in NETWORKED:
        return (
            "put it on a disk of this box: locks and fdatasync over a network are not always kept"
        )
    return None


def _speed(folder: Path, account: Account) -> Finding:
    """Measured where the journal is, or will be."""
    there = nearest(folder)
    what = "journal speed"
    try:
        with acting_as(account):
            if not may_write_in(there):
                return not_run(what, f"user {account.name} may not write in {there}")
            space = os.statvfs(there)
            if space.f_bavail * space.f_frsize < _LEAST_TRIED:
                return not_run(what, "the disk is too full to be tried without filling it up")
            speed = measured(there)
    except OSError as err:
        return refused(what, err, "see the line of journal.directory")
    told = (
        f"{speed.mb_per_s:,.0f} MB/s; an append and its fdatasync take {speed.p50_ms:.2f} ms (p50), "
        f"{speed.p99_ms:.2f} ms (p99 of {speed.syncs})"
    )
    mount = mount_of(there)
    return _judged(what, told, speed, volatile=mount is not None and mount.kind in VOLATILE)


def _judged(what: str, told: str, speed: DiskSpeed, *, volatile: bool) -> Finding:
    figures = {
        "mb_per_s": speed.mb_per_s,
        "fdatasync_p50_ms": speed.p50_ms,
        "fdatasync_p99_ms": speed.p99_ms,
    }
    if speed.p50_ms > _SLOW_P50_MS or speed.p99_ms > _SLOW_P99_MS:
        todo = (
            f"every result waits for it: a disk of {_SLOW_P50_MS:g} ms (p50) and {_SLOW_P99_MS:g} ms (p99) or less, "
            "or one that nobody else writes to"
        )
        return warn(what, told, todo, **figures)
    if speed.p50_ms < _TOO_FAST_P50_MS and not volatile:
        todo = (
            "no disk is that fast: see that it, or its host, does not lie about what it has written"
        )
        return warn(what, told, todo, **figures)
    return ok(what, told, **figures)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:,.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"
