"""Promise 2: what was acknowledged outlives a power cut, with a real kernel, page cache and file system.

A virtual machine (qemu without KVM) runs the product's journal on ext4 and tells over its serial line what it has
acknowledged; then qemu is killed: the guest's page cache is gone, what it had flushed to its disk stays. The journal is
taken out of the disk image after fsck. The negative control, the same without fdatasync, must lose. Only in `make
nightly`; needs root, qemu-system-x86, mmdebstrap and e2fsprogs, which it installs with apt where it may.
"""

import os
import re
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path
from typing import Final

from phenostream.daemon.journal.inspection import inspect
from tests.system.chaos.promise import Outcome, Setting
from tests.system.daemon_process import ROOT

TOOLS: Final = ("qemu-system-x86_64", "mmdebstrap", "mke2fs", "e2fsck", "debugfs")
PACKAGES: Final = ("qemu-system-x86", "mmdebstrap", "e2fsprogs")
INCLUDE: Final = "--include=python3,linux-image-cloud-amd64,initramfs-tools"
LIBRARIES: Final = ("msgpack", "numpy", "numpy.libs", "pydantic", "pydantic_core", "annotated_types",
                    "typing_extensions.py", "typing_inspection")  # fmt: skip
INIT: Final = """#!/bin/sh
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null
export PYTHONPATH=/opt/code:/opt/libraries
exec python3 /opt/guest_journal.py MODE >/dev/ttyS0 2>&1
"""
BOOT_S: Final = 240.0
SHORTEST_S, LONGEST_S = 0.5, 3.0
"""Life after the first acknowledgement: ext4 would flush by itself after five seconds."""


def run(setting: Setting) -> Outcome:
    """Cut the power with and without syncs."""
    outcome = Outcome()
    if setting.size != "nightly":
        outcome.not_run = "too slow here (a virtual machine without KVM): make nightly ONLY=2"
        return outcome
    outcome.not_run = _lacking()
    if outcome.not_run is not None:
        return outcome
    tree = _tree(setting.folder)
    for number in range(5):
        _cut(setting, tree, "sync", number, outcome)
    _cut(setting, tree, "nosync", 0, outcome)
    return outcome


def _lacking() -> str | None:
    """Why it cannot run, after trying to install what is missing; None if it can."""
    if os.geteuid() != 0:
        return "needs root, to make a root file system"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and shutil.which("apt-get"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", *PACKAGES]):
            subprocess.run(["apt-get", *words], env=quiet, capture_output=True, check=False)
        missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"no {', '.join(missing)} (packages {', '.join(PACKAGES)})" if missing else None


def _tree(folder: Path) -> Path:
    """A small Debian with a kernel, the journal's code and what it imports."""
    tree = folder / "tree"
    make = ["mmdebstrap", "--quiet", "--variant=minbase", INCLUDE, "bookworm", str(tree)]
    subprocess.run(make, capture_output=True, check=True)
    for name in ("daemon", "engine"):
        shutil.copytree(ROOT / name, tree / "opt" / "code" / "phenostream" / name)
    libraries = Path(sysconfig.get_path("purelib"))
    (tree / "opt" / "libraries").mkdir()
    for name in LIBRARIES:
        source, target = libraries / name, tree / "opt" / "libraries" / name
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copy(source, target)
    shutil.copy(Path(__file__).with_name("guest_journal.py"), tree / "opt")
    return tree


def _cut(setting: Setting, tree: Path, mode: str, number: int, outcome: Outcome) -> None:
    """One life of a guest, and what its disk holds afterwards."""
    init, disk = tree / "opt" / "init", setting.folder / "disk.img"
    init.write_text(INIT.replace("MODE", mode))
    init.chmod(0o755)
    disk.unlink(missing_ok=True)
    subprocess.run(
        ["mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(disk), "1500M"],
        capture_output=True,
        check=True,
    )
    chance = setting.chance()
    lives_s = [chance.uniform(SHORTEST_S, LONGEST_S) for _ in range(number + 1)][-1]
    console = setting.folder / f"console-{mode}-{number}"
    acked = _boot_and_kill(tree, disk, console, lives_s)
    subprocess.run(["e2fsck", "-fy", str(disk)], capture_output=True, check=False)
    out = setting.folder / f"out-{mode}-{number}"
    out.mkdir()
    dump = f"rdump /var/journal {out}"
    subprocess.run(["debugfs", "-R", dump, str(disk)], capture_output=True, check=False)
    newest = inspect(out / "journal").newest if (out / "journal").is_dir() else None
    lost = max(0, acked - (0 if newest is None else newest + 1))
    outcome.done["power_cuts"] += mode == "sync"
    outcome.done["controls"] += mode == "nosync"
    if mode == "sync":
        outcome.done["acknowledged"] += acked
        outcome.found["acknowledged_lost"] = outcome.found.get("acknowledged_lost", 0) + lost
        outcome.expect(acked > 0, f"cut {number}: nothing was acknowledged: {_tail(console)}")
        outcome.expect(not lost, f"cut {number}: {lost} of {acked} acknowledged are lost")
    else:
        outcome.found["lost_without_sync"] = lost
        outcome.expect(
            lost > 0, f"the control without sync lost none of {acked}: this cut shows nothing"
        )


def _boot_and_kill(tree: Path, disk: Path, console: Path, lives_s: float) -> int:
    """Boot, let it live so long after its first word, kill it; records it acknowledged."""
    (kernel,) = tree.glob("boot/vmlinuz-*")
    (initrd,) = tree.glob("boot/initrd.img-*")
    words = "root=/dev/vda rw console=ttyS0 quiet init=/opt/init"
    command = ["qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
               "-nographic", "-no-reboot", "-nic", "none", "-kernel", str(kernel), "-initrd", str(initrd),
               "-append", words, "-drive", f"file={disk},if=virtio,format=raw,cache=writeback"]  # fmt: skip
    with console.open("wb") as output:
        machine = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline_s = time.monotonic() + BOOT_S
        while not _acked(console) and machine.poll() is None and time.monotonic() < deadline_s:
            time.sleep(0.1)  # a console tells nobody that it has grown
        time.sleep(lives_s)  # the instant is what is tested
    finally:
        machine.kill()
        machine.wait()
    return _acked(console)


def _acked(console: Path) -> int:
    said = re.findall(rb"ACK (\d+) \.", console.read_bytes())
    return int(said[-1]) if said else 0


def _tail(console: Path) -> str:
    return console.read_bytes()[-300:].decode(errors="replace")
