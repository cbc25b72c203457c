"""Has a running daemon read its allow-list again, and waits until it has: who is new comes in, who was removed is out.

Over the control endpoint, for an operator. Where that asks for keys and none are given, by SIGHUP: then nobody tells
whether the list was good, and this says so. Exit code 0: read, or asked for by SIGHUP. 1: the list was refused, and the
old one stays; or nobody answers. 2: there is no way to ask.

Examples:
  phenostream reload
  phenostream reload tcp://box:5557 --keys ops.keys
  phenostream reload --config /etc/phenostream/config.toml
"""

import argparse
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phenostream.deploy.cli.endpoints import CONTROL, add_keys, client_keys
from phenostream.deploy.cli.terminal import say, say_json
from phenostream.deploy.nearby import reached
from phenostream.engine.errors import BadConfig

_FIRST_PID: Final = 2
"""A signal to 1 is for the system, to 0 and below for many processes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "url", nargs="?", metavar="URL", help=f"control endpoint (default {CONTROL})"
    )
    place.add_argument(
        "--config", type=Path, metavar="FILE", help="the daemon's own, on the same box"
    )
    parser.add_argument(
        "--pid",
        type=int,
        metavar="PID",
        help="of the daemon, for SIGHUP (default with --config: who holds its journal)",
    )
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="the answer as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Ask once, by the way that there is."""
    from phenostream.daemon.client.control import Control
    from phenostream.daemon.client.errors import Rejected

    if args.pid is not None and args.pid < _FIRST_PID:
        raise BadConfig(f"--pid {args.pid}: allowed a process id from {_FIRST_PID}")
    daemon = _configured(args)
    keys = client_keys(args)
    if daemon.keyed and keys is None:
        return _signal(daemon, as_json=args.json)
    try:
        with Control(daemon.control, keys=keys) as control:
            told = control.reload()
    except Rejected:
        if keys is None and daemon.pid is not None:
            return _signal(daemon, as_json=args.json)
        raise
    if args.json:
        say_json({"good": True, "waited": True, **told})
    elif told["keys"]:
        say(f"{daemon.control}: the allow-list was read again: {told['allowed']} entries")
    else:
        say(f"{daemon.control}: the daemon has no allow-list: security.keys is empty")
    return 0


@dataclass(frozen=True, slots=True)
class _Daemon:
    """Whom to ask.

    Attributes:
        control: Its endpoint.
        keyed: It is known to ask for keys.
        pid: Its process, where that is known.
    """

    control: str
    keyed: bool
    pid: int | None


def _configured(args: argparse.Namespace) -> _Daemon:
    from phenostream.daemon.claims import holder
    from phenostream.deploy.bundles import load_site_config

    if args.config is None:
        return _Daemon(args.url or CONTROL, keyed=False, pid=args.pid)
    config = load_site_config(args.config)
    endpoint = config.control.endpoint
    return _Daemon(
        reached(endpoint, "control"),
        config.is_keyed("control", endpoint),
        args.pid or holder(config.journal.directory / "lock"),
    )


def _signal(daemon: _Daemon, *, as_json: bool) -> int:
    """Ask by SIGHUP, and say that nobody waited.

    Raises:
        BadConfig: No process is known, or it cannot be sent a signal.
    """
    keyless = f"{daemon.control}: asks for keys, and none were given (--keys DIR, of an operator)"
    if daemon.pid is None:
        raise BadConfig(f"{keyless}; no daemon is known to hold the journal, allowed --pid PID")
    try:
        os.kill(daemon.pid, signal.SIGHUP)
    except OSError as err:
        raise BadConfig(f"{keyless}; process {daemon.pid}: {(err.strerror or '').lower()}") from err
    if as_json:
        say_json({"good": True, "waited": False, "pid": daemon.pid})
    else:
        say(
            f"{keyless}: process {daemon.pid} was told by SIGHUP, and not waited for; whether it could read its "
            "list, its log says"
        )
    return 0
