"""`phenostream bench engine`: how fast the bare engine is here, and how far from what the box can do.

By default a grid of streams and batches. With --all every backend in every precision, each in its own best way, with
ratios and with what was promised; with --roofline also how far each is from the box's measured ceilings.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.bench.contest import Contest, Spread
    from phenostream.deploy.bench.promises import Promise
    from phenostream.deploy.bench.roofline import Roofline

_STREAMS, _BATCHES = (1, 2), (1, 16, 32, 128)
"""Of the grid; with --all each backend tries what the daemon's calibration tries."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_bundle(parser)
    parser.add_argument(
        "--backend",
        action="append",
        metavar="NAME",
        help="only these (default: openvino, onnxruntime; with --all and --roofline: every one)",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="every backend in every precision, each in its own best way, in turns; with ratios and promises",
    )
    parser.add_argument(
        "--roofline",
        action="store_true",
        help="as --all, and what a cell asks for beside the box's measured matrix and memory ceilings",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="with --roofline: draw it, as SVG"
    )
    parser.add_argument("--rounds", type=int, help="repeats of every row (default 3; --all: 5)")
    parser.add_argument("--streams", type=_numbers(64), help="calls at once (default 1,2)")
    parser.add_argument("--batches", type=_numbers(4096), help="crops a call (default 1,16,32,128)")
    parser.add_argument(
        "--compile", action="store_true", help="torch on a GPU: compile the graph first"
    )


def measure(args: argparse.Namespace) -> int:
    """Time and print; exit code 1 where no backend loads."""
    if args.picture is not None and not args.roofline:
        raise BadConfig(f"--picture {args.picture}: allowed with --roofline")
    return _every_backend(args) if args.all or args.roofline else _grid(args)


def _grid(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.engine import measure_engine
    from phenostream.deploy.bundles import bundle_path
    from phenostream.engine.bundle import load_bundle

    names = args.backend or ["openvino", "onnxruntime"]
    streams, batches, rounds = args.streams or _STREAMS, args.batches or _BATCHES, args.rounds or 3
    bundle = load_bundle(bundle_path(args.bundle))
    steps = len(names) * len(streams) * len(batches) * rounds
    with progress(steps, "bench engine", "timing") as bar:
        rows, absent = measure_engine(
            bundle,
            names,
            streams=streams,
            batches=batches,
            rounds=rounds,
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


def _every_backend(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.contest import Effort, steps
    from phenostream.deploy.bench.entrants import every_entrant
    from phenostream.deploy.bench.every_backend import measure_every_backend
    from phenostream.deploy.bench.promises import promises
    from phenostream.deploy.bench.roofline_picture import write_picture
    from phenostream.deploy.bundles import bundle_path
    from phenostream.engine.bundle import load_bundle

    box = bench_stage.box()
    bundle, effort = load_bundle(bundle_path(args.bundle)), Effort(rounds=args.rounds or 5)
    entrants = every_entrant(args.backend or ())
    probes = 1 + len({entrant.precision for entrant in entrants}) if args.roofline else 0
    with progress(steps(len(entrants), probes, effort), "bench engine", "timing") as bar:

        def on_step(what: str) -> None:
            bar.set_postfix_str(what, refresh=False)
            bar.update()

        contest, found = measure_every_backend(
            bundle,
            entrants,
            effort,
            streams=args.streams,
            batches=args.batches,
            compile=args.compile,
            with_roofline=args.roofline,
            on_step=on_step,
        )
    told = promises(contest, amx="amx_bf16" in box["extensions"])
    if found is not None and args.picture is not None:
        write_picture(args.picture, found)
    if args.json:
        roof = {} if found is None else {"roofline": found.as_dict()}
        kept = [one.as_dict() for one in told]
        say_json({"box": box, **contest.as_dict(), "promises": kept, **roof})
    else:
        bench_stage.say_box()
        _say_contest(contest, told)
        if found is not None:
            _say_roofline(found)
    return 0 if contest.standings else 1


def _say_contest(contest: "Contest", told: Sequence["Promise"]) -> None:
    from phenostream.deploy.bench.contest import ONNXRUNTIME, TORCH

    references = [contest.of(reference) for reference in (TORCH, ONNXRUNTIME)]
    rounds = len(contest.standings[0].rates) if contest.standings else 0
    say(
        f"each in its own best way, {rounds} rounds in turns; median (least to most), ratios within rounds; "
        "a lone cell: one caller, nothing else running"
    )
    say_table(
        ["backend", "streams", "threads", "batch", "cells/s", "least", "most", "CPU ms/cell",
         "÷ torch fp32", "÷ onnxruntime fp32", "lone p50 ms", "lone p99 ms", "golden difference"],
        [
            (one.entrant.label, one.way.streams, one.way.threads, one.way.batch,
             one.cells_per_s.median, one.cells_per_s.least, one.cells_per_s.most, one.cpu_ms_per_cell,
             *("-" if other is None else _spread(one.ratio_to(other)) for other in references),
             one.lone_p50_ms, one.lone_p99_ms, f"{one.golden:.1e}")
            for one in contest.standings
        ],
    )  # fmt: skip
    reasons: dict[str, list[str]] = {}
    for label, why in contest.absent.items():
        reasons.setdefault(why, []).append(label)
    for why, labels in reasons.items():
        say(f"{', '.join(labels)}: not measured: {why}")
    for one in told:
        verdict = {None: "NOT MEASURED", True: "met", False: "NOT MET"}[one.met]
        found = "" if one.found is None else f" {_spread(one.found)} ({one.by})"
        wanted = "at most" if one.at_most else "at least"
        say(f"{verdict}: {one.what}:{found}; promised {wanted} {one.bound:,g}")


def _say_roofline(found: "Roofline") -> None:
    from phenostream.deploy.bench.operations import PRODUCTS

    work = found.work
    say()
    say(
        f"one cell: {work.total / 1e6:,.1f} million operations, {work.products / work.total:.2%} of them in "
        f"products; {work.weights:,} weights; {work.values_in_out:,} values in and out"
    )
    say_table(
        ["kind", "operations", "share"],
        [(kind, f"{count:,}", f"{count / work.total:.3%}")
         for kind, count in sorted(work.operations.items(), key=lambda pair: (pair[0] not in PRODUCTS, -pair[1]))],
    )  # fmt: skip
    say()
    say_table(
        ["ceiling", "G/s", "least", "most", "of", "measured as"],
        [(roof.label, *(f"{value / 1e9:,.1f}" for value in _values(roof.per_s)), roof.unit, roof.how)
         for roof in found.roofs],
    )  # fmt: skip
    for label, why in found.absent.items():
        say(f"{label}: not measured: {why}")
    say()
    say_table(
        ["backend", "G operations/s", "of matrix ceiling", "operations/byte, unfused to least",
         "of memory ceiling, least bytes", "if nothing were fused or cached"],
        [(place.label, f"{place.operations_per_s / 1e9:,.1f}", _share(place.of_matrix),
          f"{place.intensity[0]:,.0f} to {place.intensity[1]:,.0f}", _share(place.of_memory_least),
          _share(place.of_memory_unfused)) for place in found.places],
    )  # fmt: skip
    say(
        "a share above 100 % of the last column cannot be: fusion and caches keep values from memory"
    )


def _values(spread: "Spread") -> tuple[float, float, float]:
    return spread.median, spread.least, spread.most


def _spread(spread: "Spread") -> str:
    return "{:,.2f} ({:,.2f} to {:,.2f})".format(*_values(spread))


def _share(spread: Any) -> str:
    return "-" if spread is None else "{:.1%} ({:.1%} to {:.1%})".format(*_values(spread))


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
