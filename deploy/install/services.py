"""Which services belong to the instances that are installed, in the order in which they are started."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phenostream.daemon.endpoint import is_local
from phenostream.deploy.install.places import companion, unit_name
from phenostream.deploy.install.record import Network

Values = dict[str, Any]
"""Section → key → value, as a file says it."""
BESIDE: Final = ("monitor", "summariser")
"""Whatever may stand beside a daemon."""
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Service:
    """A unit that starts with the box.

    Attributes:
        unit: Without ``.service``.
        is_daemon: It takes frames; else it is beside such a one, and may fail without taking it along.
    """

    unit: str
    is_daemon: bool


def services_of(configs: Mapping[str, Values], extras: tuple[str, ...]) -> list[Service]:
    """All of them: every daemon, then what stands beside them, where the release has what it takes.

    Args:
        configs: What the configuration of each instance says.
        extras: Of the release.
    """
    daemons = [Service(unit_name(name), True) for name in configs]
    beside = []
    for name, values in configs.items():
        if "monitor" in extras and table(values, "monitor").get("address"):
            beside.append(Service(companion("monitor", name), False))
        if table(values, "summary").get("llm"):
            beside.append(Service(companion("summariser", name), False))
    return daemons + beside


def config_values(path: Path) -> Values:
    """What a configuration says, as it stands; empty, if it cannot be read: its own daemon says why."""
    try:
        with path.open("rb") as file:
            return tomllib.loads(file.read(_MOST_BYTES).decode())
    except (OSError, ValueError, RecursionError):
        return {}


def network_of(values: Values) -> Network:
    """From where a daemon with this configuration is reached, or reaches out."""
    tables = [table(values, name) for name in ("ingest", "results", "control")]
    sources = values.get("sources", ())
    tables += [one for one in sources if isinstance(one, dict)]
    urls = [str(one["endpoint"]) for one in tables if "endpoint" in one]
    if all(url.startswith("ipc://") for url in urls):
        return "local"
    return "box" if all(is_local(url) for url in urls) else "lan"


def table(values: Values, name: str) -> Values:
    """A section of what a configuration says; empty, where it is none: its own daemon says so."""
    found = values.get(name)
    return found if isinstance(found, dict) else {}
