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
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from phenostream.deploy.cli.endpoints import add_keys, client_keys
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json
from phenostream.deploy.cli.watch import control_beside, summary_source
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.summariser.author import Worded
    from phenostream.deploy.narrator import Narrator
    from phenostream.deploy.recount import Recount
    from phenostream.deploy.summaries import Summary
    from phenostream.deploy.telling import Manner

T = TypeVar("T", bound=str)

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
        "--llm",
        metavar="MODEL",
        help="what words it: a name of fetch-llm, a GGUF file, or none (default: smollm2 if it is there)",
    )
    parser.add_argument(
        "--mode",
        default="grammar",
        help="grammar: it chooses among true wordings (default); free: it writes, and what the facts do not support is "
        "refused (English, 1.5 billion parameters or more); template: it is not asked",
    )
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
    from phenostream.deploy.narrator import NONE, narrator
    from phenostream.deploy.recount import recount
    from phenostream.deploy.summaries import Wanted, newest_summary
    from phenostream.deploy.telling import worded
    from phenostream.deploy.told import told

    _check(args)
    manner = _manner(args)
    words = narrator(NONE if manner.mode == "template" else args.llm)
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
    told_as = worded(summary.facts, manner, words)
    for reason in told_as.refused:
        note(f"phenostream summarise: {printable(reason)}")
    if args.json:
        say_json(_plain(summary, manner, told_as))
    else:
        _say(summary, told_as, words)
    return 3 if words.model is not None and told_as.source == "template" and told_as.refused else 0


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


def _manner(args: argparse.Namespace) -> "Manner":
    from phenostream.daemon.summariser.author import Mode
    from phenostream.deploy.telling import Manner
    from phenostream.engine.summary.prompt import FREE_LANGUAGE
    from phenostream.engine.summary.wording import STYLES

    modes: tuple[Mode, ...] = get_args(Mode)
    if args.mode == "free" and args.language != FREE_LANGUAGE:
        raise BadConfig(
            f"--mode free with --language {args.language!r}: allowed {FREE_LANGUAGE}, what texts are verified in"
        )
    style, mode = _one_of("style", args.style, STYLES), _one_of("mode", args.mode, modes)
    return Manner(style, args.language, mode)


def _one_of(option: str, value: str, allowed: tuple[T, ...]) -> T:
    for one in allowed:
        if one == value:
            return one
    raise BadConfig(f"--{option} {value!r}: allowed {', '.join(map(str, allowed))}")


def _endpoint(results: str) -> str:
    """RESULTS, with the control endpoint in the place of a results endpoint, which keeps nothing.

    Raises:
        BadConfig: It is a results endpoint, and the one beside it is not there.
    """
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


def _say(summary: "Summary", words: "Worded", by: "Narrator") -> None:
    what = _SCOPES.get(summary.scope, summary.scope)
    say(printable(f"run {summary.run} of {summary.instrument}, {what}:"))
    say(printable(words.text))
    lacks = f" ({by.lacks})" if by.lacks else ""
    say(printable(f"worded by: {summary_source(_by(words))}{lacks}"))


def _by(words: "Worded") -> dict[str, Any]:
    """Who worded it, as a summary record says."""
    llm = words.llm
    named = llm and {"name": llm.name, "sha256": llm.sha256, "binding": llm.binding}
    seconds = None if llm is None else round(words.seconds, 3)
    return {"source": words.source, "llm": named, "seconds": seconds}


def _plain(summary: "Summary", manner: "Manner", words: "Worded") -> dict[str, Any]:
    return {
        "run": summary.run,
        "instrument": summary.instrument,
        "scope": summary.scope,
        "offset": summary.offset,
        "text": words.text,
        **asdict(manner),
        **_by(words),
        "tries": words.tries,
        "refused": words.refused,
        "facts": summary.facts.as_dict(),
    }
