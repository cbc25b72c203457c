"""The monitor: how a daemon is, over HTTP, in a process that may lag, fail or be killed without a frame noticing.

/metrics for Prometheus; /v2/health/live, /v2/health/ready, /v2 and /v2/models/NAME[/ready] in the words of KServe v2;
/ for a browser. It asks the daemon's control endpoint when it is asked itself, and says so while nobody answers there.
Served at `monitor.address`; where `monitor.traces_to` names a collector, some frames are traced. `phenostream run`
starts it where there is an address, unless `monitor.start` is false. Runs until SIGTERM or Ctrl-C; exit code 0 then.

Example:
  phenostream monitor --config /etc/phenostream/config.toml
"""

import argparse
import os
import platform
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
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
    from phenostream.daemon.monitor.traces import Traces
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
    parser.add_argument(
        "--results", metavar="URL", help="results endpoint, for traces (default: as configured)"
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
    keys = _keys(config, "control", config.control.endpoint)

    def connect() -> "Control":
        return Control(url, _ANSWER_S, keys)

    def announce(served: str) -> None:
        if args.json:
            say_json({"event": "ready", "url": served, "control": url})
        note(f"phenostream monitor: {served}, asks {url}")

    site = Site(config.summary.is_worded)
    if not config.monitor.traces_to:
        serve(config.monitor, connect, site, announce)
        return
    with _traces(config, args.results) as traces:
        serve(config.monitor, connect, replace(site, spans=traces.spans), announce)


def _traces(config: "Config", results: str | None) -> "Traces":
    """What makes traces of results and sends them to the collector.

    Raises:
        BadConfig: Only the daemon knows the port of its results, or they ask for keys and there are none.
        MissingPackage: OpenTelemetry's.
    """
    need("opentelemetry.exporter.otlp.proto.http", "monitor")
    from phenostream.daemon.client.listener import Listener
    from phenostream.daemon.monitor.collector import OtlpCollector
    from phenostream.daemon.monitor.traces import Traces

    url = reached(results or config.results.endpoint, "results")
    keys = _keys(config, "results", config.results.endpoint)
    told = config.monitor
    instance = f"{platform.node()} {url}"
    collector = OtlpCollector(told.traces_to, metadata.version("phenostream"), instance)
    return Traces(lambda: Listener(url, "result", keys), collector, told.traces_one_in)


def _keys(config: "Config", section: str, endpoint: str) -> "ClientKeys | None":
    """Ours, for an endpoint that asks for them.

    Raises:
        BadConfig: It does, and there are none.
    """
    from phenostream.daemon.security.keys import ClientKeys

    if not config.is_keyed(section, endpoint):
        return None
    if config.monitor.keys is None:
        raise BadConfig(
            "monitor.keys: empty: allowed the folder of `phenostream keys client DIR --role subscriber`, as "
            f"{section}.endpoint {endpoint} asks for keys"
        )
    return ClientKeys.read(config.monitor.keys)
