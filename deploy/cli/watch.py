"""Follow results as they are published: every record once and in order, gaps repaired from the journal.

Prints a line a frame, summaries and ledgers; with --json one JSON object a record. --since OFFSET begins in the past.
A summary comes twice where a language model words it: the second one takes the place of the first, of the same facts.
What each run is comes before its first result, also for a run that began before (run_open, at its own offset).
Exit code 3: offsets were lost for good, and named.

Examples:
  phenostream watch ipc:///tmp/phenostream/results
  phenostream watch --run 099a8057 --since 0
  phenostream watch --until-end --json > got.jsonl
  phenostream watch --until-end --words 30
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.endpoints import RESULTS, add_keys, client_keys
from phenostream.deploy.cli.record_lines import record_line, short_run
from phenostream.deploy.cli.terminal import note, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.client.subscriber import Record, Subscriber


_SILENCE_S: Final = 5.0
"""A living daemon speaks every second."""
_LONG_WAIT_S: Final = 10.0
_LONGEST_WORDS_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Until:
    """When a watch ends: when the runs that were seen have ended.

    Attributes:
        words_s: So long after the last end words of the runs' summaries are waited for.
    """

    words_s: float = 0.0


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
    add_keys(parser)
    parser.add_argument(
        "--since", type=int, metavar="OFFSET", help="first offset; 0 = the whole journal"
    )
    parser.add_argument(
        "--run",
        dest="wanted_run",
        metavar="RUN",
        help="only this run: its id, or the end of it as the lines show it",
    )
    parser.add_argument(
        "--until-end", action="store_true", help="stop when the runs that were seen have ended"
    )
    parser.add_argument(
        "--words",
        type=float,
        default=0.0,
        metavar="S",
        help="with --until-end: wait up to S seconds more for a language model's words of the runs",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a record")


def run(args: argparse.Namespace) -> int:
    """Follow and print; exit code 3 when records were lost for good."""
    from phenostream.daemon.client.subscriber import Record, Subscriber
    from phenostream.daemon.exports.jsonl import json_record

    if args.since is not None and args.since < 0:
        raise BadConfig(f"--since {args.since}: allowed 0 or more")
    control = args.control or control_beside(args.url)
    if args.since is not None and control is None:
        raise BadConfig(f"--since {args.since}: needs --control URL to read the journal from")
    if args.wanted_run == "":
        raise BadConfig("--run '': expected a run's id, or the end of it")
    if not 0 <= args.words <= _LONGEST_WORDS_S:
        raise BadConfig(f"--words {args.words:g}: allowed 0 to {_LONGEST_WORDS_S:g}")
    until = Until(args.words) if args.until_end else None
    lost = 0

    def count(first: int, last: int) -> None:
        nonlocal lost
        lost += last - first + 1
        which = f"offset {first} is" if first == last else f"offsets {first} to {last} are"
        note(
            f"phenostream watch: {which} lost: retention or damage, see `phenostream journal verify`"
        )

    def tell(record: Record) -> None:
        if args.json:
            say_json(json_record(record.topic, record.offset, record.body))
        else:
            say(record_line(record))

    def introduce(start: Record) -> None:
        if start.facts["event"] == "run_open" and concerns(start, args.wanted_run):
            tell(start)

    with Subscriber(args.url, control, args.since, keys=client_keys(args)) as results:
        results.on_gap = count
        results.on_missed = tell_missed
        results.on_run = introduce
        results.wait_subscribed()
        note(f"phenostream watch: subscribed to {args.url}")
        try:
            for record in followed(results, until, time.monotonic, args.wanted_run):
                tell(record)
        except KeyboardInterrupt:  # the only way to end an endless watch
            if args.until_end:
                raise
    return 3 if lost else 0


def tell_missed(run: str, n: int) -> None:
    """Of which run results were lost."""
    note(f"phenostream watch: {n} results of run {run} were not seen")


def concerns(record: "Record", run: str | None) -> bool:
    """Whether a record is of the run that is wanted, or of no run; every record if none is."""
    of = record.facts.get("run")
    return run is None or of is None or str(of).endswith(run)


def followed(
    results: "Subscriber",
    until: Until | None,
    clock: Callable[[], float],
    run: str | None = None,
) -> Iterator["Record"]:
    """The records, telling on standard error what is waited for: a silent daemon, or runs that stay open.

    Args:
        results: A subscriber that stands.
        until: When to stop; None: never.
        clock: Seconds, monotonic.
        run: Only the records of this run: its id, or the end of it.
    """
    from phenostream.daemon.client.open_runs import OpenRuns

    runs, silent = OpenRuns(), False
    ended_s, told = 0.0, True
    for record in results.events():
        if record is not None and concerns(record, run):
            runs.take(record)
            if record.facts.get("event") == "run_ended":
                ended_s, told = clock(), False
            yield record
        elif (
            record is None
            and until is not None
            and runs.all_ended
            and (not runs.unworded or clock() - ended_s >= until.words_s)
        ):
            return
        if silent != (results.silent_s > _SILENCE_S):
            silent = not silent
            note(
                f"phenostream watch: no word from the daemon for {_SILENCE_S:.0f} s, waiting"
                if silent
                else "phenostream watch: the daemon is back"
            )
        if until is not None and runs.open and not told and clock() - ended_s > _LONG_WAIT_S:
            told = True  # once after every end
            names = ", ".join(short_run(run) for run in runs.open)
            note(f"phenostream watch: waiting for {len(runs.open)} open runs: {names}")


def control_beside(results_url: str) -> str | None:
    """The control endpoint in the same folder as an ipc results endpoint, as the example configuration has it."""
    scheme, _, path = results_url.partition("://")
    name = Path(path).name
    if scheme != "ipc" or "results" not in name:
        return None
    beside = Path(path).with_name(name.replace("results", "control"))
    return f"ipc://{beside}" if beside.exists() else None
