"""Keys and who may read them: the daemon's, the allow-list, those that vouch for bundles, the engine cache's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from phenostream.daemon.config import Config
from phenostream.daemon.security.allow_list import ROLES, AllowList
from phenostream.daemon.security.keys import CLIENT_PAIR, SERVER_PAIR, ClientKeys, KeyPair
from phenostream.daemon.security.secret_file import read_secret
from phenostream.daemon.security.trusted_keys import read_trusted_keys
from phenostream.deploy.doctor.account import Account, acting_as
from phenostream.deploy.doctor.finding import Finding, ok, refused, warn
from phenostream.deploy.doctor.patient import Patient
from phenostream.deploy.doctor.unit_file import UnitFile
from phenostream.deploy.doctor.units import companion_of
from phenostream.engine.errors import BadConfig

_SECRETS: Final = "a secret is a file of its reader alone: docs/security.md, Where secrets lie"
_SERVICES: Final = {"summary": "summariser", "monitor": "monitor"}
"""Section of the configuration: the companion whose it is."""
_ROOT: Final = Account("root", 0, 0, ())


def look(patient: Patient) -> Iterator[Finding]:
    """Every key of the configuration."""
    config = patient.config
    if config is None:
        return
    if config.security.keys is None:
        yield ok("security.keys", "none: ipc, and tcp as said under endpoints")
    else:
        yield _pair(config.security.keys, patient)
        yield _allowed(config.security.keys, patient)
    yield from _of_the_cache(config, patient)
    for name, client in (("summary", config.summary.keys), ("monitor", config.monitor.keys)):
        if client is not None:
            yield _of_a_companion(name, client, patient)
    yield _trusted(config, patient)


def credential(unit: UnitFile | None, name: str) -> Path | None:
    """The file that systemd reads as root and hands to the unit as a credential; None where it does not."""
    values = [] if unit is None else unit.values("LoadCredential")
    for value in values:
        label, _, source = value.partition(":")
        if label == name and source.startswith("/"):
            return Path(source)
    return None


def _pair(folder: Path, patient: Patient) -> Finding:
    source = credential(patient.unit_file, SERVER_PAIR)
    try:
        if source is not None and source.exists():
            reader = patient.account if source.stat().st_uid == patient.account.uid else _ROOT
            with acting_as(reader):
                KeyPair.read(source.parent, source.name)
            return ok("secret key", f"{source}, handed over by systemd as a credential")
        with acting_as(patient.account):
            KeyPair.read(folder, SERVER_PAIR)
    except BadConfig as err:
        return refused("secret key", err, _SECRETS)
    return ok(
        "secret key", f"{folder / SERVER_PAIR}, readable by user {patient.account.name} alone"
    )


def _allowed(folder: Path, patient: Patient) -> Finding:
    try:
        with acting_as(patient.account):
            roles = [grant.role for grant in AllowList.read(folder).grants]
    except BadConfig as err:
        return refused("allow-list", err, "who may write there lets himself in: docs/security.md")
    told = ", ".join(f"{roles.count(role)} {role}" for role in ROLES)
    if not roles:
        todo = f"phenostream keys client {folder} --name NAME --role source --out DIR"
        return warn("allow-list", f"{told}: nobody may come in over tcp", todo)
    return ok("allow-list", told)


def _of_the_cache(config: Config, patient: Patient) -> Iterator[Finding]:
    cache = config.model.engine_cache
    if cache is None:
        return
    path = cache.parent / f"{cache.name}.key"
    try:
        with acting_as(patient.account):
            if not path.exists():
                yield ok("engine cache's key", f"{path}, made at the first start")
                return
            read_secret(path)
    except BadConfig as err:
        todo = f"{_SECRETS}; without it what was compiled is made again"
        yield refused("engine cache's key", err, todo)
        return
    yield ok("engine cache's key", f"{path}, readable by user {patient.account.name} alone")


def _of_a_companion(name: str, folder: Path, patient: Patient) -> Finding:
    """The keys of the summariser or the monitor, in their folder or as credentials of their unit."""
    key = f"{name}.keys"
    unit = None if patient.unit is None else companion_of(patient.unit, _SERVICES[name])
    source = credential(None if unit is None else UnitFile.find(unit, patient.root), CLIENT_PAIR)
    try:
        if source is not None and source.exists():
            with acting_as(_ROOT):
                KeyPair.read(source.parent, source.name)
            return ok(key, f"{source}, handed over by systemd as a credential")
        with acting_as(patient.account):
            ClientKeys.read(folder)
    except BadConfig as err:
        return refused(key, err, _SECRETS)
    return ok(key, f"{folder}, readable by user {patient.account.name} alone")


def _trusted(config: Config, patient: Patient) -> Finding:
    if not config.model.trusted_keys:
        return ok("model.trusted_keys", "none: a bundle is taken whoever made it")
    try:
        with acting_as(patient.account):
            keys = read_trusted_keys(config.model.trusted_keys)
    except BadConfig as err:
        return refused("model.trusted_keys", err, "name files of `phenostream keys signing`")
    return ok("model.trusted_keys", ", ".join(key.name for key in keys))
