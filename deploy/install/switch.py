"""Having the box run another release, and going back by itself when that one does not become ready.

The link is turned at once, so that there is always a whole release behind it; the units are those of the release that
it leads to. A service that nothing changed for is not started again.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from phenostream.deploy.install.carried import Carried, carried_by
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.files import leads_to, point
from phenostream.deploy.install.places import (
    CURRENT,
    NAME,
    PREVIOUS,
    PROGRAM,
    RELEASES,
    SYSUSERS,
    TMPFILES,
    UNITS,
    Places,
    companion,
    config_file,
    unit_name,
)
from phenostream.deploy.install.record import Record, keep_record, read_record
from phenostream.deploy.install.release import extras_of, is_whole, releases
from phenostream.deploy.install.services import BESIDE, Service, Values, config_values, services_of
from phenostream.deploy.install.steps import Steps
from phenostream.deploy.install.systemd import Systemd
from phenostream.deploy.install.unit_files import bring, differing, wanted_files
from phenostream.engine.errors import BadConfig


@dataclass(frozen=True, slots=True)
class Target:
    """What shall run.

    Attributes:
        release: Its folder; None: the programs are not our business, only the units are.
        carried: Units and more, of that release.
        extras: That it has.
        configs: What configurations say that are not written yet, by instance.
    """

    release: Path | None
    carried: Carried
    extras: tuple[str, ...]
    configs: dict[str, Values] = field(default_factory=dict)

    @classmethod
    def of(cls, release: Path) -> "Target":
        """A release that is there."""
        return cls(release, carried_by(release), extras_of(release))


def current_release(places: Places) -> Path | None:
    """The release that runs, if it is whole."""
    return _behind(places, CURRENT)


def previous_release(places: Places) -> Path:
    """The release that ran before.

    Raises:
        BadConfig: There is none to go back to.
    """
    found = _behind(places, PREVIOUS)
    if found is None:
        raise BadConfig(f"--rollback: no release before this one is kept ({places.at(PREVIOUS)})")
    return found


def go_over(
    target: Target, before: Record, after: Record, systemd: Systemd, steps: Steps, *, starts: bool
) -> None:
    """Put a release, its units and its link in place, start what changed, and wait until it is ready.

    Args:
        target: What shall run.
        before: What was installed, which is gone back to.
        after: What shall be.
        systemd: Of the tree.
        steps: Told of all of it.
        starts: Services are started; else only put in place.

    Raises:
        BadConfig: A file of somebody else is in the way.
        InstallFailed: A service did not become ready; the text says what runs now.
    """
    old, older = _last_ready(systemd.places), leads_to(systemd.places.at(PREVIOUS))
    try:
        _put_and_start(target, after, systemd, steps, starts=starts)
    except (InstallFailed, OSError) as err:
        if not starts or old is None or target.release is None or old == target.release:
            raise
        runs = _go_back(old, before, after, systemd, steps)
        _remember(older, systemd.places)
        raise InstallFailed(f"{err}; {runs}") from err


def forget_old(places: Places, steps: Steps) -> None:
    """Remove every release but the one that runs and the one before it."""
    kept = {current_release(places), _behind(places, PREVIOUS)}
    for release in releases(places):
        if release not in kept:
            what = "old" if is_whole(release) else "half-made"
            steps.ensure(
                f"remove the {what} release {release.name}",
                False,
                partial(shutil.rmtree, release),
            )


def _behind(places: Places, link: str) -> Path | None:
    to = leads_to(places.at(link))
    if to is None:
        return None
    release = places.at(RELEASES) / Path(to).name
    return release if is_whole(release) else None


def _put_and_start(
    target: Target, record: Record, systemd: Systemd, steps: Steps, *, starts: bool
) -> None:
    """All of it; what is pending is in the record before anything changes, and no longer when it was seen to."""
    places, ready = systemd.places, _last_ready(systemd.places)
    wanted = wanted_files(target.carried, record.instances)
    new = differing(places, record, wanted)
    pending = {*read_record(places).pending, *new}
    if target.release is not None and leads_to(places.at(CURRENT)) != _link_to(target.release):
        pending.add(CURRENT)
    record = replace(record, pending=tuple(sorted(pending)))
    bring(places, record, wanted, steps)
    if target.release is not None:
        _turn(target.release, ready, places, steps)
    if pending & {SYSUSERS, TMPFILES}:
        pending -= _made_users(systemd, steps)
    if systemd.is_running and any(path.startswith(UNITS) for path in (pending if starts else new)):
        steps.ensure("systemctl daemon-reload", False, systemd.read_units_again)
    configs = {name: config_values(places.at(config_file(name))) for name in record.instances}
    services = services_of(configs | target.configs, target.extras)
    _enable(services, systemd, steps)
    if target.release is not None:
        _disable(services, record, systemd, steps, stops=starts)
    if starts:
        _start(services, pending, systemd, steps)
        pending.clear()
    if not steps.dry:
        keep_record(places, replace(read_record(places), pending=tuple(sorted(pending))))


def _made_users(systemd: Systemd, steps: Steps) -> set[str]:
    """Make users, group and folders; what is no longer pending."""
    if not systemd.may_make_users:
        steps.leave("users, group and folders: systemd makes them when the box starts")
        return set()
    steps.ensure("users, group and folders", False, systemd.apply_users_and_folders)
    return {SYSUSERS, TMPFILES}


def _link_to(release: Path) -> str:
    """Relative, so that a tree can be moved."""
    return f"{Path(RELEASES).name}/{release.name}"


def _last_ready(places: Places) -> Path | None:
    """The release that was seen to become ready last, which is not that of an installation that was killed."""
    return _behind(places, PREVIOUS if CURRENT in read_record(places).pending else CURRENT)


def _turn(release: Path, ready: Path | None, places: Places, steps: Steps) -> None:
    to, was = _link_to(release), leads_to(places.at(CURRENT))
    if ready is not None and ready != release:
        link, back = places.at(PREVIOUS), _link_to(ready)
        steps.ensure(f"{PREVIOUS} → {back}", leads_to(link) == back, partial(point, link, back))
    steps.ensure(f"{CURRENT} → {to}", was == to, partial(point, places.at(CURRENT), to))
    program, way = places.at(PROGRAM), f"{CURRENT}/bin/{NAME}"
    steps.ensure(f"{PROGRAM} → {way}", leads_to(program) == way, partial(point, program, way))


def _enable(services: list[Service], systemd: Systemd, steps: Steps) -> None:
    for unit in (service.unit for service in services):
        if systemd.may_enable:
            is_so = systemd.is_enabled(unit)
            steps.ensure(f"enable {unit}.service", is_so, partial(systemd.enable, unit))
        else:
            steps.leave(f"{unit}.service: not enabled, there is no systemctl here")


def _disable(
    services: list[Service], record: Record, systemd: Systemd, steps: Steps, *, stops: bool
) -> None:
    """No longer start what the configuration or the release has no more use for: it would only fail."""
    wanted = {service.unit for service in services}
    act = systemd.drop if stops and systemd.is_running else systemd.disable
    for unit in (companion(which, name) for name in record.instances for which in BESIDE):
        if unit not in wanted and systemd.may_enable and systemd.is_enabled(unit):
            steps.ensure(
                f"disable {unit}.service, which has nothing to do", False, partial(act, unit)
            )


def _start(services: list[Service], changed: set[str], systemd: Systemd, steps: Steps) -> None:
    """Start what is down and what something changed for, one after another, each until it is ready."""
    for service in services:
        unit = service.unit
        touched = CURRENT in changed or bool(changed & set(_files_of(service)))
        is_so = not touched and systemd.is_active(unit)
        what = f"start {unit}.service and wait until it is ready"
        try:
            steps.ensure(what, is_so, partial(systemd.restart, unit))
        except InstallFailed as err:
            if service.is_daemon:
                raise
            steps.leave(str(err))


def _files_of(service: Service) -> Iterable[str]:
    """Paths that say how a service runs."""
    stem, _, instance = service.unit.partition("@")
    yield f"{UNITS}/{stem}@.service" if instance else f"{UNITS}/{stem}.service"
    yield from (
        f"{UNITS}/{service.unit}.service.d/50-{kind}.conf" for kind in ("backend", "network")
    )


def _go_back(old: Path, before: Record, after: Record, systemd: Systemd, steps: Steps) -> str:
    """Put the release in place that ran before; what runs now, for a person."""
    try:
        target = Target.of(old)
        record = Record(before.instances, read_record(systemd.places).files)
        for name in after.instances.keys() - before.instances.keys():
            steps.ensure(
                f"stop {unit_name(name)}.service", False, partial(systemd.drop, unit_name(name))
            )
        _put_and_start(target, record, systemd, steps, starts=True)
    except InstallFailed as err:
        return f"went back to {old.name}, and {err}"
    except (BadConfig, OSError) as err:
        return f"going back to {old.name} failed as well: {err}"
    ready = ", ".join(unit_name(name) for name in before.instances)
    return f"went back to {old.name}, on which {ready} is ready"


def _remember(older: str | None, places: Places) -> None:
    """The release before the one that runs is again the one that was, not the one that failed."""
    if older is None:
        places.at(PREVIOUS).unlink(missing_ok=True)
    else:
        point(places.at(PREVIOUS), older)
