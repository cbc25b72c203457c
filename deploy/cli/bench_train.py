"""`phenostream bench train`: cells a second of the training loop, beside a plain float32 loop in the same run."""

import argparse

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument("--steps", type=int, default=4, help="of 64 cells, a round (default 4)")
    parser.add_argument("--rounds", type=int, default=5, help="repeats of every row (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="cores to train on (default 1)")
    parser.add_argument(
        "--compile", action="store_true", help="also through torch.compile (needs a C++ compiler)"
    )


def measure(args: argparse.Namespace) -> int:
    """Time the loop."""
    from pathlib import Path

    from phenostream.deploy.extras import need

    need("torch", "trainer")
    from phenostream.trainer.training.settings import TrainSettings
    from phenostream.trainer.training.speed import count_ways, measure_training

    settings = TrainSettings(out=Path("unused"), threads=args.threads)
    total = count_ways(args.compile) * (args.rounds + 1)
    with progress(total, "bench train", "timing") as bar:
        rows = measure_training(settings, args.steps, args.rounds, args.compile, bar.update)
    if args.json:
        say_json({"box": bench_stage.box(), "rows": [row.as_dict() for row in rows]})
        return 0
    bench_stage.say_box()
    say(f"training steps on noise, {args.rounds} interleaved rounds on {args.threads} thread(s);")
    say("ratios to the first row, of CPU time on one thread of a CPU, else of elapsed time")
    say_table(
        ["loop", "batch", "cells/s", "CPU ms/cell", "ratio", "least", "most"],
        [(r.name, r.batch, r.cells_per_s, r.cpu_ms_per_cell, r.ratio, r.low, r.high) for r in rows],
    )
    return 0
