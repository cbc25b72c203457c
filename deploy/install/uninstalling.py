"""Taking an instance off the box; what it was told and what it has found out stays, unless that is asked for too."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

from phenostream.deploy.install.carried import carried_by, our_own
from phenostream.deploy.install.files import leads_to
from phenostream.deploy.install.installing import check_box
from phenostream.deploy.install.places import (
    CURRENT,
    LOCK,
    NAME,
    OPT,
    PREVIOUS,
    PROGRAM,
    RECORD,
    RELEASES,
    UNITS,
    Places,
    companion,
    config_folder,
    data_folders,
    unit_name,
)
from phenostream.deploy.install.record import only_one, read_record
from phenostream.deploy.install.release import releases
from phenostream.deploy.install.steps import Steps
from phenostream.deploy.install.switch import current_release
from phenostream.deploy.install.systemd import Systemd
from phenostream.deploy.install.unit_files import bring, differing, wanted_files
from phenostream.engine.errors import BadConfig


def uninstall(instance: str, systemd: Systemd, steps: Steps, *, purge: bool) -> None:
    """Stop an instance and remove its units; with the last one, the programs too.

    Args:
        instance: Its name; empty for the one without.
        systemd: Of the tree.
        steps: Told of all of it.
        purge: Its configuration, keys, journal, quarantine and engine cache are removed too.

    Raises:
        BadConfig: It may not be done here, or somebody else is installing; what is to be purged is in use.
        InstallFailed: systemd refused.
    """
    places = systemd.places
    check_box(systemd, steps, starts=False)
    if not places.at(LOCK).exists() or steps.dry:
        _take_off(instance, systemd, steps)
    else:
        with only_one(places):
            _take_off(instance, systemd, steps)
    unit = unit_name(instance)
    if purge and not steps.dry and systemd.is_running and not systemd.is_inactive(unit):
        raise BadConfig(f"--purge: {unit}.service runs: allowed once it is stopped")
    for path in (config_folder(instance), *data_folders(instance)):
        at = places.at(path)
        if purge and at.is_symlink():
            steps.leave(
                f"{path}: a link to {at.readlink()}, where what is kept is not ours to remove"
            )
        elif purge:
            steps.ensure(f"remove {path}", not at.exists(), partial(shutil.rmtree, at))
        elif at.exists():
            steps.leave(f"{path}: kept (--purge removes it)")


def _take_off(instance: str, systemd: Systemd, steps: Steps) -> None:
    places = systemd.places
    record = read_record(places)
    others = {name: choice for name, choice in record.instances.items() if name != instance}
    left = replace(record, instances=others)
    units = (companion("summariser", instance), companion("monitor", instance), unit_name(instance))
    # A template's instance can also have been started without us.
    is_ours = instance in record.instances or (
        bool(instance) and f"{UNITS}/{NAME}@.service" in record.files
    )
    for unit in units if is_ours else ():
        if systemd.is_running:
            is_down = systemd.is_inactive(unit)
            steps.ensure(f"stop {unit}.service", is_down, partial(systemd.stop, unit))
        is_off = not systemd.is_enabled(unit)
        steps.ensure(f"disable {unit}.service", is_off, partial(systemd.disable, unit))
    release = current_release(places)
    carried = carried_by(release) if release else our_own()
    wanted = wanted_files(carried, left.instances)
    changed = differing(places, left, wanted)
    bring(places, left, wanted, steps)
    if systemd.is_running and any(path.startswith(UNITS) for path in changed):
        steps.ensure("systemctl daemon-reload", False, systemd.read_units_again)
    if not left.instances:
        _remove_programs(places, steps)


def _remove_programs(places: Places, steps: Steps) -> None:
    """The last instance is gone: nothing of ours runs."""
    program, opt = places.at(PROGRAM), places.at(OPT)
    if program.is_symlink() and leads_to(program) == f"{CURRENT}/bin/{NAME}":
        steps.ensure(f"remove {PROGRAM}", False, program.unlink)
    if any(one.exists() or one.is_symlink() for one in _of_ours(places)):
        steps.ensure(f"remove {OPT}", False, partial(_remove_ours, places))
        if opt.exists() and not steps.dry:
            steps.leave(f"{OPT}: kept, something else is in it")
    steps.leave(
        f"user and group {NAME}: kept, for the files of theirs that are left (userdel {NAME})"
    )


def _of_ours(places: Places) -> list[Path]:
    """What installations have made in the folder of the programs, the lock last."""
    opt = places.at(OPT)
    names = (CURRENT, PREVIOUS, RECORD, LOCK)
    return [*releases(places), *opt.glob(".*.partial"), *(places.at(name) for name in names)]


def _remove_ours(places: Places) -> None:
    """No more than that: a site may keep its own in a folder of that name."""
    for path in _of_ours(places):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for folder in (places.at(RELEASES), places.at(OPT)):
        if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
