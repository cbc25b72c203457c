"""A box of a facility: systemd, phenostream installed, a user of the microscope; made anew for every round."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.system.daemon_process import ROOT
from tests.system.service.container import Container
from tests.system.service.microscope import TESTS, Microscope
from tests.system.service.probe import HOLES
from tests.system.service.software import PLACE, release
from tests.system.service.unit import Unit

SHORT_WATCHDOG_S: Final = 3
"""In place of the unit's own: a check waits for it twice."""
UNITS: Final = "/etc/systemd/system"
COMMAND: Final = "/opt/phenostream/current/bin/phenostream"
IPC: Final = "ipc:///run/{name}/{section}"
PORTS: Final = {"ingest": 5555, "results": 5556, "control": 5557}
INSTANCES: Final = ("scope1", "lan")
MONITOR: Final = "127.0.0.1:9750"
CONFIG: Final = """
[ingest]
endpoint = "{ingest}"
[results]
endpoint = "{results}"
[control]
endpoint = "{control}"
[journal]
directory = "/var/lib/{name}/journal"
[quarantine]
directory = "/var/lib/{name}/quarantine"
[model]
bundle = "demo"
engine_cache = "/var/cache/{name}/engines"
measure = false
{model}
[security]
{security}
[summary]
start = false
[monitor]
start = false
address = "{monitor}"
"""


@dataclass(frozen=True)
class Box:
    """What a check works with.

    Attributes:
        machine: Where it runs.
        daemon: The unit.
        watchdog_s: WatchdogSec of the unit as it was installed; 0: it has none.
    """

    machine: Container
    daemon: Unit
    watchdog_s: float

    def phenostream(self, *words: str, user: str | None = None) -> str:
        """Run the installed command, which has to work; what it printed."""
        return self.machine.must(COMMAND, *words, user=user)

    def microscope(self, name: str = "phenostream", *, pause_s: float = 0.005) -> Microscope:
        """A run of the user of the microscope to the daemon of an instance."""
        return Microscope(self.machine, IPC.format(name=name, section="ingest"), pause_s=pause_s)

    def configure(self, name: str = "phenostream", *, model: str = "", keys: bool = False) -> None:
        """Write an instance's configuration.

        Args:
            name: Of the unit.
            model: Further lines of its section [model].
            keys: It listens on `PORTS` of the loopback, with its keys, instead of on ipc.
        """
        endpoints = {
            section: f"tcp://127.0.0.1:{port}" if keys else IPC.format(name=name, section=section)
            for section, port in PORTS.items()
        }
        security = f'keys = "/etc/{name}/keys"' if keys else 'ipc_group = "phenostream"'
        text = CONFIG.format(
            name=name, model=model, security=security, monitor=MONITOR, **endpoints
        )
        self.machine.write(f"/etc/{name}/config.toml", text)


@contextmanager
def installed_box(without: str | None = None) -> Iterator[Box]:
    """Boot and install; `without` is a setting that is taken out of the installed unit, to see who notices."""
    for path in ("/etc/phenostream", "/opt/phenostream"):
        assert not Path(path).exists(), f"{path}: phenostream is installed on this machine itself"
    shown = {release(): PLACE, ROOT / "tests": f"{TESTS}/tests"}
    with Container(shown) as machine:
        _install(machine)
        if without is not None:
            machine.must("sed", "-i", f"/^{without}=/d", f"{UNITS}/phenostream.service")
        machine.must("systemctl", "daemon-reload")
        daemon = Unit(machine, "phenostream.service")
        watchdog_s = _watchdog_s(machine.must("systemctl", "cat", daemon.name))
        short = f"s/^WatchdogSec=.*/WatchdogSec={SHORT_WATCHDOG_S}/"
        machine.must("sed", "-i", short, f"{UNITS}/phenostream.service")
        machine.must("systemctl", "daemon-reload")
        yield Box(machine, daemon, watchdog_s)


def _install(machine: Container) -> None:
    """As `sudo phenostream install` does it, but for the release, which is there already."""
    machine.must("ln", "-s", PLACE, "/opt/phenostream/current")
    units = (COMMAND, "install", "--units-only", "--no-start", "--backend", "cpu")
    machine.must(*units)
    for name in INSTANCES:
        machine.must(*units, "--instance", name)
    # It was installed for ipc, and is to listen on the loopback.
    machine.must("rm", f"{UNITS}/phenostream@lan.service.d/50-network.conf")
    script = f"""
    set -e
    useradd --create-home --groups phenostream microscope
    useradd --create-home stranger
    mkdir -p {" ".join(HOLES)}
    chmod 0777 {" ".join(HOLES)}
    chmod 0755 /root
    """
    machine.must("sh", "-c", script)
    Box(machine, Unit(machine, "phenostream.service"), 0.0).configure()


def _watchdog_s(unit: str) -> float:
    """WatchdogSec of a unit's text, which has it in plain seconds; 0: it has none."""
    told = re.findall(r"^WatchdogSec=(\d+)s?$", unit, re.M)
    return float(told[-1]) if told else 0.0
