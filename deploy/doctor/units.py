"""The units of systemd: installed, running, started with the box, as this version ships them or overridden."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.unit_file import UnitFile, UnitName
from phenostream.deploy.install.carried import our_own
from phenostream.deploy.install.places import companion

_DROP_INS: Final = ("cpu", "gpu", "local", "lan")
_COMPANIONS: Final = ("summariser", "monitor")
_ASKED: Final = (
    "ActiveState", "SubState", "Result", "UnitFileState", "NRestarts", "NeedDaemonReload", "ExecMainStatus",
)  # fmt: skip
_ASKING_S: Final = 10.0
_INSTALL: Final = "sudo phenostream install"

Ask = Callable[[str], Mapping[str, str] | None]
"""What systemd knows of a unit, by property; None: it cannot be asked."""


def look(patient: Patient) -> Iterator[Finding]:
    """The daemon's unit, then those of its companions."""
    yield from looked(patient, ask_systemd)


def looked(patient: Patient, ask: Ask) -> Iterator[Finding]:
    """See `look`."""
    name = patient.unit
    if name is None:
        yield not_run(
            "unit", "the configuration lies where no unit's does: /etc/phenostream/config.toml"
        )
        return
    if patient.unit_file is None:
        yield fail(name.full, "not installed, although its configuration is there", _INSTALL)
        return
    runs = (patient.root / "run/systemd/system").is_dir()
    yield from _unit(patient.unit_file, ask if runs else None)
    for one in _COMPANIONS:
        companion = companion_of(name, one)
        found = UnitFile.find(companion, patient.root)
        if found is None:
            yield ok(companion.full, "not installed")
        else:
            yield from _unit(found, ask if runs else None, optional=True)


def companion_of(unit: UnitName, name: str) -> UnitName:
    """The unit of the summariser or monitor beside a daemon's."""
    return UnitName(f"{companion(name, unit.instance)}.service")


def ask_systemd(unit: str) -> Mapping[str, str] | None:
    """The properties of a unit."""
    words = ["systemctl", "show", "--property", ",".join(_ASKED), "--", unit]
    try:
        done = subprocess.run(  # noqa: S603 - a program of the system, no shell
            words, capture_output=True, text=True, timeout=_ASKING_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs}


def _unit(unit: UnitFile, ask: Ask | None, *, optional: bool = False) -> Iterator[Finding]:
    name = unit.name.full
    if ask is None:
        yield not_run(name, f"installed at {unit.fragment}, but this box does not run systemd")
    elif (known := ask(name)) is None:
        yield not_run(name, f"installed at {unit.fragment}, but systemd does not answer")
    else:
        yield _state(name, known, optional=optional)
        yield from _loose_ends(name, known)
    yield from _text(unit)
    yield from _overrides(unit)


def _state(name: str, known: Mapping[str, str], *, optional: bool) -> Finding:
    active, sub = known.get("ActiveState", "?"), known.get("SubState", "?")
    told = f"{active} ({sub}), {known.get('UnitFileState') or 'not enabled'}"
    if active == "failed":
        told += f", {known.get('Result')}, exit status {known.get('ExecMainStatus')}"
        todo = f"journalctl -u {name} -n 20; then systemctl reset-failed {name}: docs/operate.md"
        return fail(name, told, todo)
    if sub == "auto-restart":
        return warn(name, f"down, about to be started again: {told}", f"journalctl -u {name}: why")
    if active not in ("active", "reloading", "activating"):
        if optional and known.get("UnitFileState") == "disabled":
            return ok(name, f"{told}: not wanted here")
        return warn(name, told, f"sudo systemctl start {name}")
    if known.get("UnitFileState") == "disabled":
        return warn(name, told, f"it does not come back with the box: systemctl enable {name}")
    return ok(name, told)


def _loose_ends(name: str, known: Mapping[str, str]) -> Iterator[Finding]:
    if known.get("NeedDaemonReload") == "yes":
        yield warn(
            name, "its files were changed since systemd read them", "sudo systemctl daemon-reload"
        )
    restarts = known.get("NRestarts", "0")
    if restarts.isdigit() and int(restarts):
        told = f"restarted {restarts} times after a failure"
        yield warn(name, told, f"journalctl -u {name}: why", restarts=float(restarts))


def _text(unit: UnitFile) -> Iterator[Finding]:
    """Whether the fragment is what this version installs."""
    shipped = shipped_texts()
    ours = shipped.get(f"{unit.name.prefix}.service")
    if ours is None or unit.fragment.read_text(errors="replace") == ours:
        return
    if shipped.get(unit.fragment.name) == unit.fragment.read_text(errors="replace"):
        return
    yield warn(
        unit.name.full,
        f"{unit.fragment} is not the text of this version",
        f"{_INSTALL} renews it; a site's own changes belong in systemctl edit",
    )


def _overrides(unit: UnitFile) -> Iterator[Finding]:
    """What the site laid over it; what `install` laid there is part of it."""
    ours = set(shipped_texts().values())
    fixed = {one.key for one in UnitFile.read(unit.name, unit.fragment).settings}
    for path in unit.drop_ins:
        if path.read_text(errors="replace") in ours:
            continue
        settings = UnitFile.read(unit.name, path).settings
        changed = sorted({one.key for one in settings if one.key in fixed})
        if changed:
            told = f"{path} changes {', '.join(changed)}"
            yield warn(
                unit.name.full, told, f"see that this is meant: systemctl cat {unit.name.full}"
            )
        else:
            yield ok(
                unit.name.full, f"{path} adds {', '.join(sorted({one.key for one in settings}))}"
            )


def shipped_texts() -> Mapping[str, str]:
    """Name and text of every unit and drop-in of this version.

    Raises:
        BadConfig: They are not in this installation.
    """
    carried = our_own()
    return carried.units() | {name: carried.drop_in(name) for name in _DROP_INS}
