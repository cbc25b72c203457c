"""Are the shots what they are called? Reads recordings and tells from the cells which illumination each shot truly is.

Light tilted to one side brightens that side of a cell: the left shot shows cells bright on their right, the right shot
on their left, top at the top, bottom at the bottom. Names swapped, repeated, missing or turned illuminations and
prints the channel map that mends a wrong wiring. Exit code 0: every shot is what it is called. 3: a fault, or not
enough cells to tell (it says how many more). 2: not a recording.

Example:
  phenostream check-orientation tests/data/real_quads.phenorec --picture cells.png
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from phenostream.deploy.cli.terminal import note, progress, say, say_json, say_table
from phenostream.engine.errors import BadConfig
from phenostream.engine.optics.orientation import FAULTS

if TYPE_CHECKING:
    from tqdm import tqdm

    from phenostream.deploy.orientation_check import RunOrientation
    from phenostream.engine.optics.orientation import ShotDipole

_ARROWS: Final = "→↗↑↖←↙↓↘"
_MOST_FRAMES: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recordings", type=Path, nargs="+", metavar="RECORDING")
    parser.add_argument(
        "--frames",
        type=int,
        default=_MOST_FRAMES,
        metavar="N",
        help=f"look at the first N frames of each (default {_MOST_FRAMES})",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="try the channel maps of this configuration"
    )
    parser.add_argument(
        "--expect",
        choices=FAULTS,
        default="ok",
        metavar="WHAT",
        help=f"exit with 0 if this is found (default ok): {', '.join(FAULTS)}",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="draw the mean cell of each shot"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Judge every run and print what was found."""
    from phenostream.deploy.orientation_picture import write_picture

    if args.frames < 1:
        raise BadConfig(f"--frames {args.frames}: allowed 1 or more")
    if args.picture is not None and args.picture.suffix != ".png":
        raise BadConfig(f"--picture {args.picture}: allowed a name that ends in .png")
    judged = _judged(args)
    good = all(one.orientation.fault == args.expect for one in judged)
    if args.picture is not None:
        write_picture(args.picture, judged)
        note(f"phenostream check-orientation: {args.picture} written")
    if args.json:
        say_json({"good": good, "expected": args.expect, "runs": [one.as_dict() for one in judged]})
    else:
        for one in judged:
            _say_run(one)
    return 0 if good else 3


def _judged(args: argparse.Namespace) -> list["RunOrientation"]:
    from phenostream.daemon.channel_map import NO_MAPS
    from phenostream.deploy.bundles import load_site_config
    from phenostream.deploy.orientation_check import check_recording

    maps = load_site_config(args.config).ingest.channel_map if args.config else NO_MAPS
    judged = []
    for path in args.recordings:
        size = path.stat().st_size if path.is_file() else None
        with progress(size, f"reading {path.name}", "B") as bar:

            def reached(position: int, bar: "tqdm[Any]" = bar) -> None:
                bar.update(position - bar.n)

            judged += check_recording(path, args.frames, maps, reached)
    return judged


def _say_run(one: "RunOrientation") -> None:
    told = one.orientation
    kind = "simulated cells (synthetic)" if one.start.synthetic else "cells"
    say(
        f"{one.path}: run {one.start.run} of {one.start.instrument}: "
        f"{told.cells:.0f} {kind} in {one.frames} frame{'s' if one.frames != 1 else ''}"
    )
    for line in _portrait_lines(one):
        say(line)
    say_table(
        ["shot", "bright side", "angle", "dipole", "±", "verdict"],
        [_row(shot, decided=told.decided) for shot in told.shots],
    )
    if told.decided:
        sure = 100 * min(told.confidence, 0.9999)
        certainty = f"(confidence {sure:.2f} %, from the scatter of the cells)"
        say(f"{'good' if told.fault == 'ok' else 'FAULT'}: {told.text} {certainty}")
    else:
        say(f"UNDECIDED: {told.text}")
    table = one.toml()
    if table is not None:
        say("put this at the end of the daemon's configuration:")
        for line in table.splitlines():
            say(f"    {line}")


def _row(shot: "ShotDipole", *, decided: bool) -> Sequence[object]:
    if shot.angle_deg is None or shot.truth is None:
        arrow, angle = "·", "none"
    else:
        arrow, angle = _ARROWS[round(shot.angle_deg / 45) % 8], f"{round(shot.angle_deg):+d}°"
    verdict = f"{shot.truth} ✓" if shot.right else f"is really {shot.truth}"
    if shot.truth is None:
        verdict = "has no tilted light" if shot.lit else "has no light"
    if not decided:
        verdict = f"perhaps {shot.truth}" if shot.truth else "cannot be told"
    return (shot.announced, arrow, angle, f"{shot.magnitude:.2f}", f"{shot.standard_error:.2f}", verdict)  # fmt: skip


def _portrait_lines(one: "RunOrientation") -> Iterator[str]:
    """The mean cell of each shot, side by side, in characters: dark to bright."""
    from phenostream.deploy.orientation_picture import in_characters

    names = [shot.announced for shot in one.orientation.shots]
    panels = [in_characters(one.mean.portrait, name) for name in names]
    width = len(panels[0][0])
    yield "  ".join(name.center(width) for name in names).rstrip()
    for row in zip(*panels, strict=True):
        yield "  ".join(row)
