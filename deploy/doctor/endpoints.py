"""Where the daemon listens: free, or served by the daemon of this very configuration, and nobody else."""

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.claims import holder as holder_of
from phenostream.daemon.config import Config
from phenostream.daemon.endpoint import is_local
from phenostream.daemon.security.ipc_folder import check_folder
from phenostream.daemon.surroundings import nearest
from phenostream.deploy.doctor.account import acting_as, may_write_in
from phenostream.deploy.doctor.finding import Finding, fail, ok, refused, warn
from phenostream.deploy.doctor.holders import (
    command_of,
    is_bound,
    listeners,
    tcp_is_bound,
)
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.tree import number
from phenostream.engine.errors import BadConfig

_ANOTHER: Final = "give this daemon another endpoint, or end the other program"


def look(patient: Patient) -> Iterator[Finding]:
    """The daemon that runs on this configuration, if any, and each of its endpoints."""
    config = patient.config
    if config is None:
        return
    daemon = holder_of(config.journal.directory / "lock")
    yield ok("daemon", "none runs on this journal" if daemon is None else f"{command_of(daemon)}")
    for key, url in config.listening():
        scheme, _, name = url.partition("://")
        if scheme == "ipc":
            yield from _ipc(key, Path(name), daemon, patient)
        else:
            yield _tcp(key, name, daemon, patient)
    yield from _plain(config)
    yield from _monitor(config, patient.root)


def _ipc(key: str, path: Path, daemon: int | None, patient: Patient) -> Iterator[Finding]:
    holder = holder_of(path.with_name(path.name + ".lock"))
    if holder is not None and holder == daemon:
        yield ok(key, f"ipc://{path}, served by it")
    elif holder is not None:
        yield fail(key, f"ipc://{path}: in use by {command_of(holder)}", _ANOTHER)
    elif path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        yield fail(key, f"ipc://{path}: a file that is no socket is in the way", f"remove {path}")
    elif is_bound(path):
        yield fail(key, f"ipc://{path}: in use by a program that is no daemon of ours", _ANOTHER)
    else:
        yield ok(key, f"ipc://{path}, free")
    yield from _folder(key, path.parent, patient)


def _folder(key: str, folder: Path, patient: Patient) -> Iterator[Finding]:
    """Who may reach the socket's folder; said only where something is wrong."""
    group = patient.config.security.ipc_group if patient.config else None
    if not folder.exists():
        if not _made_by_unit(folder, patient):
            with acting_as(patient.account):
                if not may_write_in(nearest(folder)):
                    told = f"{folder}: user {patient.account.name} may not make it"
                    yield fail(key, told, "RuntimeDirectory= in its unit, or install -d -o USER")
        return
    try:
        with acting_as(patient.account):
            check_folder(folder, group, key)
    except BadConfig as err:
        yield refused(key, err, f"see to owner, group and mode of {folder}: docs/security.md")


def _made_by_unit(folder: Path, patient: Patient) -> bool:
    if patient.unit_file is None:
        return False
    names = [n for value in patient.unit_file.values("RuntimeDirectory") for n in value.split()]
    return any(folder.is_relative_to(patient.root / "run" / name) for name in names)


def _tcp(key: str, address: str, daemon: int | None, patient: Patient) -> Finding:
    host, _, port = address.rpartition(":")
    if port == "*":
        return ok(key, f"tcp://{address}, any free port")
    who = listeners(address, patient.root)
    if daemon is not None and daemon in who:
        return ok(key, f"tcp://{address}, served by it")
    if who:
        told = f"tcp://{address}: in use by {command_of(min(who))}"
        return fail(key, told, _ANOTHER)
    if tcp_is_bound(address, patient.root):
        told = f"tcp://{address}: in use by a process that we may not look into"
        return fail(key, told, f"run the doctor as root to see which; {_ANOTHER}")
    if (why := _unfit(host)) is not None:
        return fail(key, f"tcp://{address}: {why}", "an address of this box, or * for all of them")
    first = first_open_port(patient.root)
    if patient.account.uid != 0 and int(port) < first:
        return fail(key, f"tcp://{address}: a port that only root may use", f"one from {first} on")
    return ok(key, f"tcp://{address}, free")


def first_open_port(root: Path = Path("/")) -> int:
    """The lowest port at which others than root may listen."""
    first = number(root / "proc/sys/net/ipv4/ip_unprivileged_port_start")
    return 1024 if first is None else first


def _unfit(host: str) -> str | None:
    """Why nobody can listen at an address here; its port is not touched."""
    plain = host.strip("[]")
    family = socket.AF_INET6 if ":" in plain else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("" if plain == "*" else plain, 0))
        except OSError as err:
            return (err.strerror or str(err)).lower()
    return None


def _plain(config: Config) -> Iterator[Finding]:
    for section, url in config.endpoints():
        if not config.is_plain(section, url):
            continue
        if is_local(url):
            yield ok(section, f"{url}: plain, open to every user of this box")
        else:
            todo = "keys (phenostream keys server DIR, [security] keys), or a network of its own: docs/security.md"
            yield warn(section, f"{url}: PLAIN, open to whoever reaches it", todo)


def _monitor(config: Config, root: Path) -> Iterator[Finding]:
    """Where HTTP is spoken; the monitor holds no lock, so whether it is ours is told by its command line."""
    key, monitor = "monitor.address", config.monitor
    if not monitor.address:
        yield ok(key, "none: nothing speaks HTTP")
        return
    who = [command_of(pid) for pid in sorted(listeners(monitor.address, root))]
    if monitor.port and any("monitor" in one for one in who):
        yield ok(key, f"{monitor.address}, served by {who[0]}")
    elif monitor.port and (who or tcp_is_bound(monitor.address, root)):
        told = f"{monitor.address}: in use by {who[0] if who else 'a process that we may not look into'}"
        yield warn(key, told, "see that it is the monitor, or give monitor.address another port")
    elif not monitor.is_local:
        yield warn(
            key, f"{monitor.address}: whoever reaches it reads it", "127.0.0.1, or a firewall"
        )
    else:
        yield ok(key, f"{monitor.address}, free")
