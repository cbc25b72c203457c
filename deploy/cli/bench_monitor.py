"""`phenostream bench monitor`: what metrics over HTTP cost."""

import argparse
import os
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.deploy.extras import need
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.bench.monitor import MonitorFigure

MOST_SCRAPE_MS: Final = 10.0
"""What a scrape may take."""
MOST_FALL_PERCENT: Final = 0.5
"""How much lower the throughput may be with a scrape a second."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_frames(parser, size=2048, cells=200, frames=60)
    parser.add_argument("--pairs", type=int, default=10, help="alternations (default 10)")
    parser.add_argument(
        "--scrapes", type=int, default=200, help="of an idle daemon, timed (default 200)"
    )


def measure(args: argparse.Namespace) -> int:
    """Measure and print."""
    for name in ("pairs", "scrapes", "frames"):
        if getattr(args, name) < 1:
            raise BadConfig(f"--{name} {getattr(args, name)}: allowed 1 or more")
    need("prometheus_client", "monitor")
    from phenostream.deploy.bench.monitor import measure_monitor
    from phenostream.deploy.bundles import bundle_path

    with (
        bench_stage.scratch() as folder,
        progress(1 + 2 * args.pairs, "bench monitor", "run") as bar,
    ):
        figure = measure_monitor(
            str(bundle_path(args.bundle).resolve()),
            bench_stage.microscope(args),
            folder,
            scrapes=args.scrapes,
            pairs=args.pairs,
            frames=args.frames,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": bench_stage.box(), **figure.as_dict()})
        return 0
    bench_stage.say_box()
    _say(args, figure)
    return 0


def _say(args: argparse.Namespace, figure: "MonitorFigure") -> None:
    say_table(
        ["a scrape", "p50, ms", "p99, ms", "of"],
        [
            ("of an idle daemon", *figure.idle_ms, figure.idle_scrapes),
            ("of a busy one", *figure.busy_ms, figure.busy_scrapes),
        ],
    )
    say(
        f"{_met(figure.idle_ms[1], MOST_SCRAPE_MS)} {MOST_SCRAPE_MS:g} ms; {figure.body_bytes} bytes; CPU time of one: "
        f"{figure.daemon_cpu_ms:g} ms of the daemon, {figure.monitor_cpu_ms:g} ms of the monitor"
    )
    cores = len(os.sched_getaffinity(0))
    share = (
        (figure.daemon_cpu_ms + figure.monitor_cpu_ms) / 10 / cores
    )  # % of the cores, at one a second
    middle, low, high = figure.change_percent
    say(
        f"cells/s with a scrape a second, {args.pairs} alternating pairs of {args.frames} frames of 4 x {args.size}^2: "
        f"{middle:+g} % (quartiles {low:+g} to {high:+g}), {_met(-middle, MOST_FALL_PERCENT)} the "
        f"{MOST_FALL_PERCENT:g} % that they may fall; both processes give {share:.2f} % of the cores to it"
    )


def _met(figure: float, most: float) -> str:
    return "within" if figure < most else "MISSED:"
