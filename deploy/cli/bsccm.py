"""The published cells BSCCM and BSCCMNIST, from a folder on this disk: what is in it, packing it, a synthetic mirror.

`info` counts what the tables hold: cells by class before and after overlapping gates are resolved, stainings, fields,
targets at their floor. `pack` reads the cells once and writes one file with a content hash, from which is trained; it
can be interrupted and goes on where it was. `mirror` writes simulated cells in exactly the published layout, so that
everything can be tried without the data: all of it is synthetic, no evidence about blood. Nothing is downloaded.
Needs: pip install 'phenostream[trainer]'. docs/bsccm.md tells more. Exit code 3: packed, but the cells say that the
shots are not what they are called.

Examples:
  phenostream bsccm info /data/BSCCMNIST
  phenostream bsccm pack /data/BSCCMNIST cells.npz
  phenostream bsccm mirror /tmp/mirror --cells 4000
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig
from phenostream.engine.types import CLASSES

if TYPE_CHECKING:
    from phenostream.trainer.data.packed import Survey

_NEEDED: Final = ("numcodecs", "pyarrow", "sklearn")
_ALL: Final = "all"
_TEST_SHARE: Final = 0.15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    kinds = parser.add_subparsers(dest="kind", metavar="WHAT", required=True)
    for name, (act, help_line) in _KINDS.items():
        sub = kinds.add_parser(name, help=help_line, description=help_line)
        sub.set_defaults(act=act)
        if name != "mirror":
            sub.add_argument("root", type=Path, metavar="ROOT", help="the data set's folder")
        if name == "pack":
            sub.add_argument("out", type=Path, metavar="OUT", help="file to write (.npz)")
            sub.add_argument(
                "--others",
                default=None,
                metavar="N",
                help="cells without a class to take of each staining and batch, or 'all' (default 5000)",
            )
        if name == "mirror":
            _declare_mirror(sub)
        sub.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    from phenostream.deploy.extras import need

    for package in _NEEDED:
        need(package, "trainer")
    act: Callable[[argparse.Namespace], int] = args.act
    return act(args)


def _declare_mirror(parser: argparse.ArgumentParser) -> None:
    from phenostream.engine.optics.presets import PRESETS

    parser.add_argument("out", type=Path, metavar="OUT", help="new folder")
    parser.add_argument("--cells", type=int, default=4000, metavar="N", help="default 4000")
    parser.add_argument(
        "--variant", choices=("BSCCMNIST", "BSCCM"), default="BSCCMNIST", help="default BSCCMNIST"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default 1")
    parser.add_argument("--preset", choices=PRESETS, default="hard", help="default hard")


def _info(args: argparse.Namespace) -> int:
    from phenostream.trainer.data.bsccm.dataset import open_dataset
    from phenostream.trainer.data.bsccm.survey import survey

    found = survey(open_dataset(args.root, markers_needed=False))
    if args.json:
        say_json(found.model_dump(mode="json"))
    else:
        _say_survey(found)
    return 0


def _pack(args: argparse.Namespace) -> int:
    from phenostream.trainer.data.bsccm.orientation import shots_seen
    from phenostream.trainer.data.bsccm.packer import OTHERS, pack

    cells = pack(args.root, args.out, _others(args.others, OTHERS))
    facts, shots = cells.facts, shots_seen(cells)
    code = 0 if shots.fault in ("ok", "undecided") else 3
    if args.json:
        told = {"file": str(args.out), "cells": len(cells), "sha256": cells.sha256()}
        say_json(told | {"shots": shots.fault} | facts.model_dump())
        return code
    _say_survey(facts)
    say()
    say_table(["packed from", "cells"], facts.packed.items())
    say(
        f"{len(cells):,} cells in {args.out}, {_kind(facts)}, content hash {cells.sha256()[:16]}; "
        f"{facts.same_images} with the image of another cell"
    )
    say(f"shots, asked of {shots.cells:.0f} white cells: {shots.text}")
    return code


def _mirror(args: argparse.Namespace) -> int:
    from phenostream.trainer.data.bsccm.mirror import MirrorSettings, write_mirror

    settings = MirrorSettings(
        cells=args.cells, variant=args.variant, seed=args.seed, preset=args.preset
    )
    with progress(settings.cells, "cells", "cell") as bar:
        write_mirror(args.out, settings, bar.update)
    told = {"folder": str(args.out), "cells": settings.cells, "variant": settings.variant}
    if args.json:
        say_json(told | {"synthetic": True, "seed": settings.seed, "preset": settings.preset})
    else:
        say(f"{settings.cells:,} SYNTHETIC cells in the layout of {settings.variant} in {args.out}")
    return 0


def _others(text: str | None, default: int) -> int | None:
    if text is None or text == _ALL:
        return default if text is None else None
    if not text.isdecimal():
        raise BadConfig(f"--others: {text!r}, allowed a number from 0, or 'all'")
    return int(text)


def _kind(found: "Survey") -> str:
    return "SYNTHETIC" if found.synthetic else "real"


def _say_survey(found: "Survey") -> None:
    """Everything that the contract says to confirm on the real data, as far as tables can tell."""
    stated = "stated" if found.pixel_size_stated else "assumed, the metadata does not say"
    say(f"{found.source} ({found.variant}): {found.cells_in_index:,} {_kind(found)} cells")
    say(
        f"pixel {found.pixel_size_um:g} µm ({stated}), objective NA {_or_unknown(found.objective_na)}, "
        f"light {_or_unknown(found.wavelength_nm)} nm"
    )
    low, high = found.in_field_px
    pitch = "unknown" if found.field_pitch_um is None else f"{found.field_pitch_um:.1f} µm"
    say(
        f"{found.slides} slides, {found.fields:,} fields {pitch} apart, cells at {low:.0f} to {high:.0f} px in them; "
        "number of donors unknown"
    )
    say()
    say_table(["antibodies, batch", "cells"], found.in_index.items())
    say()
    if found.cells_in_table:
        _say_labels(found)
    else:
        say("no marker table: no classes and no targets, nothing to train on")


def _say_labels(found: "Survey") -> None:
    from phenostream.trainer.evaluation.headline import LEAST_CELLS

    listed = [
        (name, count, found.labelled.get(name, "-")) for name, count in found.listings.items()
    ]
    say_table(["gates of", "listed", "one kind, once"], listed)
    say(
        f"{found.in_several_gates} cells in several gates: {found.conflicts} in conflict (no kind), "
        f"{found.class_and_unknown} of a class and unknown (keep their class)"
    )
    rarest, count = min(((name, found.labelled[name]) for name in CLASSES), key=lambda one: one[1])
    if count * _TEST_SHARE < LEAST_CELLS:
        say(
            f"too small for a headline: {count} cells of the rarest class ({rarest}) leave fewer than "
            f"{LEAST_CELLS} in a test part of {_TEST_SHARE:.0%}"
        )
    across = ", ".join(f"{signs} {count}" for signs, count in found.near_across_fields.items())
    say(
        f"pairs of gated cells < 3 µm apart: {found.near_in_field} in a field; "
        f"across fields, by sign of y and x: {across}"
    )
    say()
    say_table(
        ["marker", "usable", "missing", "at floor"],
        [
            (name, found.usable[name], found.missing[name], f"{100 * share:.2f} %")
            for name, share in found.at_floor.items()
        ],
    )


def _or_unknown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"


_KINDS: Final[dict[str, tuple[Callable[[argparse.Namespace], int], str]]] = {
    "info": (_info, "what a data set holds: classes, conflicts, stainings, fields, floors"),
    "pack": (_pack, "read the cells once into one file with a content hash"),
    "mirror": (_mirror, "write simulated cells in exactly the published layout"),
}
