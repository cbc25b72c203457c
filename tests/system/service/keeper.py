"""Keeps one container from its first mount to its last control group, and outlives whoever asked for it.

`python -m tests.system.service.keeper FOLDER NSPAWN_ARGUMENT ...` boots systemd on the files of this machine: `/` under
an overlay in memory, in mount and process namespaces of its own. It ends when its standard input does, that is with
whoever started it, be it by SIGKILL: the kernel ends all processes of the container with the first of its process
namespace, and all mounts with the last process. What the kernel leaves, FOLDER and empty control groups, is removed
here. Killed itself, it takes the container along; the next keeper removes what it has left.
"""

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

GROUPS: Final = ("payload", "supervisor")
"""Control groups that nspawn makes below that of who started it."""
_HIERARCHIES: Final = ("systemd", "unified", "")
_TREE: Final = Path("/sys/fs/cgroup")
_LAST_BYTES: Final = 2000
_LEAVING_S: Final = 10.0
_LOOK_S: Final = 0.02
_BOOT: Final = """
set -e
mount --bind / "$1/root"   # nspawn refuses / itself
mount -t tmpfs tmpfs /run  # its own notes about containers, which nobody needs afterwards
root=$1
shift
exec systemd-nspawn --quiet --directory="$root/root" --volatile=overlay --boot --register=no --keep-unit "$@"
"""


def main(folder: Path, arguments: list[str]) -> int:
    """Boot, wait, clean up; the exit code of the container where it ended by itself."""
    _remove_groups()
    (folder / "root").mkdir()
    with (folder / "console").open("wb") as console:
        machine = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"),
                *("sh", "-c", _BOOT, "boot", str(folder), *arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
    ending = os.pidfd_open(machine.pid)
    ready, _, _ = select.select([sys.stdin, ending], [], [])
    if ready == [ending]:
        said = (folder / "console").read_bytes()[-_LAST_BYTES:]
        sys.stderr.write(f"the container ended by itself: {said.decode(errors='replace')}\n")
    machine.kill()
    code = machine.wait()
    _remove_groups()
    shutil.rmtree(folder, ignore_errors=True)
    return code


def _remove_groups() -> None:
    """Remove the control groups of a container that has ended, as soon as its last process has left them."""
    deadline_s = time.monotonic() + _LEAVING_S
    for top in _own_groups():
        for name in GROUPS:
            while (top / name).is_dir() and time.monotonic() < deadline_s:
                _remove_tree(top / name)
                time.sleep(_LOOK_S)  # a control group tells nobody that it is empty


def _own_groups() -> set[Path]:
    """Where nspawn makes its groups: below ours, in every hierarchy that systemd knows."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    paths = {
        line.split(":", 2)[2].lstrip("/")
        for line in lines
        if line.split(":")[1] in ("", "name=systemd")
    }
    return {
        _TREE / one / path
        for one in _HIERARCHIES
        for path in paths
        if (_TREE / one / path).is_dir()
    }


def _remove_tree(group: Path) -> None:
    for below in sorted((one for one in group.rglob("*") if one.is_dir()), reverse=True):
        _remove_if_empty(below)
    _remove_if_empty(group)


def _remove_if_empty(group: Path) -> None:
    try:
        group.rmdir()
    except OSError:
        return  # somebody is in it still: asked again


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1]), sys.argv[2:]))
