"""`phenostream bench shots`: what it costs that a frame comes as single shots instead of whole."""

import argparse

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_frames(parser, size=2048, cells=200, frames=40)
    parser.add_argument("--rounds", type=int, default=11, help="alternations (default 11)")


def measure(args: argparse.Namespace) -> int:
    """Alternate both ways of sending, compare and print."""
    from phenostream.deploy.bench.shots import measure_shots
    from phenostream.deploy.bundles import bundle_path

    steps = 2 * args.rounds
    with bench_stage.scratch() as folder, progress(steps, "bench shots", "run") as bar:
        figure = measure_shots(
            str(bundle_path(args.bundle).resolve()),
            bench_stage.microscope(args),
            folder,
            frames=args.frames,
            rounds=args.rounds,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": bench_stage.box(), **figure.as_dict()})
        return 0
    bench_stage.say_box()
    say(
        f"{figure.frames} simulated frames of 4 x {figure.size_px}^2 with {figure.cells_per_frame:g} model cells, "
        f"{figure.rounds} alternating rounds, sender on the same cores over ipc; single shots / whole frames"
    )
    say_table(
        ["what", "whole", "single", "ratio", "lower quartile", "upper quartile", "least", "most"],
        [
            (
                one.name,
                one.whole,
                one.single,
                one.ratio,
                one.quartiles[0],
                one.quartiles[1],
                one.low,
                one.high,
            )
            for one in figure.comparisons
        ],
    )
    return 0
