"""What the benchmarks share: flags, a simulated microscope, a folder of their own, and the box they run on."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.terminal import say

if TYPE_CHECKING:
    from phenostream.deploy.microscope import SimulatedMicroscope


def declare_bundle(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument(
        "--bundle", default="demo", metavar="DIR", help="model bundle (default: demo)"
    )


def declare_frames(parser: argparse.ArgumentParser, size: int, cells: int, frames: int) -> None:
    """The bundle, and what frames are simulated for it."""
    declare_bundle(parser)
    parser.add_argument(
        "--size", type=int, default=size, help=f"side of a frame, pixels (default {size})"
    )
    parser.add_argument(
        "--cells", type=int, default=cells, help=f"objects in a frame (default {cells})"
    )
    parser.add_argument(
        "--frames", type=int, default=frames, help=f"frames timed (default {frames})"
    )


def microscope(args: argparse.Namespace) -> "SimulatedMicroscope":
    """The simulated microscope that was asked for."""
    from phenostream.deploy.microscope import MicroscopeSettings, SimulatedMicroscope, cache_folder

    settings = MicroscopeSettings(
        size_px=args.size, cells=args.cells, preset="hard"
    )  # easy has no room for many
    return SimulatedMicroscope(settings, cache_folder())


@contextmanager
def scratch() -> Iterator[Path]:
    """A short-named folder of our own for sockets and a journal; removed afterwards."""
    with TemporaryDirectory(prefix="phenostream-") as name:
        yield Path(name)


def box() -> dict[str, Any]:
    """What a figure was measured on, as plain values."""
    from phenostream.deploy.bench.box import describe_box

    return describe_box()


def say_box() -> None:
    """The same as the line above a table."""
    from phenostream.deploy.bench.box import describe_in_a_line

    say(describe_in_a_line(box()))
