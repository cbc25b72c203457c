"""Gather everything that an installation needs in a folder, for a box without a network.

DIR gets the wheel of phenostream, those of all it needs by the pins that it carries, and SHA256SUMS. Carry it over and
run there: sudo phenostream install --from DIR. The folder is for boxes with the Python version and processor of this
one, and brings the extras that it is made with. SHA256SUMS finds damage; that it is your folder, the sum of that file
tells, which is printed here: compare it there (sha256sum DIR/SHA256SUMS), by another way than the folder came.

Examples:
  phenostream bundle-wheels wheels
  phenostream bundle-wheels wheels --extras monitor,exports --wheel phenostream-0.1.0-py3-none-any.whl
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from phenostream.deploy.cli.terminal import progress, say, say_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("directory", type=Path, metavar="DIR", help="a new folder")
    parser.add_argument(
        "--extras", default="monitor", metavar="LIST", help="what it brings (default: monitor)"
    )
    parser.add_argument(
        "--wheel",
        type=Path,
        metavar="FILE",
        help="ours (default: that of this command, or built from its checkout)",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        help="build here what is there as source only (extra gpu: pycuda), with the compilers of this box",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Gather, then read all of it once more."""
    from phenostream.deploy.install.commands import run as run_command
    from phenostream.deploy.install.wheelhouse import make_wheelhouse, wheel_at_hand

    extras = [one for one in args.extras.split(",") if one]
    with (
        TemporaryDirectory(prefix="phenostream-") as scratch,
        progress(None, "gathering wheels", "package") as bar,
    ):

        def watched(
            command: Sequence[str], on_line: Callable[[str], None] = lambda line: None
        ) -> str:
            return run_command(command, lambda line: bar.update(line.startswith("Collecting ")))

        wheel = wheel_at_hand(args.wheel, run_command, Path(scratch))
        made = make_wheelhouse(args.directory, wheel, extras, watched, compiles=args.compile)
    size = sum((made.folder / name).stat().st_size for name in made.sums)
    if args.json:
        about = {"version": made.about.version, "extras": made.about.extras}
        about |= {"python": made.about.python, "platform": made.about.platform}
        say_json({"directory": str(made.folder), "sha256": made.sha256, "bytes": size} | about)
        return 0
    what = f"phenostream {made.about.version} (extras: {', '.join(made.about.extras) or 'none'})"
    say(f"{made.folder}: {what}, {len(made.sums)} files, {size / 1e6:,.0f} MB")
    say(f"for Python {made.about.python} on {made.about.platform}")
    say(f"sha256 of SHA256SUMS: {made.sha256}")
    say(f"next, there: sudo phenostream install --from {made.folder.name}")
    return 0
