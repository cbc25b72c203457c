"""Measure this box: engine, pipeline, latency or detection.

Every figure is a median of interleaved rounds in one run, printed with the box it was measured on. Compare ratios, not
absolutes: the machine may be busy.

Examples:
  phenostream bench engine
  phenostream bench pipeline --size 2048 --cells 200
  phenostream bench latency
  phenostream bench detect --truth truth.json --results got.jsonl
"""

import argparse
from collections.abc import Callable
from typing import Any

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the four benchmarks."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, (declare, measure, help_line) in _KINDS.items():
        sub = kinds.add_parser(name, help=help_line, description=help_line)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        declare(sub)
        sub.set_defaults(measure=measure)


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark."""
    measure: Callable[[argparse.Namespace], int] = args.measure
    return measure(args)


def _declare_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle", default="demo", metavar="DIR", help="model bundle (default: demo)"
    )
    parser.add_argument(
        "--backend",
        action="append",
        metavar="NAME",
        help="only these (default: openvino, onnxruntime)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="repeats of every row (default 3)")


def _engine(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.engine import measure_engine
    from phenostream.deploy.bundles import bundle_path
    from phenostream.engine.bundle import load_bundle

    names = args.backend or ["openvino", "onnxruntime"]
    bundle = load_bundle(bundle_path(args.bundle))
    with progress(len(names) * 8 * args.rounds, "bench engine", "timing") as bar:
        rows, absent = measure_engine(bundle, names, rounds=args.rounds, on_step=bar.update)
    if args.json:
        say_json({"box": _box(), "rows": [row.as_dict() for row in rows], "absent": absent})
        return 0 if rows else 1
    _say_box()
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


def _box() -> dict[str, Any]:
    from phenostream.deploy.bench.box import describe_box

    return describe_box()


def _say_box() -> None:
    from phenostream.deploy.bench.box import describe_in_a_line

    say(describe_in_a_line(_box()))


_Declare = Callable[[argparse.ArgumentParser], None]
_Measure = Callable[[argparse.Namespace], int]
_KINDS: dict[str, tuple[_Declare, _Measure, str]] = {
    "engine": (_declare_engine, _engine, "the bare engine: cells/s by backend, streams and batch"),
}
