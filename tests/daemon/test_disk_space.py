"""Room is told of folders that are there."""

import shutil
from pathlib import Path

from phenostream.daemon.disk_space import disk_space


def test_it_is_what_the_system_says_and_what_is_not_there_is_left_out(tmp_path: Path) -> None:
    told = disk_space({"journal": tmp_path, "quarantine": tmp_path / "no such"})
    assert list(told) == ["journal"]
    total, _, free = shutil.disk_usage(tmp_path)
    assert told["journal"]["size_bytes"] == total
    assert abs(told["journal"]["free_bytes"] - free) < total / 100
