"""Send a recording to a daemon, byte for byte as the microscope did, as a new run.

Examples:
  phenostream replay tests/data/real_quads.phenorec --to ipc:///tmp/phenostream/ingest --rate 1
  phenostream replay PATH --best-effort pub --to ipc:///tmp/phenostream/scope-2
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.endpoints import INGEST, add_keys, client_keys
from phenostream.deploy.cli.sending import (
    Acknowledged,
    accounted,
    add_encoding,
    add_single_shots,
    reach,
    say_report,
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
    from phenostream.daemon.client.sender import Sender
    from phenostream.daemon.recordings.replay import ReplayOptions
    from phenostream.daemon.wire.ingest import Report


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
    add_best_effort(parser)
    add_keys(parser)
    parser.add_argument(
        "--tolerant", action="store_true", help="send what is whole of a damaged recording"
    )
    add_encoding(parser, None, "default: as it was recorded")
    add_single_shots(parser)
    parser.add_argument("--json", action="store_true", help="print the ledger as JSON")


def run(args: argparse.Namespace) -> int:
    """Replay and print each run's ledger."""
    from phenostream.daemon.client.sender_options import SenderSettings
    from phenostream.daemon.recordings.facts import facts
    from phenostream.daemon.recordings.replay import ReplayOptions, replay

    if args.encoding == "blosc2":
        need("imagecodecs", "compression")
    options = ReplayOptions(
        pace(args.rate),
        args.loop,
        tolerant=args.tolerant,
        encoding=args.encoding,
        single_shots=args.single_shots,
        sender=SenderSettings(keys=client_keys(args)),
    )
    held = None if args.loop else facts(args.recording)
    for problem in held.problems if held else ():
        note(f"phenostream replay: INCOMPLETE: {problem}")
    foreign = best_effort_settings(args)
    if foreign is not None:
        _run_unanswered(args, options, foreign)
        return 3 if held and held.problems else 0
    codes = [0]
    of_each = iter([run.frames for run in held.runs] if held else [])
    with (
        progress(held.frames if held else None, "acknowledged", "frame") as bar,
        ExitStack() as account,
    ):
        acknowledged = Acknowledged(bar.update)

        def begin(sender: "Sender") -> None:
            reach(sender)
            account.enter_context(accounted(sender, next(of_each, None)))

        def ended(report: "Report") -> None:
            account.close()
            codes.append(say_report(report, args.json, acknowledged.recorded))
            acknowledged.recorded = 0

        replay(
            args.recording,
            args.to,
            options,
            on_ack=acknowledged.take,
            on_sender=begin,
            on_report=ended,
        )
    return 3 if held and held.problems else max(codes)


def _run_unanswered(
    args: argparse.Namespace, options: "ReplayOptions", foreign: "BestEffortSettings"
) -> None:
    from phenostream.daemon.recordings.replay import replay_unanswered

    def ended(run: str, sent: int, said: int) -> None:
        say_sent(run, sent, said, as_json=args.json)

    with unanswered(args.to, foreign) as sender, progress(None, "sent", "frame") as bar:
        replay_unanswered(args.recording, sender, options, on_frame=bar.update, on_end=ended)


def pace(text: str) -> float | None:
    """Times the recorded pace, or None for as fast as frames are acknowledged.

    Raises:
        BadConfig: Neither ``max`` nor a number above 0 and up to 1 000 000.
    """
    if text == "max":
        return None
    try:
        times = float(text)
    except ValueError:
        times = -1.0
    if not 0 < times <= 1e6:
        raise BadConfig(
            f"--rate {text}: allowed max, or above 0 up to 1000000 times the recorded pace"
        )
    return times
