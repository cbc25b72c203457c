"""Prints what `phenostream bench detect` measured on real cells: stained smear fields, or a recording and its truth."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.trainer.evaluation.schema.figure import Figure

_LEAST_CELL_PX, _MOST_CELL_PX = 8.0, 4096.0


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of both."""
    parser.add_argument(
        "--fields",
        type=Path,
        metavar="DIR",
        help="score the white cells of stained smear fields against their boxes (Pascal VOC)",
    )
    parser.add_argument(
        "--cell-px",
        type=float,
        default=200.0,
        metavar="PX",
        help="fields: width of a white cell in these pictures (default 200, as at 640 x 480 under a 100x objective)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="fields: write a page of pictures")
    parser.add_argument(
        "--recording",
        type=Path,
        metavar="FILE",
        help="score the detector alone on a recording, against its --truth",
    )


def measure_fields(args: argparse.Namespace) -> int:
    """Score smear fields and print."""
    from phenostream.deploy.bench.field_pictures import annotations
    from phenostream.deploy.bench.fields import score_fields
    from phenostream.deploy.extras import need

    if args.out is not None:
        need("jinja2", "trainer")
    if not _LEAST_CELL_PX <= args.cell_px <= _MOST_CELL_PX:
        raise BadConfig(
            f"--cell-px {args.cell_px:g}: allowed {_LEAST_CELL_PX:g} to {_MOST_CELL_PX:g}"
        )
    with progress(len(annotations(args.fields)), "bench detect", "field") as bar:
        score = score_fields(args.fields, args.cell_px, bar.update)
    short = score.shortfalls()
    if args.out is not None:
        from phenostream.deploy.bench.fields_page import write_page

        note(f"phenostream bench detect: {write_page(score, args.out)} written")
    if args.json:
        say_json({**score.as_dict(), "shortfalls": short})
        return 1 if short else 0
    say(
        f"White cells on {len(score.outcomes)} stained fields, right at an intersection over union of 0.5; "
        f"[95 % interval over fields]"
    )
    say_table(
        ["fields", "n", "marked", "found", "recall", "precision", "false a field", "overlap"],
        [(part.part, part.fields, part.marked, part.found, _text(part.recall), _text(part.precision),
          _text(part.false_per_field), "none" if part.overlap is None else part.overlap)
         for part in score.parts],
    )  # fmt: skip
    say(f"{score.ms_per_field:.1f} ms a field, median, without reading")
    say("Research use only; never a diagnosis.")
    for one in (one for one in score.outcomes if one.wrong):
        missed, false = int((~one.hit).sum()), int((~one.right).sum())
        there = "".join(f", marked there: {name}" for name in one.taken_for if name)
        say(printable(f"wrong: {one.name}: {missed} missed, {false} false{there}"))
    for out in score.left_out:
        say(printable(f"left out: {out.name}: {out.reason}"))
    for line in score.notes:
        say(printable(f"note: {line}"))
    for line in short:
        say(f"SHORT: {line}")
    return 1 if short else 0


def measure_recording(args: argparse.Namespace) -> int:
    """Score the detector on a recording and print."""
    from phenostream.deploy.bench.recorded_cells import score_recording

    score = score_recording(args.recording, args.truth)
    if args.json:
        say_json(score.model_dump(mode="json"))
        return 0
    say(
        f"{score.frames} frames, {'SYNTHETIC' if score.synthetic else 'real'} cells "
        f"({printable(score.source)}); reduction and detection alone"
    )
    say_table(
        ["cells", "matched", "invented", "recall", "precision", "invented a frame", "centre error px", "ms a frame"],
        [(score.cells, score.matched, score.invented, _text(score.recall), _text(score.precision),
          _text(score.invented_per_frame),
          "none" if score.centre_error_px is None else score.centre_error_px, score.ms_per_frame)],
    )  # fmt: skip
    say()
    say_table(
        ["true kind", "cells", "found"],
        [(kind, one.cells, one.found) for kind, one in score.kinds.items()],
    )
    return 0


def _text(figure: "Figure | None") -> str:
    return "none" if figure is None else figure.text()
