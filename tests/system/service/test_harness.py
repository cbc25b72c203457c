"""The harness of `make service-test`: it leaves nothing behind, and a fault that is planted in a unit is seen.

A check that cannot be seen to fail has shown nothing.
"""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.daemon_process import ROOT
from tests.system.service.container import LOCK, Container, lacking
from tests.system.service.keeper import GROUPS

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]
MISSING = lacking()
needs_container = pytest.mark.skipif(MISSING is not None, reason=f"no container here: {MISSING}")
BOOTED = """
from tests.system.service.container import Container
with Container() as machine:
    print(machine.run("true").returncode, flush=True)
    input()
"""


def left_behind() -> list[str]:
    """Control groups, folders and mounts of containers, when whoever cleans up has done so and nobody else runs one."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tops = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*")]
        groups = [str(top / name) for top in tops for name in GROUPS if (top / name).is_dir()]
        folders = [str(path) for path in LOCK.parent.glob("service-box-*")]
        mounts = Path("/proc/mounts").read_text().splitlines()
        return groups + folders + [line for line in mounts if "/service-box-" in line]


def checks(*words: str) -> dict[str, dict[str, Any]]:
    """The table of a round, by check."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.service", "--json", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    assert done.returncode == (0 if all(line["ok"] for line in lines) else 1)
    return {line["check"]: line for line in lines}


@needs_container
def test_systemd_is_pid_1_and_what_is_written_is_thrown_away() -> None:
    with Container() as machine:
        assert machine.read("/proc/1/comm").strip() == "systemd"
        machine.write("/etc/written", "inside")
        assert machine.read("/etc/written") == "inside"
        assert machine.run("sh", "-c", "exit 7").returncode == 7
    assert not Path("/etc/written").exists()
    assert left_behind() == []


@needs_container
def test_killed_the_harness_leaves_nothing_behind() -> None:
    rig = subprocess.Popen(
        [sys.executable, "-c", BOOTED],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert rig.stdout is not None
    assert rig.stdout.readline() == "0\n"
    rig.kill()
    rig.communicate()
    assert left_behind() == []


@needs_container
@pytest.mark.parametrize(
    ("setting", "check", "said"),
    [
        ("WatchdogSec", "stopped", "no WatchdogSec"),
        ("ProtectSystem", "sandbox", "write /usr/hole: through"),
        ("OnFailure", "crashes", "no OnFailure="),
        ("RestartPreventExitStatus", "refuses", "restart"),
    ],
)
def test_a_setting_that_is_taken_out_of_the_unit_makes_its_check_fail(
    setting: str, check: str, said: str
) -> None:
    line = checks("--without", setting, "--only", check)[check]
    assert not line["ok"]
    assert said in line["figure"]
