"""Put phenostream on this box as a service of systemd, bring it up to date, or go back to the release before.

Run it again whenever something is to change: what is so already is left, and a daemon that nothing changed for is not
started again. Each step is told: done, already so, left alone.

The software comes from a wheel (--wheel FILE, and what it needs from where pip is set up), or all of it from a folder
of `phenostream bundle-wheels` (--from DIR, no network). With neither it is the wheel that this very command was
installed from. It becomes a release of its own beside the one that runs, in /opt/phenostream/releases; the link
/opt/phenostream/current is turned at once, services start anew and are waited for, and if a daemon does not become
ready everything goes back by itself. --rollback goes back when you say so.

The first installation of an instance writes /etc/phenostream/config.toml (with --instance NAME: /etc/phenostream@NAME),
which is yours from then on. Exit codes: 0 as you wanted it; 1 a step failed, and the line says what runs now; 2
refused, and nothing that runs was touched.

Examples:
  sudo phenostream install --wheel phenostream-0.1.0-py3-none-any.whl
  sudo phenostream install --from wheels --instance scope1
  sudo phenostream install --listen 10.0.0.5 --dry-run
  sudo phenostream install --rollback
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import progress, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.install.installing import Order
    from phenostream.deploy.install.places import Places
    from phenostream.deploy.install.release import Software
    from phenostream.deploy.install.steps import Step, Steps
    from phenostream.deploy.install.systemd import Systemd

_READABLE_BY_ALL = 0o022
"""What a service runs has to be read by its user, whatever root's own umask is."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--instance",
        metavar="NAME",
        help="one of several daemons on this box (default: those that are there; at first the one without a name)",
    )
    software = parser.add_mutually_exclusive_group()
    software.add_argument("--wheel", type=Path, metavar="FILE", help="a wheel of phenostream")
    software.add_argument(
        "--from", type=Path, dest="folder", metavar="DIR", help="a folder of `bundle-wheels`"
    )
    software.add_argument(
        "--units-only",
        action="store_true",
        help="put no software there, only units and configuration",
    )
    software.add_argument(
        "--rollback", action="store_true", help="go back to the release that ran before"
    )
    parser.add_argument(
        "--extras",
        metavar="LIST",
        help="what comes with it, such as monitor,exports,llm-prebuilt,gpu (default: as before; at first monitor)",
    )
    parser.add_argument(
        "--backend", choices=("cpu", "gpu"), help="what the unit may use (default: what is here)"
    )
    parser.add_argument(
        "--listen",
        metavar="ipc|ADDRESS",
        help="of a first installation: ipc, for this box (default), or tcp with keys at ADDRESS[:PORT] and the two "
        "ports that follow (5555)",
    )
    parser.add_argument(
        "--python",
        type=Path,
        metavar="FILE",
        help="makes the release (default: the first in /usr/bin)",
    )
    add_common(parser)
    parser.add_argument(
        "--no-start", action="store_true", help="put everything in place, start nothing"
    )


def add_common(parser: argparse.ArgumentParser) -> None:
    """What `uninstall` takes too."""
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would be done, do nothing"
    )
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="fill a tree below DIR, for a look or a test; nothing is started",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")


def run(args: argparse.Namespace) -> int:
    """Do it, step by step."""
    from phenostream.deploy.install.installing import install, roll_back

    systemd = the_systemd(args)
    steps = the_steps(args)
    starts = systemd.places.is_this_box and not args.no_start
    os.umask(_READABLE_BY_ALL)
    if args.rollback:
        roll_back(systemd, steps, starts=starts)
    else:
        with progress(None, "making the release", "package") as bar:

            def on_line(line: str) -> None:
                if line.startswith(("Collecting ", "Processing ")):
                    bar.update()

            install(_order(args, systemd, starts=starts), systemd, steps, on_line)
    return told(args, steps)


def the_systemd(args: argparse.Namespace) -> "Systemd":
    """The service manager of the tree that was asked for."""
    from phenostream.deploy.install.places import Places
    from phenostream.deploy.install.systemd import Systemd

    return Systemd(Places(args.root.absolute()))


def the_steps(args: argparse.Namespace) -> "Steps":
    """Steps that are told as they are taken, unless a program reads."""
    from phenostream.deploy.install.steps import Steps

    def tell(step: "Step") -> None:
        try:
            say(f"{step.state:10}  {step.what}")
        except BrokenPipeError:  # that nobody reads on is no reason to stop halfway
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    return Steps(args.dry_run, (lambda step: None) if args.json else tell)


def told(args: argparse.Namespace, steps: "Steps") -> int:
    """How it ended; the exit code."""
    if args.json:
        taken = [{"what": step.what, "state": step.state} for step in steps.taken]
        say_json({"good": True, "dry_run": args.dry_run, "changed": steps.changed, "steps": taken})
    elif not steps.changed:
        say("nothing to do: everything is so already")
    return 0


def _order(args: argparse.Namespace, systemd: "Systemd", *, starts: bool) -> "Order":
    from phenostream.deploy.install.installing import Order
    from phenostream.deploy.install.listen import Listen
    from phenostream.deploy.install.places import checked_instance
    from phenostream.deploy.install.python import find_python

    instance = None if args.instance is None else checked_instance(args.instance)
    listen = Listen.parsed(args.listen) if args.listen is not None else None
    software = None if args.units_only else _software(args, systemd.places)
    python = (
        find_python(args.python and args.python.absolute(), systemd.run)
        if software is not None
        else None
    )
    return Order(instance, args.backend, listen, software, python, args.units_only, starts)


def _software(args: argparse.Namespace, places: "Places") -> "Software | None":
    """What a release is made of; None: the one that runs stays."""
    from phenostream.deploy.install.release import extras_of, offline, online
    from phenostream.deploy.install.switch import current_release
    from phenostream.deploy.install.wheelhouse import read_wheelhouse
    from phenostream.deploy.install.wheels import own_wheel, read_wheel

    asked = None if args.extras is None else [one for one in args.extras.split(",") if one]
    if args.folder is not None:
        return offline(read_wheelhouse(args.folder), asked)
    runs = current_release(places)
    wheel = args.wheel or (None if runs is not None and _is_installed() else own_wheel())
    if wheel is None:
        if asked is not None and runs is not None and tuple(sorted(asked)) != extras_of(runs):
            raise BadConfig(f"--extras {args.extras}: allowed with --wheel FILE or --from DIR")
        return None
    usual = extras_of(runs) if runs is not None else ("monitor",)
    return online(read_wheel(wheel), usual if asked is None else asked)


def _is_installed() -> bool:
    """Whether the program that runs is that of a release."""
    from phenostream.deploy.install.places import RELEASES

    return Path(sys.prefix).resolve().is_relative_to(RELEASES)
