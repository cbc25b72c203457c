"""One inference outside the unit and one inside its sandbox: what the unit forbids is seen before a frame is.

Inside means: a transient unit of `systemd-run` that is given every setting of the unit's files which says what it may
do, and none that says how it is started, watched and restarted.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from phenostream.deploy.doctor.account import NotThatUser
from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok, warn
from phenostream.deploy.doctor.inference import INSIDE, Inferred, answer_of, asked_outside
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.unit_file import UnitFile
from phenostream.engine.errors import BadConfig, EngineFault

_LEFT_OUT: Final = (
    "Type", "NotifyAccess", "WatchdogSec", "WatchdogSignal", "PIDFile", "RemainAfterExit", "GuessMainPID",
    "SuccessExitStatus", "StandardInput", "StandardOutput", "StandardError", "FileDescriptorStoreMax",
)  # fmt: skip
_LEFT_OUT_PREFIXES: Final = ("Exec", "Restart", "Timeout", "RuntimeDirectoryPreserve")
_ALWAYS: Final = ("RuntimeDirectoryPreserve=yes",)
"""Without it systemd would remove the folder with the sockets of the daemon that runs, as soon as we are done."""
_UNKNOWN: Final = "Unknown assignment"


def look(patient: Patient) -> Iterator[Finding]:
    """Both, and whether they are the same."""
    if (path := patient.path) is None or patient.config is None:
        return
    todo = "`phenostream doctor --engines --config FILE` tries every backend and says more"
    outside, found = _tried("outside", lambda: asked_outside(path, patient.account), todo)
    yield found
    what, unit = "inside the unit", patient.unit_file
    if (why := why_not_inside(patient)) is not None or unit is None:
        yield not_run(what, why or "it has no unit")
        return
    todo = f"the unit forbids it something: systemctl cat {unit.name.full}"
    inside, found = _tried(what, lambda: answer_of(command(unit, path)), todo)
    yield found
    if outside is not None and inside is not None and inside.backend != outside.backend:
        told = f"{inside.backend} serves there, {outside.backend} outside"
        needs = "OpenVINO needs MemoryDenyWriteExecute=no, a GPU its device nodes"
        yield warn(what, told, f"{todo}; {needs}")


def _tried(what: str, infer: Callable[[], Inferred], todo: str) -> tuple[Inferred | None, Finding]:
    try:
        inferred = infer()
    except NotThatUser as err:
        return None, not_run(what, str(err))
    except EngineFault as err:
        if _UNKNOWN in str(err):
            return None, not_run(what, f"this systemd-run cannot be given all of it: {err}")
        return None, fail(what, str(err), todo)
    return inferred, ok(what, str(inferred), load_s=inferred.load_s)


def why_not_inside(patient: Patient) -> str | None:
    """Why nothing can be run in the unit's sandbox; None where it can."""
    if patient.unit is None:
        return f"{patient.path} is no unit's configuration; those lie at /etc/phenostream[@NAME]/config.toml"
    if patient.unit_file is None:
        return f"{patient.unit.full} is not installed: sudo phenostream install"
    if not (patient.root / "run/systemd/system").is_dir():
        return "this box does not run systemd"
    if os.geteuid() != 0:
        return "only root may: sudo phenostream doctor"
    if shutil.which("systemd-run") is None:
        return "there is no systemd-run"
    return None


def command(unit: UnitFile, path: Path) -> list[str]:
    """What runs one inference in a transient unit of the same settings.

    Raises:
        EngineFault: The unit's files say something that cannot be understood here.
    """
    try:
        settings = properties(unit)
        program = (unit.value("ExecStart") or "").split()[:1]
    except BadConfig as err:
        raise EngineFault(str(err)) from err
    if not program:
        raise EngineFault(f"{unit.name.full} has no ExecStart=")
    name = f"phenostream-doctor-{os.getpid()}.service"
    given = [word for one in settings for word in ("-p", one)]
    run = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", f"--unit={name}"]
    return [*run, *given, *program, "doctor", INSIDE, "--config", str(path)]


def properties(unit: UnitFile) -> list[str]:
    """The settings that make the sandbox, in their order, as `systemd-run` takes them.

    Raises:
        BadConfig: A specifier that is not known.
    """
    kept = [
        f"{one.key}={unit.name.expanded(one.value)}"
        for one in unit.settings
        if one.section == "Service"
        and one.key not in _LEFT_OUT
        and not one.key.startswith(_LEFT_OUT_PREFIXES)
    ]
    return [*kept, *_ALWAYS]
