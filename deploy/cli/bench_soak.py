"""`phenostream bench soak`: does a daemon stay the same over very many frames?"""

import argparse
import time

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import note, progress, say, say_json, say_table


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument("--bundle", default="demo", metavar="DIR", help="model (default: demo)")
    parser.add_argument(
        "--frames", type=int, default=150_000, help="frames of one run (default 150000)"
    )
    parser.add_argument("--size", type=int, default=128, help="side of a frame (default 128)")
    parser.add_argument("--cells", type=int, default=4, help="objects in a frame (default 4)")


def measure(args: argparse.Namespace) -> int:
    """Send, watch the process, print; exit code 1 at a breach."""
    from phenostream.deploy.bench.soak import SAMPLES, measure_soak, small_microscope
    from phenostream.deploy.bundles import bundle_path

    began_s = time.monotonic()
    with bench_stage.scratch() as folder, progress(args.frames, "bench soak", "frame") as bar:
        soak = measure_soak(
            str(bundle_path(args.bundle).resolve()),
            small_microscope(args.size, args.cells),
            folder,
            frames=args.frames,
            on_frame=bar.update,
        )
    took_s = round(time.monotonic() - began_s, 1)
    if args.json:
        say_json({"box": bench_stage.box(), "took_s": took_s, **soak.as_dict()})
    else:
        bench_stage.say_box()
        say(
            f"{args.frames} simulated frames of 4 x {args.size}^2 on the fake backend, {took_s:g} s"
        )
        shown = soak.samples[:: SAMPLES // 12 or 1]
        say_table(
            ["frames", "resident MiB", "descriptors", "threads"],
            [(s.frames, f"{s.resident_mib:.2f}", s.descriptors, s.threads) for s in shown],
        )
        say(f"from the middle on: {soak.slope_mib:+.3f} MiB per 10,000 frames")
    for breach in soak.breaches:
        note(f"BREACH: {breach}")
    return 1 if soak.breaches else 0
