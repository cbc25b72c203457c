"""Make a background from a recording of an empty field, for `[field] source = "recorded"`.

Takes the median of its frames at the reduced size, and of a second recording with the light off if there is one. Record
eight frames or more of a clean place with the settings of the measurement; move the stage between frames if there are
cells. Exit code 2: not usable (too dark, too few frames, cells that stand still), and why.

Example:
  phenostream record --from ipc:///tmp/phenostream/ingest empty.phenorec --until-end
  phenostream background empty.phenorec scope-1.npz --dark covered.phenorec
"""

import argparse
from pathlib import Path

from phenostream.deploy.cli.terminal import progress, say, say_json
from phenostream.engine.background import LEAST_FRAMES
from phenostream.engine.errors import BadConfig

_FRAMES = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="of an empty field")
    parser.add_argument("out", type=Path, metavar="OUT.npz", help="file to write; must not exist")
    parser.add_argument("--dark", type=Path, metavar="RECORDING", help="with the light off")
    parser.add_argument(
        "--kernel",
        choices=("area", "bsccm-gaussian"),
        default="area",
        help="reduction kernel of the model (default area, as the demo bundle's)",
    )
    parser.add_argument(
        "--frames",
        type=int,
        default=_FRAMES,
        metavar="N",
        help=f"use the first N frames ({LEAST_FRAMES} to 256; default {_FRAMES}, or what 256 MiB hold)",
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")


def run(args: argparse.Namespace) -> int:
    """Make and write it, and say what is in it."""
    from phenostream.daemon.backgrounds import write_background
    from phenostream.deploy.background_maker import make_background

    if not LEAST_FRAMES <= args.frames <= 256:
        raise BadConfig(f"--frames {args.frames}: allowed {LEAST_FRAMES} to 256")
    if args.out.exists():
        raise BadConfig(f"{args.out}: exists; choose another name")
    with progress(None, "background", "frame") as bar:
        made, shading = make_background(
            args.recording, args.out, args.dark, args.kernel, args.frames, bar.update
        )
    write_background(made)
    facts = made.facts
    if args.json:
        say_json({"path": str(args.out), **facts.model_dump(mode="json"), "shading": shading})
        return 0
    say(
        f"{args.out}: {facts.instrument}, {facts.height} x {facts.width} {facts.dtype} at "
        f"{facts.pixel_size_um:g} um, median of {facts.frames} frames, "
        f"{f'dark of {facts.dark_frames}' if facts.dark_frames else 'no dark frame'}"
        f"{', simulated (synthetic)' if facts.synthetic else ''}"
    )
    for shot, (low, high) in shading.items():
        say(f"  {shot:<6} {low:.3f} to {high:.3f} of its mean")
    say(f'in the configuration: [field] source = "recorded", background = "{args.out.resolve()}"')
    return 0
