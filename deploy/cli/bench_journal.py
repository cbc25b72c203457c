"""`phenostream bench journal`: the start of a daemon by its journal's length, and what the journal costs a frame."""

import argparse

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_frames(parser, size=512, cells=24, frames=200)
    parser.add_argument("--rounds", type=int, default=9, help="alternations (default 9)")
    parser.add_argument(
        "--start-rounds", type=int, default=3, help="starts of each journal, each way (default 3)"
    )
    parser.add_argument(
        "--records", type=int, default=1_000_000, help="of the longest journal (default 1000000)"
    )


def measure(args: argparse.Namespace) -> int:
    """Time both and print."""
    from phenostream.daemon.run_id import new_run_id
    from phenostream.deploy.bench.journal import lengths, measure_start, measure_throughput
    from phenostream.deploy.bundles import bundle_path
    from phenostream.engine.bundle import load_bundle

    for flag, value in (("--rounds", args.rounds), ("--start-rounds", args.start_rounds)):
        if value < 1:
            raise BadConfig(f"{flag} {value}: allowed 1 or more")
    path = bundle_path(args.bundle).resolve()
    microscope = bench_stage.microscope(args)
    steps = args.start_rounds * len(list(lengths(args.records))) + 2 * args.rounds
    with bench_stage.scratch() as folder, progress(steps, "bench journal", "run") as bar:
        bundle, start = load_bundle(path), microscope.start(new_run_id(), None)
        starts = [
            measure_start(bundle, start, folder, count, args.start_rounds, bar.update)
            for count in lengths(args.records)
        ]
        figure = measure_throughput(
            str(path),
            microscope,
            folder,
            frames=args.frames,
            rounds=args.rounds,
            on_step=bar.update,
        )
    if args.json:
        found = {"starts": [one.as_dict() for one in starts], "throughput": figure.as_dict()}
        say_json({"box": bench_stage.box(), **found})
        return 0
    bench_stage.say_box()
    say_table(
        ["records", "MB", "read all, s", "from checkpoint, s", "ratio"],
        [(one.records, one.megabytes, one.without_s, one.with_s, one.ratio) for one in starts],
    )
    say()
    say(
        f"{figure.frames} simulated frames of 4 x {figure.size_px}^2 with {figure.cells_per_frame:g} model cells, "
        f"{len(figure.ratios)} alternating rounds, sender on the same cores over ipc"
    )
    say_table(
        ["frames/s with", "without", "with / without", "least", "most"],
        [
            (
                figure.with_fps,
                figure.without_fps,
                figure.ratio,
                min(figure.ratios),
                max(figure.ratios),
            )
        ],
    )
    return 0
