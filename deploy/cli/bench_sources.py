"""`phenostream bench sources`: is the account of a source that nobody answers exact, also beyond capacity?"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument("--bundle", default="demo", metavar="DIR", help="model (default: demo)")
    parser.add_argument("--size", type=int, default=512, help="side of a frame (default 512)")
    parser.add_argument("--cells", type=int, default=20, help="objects in a frame (default 20)")
    parser.add_argument("--frames", type=int, default=300, help="frames a run (default 300)")
    parser.add_argument("--rounds", type=int, default=3, help="runs each way (default 3)")


def measure(args: argparse.Namespace) -> int:
    """Send, compare and print; exit code 1 when an account is not exact."""
    from phenostream.deploy.bench.box import describe_box, describe_in_a_line
    from phenostream.deploy.bench.sources import WAYS, measure_sources
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope, cache_folder

    settings = MicroscopeSettings(size_px=args.size, cells=args.cells, preset="hard")
    microscope = SimulatedMicroscope(settings, cache_folder())
    with (
        TemporaryDirectory(prefix="phenostream-") as folder,
        progress(len(WAYS) * args.rounds, "bench sources", "run") as bar,
    ):
        runs = measure_sources(
            str(bundle_path(args.bundle).resolve()),
            microscope,
            Path(folder),
            frames=args.frames,
            rounds=args.rounds,
            on_step=bar.update,
        )
    good = all(run.exact for run in runs)
    if args.json:
        say_json({"box": describe_box(), "exact": good, "runs": [run.as_dict() for run in runs]})
        return 0 if good else 1
    say(describe_in_a_line(describe_box()))
    say(f"{args.frames} simulated frames of 4 x {args.size}^2 a run, sent as fast as they go")
    say_table(
        ["way", "sent/s", "sent", "twice", "received", "missing", "duplicates", "recorded", "exact"],
        [(r.way, r.sent_per_s, r.sent, r.twice, r.received, r.missing, r.duplicates, r.recorded,
          "yes" if r.exact else "NO") for r in runs],
    )  # fmt: skip
    return 0 if good else 1
