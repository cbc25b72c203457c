"""Train the hybrid model on simulated cells, calibrate it, measure it on held-out simulated cells and save it.

Needs PyTorch: pip install 'phenostream[trainer]'. From the default index that is several GB with CUDA libraries; where
there is no GPU, install a CPU build of torch first. With the defaults it took 20 minutes on one core of a CPU with AMX;
expect longer without. The result is synthetic and says so. An interrupted training of equal settings goes on after its
last whole epoch. `phenostream export-model` turns the folder into a bundle.

Example:
  phenostream train --out work/train --seed 1
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.terminal import say, say_json, say_table
from phenostream.engine.errors import BadConfig

_OPTIONS = {
    "seed": (int, "of data, weights, order and augmentation"),
    "crops": (int, "training crops"),
    "objects": (int, "distinct rendered objects behind the crops"),
    "held_out": (int, "crops per preset for each of selection, calibration and test"),
    "epochs": (int, "passes over the training crops"),
    "batch": (int, "crops per step"),
    "threads": (int, "cores to train on"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from phenostream.trainer.settings import TrainSettings  # light: without torch

    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint folder")
    for name, (kind, text) in _OPTIONS.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,
            default=None,
            help=f"{text} (default {TrainSettings.model_fields[name].default})",
        )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(args: argparse.Namespace) -> int:
    """Train, then print what was measured."""
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.deploy.extras import need

    need("torch", "trainer")
    from phenostream.trainer.settings import TrainSettings
    from phenostream.trainer.train import train

    chosen = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    try:
        settings = TrainSettings(out=args.out, **chosen)
    except ValidationError as err:
        raise BadConfig(f"--{describe(err, TrainSettings).replace('_', '-', 1)}") from err
    for folder in train(settings):
        _say_figures(folder, args.json)
    return 0


def _say_figures(folder: Path, as_json: bool) -> None:
    """The figures stored with a trained model, each with its 95 % interval."""
    from phenostream.trainer.checkpoint import load_checkpoint

    card = load_checkpoint(folder).card
    if as_json:
        say_json(card.model_dump(mode="json"))
        return
    say(
        f"{card.name} {card.version} in {folder}: {'SYNTHETIC' if card.synthetic else 'real'} cells"
    )
    say_table(
        ["figure", "value", "low", "high", "cells", "measured on"],
        [(m.name, m.value, m.low, m.high, m.n, m.data) for m in card.metrics],
    )
