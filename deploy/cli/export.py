"""Results to a file of another tool: .csv or .parquet, one row per cell, with units.

RESULTS is a journal directory (also of a running daemon) or what `watch --json` wrote. Parquet needs the extra:
pip install 'phenostream[exports]'. Simulated results say "synthetic" in every row. Of a damaged journal everything that
is whole is exported, what is missing is said, and the exit code is 3, also where `journal compact` acknowledged it.
What retention removed or a person dropped is said too, with exit code 0.

Example:
  phenostream export /tmp/phenostream/journal cells.parquet
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import note, progress, say, say_json

if TYPE_CHECKING:
    from phenostream.daemon.exports.export import ExportFacts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="journal directory or JSON lines"
    )
    parser.add_argument("target", type=Path, metavar="PATH", help="file to write: .csv or .parquet")
    parser.add_argument(
        "--run", dest="runs", action="append", metavar="RUN", help="only this run (repeatable)"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")


def run(args: argparse.Namespace) -> int:
    """Export and say what was written."""
    from phenostream.daemon.exports.export import export

    with progress(None, "exported", "frame") as bar:
        written = export(
            args.results, args.target, runs=args.runs, on_frame=lambda _fate: bar.update()
        )
    for line in (
        *written.losses,
        *(f"not in the journal any more: {gone}" for gone in written.gone),
    ):
        note(f"phenostream export: {line}")
    if args.json:
        say_json(written.as_dict())
    else:
        say(
            f"{written.target}: {written.rows} cells of {written.frames} frames"
            f"{', SYNTHETIC' if written.synthetic else ''}"
            f"{_missing(written)}; research use only"
        )
    return 0 if written.complete else 3


def _missing(written: "ExportFacts") -> str:
    """What a reader of the table must know of what is not in it."""
    if written.losses:
        return ", NOT COMPLETE: the journal is damaged"
    if not written.complete:
        return ", NOT COMPLETE: records were given up after damage"
    return ", of what the journal still holds" if written.gone else ""
