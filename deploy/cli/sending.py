"""What `simulate` and `replay` share: pace, a progress bar that follows acknowledgements, and the ledger at the end."""

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import progress, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.stream import SourceFrame
    from phenostream.daemon.wire.ingest import Report, Start


def add_rate(parser: argparse.ArgumentParser) -> None:
    """How fast to send."""
    parser.add_argument(
        "--rate",
        default="max",
        metavar="HZ",
        help="frames per second, or max (as fast as acknowledged)",
    )


def rate_hz(text: str) -> float | None:
    """Frames per second, or None for as fast as they are acknowledged.

    Raises:
        BadConfig: Neither ``max`` nor a number above 0 and up to 10 000.
    """
    if text == "max":
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate <= 10_000:
        raise BadConfig(f"--rate {text}: allowed max, or above 0 up to 10000 frames per second")
    return rate


def stream_frames(
    args: argparse.Namespace, start: "Start", frames: "Iterable[SourceFrame]", total: int | None
) -> "Report":
    """Send a run to `args.to` at `args.rate`; returns when every frame has its fate."""
    from phenostream.daemon.client.sender import Sender
    from phenostream.daemon.client.stream import stream

    rate = rate_hz(args.rate)
    with (
        Sender(args.to, start.instrument) as sender,
        progress(total, "acknowledged", "frame") as bar,
    ):
        sender.on_ack = lambda _ack: bar.update()
        return stream(sender, start, frames, rate_hz=rate)


def say_report(report: "Report", as_json: bool) -> int:
    """Print the daemon's ledger of the run; exit code 0 when every frame was published, else 3."""
    ledger = report.ledger
    if as_json:
        say_json({"run": report.run, "ledger": ledger})
    else:
        say(f"run {report.run}: {ledger_line(ledger)}")
    return 0 if ledger["received"] == ledger["published"] and not ledger["missing"] else 3


def ledger_line(ledger: dict[str, int]) -> str:
    """The exact account of a run's frames and cells in one line."""
    frames = ("received", "published", "dropped", "quarantined", "failed", "missing", "duplicates")
    cells = ("found", "classified", "edge", "rejected", "over_limit")
    return (
        "frames: "
        + ", ".join(f"{ledger.get(name, 0)} {name}" for name in frames)
        + "; cells: "
        + ", ".join(f"{ledger.get(f'cells_{name}', 0)} {name}" for name in cells)
    )
