"""`phenostream bench detect`: time reduce, detect and crop; or score what is found against what is there."""

import argparse
from pathlib import Path

from phenostream.deploy.cli import bench_fields
from phenostream.deploy.cli.terminal import say, say_json, say_table
from phenostream.engine.errors import BadConfig


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument("--truth", type=Path, metavar="FILE", help="what `simulate --truth` wrote")
    parser.add_argument("--results", type=Path, metavar="FILE", help="what `watch --json` wrote")
    parser.add_argument(
        "--run", dest="run_id", metavar="RUN", help="which run, if the results hold several"
    )
    parser.add_argument(
        "--size", type=int, default=2048, help="timing: side of a frame (default 2048)"
    )
    parser.add_argument("--pixel-size-um", type=float, default=0.1715, help="timing: at the sample")
    parser.add_argument(
        "--cells", type=int, default=200, help="timing: objects in a frame (default 200)"
    )
    bench_fields.declare(parser)


def measure(args: argparse.Namespace) -> int:
    """Score what was detected against the truth, or time the frame path."""
    if args.fields is not None:
        _refuse_others(args, "--fields", ("truth", "results", "run_id", "recording"))
        return bench_fields.measure_fields(args)
    if args.out is not None:
        raise BadConfig("bench detect: --out goes with --fields")
    if args.recording is not None:
        _refuse_others(args, "--recording", ("results", "run_id"))
        if args.truth is None:
            raise BadConfig("bench detect: --recording goes with --truth")
        return bench_fields.measure_recording(args)
    if (args.truth is None) != (args.results is None):
        raise BadConfig(
            "bench detect: --truth goes with --results or --recording; none of them times the frame path"
        )
    return _time_frame_path(args) if args.truth is None else _score(args)


def _refuse_others(args: argparse.Namespace, name: str, others: tuple[str, ...]) -> None:
    for other in others:
        if getattr(args, other) is not None:
            raise BadConfig(f"bench detect: {name} goes without --{other.removesuffix('_id')}")


def _score(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.detect import score

    result = score(args.truth, args.results, args.run_id)
    short = result.shortfalls()
    if args.json:
        say_json({**result.as_dict(), "shortfalls": short})
        return 1 if short else 0
    say(
        f"{result.frames} frames, {'SYNTHETIC' if result.synthetic else 'real'} cells: {result.cells} white and red, "
        f"{result.matched} matched, {result.invented} invented"
    )
    say_table(
        ["recall", "precision", "centre error px", "95th percentile", "class accuracy", "of cells"],
        [(_known(result.recall), _known(result.precision), _known(result.centre_error_px),
          _known(result.centre_error_p95_px), _known(result.class_accuracy), result.class_cells)],
    )  # fmt: skip
    names = sorted({name for kind in result.kinds.values() for name in kind.called})
    say()
    say_table(
        ["true kind", "cells", "found", *(f"as {name}" for name in names)],
        [(kind, one.cells, one.found, *(one.called.get(name, 0) for name in names))
         for kind, one in result.kinds.items()],
    )  # fmt: skip
    say("ledger: exact" if result.ledger_seen and not result.ledger_faults else "ledger: see below")
    for line in short:
        say(f"SHORT: {line}")
    return 1 if short else 0


def _known(value: float | None) -> object:
    return "none" if value is None else value


def _time_frame_path(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.box import describe_box, describe_in_a_line
    from phenostream.deploy.bench.framepath import measure_framepath
    from phenostream.deploy.microscope import MicroscopeSettings, cache_folder
    from phenostream.engine.optics.orientation_window import SETTLED_EVERY

    settings = MicroscopeSettings(
        size_px=args.size, pixel_size_um=args.pixel_size_um, cells=args.cells
    )
    row = measure_framepath(settings, cache_folder())
    if args.json:
        say_json({"box": describe_box(), **row.as_dict()})
        return 0
    say(describe_in_a_line(describe_box()))
    say(
        f"CPU ms a frame on one core, medians; {row.cells} cells found in 4 x {row.size_px}^2 at {row.pixel_size_um} um"
    )
    say_table(
        ["read", "reduce", "detect", "crop", "reduce+detect+crop", "over reading"],
        [(row.read_ms, row.reduce_ms, row.detect_ms, row.crop_ms, row.total_ms, row.total_to_read)],
    )
    say(
        f"looking at the illumination {row.dipoles_ms:.2f} ms, for one frame in {SETTLED_EVERY}: "
        f"{row.dipoles_to_total:.1%} on top"
    )
    return 0
