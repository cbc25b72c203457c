"""`phenostream train --dataset bccd`: the committee for stained white cells, from a folder of pictures.

Declares nothing of its own; `train` hands over what was given.
"""

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.picture_steps import StepBar
from phenostream.deploy.cli.terminal import note, say, say_json, say_table
from phenostream.engine.errors import BadConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phenostream.trainer.classifier.checkpoint import PictureCard
    from phenostream.trainer.classifier.committee import CommitteeCard
    from phenostream.trainer.classifier.settings import FitSettings

_CHOSEN = ("seed", "epochs", "batch", "peak_rate", "weight_decay", "threads")


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar; then what was measured."""
    from phenostream.deploy.extras import need

    need("sklearn", "trainer")
    if args.root is None:
        raise BadConfig("--root: needed with --dataset bccd")
    settings = _settings(args)
    from phenostream.trainer.bccd.members import train_member
    from phenostream.trainer.bccd.recipe import FOLDS
    from phenostream.trainer.bccd.training import prepare, train_stained
    from phenostream.trainer.data.bccd.smears import read_smears

    if args.fold is not None and not 1 <= args.fold <= FOLDS:
        raise BadConfig(f"--fold {args.fold}: allowed 1 to {FOLDS}")
    with StepBar() as bar:
        smears = read_smears(args.root, lambda: bar.step("read pictures", 1, None))
        training = prepare(smears, settings, args.out, bar.step)
        if args.fold is None:
            told = partial(_say_committee, args, train_stained(training, bar.step).card)
        else:
            own = [one for one in training.numbers if one % FOLDS == args.fold - 1]
            cards = [train_member(training, number, bar.step).card for number in own]
            told = partial(_say_members, args, cards)
    for left_out in smears.left_out:
        note(left_out.line())
    told()
    return 0


def _say_members(args: argparse.Namespace, cards: "Sequence[PictureCard]") -> None:
    if args.json:
        say_json([card.model_dump(mode="json") for card in cards])
        return
    for card in cards:
        say(f"{card.name} {card.version} in {args.out}: real stained cells, research use only")
    say(
        "one fold; the same command without --fold trains those that are missing, and puts all together"
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


def _settings(args: argparse.Namespace) -> "tuple[FitSettings, ...]":
    """Raises `BadConfig` for an impossible choice, naming the option."""
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.bccd.recipe import FOLDS, SIDE_PX, recipes
    from phenostream.trainer.classifier.settings import FitSettings

    chosen = {name: getattr(args, name) for name in _CHOSEN if getattr(args, name) is not None}
    ours = recipes(args.crop_px or SIDE_PX)
    last = 2**31 - 1 - FOLDS * len(ours)
    if chosen.get("seed", 0) > last:
        raise BadConfig(f"--seed: {chosen['seed']}, allowed 0 to {last}: each member has one")
    try:
        return tuple(
            FitSettings.model_validate(one.model_dump() | chosen | _seed(chosen, FOLDS * number))
            for number, one in enumerate(ours)
        )
    except ValidationError as err:
        option, _, rest = describe(err, FitSettings).partition(":")
        raise BadConfig(f"--{option.replace('_', '-')}:{rest}") from err


def _seed(chosen: dict[str, Any], later: int) -> dict[str, Any]:
    return {"seed": chosen["seed"] + later} if "seed" in chosen else {}
