"""`phenostream bench latency`: what the daemon adds to the engine, and whether a stopped subscriber changes it."""

import argparse
from typing import Any

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_frames(parser, size=512, cells=24, frames=1000)
    parser.add_argument(
        "--load", type=float, default=0.5, help="share of the capacity (default 0.5)"
    )
    parser.add_argument(
        "--stopped-subscriber",
        action="store_true",
        help="alternate: without and with a subscriber that is sent SIGSTOP",
    )
    parser.add_argument(
        "--pairs", type=int, default=10, help="alternations of --stopped-subscriber (default 10)"
    )


def measure(args: argparse.Namespace) -> int:
    """Measure and print."""
    if not 0.01 <= args.load <= 0.95:
        raise BadConfig(f"--load {args.load:g}: allowed 0.01 to 0.95")
    if args.pairs < 1:
        raise BadConfig(f"--pairs {args.pairs}: allowed 1 or more")
    return _stopped(args) if args.stopped_subscriber else _latency(args)


def _latency(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.latency import measure_latency

    with bench_stage.scratch() as folder, progress(args.frames, "bench latency", "frame") as bar:
        figure = measure_latency(
            _bundle(args),
            bench_stage.microscope(args),
            folder,
            frames=args.frames,
            load=args.load,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": bench_stage.box(), **figure.as_dict()})
        return 0
    bench_stage.say_box()
    say(
        f"{figure.frames} simulated frames of 4 x {figure.size_px}^2 with {figure.cells_per_frame:g} cells, Poisson "
        f"arrivals at {figure.offered_fps:g} of {figure.capacity_fps:g} frames/s, to a subscriber on the same box"
    )
    say_table(
        ["milliseconds", "p50", "p99"],
        [
            ("added by the daemon (whole - inference)", figure.added_p50_ms, figure.added_p99_ms),
            ("whole: last byte received to subscriber", figure.whole_p50_ms, figure.whole_p99_ms),
            (
                "fdatasync of 4 KiB in the same folder, before",
                figure.fdatasync_p50_ms,
                figure.fdatasync_p99_ms,
            ),
        ],
    )
    return 0


def _stopped(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.stopped_subscriber import measure_stopped

    with bench_stage.scratch() as folder, progress(2 * args.pairs, "bench latency", "run") as bar:
        figure = measure_stopped(
            _bundle(args),
            bench_stage.microscope(args),
            folder,
            frames=args.frames,
            load=args.load,
            pairs=args.pairs,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": bench_stage.box(), **figure.as_dict()})
        return 0
    bench_stage.say_box()
    say(
        f"{args.pairs} pairs of {figure.frames} simulated frames of 4 x {figure.size_px}^2, Poisson arrivals at "
        f"{figure.offered_fps:g} of {figure.capacity_fps:g} frames/s; added by the daemon, milliseconds"
    )
    columns: list[list[Any]] = [["p99", figure.p99_ms, figure.p99_ratio]]
    columns.append(["p50", figure.p50_ms, figure.p50_ratio])
    say_table(
        ["what", "without, median", "stopped, median", "ratio of pairs, median", "lower quartile", "upper quartile"],
        [
            (name, _median([a for a, _ in pairs]), _median([b for _, b in pairs]), *ratio)
            for name, pairs, ratio in columns
        ],
    )  # fmt: skip
    first, last = figure.resident_mib
    say(
        f"daemon's resident memory: {first:g} MiB before the first pair, {last:g} MiB after the last"
    )
    return 0


def _median(values: list[float]) -> float:
    import statistics

    return round(statistics.median(values), 3)


def _bundle(args: argparse.Namespace) -> str:
    from phenostream.deploy.bundles import bundle_path

    return str(bundle_path(args.bundle).resolve())
