"""Packs a mirror in blocks of eight cells, and stops at a chosen moment until it is killed.

Called as `python -m tests.trainer.data.bsccm.packing_process ROOT OUT MOMENT`: `block` is after the third block, `file`
while the finished file is written, before it has its name. Says "here" when the moment has come.
"""

import os
import sys
from pathlib import Path
from typing import Any

from phenostream.trainer.data.bsccm import packer
from phenostream.trainer.data.packed import PackedCells, save_packed


def main(root: Path, out: Path, moment: str) -> None:
    """Pack, and wait to be killed."""
    keep, kept = packer._keep, 0

    def keeping(*args: Any) -> None:
        nonlocal kept
        keep(*args)
        kept += 1
        if moment == "block" and kept == 3:
            wait()

    def saving(cells: PackedCells, path: Path) -> None:
        if moment == "file":
            wait_before_the_name()
        save_packed(cells, path)

    vars(packer).update(_keep=keeping, _BLOCK=8, save_packed=saving)
    packer.pack(root, out)


def wait_before_the_name() -> None:
    """The next file is written whole, and waits before it gets its name."""
    sync = os.fsync

    def syncing(handle: Any) -> None:
        sync(handle)
        wait()

    vars(os).update(fsync=syncing)


def wait() -> None:
    sys.stdout.write("here\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
