"""Measure this box: engine, pipeline, latency, shots, encoding, sources, ingest, detection, training; or what is right.

Every figure is a median of interleaved rounds in one run, printed with the box it was measured on. Compare ratios, not
absolutes: the machine may be busy.

Examples:
  phenostream bench engine
  phenostream bench engine --all --json
  phenostream bench engine --roofline --picture roofline.svg
  phenostream bench pipeline --size 2048 --cells 200
  phenostream bench latency
  phenostream bench latency --stopped-subscriber
  phenostream bench encoding --cells 0
  phenostream bench shots
  phenostream bench sources
  phenostream bench ingest --size 2048 --frames 30
  phenostream bench journal
  phenostream bench soak
  phenostream bench summariser --llm smollm2
  phenostream bench monitor
  phenostream bench swap
  phenostream bench detect --truth truth.json --results got.jsonl
  phenostream bench detect --fields smears --out page
  phenostream bench field
  phenostream bench drift
  phenostream bench simulator --figures ../shared/data/bsccm_figures --out work/likeness
  phenostream bench adapt --site contrast
  phenostream bench train
"""

import argparse
from collections.abc import Callable

from phenostream.deploy.cli import (
    bench_adapt,
    bench_detect,
    bench_drift,
    bench_engine,
    bench_field,
    bench_ingest,
    bench_journal,
    bench_latency,
    bench_monitor,
    bench_orientation,
    bench_shots,
    bench_simulator,
    bench_soak,
    bench_sources,
    bench_stage,
    bench_summariser,
    bench_swap,
    bench_train,
)
from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmarks."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, (declare, measure, help_line) in _KINDS.items():
        sub = kinds.add_parser(name, help=help_line, description=help_line)
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        declare(sub)
        sub.set_defaults(measure=measure)


def run(args: argparse.Namespace) -> int:
    """Run the chosen benchmark."""
    measure: Callable[[argparse.Namespace], int] = args.measure
    for name in ("frames", "rounds", "steps"):
        value = getattr(args, name, None)
        if isinstance(value, int) and value < 1:
            raise BadConfig(f"--{name} {value}: allowed 1 or more")
    return measure(args)


def _declare_pipeline(parser: argparse.ArgumentParser) -> None:
    bench_stage.declare_frames(parser, size=2048, cells=200, frames=60)
    parser.add_argument("--rounds", type=int, default=3, help="alternations (default 3)")


def _pipeline(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.pipeline import measure_pipeline
    from phenostream.deploy.bundles import bundle_path
    from phenostream.engine.bundle import load_bundle

    path = bundle_path(args.bundle).resolve()
    with bench_stage.scratch() as folder, progress(args.rounds, "bench pipeline", "round") as bar:
        figure = measure_pipeline(
            load_bundle(path),
            str(path),
            bench_stage.microscope(args),
            folder,
            frames=args.frames,
            rounds=args.rounds,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": bench_stage.box(), **figure.as_dict()})
        return 0
    bench_stage.say_box()
    say(
        f"{figure.frames} simulated frames of 4 x {figure.size_px}^2 with {figure.cells_per_frame:g} model cells, "
        f"{figure.rounds} alternating rounds, sender on the same cores over ipc"
    )
    say_table(
        ["what", "cells/s", "ratio", "least", "most"],
        [
            (f"bare engine ({figure.backend} {figure.precision}, {figure.engine_streams} streams, "
             f"batch {figure.engine_batch})", figure.engine_cells_per_s, 1.0, "", ""),
            (f"daemon ({figure.frames_per_s:g} frames/s)", figure.daemon_cells_per_s, figure.ratio,
             figure.ratio_low, figure.ratio_high),
        ],
    )  # fmt: skip
    resident = ", ".join(f"{mib:g}" for mib in figure.resident_mib)
    say(f"daemon's resident memory after each round, MiB: {resident}")
    return 0


def _declare_encoding(parser: argparse.ArgumentParser) -> None:
    bench_stage.declare_frames(parser, size=2048, cells=200, frames=30)
    parser.add_argument("--rounds", type=int, default=5, help="alternations (default 5)")


def _encoding(args: argparse.Namespace) -> int:
    from phenostream.deploy.bench.encoding import WAYS, measure_encoding
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.extras import need

    need("imagecodecs", "compression")
    steps = len(WAYS) * args.rounds
    with bench_stage.scratch() as folder, progress(steps, "bench encoding", "run") as bar:
        figure = measure_encoding(
            str(bundle_path(args.bundle).resolve()),
            bench_stage.microscope(args),
            folder,
            frames=args.frames,
            rounds=args.rounds,
            on_step=bar.update,
        )
    if args.json:
        say_json({"box": bench_stage.box(), **figure.as_dict()})
        return 0
    bench_stage.say_box()
    say(
        f"{figure.frames} simulated frames of 4 x {figure.size_px}^2 with {figure.cells_per_frame:g} model cells, "
        f"{figure.rounds} alternating rounds, sender on the same cores over ipc"
    )
    say_table(
        ["sent", "frames/s", "cells/s", "ratio", "least", "most", "MB a frame"],
        [(w.name, w.frames_per_s, w.cells_per_s, w.ratio, w.ratio_low, w.ratio_high, w.megabytes)
         for w in figure.ways],
    )  # fmt: skip
    say(f"one frame on one core: {figure.pack_ms:g} ms to pack, {figure.unpack_ms:g} ms to unpack")
    return 0


_Declare = Callable[[argparse.ArgumentParser], None]
_Measure = Callable[[argparse.Namespace], int]
_KINDS: dict[str, tuple[_Declare, _Measure, str]] = {
    "engine": (
        bench_engine.declare,
        bench_engine.measure,
        "the bare engine: cells/s by backend, streams and batch",
    ),
    "pipeline": (
        _declare_pipeline,
        _pipeline,
        "the daemon's cells/s as a share of the bare engine's",
    ),
    "latency": (
        bench_latency.declare,
        bench_latency.measure,
        "what the daemon adds to the engine's time, at a share of capacity",
    ),
    "encoding": (
        _declare_encoding,
        _encoding,
        "compressed frames against raw ones: frames/s and bytes",
    ),
    "shots": (
        bench_shots.declare,
        bench_shots.measure,
        "single shots against whole frames: cells/s and CPU a frame",
    ),
    "sources": (
        bench_sources.declare,
        bench_sources.measure,
        "exactness of the account of a source that is not answered, beyond capacity",
    ),
    "ingest": (
        bench_ingest.declare,
        bench_ingest.measure,
        "acknowledged frames: MB/s over ipc, plain tcp, and tcp under CURVE",
    ),
    "soak": (
        bench_soak.declare,
        bench_soak.measure,
        "whether a daemon's memory, descriptors and threads stay the same over 150,000 frames",
    ),
    "summariser": (
        bench_summariser.declare,
        bench_summariser.measure,
        "what a language model that writes summaries costs the frames",
    ),
    "monitor": (
        bench_monitor.declare,
        bench_monitor.measure,
        "what a scrape of the metrics takes, and what one a second costs the frames",
    ),
    "swap": (
        bench_swap.declare,
        bench_swap.measure,
        "what a change of models costs the frames that come meanwhile",
    ),
    "journal": (
        bench_journal.declare,
        bench_journal.measure,
        "the start of a daemon by the length of its journal, and what the journal costs a frame",
    ),
    "detect": (
        bench_detect.declare,
        bench_detect.measure,
        "time reduce, detect and crop; or score results against the truth",
    ),
    "orientation": (
        bench_orientation.declare,
        bench_orientation.measure,
        "how often check-orientation and the light's balance are right, on simulated frames",
    ),
    "field": (
        bench_field.declare,
        bench_field.measure,
        "how well shading and dust are divided out, what it costs, and what large pixels cost",
    ),
    "drift": (
        bench_drift.declare,
        bench_drift.measure,
        "how often the watch for drift alarms, where nothing changed and where something did",
    ),
    "simulator": (
        bench_simulator.declare,
        bench_simulator.measure,
        "simulated cells beside real ones: statistics, and a page with both",
    ),
    "adapt": (
        bench_adapt.declare,
        bench_adapt.measure,
        "what fitting to a site gains and loses, by its mix of classes, on simulated sites",
    ),
    "train": (
        bench_train.declare,
        bench_train.measure,
        "the training loop's cells/s beside a plain float32 loop's",
    ),
}
