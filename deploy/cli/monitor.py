"""The monitor: how a daemon is, over HTTP, in a process that may lag, fail or be killed without a frame noticing.

/metrics for Prometheus; /v2/health/live, /v2/health/ready, /v2 and /v2/models/NAME[/ready] in the words of KServe v2;
/ for a browser. It asks the daemon's control endpoint when it is asked itself, and says so while nobody answers there.
Served at `monitor.address`. `phenostream run` starts it where that is set, unless `monitor.start` is false. Runs until
SIGTERM or Ctrl-C; exit code 0 then.

Example:
  phenostream monitor --config /etc/phenostream/config.toml
"""

import argparse
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.terminal import note, say_json
from phenostream.deploy.extras import need
from phenostream.deploy.nearby import reached
from phenostream.deploy.parent import end_with
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.control import Control
    from phenostream.daemon.config import Config
    from phenostream.daemon.security.keys import ClientKeys

_NICE: Final = 10
"""Beside a daemon that it shares the cores with."""
_ANSWER_S: Final = 2.0
"""A daemon that takes longer to say how it is, is not well."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML file")
    parser.add_argument(
        "--control", metavar="URL", help="control endpoint (default: as configured)"
    )
    parser.add_argument("--with-parent", type=int, metavar="PID", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="say as JSON when it is ready")


def run(args: argparse.Namespace) -> int:
    """Answer until told to stop."""
    with suppress(KeyboardInterrupt):  # or SIGTERM, before there is anything to stop
        _answer(args)
    return 0


def _answer(args: argparse.Namespace) -> None:
    if args.with_parent is not None:  # before all that takes time to import
        end_with(args.with_parent)
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    need("prometheus_client", "monitor")
    from phenostream.daemon.client.control import Control
    from phenostream.daemon.monitor.service import serve
    from phenostream.daemon.monitor.site import Site
    from phenostream.deploy.bundles import load_site_config

    config = load_site_config(args.config)
    if not config.monitor.address:
        raise BadConfig(
            "monitor.address: empty: nothing to do; allowed ADDRESS:PORT, such as 127.0.0.1:9750"
        )
    url = reached(args.control or config.control.endpoint, "control")
    keys = _keys(config)

    def connect() -> "Control":
        return Control(url, _ANSWER_S, keys)

    def announce(served: str) -> None:
        if args.json:
            say_json({"event": "ready", "url": served, "control": url})
        note(f"phenostream monitor: {served}, asks {url}")

    serve(config.monitor, connect, Site(config.summary.is_worded), announce)


def _keys(config: "Config") -> "ClientKeys | None":
    """Ours, for a control endpoint that asks for them.

    Raises:
        BadConfig: It does, and there are none.
    """
    from phenostream.daemon.security.keys import ClientKeys

    if not config.is_keyed("control", config.control.endpoint):
        return None
    if config.monitor.keys is None:
        raise BadConfig(
            "monitor.keys: empty: allowed the folder of `phenostream keys client DIR --role subscriber`, as "
            f"control.endpoint {config.control.endpoint} asks for keys"
        )
    return ClientKeys.read(config.monitor.keys)
