"""The newest summary of a daemon's results, in two or three plain sentences or in the style that you ask for.

RESULTS is a journal directory (also of a running daemon), what `watch --json` wrote, or the URL of a running daemon.
The facts are those that the daemon wrote with its summary; only their wording is made here.

Examples:
  phenostream summarise /tmp/phenostream/journal
  phenostream summarise /tmp/phenostream/journal --style lab --run 099a8057
  phenostream summarise ipc:///tmp/phenostream/control --window --style line
"""

import argparse
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.endpoints import add_keys, client_keys
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.summaries import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "results",
        metavar="RESULTS",
        help="journal directory, JSON lines, or a daemon's control or results endpoint",
    )
    parser.add_argument(
        "--run",
        dest="wanted_run",
        metavar="RUN",
        help="of this run: its id, or the end of it as `watch` shows it",
    )
    parser.add_argument(
        "--window", action="store_true", help="the newest window's, not the whole run's"
    )
    parser.add_argument(
        "--style",
        default="bedside",
        help="bedside: two or three sentences (default); lab: all there is; line: one sentence",
    )
    parser.add_argument("--language", default="en", help="of the text, two letters (default en)")
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="text, source and facts as JSON")


def run(args: argparse.Namespace) -> int:
    """Find the summary, word it, and print."""
    from phenostream.deploy.summaries import Wanted, newest_summary
    from phenostream.deploy.told import told
    from phenostream.engine.summary.template import write_summary

    if args.wanted_run == "":
        raise BadConfig("--run '': expected a run's id, or the end of it")
    with (
        progress(None, "read", "B") as bar,
        told(_endpoint(args.results), client_keys(args), bar.update) as kept,
    ):
        summary = newest_summary(kept, Wanted(args.wanted_run, args.window), args.results)
        lacks = kept.lacks()
    for line in lacks:
        note(f"phenostream summarise: {line}")
    text = write_summary(summary.facts, args.style, args.language)
    if args.json:
        say_json(_plain(summary, text))
    else:
        _say(summary, text)
    return 0


def _endpoint(results: str) -> str:
    """RESULTS, with the control endpoint in the place of a results endpoint, which keeps nothing.

    Raises:
        BadConfig: It is a results endpoint, and the one beside it is not there.
    """
    from phenostream.deploy.cli.watch import control_beside

    if "://" not in results or "results" not in results.rpartition("/")[2]:
        return results
    beside = control_beside(results)
    if beside is None:
        raise BadConfig(f"RESULTS {results!r}: no control endpoint beside it; give that one")
    return beside


def _say(summary: "Summary", text: str) -> None:
    of = f"the {summary.scope}" if summary.scope != "part" else "what one model saw of the run"
    say(printable(f"summary of {of} {summary.run} of {summary.instrument}"))
    say(printable(text))
    say("source: template")


def _plain(summary: "Summary", text: str) -> dict[str, Any]:
    return {
        "run": summary.run,
        "instrument": summary.instrument,
        "scope": summary.scope,
        "offset": summary.offset,
        "text": text,
        "source": "template",
        "facts": summary.facts.as_dict(),
    }
