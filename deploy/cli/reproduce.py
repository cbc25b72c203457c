"""Pack BSCCM, train, calibrate, evaluate and report under one protocol, over several seeds; say what was reproduced.

Reads BSCCM or BSCCMNIST from a local folder (never downloads) and writes everything under --out: packed cells, one
folder for each protocol, the report as HTML and Markdown, and the same as JSON. A finished step is never done twice: an
interrupted run goes on where it was, and a finished one only prints. Run several protocols with the same --out, and the
report tells how much of a number is the split.

Protocols: `paper` is the published random split, duplicates and all, with the published recipe, for comparison only;
`clean` has every cell once; `fov` parts whole fields of view; `slide` whole slides, where there is more than one.

Exit code 0 whatever the numbers are; 1 when a check of the procedure fails, such as parts that overlap; 2 for bad
input.
Without BSCCM: `phenostream bsccm mirror work/mirror` writes a synthetic data set in its layout.

Example:
  phenostream reproduce --bsccm work/mirror --protocol clean --seeds 2 --quick
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from phenostream.deploy.cli.terminal import note, say, say_json, say_table
from phenostream.engine.errors import BadConfig
from phenostream.engine.types import MARKERS

if TYPE_CHECKING:
    from phenostream.trainer.evaluation.schema.reproduction import Reproduction
    from phenostream.trainer.reproduce.run import Finished
    from phenostream.trainer.reproduce.settings import ReproduceSettings
    from phenostream.trainer.reproduce.stages import StageDone

_PROTOCOLS: Final = ("paper", "clean", "fov", "slide")
_SHOWN: Final = (
    *("accuracy", "balanced accuracy", "macro F1", "ECE"),
    *(f"r {marker}, {scale}" for marker in MARKERS for scale in ("log", "linear")),
)
"""Figures on the terminal; the report has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--bsccm", type=Path, required=True, metavar="ROOT", help="the data set")
    parser.add_argument(
        "--protocol", choices=_PROTOCOLS, required=True, help="how cells are parted"
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings (default 3)")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that all works")
    parser.add_argument(
        "--out", type=Path, default=Path("work/reproduce"), metavar="DIR",
        help="where everything is kept (default work/reproduce)",
    )  # fmt: skip
    parser.add_argument(
        "--epochs", type=int, default=None, metavar="N", help="instead of the recipe's own"
    )
    parser.add_argument(
        "--no-ablations", dest="ablations", action="store_false",
        help="do not train the network without each of its parts",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=1, help="cores to train on (default 1)")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON")


def run(args: argparse.Namespace) -> int:
    """Do it, telling each stage on standard error; then what came of it."""
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.deploy.extras import need
    from phenostream.trainer.reproduce.settings import ReproduceSettings

    names = ReproduceSettings.model_fields
    try:
        settings = ReproduceSettings(**{name: getattr(args, name) for name in names})
    except ValidationError as err:
        raise BadConfig(f"--{describe(err, ReproduceSettings)}") from err
    for package in ("torch", "sklearn", "jinja2", "matplotlib"):
        need(package, "trainer")
    from phenostream.trainer.reproduce.run import reproduce

    note(_title(settings))
    finished = reproduce(settings, _tell)
    if args.json:
        say_json(_as_json(finished))
    else:
        _say(finished)
    return 0


def _title(settings: "ReproduceSettings") -> str:
    seeds = f"{settings.seeds} seed{'s' if settings.seeds > 1 else ''}"
    quick = ", quick" if settings.quick else ""
    return f"reproduce {settings.bsccm}: protocol {settings.protocol}, {seeds}{quick}"


def _tell(done: "StageDone") -> None:
    """One line for a stage that ended: its time, what came of it, and what is left."""
    took = "kept" if done.kept else _duration(done.seconds)
    left = "" if done.left_s is None or done.left_s < 1 else f"  ({_duration(done.left_s)} left)"
    note(f"  {done.name:<22} {took:>8}  {done.detail}{left}")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _say(finished: "Finished") -> None:
    """What a person reads last."""
    it = finished.reproduction
    if it.synthetic:
        say("SYNTHETIC: these cells are simulated; nothing here is evidence about blood.")
    for refusal in it.refusals:
        say(f"headline refused: {refusal}")
    if it.spread and not it.refusals:
        say_table(["figure", "mean over seeds", "sd", "class mean alone"], _rows(it))
    for gap in () if it.refusals else it.gaps:
        if gap.figure in _SHOWN:
            sd = "" if gap.sd is None else f" (sd {gap.sd:.3f})"
            say(f"{gap.name}: {gap.figure} {gap.value:+.3f}{sd}")
    for control in it.evaluations[0].controls if it.evaluations else ():
        if control.as_expected is False:
            say(f"CONTROL NOT AS EXPECTED: {control.name}: {control.verdict}")
    for verdict in it.verdicts:
        say(verdict.text)
    say(f"report: {finished.files['html']}")


def _rows(it: "Reproduction") -> Iterator[tuple[str, str, str, str]]:
    """The figures of `_SHOWN`, each r beside what knowing the class alone would give."""
    known = {one.name: one for one in it.spread}
    for name in _SHOWN:
        if name in known:
            one, alone = known[name], known.get(f"class-mean {name}")
            sd = "-" if one.sd is None else f"{one.sd:.3f}"
            yield name, f"{one.mean:.3f}", sd, "" if alone is None else f"{alone.mean:.3f}"


def _as_json(finished: "Finished") -> dict[str, Any]:
    """The outcome without the seeds' evaluations, which lie in the named file."""
    outcome = finished.reproduction.model_dump(mode="json", exclude={"evaluations"})
    refusals = finished.reproduction.refusals
    files = {name: str(path) for name, path in finished.files.items()}
    return {"good": True, "files": files, "refusals": refusals, **outcome}
