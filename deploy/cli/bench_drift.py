"""`phenostream bench drift`: false alarms of the watch for drift, and what it finds of planted drifts."""

import argparse

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

_LEAST_FRAMES = 80


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare its arguments."""
    parser.add_argument("--bundle", default="demo", help="bundle directory, or demo (default demo)")
    parser.add_argument(
        "--frames",
        type=int,
        default=240,
        help="simulated frames of 1024 x 1024 of each stream (default 240)",
    )


def measure(args: argparse.Namespace) -> int:
    """Run it."""
    from phenostream.deploy.bench.drift import DriftPlan, measure_drift
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.microscope import cache_folder
    from phenostream.engine.backends.registry import open_backend
    from phenostream.engine.bundle import load_bundle

    if args.frames < _LEAST_FRAMES:
        raise BadConfig(f"--frames {args.frames}: allowed {_LEAST_FRAMES} or more")
    bundle = load_bundle(bundle_path(args.bundle).resolve())
    backend = open_backend(bundle, streams=1)
    plan = DriftPlan(args.frames)
    try:
        with progress(plan.steps, "bench drift", "frame") as bar:
            rows = measure_drift(bundle, backend, cache_folder(), plan, bar.update)
    finally:
        backend.close()
    if args.json:
        say_json([row.as_dict() for row in rows])
        return 0
    say(
        f"{args.frames} simulated frames of each stream, {backend.name} {backend.precision}; windows are drawn from "
        "them again and again. Synthetic."
    )
    say_table(
        [
            "stream",
            "against",
            "tolerance",
            "windows",
            "beyond [95 %]",
            "runs alarmed",
            "most often",
        ],
        [
            (
                row.stream,
                row.against,
                row.tolerance,
                row.windows,
                f"{row.beyond:g} [{row.low:g}, {row.high:g}]",
                row.alarmed,
                ", ".join(f"{code} {share:g}" for code, share in row.first) or "-",
            )
            for row in rows
        ],
    )
    return 0
