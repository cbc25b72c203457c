"""The journal of a daemon, from outside: what is in it, whether it is whole, and making it smaller or whole again.

`list` and `verify` read beside a running daemon. `list` keeps an index of its own in the folder, `verify` changes no
byte. `compact` needs the daemon stopped: it acknowledges what is damaged (lost offsets become recorded gaps, and the
daemon is no longer degraded) and drops what is named: results and summaries of ended runs, or the oldest segments. A
frame whose record was dropped is still known and never taken twice.

Exit codes: 0 good; 1 `verify` found damage; 2 bad usage, or the journal is in use; 3 `list` came upon damage.

Examples:
  phenostream journal list /tmp/phenostream/journal
  phenostream journal verify /tmp/phenostream/journal
  phenostream journal compact /tmp/phenostream/journal --drop-ended-days 90
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from phenostream.deploy.cli.terminal import note, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig, BadInput

_SHOWN = 20
"""Damaged places named on the terminal; all of them are in --json."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, (act, help_line) in _KINDS.items():
        sub = kinds.add_parser(name, help=help_line, description=help_line)
        sub.add_argument("directory", type=Path, metavar="DIR", help="the journal's folder")
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.set_defaults(act=act)
        if name == "compact":
            _declare_compact(sub)


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    if not any(args.directory.glob("*.journal")):
        raise BadInput(f"{args.directory}: no journal in it")
    act: Callable[[argparse.Namespace], int] = args.act
    return act(args)


def _declare_compact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drop-ended-days",
        type=float,
        metavar="DAYS",
        help="drop results and summaries of ended runs whose last frame came longer ago",
    )
    parser.add_argument(
        "--drop-run",
        action="append",
        default=[],
        metavar="RUN",
        help="drop those of this ended run",
    )
    parser.add_argument("--max-bytes", type=int, metavar="N", help="remove the oldest beyond this")
    parser.add_argument(
        "--max-age-days", type=float, metavar="DAYS", help="remove segments written last before"
    )


def _list(args: argparse.Namespace) -> int:
    from phenostream.daemon.journal.index import read_index

    with progress(None, "indexed", "B") as bar:
        found = read_index(args.directory, bar.update)
    code = 3 if found.losses else 0
    if args.json:
        say_json(
            {
                "runs": [facts.as_dict() for facts in found.runs],
                "segments": [
                    {"first": first, "end": end, "bytes": size}
                    for first, end, size in found.segments
                ],
                "losses": [loss.as_dict() for loss in found.losses],
            }
        )
        return code
    say_table(
        ["run", "instrument", "first", "last", "published", "other", "cells", "state"],
        [
            (f.run, f.instrument, f.first, f.last, f.counts["published"],
             sum(f.counts.values()) - f.counts["published"] - f.counts["cells"],
             f.counts["cells"], "ended" if f.ended else "open")
            for f in found.runs
        ],
    )  # fmt: skip
    say()
    say_table(["segment", "end", "bytes"], found.segments)
    if found.segments and (oldest := found.segments[0][0]):
        say(
            f"offsets 0 to {oldest - 1} are gone; runs that began there may be counted with more or less than is left"
        )
    for loss in found.losses[:_SHOWN]:
        note(f"phenostream journal list: {loss}")
    return code


def _verify(args: argparse.Namespace) -> int:
    from phenostream.daemon.journal.inspection import check_footers, inspect

    total = 2 * sum(path.stat().st_size for path in args.directory.glob("*.journal"))
    with progress(total, "verified", "B") as bar:
        facts = inspect(args.directory, on_bytes=bar.update)
        footers, wrong = check_footers(args.directory, bar.update)
    code = 1 if facts.losses or wrong else 0
    if args.json:
        say_json(
            {
                "good": not code,
                "segments": facts.segments,
                "records": facts.records,
                "newest": facts.newest,
                "footers": footers,
                "torn_bytes": facts.torn_bytes,
                "losses": [loss.as_dict() for loss in facts.losses],
                "wrong_footers": wrong,
                "gaps": [
                    {"first": gap.offset, "end": gap.end, "why": gap.why} for gap in facts.gaps
                ],
            }
        )
        return code
    for line in (*map(str, facts.losses[:_SHOWN]), *wrong[:_SHOWN]):
        say(line)
    given_up = sum(gap.end - gap.offset for gap in facts.gaps)
    say(
        f"{args.directory}: {'DAMAGED' if code else 'good'}: {facts.records} whole records in {facts.segments} "
        f"segments, {footers} footers, {len(facts.losses)} damaged places, {len(wrong)} wrong footers, "
        f"{given_up} offsets given up before, {facts.torn_bytes} bytes not yet promised"
    )
    return code


def _compact(args: argparse.Namespace) -> int:
    from phenostream.daemon.claims import claimed
    from phenostream.daemon.journal.retention import Limits
    from phenostream.daemon.maintenance import Wishes, compact_journal

    for flag, value in (
        ("--drop-ended-days", args.drop_ended_days),
        ("--max-age-days", args.max_age_days),
        ("--max-bytes", args.max_bytes),
    ):
        if value is not None and not 0 <= value < float("inf"):
            raise BadConfig(f"{flag} {value:g}: allowed 0 or more")
    owner = args.directory.stat().st_uid
    if owner != os.geteuid():
        raise BadConfig(
            f"{args.directory}: belongs to user {owner}, allowed as that user (we are {os.geteuid()}): "
            "the daemon could not read what is rewritten"
        )
    wishes = Wishes(
        args.drop_ended_days,
        frozenset(args.drop_run),
        Limits(args.max_bytes, args.max_age_days),
    )
    total = sum(path.stat().st_size for path in args.directory.glob("*.journal"))
    with (
        claimed(args.directory / "lock", f"{args.directory}"),
        progress(2 * total, "compacted", "B") as bar,
    ):
        done = compact_journal(args.directory, wishes, bar.update)
    if args.json:
        say_json(
            {
                "rewritten": done.rewritten,
                "removed": done.removed,
                "dropped": done.dropped,
                "acknowledged": [loss.as_dict() for loss in done.acknowledged],
                "bytes_before": done.bytes_before,
                "bytes_after": done.bytes_after,
            }
        )
        return 0
    for loss in done.acknowledged[:_SHOWN]:
        say(f"acknowledged: {loss}")
    say(
        f"{args.directory}: {done.bytes_before} bytes before, {done.bytes_after} after; "
        f"{done.dropped} records dropped, {len(done.acknowledged)} damaged places acknowledged, "
        f"{done.rewritten} segments rewritten, {done.removed} removed"
    )
    return 0


_KINDS: dict[str, tuple[Callable[[argparse.Namespace], int], str]] = {
    "list": (_list, "runs and segments"),
    "verify": (_verify, "check every record, footer and offset; exit code 1 on damage"),
    "compact": (_compact, "acknowledge damage, drop what is named; the daemon must be stopped"),
}
