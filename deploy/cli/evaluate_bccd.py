"""`phenostream evaluate --dataset bccd`: a committee for stained white cells on a folder of pictures.

Declares nothing of its own; `evaluate` hands over what was given. Without MODEL the model that comes with the program
is judged.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from phenostream.deploy.cli.picture_steps import StepBar
from phenostream.deploy.cli.terminal import note, printable, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.trainer.bccd.evaluation import (
        EvaluationSettings,
        PartJudged,
        StainedEvaluation,
    )
    from phenostream.trainer.bccd.judging import Judged
    from phenostream.trainer.evaluation.schema.performance import Classification


def run(args: argparse.Namespace) -> int:
    """Judge, with a progress bar; then the figures, and where the page lies."""
    from phenostream.trainer.bccd.evaluation import evaluate
    from phenostream.trainer.bccd.page import write_page
    from phenostream.trainer.bccd.shipped import SHIPPED, load_subject
    from phenostream.trainer.data.bccd.smears import read_smears

    settings = _settings(args)
    subject = load_subject(Path(args.model) if args.model else SHIPPED)
    with StepBar() as bar:
        smears = read_smears(args.root, lambda: bar.step("read pictures", 1, None))
        found = evaluate(smears, subject, args.root, settings, bar.step)
    files = write_page(found, args.out) if args.out else {}
    if args.json:
        say_json(_as_json(found, files))
    else:
        _say(found)
        for name, path in files.items():
            note(f"{name}: {path}")
    return 0


def _settings(args: argparse.Namespace) -> "EvaluationSettings":
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.bccd.evaluation import EvaluationSettings

    given = {name: getattr(args, name) for name in EvaluationSettings.model_fields}
    try:
        return EvaluationSettings(**given)
    except ValidationError as err:
        raise BadConfig(f"--{describe(err, EvaluationSettings)}") from err


def _as_json(found: "StainedEvaluation", files: dict[str, Path]) -> dict[str, object]:
    """All figures, without curves and pictures."""
    everything = found.model_dump(mode="json")
    for part in everything["parts"]:
        del part["wrong"], part["right"]
        for name in ("unseen", "crossed", "together"):
            for view in ("by_picture", "by_original") if part[name] else ():
                for one in part[name][view]["classes"]:
                    del one["roc"]
    return everything | {"files": {name: str(path) for name, path in files.items()}}


def _say(found: "StainedEvaluation") -> None:
    say(printable(f"{found.model} on {found.root}: {found.read} stained pictures, research use only"))  # fmt: skip
    if found.resampled:
        say(f"{found.resampled} of another size were resampled to 128 x 128")
    for line in found.left_out:
        say(printable(line))
    for part in found.parts:
        _say_part(part)
    say()
    say_table(
        ["when the model was made", "value", "measured on"],
        [(one.name, one.figure.text(), one.data) for one in found.when_made],
    )
    say(found.published)


def _say_part(part: "PartJudged") -> None:
    labels = ", ".join(f"{name.lower()} {count}" for name, count in part.labels.items())
    say()
    say(printable(f"{part.part}: {labels}"))
    if part.unplaced:
        say(f"{part.unplaced} of these files match no original clearly; they are not judged")
    judged = {
        "originals that no member has seen, by all members": part.unseen,
        "originals that the committee learnt from, each by the members that have not seen it": part.crossed,
        "both together": part.together,
    }
    for name, figures in judged.items():
        if figures is not None:
            _say_judged(name, figures)


def _say_judged(name: str, judged: "Judged") -> None:
    """One table per way of counting, and who is called what."""
    from phenostream.trainer.evaluation.report.wording import with_interval

    rows = []
    for what, count, found in (
        ("per picture", judged.pictures, judged.by_picture),
        ("per original", judged.originals, judged.by_original),
    ):
        areas = [one.auroc.value for one in found.classes if one.auroc is not None]
        recalls = [with_interval(one.recall) for one in found.classes]
        rows.append(
            (
                what,
                count,
                with_interval(found.accuracy),
                with_interval(found.balanced_accuracy),
                f"{sum(areas) / len(areas):.3f}" if areas else "none",
                *recalls,
            )
        )
    names = [f"recall {one.name}" for one in judged.by_picture.classes]
    say(f"{name}: 95 % intervals from resampling originals")
    say_table(["", "n", "accuracy", "balanced", "mean AUC", *names], rows)
    for what, found in (("pictures", judged.by_picture), ("originals", judged.by_original)):
        _say_confusion(what, found)


def _say_confusion(what: str, found: "Classification") -> None:
    confusion = found.confusion
    say_table(
        [f"{what}: true, called", *confusion.classes],
        [(name, *counts) for name, counts in zip(confusion.classes, confusion.counts, strict=True)],
    )
