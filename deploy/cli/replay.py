"""Send a recording to a daemon, byte for byte as the microscope did, as a new run.

Example:
  phenostream replay tests/data/real_quads.phenorec --to ipc:///tmp/phenostream/ingest --rate 1
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.endpoints import INGEST
from phenostream.deploy.cli.sending import rate_hz, say_report
from phenostream.deploy.cli.terminal import note, progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recording", type=Path, metavar="PATH", help="a recording")
    parser.add_argument(
        "--to", default=INGEST, metavar="URL", help=f"ingest endpoint (default {INGEST})"
    )
    parser.add_argument(
        "--rate", default="max", metavar="1|max", help="times the recorded pace; max (default)"
    )
    parser.add_argument(
        "--loop", action="store_true", help="again and again, each time a new run, until Ctrl-C"
    )
    parser.add_argument(
        "--tolerant", action="store_true", help="send what is whole of a damaged recording"
    )
    parser.add_argument("--json", action="store_true", help="print the ledger as JSON")


def run(args: argparse.Namespace) -> int:
    """Replay and print each run's ledger."""
    from phenostream.daemon.recordings.facts import facts
    from phenostream.daemon.recordings.replay import ReplayOptions, replay

    options = ReplayOptions(rate_hz(args.rate), args.loop, tolerant=args.tolerant)
    held = None if args.loop else facts(args.recording)
    for problem in held.problems if held else ():
        note(f"phenostream replay: INCOMPLETE: {problem}")
    codes = [0]
    with progress(held.frames if held else None, "acknowledged", "frame") as bar:
        replay(
            args.recording,
            args.to,
            options,
            on_ack=lambda _ack: bar.update(),
            on_report=lambda report: codes.append(say_report(report, args.json)),
        )
    return max(codes)
