"""Train the hybrid model on simulated cells, calibrate it, measure it on held-out simulated cells and save it.

Needs PyTorch: pip install 'phenostream[trainer]'. From the default index that is several GB with CUDA libraries; where
there is no GPU, install a CPU build of torch first. With the defaults it took 20 minutes on one core of a CPU with AMX;
expect longer without. The result is synthetic and says so. An interrupted training of equal settings goes on after its
last whole epoch. `phenostream export-model` turns the folder into a bundle. docs/training.md explains every choice.

Examples:
  phenostream train --out work/train --seed 1
  phenostream train --out work/three --seeds 3 --tensorboard
  phenostream train --out work/theirs --recipe published --epochs 20
  phenostream train --out work/no-vit --without vit
  phenostream train --dataset bccd --root BCCD --out work/bccd
  phenostream train --dataset single-shot --out work/single-shot
  torchrun --nproc-per-node 2 -m phenostream.deploy.cli train --out work/two --batch 128
"""

import argparse
import statistics
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final, get_args

from phenostream.deploy.cli.terminal import say, say_json, say_table
from phenostream.engine.errors import BadConfig

_OPTIONS: dict[str, tuple[type, str]] = {
    "seed": (int, "of data, weights, order and augmentation"),
    "crops": (int, "training crops"),
    "objects": (int, "distinct rendered objects behind the crops"),
    "held_out": (int, "crops per preset for each of calibration and test; a sixth for selection"),
    "epochs": (int, "passes over the training crops"),
    "batch": (int, "crops per step, over all processes"),
    "peak_rate": (float, "highest learning rate"),
    "weight_decay": (float, "of AdamW"),
    "threads": (int, "cores to train on, per process"),
    "recipe": (str, "how to train: ours, or as published (with its faults)"),
    "rebalance": (
        str,
        "of the classes: by drawing rare ones more often, or by weights in the loss",
    ),
    "levels": (
        str,
        "what simulated cells are taught: levels as measured, or as expected, without noise",
    ),
    "marker_unit": (
        str,
        "of a marker's residual in the loss: its spread overall, or within the class",
    ),
    "channel_dropout": (float, "chance that a cell loses one shot in a step"),
    "precision": (str, "of the network's body"),
    "device": (str, "where to compute"),
}
_SHAPE = {
    "tasks": "learn both, or classes or markers alone",
    "inputs": "the four shots, or with DPC_x and DPC_y beside them",
    "fusion": "of the branches: two learned scalars, or a gate per cell",
    "norm": "of the convolutions: batch, or group for other instruments and days",
}


_OF_PICTURES: Final[dict[str, str]] = {
    "bccd": "train_bccd",
    "single-shot": "train_single_shot",
}
"""Data sets of pictures that no daemon sees, by name, with the module beside this one that trains on them."""
_ALSO_FOR_PICTURES: Final = ("seed", "epochs", "batch", "peak_rate", "weight_decay", "threads")
"""Options that a training on pictures knows too; the other ones are of crops."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    from phenostream.trainer.network.network_options import NetworkOptions, Part
    from phenostream.trainer.training.settings import TrainSettings  # light: without torch

    parser.add_argument(
        "--dataset", choices=("simulated", *_OF_PICTURES), default="simulated",
        help="what to train on (default simulated)",
    )  # fmt: skip
    parser.add_argument("--root", type=Path, metavar="DIR", help="where the data set is")
    parser.add_argument(
        "--crop-px", type=int, choices=(28, 48, 64, 96, 128),
        help="side of what the network sees of a picture (not of simulated crops, which have 28)",
    )  # fmt: skip
    parser.add_argument(
        "--fold", type=int, metavar="K",
        help="train only the members that do not see fold K (bccd), so that several can be trained at once; without it"
        " those that are missing are trained, and all put together",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint folder")
    parser.add_argument(
        "--seeds",
        type=int,
        default=1,
        metavar="N",
        help="train N times on the same data (default 1)",
    )
    for name, (kind, text) in _OPTIONS.items():
        _declare(parser, name, kind, text, TrainSettings.model_fields[name])
    parser.add_argument("--tensorboard", action="store_true", help="log to OUT/tensorboard too")
    shape = parser.add_argument_group("shape of the network (the default is the published one)")
    for name, text in _SHAPE.items():
        _declare(shape, name, str, text, NetworkOptions.model_fields[name])
    shape.add_argument(
        "--without",
        action="append",
        default=[],
        choices=get_args(Part),
        help="leave a part out (may be given again)",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def _declare(
    group: argparse._ActionsContainer, name: str, kind: type, text: str, field: Any
) -> None:
    group.add_argument(
        f"--{name.replace('_', '-')}",
        type=kind,
        default=None,
        choices=_choices(name, field) if kind is str else None,
        help=f"{text} (default {field.default})",
    )


def _choices(name: str, field: Any) -> tuple[str, ...]:
    """What an option may be; the network takes other inputs too, which are no crops."""
    return ("shots", "dpc") if name == "inputs" else get_args(field.annotation)


def run(args: argparse.Namespace) -> int:
    """Train, then print what was measured."""
    from phenostream.deploy.extras import need

    if args.seeds < 1:
        raise BadConfig(f"--seeds {args.seeds}: allowed 1 or more")
    if args.fold is not None and args.dataset != "bccd":
        raise BadConfig(f"--fold {args.fold}: not allowed with --dataset {args.dataset}")
    need("torch", "trainer")
    if args.dataset in _OF_PICTURES:
        return _train_on_pictures(args)
    if args.root is not None:
        raise BadConfig(f"--root {args.root}: not allowed with --dataset simulated")
    if args.crop_px is not None:
        raise BadConfig(f"--crop-px {args.crop_px}: not allowed with --dataset simulated")
    if args.tensorboard:
        need("tensorboard", "trainer")
    from phenostream.trainer.training.distributed import first_process
    from phenostream.trainer.training.train import train

    folders = train(_settings(args), args.seeds)
    if first_process():
        _say_figures(folders, args.json)
    return 0


def _train_on_pictures(args: argparse.Namespace) -> int:
    """Have the data set's own module do it."""
    foreign = [*(set(_OPTIONS) - set(_ALSO_FOR_PICTURES)), *_SHAPE]
    given = [name for name in foreign if getattr(args, name) is not None]
    given += [name for name in ("without", "tensorboard") if getattr(args, name)]
    if given or args.seeds != 1:
        option = (given or ["seeds"])[0].replace("_", "-")
        raise BadConfig(f"--{option}: not allowed with --dataset {args.dataset}")
    train = import_module(f"phenostream.deploy.cli.{_OF_PICTURES[args.dataset]}")
    exit_code: int = train.run(args)
    return exit_code


def _settings(args: argparse.Namespace) -> Any:
    """Raises `BadConfig` for an impossible choice, naming the option."""
    from pydantic import ValidationError

    from phenostream.daemon.wire.validation import describe
    from phenostream.trainer.training.settings import TrainSettings

    shape = {name: getattr(args, name) for name in _SHAPE if getattr(args, name) is not None}
    chosen = {name: getattr(args, name) for name in _OPTIONS if getattr(args, name) is not None}
    network = shape | dict.fromkeys(args.without, False)
    try:
        return TrainSettings.model_validate(
            {"out": args.out, "tensorboard": args.tensorboard, "network": network, **chosen}
        )
    except ValidationError as err:
        line = describe(err, TrainSettings)
        option, _, rest = line.partition(":")
        named = option in _OPTIONS
        raise BadConfig(f"--{option.replace('_', '-')}:{rest}" if named else rest.strip()) from err


def _say_figures(folders: Sequence[Path], as_json: bool) -> None:
    """The figures stored with each trained model, with 95 % intervals, and their mean and sd over seeds."""
    from phenostream.trainer.checkpoint import load_checkpoint

    cards = [load_checkpoint(folder).card for folder in folders]
    spread = _spread([card.metrics for card in cards])
    if as_json:
        seeds = [card.model_dump(mode="json") for card in cards]
        say_json(seeds[0] if len(seeds) == 1 else {"seeds": seeds, "spread": spread})
        return
    for folder, card in zip(folders, cards, strict=True):
        kind = "SYNTHETIC" if card.synthetic else "real"
        say(f"{card.name} {card.version} in {folder}: {kind} cells")
        if not card.metrics:
            say(
                "no figures: some class has too few test cells for a headline; more with --held-out"
            )
            continue
        say_table(
            ["figure", "value", "low", "high", "cells", "measured on"],
            [(m.name, m.value, m.low, m.high, m.n, m.data) for m in card.metrics],
        )
    if len(cards) > 1 and spread:
        say(f"over {len(cards)} seeds of weights, order and augmentation, on the same cells")
        say_table(list(spread[0]), [tuple(line.values()) for line in spread])


def _spread(seeds: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Mean and sample sd of the figures that every seed has."""
    columns = [{(m.name, m.data): m.value for m in metrics} for metrics in seeds]
    everywhere = [key for key in columns[0] if all(key in column for column in columns)]
    return [
        {
            "figure": name,
            "mean": statistics.fmean(values),
            "sd": statistics.stdev(values) if len(values) > 1 else 0.0,
            "measured on": data,
        }
        for name, data in everywhere
        if (values := [column[name, data] for column in columns])
    ]
