"""A simulated DPC microscope: streams frames to a daemon and waits for every frame's fate.

The same seed gives the same frames. Rendered cells are kept in a cache folder, so the second start is quick. With
--truth the true cells are written for `phenostream bench detect`. With --best-effort it is a foreign microscope, which
nobody answers. Everything it sends is synthetic and says so.

Examples:
  phenostream simulate --to ipc:///tmp/phenostream/ingest --frames 50 --size 2048 --seed 7 --truth truth.json
  phenostream simulate --best-effort push --to ipc:///tmp/phenostream/scope-2
  phenostream simulate --wired right,left,top,bottom --to ipc:///tmp/phenostream/record
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.endpoints import INGEST, add_keys, client_keys
from phenostream.deploy.cli.sending import (
    add_encoding,
    add_rate,
    add_single_shots,
    rate_hz,
    say_report,
    sending,
)
from phenostream.deploy.cli.terminal import note, progress
from phenostream.deploy.cli.unanswered import (
    add_best_effort,
    best_effort_settings,
    say_sent,
    unanswered,
)
from phenostream.deploy.extras import need
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.best_effort_sender import BestEffortSettings
    from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_microscope_arguments(parser)
    parser.add_argument(
        "--to",
        default=INGEST,
        metavar="URL",
        help=f"the daemon's ingest endpoint (default {INGEST})",
    )
    parser.add_argument("--frames", type=int, default=20, help="frames to send (default 20)")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write the true cells as JSON")
    parser.add_argument(
        "--wired",
        default="left,right,top,bottom",
        metavar="SHOTS",
        help="announce shots wrongly: what left,right,top,bottom truly are, such as right,left,top,bottom",
    )
    add_rate(parser)
    add_encoding(parser, "raw", "default raw")
    add_single_shots(parser)
    add_best_effort(parser)
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="print the ledger as JSON")


def add_microscope_arguments(parser: argparse.ArgumentParser) -> None:
    """What is simulated: shared with `demo`."""
    parser.add_argument(
        "--size", type=int, default=2048, help="side of a frame, pixels (default 2048)"
    )
    parser.add_argument(
        "--pixel-size-um", type=float, default=0.1715, help="at the sample (default 0.1715)"
    )
    parser.add_argument(
        "--preset", choices=["easy", "hard"], default="hard", help="easy: cells >= 14 um apart"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same frames (default 0)")
    parser.add_argument(
        "--cells", type=int, help="objects in a frame (default: 200 in 2048 x 2048)"
    )
    parser.add_argument("--instrument", default="simulated-dpc", help="name in every result")


def microscope_settings(args: argparse.Namespace) -> "MicroscopeSettings":
    """What `add_microscope_arguments` was given.

    Raises:
        BadConfig: The flag, its value and what is allowed.
    """
    from phenostream.deploy.microscope import MicroscopeSettings

    return MicroscopeSettings(
        size_px=args.size,
        pixel_size_um=args.pixel_size_um,
        preset=args.preset,
        seed=args.seed,
        cells=args.cells,
        instrument=args.instrument,
    )


def build_microscope(settings: "MicroscopeSettings") -> "SimulatedMicroscope":
    """The microscope, telling on standard error that its cells have to be rendered first."""
    from phenostream.deploy.microscope import SimulatedMicroscope, cache_folder, is_rendered

    folder, wanted = cache_folder(), settings.rendered
    if not is_rendered(settings, folder):
        note(f"rendering {wanted} simulated cells (once per seed; kept in {folder})")
    with progress(wanted, "rendering simulated cells", "cell") as bar:
        return SimulatedMicroscope(settings, folder, on_cell=bar.update)


def run(args: argparse.Namespace) -> int:
    """Simulate and stream."""
    from phenostream.daemon.client.sender_options import SenderSettings
    from phenostream.daemon.client.stream import stream
    from phenostream.daemon.run_id import new_run_id
    from phenostream.deploy.bench.truth import write_truth

    if args.frames < 1:
        raise BadConfig(f"--frames {args.frames}: allowed 1 or more")
    if args.encoding == "blosc2":
        need("imagecodecs", "compression")
    settings = replace(microscope_settings(args), wired=tuple(args.wired.split(",")))
    rate = rate_hz(args.rate)
    foreign = best_effort_settings(args)
    if foreign is not None:
        return _run_unanswered(args, settings, rate, foreign)
    patience = SenderSettings(encoding=args.encoding, keys=client_keys(args))
    with sending(args.to, settings.instrument, args.frames, patience) as (sender, acknowledged):
        microscope = build_microscope(settings)  # after the daemon answered: it may take a while
        start = microscope.start(new_run_id(), args.frames)
        frames, order = microscope.frames(args.frames), args.single_shots
        report = stream(sender, start, frames, rate_hz=rate, single_shots=order)
    if args.truth:
        write_truth(args.truth, microscope.truth())
    return say_report(report, args.json, acknowledged.recorded)


def _run_unanswered(
    args: argparse.Namespace,
    settings: "MicroscopeSettings",
    rate: float | None,
    foreign: "BestEffortSettings",
) -> int:
    from phenostream.daemon.run_id import new_run_id
    from phenostream.deploy.bench.truth import write_truth

    with unanswered(args.to, foreign) as sender:
        microscope = build_microscope(settings)
        start = microscope.start(new_run_id(), args.frames)
        with progress(args.frames, "sent", "frame") as bar:
            said = sender.stream(start, microscope.frames(args.frames), rate, bar.update)
    if args.truth:
        write_truth(args.truth, microscope.truth())
    say_sent(start.run, args.frames, said, as_json=args.json)
    return 0
