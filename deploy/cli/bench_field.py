"""`phenostream bench field`: how well shading and dust are divided out, what it costs, what large pixels cost."""

import argparse
from collections.abc import Callable
from contextlib import closing
from typing import Any, Final

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table

PARTS: Final = ("quality", "time", "pixels")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument("--bundle", default="demo", metavar="DIR", help="model (default: demo)")
    parser.add_argument(
        "--part", choices=PARTS, action="append", help="only this (default: all three)"
    )
    parser.add_argument("--quick", action="store_true", help="small frames: to try it, not to cite")


def measure(args: argparse.Namespace) -> int:
    """Run the chosen parts and print their tables."""
    from phenostream.deploy.bench.box import describe_box, describe_in_a_line

    parts = args.part or list(PARTS)
    measured = {part: _PARTS[part](args) for part in PARTS if part in parts}
    if args.json:
        told = {part: [row.as_dict() for row in rows] for part, rows in measured.items()}
        say_json({"box": describe_box(), "synthetic": True, **told})
        return 0
    say(describe_in_a_line(describe_box()))
    for part, rows in measured.items():
        say()
        _TABLES[part](rows)
    return 0


def _quality(args: argparse.Namespace) -> list[Any]:
    from phenostream.deploy.bench.field import cases, measure_field
    from phenostream.deploy.microscope import cache_folder

    chosen = list(cases(quick=args.quick))
    frames = sum(2 * case.gathered + case.judged for case in chosen)
    with progress(frames, "bench field", "frame") as bar:
        return [row for case in chosen for row in measure_field(case, cache_folder(), bar.update)]


def _time(args: argparse.Namespace) -> list[Any]:
    from phenostream.deploy.bench.reduction import measure_reduction
    from phenostream.deploy.microscope import cache_folder

    size_px, cells = (512, 12) if args.quick else (2048, 200)
    with progress(30, "bench field", "round") as bar:
        return list(measure_reduction(cache_folder(), size_px, cells, bar.update))


def _pixels(args: argparse.Namespace) -> list[Any]:
    from phenostream.deploy.bench.pixels import PIXELS_UM, measure_pixels
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.microscope import cache_folder
    from phenostream.engine.backends.registry import open_backend
    from phenostream.engine.bundle import load_bundle

    frames = 1 if args.quick else 8
    bundle = load_bundle(bundle_path(args.bundle))
    with (
        closing(open_backend(bundle, "auto", streams=1, max_batch=64)) as backend,
        progress(2 * len(PIXELS_UM) * frames, "bench field", "frame") as bar,
    ):
        return list(measure_pixels(bundle, backend, cache_folder(), frames, bar.update))


def _say_quality(rows: list[Any]) -> None:
    case = rows[0].case
    say(
        f"SYNTHETIC 4 x {case.size_px}^2 at {case.pixel_size_um} um with dust; against the same frames divided by the "
        f"true field; {case.judged} frames after {case.gathered} gathered; percent, rms"
    )
    say_table(
        ["shading p-p %", "objects", "divided by", "field", "contrast of crops", "on dust", "found", "invented"],
        [(r.shading_pp, r.case.cells, r.method, r.field_error, r.contrast_error, r.dust_error, r.found, r.invented)
         for r in rows],
    )  # fmt: skip


def _say_time(rows: list[Any]) -> None:
    say(
        f"CPU ms a frame on one core, medians; {rows[0].cells} cells found in 4 x {rows[0].size_px}^2; the last two: "
        "reduce + detect + crop over reading the bytes"
    )
    say_table(
        ["um/px", "kernel", "read", "light", "own surface", "background", "detect + crop", "freeze once",
         "own / read", "background / read"],
        [(r.pixel_size_um, r.kernel, r.read_ms, r.light_ms, r.own_ms, r.given_ms, r.rest_ms, r.freeze_ms,
          r.total_to_read, r.total_given_to_read) for r in rows],
    )  # fmt: skip


def _say_pixels(rows: list[Any]) -> None:
    say("SYNTHETIC cells, the same at every pixel; the daemon takes up to 0.9 um")
    say_table(
        ["preset", "um/px", "cells", "recall", "precision", "white cells", "class accuracy", "red cells rejected"],
        [(r.preset, r.pixel_size_um, r.cells, r.recall, r.precision, r.white, r.class_accuracy,
          "none" if r.red_rejected is None else r.red_rejected) for r in rows],
    )  # fmt: skip


_PARTS: dict[str, Callable[[argparse.Namespace], list[Any]]] = {
    "quality": _quality,
    "time": _time,
    "pixels": _pixels,
}
_TABLES: dict[str, Callable[[list[Any]], None]] = {
    "quality": _say_quality,
    "time": _say_time,
    "pixels": _say_pixels,
}
