"""`phenostream train --dataset single-shot`: the model that sees one DPC shot, trained on simulated cells alone."""

import argparse
from typing import Any

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig

_FIT = ("seed", "epochs", "batch", "peak_rate", "weight_decay", "threads")


def run(args: argparse.Namespace) -> int:
    """Draw the cells, train, and print what was measured."""
    from phenostream.trainer.single_shot.training import train_single_shot
    from phenostream.trainer.single_shot.weights import load_single_shot

    settings = _settings(args)
    drawn = settings.objects + 2 * settings.held_out
    with (
        progress(drawn, "draw", "cell") as cells,
        progress(settings.fit.epochs * len(settings.members), "train", "epoch") as epochs,
    ):

        def on_epoch(_number: int, loss: float, _model: object) -> None:
            epochs.set_postfix_str(f"loss {loss:.3f}")
            epochs.update()

        folder = train_single_shot(settings, cells.update, on_epoch)
    card = load_single_shot(folder).card
    if args.json:
        say_json(card.model_dump(mode="json"))
        return 0
    say(f"{card.name} {card.version}, {len(card.members)} networks, in {folder}: SYNTHETIC cells")
    say_table(
        ["figure", "value", "measured on"],
        [(one.name, one.figure.text(), one.data) for one in card.metrics],
    )
    return 0


def _settings(args: argparse.Namespace) -> Any:
    """Raises `BadConfig` for an impossible choice, naming the option."""
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.single_shot.training import SingleShotSettings

    if args.root is not None:
        raise BadConfig(f"--root {args.root}: not allowed with --dataset single-shot")
    usual = SingleShotSettings(out=args.out)
    given = {name: getattr(args, name) for name in _FIT if getattr(args, name) is not None}
    try:
        return SingleShotSettings.model_validate(
            {"out": args.out, "fit": usual.fit.model_dump() | given}
        )
    except ValidationError as err:
        line = describe(err, SingleShotSettings).removeprefix("fit.")
        raise BadConfig(f"--{line.replace('_', '-', 1)}") from err
