"""`phenostream train --dataset bccd`: the committee for stained white cells, from a folder of pictures.

Declares nothing of its own; `train` hands over what was given.
"""

import argparse
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.picture_steps import StepBar
from phenostream.deploy.cli.terminal import note, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from phenostream.trainer.classifier.checkpoint import PictureCard
    from phenostream.trainer.classifier.committee import CommitteeCard

_CHOSEN = ("seed", "epochs", "batch", "peak_rate", "weight_decay", "threads")


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar; then what was measured."""
    from phenostream.deploy.extras import need

    need("sklearn", "trainer")
    if args.root is None:
        raise BadConfig("--root: needed with --dataset bccd")
    settings = _settings(args)
    from phenostream.trainer.bccd.recipe import FOLDS
    from phenostream.trainer.bccd.training import prepare, train_stained
    from phenostream.trainer.data.bccd.smears import read_smears

    if args.fold is not None and not 1 <= args.fold <= FOLDS:
        raise BadConfig(f"--fold {args.fold}: allowed 1 to {FOLDS}")
    with StepBar() as bar:
        smears = read_smears(args.root, lambda: bar.step("read pictures", 1, None))
        training = prepare(smears, settings, args.out, bar.step)
        if args.fold is None:
            card = train_stained(training, bar.step).card
        else:
            member = training.member(args.fold - 1, bar.step)
    for left_out in smears.left_out:
        note(left_out.line())
    if args.fold is not None:
        _say_member(args, member.card)
    else:
        _say_committee(args, card)
    return 0


def _say_member(args: argparse.Namespace, card: "PictureCard") -> None:
    if args.json:
        say_json(card.model_dump(mode="json"))
        return
    say(f"{card.name} {card.version} in {args.out}: real stained cells, research use only")
    say(
        "one member; the same command without --fold trains those that are missing, and puts all together"
    )


def _say_committee(args: argparse.Namespace, card: "CommitteeCard") -> None:
    if args.json:
        say_json(card.model_dump(mode="json"))
        return
    say(f"{card.name} {card.version} in {args.out}: real stained cells, research use only")
    say_table(
        ["figure", "value", "low", "high", "n", "measured on"],
        [
            (one.name, one.figure.value, _end(one.figure.low), _end(one.figure.high), one.figure.n, one.data)
            for one in card.metrics
        ],
    )  # fmt: skip


def _end(value: float | None) -> float | str:
    return "none" if value is None else value


def _settings(args: argparse.Namespace) -> Any:
    """Raises `BadConfig` for an impossible choice, naming the option."""
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.bccd.recipe import SIDE_PX, recipe
    from phenostream.trainer.classifier.settings import FitSettings

    chosen = {name: getattr(args, name) for name in _CHOSEN if getattr(args, name) is not None}
    try:
        ours = recipe(args.crop_px or SIDE_PX)
        return FitSettings.model_validate(ours.model_dump() | chosen)
    except ValidationError as err:
        option, _, rest = describe(err, FitSettings).partition(":")
        raise BadConfig(f"--{option.replace('_', '-')}:{rest}") from err
