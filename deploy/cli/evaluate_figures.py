"""`phenostream evaluate --dataset bsccm-figures`: a single-shot model on published pictures of real cells.

The cells are real and few, so every figure has its interval and none is a headline. What was fitted to real pixels is
never called zero-shot.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json, say_table
from phenostream.engine.types import CLASSES

if TYPE_CHECKING:
    from phenostream.trainer.evaluation.schema.figure import Figure
    from phenostream.trainer.single_shot.schema import FiguresReport, Way


def run(args: argparse.Namespace) -> int:
    """Judge, with a progress bar; then tables or JSON, and the page where one is asked for."""
    from phenostream.trainer.data.bsccm_figures import read_figures
    from phenostream.trainer.evaluation.figures.bootstrap import BootstrapSettings
    from phenostream.trainer.single_shot.figures import STEPS, judge
    from phenostream.trainer.single_shot.weights import load_single_shot

    intervals = BootstrapSettings(resamples=args.resamples, seed=args.seed)
    cells = read_figures(args.root)
    committee = load_single_shot(None if args.model is None else Path(args.model))
    with progress(STEPS, "evaluate", "step") as bar:

        def on_step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        report = judge(args.root, cells, committee, intervals, on_step)
    if args.json:
        say_json(report.model_dump(mode="json"))
    else:
        _say(report)
    if args.out is not None:
        from phenostream.trainer.single_shot.page import write_page

        note(f"page: {write_page(report, cells, args.out)}")
    return 0


def _say(report: "FiguresReport") -> None:
    counts = ", ".join(f"{count} {label}" for label, count in report.counts.items())
    learnt = "trained on simulated cells only" if report.model.synthetic else "see its card"
    say(printable(f"{report.model.name} {report.model.version}, {learnt}"))
    say(printable(f"real cells from published figures, {report.root}: {counts}"))
    for line in report.left_out:
        say(printable(f"left out: {line}"))
    say()
    say_table(
        ["way", "accuracy", "balanced accuracy", "mean AUC", *(f"recall {c}" for c in CLASSES)],
        [_row(way) for way in report.ways],
    )
    say("chance: balanced accuracy 0.333, AUC 0.5; intervals are 95 %, over cells")
    say(f"balanced accuracy, adapted minus strict, paired by cell: {_text(report.gain)}")
    say()
    _say_rejected(report)
    for way in report.ways:
        if way.classification is not None:
            rows = " ".join(str(list(row)) for row in way.classification.confusion.counts)
            say(f"{way.name}: true by called ({', '.join(CLASSES)}): {rows}")
    say()
    for way in report.ways:
        folds = f"; {report.folds} folds" if way.name == "adapted" else ""
        say(f"{way.name}: {way.what}{folds}")
    say("Research use only; not a diagnosis. So few cells decide nothing: read the intervals.")


def _say_rejected(report: "FiguresReport") -> None:
    rejecting = [way for way in report.ways if way.rejected]
    say_table(
        ["rejected as no white cell", *(one.label for one in rejecting[0].rejected)],
        [(way.name, *(_text(one.share) for one in way.rejected)) for way in rejecting],
    )
    say()


def _row(way: "Way") -> tuple[str, ...]:
    found = way.classification
    if found is None:
        return (way.name, *("no white cell",) * (3 + len(CLASSES)))
    recalls = (_text(one.recall) for one in found.classes)
    return (
        way.name,
        found.accuracy.text(2),
        found.balanced_accuracy.text(2),
        _text(way.mean_auroc),
        *recalls,
    )


def _text(figure: "Figure | None") -> str:
    return "none" if figure is None else figure.text(2)
