"""Send a recording to a daemon, byte for byte as the microscope did, as a new run.

Example:
  phenostream replay tests/data/real_quads.phenorec --to ipc:///tmp/phenostream/ingest --rate 1
"""

import argparse
import threading
from pathlib import Path

from phenostream.deploy.cli.endpoints import INGEST
from phenostream.deploy.cli.sending import rate_hz, say_report
from phenostream.deploy.cli.terminal import progress


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

    pace = rate_hz(args.rate)
    total = None if args.loop else facts(args.recording).frames
    worst = 0
    cancel = threading.Event()
    with progress(total, "acknowledged", "frame") as bar:
        reports = replay(
            args.recording,
            args.to,
            ReplayOptions(rate=pace, loop=args.loop, tolerant=args.tolerant),
            on_ack=lambda _ack: bar.update(),
            cancel=cancel,
        )
    for report in reports:
        worst = max(worst, say_report(report, args.json))
    return worst
