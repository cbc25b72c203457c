"""The units are what systemd understands, expose no more than they may, and promise what the daemon keeps."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from phenostream.daemon.channel import BEAT_S
from phenostream.daemon.engines import LEAST_LIMIT_S
from phenostream.daemon.lifecycle import DEGRADED, DRAIN_TIMEOUT_S
from phenostream.deploy.cli.main import BAD_USAGE
from phenostream.deploy.units import unit_folder

UNITS = unit_folder()
PROGRAM = "/opt/phenostream/current/bin/phenostream"
NOT_HERE = re.compile(rf"{PROGRAM}|/usr/bin/nvidia-modprobe")
"""Programs that the box of a test lacks."""
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="no systemd-analyze here: THE SANDBOX IS NOT JUDGED (apt-get install systemd)",
)
COMPANIONS = ("phenostream-summariser", "phenostream-monitor")
GPU_ON_A_LAN, CPU_ON_THIS_BOX = 1.3, 0.9
"""Exposure that is allowed at most; 0 is best, 10 worst."""


@pytest.fixture
def installed(tmp_path: Path) -> Callable[..., Path]:
    """Makes a folder of all units as a box has them, the daemon's with the drop-ins that are named."""

    def install(*drop_ins: str, unit: str = "phenostream.service") -> Path:
        folder = tmp_path / "etc/systemd/system"
        shutil.copytree(UNITS, folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        shutil.copy(UNITS / "phenostream.service", folder / "phenostream@.service")
        (folder / f"{unit}.d").mkdir()
        for name in drop_ins:
            shutil.copy(UNITS / "drop-ins" / name, folder / f"{unit}.d" / name)
        return folder

    return install


def exposure(folder: Path, unit: str) -> float:
    """The score that systemd gives the sandbox of a unit's file."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(folder / unit)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


@needs_systemd
@pytest.mark.parametrize(
    ("drop_ins", "most"),
    [
        (("cpu.conf", "local.conf"), CPU_ON_THIS_BOX),
        (("cpu.conf",), CPU_ON_THIS_BOX),
        (("cpu.conf", "lan.conf"), GPU_ON_A_LAN),
        (("gpu.conf", "local.conf"), GPU_ON_A_LAN),
        (("gpu.conf",), GPU_ON_A_LAN),
        (("gpu.conf", "lan.conf"), GPU_ON_A_LAN),
        ((), GPU_ON_A_LAN),
    ],
)
def test_the_daemon_exposes_no_more_than_it_may(
    installed: Callable[..., Path], drop_ins: tuple[str, ...], most: float
) -> None:
    assert exposure(installed(*drop_ins), "phenostream.service") <= most


@needs_systemd
@pytest.mark.parametrize(
    "unit",
    [
        *(f"{name}{kind}.service" for name in COMPANIONS for kind in ("", "@")),
        "phenostream-failed@.service",
    ],
)
def test_what_runs_beside_the_daemon_exposes_no_more_than_it(
    installed: Callable[..., Path], unit: str
) -> None:
    assert exposure(installed(), unit) <= GPU_ON_A_LAN


@needs_systemd
def test_a_sandbox_with_a_hole_is_seen(installed: Callable[..., Path]) -> None:
    folder = installed("cpu.conf", "local.conf")
    unit = folder / "phenostream.service"
    unit.write_text(unit.read_text().replace("CapabilityBoundingSet=\n", ""))
    assert exposure(folder, unit.name) > CPU_ON_THIS_BOX


@needs_systemd
@pytest.mark.parametrize("backend", ["cpu.conf", "gpu.conf"])
@pytest.mark.parametrize("network", ["local.conf", "lan.conf"])
def test_systemd_understands_every_line(
    installed: Callable[..., Path], backend: str, network: str
) -> None:
    folder = installed(backend, network)
    (folder / "phenostream@.service.d").mkdir()
    for name in (backend, network):
        shutil.copy(UNITS / "drop-ins" / name, folder / "phenostream@.service.d")
    for unit in folder.glob("*.service"):
        unit.write_text(NOT_HERE.sub("/bin/true", unit.read_text()))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, sorted(folder.glob("*.service")))],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout, ours(done.stderr)) == (0, "", [])


def ours(said: str) -> list[str]:
    """Lines about our units."""
    return [line for line in said.splitlines() if "phenostream" in line]


@pytest.mark.parametrize("name", COMPANIONS)
def test_an_instances_companion_differs_in_nothing_but_the_name(name: str) -> None:
    plain = (UNITS / f"{name}.service").read_text()
    for before, after in (
        ("phenostream.service", "phenostream@%i.service"),
        ("/etc/phenostream/", "/etc/phenostream@%i/"),
        ("%S/phenostream ", "%S/phenostream@%i "),
        ("%C/phenostream ", "%C/phenostream@%i "),
    ):
        plain = plain.replace(before, after)
    assert (UNITS / f"{name}@.service").read_text() == plain


def test_nothing_of_the_daemons_unit_names_an_instance() -> None:
    """It is installed under two names; a path that is not a specifier's would be shared by all instances."""
    lines = [
        line for line in (UNITS / "phenostream.service").read_text().splitlines() if "=" in line
    ]
    named = [line for line in lines if "phenostream" in line and not line.startswith("#")]
    assert {line.replace(PROGRAM, "PROGRAM") for line in named} == {
        "Description=phenostream: inference beside the microscope (%N)",
        "OnFailure=phenostream-failed@%n.service",
        "ExecStart=PROGRAM run --config /etc/%N/config.toml",
        "ExecReload=PROGRAM reload --config /etc/%N/config.toml --pid $MAINPID",
        "User=phenostream",
        "Group=phenostream",
    }


def settings(unit: str) -> dict[str, str]:
    """Key and value of a unit's lines; of a key that is there several times the last."""
    lines = (UNITS / unit).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_the_times_of_the_unit_leave_the_daemon_its_own() -> None:
    unit = settings("phenostream.service")
    assert float(unit["TimeoutStopSec"]) > DRAIN_TIMEOUT_S + 10
    # Another engine takes over before the watchdog acts, and beats come often enough for it.
    assert float(unit["WatchdogSec"]) > LEAST_LIMIT_S + 4 * BEAT_S
    assert unit["RestartPreventExitStatus"] == str(BAD_USAGE)
    assert unit["SuccessExitStatus"] == str(DEGRADED)


@pytest.mark.skipif(
    shutil.which("systemd-sysusers") is None,
    reason="no systemd-sysusers here: THE USERS ARE NOT MADE (apt-get install systemd)",
)
def test_every_user_is_made_in_the_group_of_his_unit(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    command = ["systemd-sysusers", f"--root={tmp_path}", str(UNITS / "sysusers.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert "gnoring" not in done.stderr, done.stderr
    made = {line.split(":")[0] for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    assert made == {"phenostream", *COMPANIONS}


def test_every_limit_and_every_user_is_there() -> None:
    users = set(re.findall(r"^u (\S+)", (UNITS / "sysusers.conf").read_text(), re.MULTILINE))
    for unit in ("phenostream.service", *(f"{name}.service" for name in COMPANIONS)):
        told = settings(unit)
        assert told["User"] in users
        assert told["Group"] == "phenostream"
        assert told["LimitCORE"] == "0"
        assert {"MemoryMax", "TasksMax", "LimitNOFILE"} <= told.keys()
