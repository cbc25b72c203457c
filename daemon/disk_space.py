"""How much room there is where the daemon keeps things."""

import os
from collections.abc import Mapping
from pathlib import Path


def disk_space(folders: Mapping[str, Path]) -> dict[str, dict[str, int]]:
    """Of the file system that holds each folder: `free_bytes`, for who is not root, and `size_bytes`.

    Args:
        folders: By what they are for; one that is not there, or cannot be looked at, is left out.
    """
    found = {}
    for name, folder in folders.items():
        try:
            told = os.statvfs(folder)
        except OSError:
            continue
        free, size = told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize
        found[name] = {"free_bytes": free, "size_bytes": size}
    return found
