"""What broke its contract: list the frames that a daemon kept aside, or send them to a daemon once more.

A frame in quarantine was acknowledged: under its old run and number it has its fate for good. `replay` therefore sends
the frames of each run, exactly as they came, as a new run whose frames are numbered from 0, and prints which became
which. Nothing is corrected on the way: a frame that still breaks its contract is quarantined again (exit code 3).

Examples:
  phenostream quarantine list /tmp/phenostream/quarantine
  phenostream quarantine replay /tmp/phenostream/quarantine --reason frame --to ipc:///tmp/phenostream/ingest
"""

import argparse
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.endpoints import INGEST, add_keys, client_keys
from phenostream.deploy.cli.sending import reach, say_report
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json
from phenostream.engine.errors import BadFrame, BadInput

if TYPE_CHECKING:
    from phenostream.daemon.quarantine_replay import Parcel
    from phenostream.daemon.quarantined import Entry
    from phenostream.daemon.security.keys import ClientKeys
    from phenostream.daemon.wire.ingest import Ack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    listing = kinds.add_parser("list", help="a line for every frame, oldest first")
    listing.set_defaults(act=_list)
    again = kinds.add_parser("replay", help="send frames to a daemon again, as new runs")
    again.add_argument(
        "--to", default=INGEST, metavar="URL", help=f"ingest endpoint (default {INGEST})"
    )
    add_keys(again)
    again.set_defaults(act=_replay)
    for sub in (listing, again):
        sub.add_argument(
            "place",
            type=Path,
            metavar="DIR|ENTRY",
            help="`[quarantine] directory` of the configuration, or one file of it",
        )
        sub.add_argument("--reason", metavar="CODE", help="only frames of this reason, like crc32")
        sub.add_argument("--json", action="store_true", help="one JSON object a frame")


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    act: Callable[[argparse.Namespace], int] = args.act
    return act(args)


def _list(args: argparse.Namespace) -> int:
    from phenostream.daemon.quarantined import entries

    codes: Counter[str] = Counter()
    size = 0
    for entry in entries(args.place):
        try:
            found = entry.note()
        except BadFrame as err:
            note(str(err))
            codes["unreadable"] += 1
            continue
        code = found.reason.partition(":")[0]
        if args.reason is not None and code != args.reason:
            continue
        n_bytes = sum(part.bytes for part in found.parts)
        codes[code] += 1
        size += n_bytes
        if args.json:
            say_json(
                {
                    "utc_ns": entry.utc_ns,
                    "run": entry.run,
                    "frame_seq": entry.frame_seq,
                    "reason": found.reason,
                    "bytes": n_bytes,
                    "parts": len(found.parts),
                    "source": found.source,
                    "instrument": (found.start or {}).get("instrument"),
                    "path": str(entry.path),
                }
            )
        else:
            if codes.total() == 1:
                say(f"{'came (UTC)':23}  {'run':36}  {'frame':>8}  {'bytes':>12}  parts  reason")
            say(
                f"{_utc(entry.utc_ns):23}  {entry.run}  {entry.frame_seq:>8}  {n_bytes:>12}  "
                f"{len(found.parts):>5}  {printable(found.reason)}"
            )
    if not args.json:
        each = ", ".join(f"{count} {printable(code)}" for code, count in codes.most_common())
        say(f"{codes.total()} frames, {size} bytes{': ' if each else ''}{each}")
    return 0


def _replay(args: argparse.Namespace) -> int:
    from phenostream.daemon.quarantine_replay import parcels
    from phenostream.daemon.quarantined import entries

    keys = client_keys(args)
    refused: list[str] = []

    def refuse(line: str) -> None:
        refused.append(line)
        note(f"phenostream quarantine: not sent: {line}")

    found = parcels(entries(args.place), args.reason, refuse)
    if not found:
        wanted = "" if args.reason is None else f" of reason {args.reason}"
        raise BadInput(f"{args.place}: no frame{wanted} that can be sent")
    codes = [_send(parcel, args, keys) for parcel in found]
    return max([*codes, 3 if refused else 0])


def _send(parcel: "Parcel", args: argparse.Namespace, keys: "ClientKeys | None") -> int:
    """One run's frames, and which became which; exit code."""
    from phenostream.daemon.quarantine_replay import send_parcel

    old, new = parcel.start.run, parcel.new_run
    if not args.json:
        say(f"run {old} → {new}: {len(parcel.entries)} frames from {args.place}")
    with progress(len(parcel.entries), "acknowledged", "frame") as bar:

        def tell(entry: "Entry", ack: "Ack") -> None:
            bar.update()
            if args.json:
                was = {"run": old, "frame_seq": entry.frame_seq, "path": str(entry.path)}
                now = {"run": new, "frame_seq": ack.frame_seq}
                say_json({"from": was, "to": now, "fate": ack.fate, "reason": ack.reason})
            else:
                why = f": {printable(ack.reason)}" if ack.reason else ""
                say(f"  frame {entry.frame_seq} → {ack.frame_seq}  {ack.fate}{why}")

        report = send_parcel(parcel, args.to, keys, on_sender=reach, on_ack=tell)
    return say_report(report, args.json)


def _utc(utc_ns: int) -> str:
    """To the millisecond; a time that no calendar holds is told as it is."""
    try:
        when = datetime.fromtimestamp(utc_ns / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return str(utc_ns)
    return when.strftime("%Y-%m-%d %H:%M:%S.%f")[:23]
