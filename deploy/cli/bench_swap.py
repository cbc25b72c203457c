"""`phenostream bench swap`: what a change of models costs the frames that come meanwhile."""

import argparse

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import note, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

MOST_PERCENT = 10.0
"""How much larger the p99 may be during a swap."""
_ANY_SLOWDOWN = 1000.0
"""The models are twins: one that seems slower for a moment is no reason to end the benchmark."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_frames(parser, size=512, cells=24, frames=1800)
    parser.add_argument(
        "--load", type=float, default=0.5, help="share of the capacity (default 0.5)"
    )
    parser.add_argument("--pairs", type=int, default=10, help="alternations (default 10)")
    parser.add_argument(
        "--compare", type=int, default=500, help="live cells of a comparison (default 500)"
    )


def measure(args: argparse.Namespace) -> int:
    """Measure and print; exit code 1 where a frame was dropped or the models alternated."""
    if not 0.01 <= args.load <= 0.95:
        raise BadConfig(f"--load {args.load:g}: allowed 0.01 to 0.95")
    if args.pairs < 1:
        raise BadConfig(f"--pairs {args.pairs}: allowed 1 or more")
    if args.compare < 1:
        raise BadConfig(f"--compare {args.compare}: allowed 1 or more")
    from phenostream.deploy.bench.swap import measure_swap
    from phenostream.deploy.bundles import bundle_path

    with bench_stage.scratch() as folder, progress(2 * args.pairs, "bench swap", "run") as bar:
        figure = measure_swap(
            bundle_path(args.bundle).resolve(),
            bench_stage.microscope(args),
            folder,
            frames=args.frames,
            load=args.load,
            pairs=args.pairs,
            terms={"cells": args.compare, "max_slowdown": _ANY_SLOWDOWN},
            on_step=bar.update,
        )
    wrong = figure.unpublished or figure.turned_back
    if args.json:
        say_json({"box": bench_stage.box(), "good": not wrong, **figure.as_dict()})
        return 1 if wrong else 0
    bench_stage.say_box()
    say(
        f"{args.pairs} pairs of {figure.frames} simulated frames of 4 x {figure.size_px}^2, Poisson arrivals at "
        f"{figure.offered_fps:g} of {figure.capacity_fps:g} frames/s; last byte received to subscriber, milliseconds"
    )
    say_table(
        ["frames that arrived", "frames", "p50 without", "p50 with", "p99 without", "p99 with"],
        [(f"while {one.phase}", one.frames, *one.p50_ms, *one.p99_ms) for one in figure.phases],
    )
    middle, low, high = figure.p99_percent
    took = sorted(pair.took_s for pair in figure.pairs)
    met = "within" if middle < MOST_PERCENT else "MISSED:"
    say(
        f"added p99 during a swap: {middle:+g} % (quartiles {low:+g} to {high:+g} over the pairs), {met} the "
        f"promised {MOST_PERCENT:g} %; pooled {figure.pooled_p99_ms[0]:g} → {figure.pooled_p99_ms[1]:g} ms"
    )
    say(f"a swap took {took[0]:g} to {took[-1]:g} s; frames not published: {figure.unpublished}")
    if wrong:
        note(
            f"BREACH: {figure.unpublished} frames not published, the model changed "
            f"{figure.turned_back} times more often than it was swapped"
        )
    return 1 if wrong else 0
