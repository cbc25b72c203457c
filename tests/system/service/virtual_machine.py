"""What no container here can show, in a virtual machine with cgroup v2 and BPF: the limits of the units hold.

`python -m tests.system.service.virtual_machine` boots a small Debian under qemu (no KVM needed), installs the units
with a stand-in for the daemon (`guest`), and asks for more than they allow. Part of `make nightly`. Needs root and,
installed with apt where they may be, qemu-system-x86, mmdebstrap and e2fsprogs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.system.daemon_process import ROOT

TOOLS: Final = ("qemu-system-x86_64", "mmdebstrap", "mke2fs")
PACKAGES: Final = ("qemu-system-x86", "mmdebstrap", "e2fsprogs")
BOOT_S: Final = 600.0
_INCLUDE: Final = (
    "--include=systemd,systemd-sysv,python3,iproute2,linux-image-cloud-amd64,initramfs-tools"
)
_WORD: Final = "VM "
_MEMORY_MIB: Final = 1024
_SCRIPT: Final = """#!/bin/sh
exec >/dev/ttyS0 2>&1
tell() { echo "VM {\\"name\\": \\"$1\\", \\"value\\": $2}"; }
show() { systemctl show --property="$1" --value phenostream; }
wait_for() { n=0; until eval "$1" || [ $n = 300 ]; do n=$((n + 1)); sleep 0.3; done; }
state=/var/lib/phenostream
ip link set lo up
for address in 10.11.12.13 192.0.2.1; do ip address add $address/32 dev lo; done
mknod -m 666 /dev/nvidia0 c 195 0
mknod -m 666 /dev/not-named c 10 183
systemctl start phenostream
tell nodes "$(cat $state/nodes)"
tell addresses "$(cat $state/addresses)"
tell tasks_allowed "$(show TasksMax)"
tell memory_allowed "$(show MemoryMax)"
kill -USR2 "$(show MainPID)"
wait_for '[ -s $state/tasks ]'
tell tasks "$(cat $state/tasks)"
pid=$(show MainPID)
kill -USR1 "$pid"
wait_for '[ "$(show NRestarts)" != 0 ] && [ "$(show ActiveState)" = active ]'
tell restarts "$(show NRestarts)"
tell killed "$(journalctl -u phenostream -o cat | grep -c 'OOM killer')"
mkdir -p /etc/systemd/system/phenostream.service.d
cp /opt/lan.conf /etc/systemd/system/phenostream.service.d/
systemctl daemon-reload
systemctl restart phenostream
tell addresses_lan "$(cat $state/addresses)"
tell done 1
systemctl poweroff --force --force
"""
_STAND_IN: Final = """[Service]
ExecStart=
ExecStart=/usr/bin/python3 /opt/guest.py
TimeoutStartSec=200
WatchdogSec=200
"""
_RUNNER: Final = """[Unit]
After=multi-user.target
[Service]
ExecStart=/opt/check
"""


def main() -> int:
    """Build, boot, judge; one line a check, exit 1 on any FAIL, 2 where it cannot run."""
    missing = _lacking()
    if missing is not None:
        sys.stdout.write(f"NOT RUN: {missing}\n")
        return 2
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="machine-") as name:
        folder = Path(name)
        disk = _disk(folder, _tree(folder))
        sys.stdout.write(f"== a Debian with a kernel, after {time.monotonic() - began_s:.0f} s\n")
        told, console = _boot(folder, disk)
    if "done" not in told:
        sys.stdout.write(f"FAIL  it did not come to its end: {console[-2000:]}\n")
        return 1
    good = [_judged(name, claim, told, holds) for name, (claim, holds) in _CLAIMS.items()]
    sys.stdout.write(
        f"== {sum(good)} ok, {len(good) - sum(good)} FAIL, {time.monotonic() - began_s:.0f} s\n"
    )
    return 0 if all(good) else 1


Told = dict[str, Any]


def _nodes_hold(told: Told) -> bool:
    """A node that is named gets as far as its missing driver; one that is not, nowhere."""
    nodes = told["nodes"]
    named = nodes["/dev/null"] == "through" and nodes["/dev/nvidia0"] in ("ENXIO", "ENODEV")
    return named and nodes["/dev/not-named"] in ("EPERM", "EACCES")


def _local_holds(told: Told) -> bool:
    reached = {address: how == "through" for address, how in told["addresses"].items()}
    return reached == {"127.0.0.1": True, "10.11.12.13": False, "192.0.2.1": False}


def _lan_holds(told: Told) -> bool:
    reached = {address: how == "through" for address, how in told["addresses_lan"].items()}
    return reached == {"127.0.0.1": True, "10.11.12.13": True, "192.0.2.1": False}


def _tasks_hold(told: Told) -> bool:
    allowed = int(told["tasks_allowed"])
    return allowed - 4 <= int(told["tasks"]) <= allowed


def _memory_holds(told: Told) -> bool:
    limited = int(told["memory_allowed"]) < _MEMORY_MIB << 20
    return limited and int(told["killed"]) > 0 and int(told["restarts"]) > 0


_CLAIMS: Final[dict[str, tuple[str, Callable[[Told], bool]]]] = {
    "nodes": ("the GPU's nodes by path, and no other device", _nodes_hold),
    "addresses": ("this box and no other address", _local_holds),
    "addresses_lan": ("with lan.conf private networks too, and not the world", _lan_holds),
    "tasks": ("no more threads than TasksMax", _tasks_hold),
    "restarts": ("beyond MemoryMax it is ended, and started again", _memory_holds),
}


def _judged(name: str, claim: str, told: Told, holds: Callable[[Told], bool]) -> bool:
    good = name in told and holds(told)
    sys.stdout.write(f"{'ok  ' if good else 'FAIL'}  {claim}: {json.dumps(told.get(name))}\n")
    return good


def _lacking() -> str | None:
    """Why it cannot run, after trying to install what is missing; None if it can."""
    if os.geteuid() != 0:
        return "needs root, to make a root file system"
    if any(shutil.which(tool) is None for tool in TOOLS) and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", *PACKAGES]):
            subprocess.run(["apt-get", *words], env=quiet, capture_output=True, check=False)
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"no {', '.join(missing)} (packages {', '.join(PACKAGES)})" if missing else None


def _tree(folder: Path) -> Path:
    """A small Debian with the units, and with a stand-in for the daemon."""
    tree = folder / "tree"
    make = ["mmdebstrap", "--quiet", "--variant=minbase", _INCLUDE, "bookworm", str(tree)]
    subprocess.run(make, capture_output=True, check=True)
    units, drop_ins = tree / "etc/systemd/system", tree / "etc/systemd/system/phenostream.service.d"
    drop_ins.mkdir(parents=True)
    source = ROOT / "systemd"
    for path in source.glob("*.service"):
        shutil.copy(path, units)
    shutil.copy(source / "drop-ins/gpu.conf", drop_ins)
    shutil.copy(source / "drop-ins/lan.conf", tree / "opt")
    shutil.copy(source / "sysusers.conf", tree / "usr/lib/sysusers.d/phenostream.conf")
    shutil.copy(Path(__file__).with_name("guest.py"), tree / "opt")
    (drop_ins / "zz-stand-in.conf").write_text(_STAND_IN)
    (tree / "opt/check").write_text(_SCRIPT)
    (tree / "opt/check").chmod(0o755)
    (units / "check.service").write_text(_RUNNER)
    (units / "graphical.target.wants").mkdir(exist_ok=True)
    (units / "graphical.target.wants/check.service").symlink_to("../check.service")
    (tree / "etc/fstab").write_text("")
    return tree


def _disk(folder: Path, tree: Path) -> Path:
    disk = folder / "disk.img"
    make = ["mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(disk), "1500M"]
    subprocess.run(make, capture_output=True, check=True)
    return disk


def _boot(folder: Path, disk: Path) -> tuple[Told, str]:
    """Boot and wait until it is off; what it told, and all it said."""
    (kernel,) = (folder / "tree").glob("boot/vmlinuz-*")
    (initrd,) = (folder / "tree").glob("boot/initrd.img-*")
    words = (
        "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=no "
        "systemd.mask=serial-getty@ttyS0.service systemd.mask=getty@tty1.service"  # without udev they wait for 90 s
    )
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
               "-m", str(_MEMORY_MIB), "-nographic", "-no-reboot", "-nic", "none",
               "-kernel", str(kernel), "-initrd", str(initrd), "-append", words,
               "-drive", f"file={disk},if=virtio,format=raw,cache=unsafe"]  # fmt: skip
    console = folder / "console"
    with console.open("wb") as output:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=BOOT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            output.write(f"\nnot off within {BOOT_S:g} s".encode())
    said = console.read_text(errors="replace")
    told = [line.strip() for line in said.splitlines() if line.startswith(_WORD)]
    facts = [json.loads(line.removeprefix(_WORD)) for line in told if line.endswith("}")]
    return {fact["name"]: fact["value"] for fact in facts}, said


if __name__ == "__main__":
    raise SystemExit(main())
