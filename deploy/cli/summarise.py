"""The newest summary of a daemon's results, in two or three plain sentences or in the style that you ask for.

RESULTS is a journal directory (also of a running daemon), what `watch --json` wrote, or the URL of a running daemon.
The facts are those that the daemon wrote with its summary; only their wording is made here. --save-reference keeps a
run's cells as a small file, with which --reference compares another run of the same model: the cells are then counted
again from the results.

Examples:
  phenostream summarise /tmp/phenostream/journal
  phenostream summarise /tmp/phenostream/journal --style lab --run 099a8057
  phenostream summarise ipc:///tmp/phenostream/control --window --style line
  phenostream summarise /tmp/phenostream/journal --run 099a8057 --save-reference monday.json
  phenostream summarise /tmp/phenostream/journal --reference monday.json --style lab
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from phenostream.deploy.cli.endpoints import add_keys, client_keys
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.deploy.recount import Recount
    from phenostream.deploy.summaries import Summary

_SCOPES: Final = {
    "run": "the whole run",
    "part": "what one of its models saw",
    "window": "its newest window",
}


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
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="compare the run with that of --save-reference",
    )
    parser.add_argument(
        "--save-reference", type=Path, metavar="FILE", help="keep the run's cells to compare with"
    )
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="text, source and facts as JSON")


def run(args: argparse.Namespace) -> int:
    """Find the summary, word it, and print."""
    from phenostream.daemon.reference_file import read_reference
    from phenostream.deploy.recount import recount
    from phenostream.deploy.summaries import Wanted, newest_summary
    from phenostream.deploy.told import told
    from phenostream.engine.summary.template import write_summary

    _check(args)
    reference = None if args.reference is None else read_reference(args.reference)
    with (
        progress(None, "read", "B") as bar,
        told(_endpoint(args.results), client_keys(args), bar.update) as kept,
    ):
        summary = newest_summary(kept, Wanted(args.wanted_run, args.window), args.results)
        counted = None
        if reference is not None or args.save_reference is not None:
            counted = recount(kept, summary.run)
        lacks = kept.lacks()
    for line in lacks:
        note(f"phenostream summarise: {line}")
    if args.save_reference is not None and counted is not None:
        return _save(args, counted)
    if reference is not None and counted is not None:
        summary = replace(summary, scope="run", facts=counted.facts(reference))
    text = write_summary(summary.facts, args.style, args.language)
    if args.json:
        say_json(_plain(summary, text))
    else:
        _say(summary, text)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raises `BadConfig` where the arguments make no sense together."""
    if args.wanted_run == "":
        raise BadConfig("--run '': expected a run's id, or the end of it")
    if args.reference is not None and args.save_reference is not None:
        raise BadConfig("--reference with --save-reference: allowed one of them")
    if args.window and (args.reference or args.save_reference):
        raise BadConfig(
            "--window with a reference: results do not tell which cells a window had; [summary] reference has the "
            "daemon compare its windows"
        )


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


def _save(args: argparse.Namespace, counted: "Recount") -> int:
    from phenostream.daemon.reference_file import write_reference

    reference = counted.reference(args.save_reference.stem)
    write_reference(args.save_reference, reference)
    facts = counted.facts()
    if args.json:
        say_json(
            {
                "file": str(args.save_reference),
                "name": reference.name,
                "run": counted.run,
                "frames": facts.frames,
                "classified": facts.classified,
                "model": facts.model,
                "synthetic": facts.synthetic,
            }
        )
    else:
        say(
            printable(
                f"{args.save_reference}: {facts.classified:,} classified cells of {facts.frames:,} frames of run "
                f"{counted.run}, model {facts.model}{', SYNTHETIC' if facts.synthetic else ''}"
            )
        )
    return 0


def _say(summary: "Summary", text: str) -> None:
    what = _SCOPES.get(summary.scope, summary.scope)
    say(printable(f"run {summary.run} of {summary.instrument}, {what}:"))
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
