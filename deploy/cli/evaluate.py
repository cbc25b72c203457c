"""Judge a model on cells it never saw: every figure with an interval, beside what needs no skill, as a report.

MODEL is the folder of a checkpoint or of a bundle, or demo. The report is one HTML file, a summary in Markdown and all
numbers as JSON, in --out. On simulated cells everything says "synthetic". On BSCCM (a local folder) a model is judged
fairly only where it was not trained on the test cells of that protocol: `phenostream reproduce` sees to that. Where a
test class has fewer than 30 cells no headline is given. Exit code 0 whatever the numbers.

Examples:
  phenostream evaluate demo --dataset simulated --preset hard --out work/evaluation
  phenostream evaluate work/model --dataset bsccm --root BSCCM --protocol fov --out work/bsccm
  phenostream evaluate --dataset bccd --root BCCD/TEST
  phenostream evaluate --dataset bsccm-figures --root FIGURES
"""

import argparse
import shlex
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.bundles import bundle_path
from phenostream.deploy.cli.terminal import note, printable, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.trainer.reproduce.assessment import Assessment, AssessmentSettings

_PROTOCOLS = ("paper", "clean", "fov", "slide", "condition")
_NEEDED = ("torch", "sklearn", "jinja2", "matplotlib")
_OF_PICTURES: Final[dict[str, str]] = {
    "bccd": "evaluate_bccd",
    "bsccm-figures": "evaluate_figures",
}
"""Data sets of pictures that no daemon sees, by name, with the module beside this one that judges a model on them."""
_SPELT: Final = {"model": "MODEL", "out": "--out"}
_OF_CROPS_ONLY: Final = {
    "protocol": "clean",
    "preset": "hard",
    "crops": 6_000,
    "backend": "auto",
    "comparisons": True,
    "ablations": True,
}
"""Options that mean nothing for pictures, with their defaults."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "model", metavar="MODEL", nargs="?",
        help="folder of a checkpoint or bundle, or demo; of pictures: default the model that comes with the program",
    )  # fmt: skip
    parser.add_argument("--dataset", choices=("simulated", "bsccm", *_OF_PICTURES), required=True)
    parser.add_argument("--root", type=Path, metavar="DIR", help="where the data set is")
    parser.add_argument("--protocol", choices=_PROTOCOLS, help="of BSCCM (default clean)")
    parser.add_argument(
        "--preset", choices=("easy", "hard"), help="of the simulator (default hard)"
    )
    parser.add_argument("--crops", type=int, help="simulated test crops (default 6000)")
    parser.add_argument("--seed", type=int, default=1, help="of everything drawn (default 1)")
    parser.add_argument("--resamples", type=int, default=1_000, help="for intervals (default 1000)")
    parser.add_argument("--backend", default="auto", help="that runs a bundle (default auto)")
    parser.add_argument("--threads", type=int, default=1, help="cores for torch (default 1)")
    parser.add_argument(
        "--no-comparisons", dest="comparisons", action="store_false",
        help="leave out baselines, controls, ablations and gallery: minutes less",
    )  # fmt: skip
    parser.add_argument(
        "--no-ablations", dest="ablations", action="store_false", help="leave out only those"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="of the report")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    parser.set_defaults(**_OF_CROPS_ONLY)


def run(args: argparse.Namespace) -> int:
    """Do it, with a progress bar; then the headline and where the report lies."""
    from phenostream.deploy.extras import need

    for package in _NEEDED:
        need(package, "trainer")
    if args.dataset in _OF_PICTURES:
        return _judge_pictures(args)
    from phenostream.trainer.reproduce.assessment import assess

    settings = _settings(args)
    with progress(settings.steps, "evaluate", "step") as bar:

        def on_step(name: str) -> None:
            bar.set_postfix_str(name)
            bar.update()

        found = assess(settings, on_step)
    if args.json:
        say_json(_as_json(found))
    else:
        _say(found)
    return 0


def _judge_pictures(args: argparse.Namespace) -> int:
    """Have the data set's own module do it."""
    if args.root is None:
        raise BadConfig(f"--root: needed with --dataset {args.dataset}")
    for name, default in _OF_CROPS_ONLY.items():
        if getattr(args, name) != default:
            raise BadConfig(f"--{name}: not allowed with --dataset {args.dataset}")
    judge = import_module(f"phenostream.deploy.cli.{_OF_PICTURES[args.dataset]}")
    exit_code: int = judge.run(args)
    return exit_code


def _settings(args: argparse.Namespace) -> "AssessmentSettings":
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.reproduce.assessment import AssessmentSettings

    for name in ("model", "out"):
        if getattr(args, name) is None:
            raise BadConfig(f"{_SPELT[name]}: needed with --dataset {args.dataset}")
    if (args.dataset == "bsccm") != (args.root is not None):
        raise BadConfig(f"--root {args.root}: needed with --dataset bsccm, and allowed only there")
    given = {name: value for name, value in vars(args).items() if name in AssessmentSettings.model_fields}  # fmt: skip
    given["model"] = bundle_path(args.model)
    given["command"] = shlex.join(["phenostream", *sys.argv[1:]])
    try:
        return AssessmentSettings(**given)
    except ValidationError as err:
        raise BadConfig(f"--{describe(err, AssessmentSettings)}") from err


def _say(found: "Assessment") -> None:
    evaluation = found.evaluation
    kind = ", SYNTHETIC" if evaluation.synthetic else ""
    say(printable(f"{evaluation.subject.name} on {evaluation.data.facts.name}{kind}"))
    if evaluation.headline.refusal is not None:
        say(f"NO HEADLINE: {printable(evaluation.headline.refusal)}")
    for line in evaluation.headline.lines:
        say(printable(line))
    if evaluation.headline.refusal is None:
        say()
        _say_markers(found)
    for name, path in found.files.items():
        note(f"{name}: {path}")


def _say_markers(found: "Assessment") -> None:
    """Each marker beside what the class alone gives."""
    from phenostream.trainer.evaluation.report.wording import with_interval

    markers = found.evaluation.markers
    if not markers:
        return
    inside = [one.name for one in markers[0].log.within]
    say_table(
        ["r, log scale", "model", "class means alone", *(f"within {name}" for name in inside)],
        [
            (
                marker.name,
                with_interval(marker.log.r, 2),
                with_interval(marker.log.class_mean_r, 2),
                *(with_interval(one.r, 2) for one in marker.log.within),
            )
            for marker in markers
        ],
    )


def _as_json(found: "Assessment") -> dict[str, object]:
    """What a program wants first; everything is in the JSON file."""
    from phenostream.trainer.evaluation.compared_figures import figures_of

    evaluation = found.evaluation
    refused = evaluation.headline.refusal is not None
    return {
        "model": evaluation.subject.name,
        "data": evaluation.data.facts.name,
        "protocol": evaluation.data.facts.protocol,
        "synthetic": evaluation.synthetic,
        "headline": evaluation.headline.model_dump(mode="json"),
        "figures": {}
        if refused
        else {one.name: one.figure.model_dump(mode="json") for one in figures_of(evaluation)},
        "files": {name: str(path) for name, path in found.files.items()},
    }
