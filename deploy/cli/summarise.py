"""The newest summary of a daemon's results, in two or three plain sentences or in the style that you ask for.

RESULTS is a journal directory (also of a running daemon), what `watch --json` wrote, or the URL of a running daemon.
The facts are those that the daemon wrote with its summary; only their wording is made here. --save-reference keeps a
run's cells as a small file, with which --reference compares another run of the same model: the cells are then counted
again from the results. --explain tells of one cell instead: why it has its class, or none, and how sure that is.

Exit code 3: the language model that is there gave no words (the template's are printed), or not all of a run could be
counted again.

Examples:
  phenostream summarise /tmp/phenostream/journal
  phenostream summarise /tmp/phenostream/journal --style lab --run 099a8057
  phenostream summarise ipc:///tmp/phenostream/control --window --style line
  phenostream summarise /tmp/phenostream/journal --run 099a8057 --save-reference monday.json
  phenostream summarise /tmp/phenostream/journal --reference monday.json --style lab
  phenostream summarise /tmp/phenostream/journal --explain 099a8057/3/12
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from phenostream.deploy.cli.comparison_table import say_comparisons
from phenostream.deploy.cli.endpoints import add_keys
from phenostream.deploy.cli.record_lines import summary_source
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json
from phenostream.deploy.cli.told_results import told_results
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.daemon.summariser.author import Worded
    from phenostream.deploy.narrator import Narrator
    from phenostream.deploy.recount import Recount
    from phenostream.deploy.summaries import Summary
    from phenostream.deploy.telling import Manner

_LONGEST_DEADLINE_S: Final = 3600.0
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
    parser.add_argument("--language", default="en", help="of the text: en (default) or de")
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
        "--deadline",
        type=float,
        default=120.0,
        metavar="S",
        help="longest time for the model's text, once it is loaded (default 120); then the template's",
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
    parser.add_argument(
        "--explain",
        metavar="RUN/FRAME/INDEX",
        help="one cell instead: the end of its run's id, its frame, its number there",
    )
    add_keys(parser)
    parser.add_argument("--json", action="store_true", help="text, source and facts as JSON")


def run(args: argparse.Namespace) -> int:
    """Word a summary, keep a run to compare with, or explain a cell."""
    _check(args)
    if args.explain is not None:
        return _explain(args)
    return _word(args) if args.save_reference is None else _save(args)


def _check(args: argparse.Namespace) -> None:
    """Raises `BadConfig` where the arguments make no sense, alone or together."""
    if not 0 < args.deadline <= _LONGEST_DEADLINE_S:
        raise BadConfig(
            f"--deadline {args.deadline:g}: allowed above 0, to {_LONGEST_DEADLINE_S:g}"
        )
    if args.wanted_run == "":
        raise BadConfig("--run '': expected a run's id, or the end of it")
    chosen = {
        "--explain": args.explain is not None,
        "--save-reference": args.save_reference is not None,
        "--reference": args.reference is not None,
    }
    if sum(chosen.values()) > 1:
        raise BadConfig(f"{' with '.join(k for k, v in chosen.items() if v)}: allowed one of them")
    if args.window and any(chosen.values()):
        raise BadConfig(
            f"--window with {next(k for k, v in chosen.items() if v)}: allowed for a summary alone; results do not "
            "tell which cells a window had ([summary] reference has the daemon compare its windows)"
        )


def _word(args: argparse.Namespace) -> int:
    from phenostream.daemon.reference_file import read_reference
    from phenostream.deploy.narrator import NONE, narrator
    from phenostream.deploy.recount import recount
    from phenostream.deploy.summaries import Wanted, newest_summary
    from phenostream.deploy.telling import Manner, worded

    manner, code = Manner.of(args.style, args.language, args.mode), 0
    by = narrator(NONE if manner.mode == "template" else args.llm)
    reference = None if args.reference is None else read_reference(args.reference)
    with told_results(args) as kept:
        summary = newest_summary(kept, Wanted(args.wanted_run, args.window), args.results)
        if reference is not None:
            counted = recount(kept, summary.run)
            facts = counted.facts(reference)
            summary = replace(summary, scope=facts.scope, facts=facts)
            code = _note_lacking(counted)
    with progress(None, f"wording with {by.model.name if by.model else 'the template'}", "text"):
        words = worded(summary.facts, manner, by, args.deadline)
    for reason in words.refused:
        note(f"phenostream summarise: {printable(reason)}")
    if args.json:
        say_json(_plain(summary, manner, words))
    else:
        _say(summary, words, by)
        if reference is not None:
            say_comparisons(summary.facts)
    return 3 if by.model is not None and words.llm is None and words.refused else code


def _save(args: argparse.Namespace) -> int:
    from phenostream.daemon.reference_file import write_reference
    from phenostream.deploy.recount import recount
    from phenostream.deploy.summaries import Wanted, newest_summary

    with told_results(args) as kept:
        summary = newest_summary(kept, Wanted(args.wanted_run), args.results)
        counted = recount(kept, summary.run)
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
    return _note_lacking(counted)


def _note_lacking(counted: "Recount") -> int:
    """Say which frames could not be counted; the exit code."""
    if counted.lacking is not None:
        note(f"phenostream summarise: run {counted.run}: {counted.lacking}")
    return 0 if counted.lacking is None else 3


def _explain(args: argparse.Namespace) -> int:
    from phenostream.deploy.cells import CellName, explained_cell
    from phenostream.engine.summary.cell_words import explained

    name = CellName.parse(args.explain)
    with told_results(args) as kept:
        cell = explained_cell(kept, name, args.results)
    lines = explained(cell)
    if args.json:
        say_json({"text": "\n".join(lines), "facts": cell.as_dict()})
        return 0
    for line in lines:
        say(printable(line))
    return 0


def _say(summary: "Summary", words: "Worded", by: "Narrator") -> None:
    from phenostream.deploy.telling import as_told

    what = _SCOPES.get(summary.scope, summary.scope)
    say(printable(f"run {summary.run} of {summary.instrument}, {what}:"))
    say(printable(words.text))
    lacks = f" ({by.lacks})" if by.lacks else ""
    say(printable(f"worded by: {summary_source(as_told(words))}{lacks}"))


def _plain(summary: "Summary", manner: "Manner", words: "Worded") -> dict[str, Any]:
    from phenostream.deploy.telling import as_told

    return {
        "run": summary.run,
        "instrument": summary.instrument,
        "scope": summary.scope,
        "offset": summary.offset,
        "text": words.text,
        **asdict(manner),
        **as_told(words),
        "tries": words.tries,
        "refused": words.refused,
        "facts": summary.facts.as_dict(),
    }
