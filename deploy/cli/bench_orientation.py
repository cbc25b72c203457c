"""`phenostream bench orientation`: how often wrong wirings are named, and right ones are not; on simulated frames."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from phenostream.deploy.cli.terminal import progress, say, say_json, say_table

if TYPE_CHECKING:
    from phenostream.deploy.bench.orientation import FaultRow, Share


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare the benchmark's arguments."""
    parser.add_argument(
        "--frames", type=int, default=100, help="of each preset, for every fault (default 100)"
    )
    parser.add_argument(
        "--streams", type=int, default=10, help="runs of each preset followed live (default 10)"
    )
    parser.add_argument("--cells", type=int, default=20, help="objects in a frame (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other frames")


def measure(args: argparse.Namespace) -> int:
    """Simulate, break, judge, count and print."""
    from phenostream.deploy.bench.orientation import OrientationPlan, measure_orientation

    plan = OrientationPlan(args.frames, args.streams, args.cells, args.seed)
    with progress(plan.steps, "bench orientation", "frame") as bar:
        figure = measure_orientation(plan, bar.update)
    if args.json:
        say_json(figure.as_dict())
        return 0
    say(
        f"SYNTHETIC: {plan.frames} simulated frames of {plan.cells} objects for every preset and fault, "
        "150 to 3000 counts; shares with 95 % intervals"
    )
    say_table(
        ["preset", "fault", "named rightly", "undecided", "wrong", "light: residual_high"],
        [_row(row) for row in figure.faults],
    )
    for stream in figure.streams:
        say(
            f"live, {stream.preset}: a fault shown in a run without one {_shown(stream.false_alarm)}; known to be "
            f"right after 10 frames {_shown(stream.decided)}; a swap named, and nothing else, "
            f"{_shown(stream.named)}, after {stream.frames_to_name or 0:.0f} frames (median)"
        )
    return 0


def _row(row: "FaultRow") -> Sequence[Any]:
    return (row.preset, row.fault, *map(_shown, (row.right, row.undecided, row.wrong, row.flagged)))


def _shown(share: "Share | None") -> str:
    if share is None:
        return "-"
    told = share.as_dict()
    return f"{told['share']:.3f} [{told['low']:.3f}, {told['high']:.3f}]"
