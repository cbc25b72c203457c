"""A live view of a daemon in a terminal: state, faults, throughput, where the time goes, queues, cells, runs, summary.

Drawn anew every second until q or Ctrl-C. Rates and times are those of the last seconds (--over); p50 and p99 are upper
bounds. With --once it looks twice, --every apart, and prints one frame; the exit code is then that of `phenostream
status`: 0 ready, 3 not, 1 nobody answers.

Examples:
  phenostream top
  phenostream top ipc:///run/phenostream/control --over 60
  phenostream top --once --svg top.svg
"""

import argparse
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.endpoints import CONTROL, add_keys, client_keys
from phenostream.deploy.extras import need
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.top.watch import Watch

_QUIT: Final = frozenset("qQ")
_ANSWER_S: Final = 2.0
_EVERY_S: Final = (0.2, 60.0)
_OVER_S: Final = (1.0, 600.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "url",
        nargs="?",
        default=CONTROL,
        metavar="URL",
        help=f"control endpoint (default {CONTROL})",
    )
    add_keys(parser)
    parser.add_argument(
        "--every", type=float, default=1.0, metavar="S", help="draw so often (default 1)"
    )
    parser.add_argument(
        "--over", type=float, default=10.0, metavar="S", help="rates over so long (default 10)"
    )
    parser.add_argument("--once", action="store_true", help="print one frame and end")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="with --once: keep the frame as a picture too"
    )


def run(args: argparse.Namespace) -> int:
    """Show until told to stop, or once."""
    need("rich", "monitor")
    for name, seconds, (least, most) in (
        ("every", args.every, _EVERY_S),
        ("over", args.over, _OVER_S),
    ):
        if not least <= seconds <= most:
            raise BadConfig(f"--{name} {seconds:g}: allowed {least:g} to {most:g}")
    if args.svg is not None and not args.once:
        raise BadConfig(f"--svg {args.svg}: allowed with --once")
    from phenostream.daemon.client.control import Control
    from phenostream.deploy.top.watch import Watch

    with Control(args.url, _ANSWER_S, client_keys(args)) as control:
        watch = Watch(args.url, control, args.over)
        if args.once:
            return _once(args, watch)
        with suppress(KeyboardInterrupt):  # as q does
            _live(args.every, watch)
    return 0


def _once(args: argparse.Namespace, watch: "Watch") -> int:
    from phenostream.deploy.top.screen import print_once, save_svg
    from phenostream.deploy.top.view import picture

    watch.look(time.monotonic())
    time.sleep(args.every)  # what happens meanwhile is what is shown
    shown = watch.look(time.monotonic())
    print_once(picture(shown))
    if args.svg is not None:
        save_svg(picture(shown), f"phenostream top {args.url}", args.svg)
    return 0 if shown.away_s is None and shown.readings.newest.get("state") == "ready" else 3


def _live(every_s: float, watch: "Watch") -> None:
    from phenostream.deploy.top.screen import on_a_terminal, screen
    from phenostream.deploy.top.view import picture

    if not on_a_terminal():
        raise BadConfig("standard output: no terminal: allowed with --once")
    shown = watch.look(time.monotonic())
    with screen() as terminal:
        while True:
            terminal.draw(picture(shown, terminal.width))
            if _QUIT & set(terminal.key(every_s)):
                return
            shown = watch.look(time.monotonic())
