"""The folders that the daemon writes in: whose they are, and whether he can write in all of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.engine_cache import check_folder as check_cache
from phenostream.daemon.surroundings import check_folder, nearest
from phenostream.deploy.doctor.account import Account, acting_as, user_name
from phenostream.deploy.doctor.disk import folders
from phenostream.deploy.doctor.finding import Finding, fail, ok
from phenostream.deploy.doctor.patient import Patient
from phenostream.engine.errors import BadConfig

_CACHE: Final = "model.engine_cache"
_BY_UNIT: Final = {"StateDirectory": "var/lib", "CacheDirectory": "var/cache"}
"""What a unit has systemd make at every start, and where."""


def look(patient: Patient) -> Iterator[Finding]:
    """Each folder, looked at by the daemon's user."""
    if patient.config is None:
        return
    made = list(_made_by_unit(patient))
    for key, folder in folders(patient.config).items():
        if not folder.exists() and any(nearest_is_in(folder, one) for one in made):
            yield ok(key, f"{folder}, made by the unit at its start")
            continue
        with acting_as(patient.account):
            yield _folder(key, folder, patient.account)


def nearest_is_in(folder: Path, made: Path) -> bool:
    """Whether a folder that is missing will lie in one that the unit makes."""
    return folder.is_relative_to(made) and not (made.exists() and nearest(folder) != made)


def _made_by_unit(patient: Patient) -> Iterator[Path]:
    if patient.unit_file is None:
        return
    for key, base in _BY_UNIT.items():
        for value in patient.unit_file.values(key):
            yield from (patient.root / base / name for name in value.split())


def _folder(key: str, folder: Path, account: Account) -> Finding:
    try:
        if key == _CACHE and folder.exists():
            check_cache(folder)
        else:
            check_folder(key, folder, contents=key == "journal.directory")
    except BadConfig as err:
        told = str(err).removeprefix(f"{key}: ")
        return fail(key, told, f"sudo chown -R {account.name}: {folder}; sudo chmod o-w {folder}")
    if not folder.exists():
        return ok(key, f"{folder}, not there yet; user {account.name} can make it")
    facts = folder.stat()
    return ok(key, f"{folder}, of {user_name(facts.st_uid)}, mode {facts.st_mode & 0o7777:04o}")
