"""`phenostream bench engine`: how fast the bare engine is here, by backend, streams and batch."""

import argparse
from collections.abc import Callable

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_bundle(parser)
    parser.add_argument(
        "--backend",
        action="append",
        metavar="NAME",
        help="only these (default: openvino, onnxruntime)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="repeats of every row (default 3)")
    parser.add_argument(
        "--streams", type=_numbers(64), default=(1, 2), help="calls at once, such as 1,2 (default)"
    )
    parser.add_argument(
        "--batches",
        type=_numbers(4096),
        default=(1, 16, 32, 128),
        help="crops a call, such as 1,16,32,128 (default)",
    )
    parser.add_argument(
        "--compile", action="store_true", help="torch on a GPU: compile the graph first"
    )


def measure(args: argparse.Namespace) -> int:
    """Time every combination and print the table; exit code 1 where no backend loads."""
    from phenostream.deploy.bench.engine import measure_engine
    from phenostream.deploy.bundles import bundle_path
    from phenostream.engine.bundle import load_bundle

    names = args.backend or ["openvino", "onnxruntime"]
    bundle = load_bundle(bundle_path(args.bundle))
    steps = len(names) * len(args.streams) * len(args.batches) * args.rounds
    with progress(steps, "bench engine", "timing") as bar:
        rows, absent = measure_engine(
            bundle,
            names,
            streams=args.streams,
            batches=args.batches,
            rounds=args.rounds,
            compile=args.compile,
            on_step=bar.update,
        )
    if args.json:
        say_json(
            {"box": bench_stage.box(), "rows": [row.as_dict() for row in rows], "absent": absent}
        )
        return 0 if rows else 1
    bench_stage.say_box()
    say_table(
        ["backend", "precision", "streams", "batch", "cells/s", "least", "most", "CPU ms/cell", "of best"],
        [
            (r.backend, r.precision, r.streams, r.batch, r.cells_per_s, r.low, r.high,
             r.cpu_ms_per_cell, r.cells_per_s / rows[0].cells_per_s)
            for r in rows
        ],
    )  # fmt: skip
    for name, why in absent.items():
        say(f"{name}: not measured: {why}")
    return 0 if rows else 1


def _numbers(most: int) -> Callable[[str], tuple[int, ...]]:
    def parse(text: str) -> tuple[int, ...]:
        try:
            numbers = tuple(int(part) for part in text.split(","))
        except ValueError:
            numbers = ()
        if not numbers or not all(1 <= number <= most for number in numbers):
            raise argparse.ArgumentTypeError(f"{text!r}: allowed numbers from 1 to {most}, as 1,2")
        return numbers

    return parse
