"""`phenostream bench summariser`: what a language model that writes summaries costs the frames."""

import argparse
from typing import TYPE_CHECKING

from phenostream.deploy.cli import bench_stage
from phenostream.deploy.cli.terminal import note, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.bench.summariser import PairFigure, Plan, SummariserFigure

MOST_FALL_PERCENT = 10.0
"""How much lower the throughput may be beside a busy summariser, all cores in use."""
MOST_P99_PERCENT = 5.0
"""How much larger the added p99 may be, with a core to spare."""


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    bench_stage.declare_bundle(parser)
    parser.add_argument(
        "--llm",
        default="smollm2",
        metavar="NAME|PATH",
        help="language model: a name of fetch-llm, or a GGUF file (default smollm2)",
    )
    parser.add_argument(
        "--pairs",
        type=int,
        default=10,
        help="alternations, one to two minutes each on two cores (default 10)",
    )
    parser.add_argument(
        "--frames", type=int, default=60, help="frames of a throughput run (default 60)"
    )
    parser.add_argument(
        "--latency-frames", type=int, default=500, help="frames of a latency run (default 500)"
    )
    parser.add_argument(
        "--load", type=float, default=0.5, help="of the latency, share of capacity (default 0.5)"
    )


def measure(args: argparse.Namespace) -> int:
    """Measure and print; exit code 1 where frames were lost or the summariser was not busy."""
    if not 0.01 <= args.load <= 0.95:
        raise BadConfig(f"--load {args.load:g}: allowed 0.01 to 0.95")
    for name in ("pairs", "latency_frames"):
        if getattr(args, name) < 1:
            raise BadConfig(f"--{name.replace('_', '-')} {getattr(args, name)}: allowed 1 or more")
    from phenostream.deploy.bench.summariser import measure_summariser
    from phenostream.deploy.bench.without_summariser import FAULTS

    steps = 4 * args.pairs + len(FAULTS)
    with bench_stage.scratch() as folder, progress(steps, "bench summariser", "run") as bar:
        figure = measure_summariser(_plan(args), folder, on_step=bar.update)
    unpublished = sum(fault.unpublished for fault in figure.faults)
    good = figure.was_busy and not unpublished
    if args.json:
        say_json({"box": bench_stage.box(), "good": good, **figure.as_dict()})
    else:
        bench_stage.say_box()
        _say(args, figure)
        if not figure.was_busy:
            note(
                "BREACH: the summariser was idle for half of the runs: this is no figure of a busy one"
            )
        if unpublished:
            note(f"BREACH: {unpublished} frames not published")
    return 0 if good else 1


def _plan(args: argparse.Namespace) -> "Plan":
    from phenostream.deploy.bench.summariser import Plan
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.language_models.shelf import model_path
    from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope, cache_folder

    large, small = (
        SimulatedMicroscope(
            MicroscopeSettings(size_px=size, cells=cells, preset="hard"), cache_folder()
        )
        for size, cells in ((2048, 200), (512, 24))
    )
    return Plan(
        bundle=str(bundle_path(args.bundle).resolve()),
        model=str(model_path(args.llm).resolve()),
        pairs=args.pairs,
        large=large,
        frames=args.frames,
        small=small,
        latency_frames=args.latency_frames,
        load=args.load,
    )


def _say(args: argparse.Namespace, figure: "SummariserFigure") -> None:
    throughput, latency = figure.cells_per_s, figure.added_p99_ms
    pairs = f"{args.pairs} alternating pair{'' if args.pairs == 1 else 's'}"
    say(
        f"{pairs} of {args.frames} simulated frames of 4 x 2048^2, all cores; then of {args.latency_frames} of "
        f"4 x 512^2, a core to spare, Poisson arrivals at {figure.offered_fps:g} of {figure.capacity_fps:g} frames/s"
    )
    say_table(
        ["what", "without, median", "beside, median", "change %", "lower quartile", "upper quartile", "busy", "ran"],
        [
            ("cells/s", *_medians(throughput), *throughput.change_percent, throughput.busy, throughput.ran),
            ("added p99, ms", *_medians(latency), *latency.change_percent, latency.busy, latency.ran),
        ],
    )  # fmt: skip
    fewer, later = throughput.change_percent[0], latency.change_percent[0]
    say(
        f"throughput beside it {fewer:+g} %, {_met(-fewer, MOST_FALL_PERCENT)} that it may fall; "
        f"added p99 {later:+g} %, {_met(later, MOST_P99_PERCENT)} that it may grow"
    )
    say_table(
        ["summariser", "frames", "not published", "added p99, ms", "windows told", "latest, s", "worded", "after it"],
        [
            (one.done, one.frames, one.unpublished, one.added_p99_ms, one.templates, one.latest_s, one.worded,
             one.worded_after)
            for one in figure.faults
        ],
    )  # fmt: skip
    say(
        "busy: share of the time in which the model ran or waited for a core; latest: a template's, after its window"
    )


def _met(percent: float, most: float) -> str:
    return f"{'within' if percent < most else 'MISSED:'} the {most:g} %"


def _medians(figure: "PairFigure") -> tuple[float, float]:
    import statistics

    without, beside = (statistics.median(side) for side in zip(*figure.pairs, strict=True))
    return round(without, 3), round(beside, 3)
