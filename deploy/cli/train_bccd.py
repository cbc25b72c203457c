"""`phenostream train --dataset bccd`: the classifier of stained white cells, from a folder of pictures.

Declares nothing of its own; `train` hands over what was given.
"""

import argparse
from typing import Any

from phenostream.deploy.cli.picture_steps import StepBar
from phenostream.deploy.cli.terminal import note, say, say_json, say_table
from phenostream.engine.errors import BadConfig

_CHOSEN = ("seed", "epochs", "batch", "peak_rate", "weight_decay", "threads")


def run(args: argparse.Namespace) -> int:
    """Train, with a progress bar; then what was measured."""
    from phenostream.deploy.extras import need

    need("sklearn", "trainer")
    if args.root is None:
        raise BadConfig("--root: needed with --dataset bccd")
    settings = _settings(args)
    from phenostream.trainer.bccd.training import train_stained
    from phenostream.trainer.data.bccd.smears import read_smears

    with StepBar() as bar:
        smears = read_smears(args.root, lambda: bar.step("read pictures", 1, None))
        made = train_stained(smears, settings, args.out, bar.step)
    card = made.card
    for left_out in smears.left_out:
        note(left_out.line())
    if args.json:
        say_json(card.model_dump(mode="json"))
        return 0
    say(f"{card.name} {card.version} in {args.out}: real stained cells, research use only")
    say_table(
        ["figure", "value", "low", "high", "n", "measured on"],
        [
            (one.name, one.figure.value, _end(one.figure.low), _end(one.figure.high), one.figure.n, one.data)
            for one in card.metrics
        ],
    )  # fmt: skip
    return 0


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
