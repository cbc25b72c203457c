"""The summariser: has a language model word the summaries of a daemon, in a process that may lag, fail or be killed.

Reads [summary] of the daemon's configuration, hears each summary as the template wrote it, and hands other words for
its facts back to the daemon, which publishes them only if they are true. `phenostream run` starts it by itself where
`summary.llm` names a language model, unless `summary.start` is false. Runs until SIGTERM or Ctrl-C; exit code 0 then.

Example:
  phenostream summariser --config deploy/config.example.toml
"""

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.terminal import note, say_json
from phenostream.deploy.nearby import reached
from phenostream.deploy.parent import end_with
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.config import Config
    from phenostream.daemon.summariser.service import Daemon

_NICEST: Final = 19
"""Beside a daemon: what is loaded now must not be in the way of frames either. The worker takes even less."""
_AT_ONCE_S: Final = 0.0
"""A model that is not loaded yet goes on loading."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML file")
    parser.add_argument(
        "--results", metavar="URL", help="results endpoint (default: as configured)"
    )
    parser.add_argument(
        "--control", metavar="URL", help="control endpoint (default: as configured)"
    )
    parser.add_argument("--with-parent", type=int, metavar="PID", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="say as JSON when it is ready")


def run(args: argparse.Namespace) -> int:
    """Word summaries until told to stop."""
    with suppress(KeyboardInterrupt):  # or SIGTERM: nothing is lost, every summary has words
        _word(args)
    return 0


def _word(args: argparse.Namespace) -> None:
    """Word summaries, for ever."""
    if args.with_parent is not None:  # before all that takes time to import
        end_with(args.with_parent)
        os.setpriority(os.PRIO_PROCESS, 0, _NICEST)
    from phenostream.daemon.summariser.author import Author
    from phenostream.daemon.summariser.link import Link, WorkerSetup
    from phenostream.daemon.summariser.service import Service
    from phenostream.deploy.bundles import load_site_config
    from phenostream.deploy.narrator import narrator

    config = load_site_config(args.config)
    model = narrator(config.summary.llm).model if config.summary.is_worded else None
    if model is None:
        raise BadConfig(
            f"summary.llm: {config.summary.llm!r}, summary.mode: {config.summary.mode!r}: nothing to do; "
            "allowed a language model and a mode other than 'template'"
        )
    daemon = _daemon(config, args)
    setup = WorkerSetup(
        model,
        threads=config.summary.threads,
        memory_bytes=config.summary.memory_bytes,
    )

    def announce() -> None:
        if args.json:
            say_json({"event": "ready", "llm": str(setup.path), "results": daemon.results})
        note(f"phenostream summariser: hears {daemon.results}, words with {setup.path}")

    with Link(setup) as link:
        service = Service(config.summary, daemon, Author(link), lambda: link.open(_AT_ONCE_S))
        service.run(announce)


def _daemon(config: "Config", args: argparse.Namespace) -> "Daemon":
    """Where the daemon is, as told or as configured.

    Raises:
        BadConfig: Only the daemon knows its port, or it asks for keys and there are none.
    """
    from phenostream.daemon.security.keys import ClientKeys
    from phenostream.daemon.summariser.service import Daemon

    folder = config.summary.keys
    for section, endpoint in config.endpoints():
        asks = section in ("results", "control") and config.is_keyed(section, endpoint)
        if asks and folder is None:
            raise BadConfig(
                f"summary.keys: empty: allowed the folder of `phenostream keys client DIR --role summariser`, as "
                f"{section}.endpoint {endpoint} asks for keys"
            )
    keys = None if folder is None else ClientKeys.read(folder)
    plain = config.security.plain
    return Daemon(
        reached(args.results or config.results.endpoint, "results"),
        reached(args.control or config.control.endpoint, "control"),
        None if "results" in plain else keys,
        None if "control" in plain else keys,
    )
