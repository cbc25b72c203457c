"""`phenostream bench ingest`: how fast acknowledged frames get in over ipc, plain tcp, and tcp under CURVE."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument("--bundle", default="demo", metavar="DIR", help="model (default: demo)")
    parser.add_argument("--size", type=int, default=512, help="side of a frame (default 512)")
    parser.add_argument("--frames", type=int, default=200, help="frames a run (default 200)")
    parser.add_argument("--rounds", type=int, default=5, help="runs each way (default 5)")


def measure(args: argparse.Namespace) -> int:
    """Send and print."""
    from phenostream.deploy.bench.box import describe_box, describe_in_a_line
    from phenostream.deploy.bench.ingest import WAYS, measure_ingest
    from phenostream.deploy.bundles import bundle_path

    if not 64 <= args.size <= 2048:
        raise BadConfig(f"--size {args.size}: allowed 64 to 2048")
    with (
        TemporaryDirectory(prefix="phenostream-") as folder,
        progress(len(WAYS) * args.rounds, "bench ingest", "run") as bar,
    ):
        ways = measure_ingest(
            str(bundle_path(args.bundle).resolve()),
            args.size,
            Path(folder),
            frames=args.frames,
            rounds=args.rounds,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": describe_box(), "ways": [way.as_dict() for way in ways]})
        return 0
    say(describe_in_a_line(describe_box()))
    say(
        f"{args.frames} synthetic frames of 4 x {args.size}^2 u16 without cells a run, {args.rounds} "
        "alternating rounds, sender on the same cores; until every frame is acknowledged"
    )
    say_table(
        ["way", "MB/s", "least", "most", "frames/s", "of ipc"],
        [(w.way, w.mb_per_s, w.low, w.high, w.frames_per_s, w.ratio) for w in ways],
    )
    return 0
