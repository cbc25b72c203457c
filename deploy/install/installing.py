"""Installing an instance, from looking at the box to waiting for its daemon; and going back to the release before.

Nothing that runs is touched before everything that can be known beforehand is known: that we may, that there is room,
that no file of somebody else is in the way, and that the new release accepts the configurations it will run with.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from phenostream.deploy.install.carried import Carried, carried_by, carried_in, our_own
from phenostream.deploy.install.errors import InstallFailed
from phenostream.deploy.install.files import leads_to
from phenostream.deploy.install.listen import Listen
from phenostream.deploy.install.places import (
    CURRENT,
    NAME,
    PROGRAM,
    RELEASES,
    Places,
    config_file,
    unit_name,
)
from phenostream.deploy.install.python import Python
from phenostream.deploy.install.record import Backend, Choice, Record, only_one, read_record
from phenostream.deploy.install.release import (
    Software,
    check_fits,
    extras_of,
    is_whole,
    make_release,
)
from phenostream.deploy.install.site_config import configure, network_for
from phenostream.deploy.install.steps import Steps
from phenostream.deploy.install.switch import (
    Target,
    current_release,
    forget_old,
    go_over,
    previous_release,
)
from phenostream.deploy.install.systemd import Systemd
from phenostream.deploy.install.unit_files import refuse_strangers, wanted_files
from phenostream.engine.errors import BadConfig

OnLine = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted.

    Attributes:
        instance: Its name; empty for the one without; None: those that are there, and at first the one without.
        backend: None: as it was, or what the box has.
        listen: Where other machines reach it; None: not said.
        software: What a release is made of; None: the one that runs.
        python: To make it with.
        units_only: No program is put on the box, only what tells systemd how to run it.
        starts: Services are started; else only put in place.
    """

    instance: str | None
    backend: Backend | None
    listen: Listen | None
    software: Software | None
    python: Python | None
    units_only: bool
    starts: bool


def install(
    order: Order, systemd: Systemd, steps: Steps, on_line: OnLine = lambda line: None
) -> None:
    """Put an instance on the box, or bring it to what is wanted now; what is so already is left.

    Raises:
        BadConfig: It may not or cannot be done here; nothing that runs was touched.
        InstallFailed: A program of the box failed, or a daemon did not become ready; the text says what runs now.
    """
    places = systemd.places
    check_box(systemd, steps, starts=order.starts)
    with _alone(places, steps):
        before = read_record(places)
        carried = _carried(order, places)
        asked = _asked(order, before)
        listens = dict.fromkeys(asked, order.listen)
        after = replace(before, instances=_instances(order, asked, before, places))
        refuse_strangers(places, before, wanted_files(carried, after.instances))
        _refuse_other_program(places)
        release, extras = _release(order, systemd, steps, on_line)
        if release is not None and not steps.dry:
            carried = carried_by(release)  # what was verified, whatever has become of the wheel
        configs = {
            name: configure(carried, places, name, listens.get(name), steps)
            for name in after.instances
        }
        target = Target(release, carried, extras, configs)
        if not steps.dry:
            _check_accepted(target.release, after, systemd)
        go_over(target, before, after, systemd, steps, starts=order.starts)
        forget_old(places, steps)


def roll_back(systemd: Systemd, steps: Steps, *, starts: bool) -> None:
    """Have the release run again that ran before this one; raises as `install`."""
    places = systemd.places
    check_box(systemd, steps, starts=starts)
    with _alone(places, steps):
        record = read_record(places)
        target = Target.of(previous_release(places))
        _check_accepted(target.release, record, systemd)
        go_over(target, record, record, systemd, steps, starts=starts)


def check_box(systemd: Systemd, steps: Steps, *, starts: bool) -> None:
    """Refuse what cannot be done here at all.

    Raises:
        BadConfig: We are not root, or there is no service manager that could start anything.
    """
    if not systemd.places.is_this_box:
        return
    if os.geteuid() != 0 and not steps.dry:
        raise BadConfig(f"user {os.geteuid()}: allowed root (sudo), or --root DIR, or --dry-run")
    if starts and not systemd.is_running:
        raise BadConfig("systemd does not run this box: allowed with --no-start, or --root DIR")


def _alone(places: Places, steps: Steps) -> AbstractContextManager[None]:
    return nullcontext() if steps.dry else only_one(places)


def _carried(order: Order, places: Places) -> Carried:
    if order.units_only:
        return our_own()
    if order.software is not None:
        return carried_in(order.software.wheel.path)
    return carried_by(_running(places))


def _running(places: Places) -> Path:
    release = current_release(places)
    if release is None:
        raise BadConfig(f"--wheel: missing: there is no release in {places.at(RELEASES)} yet")
    return release


def _release(
    order: Order, systemd: Systemd, steps: Steps, on_line: OnLine
) -> tuple[Path | None, tuple[str, ...]]:
    """The release that shall run, made if it is not there, and its extras."""
    places = systemd.places
    if order.units_only:
        return None, ()
    if order.software is None or order.python is None:
        release = _running(places)
        return release, extras_of(release)
    release = places.at(RELEASES) / order.software.release(order.python)
    whole = is_whole(release)
    if not whole:
        check_fits(order.software, order.python, places)
    make = partial(make_release, order.software, order.python, places, systemd.run, on_line)
    extras = ", ".join(order.software.extras) or "none"
    steps.ensure(f"release {release.name} (extras: {extras}) with {order.python.path}", whole, make)
    return release, order.software.extras


def _asked(order: Order, before: Record) -> list[str]:
    """Whom the order is for: the one that was named, or all that are there."""
    if order.instance is not None:
        return [order.instance]
    asked = list(before.instances) or [""]
    if order.listen is not None and len(asked) > 1:
        raise BadConfig(f"--listen {order.listen}: allowed for one instance, --instance NAME")
    return asked


def _instances(order: Order, asked: list[str], before: Record, places: Places) -> dict[str, Choice]:
    """All that shall be, each with what its unit may do."""
    return {
        name: Choice(
            (order.backend if name in asked else None) or _usual_backend(before, name),
            network_for(places, name, order.listen if name in asked else None),
        )
        for name in {**before.instances, **dict.fromkeys(asked)}
    }


def _usual_backend(record: Record, instance: str) -> Backend:
    if instance in record.instances:
        return record.instances[instance].backend
    return "gpu" if Path("/proc/driver/nvidia/version").exists() else "cpu"


def _refuse_other_program(places: Places) -> None:
    """So that a person's own program of that name is not replaced."""
    program = places.at(PROGRAM)
    there = program.is_symlink() or program.exists()
    if there and leads_to(program) != f"{CURRENT}/bin/{NAME}":
        raise BadConfig(f"{program}: not ours: move it away")


def _check_accepted(release: Path | None, record: Record, systemd: Systemd) -> None:
    """Have a release look at every configuration that it will run with.

    Raises:
        BadConfig: It refuses one.
    """
    for instance in record.instances:
        config = systemd.places.at(config_file(instance))
        if release is None or not config.exists():
            continue
        try:
            program = str(release / "bin" / NAME)
            systemd.run((program, "check", "--config", str(config), "--migrate", "-"))
        except InstallFailed as err:
            why = str(err).rpartition(f"{NAME} check: ")[2]
            raise BadConfig(
                f"{why}: release {release.name} refuses this configuration of {unit_name(instance)}"
            ) from err
