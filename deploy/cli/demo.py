"""A simulated DPC microscope → the daemon → results, a summary and the exact ledger, in one terminal, no configuration.

Starts a real daemon process with the synthetic demo weights in a folder of its own, streams simulated frames to it over
ZeroMQ, follows the results as a subscriber would, and drains it. With --recording the recording is replayed afterwards
through the same daemon. Exit code 0 means: every frame received was published, and the subscriber saw each once.

Example:
  phenostream demo
"""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.sending import ledger_line
from phenostream.deploy.cli.simulate import (
    add_microscope_arguments,
    build_microscope,
    microscope_settings,
)
from phenostream.deploy.cli.terminal import say, say_json, say_table
from phenostream.deploy.cli.watch import frame_line
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.wire.ingest import Report
    from phenostream.daemon.wire.results import FrameRecord
    from phenostream.deploy.demo import Seen
    from phenostream.deploy.microscope import MicroscopeSettings

_SAMPLE_ROWS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_microscope_arguments(parser)
    parser.set_defaults(size=1024, preset="easy", seed=1)
    parser.add_argument("--frames", type=int, default=12, help="simulated frames (default 12)")
    parser.add_argument(
        "--bundle", default="demo", metavar="DIR", help="model bundle (default: demo)"
    )
    parser.add_argument(
        "--recording", type=Path, metavar="PATH", help="replay this recording afterwards"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a run instead")


def run(args: argparse.Namespace) -> int:
    """Show the whole product once."""
    from phenostream.deploy.bundles import bundle_path
    from phenostream.deploy.child import DaemonChild, child_settings
    from phenostream.engine.bundle import load_bundle

    if not 1 <= args.frames <= 100_000:
        raise BadConfig(f"--frames {args.frames}: allowed 1 to 100000")
    settings = microscope_settings(args)
    path = bundle_path(args.bundle).resolve()
    load_bundle(path)
    with TemporaryDirectory(prefix="phenostream-") as name:
        folder = Path(name)
        with DaemonChild(folder, child_settings(str(path))) as daemon:
            if not args.json:
                say(f"daemon ready in {daemon.ready['startup_s']:.2f} s: {daemon.ready['model']}")
            codes = [_simulated(args, settings, daemon.ready)]
            if args.recording is not None:
                codes.append(_recorded(args, daemon.ready))
            codes.append(daemon.stop())
    if not args.json:
        say(
            "daemon drained and stopped"
            if codes[-1] == 0
            else f"daemon ended with exit code {codes[-1]}"
        )
        say("Research use only, not a diagnosis.")
    return max(1 if code < 0 else code for code in codes)  # negative: a signal killed the daemon


def _simulated(
    args: argparse.Namespace, settings: "MicroscopeSettings", endpoints: dict[str, Any]
) -> int:
    from phenostream.daemon.client.sender import Sender
    from phenostream.daemon.client.stream import stream
    from phenostream.daemon.run_id import new_run_id

    microscope = build_microscope(settings)

    def send() -> "Report":
        start = microscope.start(new_run_id(), args.frames)
        with Sender(endpoints["ingest"], start.instrument) as sender:
            return stream(sender, start, microscope.frames(args.frames))

    title = (
        f"simulated microscope (SYNTHETIC): {args.frames} frames of 4 x {args.size} x {args.size}, "
        f"preset {args.preset}, seed {args.seed}"
    )
    return _show(args, title, endpoints, send)


def _recorded(args: argparse.Namespace, endpoints: dict[str, Any]) -> int:
    from phenostream.daemon.recordings.facts import facts
    from phenostream.daemon.recordings.replay import replay

    held = facts(args.recording)
    synthetic = any(one.start.synthetic for one in held.runs)
    title = f"replay of {args.recording.name}: {held.frames} frames of {'SYNTHETIC' if synthetic else 'real'} cells"
    if not synthetic:
        title += (
            " (the weights are synthetic: finding real cells is meaningful, their classes are not)"
        )
    return _show(args, title, endpoints, lambda: replay(args.recording, endpoints["ingest"])[-1])


def _show(
    args: argparse.Namespace, title: str, endpoints: dict[str, Any], send: "Callable[[], Report]"
) -> int:
    from phenostream.deploy.demo import watch_one_run

    if args.json:
        seen, report = watch_one_run(endpoints, send, lambda _frame: None)
        say_json(
            {
                "title": title,
                "frames": len(seen.frames),
                "ledger": report.ledger,
                "summary": seen.summary,
            }
        )
        return _verdict(seen, report)
    say(f"\n== {title}")
    seen, report = watch_one_run(endpoints, send, lambda frame: say(frame_line(frame)))
    if seen.summary:  # none where no frame was published
        _say_population(seen)
        _say_some_cells(seen.frames)
        say(f"\nsummary: {seen.summary['text']}")
    say(f"ledger: {ledger_line(report.ledger)}")
    code = _verdict(seen, report)
    say(
        "every frame received was published, and seen once"
        if code == 0
        else "FRAMES ARE MISSING: see the ledger"
    )
    return code


def _verdict(seen: "Seen", report: "Report") -> int:
    """0 when received = published, the subscriber saw each frame once, and both were told the same ledger."""
    ledger = report.ledger
    exact = (
        ledger["received"] == ledger["published"] == len(seen.frames)
        and len({frame.meta["frame_seq"] for frame in seen.frames}) == len(seen.frames)
        and not ledger["missing"]
        and seen.ledger == ledger
        and not seen.gaps
    )
    return 0 if exact else 1


def _say_population(seen: "Seen") -> None:
    facts = seen.summary["facts"]
    markers: list[dict[str, Any]] = next(
        (one["markers"] for one in facts["classes"] if one["markers"]), []
    )
    say()
    say_table(
        [
            "class",
            "cells",
            "share",
            "95 % interval",
            "confidence",
            *(f"{m['name']} median" for m in markers),
        ],
        [
            (
                one["name"],
                one["count"],
                f"{100 * one['share']:.1f} %",
                f"{100 * one['share_low']:.1f} to {100 * one['share_high']:.1f} %",
                "none"
                if one["mean_confidence"] is None
                else f"{100 * one['mean_confidence']:.1f} %",
                *([f"{m['median']:.3g}" for m in one["markers"]] or ["none"] * len(markers)),
            )
            for one in facts["classes"]
        ],
    )
    rejected = (
        f"{facts['rejected']} cells rejected as no white cell"
        if facts["rejects"]
        else "this model cannot reject what is no white cell"
    )
    say(f"markers in {facts['marker_unit']}; {rejected}")


def _say_some_cells(frames: "list[FrameRecord]") -> None:
    """The first cells that were classified, each with its interval."""
    rows: list[tuple[str, ...]] = []
    for frame in frames:
        if not frame.columns:
            continue
        columns = {name: column.values for name, column in frame.columns.items()}
        names = frame.meta["model"]["classes"]
        for cell in (columns["class"] < len(names)).nonzero()[0][: _SAMPLE_ROWS - len(rows)]:
            kind = int(columns["class"][cell])
            low, high = columns["marker_low"][cell][-1], columns["marker_high"][cell][-1]
            interval = "no interval" if math.isnan(low) else f"{low:.3g} to {high:.3g}"
            told = frame.meta["model"]["ood_threshold"] is not None
            rows.append(
                (
                    f"{frame.meta['frame_seq']}/{cell}",
                    f"{columns['x_px'][cell]:.1f}",
                    f"{columns['y_px'][cell]:.1f}",
                    f"{columns['diameter_um'][cell]:.1f}",
                    names[kind],
                    f"{100 * columns['class_probability'][cell][kind]:.1f} %",
                    f"{columns['marker_estimate'][cell][-1]:.3g} ({interval})",
                    "n/a" if not told else "yes" if columns["ood"][cell] else "no",
                )
            )
        if len(rows) == _SAMPLE_ROWS:
            break
    if rows:
        say(f"\nthe first {len(rows)} classified cells:")
        say_table(
            [
                "frame/cell",
                "x px",
                "y px",
                "um",
                "class",
                "confidence",
                "CD16 (interval)",
                "unusual",
            ],
            rows,
        )
