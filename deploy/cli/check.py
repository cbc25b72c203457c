"""Validate a configuration, its bundle, its journal folder and its endpoints; start nothing.

Does in the daemon's own code what the daemon does first: reads the configuration, takes the locks, verifies the
bundle's hashes and runs the golden self-test. Exit code 0: `phenostream run` would start.
3: it would, degraded, as the journal is damaged, the disk full or the clock wrong. 2: it would not, and why.

--migrate writes the configuration in today's format, comments kept, to a new file instead, and says what changed: a
daemon reads older formats by itself, in the same way. The keys are checked, nothing else is looked at. Put the new
file into the same folder: relative paths start there.

Examples:
  phenostream check --config deploy/config.example.toml
  phenostream check --config old.toml --migrate new.toml
"""

import argparse
import errno
import os
import socket
import stat
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import say, say_json, say_table
from phenostream.engine.errors import BadConfig, MissingPackage

if TYPE_CHECKING:
    from phenostream.daemon.config import Config
    from phenostream.daemon.drift_config import DriftConfig
    from phenostream.daemon.model import ServedModel
    from phenostream.daemon.monitor_config import MonitorConfig
    from phenostream.deploy.doctor.account import Account
    from phenostream.engine.manifest import Manifest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML file")
    parser.add_argument(
        "--metrics", action="store_true", help="every figure measured with the model, not the few"
    )
    parser.add_argument(
        "--migrate",
        metavar="OUT",
        help="write it in today's format, and stop; '-': to standard output",
    )
    parser.add_argument("--json", action="store_true", help="print as JSON, with every figure")


def run(args: argparse.Namespace) -> int:
    """Check everything and say what was found."""
    from phenostream.deploy.bundles import load_site_config
    from phenostream.deploy.doctor.patient import daemon_account

    if args.migrate is not None:
        return _migrate(args.config, args.migrate, args.json)
    found, manifest, code = _check(load_site_config(args.config), daemon_account(args.config))
    if args.json:
        figures = [metric.model_dump(mode="json") for metric in manifest.metrics]
        say_json({"config": str(args.config), "good": True, "found": found, "metrics": figures})
        return code
    say_table(["what", "found"], list(found.items()))
    shown = manifest.metrics if args.metrics else manifest.headline()
    if shown:
        say()
        say_table(
            ["measured", "value", "low", "high", "on"],
            [(m.name, m.value, m.low, m.high, m.data) for m in shown],
        )
    if len(shown) < len(manifest.metrics):
        say(f"({len(manifest.metrics) - len(shown)} more figures with --metrics)")
    how = "would start, degraded" if code else "would start"
    say(f"{args.config}: good; `phenostream run --config {args.config}` {how}")
    return code


def _migrate(path: Path, out: str, as_json: bool) -> int:
    """Write a configuration whose keys are good in today's format."""
    from phenostream.daemon.config import parse_config
    from phenostream.daemon.config_format import FORMAT, read_formatted

    formatted = read_formatted(path)
    parse_config(formatted.values, path.resolve().parent, str(path))
    if out == "-":
        say(formatted.text.rstrip("\n"))
        return 0
    try:
        with Path(out).open("x", encoding="utf-8") as file:
            _as_readable_as(path, file.fileno())
            file.write(formatted.text)
    except FileExistsError as err:
        raise BadConfig(f"--migrate {out}: there already, allowed a new file") from err
    steps = [step.what for step in formatted.steps]
    if as_json:
        say_json(
            {"config": str(path), "was": formatted.was, "is": FORMAT, "steps": steps} | {"out": out}
        )
        return 0
    for number, what in enumerate(steps, formatted.was):
        say(f"format {number} to {number + 1}: {what}")
    say(f"{out}: format {FORMAT}" + ("" if steps else f", as {path} was"))
    return 0


def _as_readable_as(path: Path, fd: int) -> None:
    """Give a file that takes another's place its group and mode: the daemon must be able to read it, and nobody new."""
    facts = path.stat()
    if os.geteuid() == 0:
        os.fchown(fd, facts.st_uid, facts.st_gid)
    os.fchmod(fd, stat.S_IMODE(facts.st_mode))


def _check(config: "Config", account: "Account") -> tuple[dict[str, str], "Manifest", int]:
    """What stands behind each key, what the model says, and the exit code; raises what `run` would end with.

    What the daemon writes in is looked at and locked as its own user: what root leaves there he could not open.
    """
    from phenostream.daemon.backgrounds import read_backgrounds
    from phenostream.daemon.claims import claimed, claimed_endpoint
    from phenostream.daemon.clock import clock_fault
    from phenostream.daemon.journal.inspection import inspect
    from phenostream.daemon.journal.loss import describe_losses
    from phenostream.daemon.ledger import Ledger
    from phenostream.daemon.model import served_model
    from phenostream.daemon.quarantine import Quarantine
    from phenostream.daemon.recovery import Recovery
    from phenostream.daemon.sources.runs import RunBook
    from phenostream.daemon.surroundings import check_surroundings, space_fault
    from phenostream.deploy.doctor.account import acting_as
    from phenostream.deploy.doctor.inference import readable
    from phenostream.deploy.narrator import who_words
    from phenostream.engine.backends.registry import fallbacks

    found: dict[str, str] = {}
    faults = [fault for fault in (clock_fault(), space_fault(config)) if fault is not None]
    with ExitStack() as held:
        directory = config.journal.directory
        locks = held.enter_context(ExitStack())
        with acting_as(account):
            check_surroundings(config)
            locks.enter_context(claimed(directory / "lock", f"journal.directory: {directory}"))
            kept = Quarantine(config.quarantine.directory, config.quarantine.max_bytes)
        ledger = Ledger()
        runs = RunBook(config.ingest.max_open_runs, ledger.in_flight)
        journal = inspect(directory, Recovery(ledger, runs).replay)
        found["journal.directory"] = (
            f"{directory}, {journal.records} whole records, {_free(directory)}"
            f"{f'; DEGRADED: {describe_losses(journal.losses)}' if journal.losses else ''}"
        )
        found["quarantine.directory"] = f"{config.quarantine.directory}, {len(kept)} frames in it"
        for key, url in config.listening():
            with _looking_at(url, account):
                locks.enter_context(claimed_endpoint(url, key, config.security.ipc_group))
            try_tcp(url, key, account)
            found[key] = f"{url}, free"
        locks.close()  # a daemon that starts just now waits for them, but not for a model
        for source in config.sources:
            way = f"{source.socket}, {source.link}"
            found[f"sources.{source.name}"] = f"best-effort ({way}): gaps are possible and counted"
            if source.link == "connect":
                found[f"sources.{source.name}.endpoint"] = f"{source.endpoint}, not tried"
        if config.monitor.address:
            found["monitor.address"] = who_serves_http(config.monitor, account)
        found.update(_security(config))
        for instrument, own in config.ingest.channel_map.items():
            told = ", ".join(f"{shot} is {truth}" for shot, truth in own if shot != truth)
            found[f"ingest.channel_map.{instrument}"] = told or "every shot is what it is called"
        usable = readable(config.model)
        model = held.enter_context(served_model(usable, measure=None))
        said = model.describe()
        found["model.bundle"] = (
            f"{said['name']} {said['version']} ({said['sha256'][:12]})"
            f"{', SYNTHETIC weights' if model.manifest.synthetic else ''}"
            f"{'' if said['calibrated'] else ', UNCALIBRATED'}"
        )
        if config.model.engine_cache is not None:
            found["model.engine_cache"] = _cache(config.model.engine_cache)
        found["model.trusted_keys"] = _vouched(said["signed_by"], bool(config.model.trusted_keys))
        recorded = read_backgrounds(config.field.background, model.manifest.reduction_kernel)
        found["field.source"] = ", ".join(
            [
                config.field.source,
                *(f"{one.path.name} of {one.facts.instrument}" for one in recorded),
            ]
        )
        found["summary.llm"] = who_words(config.summary)
        if config.summary.reference is not None:
            found["summary.reference"] = _reference(config.summary.reference, model.sha256)
        found["drift"] = _drift(config.drift, model)
        found["model.backend"] = (
            f"{said['backend']} {said['precision']} on {said['device']}, golden self-test passed"
        )
        found["because"] = (
            model.choice if usable == config.model else "tried without the daemon's engine cache"
        )
        others = fallbacks(said["backend"], config.model.fallback)
        found["model.fallback"] = f"{' or '.join(others) or 'none'}, opened when needed"
        found.update({f"FAULT {number}": fault for number, fault in enumerate(faults, 1)})
    return found, model.manifest, 3 if journal.losses or faults else 0


def _looking_at(url: str, account: "Account") -> AbstractContextManager[None]:
    """Who looks at an endpoint: the daemon's user where its folder is his, else us.

    A folder of another owner is one that his unit makes, or makes his with all that is in it, at the start.
    """
    from phenostream.deploy.doctor.account import acting_as

    scheme, _, name = url.partition("://")
    folder = Path(name).parent
    is_his = scheme == "ipc" and folder.is_dir() and folder.stat().st_uid == account.uid
    return acting_as(account) if is_his else nullcontext()


def _cache(directory: Path) -> str:
    """Whether the folder of compiled engines can be used; it is not made, and the daemon may be another user.

    Raises:
        BadConfig: It cannot.
    """
    from phenostream.daemon.engine_cache import check_folder

    if not directory.exists():
        return f"{directory}, not there yet"
    if directory.stat().st_uid != os.geteuid():
        return f"{directory}, not tried: it is another user's"
    check_folder(directory)
    return f"{directory}, ours alone"


def who_serves_http(monitor: "MonitorConfig", account: "Account") -> str:
    """Who serves metrics; whatever keeps the monitor from it does not keep the daemon from its start."""
    from phenostream.deploy.extras import need

    try:
        need("prometheus_client", "monitor")
        if monitor.start:
            try_tcp(f"tcp://{monitor.address}", "monitor.address", account)
    except (BadConfig, MissingPackage) as err:
        return f"MISSING, nothing speaks HTTP: {err}"
    return f"{monitor.address}, {'started' if monitor.start else 'not started'} by `run`"


def _reference(path: Path, model_sha256: str) -> str:
    """What summaries are compared with.

    Raises:
        BadInput: The file is refused.
    """
    from phenostream.daemon.reference_file import read_reference

    reference = read_reference(path)
    told = f"{reference.name!r}, {reference.statistics.facts().classified:,} classified cells"
    if reference.model_sha256 == model_sha256:
        return told
    other = f"{reference.statistics.context.model!r} ({reference.model_sha256[:12]})"
    return f"{told} of another model, {other}: nothing is compared with it"


def _drift(config: "DriftConfig", model: "ServedModel") -> str:
    """What runs are watched against.

    Raises:
        BadInput: The reference's file is refused.
    """
    from phenostream.daemon.drift_config import PREVIOUS

    told = []
    if config.training:
        known = model.population
        told.append(
            "this bundle has no training statistics, no drift against training"
            if known is None
            else f"against the training population of {known.sums.frames:,} frames"
        )
    if config.against == PREVIOUS:
        told.append("against the instrument's run before")
    elif config.against:
        told.append(f"against {_reference(Path(config.against), model.sha256)}")
    return "; ".join(told) or "not watched"


def _vouched(signed_by: str | None, checked: bool) -> str:
    """Who signed the bundle, and whether that was asked for."""
    if signed_by is None:
        return "none, and the bundle is unsigned"
    return (
        f"the bundle is signed by {signed_by}{'' if checked else ', which no key here vouches for'}"
    )


def _security(config: "Config") -> dict[str, str]:
    """Who may come in, and what speaks plain.

    Raises:
        BadConfig: Keys or allow-list cannot be read.
    """
    from phenostream.daemon.health import Health
    from phenostream.daemon.security.allow_list import ROLES
    from phenostream.daemon.security.curve_rate import shortfall
    from phenostream.daemon.security.guard import Guard

    guard = Guard(config.security, Health())
    guard.close()
    found = {"security.keys": "none: tcp only plain, on 127.0.0.1 or where security.plain consents"}
    if guard.allowed is not None:
        roles = [grant.role for grant in guard.allowed.grants]
        counts = ", ".join(f"{roles.count(role)} {role}" for role in ROLES)
        found["security.keys"] = f"{config.security.keys}, let in: {counts}"
    for section, url in config.endpoints():
        if config.is_plain(section, url):
            found[f"{section} is PLAIN"] = f"{url}: unencrypted, open to whoever reaches it"
    if (line := shortfall(config)) is not None:
        found["WARNING"] = line
    return found


def try_tcp(url: str, key: str, account: "Account") -> None:
    """Bind a tcp endpoint for a moment, as the daemon's user: root may bind what he may not.

    Raises:
        BadConfig: Its port is taken, or root's alone, or its address is not this box's.
    """
    from phenostream.deploy.doctor.account import acting_as
    from phenostream.deploy.doctor.endpoints import first_open_port

    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp" or port == "*":
        return
    with socket.socket(
        socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
    ) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            with acting_as(account):
                probe.bind(("" if host == "*" else host.strip("[]"), int(port)))
        except OSError as err:
            told = {
                errno.EADDRINUSE: "in use by another program",
                errno.EACCES: f"a port that only root may use, allowed from {first_open_port()} on",
            }
            why = told.get(err.errno or 0, err.strerror)
            raise BadConfig(f"{key}: {url}: {why}") from err


def _free(directory: Path) -> str:
    space = os.statvfs(directory)
    return free_text(space.f_bavail * space.f_frsize)


def free_text(n_bytes: int) -> str:
    """Free space for a person; below 1 GiB in MiB and with a warning."""
    if n_bytes >= 2**30:
        return f"{n_bytes / 2**30:.1f} GiB free"
    return f"{n_bytes / 2**20:.0f} MiB free, WARNING: less than 1 GiB"
