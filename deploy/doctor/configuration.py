"""The configuration's file: that it is taken, and who may read and change it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from phenostream.deploy.doctor.account import acting_as
from phenostream.deploy.doctor.finding import Finding, fail, not_run, ok
from phenostream.deploy.doctor.patient import Patient


def look(patient: Patient) -> Iterator[Finding]:
    """Which it is, whether it is taken, and its mode."""
    if patient.path is None:
        yield not_run("file", patient.lacks)
        return
    if patient.config is None:
        yield fail("file", patient.lacks, "mend that line; `phenostream check` says the same")
    else:
        who = f"run by {patient.unit.full}" if patient.unit else "no unit's"
        yield ok("file", f"{patient.path}, {who}, as user {patient.account.name}")
    if patient.path.exists():
        with acting_as(patient.account):
            yield _mode(patient.path, patient.account.name)


def _mode(path: Path, user: str) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not os.access(path, os.R_OK, effective_ids=True):
        todo = f"let its group read it: chgrp phenostream {path}; chmod 0640 {path}"
        return fail("mode", f"{mode:04o}: user {user} may not read it", todo)
    if mode & stat.S_IWOTH:
        todo = f"chmod o-w {path}"
        return fail("mode", f"{mode:04o} lets anyone say where the daemon writes", todo)
    return ok("mode", f"{mode:04o}")
