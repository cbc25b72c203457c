"""What `simulate` and `replay` share: pace, a progress bar that follows acknowledgements, and the ledger at the end."""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Timer
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.terminal import note, progress, say, say_json
from phenostream.engine.errors import BadConfig, PhenostreamError

if TYPE_CHECKING:
    from phenostream.daemon.client.sender import Sender
    from phenostream.daemon.client.sender_options import SenderSettings, SenderState
    from phenostream.daemon.wire.ingest import Ack, Report

_PATIENCE_S: Final = 2.0
_HINT: Final = "start one with `phenostream run --config FILE`"


def add_rate(parser: argparse.ArgumentParser) -> None:
    """How fast to send."""
    parser.add_argument(
        "--rate",
        default="max",
        metavar="HZ",
        help="frames per second, or max (as fast as acknowledged)",
    )


def add_encoding(parser: argparse.ArgumentParser, default: str | None, otherwise: str) -> None:
    """How the counts are packed."""
    parser.add_argument(
        "--encoding",
        choices=["raw", "blosc2"],
        default=default,
        help=f"how counts are sent ({otherwise}); blosc2: lossless, about half the bytes, needs the compression extra",
    )


def add_single_shots(parser: argparse.ArgumentParser) -> None:
    """Whole frames, or every shot alone."""
    parser.add_argument(
        "--single-shots",
        nargs="?",
        choices=["ordered", "shuffled"],
        const="ordered",
        metavar="ORDER",
        help="send every shot as a message of its own: ordered as announced (default), or shuffled",
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


@dataclass(slots=True)
class Acknowledged:
    """What the acknowledgements said.

    Attributes:
        recorded: Frames that a `phenostream record` took: dropped, because they are not classified, yet kept.
    """

    on_one: Callable[[], object]
    recorded: int = 0

    def take(self, ack: "Ack") -> None:
        """Count one."""
        self.recorded += ack.fate == "dropped" and (ack.reason or "").startswith("recorded")
        self.on_one()


@contextmanager
def sending(
    url: str, instrument: str, total: int | None, settings: "SenderSettings"
) -> "Iterator[tuple[Sender, Acknowledged]]":
    """A sender to a daemon that answered, with a progress bar, that says on standard error what it waits for.

    Args:
        url: The daemon's ingest endpoint, ``--to``.
        instrument: Name of the microscope.
        total: Frames that are going to be sent; None when unknown.
        settings: Patience, encoding and keys.

    Raises:
        Unreachable: No daemon answers; the text says how to start one.
    """
    from phenostream.daemon.client.sender import Sender

    with (
        Sender(url, instrument, settings) as sender,
        progress(total, "acknowledged", "frame") as bar,
        accounted(sender, total),
    ):
        reach(sender)
        acknowledged = Acknowledged(bar.update)
        sender.on_ack = acknowledged.take
        yield sender, acknowledged


def reach(sender: "Sender") -> None:
    """Wait for the daemon, saying so; from then on its losses and returns are told on standard error.

    Raises:
        Unreachable: No daemon answers; the text says how to start one.
        BadConfig: The address given as ``--to`` is not one.
    """
    from phenostream.daemon.client.errors import Unreachable

    note(f"connecting to {sender.url}")
    reminder = Timer(_PATIENCE_S, note, [f"no daemon at {sender.url} yet; {_HINT}"])
    reminder.daemon = True
    reminder.start()
    try:
        sender.probe()
    except Unreachable as err:
        raise Unreachable(f"{err}: {_HINT}") from err
    except BadConfig as err:
        raise BadConfig(f"--to {sender.url!r}: allowed ipc://PATH or tcp://HOST:PORT") from err
    finally:
        reminder.cancel()
    sender.on_state = _Losses(sender.settings.reconnect_timeout_s).tell


@contextmanager
def accounted(sender: "Sender", total: int | None) -> "Iterator[None]":
    """Whatever ends the sending early also says how many frames were acknowledged, and how many were not sent."""
    try:
        yield
    except PhenostreamError as err:
        account = _account(sender, total)
        if not account:
            raise
        raise type(err)(f"{err}; {account}") from err
    except KeyboardInterrupt:
        note(_account(sender, total) or "nothing was sent")
        raise


def _account(sender: "Sender", total: int | None) -> str:
    """Frames acknowledged and not sent; empty before the first frame."""
    counts = sender.counts
    if not counts.sent:
        return ""
    whole = max(counts.sent, total or 0)
    return f"{counts.sent - counts.unacked} of {whole} acknowledged, {whole - counts.sent} not sent"


@dataclass(slots=True)
class _Losses:
    """Tells when the connection is lost and when it is back."""

    patience_s: float
    lost_s: float | None = None

    def tell(self, state: "SenderState") -> None:
        if state == "lost":
            self.lost_s = time.monotonic()
            note(f"connection lost, retrying for {self.patience_s:.0f} s")
        elif state == "streaming" and self.lost_s is not None:
            note(f"back after {time.monotonic() - self.lost_s:.1f} s")
            self.lost_s = None


def say_report(report: "Report", as_json: bool, recorded: int = 0) -> int:
    """Print the daemon's ledger of the run; exit code 0 when every frame was published or recorded, else 3."""
    ledger = report.ledger
    received, missing = ledger["received"], ledger["missing"]
    whole = not missing and received == ledger["published"] + min(recorded, ledger["dropped"])
    if as_json:
        say_json({"run": report.run, "ledger": ledger, "recorded": recorded})
    elif recorded and whole and not ledger["published"]:
        say(f"run {report.run}: {recorded} frames recorded, none classified")
    else:
        say(f"run {report.run}: {ledger_line(ledger)}")
    if missing:
        note(f"INCOMPLETE: {received} of {received + missing} frames")
    return 0 if whole else 3


def ledger_line(ledger: dict[str, int]) -> str:
    """The exact account of a run's frames and cells in one line."""
    frames = ("received", "published", "dropped", "quarantined", "failed", "missing", "duplicates")
    cells = ("found", "classified", "edge", "rejected", "over_limit", "failed")
    shots = [
        f"{ledger[key]} {name}"
        for key, name in (("shots_repeated", "repeated"), ("shots_late", "late"))
        if ledger.get(key)
    ]
    return (
        "frames: "
        + ", ".join(f"{ledger.get(name, 0)} {name}" for name in frames)
        + "; cells: "
        + ", ".join(f"{ledger.get(f'cells_{name}', 0)} {name}" for name in cells)
        + (f"; shots: {', '.join(shots)}" if shots else "")
    )
