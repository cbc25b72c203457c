"""Follow results as they are published: every record once and in order, gaps repaired from the journal.

Prints a line a frame, summaries and ledgers; with --json one JSON object a record. --since OFFSET begins in the past.

Examples:
  phenostream watch ipc:///tmp/phenostream/results
  phenostream watch --until-end --json > got.jsonl
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.endpoints import RESULTS
from phenostream.deploy.cli.terminal import note, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.subscriber import Record
    from phenostream.daemon.wire.results import FrameRecord


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "url",
        nargs="?",
        default=RESULTS,
        metavar="URL",
        help=f"results endpoint (default {RESULTS})",
    )
    parser.add_argument(
        "--control",
        metavar="URL",
        help="control endpoint (default: beside an ipc results endpoint, if it is there)",
    )
    parser.add_argument(
        "--since", type=int, metavar="OFFSET", help="first offset; 0 = the whole journal"
    )
    parser.add_argument(
        "--until-end", action="store_true", help="stop when the runs that were seen have ended"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a record")


def run(args: argparse.Namespace) -> int:
    """Follow and print; exit code 3 when records were lost for good."""
    from phenostream.daemon.client.subscriber import Subscriber
    from phenostream.daemon.exports.jsonl import json_record

    if args.since is not None and args.since < 0:
        raise BadConfig(f"--since {args.since}: allowed 0 or more")
    control = args.control or control_beside(args.url)
    if args.since is not None and control is None:
        raise BadConfig(f"--since {args.since}: needs --control URL to read the journal from")
    lost = 0

    def count(first: int, last: int) -> None:
        nonlocal lost
        lost += last - first + 1
        note(f"phenostream watch: offsets {first} to {last} are lost")

    with Subscriber(args.url, control, args.since) as results:
        results.on_gap = count
        results.wait_subscribed()
        note(f"phenostream watch: subscribed to {args.url}")
        for record in results.until_end() if args.until_end else results:
            if args.json:
                say_json(json_record(record.topic, record.offset, record.body))
            else:
                say(record_line(record))
    return 3 if lost else 0


def control_beside(results_url: str) -> str | None:
    """The control endpoint in the same folder as an ipc results endpoint, as the example configuration has it."""
    scheme, _, path = results_url.partition("://")
    beside = Path(path).with_name(Path(path).name.replace("results", "control"))
    return (
        f"ipc://{beside}" if scheme == "ipc" and beside != Path(path) and beside.exists() else None
    )


def record_line(record: "Record") -> str:
    """One record as a line for a person."""
    from phenostream.daemon.wire.results import FrameRecord

    if isinstance(record.body, FrameRecord):
        return f"{record.offset:>7}  {frame_line(record.body)}"
    body = record.body
    if record.topic == "summary":
        return f"{record.offset:>7}  summary of the {body.get('scope')}: {body.get('text')}"
    return f"{record.offset:>7}  {_status_text(body)}"


def frame_line(frame: "FrameRecord") -> str:
    """What became of one frame and its cells."""
    meta = frame.meta
    if meta["fate"] != "published":
        return f"frame {meta['frame_seq']:>5}  {meta['fate'].upper()}: {meta['reason']}"
    counts = meta["counts"]
    kinds = frame.columns["class"].values
    names = meta["model"]["classes"]
    shares = "  ".join(
        f"{int((kinds == index).sum()):>3} {name}s" for index, name in enumerate(names)
    )
    return (
        f"frame {meta['frame_seq']:>5}  {counts['found']:>4} cells: {shares}  {counts['rejected']:>3} rejected"
        f"  {counts['edge']:>2} at edge  {meta['timing_ms']['total']:>6.1f} ms"
        f"{'  synthetic' if meta['synthetic'] else ''}"
    )


def _status_text(body: dict[str, Any]) -> str:
    from phenostream.deploy.cli.sending import ledger_line

    if body.get("event") == "run_ended":
        return f"run {body['run']} ended; {ledger_line(body['ledger'])}"
    return f"run {body.get('run')} of {body.get('instrument')}: {body.get('event')}"
