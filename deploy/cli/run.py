"""The daemon: receives frames, classifies cells, publishes results, until SIGTERM or Ctrl-C.

Prints one line when it is ready. Where `summary.llm` names a language model, `phenostream summariser` is started beside
it, and where `monitor.address` is set `phenostream monitor`, both again when they die, unless `summary.start` or
`monitor.start` is false. SIGTERM drains: frames already received get their fate, the journal is synced, exit 0. A
second signal forces. Exit codes: 0 drained, 1 a part died, 2 it could not start, 3 it stopped while degraded.

Example:
  phenostream run --config deploy/config.example.toml
"""

import argparse
import dataclasses
import faulthandler
import logging
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from phenostream.deploy.cli.terminal import say, say_json

if TYPE_CHECKING:
    from phenostream.deploy.sibling import Sibling


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML file")
    parser.add_argument("--with-parent", type=int, metavar="PID", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="print the ready line as JSON")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop."""
    from phenostream.daemon.lifecycle import Ready, serve
    from phenostream.deploy.bundles import load_site_config
    from phenostream.deploy.parent import end_with

    if args.with_parent is not None:
        end_with(args.with_parent)
    if not faulthandler.is_enabled():
        faulthandler.enable()  # what a watchdog's SIGABRT ends says where each of its threads was
    config = load_site_config(args.config)
    beside = ExitStack()

    def announce(ready: Ready) -> None:
        where = ["--results", ready.results, "--control", ready.control]
        if config.summary.start and config.summary.is_worded:
            beside.enter_context(_companion("summariser", args.config, where))
        if config.monitor.start and config.monitor.address:
            beside.enter_context(_companion("monitor", args.config, where))
        if args.json:
            say_json({"event": "ready", **dataclasses.asdict(ready)})
        else:
            say(
                f"READY in {ready.startup_s:.2f} s: frames at {ready.ingest}, results at {ready.results}, "
                f"control at {ready.control}; {ready.model}"
            )

    with beside:
        code = serve(config, announce)
    if threading.active_count() > 1:
        _leave(code)
    return code


def _companion(name: str, config: Path, where: list[str]) -> "Sibling":
    """A command that runs beside the daemon that has become ready, told where that is."""
    from phenostream.deploy.child import PROGRAM
    from phenostream.deploy.sibling import Sibling

    mine = ["--config", str(config), "--with-parent", str(os.getpid())]
    return Sibling(name, [*PROGRAM, name, *mine, *where])


def _leave(code: int) -> NoReturn:
    """End the process although a thread is stuck in a call of a runtime, which an orderly exit might wait for."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
