"""Compare two runs that were evaluated or reproduced: every figure of both, and which differ by more than chance.

A and B are the folders of `--out`, or their report.json. A difference is B minus A, with a 95 % interval; where the two
may not be compared (other data, simulated against measured cells, a refused headline) none is given, and it says why.

Example:
  phenostream compare work/before work/after --out difference.html
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import note, printable, say, say_json, say_table

if TYPE_CHECKING:
    from phenostream.trainer.evaluation.compare import Comparison, Side


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("first", type=Path, metavar="A", help="a report's folder or JSON file")
    parser.add_argument("second", type=Path, metavar="B", help="the one that is compared with A")
    parser.add_argument("--out", type=Path, metavar="HTML", help="write a page as well")
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare, print, and write the page where one is wanted."""
    from phenostream.deploy.extras import need

    for package in ("jinja2", "scipy"):
        need(package, "trainer")
    from phenostream.trainer.evaluation.compare import compare
    from phenostream.trainer.evaluation.report.comparison_page import render_comparison
    from phenostream.trainer.evaluation.report.files import read_report
    from phenostream.trainer.written_whole import write_whole

    found = compare(read_report(args.first), read_report(args.second))
    if args.out is not None:
        write_whole(args.out, render_comparison(found).encode())
    if args.json:
        say_json({**found.model_dump(mode="json"), "comparable": found.comparable})
    else:
        _say(found)
    if args.out is not None:
        note(f"page: {args.out}")
    return 0


def _say(found: "Comparison") -> None:
    say(f"A: {_described(found.first)}")
    say(f"B: {_described(found.second)}")
    for obstacle in found.obstacles:
        say(f"NOT COMPARABLE: {printable(obstacle)}; no difference is given")
    for text in found.notes:
        say(printable(text))
    say()
    say_table(["figure", "A", "B", "B - A", "", "outcome"], _rows(found))


def _described(side: "Side") -> str:
    seeds = f"{side.seeds} seed{'' if side.seeds == 1 else 's'}"
    kind = "SYNTHETIC, " if side.synthetic else ""
    return printable(f"{side.model} on {side.data}, split {side.protocol}, {kind}{seeds}")


def _rows(found: "Comparison") -> Iterator[tuple[str, str, str, str, str, str]]:
    from phenostream.trainer.evaluation.report.wording import interval, signed, with_interval

    for row in found.rows:
        between = row.difference
        yield (
            printable(row.name),
            with_interval(row.first),
            with_interval(row.second),
            signed(between.value if between else None),
            interval(between),
            row.verdict or "",
        )
